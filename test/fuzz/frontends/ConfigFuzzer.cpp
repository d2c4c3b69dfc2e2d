//===- ConfigFuzzer.cpp - Any bytes as a config.json ------------------------------------------===//
//
// Reads the bytes as a model's config and builds its module with random weights: a config is
// refused or gives a module that verifies.
//
//===------------------------------------------------------------------------------------------===//

#include "frontends/Frontend.h"

#include "support/Json.h"

#include "mlir/IR/MLIRContext.h"

#include <cstdlib>

using namespace llmopt;

/// Many layers are valid and slow, and like few.
static bool hasManyLayers(const Json &config) {
  for (const char *name : {"num_hidden_layers", "n_layer"})
    if (auto layers = jsonInteger(config, name, "", 3, INT64_MAX))
      return true;
  return false;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string_view text(reinterpret_cast<const char *>(data), size);
  if (Result<Json> config = parseJson(text, "config.json"); config && hasManyLayers(*config))
    return -1;
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  ImportOptions options;
  options.randomWeights = true;
  Result<ImportedModel> model = importConfig(context, text, "config.json", options);
  if (model && model->parameters <= 0)
    std::abort();
  if (!model && model.error().message().find("is not valid: ") != std::string::npos)
    std::abort(); // The reader let through what the builder cannot express.
  return 0;
}
