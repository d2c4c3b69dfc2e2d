#include "ir/weights/Recipe.h"

#include "ir/ShapeInference.h"
#include "ir/weights/FloatConversion.h"
#include "support/RandomWeights.h"
#include "support/ThreadPool.h"

#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>
#include <cmath>

using namespace mlir;

namespace llmopt {

using ElementType = TensorSource::Type;
using Tile = Recipe::Tile;

std::optional<ElementType> sourceType(Type type) {
  if (type.isF32())
    return ElementType::F32;
  if (type.isF16())
    return ElementType::F16;
  if (type.isBF16())
    return ElementType::BF16;
  return std::nullopt;
}

//===- Nodes ----------------------------------------------------------------------------------===//

/// One op of a recipe, with its operands.
class Recipe::Node {
public:
  virtual ~Node() = default;
  /// Writes the tile as elements of `out`.
  virtual void evaluate(const Tile &tile, ElementType out, uint8_t *data) const = 0;
  virtual void release(int64_t rowBegin, int64_t rowEnd) const = 0;
  /// Of a node with a format; see Recipe::encode().
  virtual void encode(int64_t, int64_t, uint8_t *, QuantGroup *) const {}

  int64_t rows = 0;
  int64_t columns = 1;
  ElementType type = ElementType::F32;
  std::optional<QuantFormat> format; ///< if quantized
};

namespace {

using NodePtr = std::shared_ptr<const Recipe::Node>;

class LoadNode : public Recipe::Node {
public:
  LoadNode(const TensorSource &source, TensorSource::Tensor tensor)
      : source(source), tensor(std::move(tensor)) {}

  void evaluate(const Tile &tile, ElementType out, uint8_t *data) const override {
    const int64_t bytes = elementBytes(type);
    const uint8_t *first = tensor.data + (tile.rowBegin * columns + tile.columnBegin) * bytes;
    if (tile.columns() == columns)
      return convertElements(type, first, out, data, tile.rows() * columns);
    for (int64_t row = 0; row < tile.rows(); ++row)
      convertElements(type, first + row * columns * bytes, out,
                      data + row * tile.columns() * elementBytes(out), tile.columns());
  }

  void release(int64_t rowBegin, int64_t rowEnd) const override {
    const int64_t rowBytes = columns * elementBytes(type);
    source.release(tensor, rowBegin * rowBytes, rowEnd * rowBytes);
  }

private:
  const TensorSource &source;
  const TensorSource::Tensor tensor;
};

/// llm.random, and llm.fill as one of scale 0.
class RandomNode : public Recipe::Node {
public:
  RandomNode(uint32_t seed, float mean, float scale) : seed(seed), mean(mean), scale(scale) {}

  void evaluate(const Tile &tile, ElementType out, uint8_t *data) const override {
    std::vector<float> values(tile.columns());
    for (int64_t row = tile.rowBegin; row < tile.rowEnd; ++row) {
      const uint64_t first = uint64_t(row) * uint64_t(columns) + uint64_t(tile.columnBegin);
      for (int64_t i = 0; i < tile.columns(); ++i)
        values[i] = roundToType(type, randomWeight(seed, first + i, mean, scale));
      convertElements(ElementType::F32, values.data(), out, data, tile.columns());
      data += tile.columns() * elementBytes(out);
    }
  }

  void release(int64_t, int64_t) const override {}

private:
  const uint32_t seed;
  const float mean;
  const float scale;
};

class RowsNode : public Recipe::Node {
public:
  RowsNode(NodePtr input, int64_t offset, int64_t block, int64_t stride)
      : input(std::move(input)), offset(offset), block(block), stride(stride) {}

  void evaluate(const Tile &tile, ElementType out, uint8_t *data) const override {
    forEachRun(tile.rowBegin, tile.rowEnd, [&](int64_t begin, int64_t end) {
      input->evaluate({begin, end, tile.columnBegin, tile.columnEnd}, out, data);
      data += (end - begin) * tile.columns() * elementBytes(out);
    });
  }

  void encode(int64_t rowBegin, int64_t rowEnd, uint8_t *codes, QuantGroup *groups) const override {
    forEachRun(rowBegin, rowEnd, [&](int64_t begin, int64_t end) {
      input->encode(begin, end, codes, groups);
      codes += (end - begin) * columns;
      groups += (end - begin) * format->groups(columns);
    });
  }

