//===- KernelWriter.h - What the parts of the CPU emitter share -------------------------------===//

#ifndef LLMOPT_CODEGEN_CPU_KERNELWRITER_H
#define LLMOPT_CODEGEN_CPU_KERNELWRITER_H

#include "codegen/PlanEmitter.h"
#include "codegen/SourceWriter.h"

#include "llvm/ADT/DenseMap.h"

namespace llmopt {

/// A row or a tile of a value in the emitted code: `type *name`, one element per column.
struct EmittedRow {
  std::string name;
  std::string type;
};

/// The arguments of a kernel as the emitted code names them. Every part of a kernel (functors and
/// the function) sees the same names.
class KernelNames {
public:
  explicit KernelNames(const PlannedKernel &planned);

  /// "residual", "weight", ...: the C++ name of an operand's, result's or the workspace's pointer.
  const std::string &operand(mlir::Value blockArgument) const;
  const std::string &result(int64_t index) const { return results[static_cast<size_t>(index)]; }
  const std::string &workspace() const { return workspaceName; }

  /// Declarations of all pointers from `args`, for the head of the function.
  void declare(SourceWriter &out) const;
  /// "const LlmoptBatch *batch; const bf16 *x; ...": members of a functor that has them all.
  void members(SourceWriter &out) const;
  /// "batch, x, ...": initializers of such a functor.
  std::string initializers() const;

private:
  struct Pointer {
    std::string type, name;
    int64_t index;
  };
  std::vector<Pointer> pointers;
  llvm::DenseMap<mlir::Value, std::string> operands;
  std::vector<std::string> results;
  std::string workspaceName;
};

/// Emits ops that treat each row by itself, in order, for a row numbered `row`: the prologue of a
/// linear, or a whole rows kernel.
class RowEmitter {
public:
  RowEmitter(SourceWriter &out, const PlannedKernel &planned, const KernelNames &names)
      : out(out), planned(planned), names(names) {}

  /// Where a value shall be written instead of a local array.
  void setDestination(mlir::Value value, EmittedRow row) { destinations[value] = std::move(row); }
  Status emit(llvm::ArrayRef<mlir::Operation *> ops);
  /// The row that holds a value: of an emitted op, or of a block argument.
  EmittedRow rowOf(mlir::Value value);

private:
  Status emit(mlir::Operation *op);
  /// The destination of the op's result: its own, or a new local array.
  EmittedRow makeRow(mlir::Operation *op);
  std::string indexOf(mlir::Value indices);

  SourceWriter &out;
  const PlannedKernel &planned;
  const KernelNames &names;
  llvm::DenseMap<mlir::Value, EmittedRow> rows;
  llvm::DenseMap<mlir::Value, EmittedRow> destinations;
  int locals = 0;
};

/// "{1.0f, 0.5f}" of a list of floats.
std::string floatList(llvm::ArrayRef<float> values);

/// The constants that describe a cache to the kernel headers, as members of a Config.
void emitCacheConfig(SourceWriter &out, CacheType cache);

} // namespace llmopt

#endif // LLMOPT_CODEGEN_CPU_KERNELWRITER_H
