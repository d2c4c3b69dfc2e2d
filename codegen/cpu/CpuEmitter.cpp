#include "codegen/cpu/CpuEmitter.h"

#include "codegen/PointwiseEmitter.h"
#include "codegen/cpu/KernelWriter.h"
#include "codegen/cpu/kernels/attention.h"
#include "codegen/cpu/kernels/linear.h"
#include "ir/ShapeInference.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace llmopt {

//===------------------------------------------------------------------------------------------===//
// Linear kernels
//===------------------------------------------------------------------------------------------===//

namespace {
class LinearKernel {
public:
  LinearKernel(SourceWriter &out, PlannedKernel &planned)
      : out(out), planned(planned), names(planned), linear(planned.anatomy.linear) {}

  // The unnamed namespace keeps Config and what is instantiated with it inside model.so: symbols of
  // static members are unique in a process otherwise, and a second model would read the first
  // one's.
  Status emit() {
    out.open("namespace {{ namespace {}_parts", planned.name);
    out.line();
    emitConfig();
    out.line();
    LLMOPT_TRY(emitPrologue());
    out.line();
    LLMOPT_TRY(emitEpilogue());
    out.line();
    out.close("}} // namespace");
    out.line();
    LLMOPT_TRY(emitFunction());
    return llmopt::success();
  }

  /// Bytes of scratch that the kernel wants of each thread.
  int64_t scratchBytes() { return cpu::linearScratchBytes(columnsOf(linear.getInput())); }

private:
  SourceWriter &out;
  PlannedKernel &planned;
  KernelNames names;
  LinearOp linear;

  /// The packed weight behind the linear's operand, which may be cast on the way.
  Value storedWeight() {
    if (auto cast = linear.getWeight().getDefiningOp<CastOp>())
      return cast.getInput();
    return linear.getWeight();
  }

  std::string computeType() { return cppType(tensorType(linear.getInput()).getElementType()); }

  void emitConfig() {
    out.open("struct Config");
    out.line("using Weight = {};", cppType(tensorType(storedWeight()).getElementType()));
    out.line("using Compute = {};", computeType());
    out.line("static constexpr int64_t depth = {};", columnsOf(linear.getInput()));
    out.line("static constexpr int segmentCount = {};", planned.anatomy.segments.size());
    auto schedule = planned.kernel->getAttrOfType<DictionaryAttr>("schedule");
    ArrayRef<int64_t> tiles = schedule.getAs<DenseI64ArrayAttr>("tile").asArrayRef();
    std::vector<std::string> items;
    for (auto [segment, tile] : llvm::zip(planned.anatomy.segments, tiles))
      items.push_back(fmt::format("{{{}, {}, {}, {{{}, {}}}}}", segment.columns, tile,
                                  segment.streams.size(), segment.first[0],
                                  segment.first.size() > 1 ? segment.first[1] : 0));
    out.line("// columns, tile, streams, first weight row of each stream");
    out.line("static constexpr Segment segments[] = {{{}}};", llvm::join(items, ", "));
    for (const KernelSegment &segment : planned.anatomy.segments)
      for (const KernelSegment::Store &store : segment.stores)
        if (CacheAppendOp append = store.append; append && store.keys)
          emitCacheConfig(out, append.getCache().getType());
    out.close("};");
  }

  /// Where the emitted x comes from: in place, or made row by row.
  bool isDirect() { return isa<BlockArgument>(linear.getInput()); }

  Status emitPrologue() {
    out.open("struct Prologue");
    names.members(out);
    if (isDirect()) {
      out.line("static constexpr bool direct = true;");
      out.line("const {} *rows() const {{ return {}; }}", computeType(),
               names.operand(linear.getInput()));
    } else {
      out.line("static constexpr bool direct = false;");
      out.open("void operator()(int64_t row, {} *x) const", computeType());
      RowEmitter rows(out, planned, names);
      SmallVector<Operation *> ops = planned.anatomy.rowOps;
      // A norm that only feeds the cast to the compute type rounds itself.
      Value target = linear.getInput();
      if (auto cast = target.getDefiningOp<CastOp>();
          cast && cast.getInput().getDefiningOp<NormOp>() && cast.getInput().hasOneUse()) {
        rows.setDestination(cast.getInput(), {"x", computeType()});
        llvm::erase(ops, cast.getOperation());
      } else {
        rows.setDestination(target, {"x", computeType()});
      }
      LLMOPT_TRY(rows.emit(ops));
      out.close();
    }
    out.close("};");
    return llmopt::success();
  }

  //===- Epilogue -----------------------------------------------------------------------------===//

