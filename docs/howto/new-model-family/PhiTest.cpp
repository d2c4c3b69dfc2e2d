//===- PhiTest.cpp - The how-to's family, against transformers --------------------------------===//

#include "docs/howto/new-model-family/Phi.h"

#include "codegen/ArtifactWriter.h"
#include "frontends/Checkpoint.h"
#include "ir/interpreter/Interpreter.h"
#include "passes/Passes.h"
#include "passes/VerifySemantics.h"
#include "support/Safetensors.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Pass/PassManager.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace llmopt;

static const std::string directory = LLMOPT_SOURCE_DIR "/docs/howto/new-model-family/phi/";

/// ||values - reference|| / ||reference||
static double relativeError(const std::vector<double> &values, const float *reference) {
  double difference = 0, norm = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    difference += (values[i] - reference[i]) * (values[i] - reference[i]);
    norm += double(reference[i]) * reference[i];
  }
  return std::sqrt(difference / norm);
}

TEST(Phi, InterpretedLogitsAreThoseOfTransformers) {
  auto config = Config::open(directory + "config.json");
  ASSERT_TRUE(config) << config.error().message();
  auto checkpoint = Checkpoint::open(directory);
  ASSERT_TRUE(checkpoint) << checkpoint.error().message();
  mlir::MLIRContext context;
  WeightOrigin origin;
  origin.checkpoint = checkpoint->get();
  auto model = buildPhi(context, *config, origin);
  ASSERT_TRUE(model) << model.error().message();

  auto tokens = readJsonFile(directory + "tokens.json");
  ASSERT_TRUE(tokens) << tokens.error().message();
  auto interpreter = Interpreter::create(*model->module, checkpoint->get());
  ASSERT_TRUE(interpreter) << interpreter.error().message();
  KvState cache;
  auto logits = interpreter->step(RaggedBatch::prompt(0, *tokens), cache);
  ASSERT_TRUE(logits) << logits.error().message();

  auto file = SafetensorsFile::open(directory + "logits.safetensors");
  ASSERT_TRUE(file) << file.error().message();
  auto *expected = reinterpret_cast<const float *>(file->data(*file->find("logits")));
  EXPECT_LT(relativeError(logits->values, expected), 1e-5);
}

TEST(Phi, AConfigAloneCompilesToSource) {
  auto config = Config::open(directory + "config.json");
  ASSERT_TRUE(config) << config.error().message();
  mlir::MLIRContext context;
  auto model = buildPhi(context, *config, WeightOrigin());
  ASSERT_TRUE(model) << model.error().message();

  mlir::PassManager manager(&context);
  buildPipeline(manager, PipelineSettings());
  auto verified = verifyPassSemantics(manager);
  ASSERT_TRUE(succeeded(manager.run(*model->module)));
  EXPECT_FALSE(verified->failed());
  auto source = emitSource(*model->module, ArtifactOptions());
  ASSERT_TRUE(source) << source.error().message();
  EXPECT_NE(source->find("norm_linear"), std::string::npos);
}
