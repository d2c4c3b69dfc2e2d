//===- VerifySemanticsTest.cpp - Passes that keep their word, and passes that do not ----------===//

#include "passes/VerifySemantics.h"
#include "test/unit/ir/IrTest.h"

#include "mlir/IR/Builders.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"

namespace llmopt::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// A model of one linear over embedded tokens, its head loaded from a checkpoint.
const char *const model = R"(
  module attributes {llm.config = {vocabulary = 8 : i64, context_length = 6 : i64}} {
    llm.weight @table : tensor<8x4xf32> {
      %0 = llm.random {seed = 1 : i64, mean = 0.0 : f64, deviation = 1.0 : f64} : tensor<8x4xf32>
      llm.yield %0 : tensor<8x4xf32>
    }
    llm.weight @head : tensor<8x4xf32> {
      %0 = llm.load "head.weight" : tensor<8x4xf32>
      llm.yield %0 : tensor<8x4xf32>
    }
    func.func @step(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>,
                    %batch: !llm.batch,
                    %c0: !llm.cache<layers = 1, heads = 1, head_dim = 4, page = 16, type = f32>)
        -> (tensor<?x8xf32>, !llm.cache<layers = 1, heads = 1, head_dim = 4, page = 16, type = f32>) {
      %t = llm.get_weight @table : tensor<8x4xf32>
      %h = llm.get_weight @head : tensor<8x4xf32>
      %x = llm.embed %tokens, %t : (tensor<?xi32>, tensor<8x4xf32>) -> tensor<?x4xf32>
      %c1 = llm.cache_append %c0, %x, %x, %positions, %batch {layer = 0 : i64}
          : (!llm.cache<layers = 1, heads = 1, head_dim = 4, page = 16, type = f32>,
             tensor<?x4xf32>, tensor<?x4xf32>, tensor<?xi32>, !llm.batch)
          -> !llm.cache<layers = 1, heads = 1, head_dim = 4, page = 16, type = f32>
      %a = llm.attention %x, %c1, %positions, %batch {layer = 0 : i64, scale = 0.5 : f64}
          : (tensor<?x4xf32>, !llm.cache<layers = 1, heads = 1, head_dim = 4, page = 16, type = f32>,
             tensor<?xi32>, !llm.batch) -> tensor<?x4xf32>
      %l = llm.gather_rows %a, %rows : (tensor<?x4xf32>, tensor<?xi32>) -> tensor<?x4xf32>
      %y = llm.linear %l, %h : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<?x8xf32>
      return %y, %c1 : tensor<?x8xf32>,
          !llm.cache<layers = 1, heads = 1, head_dim = 4, page = 16, type = f32>
    }
  })";

/// Gives every attention another scale.
class ScaleAttention
    : public mlir::PassWrapper<ScaleAttention, mlir::OperationPass<mlir::ModuleOp>> {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ScaleAttention)
  explicit ScaleAttention(double scale) : scale(scale) {}
  llvm::StringRef getArgument() const override { return "scale-attention"; }
  void runOnOperation() override {
    getOperation().walk([&](AttentionOp op) { op.setScale(llvm::APFloat(scale)); });
  }

private:
  double scale;
};

/// The same, and says so.
class TolerantScaleAttention : public ScaleAttention, public PassTolerance {
public:
  using ScaleAttention::ScaleAttention;
  double getTolerance() const override { return 0.5; }
};

/// Takes all tokens from the first row.
class BreakEmbedding
    : public mlir::PassWrapper<BreakEmbedding, mlir::OperationPass<mlir::func::FuncOp>> {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(BreakEmbedding)
  llvm::StringRef getArgument() const override { return "break-embedding"; }
  void runOnOperation() override {
    getOperation().walk([](EmbedOp op) {
      op.getIndicesMutable().assign(op->getParentOfType<mlir::func::FuncOp>().getArgument(1));
    });
  }
};

/// Runs passes on a module and collects what is reported.
struct VerifiedRun {
  explicit VerifiedRun(const std::string &text, const VerifySemanticsOptions &options = {})
      : module(parse(text)), manager(&context()), report(verifyPassSemantics(manager, options)) {}

