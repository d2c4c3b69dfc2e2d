#include "passes/VerifySemantics.h"

#include "ir/Dialect.h"
#include "ir/interpreter/Interpreter.h"
#include "ir/weights/FloatConversion.h"
#include "ir/weights/Recipe.h"
#include "passes/Phase.h"
#include "support/RandomWeights.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassInstrumentation.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/xxhash.h"

#include <algorithm>
#include <cmath>

using namespace mlir;

namespace llmopt {

//===- Inputs ---------------------------------------------------------------------------------===//

/// A checkpoint with every tensor that a module loads, its values a function of the name.
class MadeUpSource : public TensorSource {
public:
  explicit MadeUpSource(ModuleOp module) {
    module.walk([&](LoadOp load) {
      auto type = cast<RankedTensorType>(load.getResult().getType());
      auto elementType = sourceType(type.getElementType());
      if (elementType && type.hasStaticShape())
        add(load.getTensor(), *elementType, type.getShape());
    });
  }

  Result<Tensor> find(const std::string &name) const override {
    auto found = tensors.find(name);
    if (found == tensors.end())
      return makeError(
          "no values were made up for tensor '{}': the module did not load it at first, "
          "or it is too large",
          name);
    return found->second;
  }
  void release(const Tensor &, uint64_t, uint64_t) const override {}

private:
  static constexpr int64_t maximumElements = int64_t(1) << 32;

  /// Deviation 1/sqrt(columns), so that a linear keeps the size of its input.
  void add(StringRef name, Type type, ArrayRef<int64_t> shape) {
    if (contents.count(name.str()))
      return;
    int64_t count = 1;
    for (int64_t size : shape)
      if (__builtin_mul_overflow(count, size, &count) || count > maximumElements)
        return;
    const auto seed = static_cast<uint32_t>(llvm::xxh3_64bits(name));
    const float scale = std::sqrt(3.0f / static_cast<float>(shape.size() == 2 ? shape[1] : 1));
    std::vector<float> values(count);
    for (int64_t i = 0; i < count; ++i)
      values[i] = randomWeight(seed, i, 0.0f, scale);
    std::vector<uint8_t> &bytes = contents[name.str()];
    bytes.resize(count * elementBytes(type));
    convertElements(Type::F32, values.data(), type, bytes.data(), count);
    tensors[name.str()] = {type, shape.vec(), bytes.data(), "made-up values"};
  }

  std::map<std::string, Tensor> tensors;
  std::map<std::string, std::vector<uint8_t>> contents;
};

/// Batches in succession on one cache. Each pair of numbers is a sequence and how many tokens it
/// gets; the logits of its last token are wanted, and in the first batch those of all.
static std::vector<RaggedBatch> verificationBatches(int64_t vocabulary, int64_t context) {
  using Chunks = std::vector<std::pair<int32_t, int32_t>>;
  const std::vector<Chunks> steps = {
      {{0, 5}, {1, 3}},         // two prompts
      {{0, 1}, {1, 6}, {2, 2}}, // a decode, a prompt's next chunk, a new prompt
      {{2, 1}, {0, 1}, {1, 1}}, // decodes, in another order
  };
  std::vector<RaggedBatch> batches;
  int32_t lengths[3] = {};
  uint64_t drawn = 0;
  for (const Chunks &chunks : steps) {
    RaggedBatch batch;
    for (auto [sequence, count] : chunks) {
      count = static_cast<int32_t>(std::min<int64_t>(count, context - lengths[sequence]));
      if (count <= 0)
        continue;
      std::vector<int32_t> tokens(count);
      for (int32_t &token : tokens)
        token = static_cast<int32_t>(randomHash(static_cast<uint32_t>(++drawn)) %
                                     static_cast<uint64_t>(vocabulary));
      batch.append(sequence, lengths[sequence], tokens, /*wanted=*/batches.empty());
      if (!batches.empty())
        batch.rows.push_back(static_cast<int32_t>(batch.tokens.size()) - 1);
      lengths[sequence] += count;
    }
    if (!batch.tokens.empty())
      batches.push_back(std::move(batch));
  }
  return batches;
}

/// The logits of all verification batches, one after the other.
static Result<std::vector<double>> interpretStep(ModuleOp module, const TensorSource *source,
                                                 const std::vector<RaggedBatch> &batches,
                                                 int threads) {
  LLMOPT_ASSIGN(Interpreter interpreter,
                Interpreter::create(module, source, {Interpreter::Arithmetic::Float64, threads}));
  KvState cache;
  std::vector<double> logits;
  for (const RaggedBatch &batch : batches) {
    LLMOPT_ASSIGN(Interpreter::Logits part, interpreter.step(batch, cache));
    logits.insert(logits.end(), part.values.begin(), part.values.end());
  }
  return logits;
}

/// ||actual - expected|| / ||expected||; not a number if either has one that is not finite.
static double relativeDifference(const std::vector<double> &actual,
                                 const std::vector<double> &expected) {
  if (actual.size() != expected.size())
    return HUGE_VAL;
  double difference = 0, norm = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    difference += (actual[i] - expected[i]) * (actual[i] - expected[i]);
    norm += expected[i] * expected[i];
  }
  if (difference == 0 && std::isfinite(norm))
    return 0;
  return std::sqrt(difference / norm);
}

