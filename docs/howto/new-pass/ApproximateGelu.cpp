//===- ApproximateGelu.cpp - Compute gelu by its tanh approximation ---------------------------===//

#include "passes/Phase.h"
#include "passes/VerifySemantics.h"

#include "ir/Dialect.h"

#include "mlir/Pass/Pass.h"

using namespace mlir;

namespace llmopt {

#define GEN_PASS_DECL
#define GEN_PASS_DEF_APPROXIMATEGELU
#define GEN_PASS_REGISTRATION
#include "docs/howto/new-pass/Passes.h.inc"

namespace {
class ApproximateGeluPass : public impl::ApproximateGeluBase<ApproximateGeluPass>,
                            public PassTolerance {
  using ApproximateGeluBase::ApproximateGeluBase;

  /// The functions differ in the fourth digit, and a model has tens of them in a row.
  double getTolerance() const override { return 1e-2; }

  void runOnOperation() override {
    auto step = requirePhase(getOperation(), graphPhase);
    if (failed(step))
      return signalPassFailure();
    step->walk([](ActivationOp activation) {
      if (activation.getKind() == ActivationKind::Gelu)
        activation.setKind(ActivationKind::GeluTanh);
    });
  }
};

/// llmopt-opt knows every pass that is registered before its main begins.
[[maybe_unused]] const bool registered = (registerApproximateGelu(), true);
} // namespace

} // namespace llmopt
