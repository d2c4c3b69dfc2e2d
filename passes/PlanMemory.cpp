//===- PlanMemory.cpp - Place every intermediate in the arena ---------------------------------===//
//
// Buffers are intervals of kernel indices. The largest are placed first, each at the lowest offset
// where it overlaps no placed buffer that lives at the same time (greedy by size; Pisarchyk and
// Lee, 2020, https://arxiv.org/abs/2001.03288).
//
//===------------------------------------------------------------------------------------------===//

#include "ir/KernelAnatomy.h"
#include "ir/ShapeInference.h"
#include "passes/Passes.h"
#include "passes/Phase.h"

#include "mlir/IR/Builders.h"

using namespace mlir;

namespace llmopt {

#define GEN_PASS_DEF_PLANMEMORY
#include "passes/Passes.h.inc"

/// Buffers begin at multiples of a cache line for every row count.
static constexpr int64_t rowAlignment = 64;

namespace {
struct Buffer {
  KernelOp kernel;
  int64_t result; ///< index of the kernel's result, or -1 for its workspace
  Rows rows;
  int64_t rowBytes;
  int64_t begin, end; ///< first and last kernel that needs it
  int64_t offset = 0;

  int64_t size() const { return llvm::alignTo(rowBytes, rowAlignment); }
  bool meets(const Buffer &other) const {
    return rows == other.rows && begin <= other.end && other.begin <= end;
  }
};

class PlanMemoryPass : public impl::PlanMemoryBase<PlanMemoryPass> {
  using PlanMemoryBase::PlanMemoryBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto step = requirePhase(module, scheduledPhase);
    if (failed(step))
      return signalPassFailure();
    Block &body = step->getBody().front();
    for (auto kernel : body.getOps<KernelOp>())
      if (!kernel->getAttrOfType<DictionaryAttr>(scheduleAttrName)) {
        kernel.emitOpError() << "has no schedule";
        return signalPassFailure();
      }
    std::vector<Buffer> buffers = collect(body);
    place(buffers);

    Builder builder(module.getContext());
    int64_t tokenBytes = 0, logitBytes = 0;
    llvm::DenseMap<Operation *, SmallVector<Attribute>> placements;
    for (auto kernel : body.getOps<KernelOp>())
      placements[kernel].assign(kernel.getNumResults(), builder.getUnitAttr());
    for (Buffer &buffer : buffers) {
      int64_t &arena = buffer.rows == Rows::Token ? tokenBytes : logitBytes;
      arena = std::max(arena, buffer.offset + buffer.size());
      NamedAttribute entries[] = {
          builder.getNamedAttr(
              "space", builder.getStringAttr(buffer.rows == Rows::Token ? "token" : "logit")),
          builder.getNamedAttr("offset", builder.getI64IntegerAttr(buffer.offset)),
          builder.getNamedAttr("row_bytes", builder.getI64IntegerAttr(buffer.rowBytes))};
      Attribute placement = builder.getDictionaryAttr(entries);
      if (buffer.result < 0)
        buffer.kernel.getOperation()->setAttr(workspaceAttrName, placement);
      else
        placements[buffer.kernel][buffer.result] = placement;
    }
    for (auto kernel : body.getOps<KernelOp>())
      kernel->setAttr(placementAttrName, builder.getArrayAttr(placements[kernel]));
    NamedAttribute arena[] = {
        builder.getNamedAttr("token_row_bytes", builder.getI64IntegerAttr(tokenBytes)),
        builder.getNamedAttr("logit_row_bytes", builder.getI64IntegerAttr(logitBytes))};
    module->setAttr(arenaAttrName, builder.getDictionaryAttr(arena));
    setPhase(module, placedPhase);
  }

  static std::vector<Buffer> collect(Block &body) {
    llvm::DenseMap<Operation *, int64_t> index;
    for (Operation &op : body)
      index[&op] = static_cast<int64_t>(index.size());
    std::vector<Buffer> buffers;
    for (auto kernel : body.getOps<KernelOp>()) {
      int64_t now = index[kernel];
      for (OpResult result : kernel->getResults()) {
        auto type = dyn_cast<RankedTensorType>(result.getType());
        if (!type)
          continue;
        int64_t last = now;
        for (Operation *user : result.getUsers())
          last = std::max(last, index[user]);
        int64_t rowBytes = type.getDimSize(1) * type.getElementTypeBitWidth() / 8;
        buffers.push_back({kernel, result.getResultNumber(), rowsOf(result), rowBytes, now, last});
      }
      auto schedule = kernel->getAttrOfType<DictionaryAttr>(scheduleAttrName);
      if (auto bytes = schedule.getAs<IntegerAttr>("workspace_row_bytes"))
        buffers.push_back({kernel, -1, rowsOf(kernel->getResult(0)), bytes.getInt(), now, now});
    }
    return buffers;
  }

  static void place(std::vector<Buffer> &buffers) {
    std::vector<Buffer *> order;
    order.reserve(buffers.size());
    for (Buffer &buffer : buffers)
      order.push_back(&buffer);
    llvm::stable_sort(order, [](Buffer *a, Buffer *b) { return a->size() > b->size(); });
    std::vector<Buffer *> placed;
    for (Buffer *buffer : order) {
      // Placed neighbours in time, by offset: take the first gap that is wide enough.
      std::vector<Buffer *> neighbours;
      for (Buffer *other : placed)
        if (other->meets(*buffer))
          neighbours.push_back(other);
      llvm::sort(neighbours, [](Buffer *a, Buffer *b) { return a->offset < b->offset; });
      int64_t offset = 0;
      for (Buffer *other : neighbours) {
        if (other->offset - offset >= buffer->size())
          break;
        offset = std::max(offset, other->offset + other->size());
      }
      buffer->offset = offset;
      placed.push_back(buffer);
    }
  }
};
} // namespace

} // namespace llmopt