  llvm::DenseMap<Value, std::string> arrays; ///< values that are in an array, by column of the tile
  llvm::DenseMap<Value, std::string> scalars; ///< values of the loop that is being written
  int locals = 0;

  Status emitEpilogue() {
    out.open("struct Epilogue");
    names.members(out);
    out.open("void operator()([[maybe_unused]] int segment, [[maybe_unused]] int64_t row, "
             "[[maybe_unused]] int64_t column, int64_t columns, const float *const *sums) const");
    for (auto [index, segment] : llvm::enumerate(planned.anatomy.segments)) {
      bool several = planned.anatomy.segments.size() > 1;
      if (several)
        out.open("if (segment == {})", index);
      auto schedule = planned.kernel->getAttrOfType<DictionaryAttr>("schedule");
      LLMOPT_TRY(
          emitSegment(segment, schedule.getAs<DenseI64ArrayAttr>("tile").asArrayRef()[index]));
      if (several) {
        out.line("return;");
        out.close();
      }
    }
    out.close();
    out.close("};");
    return llmopt::success();
  }

  /// Ops in stages: loops of pointwise ops, broken by rotations, which want whole heads in an
  /// array.
  Status emitSegment(const KernelSegment &segment, int64_t tile) {
    for (auto [index, stream] : llvm::enumerate(segment.streams)) {
      std::string name = fmt::format("sums[{}]", index);
      if (linear.getBias()) {
        std::string biased = newArray(tile);
        out.open("for (int64_t i = 0; i < columns; ++i)");
        out.line("{}[i] = {}[i] + toFloat({}[{} + column + i]);", biased, name,
                 names.operand(linear.getBias()), segment.first[index]);
        out.close();
        name = biased;
      }
      arrays[stream] = name;
    }
    SmallVector<Operation *> pending;
    for (Operation *op : segment.ops) {
      auto rope = dyn_cast<RopeOp>(op);
      if (!rope) {
        pending.push_back(op);
        continue;
      }
      flush(pending, segment, tile);
      emitRope(rope, tile);
    }
    flush(pending, segment, tile);
    emitStores(segment, tile);
    return llmopt::success();
  }

  std::string newArray(int64_t tile) {
    std::string name = fmt::format("tile{}", locals++);
    out.line("alignas(64) float {}[{}];", name, tile);
    return name;
  }

  void emitRope(RopeOp rope, int64_t tile) {
    std::string source = arrays.lookup(rope.getInput());
    std::string rotated = newArray(tile);
    out.line("std::memcpy({}, {}, size_t(columns) * sizeof(float));", rotated, source);
    out.open("for (int64_t head = 0; head < columns; head += {})", rope.getHeadDim());
    out.line("ropeRow<RopeStyle::{}>({} + head, {} + row * {}, {});",
             rope.getStyle() == RopeStyle::Half ? "Half" : "Interleaved", rotated,
             names.operand(rope.getTable()), columnsOf(rope.getTable()),
             columnsOf(rope.getTable()));
    out.close();
    arrays[rope.getResult()] = rotated;
  }

  /// A value as a float expression of column i.
  std::string element(Value value) {
    if (auto found = scalars.find(value); found != scalars.end())
      return found->second;
    if (auto found = arrays.find(value); found != arrays.end())
      return found->second + "[i]";
    return fmt::format("toFloat({}[row * {} + column + i])", names.operand(value),
                       columnsOf(value));
  }

  static bool isStored(Value value, const KernelSegment &segment) {
    return llvm::any_of(segment.stores, [&](const KernelSegment::Store &store) {
      return store.value == value && !store.append;
    });
  }

  /// One loop over the tile's columns for `ops`; values that later stages read go to arrays, those
  /// that leave the kernel to their buffers.
  void flush(SmallVector<Operation *> &ops, const KernelSegment &segment, int64_t tile) {
    if (ops.empty())
      return;
    llvm::SmallPtrSet<Operation *, 8> inside(ops.begin(), ops.end());
    SmallVector<std::pair<Value, std::string>> kept;
    for (Operation *op : ops)
      for (Operation *user : op->getUsers())
        if (!inside.contains(user) && !isa<YieldOp>(user) &&
            llvm::none_of(kept, [&](auto &entry) { return entry.first == op->getResult(0); }))
          kept.emplace_back(op->getResult(0), newArray(tile));
    out.open("for (int64_t i = 0; i < columns; ++i)");
    scalars.clear();
    for (Operation *op : ops) {
      Value result = op->getResult(0);
      SmallVector<std::string> operands;
      for (Value operand : op->getOperands())
        operands.push_back(element(operand));
      // A cast that only leaves the kernel is rounded by its store.
      bool storedOnly = isa<CastOp>(op) && llvm::all_of(op->getUsers(), [](Operation *user) {
                          return isa<YieldOp>(user);
                        });
      std::string name = fmt::format("v{}", locals++);
      out.line("float {} = {};", name,
               storedOnly ? operands.front() : pointwiseExpression(op, operands));
      scalars[result] = name;
      if (isStored(result, segment))
        store(result, name, segment);
    }
    for (auto &[value, array] : kept)
      out.line("{}[i] = {};", array, scalars.lookup(value));
    out.close();
    scalars.clear();
    for (auto &[value, array] : kept)
      arrays[value] = array;
    for (Operation *op : ops)
      done.insert(op->getResult(0));
    ops.clear();
  }