  void release(int64_t rowBegin, int64_t rowEnd) const override {
    forEachRun(rowBegin, rowEnd, [&](int64_t begin, int64_t end) { input->release(begin, end); });
  }

private:
  /// Calls body(begin, end) for the consecutive rows of the input that make rows [begin, end).
  template <typename Body> void forEachRun(int64_t begin, int64_t end, Body body) const {
    for (int64_t row = begin; row < end;) {
      const int64_t first = offset + row / block * stride + row % block;
      const int64_t count = std::min(block - row % block, end - row);
      body(first, first + count);
      row += count;
    }
  }

  const NodePtr input;
  const int64_t offset, block, stride;
};

class ConcatNode : public Recipe::Node {
public:
  explicit ConcatNode(std::vector<NodePtr> inputs) : inputs(std::move(inputs)) {}

  void evaluate(const Tile &tile, ElementType out, uint8_t *data) const override {
    forEachPart(tile.rowBegin, tile.rowEnd, [&](const Node &part, int64_t begin, int64_t end) {
      part.evaluate({begin, end, tile.columnBegin, tile.columnEnd}, out, data);
      data += (end - begin) * tile.columns() * elementBytes(out);
    });
  }

  void encode(int64_t rowBegin, int64_t rowEnd, uint8_t *codes, QuantGroup *groups) const override {
    forEachPart(rowBegin, rowEnd, [&](const Node &part, int64_t begin, int64_t end) {
      part.encode(begin, end, codes, groups);
      codes += (end - begin) * columns;
      groups += (end - begin) * format->groups(columns);
    });
  }

  void release(int64_t rowBegin, int64_t rowEnd) const override {
    forEachPart(rowBegin, rowEnd,
                [](const Node &part, int64_t begin, int64_t end) { part.release(begin, end); });
  }

private:
  /// Calls body(input, begin, end) for each input's own rows among rows [rowBegin, rowEnd).
  template <typename Body> void forEachPart(int64_t rowBegin, int64_t rowEnd, Body body) const {
    int64_t first = 0;
    for (const NodePtr &input : inputs) {
      const int64_t begin = std::max(rowBegin - first, int64_t(0));
      const int64_t end = std::min(rowEnd - first, input->rows);
      if (begin < end)
        body(*input, begin, end);
      first += input->rows;
    }
  }

  const std::vector<NodePtr> inputs;
};

class TransposeNode : public Recipe::Node {
public:
  explicit TransposeNode(NodePtr input) : input(std::move(input)) {}

  void evaluate(const Tile &tile, ElementType out, uint8_t *data) const override {
    if (elementBytes(out) == 4)
      transpose<uint32_t>(tile, out, reinterpret_cast<uint32_t *>(data));
    else
      transpose<uint16_t>(tile, out, reinterpret_cast<uint16_t *>(data));
  }

  /// Each row is made from all rows of the input, which are released with the last of them.
  void release(int64_t rowBegin, int64_t rowEnd) const override {
    if (rowBegin == 0 && rowEnd == rows)
      input->release(0, input->rows);
  }

private:
  /// A few rows of the input at a time, so that they are still in the cache when they are written
  /// as columns.
  template <typename Element>
  void transpose(const Tile &tile, ElementType out, Element *data) const {
    constexpr int64_t strip = 32;
    std::vector<Element> values(strip * tile.rows());
    for (int64_t begin = tile.columnBegin; begin < tile.columnEnd; begin += strip) {
      const int64_t count = std::min(strip, tile.columnEnd - begin);
      input->evaluate({begin, begin + count, tile.rowBegin, tile.rowEnd}, out,
                      reinterpret_cast<uint8_t *>(values.data()));
      Element *first = data + (begin - tile.columnBegin);
      for (int64_t row = 0; row < tile.rows(); ++row)
        for (int64_t column = 0; column < count; ++column)
          first[row * tile.columns() + column] = values[column * tile.rows() + row];
    }
  }

  const NodePtr input;
};

class CastNode : public Recipe::Node {
public:
  explicit CastNode(NodePtr input) : input(std::move(input)) {}

  void evaluate(const Tile &tile, ElementType out, uint8_t *data) const override {
    // Rounding to this type changes nothing after widening, or if it is what is asked for.
    if (out == type || type == ElementType::F32)
      return input->evaluate(tile, out, data);
    const int64_t count = tile.rows() * tile.columns();
    std::vector<uint16_t> rounded(count);
    input->evaluate(tile, type, reinterpret_cast<uint8_t *>(rounded.data()));
    convertElements(type, rounded.data(), out, data, count);
  }

  /// Packing keeps codes.
  void encode(int64_t rowBegin, int64_t rowEnd, uint8_t *codes, QuantGroup *groups) const override {
    input->encode(rowBegin, rowEnd, codes, groups);
  }

