//===- CudaWriter.h - What the parts of the CUDA emitter share --------------------------------===//

#ifndef LLMOPT_CODEGEN_CUDA_CUDAWRITER_H
#define LLMOPT_CODEGEN_CUDA_CUDAWRITER_H

#include "codegen/PlanEmitter.h"
#include "codegen/SourceWriter.h"
#include "runtime/artifact/CudaSchedule.h"
#include "support/CudaTarget.h"

#include "llvm/ADT/DenseMap.h"

#include <map>
#include <utility>

namespace llmopt {

/// The pointers of a kernel as the emitted code names them, in the order of the plan's launch: its
/// functors and its functions see them under the same names.
class CudaPointers {
public:
  explicit CudaPointers(const PlannedKernel &planned);

  /// "addend", "weight", ...: the name of an operand's (a block argument's) or a result's pointer.
  const std::string &operand(mlir::Value blockArgument) const;
  const std::string &result(int64_t index) const { return results[static_cast<size_t>(index)]; }
  const std::string &workspace() const { return workspaceName; }

  /// The struct Arguments, from which the kernel's functors derive: `batch` and all pointers.
  void declareArguments(SourceWriter &out) const;
  /// "{&step, input, ...}": the arguments inside a function.
  std::string initializers() const;
  /// "const __grid_constant__ LlmoptBatch step, const bf16 *input, ...".
  std::string parameters() const;
  /// Declares the pointers, from the `arguments` of an LlmoptStepKernel `kernel`.
  void declareFromStep(SourceWriter &out) const;
  size_t count() const { return pointers.size(); }

private:
  struct Pointer {
    std::string type, name;
  };
  std::vector<Pointer> pointers;
  llvm::DenseMap<mlir::Value, std::string> operands;
  std::vector<std::string> results;
  std::string workspaceName;
};

/// One `__global__` function to launch; see CudaEmitter.h.
struct CudaFunction {
  std::string name;
  std::string header; ///< of kernels/ that has its template
  int64_t tiles = 1, rowsPerTile = 1;
  bool perSequence = false;
  /// Not 0: at most so many blocks for each multiprocessor, which share the tiles.
  int64_t blocksPerMultiprocessor = 0;
  int64_t splits = 1;
  int64_t threads = 0, sharedBytes = 0;
  CudaSchedule schedule; ///< of a linear
  /// How it is called: the template's instance, and its arguments up to the tile's
  /// index; of one that streams, behind the weight.
  std::string type, call;
  bool countsTiles = false; ///< behind the index it takes the number of all tiles
  /// Instead of a function: a product by the vendor's library, as CudaEmitter.h says.
  Json product;
};

/// What runs for up to maxRows rows; 0: for any number.
struct CudaVariant {
  int64_t maxRows = 0;
  bool decode = false; ///< only where each row is of another sequence
  std::vector<CudaFunction> functions;
};

/// Opens `extern "C" __global__ void name(...) {` with `shared`, `arguments` and the names of the
/// kernel's parts in scope. `threads` is instead of their number, if not empty.
void openFunction(SourceWriter &out, const PlannedKernel &planned, const CudaPointers &pointers,
                  const CudaFunction &function, const std::string &threads = "");

/// Emit the parts and functions of one kernel; its variants in rising order of rows. `limit` is the
/// shared memory of a block, in bytes.
Result<std::vector<CudaVariant>> emitCudaLinear(SourceWriter &out, const PlannedKernel &planned,
                                                const CudaTarget &target);
Result<std::vector<CudaVariant>> emitCudaAttention(SourceWriter &out, const PlannedKernel &planned,
                                                   int64_t limit);
Result<std::vector<CudaVariant>> emitCudaRows(SourceWriter &out, const PlannedKernel &planned);

/// Emits what chooses a token for each row of logits; its facts for the plan, as CudaEmitter.h
/// says.
Json emitCudaSampling(SourceWriter &out, int64_t vocabulary);

/// Emits row functions (kernels/rows.cuh): values of row ops as lines of code for one element, at
/// `row` and `column`.
class CudaRowWriter {
public:
  CudaRowWriter(SourceWriter &out, const PlannedKernel &planned, const CudaPointers &pointers)
      : out(out), planned(planned), pointers(pointers) {}

  /// The members Statistics and prepare(), which makes them for the norms among the row ops.
  Status emitPrepare();
  /// Emits the lines that compute an element of `value`; returns its name. Lines that the scope has
  /// already are used again.
  Result<std::string> element(mlir::Value value, const std::string &column = "column");
  /// A new scope of lines: a lambda, a function.
  template <typename Body> Status scope(const Body &body) {
    auto outer = std::exchange(lines, {});
    Status status = body();
    lines = std::move(outer);
    return status;
  }

private:
  Result<std::string> emit(mlir::Operation *op, const std::string &column);
  Result<std::string> rope(RopeOp op, const std::string &column);
  Status lambda(mlir::Value value, const char *end);
  std::string normName(mlir::Operation *norm);
  Result<std::string> indexOf(mlir::Value indices);
  std::string name(mlir::Operation *op);

  SourceWriter &out;
  const PlannedKernel &planned;
  const CudaPointers &pointers;
  std::string row = "row"; ///< of the values that are being read; another below a gather
  std::map<std::tuple<void *, std::string, std::string>, std::string> lines;
  int locals = 0;
};

/// The value behind a cast that rounds it where it is stored anyway.
mlir::Value withoutFinalCast(mlir::Value value);

/// "CacheLayout<bf16, 4, 64>".
std::string cacheLayout(CacheType cache);

} // namespace llmopt

#endif // LLMOPT_CODEGEN_CUDA_CUDAWRITER_H
