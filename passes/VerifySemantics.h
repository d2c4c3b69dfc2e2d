//===- VerifySemantics.h - Holds every pass against the interpreter ---------------------------===//
//
// Around each pass on a module, @step is interpreted in float64 before and after, on the same few
// ragged batches in succession (prefill chunks of several sequences and decodes, mixed) of seeded
// tokens, and the logits are compared: ||after - before|| / ||before||. A pass may change them by
// no more than it declares; most passes change nothing and declare nothing.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_PASSES_VERIFYSEMANTICS_H
#define LLMOPT_PASSES_VERIFYSEMANTICS_H

#include <memory>

namespace mlir {
class PassManager;
} // namespace mlir

namespace llmopt {

class TensorSource;

/// What a pass that rounds elsewhere than the module it was given derives from, beside its base:
///
///   struct LowerPrecisionPass : impl::LowerPrecisionBase<LowerPrecisionPass>, PassTolerance {
///     double getTolerance() const override { return precision == "32-true" ? 1e-6 : 5e-2; }
class PassTolerance {
public:
  virtual ~PassTolerance() = default;
  /// The largest relative difference of the logits, for the pass with its options.
  virtual double getTolerance() const = 0;
};

/// Of a pass that declares none: only the order of sums may change.
constexpr double defaultPassTolerance = 1e-6;

struct VerifySemanticsOptions {
  /// Where recipes load from; null: every tensor that they load is made up from its name.
  const TensorSource *source = nullptr;
  int threads = 1;
  bool remarks = false; ///< a remark with the difference after each pass
};

/// What came of it; kept by whoever runs the pass manager, which owns the instrumentation.
struct VerifySemanticsReport {
  int verified = 0;
  int failures = 0;
  bool failed() const { return failures != 0; }
};

/// Makes a pass manager verify the semantics of every pass on a module. A difference beyond a
/// pass's tolerance, or a module that cannot be interpreted, is an error diagnostic and a failure
/// in the report; the pipeline goes on.
std::shared_ptr<const VerifySemanticsReport>
verifyPassSemantics(mlir::PassManager &manager, const VerifySemanticsOptions &options = {});

} // namespace llmopt

#endif // LLMOPT_PASSES_VERIFYSEMANTICS_H
