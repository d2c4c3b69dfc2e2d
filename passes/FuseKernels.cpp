//===- FuseKernels.cpp - Group the ops of the step into kernels -------------------------------===//
//
// Three walks over the step, in program order. Each linear gathers its epilogue: ops that follow
// from its columns and need nothing that comes later than the linear. Then each linear gathers its
// prologue: ops that only serve to make its input. What is left runs row by row, an op joining the
// kernel that makes its operand where that keeps the order. Then every group becomes a kernel,
// values inside become float32, and casts at its edges say where they are rounded.
//
//===------------------------------------------------------------------------------------------===//

#include "ir/KernelAnatomy.h"
#include "ir/ShapeInference.h"
#include "passes/Passes.h"
#include "passes/Phase.h"
#include "passes/VerifySemantics.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"

#include <deque>

using namespace mlir;

namespace llmopt {

#define GEN_PASS_DEF_FUSEKERNELS
#include "passes/Passes.h.inc"

namespace {
/// Ops that become one kernel, and where in the step it stands.
struct Group {
  llvm::SetVector<Operation *> ops;
  /// The kernel runs where this op stood.
  Operation *position = nullptr;
  bool isRows = false;
};

class FuseKernelsPass : public impl::FuseKernelsBase<FuseKernelsPass>, public PassTolerance {
  using FuseKernelsBase::FuseKernelsBase;

  /// With 16-bit types values inside a kernel are no longer rounded; float32 modules do not change.
  double getTolerance() const override { return dropsRounding ? 5e-2 : defaultPassTolerance; }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto step = requirePhase(module, graphPhase);
    if (failed(step))
      return signalPassFailure();
    body = &step->getBody().front();
    dropsRounding = llvm::any_of(*body, [](Operation &op) {
      return llvm::any_of(op.getResultTypes(), [](Type type) {
        auto tensor = dyn_cast<RankedTensorType>(type);
        return tensor && !tensor.getElementType().isF32();
      });
    });
    groups.clear();
    groupOf.clear();
    for (Operation &op : body->without_terminator())
      if (auto linear = dyn_cast<LinearOp>(&op))
        gatherEpilogue(linear);
    for (Operation &op : body->without_terminator())
      if (auto linear = dyn_cast<LinearOp>(&op))
        gatherPrologue(linear);
    gatherRows();
    for (Group &group : groups)
      if (failed(outline(group)))
        return signalPassFailure();
    setPhase(module, kernelsPhase);
  }

  Block *body = nullptr;
  bool dropsRounding = false;
  std::deque<Group> groups;
  llvm::DenseMap<Operation *, Group *> groupOf;

  Group *newGroup(Operation *op) {
    groups.emplace_back();
    Group *group = &groups.back();
    group->position = op;
    addTo(group, op);
    return group;
  }

  void addTo(Group *group, Operation *op) {
    group->ops.insert(op);
    groupOf[op] = group;
  }

  //===- Grouping -----------------------------------------------------------------------------===//

  /// Whether an operand from outside the group exists where the group's kernel runs.
  bool availableBefore(Value operand, const Group &group) {
    Operation *producer = operand.getDefiningOp();
    if (!producer)
      return true;
    if (group.ops.contains(producer) || isa<GetWeightOp>(producer))
      return true;
    auto found = groupOf.find(producer);
    Operation *made = found == groupOf.end() ? producer : found->second->position;
    return made->isBeforeInBlock(group.position);
  }

  void gatherEpilogue(LinearOp linear) {
    Group *group = newGroup(linear);
    if (!enabled)
      return;
    // In program order, so that an op is asked after everything that could make its operands.
    for (Operation *op = linear->getNextNode(); op != body->getTerminator();
         op = op->getNextNode()) {
      if (groupOf.count(op) ||
          !isa<SliceOp, RopeOp, ActivationOp, AddOp, MulOp, CastOp, CacheAppendOp>(op))
        continue;
      auto fromGroup = [&](Value value) {
        return value.getDefiningOp() && group->ops.contains(value.getDefiningOp());
      };
      bool joins = llvm::any_of(op->getOperands(), fromGroup) &&
                   llvm::all_of(op->getOperands(),
                                [&](Value value) { return availableBefore(value, *group); });
      // A cache append stores two parts of this linear's columns, or waits for its own kernel; a
      // rotation turns the linear's columns, and its table comes from outside.
      if (auto append = dyn_cast<CacheAppendOp>(op))
        joins = joins && fromGroup(append.getKeys()) && fromGroup(append.getValues());
      if (auto rope = dyn_cast<RopeOp>(op))
        joins = joins && fromGroup(rope.getInput()) && !fromGroup(rope.getTable());
      // The columns of a linear are treated in slices only if nothing needs all of them.
      if (isa<SliceOp>(op))
        joins = joins && op->getOperand(0) == linear.getResult() && isOnlySliced(linear);
      if (joins && combinesTooMuch(op, *group, linear))
        joins = false;
      if (joins)
        addTo(group, op);
    }
  }

