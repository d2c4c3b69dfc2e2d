#include "ir/KernelAnatomy.h"

#include "ir/ShapeInference.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/EquivalenceClasses.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace llmopt {

//===------------------------------------------------------------------------------------------===//
// Rows
//===------------------------------------------------------------------------------------------===//

Rows rowsOf(Value value) {
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    Operation *parent = argument.getOwner()->getParentOp();
    if (auto kernel = dyn_cast<KernelOp>(parent))
      return rowsOf(kernel.getOperand(argument.getArgNumber()));
    // The step's third argument lists the wanted rows; see Dialect.td.
    return argument.getArgNumber() == 2 ? Rows::Logit : Rows::Token;
  }
  Operation *op = value.getDefiningOp();
  if (auto kernel = dyn_cast<KernelOp>(op))
    return rowsOf(kernel.getYielded()[cast<OpResult>(value).getResultNumber()]);
  if (isa<GatherRowsOp>(op))
    return Rows::Logit;
  if (isa<GetWeightOp>(op) || op->getNumOperands() == 0)
    return Rows::Token;
  return rowsOf(op->getOperand(0));
}

//===------------------------------------------------------------------------------------------===//
// The epilogue of a linear
//===------------------------------------------------------------------------------------------===//

namespace {
/// Groups the epilogue's values into segments: values that one op combines have the same columns.
class EpilogueAnalysis {
public:
  EpilogueAnalysis(KernelOp kernel, LinearOp linear, ArrayRef<Operation *> ops)
      : kernel(kernel), linear(linear), ops(ops) {}

  FailureOr<SmallVector<KernelSegment>> run() {
    if (failed(collectStreams()))
      return failure();
    for (Operation *op : ops)
      if (failed(joinOperands(op)))
        return failure();
    return buildSegments();
  }

private:
  KernelOp kernel;
  LinearOp linear;
  ArrayRef<Operation *> ops;
  llvm::EquivalenceClasses<void *> classes;
  SmallVector<std::pair<Value, int64_t>> streams; // value, first column

  bool isInside(Value value) const {
    return classes.findValue(value.getAsOpaquePointer()) != classes.end();
  }

  /// The linear's result is one stream, unless it is only sliced.
  LogicalResult collectStreams() {
    Value result = linear.getResult();
    bool whole = false, sliced = false;
    for (Operation *user : result.getUsers())
      (isa<SliceOp>(user) ? sliced : whole) = true;
    if (whole && sliced)
      return kernel.emitOpError() << "uses its linear both whole and in slices";
    if (!sliced) {
      streams.emplace_back(result, 0);
    } else {
      for (Operation *op : ops)
        if (auto slice = dyn_cast<SliceOp>(op)) {
          if (slice.getInput() != result)
            return slice.emitOpError() << "in an epilogue must slice the linear itself";
          streams.emplace_back(slice.getResult(), slice.getOffset());
        }
      llvm::stable_sort(streams, [](auto &a, auto &b) { return a.second < b.second; });
    }
    for (auto &stream : streams)
      classes.insert(stream.first.getAsOpaquePointer());
    return success();
  }

  /// An op's operands and its result belong to one segment; a cache append keeps its two apart.
  LogicalResult joinOperands(Operation *op) {
    if (isa<SliceOp, CacheAppendOp>(op))
      return success();
    if (!isa<RopeOp, ActivationOp, AddOp, MulOp, CastOp>(op))
      return op->emitOpError() << "cannot run in the epilogue of a linear";
    Value result = op->getResult(0);
    bool any = false;
    for (Value operand : op->getOperands())
      if (isInside(operand)) {
        classes.unionSets(result.getAsOpaquePointer(), operand.getAsOpaquePointer());
        any = true;
      }
    if (!any)
      return op->emitOpError() << "does not use the kernel's linear";
    for (Value operand : op->getOperands())
      if (!isInside(operand) && operand.getDefiningOp())
        return op->emitOpError() << "reads a row of the prologue; an epilogue treats columns";
    return success();
  }