  void release(int64_t rowBegin, int64_t rowEnd) const override {
    input->release(rowBegin, rowEnd);
  }

private:
  const NodePtr input;
};

class QuantizeNode : public Recipe::Node {
public:
  explicit QuantizeNode(NodePtr input) : input(std::move(input)) {}

  /// Whole groups at a time, since a scale follows from all of one.
  void evaluate(const Tile &tile, ElementType out, uint8_t *data) const override {
    const int64_t size = format->groupSize(columns);
    const int64_t begin = tile.columnBegin / size * size;
    const int64_t end = std::min(columns, (tile.columnEnd + size - 1) / size * size);
    std::vector<float> values(end - begin);
    std::vector<uint8_t> codes(std::min(size, columns));
    for (int64_t row = tile.rowBegin; row < tile.rowEnd; ++row) {
      input->evaluate({row, row + 1, begin, end}, ElementType::F32,
                      reinterpret_cast<uint8_t *>(values.data()));
      for (int64_t first = 0; first < end - begin; first += size) {
        const int64_t count = std::min(size, end - begin - first);
        QuantGroup group = quantizeGroup(*format, values.data() + first, count, codes.data());
        for (int64_t i = 0; i < count; ++i)
          values[first + i] = dequantize(format->code, group, codes[i]);
      }
      convertElements(ElementType::F32, values.data() + (tile.columnBegin - begin), out, data,
                      tile.columns());
      data += tile.columns() * elementBytes(out);
    }
  }

  void encode(int64_t rowBegin, int64_t rowEnd, uint8_t *codes, QuantGroup *groups) const override {
    const int64_t size = format->groupSize(columns);
    std::vector<float> values(columns);
    for (int64_t row = rowBegin; row < rowEnd; ++row) {
      input->evaluate({row, row + 1, 0, columns}, ElementType::F32,
                      reinterpret_cast<uint8_t *>(values.data()));
      for (int64_t first = 0; first < columns; first += size)
        *groups++ = quantizeGroup(*format, values.data() + first, std::min(size, columns - first),
                                  codes + first);
      codes += columns;
    }
  }

  void release(int64_t rowBegin, int64_t rowEnd) const override {
    input->release(rowBegin, rowEnd);
  }

private:
  const NodePtr input;
};

//===- From ops to nodes ----------------------------------------------------------------------===//

/// "32x64xbf16"
std::string describe(ArrayRef<int64_t> shape, ElementType type) {
  std::string text;
  for (int64_t size : shape)
    text += fmt::format("{}x", size);
  return text + (type == ElementType::F32 ? "f32" : type == ElementType::F16 ? "f16" : "bf16");
}

class Binder {
  static constexpr int64_t maximumElements = int64_t(1) << 48;

public:
  Binder(std::string weight, const TensorSource *source)
      : weight(std::move(weight)), source(source) {}

  Result<NodePtr> bind(Value value) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    auto quantized = type ? dyn_cast<QuantizedType>(type.getElementType()) : QuantizedType();
    auto elementType = quantized ? ElementType::F32
                       : type    ? sourceType(type.getElementType())
                                 : std::nullopt;
    if (!elementType || !type.hasStaticShape() || type.getRank() < 1 || type.getRank() > 2 ||
        !value.getDefiningOp())
      return makeError("{}: a recipe of values that are no float vectors or matrices of known size",
                       weight);
    const int64_t rows = type.getDimSize(0);
    const int64_t columns = type.getRank() == 2 ? type.getDimSize(1) : 1;
    // Bounded so that no count of elements or bytes overflows.
    if (rows == 0 || columns == 0 || rows > maximumElements / columns)
      return makeError("{}: {} rows of {} columns cannot be evaluated", weight, rows, columns);
    LLMOPT_ASSIGN(std::shared_ptr<Recipe::Node> node, make(value.getDefiningOp()));
    node->rows = rows;
    node->columns = columns;
    node->type = *elementType;
    if (quantized)
      node->format = quantized.getFormat();
    return NodePtr(std::move(node));
  }

private:
  using MutableNode = std::shared_ptr<Recipe::Node>;

