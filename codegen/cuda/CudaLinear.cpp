//===- CudaLinear.cpp - Linears: segments of units, epilogues, functions by row count ---------===//

#include "codegen/PointwiseEmitter.h"
#include "codegen/cuda/CudaWriter.h"
#include "ir/ShapeInference.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace llmopt {

static int64_t columnsOf(Value value) { return tensorType(value).getDimSize(1); }

namespace {
/// A segment as kernels/linear.cuh sees it, and how its epilogue finds the columns of a unit.
struct UnitSegment {
  const KernelSegment *segment = nullptr;
  RopeOp rope; ///< if the unit is a pair that it rotates
  int64_t units = 0, streams = 1, first[2] = {0, 0};
  int64_t group = 0, groupStride = 0, step = 1;
  /// What the first column of a unit is, in the segment: groups of `group` units, `groupStride`
  /// columns apart, from `offset` on.
  int64_t offset = 0;

  /// The distance of the columns of a pair.
  int64_t distance() const { return first[1] - first[0]; }
};

class LinearEmitter {
public:
  LinearEmitter(SourceWriter &out, const PlannedKernel &planned, int64_t limit)
      : out(out), planned(planned), pointers(planned), linear(planned.anatomy.linear),
        limit(limit) {}

  Result<std::vector<CudaVariant>> emit() {
    LLMOPT_TRY(collectSegments());
    LLMOPT_TRY(checkWeight());
    out.open("namespace {}_parts", planned.name);
    pointers.declareArguments(out);
    emitShape();
    LLMOPT_TRY(emitPrologue());
    LLMOPT_TRY(emitEpilogue());
    out.close("} // namespace");
    return emitVariants();
  }

private:
  SourceWriter &out;
  const PlannedKernel &planned;
  CudaPointers pointers;
  LinearOp linear;
  int64_t limit;
  std::vector<UnitSegment> segments;

  /// The stored weight behind the linear's operand, which may be cast on the way.
  Value storedWeight() { return withoutFinalCast(linear.getWeight()); }
  std::string weightType() { return cppType(tensorType(storedWeight()).getElementType()); }
  std::string computeType() { return cppType(tensorType(linear.getInput()).getElementType()); }
  int64_t weightBytes() { return weightType() == "float" ? 4 : 2; }
  int64_t computeBytes() { return computeType() == "float" ? 4 : 2; }
  int64_t depth() { return columnsOf(linear.getInput()); }
  bool isDirect() { return isa<BlockArgument>(linear.getInput()); }

  Status checkWeight() {
    if (weightType() != "float" && weightType() != computeType())
      return makeError(
          "kernel '{}' multiplies {} by a weight of {}; a stored weight is of the same "
          "type or float",
          planned.name, computeType(), weightType());
    auto packed = dyn_cast_or_null<PackedAttr>(tensorType(storedWeight()).getEncoding());
    int64_t piece = 16 / weightBytes();
    bool padded =
        packed ? packed.getPanel() == 1 && packed.getInterleave() == piece : depth() % piece == 0;
    if (!padded)
      return makeError("kernel '{}' needs its weight as #llm.packed<panel = 1, interleave = {}>",
                       planned.name, piece);
    return llmopt::success();
  }

  //===- Segments -----------------------------------------------------------------------------===//

  Status collectSegments() {
    for (const KernelSegment &segment : planned.anatomy.segments) {
      RopeOp rope;
      for (Operation *op : segment.ops)
        if (auto found = dyn_cast<RopeOp>(op)) {
          if (rope || segment.streams.size() > 1)
            return makeError("kernel '{}' rotates columns that it combines", planned.name);
          rope = found;
        }
      if (rope)
        addRotated(segment, rope);
      else
        addPlain(segment);
    }
    return llmopt::success();
  }

  void addPlain(const KernelSegment &segment) {
    UnitSegment units;
    units.segment = &segment;
    units.units = units.group = segment.columns;
    units.streams = static_cast<int64_t>(segment.streams.size());
    llvm::copy(segment.first, units.first);
    segments.push_back(units);
  }

