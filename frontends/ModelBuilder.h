//===- ModelBuilder.h - The vocabulary in which a family writes its equations -----------------===//
//
// Makes a module with `@step` (its signature stands in ir/Dialect.td) in float32, phase graph. A
// family's file calls the layers in the order of the model's equations and gives the logits to
// finish(). Errors in the weights are kept until then, so that equations stay free of them.
//
// Activations are [N, columns]; layers are named by their tensors' common name in the checkpoint:
// "model.layers.0.mlp.up_proj" has "….weight" and, where it has one, "….bias".
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_FRONTENDS_MODELBUILDER_H
#define LLMOPT_FRONTENDS_MODELBUILDER_H

#include "frontends/Rope.h"
#include "frontends/WeightRecipes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace llmopt {

/// Where the weights come from.
struct WeightOrigin {
  const Checkpoint *checkpoint = nullptr; ///< null: random weights
  uint32_t seed = 0;
  std::optional<int64_t> contextLength; ///< shorter than the config's
};

/// What every family has to know about its model.
struct ModelFacts {
  std::string family;
  std::string basePrefix; ///< of the base model's tensors, "model."
  int64_t layers = 0;
  int64_t hidden = 0;
  int64_t heads = 0;
  int64_t keyHeads = 0; ///< key-value heads
  int64_t headDim = 0;
  int64_t vocabulary = 0;
  int64_t contextLength = 0;    ///< that the compiled model has
  int64_t maximumPositions = 0; ///< that the config gives
  std::vector<int64_t> stopTokens;
  double deviation = 0.02; ///< of random weights
};

struct LinearOptions {
  bool bias = false;
  bool transposed = false; ///< the weight is stored [in, out]
};

struct Qkv {
  mlir::Value query;
  mlir::Value key;
  mlir::Value value;
};

struct AttentionOptions {
  double scale = 0; ///< 0: 1 / sqrt(head_dim)
  std::optional<int64_t> window;
  std::vector<float> alibiSlopes;
};

/// A module of a family, with what the importer reports.
struct BuiltModel {
  mlir::OwningOpRef<mlir::ModuleOp> module;
  int64_t parameters = 0;
};

class ModelBuilder {
public:
  ModelBuilder(mlir::MLIRContext &context, const WeightOrigin &origin, ModelFacts facts);

  mlir::Value tokens() { return step.getArgument(0); }
  mlir::Value positions() { return step.getArgument(1); }

  /// Rows of the table `<name>.weight` [rows, hidden].
  mlir::Value embed(mlir::Value indices, const std::string &name, int64_t rows);
  /// A layer norm has a bias, an rms norm none.
  mlir::Value norm(NormKind kind, mlir::Value x, const std::string &name, double epsilon);
  mlir::Value linear(mlir::Value x, const std::string &name, int64_t columns,
                     LinearOptions options = {});
  /// The linears `<prefix>q_proj`, `<prefix>k_proj` and `<prefix>v_proj`.
  Qkv separateQkv(mlir::Value x, const std::string &prefix, LinearOptions options = {});
  /// Three linears whose weights lie in one tensor as `groups` times
  /// [heads / groups query heads | keyHeads / groups key heads | as many value heads].
  Qkv fusedQkv(mlir::Value x, const std::string &name, int64_t groups, LinearOptions options = {});
  /// Rotates queries and keys by a table that is made at the first call.
  void rotate(Qkv &qkv, const Rope &rope);
  /// Appends keys and values to the layer's cache and attends to it.
  mlir::Value attention(int64_t layer, const Qkv &qkv, const AttentionOptions &options = {});
  mlir::Value activation(ActivationKind kind, mlir::Value x);
  mlir::Value add(mlir::Value x, mlir::Value y);
  mlir::Value mul(mlir::Value x, mlir::Value y);
  /// The rows whose logits are wanted.
  mlir::Value wantedRows(mlir::Value x);

  /// Whether the checkpoint has a tensor of that full name.
  bool hasTensor(const std::string &tensor) const { return weights.has(tensor); }

  /// Ends @step with these logits and verifies the module.
  Result<BuiltModel> finish(mlir::Value logits);

private:
  mlir::Value weight(const WeightSpec &spec);
  /// The part of linear `name` that `rows` says, all of it if null.
  mlir::Value linearPart(mlir::Value x, const std::string &name, const std::string &part,
                         int64_t storedColumns, const RowBlocks *rows, LinearOptions options);

  ModelFacts facts;
  WeightRecipes weights;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::OpBuilder builder; ///< at the end of @step
  mlir::Location location; ///< of what is built now
  mlir::func::FuncOp step;
  mlir::Value cache; ///< as the last append left it
  mlir::Value rotations;
};

/// `activation` as configs name it: "gelu", "gelu_new", "silu", …; others are refused by name.
Result<ActivationKind> readActivation(const Config &config, const Config::Names &names,
                                      const std::string &fallback);

/// How a family's configs call what all families have.
struct FactNames {
  Config::Names hidden = {"hidden_size"};
  Config::Names layers = {"num_hidden_layers"};
  Config::Names heads = {"num_attention_heads"};
  Config::Names context = {"max_position_embeddings"};
  std::optional<int64_t> defaultContext;
  bool explicitHeadDim = false; ///< `head_dim` may differ from hidden / heads
};

/// The sizes, stop tokens and deviation; every attention head has keys of its own until the family
/// says otherwise.
Result<ModelFacts> readFacts(const Config &config, const WeightOrigin &origin,
                             const std::string &family, const std::string &basePrefix,
                             const FactNames &names);

/// The key-value heads that the config gives, or `fallback`: every one serves as many of `heads`.
Result<int64_t> readKeyHeads(const Config &config, int64_t heads, int64_t fallback);

} // namespace llmopt

#endif // LLMOPT_FRONTENDS_MODELBUILDER_H