//===- The instrumentation --------------------------------------------------------------------===//

namespace {
class VerifySemantics : public PassInstrumentation {
public:
  VerifySemantics(const VerifySemanticsOptions &options,
                  std::shared_ptr<VerifySemanticsReport> report)
      : options(options), report(std::move(report)) {}

  void runBeforePass(Pass *pass, Operation *op) override;
  void runAfterPass(Pass *pass, Operation *op) override;
  void runAfterPassFailed(Pass *pass, Operation *op) override;

private:
  using Logits = std::vector<double>;

  /// A module as it was before a pass that runs now.
  struct Before {
    OwningOpRef<ModuleOp> module; ///< null if it has no step
    std::string text;
  };

  void makeInputs(ModuleOp module);
  Result<Logits> interpret(ModuleOp module, const std::string &text);
  void compare(Pass *pass, const Before &before, ModuleOp module);

  const VerifySemanticsOptions options;
  std::shared_ptr<VerifySemanticsReport> report;
  std::unique_ptr<MadeUpSource> madeUp;
  std::vector<RaggedBatch> batches;
  std::vector<Before> running; ///< innermost last
  /// What was interpreted last: a pass most often begins with what the one before it left.
  std::string lastText;
  Logits lastLogits;
};
} // namespace

static bool hasStep(ModuleOp module) {
  auto step = module.lookupSymbol<func::FuncOp>(LLMDialect::stepFunctionName);
  return step && !step.isExternal();
}

static StringRef nameOf(Pass *pass) {
  return pass->getArgument().empty() ? pass->getName() : pass->getArgument();
}

static std::string textOf(ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  module->print(stream);
  return text;
}

/// Passes on a function are run by one on its module, an adaptor, and are verified together there.
void VerifySemantics::runBeforePass(Pass *, Operation *op) {
  auto module = dyn_cast<ModuleOp>(op);
  if (!module)
    return;
  Before &before = running.emplace_back();
  if (!hasStep(module))
    return;
  if (batches.empty())
    makeInputs(module);
  before.module = module.clone();
  before.text = textOf(module);
}

void VerifySemantics::runAfterPassFailed(Pass *, Operation *op) {
  if (isa<ModuleOp>(op))
    running.pop_back();
}

void VerifySemantics::runAfterPass(Pass *pass, Operation *op) {
  auto module = dyn_cast<ModuleOp>(op);
  if (!module)
    return;
  Before before = std::move(running.back());
  running.pop_back();
  if (before.module)
    compare(pass, before, module);
  else if (options.remarks)
    emitRemark(module.getLoc()) << nameOf(pass) << ": no @" << LLMDialect::stepFunctionName
                                << " to verify";
}

void VerifySemantics::makeInputs(ModuleOp module) {
  if (!options.source)
    madeUp = std::make_unique<MadeUpSource>(module);
  auto step = module.lookupSymbol<func::FuncOp>(LLMDialect::stepFunctionName);
  int64_t vocabulary = 1;
  for (Type type : step.getResultTypes())
    if (auto logits = dyn_cast<RankedTensorType>(type); logits && logits.getRank() == 2)
      vocabulary = logits.getDimSize(1);
  vocabulary = std::max<int64_t>(configInteger(module, "vocabulary", vocabulary), 1);
  batches = verificationBatches(vocabulary, configInteger(module, "context_length", 64));
}

void VerifySemantics::compare(Pass *pass, const Before &before, ModuleOp module) {
  ++report->verified;
  auto fail = [&] {
    ++report->failures;
    return emitError(module.getLoc()) << nameOf(pass) << ": ";
  };
  Result<Logits> expected = interpret(*before.module, before.text);
  if (!expected) {
    fail() << "the module before the pass cannot be interpreted: " << expected.error().message();
    return;
  }
  Result<Logits> actual = interpret(module, textOf(module));
  if (!actual) {
    fail() << "the module after the pass cannot be interpreted: " << actual.error().message();
    return;
  }
  const auto *declared = dynamic_cast<const PassTolerance *>(pass);
  const double tolerance = declared ? declared->getTolerance() : defaultPassTolerance;
  const double difference = relativeDifference(*actual, *expected);
  const std::string figures =
      fmt::format("the logits by {:.2e}, its tolerance is {:.2e}", difference, tolerance);
  // Written so that a difference that is not a number fails.
  if (!(difference <= tolerance))
    fail() << "the pass changes " << figures;
  else if (options.remarks)
    emitRemark(module.getLoc()) << nameOf(pass) << ": the pass changes " << figures;
}

Result<VerifySemantics::Logits> VerifySemantics::interpret(ModuleOp module,
                                                           const std::string &text) {
  if (text == lastText)
    return lastLogits;
  const TensorSource *source = options.source ? options.source : madeUp.get();
  LLMOPT_ASSIGN(Logits logits, interpretStep(module, source, batches, options.threads));
  lastText = text;
  lastLogits = logits;
  return logits;
}

std::shared_ptr<const VerifySemanticsReport>
verifyPassSemantics(PassManager &manager, const VerifySemanticsOptions &options) {
  auto report = std::make_shared<VerifySemanticsReport>();
  manager.addInstrumentation(std::make_unique<VerifySemantics>(options, report));
  return report;
}

} // namespace llmopt