  static bool isOnlySliced(LinearOp linear) {
    return llvm::all_of(linear.getResult().getUsers(),
                        [](Operation *user) { return isa<SliceOp>(user); });
  }

  /// Whether with `op` in the group more than two slices would belong together, also by way of the
  /// group's other ops.
  bool combinesTooMuch(Operation *op, const Group &group, LinearOp linear) {
    if (isa<CacheAppendOp>(op))
      return false;
    llvm::SetVector<Value> together;
    collectStreams(op, group, linear, together);
    for (size_t known = 0; known != together.size();) {
      known = together.size();
      for (Operation *member : group.ops) {
        if (member == linear || isa<SliceOp, CacheAppendOp>(member))
          continue;
        llvm::SetVector<Value> streams;
        collectStreams(member, group, linear, streams);
        if (llvm::any_of(streams, [&](Value stream) { return together.contains(stream); }))
          together.insert(streams.begin(), streams.end());
      }
    }
    return together.size() > 2;
  }

  void collectStreams(Operation *op, const Group &group, LinearOp linear,
                      llvm::SetVector<Value> &streams) {
    for (Value operand : op->getOperands()) {
      Operation *producer = operand.getDefiningOp();
      if (!producer || !group.ops.contains(producer))
        continue;
      if (producer == linear || isa<SliceOp>(producer))
        streams.insert(operand);
      else
        collectStreams(producer, group, linear, streams);
    }
  }

  void gatherPrologue(LinearOp linear) {
    Group *group = groupOf[linear];
    // A weight is cast while it is read, by each linear for itself, fused or not: it is no row of
    // the batch.
    if (auto shared = linear.getWeight().getDefiningOp<CastOp>(); shared && !shared->hasOneUse()) {
      auto own = cast<CastOp>(OpBuilder(linear).clone(*shared));
      linear.getWeightMutable().assign(own.getResult());
    }
    SmallVector<Value> worklist = {linear.getWeight()};
    if (enabled)
      worklist.push_back(linear.getInput());
    while (!worklist.empty()) {
      Operation *producer = worklist.pop_back_val().getDefiningOp();
      if (!producer || groupOf.count(producer) ||
          !isa<GatherRowsOp, NormOp, ActivationOp, AddOp, MulOp, CastOp>(producer))
        continue;
      bool ownUse = llvm::all_of(producer->getUsers(), [&](Operation *user) {
        return group->ops.contains(user) && groupOf[user] == group;
      });
      // The epilogue treats columns of the result and cannot read a row of the prologue.
      bool inEpilogue = llvm::any_of(
          producer->getUsers(), [&](Operation *user) { return linear->isBeforeInBlock(user); });
      if (!ownUse || inEpilogue)
        continue;
      addTo(group, producer);
      // Rows are gathered from a buffer: what makes them has another number of rows.
      if (!isa<GatherRowsOp>(producer))
        worklist.append(producer->operand_begin(), producer->operand_end());
    }
  }

  void gatherRows() {
    for (Operation &op : body->without_terminator()) {
      if (groupOf.count(&op) || isa<GetWeightOp>(op))
        continue;
      Group *joined = nullptr;
      if (enabled && !isa<AttentionOp>(op))
        for (Value operand : op.getOperands())
          if (Operation *producer = operand.getDefiningOp())
            if (auto found = groupOf.find(producer);
                found != groupOf.end() && found->second->isRows && canJoin(op, *found->second))
              joined = found->second;
      if (!joined) {
        joined = newGroup(&op);
        joined->isRows = !isa<AttentionOp>(op);
      } else {
        addTo(joined, &op);
        joined->position = &op;
      }
    }
  }

  /// A rows kernel moves to where `op` stands: nobody else may need its results before, and rows
  /// must mean the same.
  bool canJoin(Operation &op, const Group &group) {
    for (Operation *member : group.ops)
      for (Operation *user : member->getUsers())
        if (!group.ops.contains(user) && user != &op) {
          auto found = groupOf.find(user);
          Operation *needed = found == groupOf.end() ? user : found->second->position;
          if (needed->isBeforeInBlock(&op))
            return false;
        }
    return !isa<GatherRowsOp>(op);
  }

