//===- Schedule.cpp - Choose tiles and weight layouts for a target ----------------------------===//

#include "ir/KernelAnatomy.h"
#include "ir/ShapeInference.h"
#include "passes/CudaSchedule.h"
#include "passes/CudaTunedSchedule.h"
#include "passes/Passes.h"
#include "passes/Phase.h"

#include "mlir/IR/Builders.h"

#include <optional>

using namespace mlir;

namespace llmopt {

#define GEN_PASS_DEF_SCHEDULE
#include "passes/Passes.h.inc"

namespace {

/// The CPU kernels read panels of 16 outputs, a vector register of float32.
constexpr int64_t cpuPanel = 16;
/// Columns of a task: four panels share the broadcast input, and a few hundred tasks a linear
/// balance over the threads.
constexpr int64_t cpuTileColumns = 64;
/// The most columns of a task that the CPU template has room for, over all streams.
constexpr int64_t cpuTileLimit = 1024;

class SchedulePass : public impl::ScheduleBase<SchedulePass> {
  using ScheduleBase::ScheduleBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto step = requirePhase(module, kernelsPhase);
    if (failed(step))
      return signalPassFailure();
    if (target != "cpu" && target != "cuda") {
      module.emitError() << "unknown target '" << target << "'; known: cpu, cuda";
      return signalPassFailure();
    }
    if (target == "cuda") {
      auto found = findCudaTarget(arch);
      if (!found) {
        module.emitError() << found.error().message();
        return signalPassFailure();
      }
      cudaTarget = *found;
      if (failed(readCudaDefaults(module)))
        return signalPassFailure();
    }
    layouts.clear();
    for (auto kernel : step->getBody().front().getOps<KernelOp>())
      if (failed(schedule(kernel)))
        return signalPassFailure();
    for (auto &[name, layout] : layouts)
      pack(module.lookupSymbol<WeightOp>(name), layout);
    // The CPU's kernels always add up a row in an order of its own.
    if (batchInvariant || target == "cpu")
      module->setAttr(LLMDialect::batchInvariantAttrName, UnitAttr::get(&getContext()));
    setPhase(module, scheduledPhase);
  }

  llvm::MapVector<StringAttr, PackedAttr> layouts;
  CudaTarget cudaTarget;
  std::optional<CudaDefaults> cudaDefaults;
  std::optional<CudaTuning> cudaTuning;

  LogicalResult readCudaDefaults(ModuleOp module) {
    auto defaults = CudaDefaults::of(cudaTarget);
    if (!defaults)
      return module.emitError() << defaults.error().message();
    cudaDefaults = *defaults;
    cudaTuning.reset();
    if (tuning.empty())
      return mlir::success();
    auto read = CudaTuning::read(tuning);
    if (!read)
      return module.emitError() << read.error().message();
    if (read->arch != arch)
      return module.emitError() << tuning << " is for " << shortened(read->arch) << ", not "
                                << arch;
    cudaTuning = std::move(*read);
    return mlir::success();
  }

  /// Gives the variants among the entries what the tuning file has for them.
  LogicalResult tune(KernelOp kernel, const KernelAnatomy &anatomy,
                     SmallVectorImpl<NamedAttribute> &entries) {
    for (NamedAttribute &entry : entries)
      if (entry.getName() == "variants") {
        auto tuned = tuneVariants(anatomy, cast<ArrayAttr>(entry.getValue()), *cudaTuning,
                                  cudaTarget, batchInvariant);
        if (!tuned)
          return kernel.emitError() << tuned.error().message();
        entry.setValue(*tuned);
      }
    return mlir::success();
  }

  LogicalResult schedule(KernelOp kernel) {
    auto anatomy = analyzeKernel(kernel);
    if (failed(anatomy))
      return failure();
    Builder builder(kernel.getContext());
    SmallVector<NamedAttribute> entries;
    auto set = [&](StringRef name, Attribute value) {
      entries.emplace_back(builder.getStringAttr(name), value);
    };
    bool isLinear = anatomy->anchor == KernelAnatomy::Anchor::Linear;
    if (isLinear && failed(chooseLayout(kernel, anatomy->linear)))
      return failure();
    if (target == "cuda")
      entries = cudaSchedule(*anatomy, cudaTarget, *cudaDefaults, batchInvariant);
    if (isLinear && target == "cuda" && cudaTuning && failed(tune(kernel, *anatomy, entries)))
      return failure();
    if (isLinear && target == "cpu") {
      SmallVector<int64_t> tiles;
      for (const KernelSegment &segment : anatomy->segments) {
        int64_t streams = static_cast<int64_t>(segment.streams.size());
        if (segment.unit * streams > cpuTileLimit)
          return kernel.emitOpError() << "needs tiles of " << segment.unit << " columns; "
                                      << cpuTileLimit / streams << " is the most";
        // Whole units, at least the preferred width.
        int64_t units = std::max<int64_t>(1, cpuTileColumns / streams / segment.unit);
        tiles.push_back(std::min(units * segment.unit, segment.columns));
      }
      set("tile", builder.getDenseI64ArrayAttr(tiles));
      set("workspace_row_bytes", builder.getI64IntegerAttr(workspaceRowBytes(anatomy->linear)));
    }
    set("target", builder.getStringAttr(target));
    kernel->setAttr(scheduleAttrName, builder.getDictionaryAttr(entries));
    return mlir::success();
  }

