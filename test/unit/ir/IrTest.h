//===- IrTest.h - Modules from text and what goes in and out of them --------------------------===//

#ifndef LLMOPT_TEST_UNIT_IR_IRTEST_H
#define LLMOPT_TEST_UNIT_IR_IRTEST_H

#include "ir/Dialect.h"
#include "ir/interpreter/Interpreter.h"
#include "ir/weights/Recipe.h"
#include "ir/weights/TensorSource.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <mutex>

namespace llmopt::test {

inline mlir::MLIRContext &context() {
  static mlir::MLIRContext *shared = [] {
    auto *made = new mlir::MLIRContext(mlir::MLIRContext::Threading::DISABLED);
    made->loadDialect<LLMDialect, mlir::func::FuncDialect>();
    return made;
  }();
  return *shared;
}

/// A module, parsed and verified.
inline mlir::OwningOpRef<mlir::ModuleOp> parse(const std::string &text) {
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context());
  EXPECT_TRUE(module) << text;
  return module;
}

/// The only weight of a module.
inline WeightOp onlyWeight(mlir::ModuleOp module) { return *module.getOps<WeightOp>().begin(); }

/// A checkpoint in memory.
class MemorySource : public TensorSource {
public:
  void add(const std::string &name, Type type, std::vector<int64_t> shape, const void *data,
           size_t bytes) {
    auto *first = static_cast<const uint8_t *>(data);
    contents[name].assign(first, first + bytes);
    tensors[name] = {type, std::move(shape), contents[name].data(), "test.safetensors"};
  }
  void add(const std::string &name, std::vector<int64_t> shape, const std::vector<float> &values) {
    add(name, Type::F32, std::move(shape), values.data(), values.size() * sizeof(float));
  }

  Result<Tensor> find(const std::string &name) const override {
    auto found = tensors.find(name);
    if (found == tensors.end())
      return makeError("test.safetensors has no tensor '{}'", name);
    return found->second;
  }
  void release(const Tensor &, uint64_t begin, uint64_t end) const override {
    std::lock_guard<std::mutex> lock(*mutex);
    released.emplace_back(begin, end);
  }

  mutable std::vector<std::pair<uint64_t, uint64_t>> released;

private:
  std::unique_ptr<std::mutex> mutex = std::make_unique<std::mutex>();
  std::map<std::string, Tensor> tensors;
  std::map<std::string, std::vector<uint8_t>> contents;
};

/// The message of a failed Result or Status; empty if it did not fail.
template <typename ResultT> std::string messageOf(const ResultT &result) {
  return result ? std::string() : result.error().message();
}

} // namespace llmopt::test

#endif // LLMOPT_TEST_UNIT_IR_IRTEST_H
