#include "ir/weights/Materializer.h"

#include "ir/Dialect.h"
#include "ir/weights/FloatConversion.h"
#include "ir/weights/Recipe.h"
#include "support/Progress.h"
#include "support/Safetensors.h"
#include "support/ThreadPool.h"

#include "mlir/IR/BuiltinOps.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <mutex>
#include <unistd.h>

using namespace mlir;

namespace llmopt {

/// The runtime maps the file and gives kernels pointers into it.
static constexpr uint64_t fileAlignment = 4096;

/// A panel is evaluated in memory as a whole.
static constexpr int64_t maximumPanelBytes = int64_t(1) << 30;

/// Panels of codes and scales.
static Result<WeightLayout> quantizedLayout(WeightOp weight, RankedTensorType type,
                                            QuantizedType element) {
  auto packed = dyn_cast_or_null<PackedAttr>(type.getEncoding());
  if (!packed)
    return makeError("weight @{} is quantized, and stored in panels only",
                     weight.getSymName().str());
  WeightLayout layout;
  layout.dtype = "U8";
  layout.packed = true;
  layout.panel = packed.getPanel();
  layout.interleave = packed.getInterleave();
  layout.quantized = {element.getFormat(), type.getDimSize(1), layout.panel, layout.interleave};
  const int64_t perPanel = layout.quantized->panelBytes();
  layout.shape = {llvm::divideCeilSigned(type.getDimSize(0), layout.panel), perPanel};
  layout.bytes = static_cast<uint64_t>(layout.shape[0]) * static_cast<uint64_t>(perPanel);
  return layout;
}

Result<WeightLayout> weightLayout(WeightOp weight) {
  auto type = cast<RankedTensorType>(weight.getType());
  if (auto quantized = dyn_cast<QuantizedType>(type.getElementType()))
    return quantizedLayout(weight, type, quantized);
  auto elementType = sourceType(type.getElementType());
  if (!elementType)
    return makeError("weight @{}: elements cannot be stored", weight.getSymName().str());
  WeightLayout layout;
  layout.dtype = *elementType == TensorSource::Type::F32   ? "F32"
                 : *elementType == TensorSource::Type::F16 ? "F16"
                                                           : "BF16";
  layout.shape.assign(type.getShape().begin(), type.getShape().end());
  if (auto packed = dyn_cast_or_null<PackedAttr>(type.getEncoding())) {
    layout.packed = true;
    layout.panel = packed.getPanel();
    layout.interleave = packed.getInterleave();
    layout.shape = {llvm::divideCeilSigned(type.getDimSize(0), layout.panel),
                    llvm::divideCeilSigned(type.getDimSize(1), layout.interleave), layout.panel,
                    layout.interleave};
  }
  int64_t bytes = elementBytes(*elementType);
  for (int64_t size : layout.shape)
    if (__builtin_mul_overflow(bytes, size, &bytes))
      return makeError("weight @{} is too large", weight.getSymName().str());
  layout.bytes = static_cast<uint64_t>(bytes);
  return layout;
}

namespace {

/// A file being written at any offset by several threads; removed unless kept.
class OutputFile {
public:
  static Result<std::unique_ptr<OutputFile>> create(const std::string &path) {
    int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (descriptor < 0)
      return makeError("cannot write {}: {}", path, std::strerror(errno));
    return std::unique_ptr<OutputFile>(new OutputFile(path, descriptor));
  }

  ~OutputFile() {
    if (descriptor < 0)
      return;
    ::close(descriptor);
    ::unlink(path.c_str());
  }

  Status write(const void *data, uint64_t size, uint64_t offset) const {
    const char *bytes = static_cast<const char *>(data);
    while (size != 0) {
      ssize_t written = ::pwrite(descriptor, bytes, size, static_cast<off_t>(offset));
      if (written < 0 && errno == EINTR)
        continue;
      if (written <= 0)
        return failure(written < 0 ? errno : ENOSPC);
      bytes += written;
      offset += static_cast<uint64_t>(written);
      size -= static_cast<uint64_t>(written);
    }
    return success();
  }

