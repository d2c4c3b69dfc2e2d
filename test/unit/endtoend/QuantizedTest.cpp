//===- QuantizedTest.cpp - Compiled models of few bits against the interpreter ----------------===//
//
// The interpreter rounds weights to codes as the recipes say and multiplies with plain loops; the
// compiled model reads the codes that the materializer wrote.
//
//===------------------------------------------------------------------------------------------===//

#include "EndToEnd.h"

#include "frontends/Frontend.h"
#include "ir/interpreter/Interpreter.h"
#include "passes/Passes.h"
#include "support/Json.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Pass/PassManager.h"

#include <gtest/gtest.h>

#include <algorithm>

using namespace llmopt;

namespace {
struct Case {
  const char *model, *scheme, *precision;
};

void PrintTo(const Case &parameter, std::ostream *out) {
  *out << parameter.model << ", " << parameter.scheme << ", " << parameter.precision;
}

class Quantized : public testing::TestWithParam<Case> {};

/// The interpreter's logits of a prompt, behind the passes that decide about values.
std::vector<double> interpreted(const CompileOptions &options, const std::vector<int32_t> &prompt) {
  mlir::MLIRContext context;
  auto model = importHuggingFace(context, options.checkpoint);
  EXPECT_TRUE(model) << model.error().message();
  mlir::PassManager manager(&context);
  manager.addPass(createQuantize({options.quantize}));
  manager.addPass(createLowerPrecision({options.precision}));
  EXPECT_TRUE(mlir::succeeded(manager.run(*model->module)));
  auto interpreter = Interpreter::create(*model->module, model->source.get());
  EXPECT_TRUE(interpreter) << interpreter.error().message();
  KvState cache;
  auto logits = interpreter->step(RaggedBatch::prompt(0, prompt), cache);
  EXPECT_TRUE(logits) << logits.error().message();
  return logits ? logits->values : std::vector<double>();
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const char *scheme : {"int8", "int8:group=32,asymmetric", "int4", "int4:asymmetric", "nf4",
                             "fp4:scale=bf16", "int4;*.down_proj=int8;lm_head=nf4:group=32"})
    all.push_back({"tiny-llama", scheme, "32-true"});
  for (const char *precision : {"bf16-true", "16-true", "bf16-mixed", "16-mixed"})
    all.push_back({"tiny-llama", "int4:group=64", precision});
  all.push_back({"tiny-llama", "int8", "bf16-true"});
  all.push_back({"test/goldens/models/falcon_7b", "int8", "32-true"});
  all.push_back({"test/goldens/models/gpt2", "int8", "bf16-true"});
  return all;
}
} // namespace

TEST_P(Quantized, CompiledLogitsAreTheInterpreters) {
  CompileOptions options;
  const std::string model = GetParam().model;
  options.checkpoint =
      std::string(LLMOPT_SOURCE_DIR) + (model == "tiny-llama" ? "/models/" : "/") + model;
  options.quantize = GetParam().scheme;
  options.precision = GetParam().precision;
  // More rows than a tile of the kernels', and one.
  std::vector<int32_t> prompt(23);
  for (size_t i = 0; i < prompt.size(); ++i)
    prompt[i] = static_cast<int32_t>(3 + i * 7 % 40);
  CompiledModel compiled(options);
  auto device = compiled.open(2, 4);
  ASSERT_NE(device, nullptr);
  EXPECT_EQ(device->artifact().manifest.quantization, options.quantize);
  Sequences sequences(*device, 1, 4);
  sequences.step({{0, {prompt.begin(), prompt.end() - 1}}});
  sequences.step({{0, {prompt.back()}}});

  std::vector<double> exact = interpreted(options, prompt);
  std::vector<float> expected(exact.begin(), exact.end());
  ASSERT_EQ(expected.size(), sequences.logits(0).size());
  const bool sixteen = options.precision != "32-true";
  EXPECT_LT(relativeError(sequences.logits(0), expected.data()), sixteen ? 2e-2 : 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Schemes, Quantized, testing::ValuesIn(cases()), [](const auto &info) {
  std::string name =
      std::string(info.param.model) + "_" + info.param.scheme + "_" + info.param.precision;
  std::replace_if(name.begin(), name.end(), [](char c) { return !std::isalnum(c); }, '_');
  return name;
});
