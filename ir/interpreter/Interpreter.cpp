#include "ir/interpreter/Interpreter.h"

#include "ir/interpreter/Evaluator.h"
#include "ir/weights/FloatConversion.h"
#include "ir/weights/Recipe.h"
#include "support/FloatTypes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/raw_ostream.h"

#include <cmath>

using namespace mlir;

namespace llmopt {

//===- The batch ------------------------------------------------------------------------------===//

void RaggedBatch::append(int32_t sequence, int32_t firstPosition,
                         const std::vector<int32_t> &tokenIds, bool wanted) {
  for (size_t i = 0; i < tokenIds.size(); ++i) {
    if (wanted)
      rows.push_back(static_cast<int32_t>(tokens.size()));
    tokens.push_back(tokenIds[i]);
    positions.push_back(firstPosition + static_cast<int32_t>(i));
    sequenceOf.push_back(sequence);
  }
}

RaggedBatch RaggedBatch::prompt(int32_t sequence, const std::vector<int32_t> &tokenIds) {
  RaggedBatch batch;
  batch.append(sequence, 0, tokenIds);
  return batch;
}

//===- Running ops ----------------------------------------------------------------------------===//

namespace interpreter {

Error opError(Operation *op, const std::string &what) {
  std::string location;
  llvm::raw_string_ostream(location) << op->getLoc();
  return makeError("{}: {}: {}", location, op->getName().getStringRef().str(), what);
}

double roundToElement(double value, Type type) {
  auto elementType = sourceType(type);
  if (!elementType || *elementType == TensorSource::Type::F32)
    return value;
  // Rounded to odd on the way, so that rounding twice is rounding once (Boldo and Melquiond, 2008).
  float narrow = static_cast<float>(value);
  if (static_cast<double>(narrow) != value && !std::isnan(value)) {
    if (std::fabs(static_cast<double>(narrow)) > std::fabs(value))
      narrow = std::nextafter(narrow, 0.0f);
    if (!(floatBits(narrow) & 1))
      narrow = floatFromBits(floatBits(narrow) | 1);
  }
  return roundToType(*elementType, narrow);
}

template <typename Real> void Frame<Real>::define(Value value, Matrix<Real> result) {
  Type type = cast<RankedTensorType>(value.getType()).getElementType();
  if (!type.isF32())
    for (Real &element : result.values)
      element = static_cast<Real>(roundToElement(element, type));
  bind(value, {std::make_shared<const Matrix<Real>>(std::move(result)), nullptr});
}

template <typename Real> void Frame<Real>::releaseOperands(Operation *op) {
  for (Value operand : op->getOperands()) {
    auto [left, isNew] = uses.try_emplace(operand, 0);
    if (isNew)
      left->second = std::distance(operand.use_begin(), operand.use_end());
    if (--left->second == 0) {
      slots.erase(operand);
      uses.erase(operand);
    }
  }
}

template <typename Real> static Status evaluateOp(Operation *op, Frame<Real> &frame) {
  return llvm::TypeSwitch<Operation *, Status>(op)
      .Case<ActivationOp, AddOp, AttentionOp, CacheAppendOp, CastOp, EmbedOp, GatherRowsOp,
            GetWeightOp, KernelOp, LinearOp, MulOp, NormOp, RopeOp, RopeTableOp, SliceOp>(
          [&](auto known) { return evaluate(known, frame); })
      .Default([&](Operation *unknown) -> Status {
        return opError(unknown, "the interpreter does not know this op");
      });
}

template <typename Real>
Result<std::vector<Slot<Real>>> evaluateBlock(Block &block, Frame<Real> &frame) {
  for (Operation &op : block.without_terminator()) {
    LLMOPT_TRY(evaluateOp(&op, frame));
    frame.releaseOperands(&op);
  }
  std::vector<Slot<Real>> results;
  for (Value value : block.getTerminator()->getOperands())
    results.push_back(frame.slot(value));
  frame.releaseOperands(block.getTerminator());
  return results;
}

template class Frame<float>;
template class Frame<double>;
template Result<std::vector<Slot<float>>> evaluateBlock(Block &, Frame<float> &);
template Result<std::vector<Slot<double>>> evaluateBlock(Block &, Frame<double> &);

} // namespace interpreter

//===- Interpreter ----------------------------------------------------------------------------===//

using interpreter::Frame;
using interpreter::Indices;
using interpreter::Matrix;
using interpreter::Slot;

class Interpreter::Impl {
public:
  virtual ~Impl() = default;
  virtual Result<std::vector<Tensor>> call(func::FuncOp function,
                                           const std::vector<Tensor> &arguments,
                                           const RaggedBatch &batch, KvState &cache) = 0;
  ModuleOp module;
};

template <typename Real>
class Interpreter::TypedImpl : public Impl, public interpreter::WeightStore<Real> {
public:
  TypedImpl(std::map<std::string, Recipe> recipes, int threads)
      : recipes(std::move(recipes)), threads(threads) {}