  /// The rotated pairs of every head, and if its rotation is partial the rest of every head.
  void addRotated(const KernelSegment &segment, RopeOp rope) {
    int64_t head = rope.getHeadDim(), width = columnsOf(rope.getTable());
    int64_t heads = segment.columns / head;
    bool half = rope.getStyle() == RopeStyle::Half;
    UnitSegment pairs;
    pairs.segment = &segment;
    pairs.rope = rope;
    pairs.streams = 2;
    pairs.group = width / 2;
    pairs.groupStride = head;
    pairs.step = half ? 1 : 2;
    pairs.units = heads * pairs.group;
    pairs.first[0] = segment.first[0];
    pairs.first[1] = segment.first[0] + (half ? width / 2 : 1);
    segments.push_back(pairs);
    if (width == head)
      return;
    UnitSegment rest;
    rest.segment = &segment;
    rest.group = head - width;
    rest.groupStride = head;
    rest.units = heads * rest.group;
    rest.offset = width;
    rest.first[0] = segment.first[0] + width;
    segments.push_back(rest);
  }

  void emitShape() {
    out.open("struct Shape");
    out.line("using Weight = {};", weightType());
    out.line("using Compute = {};", computeType());
    out.line("static constexpr int depth = {};", depth());
    out.line("static constexpr int segments = {};", segments.size());
    out.line("// {{units, streams, first weight row of each, units of a group, stride of groups, "
             "step}}");
    out.open("static LLMOPT_DEVICE constexpr Segment segment([[maybe_unused]] int index)");
    for (auto [index, units] : llvm::enumerate(segments)) {
      std::string text =
          fmt::format("Segment{{{}, {}, {{{}, {}}}, {}, {}, {}}};", units.units, units.streams,
                      units.first[0], units.first[1], units.group, units.groupStride, units.step);
      if (index + 1 < segments.size())
        out.line("if (index == {}) return {}", index, text);
      else
        out.line("return {}", text);
    }
    out.close();
    out.close("};");
  }

  //===- Prologue -----------------------------------------------------------------------------===//

  Status emitPrologue() {
    if (isDirect()) {
      out.line("using Input = DirectRows<Shape>;");
      return llmopt::success();
    }
    out.open("struct Input : Arguments");
    CudaRowWriter rows(out, planned, pointers);
    LLMOPT_TRY(rows.emitPrepare());
    out.open("LLMOPT_DEVICE float element(int row, int column, [[maybe_unused]] const Statistics "
             "&statistics) const");
    LLMOPT_TRY(rows.scope([&]() -> Status {
      LLMOPT_ASSIGN(std::string result, rows.element(withoutFinalCast(linear.getInput())));
      out.line("return {};", result);
      return llmopt::success();
    }));
    out.close();
    out.close("};");
    return llmopt::success();
  }

  std::string input() {
    return isDirect() ? fmt::format("Input{{{}}}", pointers.operand(linear.getInput()))
                      : "Input{arguments}";
  }

  //===- Epilogue -----------------------------------------------------------------------------===//

  /// Expressions of a segment's values: one, or of a rotated pair two.
  llvm::DenseMap<Value, SmallVector<std::string, 2>> values;
  int locals = 0;

  Status emitEpilogue() {
    out.open("struct Epilogue : Arguments");
    out.open("LLMOPT_DEVICE void operator()([[maybe_unused]] int segment, int row, int unit, float "
             "a, [[maybe_unused]] float b) const");
    for (auto [index, units] : llvm::enumerate(segments)) {
      if (index + 1 < segments.size())
        out.open("if (segment == {})", index);
      emitUnits(units);
      if (index + 1 < segments.size()) {
        out.line("return;");
        out.close();
      }
    }
    out.close();
    out.close("};");
    return llmopt::success();
  }

  void emitUnits(const UnitSegment &units) {
    std::string group = units.step == 1 ? fmt::format("unit % {}", units.group)
                                        : fmt::format("unit % {} * {}", units.group, units.step);
    std::string column = units.groupStride == 0 ? "unit"
                                                : fmt::format("unit / {} * {} + {}", units.group,
                                                              units.groupStride, group);
    if (units.offset)
      column += fmt::format(" + {}", units.offset);
    out.line("int column = {};", column);
    SmallVector<std::string, 2> columns = {"column"};
    if (units.rope) {
      out.line("int partner = column + {};", units.distance());
      columns.push_back("partner");
    }
    values.clear();
    takeSums(units, columns);
    for (Operation *op : units.segment->ops)
      emitOp(op, units, columns);
    for (const KernelSegment::Store &store : units.segment->stores)
      emitStore(store, columns);
  }

  /// The sums with their bias: of a pair both belong to the one stream.
  void takeSums(const UnitSegment &units, ArrayRef<std::string> columns) {
    if (linear.getBias()) {
      const std::string &bias = pointers.operand(linear.getBias());
      int64_t first = units.segment->first[0];
      out.line("a += toFloat({}[{} + column]);", bias, first);
      if (units.rope)
        out.line("b += toFloat({}[{} + partner]);", bias, first);
      else if (units.streams == 2)
        out.line("b += toFloat({}[{} + column]);", bias, units.first[1]);
    }
    const auto &streams = units.segment->streams;
    if (columns.size() == 2)
      values[streams[0]] = {"a", "b"};
    else
      for (size_t s = 0; s < streams.size(); ++s)
        values[streams[s]] = {s == 0 ? "a" : "b"};
  }

