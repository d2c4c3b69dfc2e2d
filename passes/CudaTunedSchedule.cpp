#include "passes/CudaTunedSchedule.h"

#include "ir/ShapeInference.h"
#include "passes/CudaSchedule.h"

#include "mlir/IR/Builders.h"

using namespace mlir;

namespace llmopt {

static std::string typeName(Type type) {
  return type.isF32() ? "f32" : type.isBF16() ? "bf16" : "f16";
}

/// As codegen has it, but for how units of several heads follow each other, on which no name and no
/// parameter depends.
static CudaLinearShape shapeOf(const KernelAnatomy &anatomy) {
  LinearOp linear = anatomy.linear;
  RankedTensorType weight = storedWeight(linear);
  CudaLinearShape shape;
  shape.depth = columnsOf(linear.getInput());
  shape.columns = weight.getDimSize(0);
  for (const KernelSegment &segment : anatomy.segments) {
    bool rotates = llvm::any_of(segment.ops, llvm::IsaPred<RopeOp>);
    shape.segments.push_back(
        {segment.columns, rotates ? 2 : static_cast<int64_t>(segment.streams.size())});
  }
  shape.weight = typeName(weight.getElementType());
  shape.compute = typeName(tensorType(linear.getInput()).getElementType());
  return shape;
}

Result<ArrayAttr> tuneVariants(const KernelAnatomy &anatomy, ArrayAttr variants,
                               const CudaTuning &tuning, const CudaTarget &target,
                               bool batchInvariant) {
  Builder builder(variants.getContext());
  CudaLinearShape shape = shapeOf(anatomy);
  SmallVector<Attribute> tuned;
  for (auto variant : variants.getAsRange<DictionaryAttr>()) {
    tuned.push_back(variant);
    const CudaTemplate *kind = findCudaTemplate(variant.getAs<StringAttr>("kind").getValue().str());
    if (!kind) // the vendor's library
      continue;
    auto maxRows = variant.getAs<IntegerAttr>("max_rows");
    LLMOPT_ASSIGN(auto found, tuning.find(*kind, shape, maxRows ? maxRows.getInt() : 0,
                                          batchInvariant, target.blockSharedBytes));
    if (!found)
      continue;
    NamedAttrList entries(variant);
    for (const auto &[name, value] : *found)
      entries.set(name, builder.getI64IntegerAttr(value));
    tuned.back() = entries.getDictionary(variants.getContext());
  }
  return builder.getArrayAttr(tuned);
}

} // namespace llmopt
