#include "codegen/PointwiseEmitter.h"

#include "ir/ShapeInference.h"

#include <fmt/format.h>

using namespace mlir;

namespace llmopt {

std::string cppType(Type elementType) {
  if (auto quantized = dyn_cast<QuantizedType>(elementType))
    return fmt::format("Quantized<Code::{}, {}, {}>", toString(quantized.getCode()),
                       quantized.getGroup(), cppType(quantized.getScaleType()));
  return elementType.isF32() ? "float" : elementType.isF16() ? "f16" : "bf16";
}

std::string floatLiteral(float value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".en") == std::string::npos)
    text += ".0";
  return text + "f";
}

bool isPointwise(Operation *op) { return isa<AddOp, MulOp, ActivationOp, CastOp>(op); }

std::string activationFunction(Operation *op) {
  switch (cast<ActivationOp>(op).getKind()) {
  case ActivationKind::Gelu:
    return "gelu";
  case ActivationKind::GeluTanh:
    return "geluTanh";
  case ActivationKind::Silu:
    return "silu";
  case ActivationKind::Relu:
    return "relu";
  }
  llvm_unreachable("every kind is listed");
}

std::string pointwiseExpression(Operation *op, ArrayRef<std::string> operands) {
  std::string value;
  if (isa<AddOp>(op))
    value = fmt::format("{} + {}", operands[0], operands[1]);
  else if (isa<MulOp>(op))
    value = fmt::format("{} * {}", operands[0], operands[1]);
  else if (isa<ActivationOp>(op))
    value = fmt::format("{}({})", activationFunction(op), operands[0]);
  else
    value = operands[0];
  Type type = tensorType(op->getResult(0)).getElementType();
  return type.isF32() ? value : fmt::format("toFloat(fromFloat<{}>({}))", cppType(type), value);
}

} // namespace llmopt
