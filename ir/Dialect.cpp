#include "ir/Dialect.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

#include "ir/Dialect.cpp.inc"

#include "ir/DialectEnums.cpp.inc"

FailureOr<llmopt::QuantCode>
FieldParser<llmopt::QuantCode, llmopt::QuantCode>::parse(AsmParser &parser) {
  StringRef text;
  llvm::SMLoc place = parser.getCurrentLocation();
  if (parser.parseKeyword(&text))
    return failure();
  if (auto code = llmopt::parseQuantCode({text.data(), text.size()}))
    return *code;
  return parser.emitError(place) << "no code '" << text << "'; there are: i8, u8, i4, u4, nf4, fp4";
}

#define GET_TYPEDEF_CLASSES
#include "ir/DialectTypes.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "ir/DialectAttributes.cpp.inc"

#define GET_OP_CLASSES
#include "ir/Ops.cpp.inc"

namespace llmopt {

void LLMDialect::initialize() {
  registerTypes();
  registerAttributes();
  addOperations<
#define GET_OP_LIST
#include "ir/Ops.cpp.inc"
      >();
}

void LLMDialect::registerTypes() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "ir/DialectTypes.cpp.inc"
      >();
}

void LLMDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "ir/DialectAttributes.cpp.inc"
      >();
}

LogicalResult CacheType::verify(llvm::function_ref<InFlightDiagnostic()> emitError, int64_t layers,
                                int64_t heads, int64_t headDim, int64_t page, Type elementType) {
  if (layers <= 0 || heads <= 0 || headDim <= 0 || page <= 0)
    return emitError() << "a cache's layers, heads, head_dim and page must be positive";
  if (!elementType.isF32() && !elementType.isF16() && !elementType.isBF16())
    return emitError() << "a cache of " << elementType << " is not known; use f32, f16 or bf16";
  return success();
}

LogicalResult QuantizedType::verify(llvm::function_ref<InFlightDiagnostic()> emitError, QuantCode,
                                    int64_t group, Type scaleType) {
  if (group < 0 || group % 32 != 0)
    return emitError() << "a group of " << group << "; use a multiple of 32, or 0 for a row";
  if (!scaleType.isF32() && !scaleType.isF16() && !scaleType.isBF16())
    return emitError() << "scales of " << scaleType << " are not known; use f32, f16 or bf16";
  return success();
}

QuantFormat QuantizedType::getFormat() const {
  ScaleType scale = getScaleType().isF32()   ? ScaleType::F32
                    : getScaleType().isF16() ? ScaleType::F16
                                             : ScaleType::BF16;
  return {getCode(), getGroup(), scale};
}

LogicalResult PackedAttr::verify(llvm::function_ref<InFlightDiagnostic()> emitError, int64_t panel,
                                 int64_t interleave) {
  if (panel <= 0 || interleave <= 0)
    return emitError() << "panel and interleave must be positive";
  return success();
}

} // namespace llmopt