  Result<std::vector<Tensor>> call(func::FuncOp function, const std::vector<Tensor> &arguments,
                                   const RaggedBatch &batch, KvState &cache) override;
  Result<std::shared_ptr<const Matrix<Real>>> get(StringRef name) override;

private:
  const std::map<std::string, Recipe> recipes;
  std::map<std::string, std::shared_ptr<const Matrix<Real>>> weights;
  const int threads;
};

template <typename Real>
Result<std::shared_ptr<const Matrix<Real>>> Interpreter::TypedImpl<Real>::get(StringRef name) {
  auto recipe = recipes.find(name.str());
  if (recipe == recipes.end())
    return makeError("no weight @{}", name.str());
  std::shared_ptr<const Matrix<Real>> &kept = weights[recipe->first];
  if (!kept) {
    std::vector<float> values = recipe->second.evaluate(threads);
    auto matrix = std::make_shared<Matrix<Real>>();
    matrix->rows = recipe->second.rows();
    matrix->columns = recipe->second.columns();
    if constexpr (std::is_same_v<Real, float>)
      matrix->values = std::move(values);
    else
      matrix->values.assign(values.begin(), values.end());
    kept = std::move(matrix);
  }
  return kept;
}

/// An argument of a function, checked against its type and rounded to it.
template <typename Real>
static Result<Slot<Real>> bindArgument(const Interpreter::Tensor &tensor, RankedTensorType type,
                                       const std::string &what) {
  bool fits = static_cast<int64_t>(tensor.shape.size()) == type.getRank() && type.getRank() >= 1 &&
              type.getRank() <= 2;
  int64_t elements = 1;
  for (int64_t i = 0; fits && i < type.getRank(); ++i) {
    fits = type.isDynamicDim(i) || type.getDimSize(i) == tensor.shape[i];
    elements *= tensor.shape[i];
  }
  if (!fits || elements != static_cast<int64_t>(tensor.values.size()))
    return makeError("{} has shape [{}] and {} elements", what, fmt::join(tensor.shape, ", "),
                     tensor.values.size());
  if (type.getElementType().isInteger(32))
    return Slot<Real>{nullptr,
                      std::make_shared<const Indices>(tensor.values.begin(), tensor.values.end())};
  if (!sourceType(type.getElementType()))
    return makeError("{} is of a type that the interpreter does not know", what);
  Matrix<Real> matrix(tensor.shape[0], tensor.shape.size() == 2 ? tensor.shape[1] : 1);
  for (size_t i = 0; i < tensor.values.size(); ++i)
    matrix.values[i] =
        static_cast<Real>(interpreter::roundToElement(tensor.values[i], type.getElementType()));
  return Slot<Real>{std::make_shared<const Matrix<Real>>(std::move(matrix)), nullptr};
}

template <typename Real>
static Interpreter::Tensor toTensor(const Slot<Real> &slot, RankedTensorType type) {
  if (slot.indices)
    return {{static_cast<int64_t>(slot.indices->size())},
            {slot.indices->begin(), slot.indices->end()}};
  Interpreter::Tensor tensor;
  tensor.shape = {slot.matrix->rows};
  if (type.getRank() == 2)
    tensor.shape.push_back(slot.matrix->columns);
  tensor.values.assign(slot.matrix->values.begin(), slot.matrix->values.end());
  return tensor;
}

template <typename Real>
Result<std::vector<Interpreter::Tensor>>
Interpreter::TypedImpl<Real>::call(func::FuncOp function, const std::vector<Tensor> &arguments,
                                   const RaggedBatch &batch, KvState &cache) {
  const std::string name = function.getName().str();
  Frame<Real> frame(batch, cache, *this, threads);
  size_t next = 0;
  for (BlockArgument argument : function.getArguments()) {
    if (isa<BatchType, CacheType>(argument.getType()))
      continue;
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    if (!type || next == arguments.size())
      return makeError("@{} takes other arguments than {} tensors, a batch and a cache", name,
                       arguments.size());
    LLMOPT_ASSIGN(
        Slot<Real> slot,
        bindArgument<Real>(arguments[next], type, fmt::format("argument {} of @{}", next, name)));
    frame.bind(argument, std::move(slot));
    ++next;
  }
  if (next != arguments.size())
    return makeError("@{} takes {} tensors, got {}", name, next, arguments.size());

  Block &body = function.getBody().front();
  LLMOPT_ASSIGN(auto slots, interpreter::evaluateBlock(body, frame));
  std::vector<Tensor> results;
  for (auto [slot, type] : llvm::zip_equal(slots, function.getResultTypes()))
    if (auto tensorType = dyn_cast<RankedTensorType>(type))
      results.push_back(toTensor(slot, tensorType));
  return results;
}

Interpreter::Interpreter(std::unique_ptr<Impl> impl) : impl(std::move(impl)) {}
Interpreter::Interpreter(Interpreter &&) noexcept = default;
Interpreter &Interpreter::operator=(Interpreter &&) noexcept = default;
Interpreter::~Interpreter() = default;

Result<Interpreter> Interpreter::create(ModuleOp module, const TensorSource *source,
                                        Options options) {
  std::map<std::string, Recipe> recipes;
  for (auto weight : module.getOps<WeightOp>()) {
    LLMOPT_ASSIGN(Recipe recipe, Recipe::create(weight, source));
    recipes.emplace(weight.getSymName().str(), std::move(recipe));
  }
  std::unique_ptr<Impl> impl;
  if (options.arithmetic == Arithmetic::Float32)
    impl = std::make_unique<TypedImpl<float>>(std::move(recipes), options.threads);
  else
    impl = std::make_unique<TypedImpl<double>>(std::move(recipes), options.threads);
  impl->module = module;
  return Interpreter(std::move(impl));
}

Result<Interpreter> Interpreter::create(ModuleOp module, const TensorSource *source) {
  return create(module, source, Options());
}

Result<std::vector<Interpreter::Tensor>> Interpreter::call(const std::string &name,
                                                           const std::vector<Tensor> &arguments,
                                                           const RaggedBatch &batch,
                                                           KvState &cache) {
  auto function = impl->module.lookupSymbol<func::FuncOp>(name);
  if (!function || function.isExternal() || !function.getBody().hasOneBlock())
    return makeError("the module has no function @{} of one block", name);
  return impl->call(function, arguments, batch, cache);
}

Result<std::vector<Interpreter::Tensor>> Interpreter::call(const std::string &name,
                                                           const std::vector<Tensor> &arguments) {
  KvState cache;
  return call(name, arguments, RaggedBatch(), cache);
}

Result<Interpreter::Logits> Interpreter::step(const RaggedBatch &batch, KvState &cache) {
  const size_t tokens = batch.tokens.size();
  if (batch.positions.size() != tokens || batch.sequenceOf.size() != tokens)
    return makeError("a batch of {} tokens has {} positions and {} sequence numbers", tokens,
                     batch.positions.size(), batch.sequenceOf.size());
  auto indices = [](const std::vector<int32_t> &values) {
    return Tensor{{static_cast<int64_t>(values.size())}, {values.begin(), values.end()}};
  };
  LLMOPT_ASSIGN(auto results,
                call(LLMDialect::stepFunctionName.str(),
                     {indices(batch.tokens), indices(batch.positions), indices(batch.rows)}, batch,
                     cache));
  if (results.size() != 1)
    return makeError("@step returns {} tensors, not the logits alone", results.size());
  return std::move(results.front());
}

} // namespace llmopt
