//===- Synchronize.cpp - Derive what the tiles of a persistent step wait for ------------------===//

#include "ir/KernelSync.h"
#include "passes/DeriveSync.h"
#include "passes/Passes.h"
#include "passes/Phase.h"

#include "mlir/IR/Builders.h"

using namespace mlir;

namespace llmopt {

#define GEN_PASS_DEF_SYNCHRONIZE
#include "passes/Passes.h.inc"

namespace {
class SynchronizePass : public impl::SynchronizeBase<SynchronizePass> {
  using SynchronizeBase::SynchronizeBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto step = requirePhase(module, placedPhase);
    if (failed(step))
      return signalPassFailure();
    if (launch != "graph" && launch != "persistent") {
      module.emitError() << "unknown launch '" << launch << "'; known: graph, persistent";
      return signalPassFailure();
    }
    if (launch == "graph")
      return;
    auto buckets = persistentBuckets(*step);
    if (failed(buckets))
      return signalPassFailure();
    // Of each kernel, for each bucket.
    std::vector<std::vector<KernelSync>> syncs;
    std::vector<int64_t> derivedFor;
    std::vector<KernelSync> derived;
    for (int64_t maxRows : *buckets) {
      auto columns = tileColumns(*step, maxRows);
      if (failed(columns))
        return signalPassFailure();
      if (*columns != derivedFor) {
        auto tiled = tileStep(*step, *columns);
        if (failed(tiled))
          return signalPassFailure();
        derived = deriveSync(*tiled);
        derivedFor = *columns;
      }
      syncs.resize(derived.size());
      for (size_t kernel = 0; kernel < derived.size(); ++kernel) {
        derived[kernel].maxRows = maxRows;
        syncs[kernel].push_back(derived[kernel]);
      }
    }
    for (auto [kernel, sync] : llvm::zip(step->getBody().front().getOps<KernelOp>(), syncs))
      kernel->setAttr(syncAttrName, syncAttribute(&getContext(), sync));
    module->setAttr(LLMDialect::launchAttrName, StringAttr::get(&getContext(), launch.getValue()));
  }
};
} // namespace

} // namespace llmopt