  llvm::DenseSet<Value> done; ///< values that a loop has stored

  void store(Value value, const std::string &expression, const KernelSegment &segment) {
    for (const KernelSegment::Store &store : segment.stores)
      if (store.value == value && !store.append) {
        auto type = tensorType(value);
        out.line("{}[row * {} + column + i] = fromFloat<{}>({});", names.result(store.result),
                 type.getDimSize(1), cppType(type.getElementType()), expression);
      }
  }

  /// Stores of values that no loop has stored: sums, rotated heads, parts of the cache.
  void emitStores(const KernelSegment &segment, int64_t) {
    for (const KernelSegment::Store &store : segment.stores) {
      if (CacheAppendOp append = store.append) {
        out.line("append{}<Config>({}, *batch, row, column, columns, {});",
                 store.keys ? "Keys" : "Values", names.operand(append.getCache()),
                 arrays.lookup(store.value));
      } else if (done.insert(store.value).second) {
        out.open("for (int64_t i = 0; i < columns; ++i)");
        this->store(store.value, element(store.value), segment);
        out.close();
      }
    }
  }

  Status emitFunction() {
    out.open("extern \"C\" void {}([[maybe_unused]] const LlmoptBatch *batch, const LlmoptTeam "
             "*team, void *const *args)",
             planned.name);
    out.line("using namespace {}_parts;", planned.name);
    names.declare(out);
    int64_t needed =
        cpu::linearSharedBytes(1, columnsOf(linear.getInput()), computeType() == "bf16" ? 2 : 4);
    auto workspace = planned.kernel->getAttrOfType<DictionaryAttr>("workspace");
    if (!workspace || workspace.getAs<IntegerAttr>("row_bytes").getInt() < needed)
      return makeError("kernel '{}' is scheduled with less than the {} bytes of workspace per row "
                       "that its template needs",
                       planned.name, needed);
    out.line("linear<Config>(*team, batch->{}, {}, {}, Prologue{{{}}}, Epilogue{{{}}});",
             planned.rows == Rows::Token ? "tokens" : "logitRows", names.operand(storedWeight()),
             names.workspace(), names.initializers(), names.initializers());
    out.close();
    return llmopt::success();
  }
};

//===------------------------------------------------------------------------------------------===//
// Attention and rows kernels
//===------------------------------------------------------------------------------------------===//

class AttentionKernel {
public:
  AttentionKernel(SourceWriter &out, PlannedKernel &planned)
      : out(out), planned(planned), names(planned), op(planned.anatomy.attention) {}

  Status emit() {
    CacheType cache = op.getCache().getType();
    if (cache.getPage() != cpu::pageTokens)
      return makeError("kernel '{}': the CPU's pages have {} tokens, the cache's {}", planned.name,
                       cpu::pageTokens, cache.getPage());
    out.open("namespace {{ namespace {}_parts", planned.name);
    out.open("struct Config");
    out.line("using Type = {};", cppType(tensorType(op.getQuery()).getElementType()));
    emitCacheConfig(out, cache);
    out.line("static constexpr int64_t heads = {};", op.getHeads());
    out.line("static constexpr float scale = {};",
             floatLiteral(static_cast<float>(op.getScale().convertToDouble())));
    out.line("static constexpr bool alibi = {};", op.getSlopes() ? "true" : "false");
    out.line("static constexpr int64_t window = {};", op.getWindow().value_or(0));
    out.line("static constexpr float softCap = {};",
             floatLiteral(op.getSoftcap() ? static_cast<float>(op.getSoftcap()->convertToDouble())
                                          : 0.0f));
    out.close("};");
    if (op.getSlopes())
      out.line("constexpr float slopes[] = {};", floatList(*op.getSlopes()));
    out.close("}} // namespace");
    out.line();
    out.open("extern \"C\" void {}(const LlmoptBatch *batch, const LlmoptTeam *team, void *const "
             "*args)",
             planned.name);
    out.line("using namespace {}_parts;", planned.name);
    names.declare(out);
    out.line("attention<Config>(*team, *batch, {}, {}, {}, {});", names.operand(op.getQuery()),
             names.result(0), names.operand(op.getCache()), op.getSlopes() ? "slopes" : "nullptr");
    out.close();
    return llmopt::success();
  }