  std::string valueAt(Value value, size_t lane, ArrayRef<std::string> columns) {
    if (auto found = values.find(value); found != values.end())
      return found->second[lane];
    return fmt::format("toFloat(rowOf({}, row, {})[{}])", pointers.operand(value), columnsOf(value),
                       columns[lane]);
  }

  void emitOp(Operation *op, const UnitSegment &units, ArrayRef<std::string> columns) {
    Value result = op->getResult(0);
    if (isa<RopeOp>(op) && !units.rope) { // The part of a head that is not rotated.
      values[result] = {valueAt(op->getOperand(0), 0, columns)};
      return;
    }
    // A cast that only leaves the kernel is rounded by its store.
    if (isa<CastOp>(op) &&
        llvm::all_of(op->getUsers(), [](Operation *user) { return isa<YieldOp>(user); })) {
      for (size_t lane = 0; lane < columns.size(); ++lane) {
        std::string value = valueAt(op->getOperand(0), lane, columns);
        values[result].push_back(std::move(value));
      }
      return;
    }
    std::string name = fmt::format("{}{}", op->getName().stripDialect().str(), locals++);
    SmallVector<std::string, 2> names;
    for (size_t lane = 0; lane < columns.size(); ++lane) {
      SmallVector<std::string> operands;
      for (Value operand : isa<RopeOp>(op) ? op->getOperands().take_front() : op->getOperands())
        operands.push_back(valueAt(operand, lane, columns));
      names.push_back(columns.size() == 2 ? name + (lane == 0 ? "a" : "b") : name);
      out.line("float {} = {};", names.back(),
               isa<RopeOp>(op) ? operands.front() : pointwiseExpression(op, operands));
    }
    if (auto rope = dyn_cast<RopeOp>(op)) {
      int64_t width = columnsOf(rope.getTable());
      out.line("rotate({}, {}, rowOf({}, row, {}), {}, unit % {});", names[0], names[1],
               pointers.operand(rope.getTable()), width, width, units.group);
    }
    values[result] = names;
  }

  void emitStore(const KernelSegment::Store &store, ArrayRef<std::string> columns) {
    for (size_t lane = 0; lane < columns.size(); ++lane) {
      std::string value = valueAt(store.value, lane, columns);
      if (CacheAppendOp append = store.append) {
        out.line("append{}<{}>({}, *batch, row, {}, {});", store.keys ? "Key" : "Value",
                 cacheLayout(append.getCache().getType()), pointers.operand(append.getCache()),
                 columns[lane], value);
      } else {
        auto type = tensorType(store.value);
        out.line("rowOf({}, row, {})[{}] = fromFloat<{}>({});", pointers.result(store.result),
                 type.getDimSize(1), columns[lane], cppType(type.getElementType()), value);
      }
    }
  }

  //===- Functions ----------------------------------------------------------------------------===//

  int64_t columnTiles(int64_t columns) {
    int64_t tiles = 0;
    for (const UnitSegment &units : segments)
      tiles += llvm::divideCeil(units.units, columns / units.streams);
    return tiles;
  }

  Result<std::vector<CudaVariant>> emitVariants() {
    auto schedule = planned.kernel->getAttrOfType<DictionaryAttr>("schedule");
    auto list = schedule ? schedule.getAs<ArrayAttr>("variants") : ArrayAttr();
    if (!list || list.empty())
      return makeError("kernel '{}' has no schedule for CUDA", planned.name);
    std::vector<CudaVariant> variants;
    for (Attribute entry : list) {
      auto facts = cast<DictionaryAttr>(entry);
      auto get = [&](StringRef name) {
        auto value = facts.getAs<IntegerAttr>(name);
        return value ? value.getInt() : 0;
      };
      CudaVariant variant;
      variant.maxRows = get("max_rows");
      CudaFunction function;
      function.name = variant.maxRows ? fmt::format("{}_rows{}", planned.name, variant.maxRows)
                                      : planned.name + "_many";
      function.rowsPerTile = get("rows");
      function.tiles = columnTiles(get("columns"));
      out.line();
      if (facts.getAs<StringAttr>("kind").getValue() == "matvec") {
        LLMOPT_TRY(emitMatvec(function, get));
      } else {
        if (!isDirect())
          variant.functions.push_back(inputFunction());
        LLMOPT_TRY(emitGemm(function, get));
      }
      variant.functions.push_back(function);
      variants.push_back(std::move(variant));
    }
    return variants;
  }

