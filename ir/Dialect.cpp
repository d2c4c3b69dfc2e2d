#include "ir/Dialect.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

#include "ir/Dialect.cpp.inc"

#include "ir/DialectEnums.cpp.inc"

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

LogicalResult PackedAttr::verify(llvm::function_ref<InFlightDiagnostic()> emitError, int64_t panel,
                                 int64_t interleave) {
  if (panel <= 0 || interleave <= 0)
    return emitError() << "panel and interleave must be positive";
  return success();
}

} // namespace llmopt
