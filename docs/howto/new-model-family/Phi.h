//===- Phi.h - The example of docs/howto/new-model-family.md ----------------------------------===//

#ifndef LLMOPT_DOCS_HOWTO_NEWMODELFAMILY_PHI_H
#define LLMOPT_DOCS_HOWTO_NEWMODELFAMILY_PHI_H

#include "frontends/ModelBuilder.h"

namespace llmopt {

/// Phi-1, Phi-1.5 and Phi-2.
Result<BuiltModel> buildPhi(mlir::MLIRContext &context, const Config &config,
                            const WeightOrigin &origin);

} // namespace llmopt

#endif // LLMOPT_DOCS_HOWTO_NEWMODELFAMILY_PHI_H