  //===- Outlining ----------------------------------------------------------------------------===//

  LogicalResult outline(Group &group) {
    SmallVector<Operation *> ops = group.ops.takeVector();
    llvm::sort(ops, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
    llvm::SmallPtrSet<Operation *, 16> inside(ops.begin(), ops.end());
    llvm::SetVector<Value> operands;
    SmallVector<Value> results;
    SmallVector<Location> locations;
    for (Operation *op : ops) {
      locations.push_back(op->getLoc());
      for (Value operand : op->getOperands())
        if (!operand.getDefiningOp() || !inside.contains(operand.getDefiningOp()))
          operands.insert(operand);
      for (Value result : op->getResults())
        if (llvm::any_of(result.getUsers(),
                         [&](Operation *user) { return !inside.contains(user); }))
          results.push_back(result);
    }
    // Weights are symbols: bring their uses before the kernel.
    for (Value operand : operands)
      if (auto weight = operand.getDefiningOp<GetWeightOp>())
        if (!weight->isBeforeInBlock(group.position))
          weight->moveBefore(group.position);

    OpBuilder builder(group.position);
    Location location = builder.getFusedLoc(locations);
    SmallVector<Type> resultTypes;
    for (Value result : results)
      resultTypes.push_back(result.getType());
    auto kernel =
        builder.create<KernelOp>(location, resultTypes, kernelName(ops), operands.getArrayRef());
    Block &block = kernel.getBody().emplaceBlock();
    IRMapping mapping;
    for (Value operand : operands)
      mapping.map(operand, block.addArgument(operand.getType(), operand.getLoc()));
    OpBuilder inner = OpBuilder::atBlockEnd(&block);
    for (Operation *op : ops) {
      Operation *copy = inner.clone(*op, mapping);
      widen(copy);
      if (auto linear = dyn_cast<LinearOp>(copy))
        roundProductInput(linear, productType(cast<LinearOp>(op)));
    }
    SmallVector<Value> yielded;
    for (Value result : results)
      yielded.push_back(castTo(inner, mapping.lookup(result), result.getType()));
    inner.create<YieldOp>(location, yielded);
    for (auto [old, now] : llvm::zip(results, kernel.getResults()))
      old.replaceUsesWithIf(now, [&](OpOperand &use) {
        return !inside.contains(use.getOwner()) && use.getOwner()->getBlock() == body;
      });
    for (Operation *op : llvm::reverse(ops))
      op->erase();
    return analyzeKernel(kernel);
  }

  /// "norm_linear_rope_append": the ops that do something, neighbours of a kind once.
  static std::string kernelName(ArrayRef<Operation *> ops) {
    SmallVector<StringRef> words;
    for (Operation *op : ops) {
      StringRef word = op->getName().stripDialect();
      word.consume_front("cache_");
      if (isa<CastOp, SliceOp>(op) && ops.size() > 1)
        continue;
      if (words.empty() || words.back() != word)
        words.push_back(word);
    }
    if (words.empty())
      return "cast";
    return llvm::join(words, "_");
  }

  /// Values inside a kernel are float32; only casts round, and an attention, whose result leaves
  /// it.
  static void widen(Operation *op) {
    if (isa<CastOp, AttentionOp>(op))
      return;
    for (Value result : op->getResults())
      if (auto type = dyn_cast<RankedTensorType>(result.getType()))
        result.setType(RankedTensorType::get(type.getShape(), Float32Type::get(type.getContext()),
                                             type.getEncoding()));
  }

  static Value castTo(OpBuilder &builder, Value value, Type type) {
    if (value.getType() == type || !isa<RankedTensorType>(type))
      return value;
    return builder.create<CastOp>(value.getLoc(), type, value);
  }

  /// The type of a linear's products: its weight's, or of a quantized weight its input's.
  static Type productType(LinearOp linear) {
    Type weight = tensorType(linear.getWeight()).getElementType();
    return isa<QuantizedType>(weight) ? tensorType(linear.getInput()).getElementType() : weight;
  }

  /// A product's input is of the products' type, also where the op that makes it was widened.
  static void roundProductInput(LinearOp linear, Type element) {
    auto type = tensorType(linear.getInput());
    OpBuilder builder(linear);
    linear.getInputMutable().assign(
        castTo(builder, linear.getInput(), RankedTensorType::get(type.getShape(), element)));
  }
};
} // namespace

} // namespace llmopt