  /// Bytes of a row of the input as the CPU template lays it out: bfloat16 products read bfloat16,
  /// all others float32, in blocks of 256 elements (linearSharedBytes in
  /// codegen/cpu/kernels/linear.h).
  static int64_t workspaceRowBytes(LinearOp linear) {
    auto input = tensorType(linear.getInput());
    int64_t elementBytes = input.getElementType().isBF16() ? 2 : 4;
    return llvm::alignTo(input.getDimSize(1), 256) * elementBytes;
  }

  LogicalResult chooseLayout(KernelOp kernel, LinearOp linear) {
    Value weight = linear.getWeight();
    if (auto cast = weight.getDefiningOp<CastOp>())
      weight = cast.getInput();
    auto argument = dyn_cast<BlockArgument>(weight);
    auto use = argument ? kernel.getOperand(argument.getArgNumber()).getDefiningOp<GetWeightOp>()
                        : GetWeightOp();
    if (!use)
      return kernel.emitOpError() << "multiplies by something that is not a weight";
    if (auto quantized = dyn_cast<QuantizedType>(tensorType(linear.getWeight()).getElementType())) {
      if (target != "cpu")
        return kernel.emitOpError() << "multiplies by " << quantized << ", for which there is no "
                                    << "kernel of target '" << target << "' yet";
      // The codes of one row in a step are a word of 32 bits.
      return setLayout(
          kernel, use,
          PackedAttr::get(kernel.getContext(), cpuPanel, 32 / bitsOf(quantized.getCode())));
    }
    // Pairs of columns feed one bfloat16 dot product.
    int64_t interleave = tensorType(linear.getWeight()).getElementType().isBF16() ? 2 : 1;
    auto layout = target == "cuda" ? cudaWeightLayout(linear, cudaTarget)
                                   : PackedAttr::get(kernel.getContext(), cpuPanel, interleave);
    return layout ? setLayout(kernel, use, layout) : mlir::success();
  }

  LogicalResult setLayout(KernelOp kernel, GetWeightOp use, PackedAttr layout) {
    auto [entry, isNew] = layouts.insert({use.getNameAttr().getAttr(), layout});
    if (!isNew && entry->second != layout)
      return kernel.emitOpError() << "wants weight @" << use.getName()
                                  << " in another layout than an earlier kernel";
    return mlir::success();
  }

  /// Gives the weight, its recipe and every value that holds it the layout.
  void pack(WeightOp weight, PackedAttr layout) {
    auto withLayout = [&](Type type) {
      auto tensor = cast<RankedTensorType>(type);
      return RankedTensorType::get(tensor.getShape(), tensor.getElementType(), layout);
    };
    Operation *yield = weight.getRecipe().front().getTerminator();
    OpBuilder builder(yield);
    yield->setOperand(0, builder.create<PackOp>(weight.getLoc(), withLayout(weight.getType()),
                                                yield->getOperand(0)));
    weight.setType(withLayout(weight.getType()));
    getOperation().walk([&](GetWeightOp use) {
      if (use.getNameAttr().getAttr() != weight.getSymNameAttr())
        return;
      use.getResult().setType(weight.getType());
      for (OpOperand &operand : use->getUses())
        if (auto kernel = dyn_cast<KernelOp>(operand.getOwner())) {
          BlockArgument argument = kernel.getBlock()->getArgument(operand.getOperandNumber());
          argument.setType(weight.getType());
          for (Operation *user : argument.getUsers())
            if (auto cast = dyn_cast<CastOp>(user))
              cast.getResult().setType(withLayout(cast.getResult().getType()));
        }
    });
  }
};
} // namespace

} // namespace llmopt
