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

Result<CudaLinear> readLinear(const PlannedKernel &planned) {
  CudaLinear linear(planned);
  auto segments = cutIntoUnits(planned.anatomy);
  if (!segments)
    return makeError("kernel '{}' {}", planned.name, segments.error().message());
  linear.segments = std::move(*segments);
  LLMOPT_TRY(checkWeight(linear));
  return linear;
}

CudaLinearShape CudaLinear::shape() const {
  auto typeName = [](const std::string &type) { return type == "float" ? "f32" : type; };
  CudaLinearShape shape;
  shape.depth = depth;
  shape.columns = tensorType(weight).getDimSize(0);
  for (const UnitSegment &units : segments)
    shape.segments.push_back({units.units, units.streams});
  shape.weight = typeName(weightType);
  shape.compute = typeName(computeType);
  return shape;
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