  FailureOr<SmallVector<KernelSegment>> buildSegments() {
    llvm::MapVector<void *, KernelSegment> byClass;
    auto segmentOf = [&](Value value) -> KernelSegment & {
      return byClass[classes.getLeaderValue(value.getAsOpaquePointer())];
    };
    for (auto &[value, first] : streams) {
      KernelSegment &segment = segmentOf(value);
      int64_t columns = tensorType(value).getDimSize(1);
      if (!segment.streams.empty() && columns != segment.columns)
        return kernel.emitOpError() << "combines slices of different widths";
      segment.columns = columns;
      segment.streams.push_back(value);
      segment.first.push_back(first);
    }
    for (Operation *op : ops) {
      if (auto append = dyn_cast<CacheAppendOp>(op)) {
        for (bool keys : {true, false}) {
          Value value = keys ? append.getKeys() : append.getValues();
          if (!isInside(value))
            return append.emitOpError() << "in an epilogue must store what the linear makes";
          KernelSegment &segment = segmentOf(value);
          segment.stores.push_back({value, -1, append, keys});
          segment.unit = append.getCache().getType().getHeadDim();
        }
      } else if (!isa<SliceOp>(op)) {
        segmentOf(op->getResult(0)).ops.push_back(op);
        if (auto rope = dyn_cast<RopeOp>(op))
          segmentOf(op->getResult(0)).unit = rope.getHeadDim();
      }
    }
    for (auto [index, value] : llvm::enumerate(kernel.getYielded())) {
      if (isa<CacheType>(value.getType()))
        continue;
      if (!isInside(value))
        return kernel.emitOpError() << "yields a value that is not of its epilogue";
      segmentOf(value).stores.push_back({value, static_cast<int64_t>(index), {}, false});
    }
    SmallVector<KernelSegment> segments;
    for (auto &entry : byClass)
      segments.push_back(std::move(entry.second));
    for (KernelSegment &segment : segments)
      if (segment.streams.size() > 2)
        return kernel.emitOpError()
               << "combines " << segment.streams.size() << " slices of one linear; two is the most";
    return segments;
  }
};
} // namespace

//===------------------------------------------------------------------------------------------===//
// Kernels
//===------------------------------------------------------------------------------------------===//

static bool isRowOp(Operation *op) {
  return isa<EmbedOp, GatherRowsOp, NormOp, RopeTableOp, RopeOp, ActivationOp, AddOp, MulOp, CastOp,
             SliceOp, CacheAppendOp>(op);
}

/// Whether a value inside a kernel is a weight of the step.
static bool isWeight(KernelOp kernel, Value value) {
  auto argument = dyn_cast<BlockArgument>(value);
  return argument && kernel.getOperand(argument.getArgNumber()).getDefiningOp<GetWeightOp>();
}

/// Whether only linears multiply by the result of a cast: they do it while they read.
static bool isWeightCast(Operation *op) {
  return llvm::all_of(op->getUses(), [](OpOperand &use) {
    auto linear = dyn_cast<LinearOp>(use.getOwner());
    return linear && use.getOperandNumber() == 1;
  });
}

FailureOr<KernelAnatomy> analyzeKernel(KernelOp kernel) {
  KernelAnatomy anatomy;
  SmallVector<Operation *> epilogue;
  for (Operation &op : kernel.getBlock()->without_terminator()) {
    if (auto linear = dyn_cast<LinearOp>(&op)) {
      if (anatomy.linear || anatomy.attention)
        return kernel.emitOpError() << "has two anchors";
      anatomy.linear = linear;
      anatomy.anchor = KernelAnatomy::Anchor::Linear;
    } else if (auto attention = dyn_cast<AttentionOp>(&op)) {
      if (anatomy.linear || anatomy.attention || !anatomy.rowOps.empty())
        return kernel.emitOpError() << "has more than an attention";
      anatomy.attention = attention;
      anatomy.anchor = KernelAnatomy::Anchor::Attention;
    } else if (!isRowOp(&op)) {
      return op.emitOpError() << "has no place in a kernel";
    } else if (anatomy.attention) {
      return op.emitOpError() << "follows an attention in its kernel";
    } else if (anatomy.linear) {
      epilogue.push_back(&op);
    } else if (auto gather = dyn_cast<GatherRowsOp>(&op);
               gather && gather.getInput().getDefiningOp()) {
      return gather.emitOpError() << "gathers rows that its kernel makes; they have no buffer";
    } else if (isa<CastOp>(op) && isWeight(kernel, op.getOperand(0))) {
      if (!isWeightCast(&op))
        return op.emitOpError() << "casts a weight for something other than a linear";
    } else {
      anatomy.rowOps.push_back(&op);
    }
  }
  if (anatomy.anchor == KernelAnatomy::Anchor::Linear) {
    auto segments = EpilogueAnalysis(kernel, anatomy.linear, epilogue).run();
    if (failed(segments))
      return failure();
    anatomy.segments = std::move(*segments);
  }
  return anatomy;
}

bool isPlainProduct(const KernelAnatomy &anatomy) {
  LinearOp linear = anatomy.linear;
  if (!linear || linear.getBias() || anatomy.segments.size() != 1)
    return false;
  const KernelSegment &segment = anatomy.segments.front();
  if (segment.streams.size() != 1 || segment.columns != columnsOf(linear.getResult()) ||
      segment.stores.size() != 1 || segment.stores[0].append)
    return false;
  Value stored = segment.stores[0].value;
  if (auto cast = stored.getDefiningOp<CastOp>())
    stored = cast.getInput();
  Type input = tensorType(linear.getInput()).getElementType();
  Type output = tensorType(segment.stores[0].value).getElementType();
  return stored == linear.getResult() && (output.isF32() || output == input);
}

} // namespace llmopt
