#include "frontends/ModelBuilder.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"

#include <cmath>

using namespace mlir;

namespace llmopt {

/// Tokens in a page of the cache.
static constexpr int64_t pageTokens = 16;

static RankedTensorType rowsOf(OpBuilder &builder, int64_t columns) {
  return RankedTensorType::get({ShapedType::kDynamic, columns}, builder.getF32Type());
}

static int64_t columnsOf(Value x) { return cast<RankedTensorType>(x.getType()).getDimSize(1); }

static RankedTensorType f32Tensor(Value x) {
  return RankedTensorType::get(cast<RankedTensorType>(x.getType()).getShape(),
                               Float32Type::get(x.getContext()));
}

ModelBuilder::ModelBuilder(MLIRContext &context, const WeightOrigin &origin, ModelFacts modelFacts)
    : facts(std::move(modelFacts)),
      weights(origin.checkpoint, origin.seed, facts.deviation, facts.basePrefix), builder(&context),
      location(NameLoc::get(builder.getStringAttr(facts.family))) {
  context.loadDialect<LLMDialect, func::FuncDialect>();
  module = ModuleOp::create(location);
  (*module)->setAttr(LLMDialect::phaseAttrName, builder.getStringAttr("graph"));
  (*module)->setAttr(
      LLMDialect::configAttrName,
      builder.getDictionaryAttr(
          {builder.getNamedAttr("context_length", builder.getI64IntegerAttr(facts.contextLength)),
           builder.getNamedAttr("model", builder.getStringAttr(facts.family)),
           builder.getNamedAttr("stop_tokens", builder.getDenseI64ArrayAttr(facts.stopTokens)),
           builder.getNamedAttr("vocabulary", builder.getI64IntegerAttr(facts.vocabulary))}));

  auto indices = RankedTensorType::get({ShapedType::kDynamic}, builder.getI32Type());
  auto cacheType = CacheType::get(&context, facts.layers, facts.keyHeads, facts.headDim, pageTokens,
                                  builder.getF32Type());
  auto type =
      builder.getFunctionType({indices, indices, indices, BatchType::get(&context), cacheType},
                              {rowsOf(builder, facts.vocabulary), cacheType});
  builder.setInsertionPointToEnd(module->getBody());
  step = builder.create<func::FuncOp>(location, LLMDialect::stepFunctionName, type);
  builder.setInsertionPointToEnd(step.addEntryBlock());
  cache = step.getArgument(4);
}

Value ModelBuilder::weight(const WeightSpec &spec) {
  RankedTensorType type;
  {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPoint(step);
    type = weights.add(builder, spec);
  }
  location = NameLoc::get(builder.getStringAttr(spec.symbol));
  return builder.create<GetWeightOp>(location, type, spec.symbol);
}

Value ModelBuilder::embed(Value indices, const std::string &name, int64_t rows) {
  Value table = weight({name, name + ".weight", {rows, facts.hidden}});
  return builder.create<EmbedOp>(location, rowsOf(builder, facts.hidden), indices, table);
}

Value ModelBuilder::norm(NormKind kind, Value x, const std::string &name, double epsilon) {
  int64_t columns = columnsOf(x);
  WeightSpec scale{name, name + ".weight", {columns}};
  scale.initial = WeightSpec::Initial::Ones;
  Value scaleValue = weight(scale);
  Value biasValue;
  if (kind == NormKind::Layer) {
    WeightSpec bias{name + ".bias", name + ".bias", {columns}};
    bias.initial = WeightSpec::Initial::Zeros;
    biasValue = weight(bias);
  }
  return builder.create<NormOp>(location, f32Tensor(x), kind, x, scaleValue, biasValue,
                                llvm::APFloat(epsilon));
}

Value ModelBuilder::linearPart(Value x, const std::string &name, const std::string &part,
                               int64_t storedColumns, const RowBlocks *rows,
                               LinearOptions options) {
  WeightSpec matrix{name + part, name + ".weight", {storedColumns, columnsOf(x)}};
  if (options.transposed)
    std::swap(matrix.shape[0], matrix.shape[1]);
  matrix.transposed = options.transposed;
  if (rows)
    matrix.rows = *rows;
  Value matrixValue = weight(matrix);
  Value biasValue;
  if (options.bias) {
    WeightSpec bias{name + part + ".bias", name + ".bias", {storedColumns}};
    bias.rows = matrix.rows;
    bias.initial = WeightSpec::Initial::Zeros;
    biasValue = weight(bias);
  }
  int64_t columns = rows ? rows->rows() : storedColumns;
  return builder.create<LinearOp>(location, rowsOf(builder, columns), x, matrixValue, biasValue);
}

Value ModelBuilder::linear(Value x, const std::string &name, int64_t columns,
                           LinearOptions options) {
  return linearPart(x, name, "", columns, nullptr, options);
}

Qkv ModelBuilder::separateQkv(Value x, const std::string &prefix, LinearOptions options) {
  int64_t queries = facts.heads * facts.headDim, keys = facts.keyHeads * facts.headDim;
  Qkv qkv;
  qkv.query = linear(x, prefix + "q_proj", queries, options);
  qkv.key = linear(x, prefix + "k_proj", keys, options);
  qkv.value = linear(x, prefix + "v_proj", keys, options);
  return qkv;
}

Qkv ModelBuilder::fusedQkv(Value x, const std::string &name, int64_t groups,
                           LinearOptions options) {
  int64_t queries = facts.heads / groups * facts.headDim;
  int64_t keys = facts.keyHeads / groups * facts.headDim;
  int64_t group = queries + 2 * keys;
  auto part = [&](const char *suffix, int64_t offset, int64_t block) {
    RowBlocks rows{offset, block, group, groups};
    return linearPart(x, name, suffix, group * groups, &rows, options);
  };
  Qkv qkv;
  qkv.query = part(".q", 0, queries);
  qkv.key = part(".k", queries, keys);
  qkv.value = part(".v", queries + keys, keys);
  return qkv;
}

void ModelBuilder::rotate(Qkv &qkv, const Rope &rope) {
  if (!rotations) {
    // At the head of the step, since all layers share it.
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(&step.getBody().front());
    rotations = builder.create<RopeTableOp>(
        step.getLoc(), rowsOf(builder, 2 * static_cast<int64_t>(rope.frequencies.size())),
        positions(), rope.frequencies, llvm::APFloat(rope.factor));
  }
  for (Value *x : {&qkv.query, &qkv.key})
    *x = builder.create<RopeOp>(location, x->getType(), RopeStyle::Half, *x, rotations,
                                facts.headDim);
}

Value ModelBuilder::attention(int64_t layer, const Qkv &qkv, const AttentionOptions &options) {
  double scale =
      options.scale != 0 ? options.scale : 1 / std::sqrt(static_cast<double>(facts.headDim));
  cache = builder.create<CacheAppendOp>(location, cache.getType(), cache, qkv.key, qkv.value,
                                        positions(), step.getArgument(3), layer);
  return builder.create<AttentionOp>(
      location, f32Tensor(qkv.query), qkv.query, cache, positions(), step.getArgument(3), layer,
      llvm::APFloat(scale),
      options.alibiSlopes.empty() ? DenseF32ArrayAttr()
                                  : builder.getDenseF32ArrayAttr(options.alibiSlopes),
      options.window ? builder.getI64IntegerAttr(*options.window) : IntegerAttr(), FloatAttr());
}

Value ModelBuilder::activation(ActivationKind kind, Value x) {
  return builder.create<ActivationOp>(location, f32Tensor(x), kind, x);
}

Value ModelBuilder::add(Value x, Value y) {
  return builder.create<AddOp>(location, f32Tensor(x), x, y);
}

Value ModelBuilder::mul(Value x, Value y) {
  return builder.create<MulOp>(location, f32Tensor(x), x, y);
}

Value ModelBuilder::wantedRows(Value x) {
  return builder.create<GatherRowsOp>(location, f32Tensor(x), x, step.getArgument(2));
}

Result<BuiltModel> ModelBuilder::finish(Value logits) {
  LLMOPT_TRY(weights.finish());
  builder.create<func::ReturnOp>(step.getLoc(), ValueRange{logits, cache});
  std::string diagnostic;
  ScopedDiagnosticHandler handler(builder.getContext(), [&](Diagnostic &message) {
    if (diagnostic.empty())
      diagnostic = message.str();
    return mlir::success();
  });
  if (failed(verify(*module)))
    return makeError("the {} module is not valid: {}", facts.family, diagnostic);
  return BuiltModel{std::move(module), weights.parameters()};
}

//===- What families read from a config -------------------------------------------------------===//

Result<ActivationKind> readActivation(const Config &config, const Config::Names &names,
                                      const std::string &fallback) {
  LLMOPT_ASSIGN(std::string name, config.text(names, fallback));
  if (name == "gelu" || name == "gelu_python")
    return ActivationKind::Gelu;
  if (name == "gelu_new" || name == "gelu_fast" || name == "gelu_pytorch_tanh" ||
      name == "gelu_accurate")
    return ActivationKind::GeluTanh;
  if (name == "silu" || name == "swish")
    return ActivationKind::Silu;
  if (name == "relu")
    return ActivationKind::Relu;
  return config.error("activation '{}' is not supported (known: gelu, gelu_new, gelu_fast, "
                      "gelu_pytorch_tanh, silu, swish, relu)",
                      shortened(name));
}

Result<ModelFacts> readFacts(const Config &config, const WeightOrigin &origin,
                             const std::string &family, const std::string &basePrefix,
                             const FactNames &names) {
  ModelFacts facts;
  facts.family = family;
  facts.basePrefix = basePrefix;
  LLMOPT_ASSIGN(facts.hidden, config.size(names.hidden, limits::width));
  LLMOPT_ASSIGN(facts.layers, config.size(names.layers, limits::layers));
  LLMOPT_ASSIGN(facts.heads, config.size(names.heads, limits::heads));
  LLMOPT_ASSIGN(facts.vocabulary, config.size({"vocab_size"}, limits::vocabulary));
  LLMOPT_ASSIGN(facts.maximumPositions,
                config.size(names.context, limits::context, names.defaultContext));
  LLMOPT_ASSIGN(facts.stopTokens, config.stopTokens(facts.vocabulary));
  LLMOPT_ASSIGN(facts.deviation, config.positive({"initializer_range"}, 0.02));
  facts.keyHeads = facts.heads;

  if (names.explicitHeadDim && config.has({"head_dim"})) {
    LLMOPT_ASSIGN(facts.headDim, config.size({"head_dim"}, limits::headDim));
  } else if (facts.hidden % facts.heads == 0) {
    facts.headDim = facts.hidden / facts.heads;
  } else {
    return config.error("hidden size {} is no multiple of the {} attention heads", facts.hidden,
                        facts.heads);
  }
  if (facts.heads * facts.headDim > limits::width)
    return config.error("{} heads of {} elements are more than the {} supported", facts.heads,
                        facts.headDim, limits::width);

  facts.contextLength = origin.contextLength.value_or(facts.maximumPositions);
  if (facts.contextLength < 1 || facts.contextLength > facts.maximumPositions)
    return config.error("a context of {} tokens is asked for, and the model has 1 to {}",
                        facts.contextLength, facts.maximumPositions);
  return facts;
}

Result<int64_t> readKeyHeads(const Config &config, int64_t heads, int64_t fallback) {
  LLMOPT_ASSIGN(int64_t keyHeads, config.size({"num_key_value_heads"}, limits::heads, fallback));
  if (heads % keyHeads != 0)
    return config.error("{} attention heads cannot share {} key-value heads", heads, keyHeads);
  return keyHeads;
}

} // namespace llmopt
