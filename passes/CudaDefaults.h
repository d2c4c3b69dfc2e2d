//===- CudaDefaults.h - The parameters that schedules of an architecture start from -----------===//
//
// passes/schedules/ARCH.json, which the compiler carries. Names are paths in the file:
//
//   matvec, matvec_panels        for few rows; stages are the most
//   gemm/TYPES/few and /many     TYPES: "f32", "f32 as 16 bits" (the weight is cast), "16 bits"
//   gemm_wgmma/few and /many     stages are the most
//
// A schedule takes less of what its shape or the shared memory has no room for.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_PASSES_CUDADEFAULTS_H
#define LLMOPT_PASSES_CUDADEFAULTS_H

#include "support/CudaTarget.h"
#include "support/CudaTemplates.h"
#include "support/EmbeddedFile.h"

#include <map>
#include <string>
#include <vector>

namespace llmopt {

/// By their architectures.
const std::vector<EmbeddedFile> &cudaScheduleFiles();

class CudaDefaults {
public:
  /// Of a known architecture. An Error if the file lacks a parameter that schedules start from.
  static Result<CudaDefaults> of(const CudaTarget &target);
  static Result<CudaDefaults> parse(const std::string &text, const CudaTarget &target);

  /// A parameter of a name above: get("gemm_wgmma/few", "columns").
  int64_t get(const std::string &name, const char *parameter) const {
    return all.at(name).at(parameter);
  }

private:
  std::map<std::string, CudaParameters> all;
};

} // namespace llmopt

#endif // LLMOPT_PASSES_CUDADEFAULTS_H