  void operator()() {
    mlir::ScopedDiagnosticHandler handler(
        &context(), [&](mlir::Diagnostic &diagnostic) { messages.push_back(diagnostic.str()); });
    EXPECT_TRUE(mlir::succeeded(manager.run(*module)));
  }

  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::PassManager manager;
  std::shared_ptr<const VerifySemanticsReport> report;
  std::vector<std::string> messages;
};

TEST(VerifySemantics, AcceptsAPassThatChangesNoValue) {
  VerifiedRun run(model);
  run.manager.addPass(std::make_unique<ScaleAttention>(0.5 + 1e-9));
  run();
  EXPECT_EQ(run.report->verified, 1);
  EXPECT_FALSE(run.report->failed());
  EXPECT_THAT(run.messages, IsEmpty());
}

TEST(VerifySemantics, NamesAPassThatChangesTheLogits) {
  VerifiedRun run(model);
  run.manager.addPass(std::make_unique<ScaleAttention>(0.4));
  run();
  EXPECT_EQ(run.report->failures, 1);
  EXPECT_THAT(run.messages, ElementsAre(testing::AllOf(
                                HasSubstr("scale-attention: the pass changes the logits by "),
                                HasSubstr("its tolerance is 1.00e-06"))));
}

TEST(VerifySemantics, AllowsAPassWhatItDeclares) {
  VerifiedRun run(model);
  run.manager.addPass(std::make_unique<TolerantScaleAttention>(0.4));
  run();
  EXPECT_FALSE(run.report->failed());
}

TEST(VerifySemantics, FailsOnANumberThatIsNone) {
  VerifiedRun run(model);
  run.manager.addPass(std::make_unique<TolerantScaleAttention>(NAN));
  run();
  EXPECT_TRUE(run.report->failed());
}

TEST(VerifySemantics, ComparesEachPassWithTheOneBefore) {
  VerifiedRun run(model);
  run.manager.addPass(std::make_unique<ScaleAttention>(0.4));
  run.manager.addPass(std::make_unique<ScaleAttention>(0.4));
  run.manager.addPass(std::make_unique<ScaleAttention>(0.5));
  run();
  EXPECT_EQ(run.report->verified, 3);
  EXPECT_EQ(run.report->failures, 2);
}

TEST(VerifySemantics, SeesPassesOnFunctions) {
  VerifiedRun run(model);
  run.manager.addNestedPass<mlir::func::FuncOp>(std::make_unique<BreakEmbedding>());
  run();
  EXPECT_TRUE(run.report->failed());
}

TEST(VerifySemantics, RemarksOnWhatItMeasured) {
  VerifySemanticsOptions options;
  options.remarks = true;
  VerifiedRun run(model, options);
  run.manager.addPass(std::make_unique<ScaleAttention>(0.5));
  run();
  EXPECT_THAT(run.messages,
              ElementsAre("scale-attention: the pass changes the logits by 0.00e+00, its tolerance "
                          "is 1.00e-06"));
}

TEST(VerifySemantics, HasNothingToDoWithoutAStep) {
  VerifySemanticsOptions options;
  options.remarks = true;
  VerifiedRun run("module {}", options);
  run.manager.addPass(std::make_unique<ScaleAttention>(0.5));
  run();
  EXPECT_EQ(run.report->verified, 0);
  EXPECT_THAT(run.messages, ElementsAre("scale-attention: no @step to verify"));
}

TEST(VerifySemantics, LoadsFromTheCheckpointItIsGiven) {
  MemorySource source;
  source.add("other.weight", {1}, {0});
  VerifySemanticsOptions options;
  options.source = &source;
  VerifiedRun run(model, options);
  run.manager.addPass(std::make_unique<ScaleAttention>(0.5));
  run();
  EXPECT_TRUE(run.report->failed());
  EXPECT_THAT(run.messages,
              ElementsAre(HasSubstr("the module before the pass cannot be interpreted: weight "
                                    "@head: test.safetensors has no tensor 'head.weight'")));
}

} // namespace
} // namespace llmopt::test