  /// Gives the file its final size and keeps it.
  Status finish(uint64_t size) {
    if (::ftruncate(descriptor, static_cast<off_t>(size)) != 0)
      return failure(errno);
    // Some file systems report a full disk only here.
    if (::close(std::exchange(descriptor, -1)) != 0) {
      Status status = failure(errno);
      ::unlink(path.c_str());
      return status;
    }
    return success();
  }

private:
  OutputFile(std::string path, int descriptor) : path(std::move(path)), descriptor(descriptor) {}

  Error failure(int code) const {
    return makeError("cannot write {}: {}", path, std::strerror(code));
  }

  const std::string path;
  int descriptor;
};

/// A weight to write.
struct Item {
  std::string name;
  Recipe recipe;
  WeightLayout layout;
  uint64_t offset = 0;   ///< in the file
  int64_t blockRows = 0; ///< a multiple of the panel
  std::atomic<int64_t> blocksLeft{0};

  int64_t blocks() const { return llvm::divideCeilSigned(recipe.rows(), blockRows); }
  int64_t rowBytes() const { return recipe.columns() * elementBytes(recipe.type()); }
};

struct Block {
  Item *item = nullptr;
  int64_t rowBegin = 0;
  int64_t rowEnd = 0;
};

} // namespace

/// Copies `rows` row-major rows into panels; the destination is zero already.
template <typename Element>
static void packRows(const WeightLayout &layout, int64_t rows, int64_t columns, const Element *in,
                     Element *out) {
  const int64_t interleave = layout.interleave;
  const int64_t groupSize = layout.panel * interleave;
  const int64_t panelSize = layout.shape[1] * groupSize;
  for (int64_t row = 0; row < rows; ++row) {
    Element *to = out + row / layout.panel * panelSize + row % layout.panel * interleave;
    const Element *from = in + row * columns;
    for (int64_t column = 0; column < columns; column += interleave, to += groupSize)
      std::copy_n(from + column, std::min(interleave, columns - column), to);
  }
}

static Status writeQuantizedBlock(const Block &block, const OutputFile &file) {
  const Item &item = *block.item;
  const QuantizedPanels &panels = *item.layout.quantized;
  const int64_t rows = block.rowEnd - block.rowBegin;
  std::vector<uint8_t> codes(static_cast<size_t>(rows * panels.columns));
  std::vector<QuantGroup> groups(static_cast<size_t>(rows * panels.format.groups(panels.columns)));
  item.recipe.encode(block.rowBegin, block.rowEnd, codes.data(), groups.data());
  std::vector<uint8_t> bytes(
      static_cast<size_t>(llvm::divideCeilSigned(rows, panels.panel) * panels.panelBytes()));
  panels.pack(rows, codes.data(), groups.data(), bytes.data());
  return file.write(bytes.data(), bytes.size(),
                    item.offset + block.rowBegin / panels.panel * panels.panelBytes());
}

/// Evaluates a block and writes it to its place.
static Status writeBlock(const Block &block, const OutputFile &file) {
  const Item &item = *block.item;
  if (item.layout.quantized)
    return writeQuantizedBlock(block, file);
  const Recipe &recipe = item.recipe;
  const int64_t rows = block.rowEnd - block.rowBegin;
  const int64_t bytes = rows * item.rowBytes();
  std::unique_ptr<uint8_t[]> values(new uint8_t[bytes]);
  recipe.evaluateTile({block.rowBegin, block.rowEnd, 0, recipe.columns()}, recipe.type(),
                      values.get());
  if (!item.layout.packed)
    return file.write(values.get(), bytes, item.offset + block.rowBegin * item.rowBytes());

  const WeightLayout &layout = item.layout;
  const int64_t panelBytes =
      layout.shape[1] * layout.panel * layout.interleave * elementBytes(recipe.type());
  const int64_t packedBytes = llvm::divideCeilSigned(rows, layout.panel) * panelBytes;
  std::unique_ptr<uint8_t[]> packed(new uint8_t[packedBytes]());
  if (recipe.type() == TensorSource::Type::F32)
    packRows(layout, rows, recipe.columns(), reinterpret_cast<const uint32_t *>(values.get()),
             reinterpret_cast<uint32_t *>(packed.get()));
  else
    packRows(layout, rows, recipe.columns(), reinterpret_cast<const uint16_t *>(values.get()),
             reinterpret_cast<uint16_t *>(packed.get()));
  return file.write(packed.get(), packedBytes,
                    item.offset + block.rowBegin / layout.panel * panelBytes);
}

/// The weights to write, bound to the checkpoint.
static Status collectItems(ModuleOp module, const TensorSource *source,
                           const MaterializeOptions &options, std::deque<Item> &items) {
  for (auto weight : module.getOps<WeightOp>()) {
    if (!options.writeRandom && randomRows(weight))
      continue;
    Item &item = items.emplace_back();
    item.name = weight.getSymName().str();
    LLMOPT_ASSIGN(item.recipe, Recipe::create(weight, source));
    LLMOPT_ASSIGN(item.layout, weightLayout(weight));
    const int64_t panel = item.layout.panel;
    if (panel > maximumPanelBytes / item.rowBytes())
      return makeError("weight @{}: panels of {} rows are too large", item.name, panel);
    item.blockRows = std::max<int64_t>(options.blockBytes / item.rowBytes() / panel, 1) * panel;
    item.blocksLeft = item.blocks();
  }
  return success();
}

Status materializeWeights(ModuleOp module, const TensorSource *source, const std::string &path,
                          const MaterializeOptions &options) {
  std::deque<Item> items;
  LLMOPT_TRY(collectItems(module, source, options, items));
  if (items.empty())
    return success();

  SafetensorsLayout layout(fileAlignment);
  for (const Item &item : items)
    layout.add(item.name, item.layout.dtype, item.layout.shape, item.layout.bytes);
  const std::string header = layout.header();
  LLMOPT_ASSIGN(std::unique_ptr<OutputFile> file, OutputFile::create(path));
  LLMOPT_TRY(file->write(header.data(), header.size(), 0));

  std::vector<Block> blocks;
  for (Item &item : items) {
    item.offset = header.size() + layout.entries().at(item.name).begin;
    for (int64_t begin = 0; begin < item.recipe.rows(); begin += item.blockRows)
      blocks.push_back({&item, begin, std::min(begin + item.blockRows, item.recipe.rows())});
  }

  uint64_t total = 0;
  for (const Item &item : items)
    total += static_cast<uint64_t>(item.recipe.rows() * item.rowBytes());
  Progress progress("weights", total, Progress::Unit::Bytes, options.quiet);
  std::mutex mutex;
  Status status;
  std::atomic<bool> failed{false};
  parallelFor(static_cast<int64_t>(blocks.size()), options.threads, [&](int64_t i) {
    if (failed)
      return;
    const Block &block = blocks[i];
    Item &item = *block.item;
    if (Status written = writeBlock(block, *file); !written) {
      std::lock_guard<std::mutex> lock(mutex);
      failed = true;
      status = written;
      return;
    }
    item.recipe.release(block.rowBegin, block.rowEnd);
    // Pages that two blocks share, and what a transpose read, are released with the last block.
    if (--item.blocksLeft == 0)
      item.recipe.release(0, item.recipe.rows());
    progress.advance(static_cast<uint64_t>((block.rowEnd - block.rowBegin) * item.rowBytes()));
  });
  if (!status)
    return status;
  return file->finish(header.size() + layout.dataBytes());
}

} // namespace llmopt
