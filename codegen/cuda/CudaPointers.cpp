//===- CudaPointers.cpp - Names of a kernel's arguments in the emitted code -------------------===//

#include "codegen/OperandRole.h"
#include "codegen/PointwiseEmitter.h"
#include "codegen/cuda/CudaWriter.h"
#include "ir/ShapeInference.h"

#include "llvm/ADT/StringMap.h"

using namespace mlir;

namespace llmopt {

std::string cacheLayout(CacheType cache) {
  return fmt::format("CacheLayout<{}, {}, {}>", cppType(cache.getElementType()), cache.getHeads(),
                     cache.getHeadDim());
}

CudaPointers::CudaPointers(const PlannedKernel &planned) {
  llvm::StringMap<int> used;
  auto add = [&](std::string type, std::string name) {
    if (int again = used[name]++)
      name += std::to_string(again + 1);
    pointers.push_back({std::move(type), name});
    return name;
  };
  KernelOp kernel = planned.kernel;
  bool writesCache = llvm::any_of(kernel.getYielded(),
                                  [](Value value) { return isa<CacheType>(value.getType()); });
  for (auto [argument, place] : llvm::zip(kernel.getBlock()->getArguments(), planned.operands)) {
    if (place.source != KernelArgument::Source::Pointer)
      continue;
    auto cache = dyn_cast<CacheType>(argument.getType());
    std::string type =
        cppType(cache ? cache.getElementType() : tensorType(argument).getElementType());
    if (!cache || !writesCache)
      type = "const " + type;
    operands[argument] = add(type, roleOf(argument));
  }
  for (auto [value, place] : llvm::zip(kernel.getYielded(), planned.results)) {
    auto tensor = dyn_cast<RankedTensorType>(value.getType());
    results.push_back(tensor ? add(cppType(tensor.getElementType()), "output") : "");
  }
  if (planned.workspace.index >= 0)
    workspaceName = add("void", "workspace");
}

const std::string &CudaPointers::operand(Value blockArgument) const {
  auto found = operands.find(blockArgument);
  assert(found != operands.end() && "only pointers have names");
  return found->second;
}

void CudaPointers::declareArguments(SourceWriter &out) const {
  out.open("struct Arguments");
  out.line("const LlmoptBatch *batch;");
  for (const Pointer &pointer : pointers)
    out.line("{} *{};", pointer.type, pointer.name);
  out.close("};");
}

std::string CudaPointers::initializers() const {
  std::string text = "{&step";
  for (const Pointer &pointer : pointers)
    text += ", " + pointer.name;
  return text + "}";
}

std::string CudaPointers::parameters() const {
  std::string text = "const __grid_constant__ LlmoptBatch step";
  for (const Pointer &pointer : pointers)
    text += fmt::format(", {} *{}", pointer.type, pointer.name);
  return text;
}

void CudaPointers::declareFromStep(SourceWriter &out) const {
  for (auto [index, pointer] : llvm::enumerate(pointers)) {
    bool isConst = pointer.type.rfind("const ", 0) == 0;
    std::string from = fmt::format("kernel.arguments[{}]", index);
    if (!isConst)
      from = fmt::format("const_cast<void *>({})", from);
    out.line("[[maybe_unused]] auto *{} = static_cast<{} *>({});", pointer.name, pointer.type,
             from);
  }
}

} // namespace llmopt