  const char *rowCount() { return planned.rows == Rows::Token ? "step.tokens" : "step.logitRows"; }

  Status checkShared(const CudaFunction &function) {
    if (function.sharedBytes <= limit)
      return llmopt::success();
    return makeError("kernel '{}' is scheduled with {} bytes of shared memory; the most is {}",
                     function.name, function.sharedBytes, limit);
  }

  /// The formulas of sizes are those of kernels/matvec.cuh, which the emitted text holds them to.
  template <typename Get> Status emitMatvec(CudaFunction &function, const Get &get) {
    int64_t rows = get("rows"), columns = get("columns"), warps = get("warps"),
            stages = get("stages");
    function.threads = 32 * warps;
    function.sharedBytes = warps * stages * columns * 512 +
                           rows * llvm::alignTo(depth(), 16) * computeBytes() +
                           warps * columns * rows * 4;
    LLMOPT_TRY(checkShared(function));
    openFunction(out, planned, pointers, function);
    out.line(
        "using Kernel = Matvec<Shape, /*Rows=*/{}, /*Columns=*/{}, /*Warps=*/{}, /*Stages=*/{}>;",
        rows, columns, warps, stages);
    emitTile(function, input());
    return llmopt::success();
  }

  /// The formulas of sizes are those of kernels/gemm.cuh, which the emitted text holds them to.
  template <typename Get> Status emitGemm(CudaFunction &function, const Get &get) {
    int64_t columns = get("columns"), rows = get("rows"), step = get("depth"),
            stages = get("stages"), warpDepths = get("warp_depths");
    bool tensor = computeType() != "float";
    int64_t weightPadding = tensor ? 8 : 4, xPadding = tensor ? 8 : 4;
    int64_t stageBytes = columns * (step + weightPadding) * weightBytes() +
                         rows * (step + xPadding) * computeBytes();
    int64_t splits = tensor ? warpDepths : 1;
    function.threads = 32 * get("warp_columns") * get("warp_rows") * warpDepths;
    function.sharedBytes = std::max(stages * stageBytes, splits * rows * (columns + 1) * 4);
    LLMOPT_TRY(checkShared(function));
    openFunction(out, planned, pointers, function);
    out.line("using Schedule = GemmSchedule</*Columns=*/{}, /*Rows=*/{}, /*Depth=*/{}, "
             "/*Stages=*/{}, /*Warps=*/{}, {}, {}>;",
             columns, rows, step, stages, get("warp_columns"), get("warp_rows"), warpDepths);
    out.line("using Kernel = Gemm<Shape, Schedule>;");
    emitTile(function, isDirect() ? input()
                                  : fmt::format("DirectRows<Shape>{{static_cast<const {} *>({})}}",
                                                computeType(), pointers.workspace()));
    return llmopt::success();
  }

  void emitTile(const CudaFunction &function, const std::string &x) {
    out.line("static_assert(Kernel::columnTiles == {} && Kernel::threads == {} && "
             "Kernel::sharedBytes == {}, \"as the plan says\");",
             function.tiles, function.threads, function.sharedBytes);
    out.line("Kernel::tile({}, {}, Epilogue{{arguments}}, {}, blockIdx.x, shared, GridGate());",
             pointers.operand(storedWeight()), x, rowCount());
    out.close();
  }

  std::optional<CudaFunction> inputDone;

  /// The function that makes the input of a product of many rows; emitted once.
  CudaFunction inputFunction() {
    if (inputDone)
      return *inputDone;
    CudaFunction function;
    function.name = planned.name + "_input";
    function.threads = 256;
    function.sharedBytes = 32;
    openFunction(out, planned, pointers, function);
    out.line("static_assert(RowKernel::threads == {} && RowKernel::sharedBytes == {});",
             function.threads, function.sharedBytes);
    out.line(
        "InputRows<Shape::depth, {0}, Input> rows{{Input{{arguments}}, static_cast<{0} *>({1})}};",
        computeType(), pointers.workspace());
    out.line("RowKernel::tile(rows, blockIdx.x, shared, GridGate());");
    out.close();
    out.line();
    inputDone = function;
    return function;
  }
};
} // namespace

Result<std::vector<CudaVariant>> emitCudaLinear(SourceWriter &out, const PlannedKernel &planned,
                                                int64_t limit) {
  return LinearEmitter(out, planned, limit).emit();
}

} // namespace llmopt
