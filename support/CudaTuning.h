//===- CudaTuning.h - Schedules that were found on a card, as a file --------------------------===//
//
//   {"format": 1, "card": "NVIDIA H100 80GB HBM3", "arch": "sm_90a",
//    "functions": {
//      "matvec_panels depth 4096 columns 6144 streams 2 bf16 rows 1": {
//        "parameters": {"rows": 1, "columns": 16, "depth": 128, "warps": 8, "stages": 5},
//        "microseconds": 19.8, "default_microseconds": 21.3}}}
//
// A function is named by what its time depends on (cudaFunctionKey), not by its model: one file
// serves all models of a card that have such linears, and files of several models can be merged.
// Names that no function has are ignored.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_SUPPORT_CUDATUNING_H
#define LLMOPT_SUPPORT_CUDATUNING_H

#include "support/CudaTemplates.h"
#include "support/Error.h"

#include <map>
#include <optional>
#include <string>

namespace llmopt {

struct CudaTuning {
  static constexpr int64_t format = 1;

  struct Function {
    CudaParameters parameters;
    double microseconds = 0;        ///< with these parameters
    double defaultMicroseconds = 0; ///< with those that it was compiled with
  };

  std::string path; ///< of the file that it was read from
  std::string card; ///< as the card calls itself
  std::string arch; ///< "sm_90a"
  std::map<std::string, Function> functions;

  /// `what` names the file.
  static Result<CudaTuning> parse(const std::string &text, const std::string &what);
  static Result<CudaTuning> read(const std::string &path);
  std::string toText() const;

  /// The parameters of a function, if there are any for it. An Error, which names the file and the
  /// function, if it cannot take them: no such instance, or one of more than `sharedBytes` of
  /// shared memory.
  Result<std::optional<CudaParameters>> find(const CudaTemplate &kind, const CudaLinearShape &shape,
                                             int64_t maxRows, bool batchInvariant,
                                             int64_t sharedBytes) const;
};

} // namespace llmopt

#endif // LLMOPT_SUPPORT_CUDATUNING_H
