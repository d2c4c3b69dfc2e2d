//===- CudaTemplates.h - The templates of linears on CUDA, and what follows of their parameters
//-===//
//
// A linear is an instance of a template of codegen/cuda/kernels. Its kind names the template, its
// parameters say how the work is cut. What a launch has to know of an instance, and which
// parameters a linear can take, is said here once: schedules are made, sources emitted, and tuned
// instances launched by the same table. Emitted text holds each instance to it.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_SUPPORT_CUDATEMPLATES_H
#define LLMOPT_SUPPORT_CUDATEMPLATES_H

#include "support/Error.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace llmopt {

/// By name: "columns", "stages".
using CudaParameters = std::map<std::string, int64_t>;

/// The shape of a linear, as its kernel sees it.
struct CudaLinearShape {
  int64_t depth = 0;   ///< of the input
  int64_t columns = 0; ///< rows of the weight
  /// Units of the output, and how many columns of the weight each takes: 2 for a gate with its up,
  /// or a pair that is rotated.
  struct Segment {
    int64_t units = 0;
    int64_t streams = 1;
  };
  std::vector<Segment> segments;
  std::string weight, compute; ///< types: "f32", "f16" or "bf16"

  int64_t weightBytes() const { return weight == "f32" ? 4 : 2; }
  int64_t computeBytes() const { return compute == "f32" ? 4 : 2; }
  int64_t streams() const; ///< the most of a segment
};

/// How an instance is launched: tiles * ceil(rows / rowsPerTile), a block for each, or, where
/// blocks make one tile after the other, at most blocksPerMultiprocessor for each multiprocessor.
struct CudaInstance {
  int64_t tiles = 0;
  int64_t rowsPerTile = 0;
  int64_t threads = 0;
  int64_t sharedBytes = 0;
  int64_t blocksPerMultiprocessor = 0; ///< 0: a block for each tile
};

struct CudaParameter {
  const char *name;
  const char *label; ///< as the template calls it: "Columns"
  /// What a search tries, rising; none if what the function is for decides.
  std::vector<int64_t> candidates;
  /// Whether sums are added up in the same order whatever it is.
  bool keepsSums;
};

/// A kind of linear. Functions of a shape and parameters may be called where check() succeeds.
struct CudaTemplate {
  const char *kind;   ///< of a schedule, and of the header in kernels/: "matvec"
  const char *format; ///< of the C++ type, {} for its parameters: "Matvec<Shape, {}>"
  bool takesRows;     ///< it makes its input itself, row by row
  std::vector<CudaParameter> parameters; ///< in the template's order
  int64_t (*threads)(const CudaParameters &);
  int64_t (*sharedBytes)(const CudaLinearShape &, const CudaParameters &);
  /// What forbids the parameters, as the rest of a sentence; null if nothing does.
  const char *(*problem)(const CudaLinearShape &, const CudaParameters &);

  /// An Error, one sentence without the kernel's name, unless there is an instance of the shape
  /// with all the template's parameters, and no others.
  Status check(const CudaLinearShape &shape, const CudaParameters &parameters) const;
  CudaInstance instance(const CudaLinearShape &shape, const CudaParameters &parameters) const;
  /// "/*Rows=*/1, /*Columns=*/8": the parameters as the template takes them.
  std::string arguments(const CudaParameters &parameters) const;
  const CudaParameter *find(const std::string &name) const;
  /// The lines of the emitted source that say which instance `function` is: its arguments and what
  /// follows from them. Source that finds them defined leaves out its own.
  std::string macros(const std::string &function, const CudaLinearShape &shape,
                     const CudaParameters &parameters) const;
};

/// Null if there is no such kind.
const CudaTemplate *findCudaTemplate(const std::string &kind);

/// What a function of a linear is called wherever it is tuned: all that its time depends on but its
/// parameters and what is before and after the product. "matvec depth 4096 columns 6144 streams 2
/// bf16 rows 4": of up to so many rows, any for 0. Those that may change no order of sums have a
/// name of their own.
std::string cudaFunctionKey(const std::string &kind, const CudaLinearShape &shape, int64_t maxRows,
                            bool batchInvariant);

} // namespace llmopt

#endif // LLMOPT_SUPPORT_CUDATEMPLATES_H
