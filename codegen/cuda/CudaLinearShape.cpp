//===- CudaLinearShape.cpp - A linear as segments of units; what it multiplies ----------------===//

#include "codegen/PointwiseEmitter.h"
#include "codegen/cuda/CudaLinear.h"
#include "ir/ShapeInference.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace llmopt {

static int64_t bytesOf(const std::string &cppType) { return cppType == "float" ? 4 : 2; }

CudaLinear::CudaLinear(const PlannedKernel &planned) : planned(planned), pointers(planned) {
  LinearOp linear = planned.anatomy.linear;
  input = linear.getInput();
  bias = linear.getBias();
  weight = withoutFinalCast(linear.getWeight());
  computeType = cppType(tensorType(input).getElementType());
  weightType = cppType(tensorType(weight).getElementType());
  computeBytes = bytesOf(computeType);
  weightBytes = bytesOf(weightType);
  depth = columnsOf(input);
  isDirect = isa<BlockArgument>(input);
}

static Status checkWeight(CudaLinear &linear) {
  if (linear.weightType != "float" && linear.weightType != linear.computeType)
    return makeError("kernel '{}' multiplies {} by a weight of {}; a stored weight is of the same "
                     "type or float",
                     linear.planned.name, linear.computeType, linear.weightType);
  auto packed = dyn_cast_or_null<PackedAttr>(tensorType(linear.weight).getEncoding());
  int64_t piece = 16 / linear.weightBytes;
  linear.panels = packed && packed.getPanel() == 8 && packed.getInterleave() == piece;
  bool padded = packed ? packed.getPanel() == 1 && packed.getInterleave() == piece
                       : linear.depth % piece == 0;
  if (!padded && !linear.panels)
    return makeError("kernel '{}' needs its weight as #llm.packed<panel = 1 or 8, interleave = {}>",
                     linear.planned.name, piece);
  return llmopt::success();
}

static void addPlain(CudaLinear &linear, const KernelSegment &segment) {
  UnitSegment units;
  units.segment = &segment;
  units.units = units.group = segment.columns;
  units.streams = static_cast<int64_t>(segment.streams.size());
  llvm::copy(segment.first, units.first);
  linear.segments.push_back(units);
}

/// The rotated pairs of every head, and if its rotation is partial the rest of every head.
static void addRotated(CudaLinear &linear, const KernelSegment &segment, RopeOp rope) {
  int64_t head = rope.getHeadDim(), width = columnsOf(rope.getTable());
  int64_t heads = segment.columns / head;
  bool half = rope.getStyle() == RopeStyle::Half;
  UnitSegment pairs;
  pairs.segment = &segment;
  pairs.rope = rope;
  pairs.streams = 2;
  pairs.group = width / 2;
  pairs.groupStride = head;
  pairs.step = half ? 1 : 2;
  pairs.units = heads * pairs.group;
  pairs.first[0] = segment.first[0];
  pairs.first[1] = segment.first[0] + (half ? width / 2 : 1);
  linear.segments.push_back(pairs);
  if (width == head)
    return;
  UnitSegment rest;
  rest.segment = &segment;
  rest.group = head - width;
  rest.groupStride = head;
  rest.units = heads * rest.group;
  rest.offset = width;
  rest.first[0] = segment.first[0] + width;
  linear.segments.push_back(rest);
}

static Status collectSegments(CudaLinear &linear) {
  for (const KernelSegment &segment : linear.planned.anatomy.segments) {
    RopeOp rope;
    for (Operation *op : segment.ops)
      if (auto found = dyn_cast<RopeOp>(op)) {
        if (rope || segment.streams.size() > 1)
          return makeError("kernel '{}' rotates columns that it combines", linear.planned.name);
        rope = found;
      }
    if (rope)
      addRotated(linear, segment, rope);
    else
      addPlain(linear, segment);
  }
  return llmopt::success();
}

Result<CudaLinear> readLinear(const PlannedKernel &planned) {
  CudaLinear linear(planned);
  LLMOPT_TRY(collectSegments(linear));
  LLMOPT_TRY(checkWeight(linear));
  return linear;
}

void emitLinearShape(SourceWriter &out, const CudaLinear &linear) {
  out.open("struct Shape");
  out.line("using Weight = {};", linear.weightType);
  out.line("using Compute = {};", linear.computeType);
  out.line("static constexpr int depth = {};", linear.depth);
  out.line("static constexpr int segments = {};", linear.segments.size());
  out.line("// {{units, streams, first weight row of each, units of a group, stride of groups, "
           "step}}");
  out.open("static LLMOPT_DEVICE constexpr Segment segment([[maybe_unused]] int index)");
  for (auto [index, units] : llvm::enumerate(linear.segments)) {
    std::string text =
        fmt::format("Segment{{{}, {}, {{{}, {}}}, {}, {}, {}}};", units.units, units.streams,
                    units.first[0], units.first[1], units.group, units.groupStride, units.step);
    if (index + 1 < linear.segments.size())
      out.line("if (index == {}) return {}", index, text);
    else
      out.line("return {}", text);
  }
  out.close();
  out.close("};");
}

Status emitLinearInput(SourceWriter &out, const CudaLinear &linear) {
  if (linear.isDirect) {
    out.line("using Input = DirectRows<Shape>;");
    return llmopt::success();
  }
  out.open("struct Input : Arguments");
  CudaRowWriter rows(out, linear.planned, linear.pointers);
  LLMOPT_TRY(rows.emitPrepare());
  out.open("LLMOPT_DEVICE float element(int row, int column, [[maybe_unused]] const Statistics "
           "&statistics) const");
  LLMOPT_TRY(rows.scope([&]() -> Status {
    LLMOPT_ASSIGN(std::string result, rows.element(withoutFinalCast(linear.input)));
    out.line("return {};", result);
    return llmopt::success();
  }));
  out.close();
  out.close("};");
  return llmopt::success();
}

} // namespace llmopt