  Result<MutableNode> make(Operation *op) {
    return llvm::TypeSwitch<Operation *, Result<MutableNode>>(op)
        .Case([&](LoadOp load) { return makeLoad(load); })
        .Case([&](RandomOp random) -> Result<MutableNode> {
          float scale =
              static_cast<float>(std::sqrt(3.0) * random.getDeviation().convertToDouble());
          return MutableNode(std::make_shared<RandomNode>(
              static_cast<uint32_t>(random.getSeed()),
              static_cast<float>(random.getMean().convertToDouble()), scale));
        })
        .Case([&](FillOp fill) -> Result<MutableNode> {
          float value = static_cast<float>(fill.getValue().convertToDouble());
          return MutableNode(std::make_shared<RandomNode>(0, value, 0.0f));
        })
        .Case([&](RowsOp rows) -> Result<MutableNode> {
          LLMOPT_ASSIGN(NodePtr input, bind(rows.getInput()));
          return MutableNode(std::make_shared<RowsNode>(std::move(input), rows.getOffset(),
                                                        rows.getBlock(), rows.getStride()));
        })
        .Case([&](ConcatOp concat) -> Result<MutableNode> {
          std::vector<NodePtr> inputs;
          for (Value value : concat.getInputs()) {
            LLMOPT_ASSIGN(NodePtr input, bind(value));
            inputs.push_back(std::move(input));
          }
          return MutableNode(std::make_shared<ConcatNode>(std::move(inputs)));
        })
        .Case([&](TransposeOp transpose) -> Result<MutableNode> {
          LLMOPT_ASSIGN(NodePtr input, bind(transpose.getInput()));
          return MutableNode(std::make_shared<TransposeNode>(std::move(input)));
        })
        // A cast, and packing, which is one to the same type: it moves bytes and keeps values.
        .Case<CastOp, PackOp>([&](auto cast) -> Result<MutableNode> {
          LLMOPT_ASSIGN(NodePtr input, bind(cast.getInput()));
          return MutableNode(std::make_shared<CastNode>(std::move(input)));
        })
        .Case([&](QuantizeOp quantize) -> Result<MutableNode> {
          LLMOPT_ASSIGN(NodePtr input, bind(quantize.getInput()));
          return MutableNode(std::make_shared<QuantizeNode>(std::move(input)));
        })
        .Default([&](Operation *unknown) -> Result<MutableNode> {
          return makeError("{}: {} is not an op of recipes", weight,
                           unknown->getName().getStringRef().str());
        });
  }

  Result<MutableNode> makeLoad(LoadOp load) {
    std::string name = load.getTensor().str();
    if (!source)
      return makeError("{}: tensor '{}' is to be loaded, but there is no checkpoint", weight, name);
    auto found = source->find(name);
    if (!found)
      return found.error().within(weight);
    auto type = tensorType(load.getResult());
    ElementType elementType = *sourceType(type.getElementType());
    if (elementType != found->type || !llvm::equal(type.getShape(), found->shape))
      return makeError("{}: tensor '{}' is {} in {}, expected {}", weight, name,
                       describe(found->shape, found->type), found->file,
                       describe(type.getShape(), elementType));
    return MutableNode(std::make_shared<LoadNode>(*source, *std::move(found)));
  }

  const std::string weight;
  const TensorSource *source;
};

} // namespace

//===- Recipe ---------------------------------------------------------------------------------===//

Result<Recipe> Recipe::create(WeightOp weight, const TensorSource *source) {
  return create(weight.getResult(), source);
}

Result<Recipe> Recipe::create(Value value, const TensorSource *source) {
  std::string name = "a recipe";
  if (auto weight = dyn_cast_or_null<WeightOp>(value.getParentRegion()->getParentOp()))
    name = "weight @" + weight.getSymName().str();
  Recipe recipe;
  LLMOPT_ASSIGN(recipe.root, Binder(name, source).bind(value));
  return recipe;
}

int64_t Recipe::rows() const { return root->rows; }
int64_t Recipe::columns() const { return root->columns; }
ElementType Recipe::type() const { return root->type; }

std::optional<QuantFormat> Recipe::format() const { return root->format; }

void Recipe::encode(int64_t rowBegin, int64_t rowEnd, uint8_t *codes, QuantGroup *groups) const {
  root->encode(rowBegin, rowEnd, codes, groups);
}

void Recipe::evaluateTile(const Tile &tile, ElementType type, void *out) const {
  root->evaluate(tile, type, static_cast<uint8_t *>(out));
}

std::vector<float> Recipe::evaluate(int threads) const {
  std::vector<float> values(rows() * columns());
  const int64_t block = std::clamp<int64_t>((1 << 20) / columns(), 1, rows());
  parallelFor((rows() + block - 1) / block, threads, [&](int64_t i) {
    const int64_t begin = i * block, end = std::min(begin + block, rows());
    evaluateTile({begin, end, 0, columns()}, ElementType::F32, values.data() + begin * columns());
  });
  release(0, rows());
  return values;
}

void Recipe::release(int64_t rowBegin, int64_t rowEnd) const { root->release(rowBegin, rowEnd); }

Status checkRecipe(WeightOp weight, const TensorSource *source) {
  LLMOPT_TRY(Recipe::create(weight, source));
  return success();
}

} // namespace llmopt
