//===- Families.h - The model families that can be read ---------------------------------------===//
//
// Each has one file, which reads its config and writes the model's equations with ModelBuilder. A
// new family is a file here, a line below and a line in the table of Frontend.cpp.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_FRONTENDS_MODELS_FAMILIES_H
#define LLMOPT_FRONTENDS_MODELS_FAMILIES_H

#include "frontends/ModelBuilder.h"

namespace llmopt {

/// LLaMA, Vicuna, Llama 2 and 3, Mistral.
Result<BuiltModel> buildLlama(mlir::MLIRContext &context, const Config &config,
                              const WeightOrigin &origin);
/// Falcon-7B, Falcon-40B and their kinds, Falcon-RW.
Result<BuiltModel> buildFalcon(mlir::MLIRContext &context, const Config &config,
                               const WeightOrigin &origin);
Result<BuiltModel> buildGpt2(mlir::MLIRContext &context, const Config &config,
                             const WeightOrigin &origin);
/// GPT-NeoX and Pythia.
Result<BuiltModel> buildGptNeoX(mlir::MLIRContext &context, const Config &config,
                                const WeightOrigin &origin);

} // namespace llmopt

#endif // LLMOPT_FRONTENDS_MODELS_FAMILIES_H