  int64_t scratchBytes() {
    return cpu::attentionScratchBytes(op.getCache().getType().getHeadDim());
  }

private:
  SourceWriter &out;
  PlannedKernel &planned;
  KernelNames names;
  AttentionOp op;
};

class RowsKernel {
public:
  RowsKernel(SourceWriter &out, PlannedKernel &planned)
      : out(out), planned(planned), names(planned) {}

  Status emit() {
    bool appends = false;
    for (Operation *op : planned.anatomy.rowOps)
      if (auto append = dyn_cast<CacheAppendOp>(op)) {
        appends = true;
        out.open("namespace {{ namespace {}_parts", planned.name);
        out.open("struct CacheConfig");
        emitCacheConfig(out, append.getCache().getType());
        out.close("};");
        out.close("}} // namespace");
        out.line();
      }
    out.open("extern \"C\" void {}(const LlmoptBatch *batch, const LlmoptTeam *team, void *const "
             "*args)",
             planned.name);
    if (appends)
      out.line("using namespace {}_parts;", planned.name);
    names.declare(out);
    out.line("int64_t rows = batch->{};", planned.rows == Rows::Token ? "tokens" : "logitRows");
    out.line("int64_t end = rows * (team->thread + 1) / team->threads;");
    out.open("for (int64_t row = rows * team->thread / team->threads; row < end; ++row)");
    RowEmitter rows(out, planned, names);
    KernelOp kernel = planned.kernel;
    for (auto [index, value] : llvm::enumerate(kernel.getYielded()))
      if (isa<RankedTensorType>(value.getType())) {
        std::string name = fmt::format("output{}Row", index);
        std::string type = cppType(tensorType(value).getElementType());
        out.line("{} *{} = {} + row * {};", type, name, names.result(static_cast<int64_t>(index)),
                 columnsOf(value));
        rows.setDestination(value, {name, type});
      }
    LLMOPT_TRY(rows.emit(planned.anatomy.rowOps));
    out.close();
    out.close();
    return llmopt::success();
  }

private:
  SourceWriter &out;
  PlannedKernel &planned;
  KernelNames names;
};
} // namespace

//===------------------------------------------------------------------------------------------===//
// The file
//===------------------------------------------------------------------------------------------===//

static void emitHead(SourceWriter &out, const PlannedKernel &planned) {
  out.line();
  out.line("//===- {} ---===//", planned.name);
  std::string text;
  llvm::raw_string_ostream stream(text);
  KernelOp kernel = planned.kernel;
  for (Operation &op : kernel.getBlock()->without_terminator()) {
    op.print(stream, OpPrintingFlags().useLocalScope());
    stream << '\n';
  }
  out.comment(text);
}

Result<std::string> emitCpuSource(PlannedModule &planned) {
  SourceWriter out;
  out.comment(
      "One inference step, a function per kernel; plan.json has the order in which they run.\n"
      "Emitted by llmopt from module.mlir; manifest.json has the command that compiled it.");
  out.line("#include \"kernels/abi.h\"");
  for (const char *header : {"attention", "embed", "linear", "norm", "pointwise", "rope"})
    out.line("#include \"kernels/{}.h\"", header);
  out.line();
  out.line("#include <cstring>");
  out.line();
  out.line("using namespace llmopt::cpu;");
  out.line();
  out.line("extern \"C\" int32_t llmopt_kernel_abi(void) {{ return LLMOPT_KERNEL_ABI; }}");
  int64_t scratch = 64;
  for (PlannedKernel &kernel : planned.kernels) {
    emitHead(out, kernel);
    switch (kernel.anatomy.anchor) {
    case KernelAnatomy::Anchor::Linear: {
      LinearKernel emitter(out, kernel);
      LLMOPT_TRY(emitter.emit());
      scratch = std::max(scratch, emitter.scratchBytes());
      break;
    }
    case KernelAnatomy::Anchor::Attention: {
      AttentionKernel emitter(out, kernel);
      LLMOPT_TRY(emitter.emit());
      scratch = std::max(scratch, emitter.scratchBytes());
      break;
    }
    case KernelAnatomy::Anchor::Rows:
      LLMOPT_TRY(RowsKernel(out, kernel).emit());
      break;
    }
  }
  planned.plan.threadScratchBytes = scratch;
  return out.str();
}

} // namespace llmopt
