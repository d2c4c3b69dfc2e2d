//===- KernelNames.cpp - Names of a kernel's arguments in the emitted code --------------------===//

#include "codegen/OperandRole.h"
#include "codegen/PointwiseEmitter.h"
#include "codegen/cpu/KernelWriter.h"
#include "ir/ShapeInference.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;

namespace llmopt {

KernelNames::KernelNames(const PlannedKernel &planned) {
  llvm::StringMap<int> used;
  auto add = [&](std::string type, std::string name, int64_t index) {
    if (int again = used[name]++)
      name += std::to_string(again + 1);
    pointers.push_back({std::move(type), name, index});
    return name;
  };
  KernelOp kernel = planned.kernel;
  for (auto [argument, place] : llvm::zip(kernel.getBlock()->getArguments(), planned.operands)) {
    if (place.source != KernelArgument::Source::Pointer)
      continue;
    std::string type = "void";
    if (auto tensor = dyn_cast<RankedTensorType>(argument.getType()))
      type = "const " + cppType(tensor.getElementType());
    operands[argument] = add(type, roleOf(argument), place.index);
  }
  for (auto [value, place] : llvm::zip(kernel.getYielded(), planned.results)) {
    auto tensor = dyn_cast<RankedTensorType>(value.getType());
    results.push_back(tensor ? add(cppType(tensor.getElementType()), "output", place.index) : "");
  }
  if (planned.workspace.index >= 0)
    workspaceName = add("void", "workspace", planned.workspace.index);
}

const std::string &KernelNames::operand(Value blockArgument) const {
  auto found = operands.find(blockArgument);
  assert(found != operands.end() && "only pointers have names");
  return found->second;
}

void KernelNames::declare(SourceWriter &out) const {
  for (const Pointer &pointer : pointers)
    out.line("auto *{} = static_cast<{} *>(args[{}]);", pointer.name, pointer.type, pointer.index);
}

void KernelNames::members(SourceWriter &out) const {
  out.line("const LlmoptBatch *batch;");
  for (const Pointer &pointer : pointers)
    out.line("{} *{};", pointer.type, pointer.name);
}

std::string KernelNames::initializers() const {
  std::string text = "batch";
  for (const Pointer &pointer : pointers)
    text += ", " + pointer.name;
  return text;
}

std::string floatList(ArrayRef<float> values) {
  std::vector<std::string> items;
  for (float value : values)
    items.push_back(floatLiteral(value));
  return "{" + llvm::join(items, ", ") + "}";
}

void emitCacheConfig(SourceWriter &out, CacheType cache) {
  out.line("using Cache = {};", cppType(cache.getElementType()));
  out.line("static constexpr int64_t kvHeads = {}, headDim = {};", cache.getHeads(),
           cache.getHeadDim());
}

} // namespace llmopt
