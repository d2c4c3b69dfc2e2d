//===- VerifyPhase.cpp - Check that a module is what its phase says ---------------------------===//

#include "ir/KernelAnatomy.h"
#include "ir/ShapeInference.h"
#include "passes/Passes.h"
#include "passes/Phase.h"
#include "passes/VerifyLaunch.h"

using namespace mlir;

namespace llmopt {

#define GEN_PASS_DEF_VERIFYPHASE
#include "passes/Passes.h.inc"

namespace {
class VerifyPhasePass : public impl::VerifyPhaseBase<VerifyPhasePass> {
  using VerifyPhaseBase::VerifyPhaseBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto attribute = module->getAttrOfType<StringAttr>(LLMDialect::phaseAttrName);
    StringRef phase = attribute ? attribute.getValue() : "";
    static constexpr StringLiteral phases[] = {graphPhase, kernelsPhase, scheduledPhase,
                                               placedPhase};
    const auto *found = llvm::find(phases, phase);
    if (found == std::end(phases)) {
      module.emitError() << "unknown phase '" << phase << "'";
      return signalPassFailure();
    }
    auto step = requirePhase(module, phase);
    if (failed(step) ||
        failed(verifyStep(step->getBody().front(), static_cast<int>(found - phases))) ||
        (phase == placedPhase && failed(verifyPlacement(step->getBody().front()))) ||
        failed(verifyPersistence(*step)))
      signalPassFailure();
  }

  /// A step that says how it is launched is one that can be.
  LogicalResult verifyPersistence(func::FuncOp step) {
    Attribute launch = getOperation()->getAttr(LLMDialect::launchAttrName);
    if (!launch)
      return mlir::success();
    if (launch != StringAttr::get(&getContext(), "persistent"))
      return getOperation().emitError() << "unknown launch " << launch;
    return verifyLaunch(step);
  }

  static LogicalResult verifyStep(Block &body, int phase) {
    for (Operation &op : body.without_terminator()) {
      if (op.getName().getDialectNamespace() != LLMDialect::getDialectNamespace())
        return op.emitError() << "the step holds ops of the llm dialect only";
      auto kernel = dyn_cast<KernelOp>(&op);
      if (phase == 0 && kernel)
        return op.emitError() << "a graph has no kernels";
      if (phase == 0 || isa<GetWeightOp>(op))
        continue;
      if (!kernel)
        return op.emitError() << "stands outside a kernel";
      if (failed(analyzeKernel(kernel)))
        return failure();
      if (phase >= 2 && !kernel->getAttrOfType<DictionaryAttr>(scheduleAttrName))
        return op.emitError() << "has no schedule";
      auto placement = kernel->getAttrOfType<ArrayAttr>(placementAttrName);
      if (phase >= 3 && (!placement || placement.size() != kernel.getNumResults()))
        return op.emitError() << "has no placement of its results";
    }
    return mlir::success();
  }

  struct Placed {
    Operation *op;
    StringRef space;
    int64_t offset, size, begin, end;
  };

  LogicalResult verifyPlacement(Block &body) {
    llvm::DenseMap<Operation *, int64_t> index;
    for (Operation &op : body)
      index[&op] = static_cast<int64_t>(index.size());
    SmallVector<Placed> all;
    for (auto kernel : body.getOps<KernelOp>()) {
      auto placement = kernel->getAttrOfType<ArrayAttr>(placementAttrName);
      for (OpResult result : kernel->getResults())
        if (isa<RankedTensorType>(result.getType())) {
          int64_t last = index[kernel];
          for (Operation *user : result.getUsers())
            last = std::max(last, index[user]);
          if (failed(add(kernel, placement[result.getResultNumber()], index[kernel], last, all)) ||
              failed(verifyRow(kernel, tensorType(result), all.back().size)))
            return failure();
        }
      if (failed(verifyWorkspace(kernel)))
        return failure();
      if (Attribute workspace = kernel->getAttr(workspaceAttrName))
        if (failed(add(kernel, workspace, index[kernel], index[kernel], all)))
          return failure();
    }
    for (size_t i = 0; i < all.size(); ++i)
      for (size_t j = i + 1; j < all.size(); ++j)
        if (all[i].space == all[j].space && all[i].begin <= all[j].end &&
            all[j].begin <= all[i].end && all[i].offset < all[j].offset + all[j].size &&
            all[j].offset < all[i].offset + all[i].size)
          return all[j].op->emitError()
                 << "its buffer at " << all[j].offset << " overlaps one that is still needed";
    return mlir::success();
  }

  /// A row of a result is as large in the arena as its type says.
  static LogicalResult verifyRow(KernelOp kernel, RankedTensorType type, int64_t bytes) {
    const int64_t needed = type.getDimSize(1) * type.getElementTypeBitWidth() / 8;
    if (bytes < needed)
      return kernel.emitError() << "its placement has " << bytes << " bytes a row, and one of "
                                << type << " has " << needed;
    return mlir::success();
  }

  /// The workspace that a schedule asks for has its place, with a row for each row of the kernel.
  static LogicalResult verifyWorkspace(KernelOp kernel) {
    auto schedule = kernel->getAttrOfType<DictionaryAttr>(scheduleAttrName);
    auto needed = schedule.getAs<IntegerAttr>("workspace_row_bytes");
    if (!needed)
      return mlir::success();
    auto workspace = kernel->getAttrOfType<DictionaryAttr>(workspaceAttrName);
    if (!workspace)
      return kernel.emitError() << "has no place for the workspace that its schedule asks for";
    auto bytes = workspace.getAs<IntegerAttr>("row_bytes");
    if (bytes && bytes.getInt() < needed.getInt())
      return kernel.emitError() << "its workspace has " << bytes.getInt()
                                << " bytes a row, its schedule asks for " << needed.getInt();
    StringRef rows = rowsOf(kernel->getResult(0)) == Rows::Token ? "token" : "logit";
    auto space = workspace.getAs<StringAttr>("space");
    if (space && space.getValue() != rows)
      return kernel.emitError() << "its workspace is in the space '" << space.getValue()
                                << "', its rows are those of '" << rows << "'";
    return mlir::success();
  }

  LogicalResult add(KernelOp kernel, Attribute attribute, int64_t begin, int64_t end,
                    SmallVector<Placed> &all) {
    auto entry = dyn_cast<DictionaryAttr>(attribute);
    auto space = entry ? entry.getAs<StringAttr>("space") : StringAttr();
    auto offset = entry ? entry.getAs<IntegerAttr>("offset") : IntegerAttr();
    auto bytes = entry ? entry.getAs<IntegerAttr>("row_bytes") : IntegerAttr();
    auto arena = getOperation()->getAttrOfType<DictionaryAttr>(arenaAttrName);
    if (!space || !offset || !bytes || !arena)
      return kernel.emitError() << "placement must give space, offset and row_bytes in an arena";
    auto limit = arena.getAs<IntegerAttr>((space.getValue() + "_row_bytes").str());
    if (!limit || offset.getInt() < 0 || bytes.getInt() <= 0 || bytes.getInt() > limit.getInt() ||
        offset.getInt() > limit.getInt() - bytes.getInt())
      return kernel.emitError() << "is placed outside the arena";
    all.push_back({kernel, space.getValue(), offset.getInt(), bytes.getInt(), begin, end});
    return mlir::success();
  }
};
} // namespace

} // namespace llmopt
