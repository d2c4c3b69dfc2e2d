//===- CudaLinearEpilogue.cpp - What becomes of the sums of a unit ----------------------------===//

#include "codegen/PointwiseEmitter.h"
#include "codegen/cuda/CudaLinear.h"
#include "ir/ShapeInference.h"

using namespace mlir;

namespace llmopt {

namespace {
class LinearEpilogue {
public:
  LinearEpilogue(SourceWriter &out, const CudaLinear &linear)
      : out(out), pointers(linear.pointers), linear(linear) {}

  void emit() {
    out.open("struct Epilogue : Arguments");
    out.open("LLMOPT_DEVICE void operator()([[maybe_unused]] int segment, int row, int unit, float "
             "a, [[maybe_unused]] float b) const");
    for (auto [index, units] : llvm::enumerate(linear.segments)) {
      if (index + 1 < linear.segments.size())
        out.open("if (segment == {})", index);
      emitUnits(units);
      if (index + 1 < linear.segments.size()) {
        out.line("return;");
        out.close();
      }
    }
    out.close();
    out.close("};");
  }

private:
  SourceWriter &out;
  const CudaPointers &pointers;
  const CudaLinear &linear;
  /// Expressions of a segment's values: one, or of a rotated pair two.
  llvm::DenseMap<Value, SmallVector<std::string, 2>> values;
  int locals = 0;

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
    if (linear.bias) {
      const std::string &bias = pointers.operand(linear.bias);
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
};
} // namespace

void emitLinearEpilogue(SourceWriter &out, const CudaLinear &linear) {
  LinearEpilogue(out, linear).emit();
}

} // namespace llmopt
