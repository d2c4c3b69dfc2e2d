//===- RowEmitter.cpp - Ops that treat each row by itself -------------------------------------===//

#include "codegen/PointwiseEmitter.h"
#include "codegen/cpu/KernelWriter.h"
#include "ir/ShapeInference.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace llmopt {

static std::string elementOf(Value value) { return cppType(tensorType(value).getElementType()); }

EmittedRow RowEmitter::rowOf(Value value) {
  if (auto found = rows.find(value); found != rows.end())
    return found->second;
  return {fmt::format("{} + row * {}", names.operand(value), columnsOf(value)), elementOf(value)};
}

EmittedRow RowEmitter::makeRow(Operation *op) {
  Value result = op->getResult(0);
  EmittedRow row;
  if (auto found = destinations.find(result); found != destinations.end()) {
    row = found->second;
  } else {
    row = {fmt::format("row{}", locals++), elementOf(result)};
    out.line("alignas(64) {} {}[{}];", row.type, row.name, columnsOf(result));
  }
  rows[result] = row;
  return row;
}

std::string RowEmitter::indexOf(Value indices) {
  auto argument = cast<BlockArgument>(indices);
  switch (planned.operands[argument.getArgNumber()].source) {
  case KernelArgument::Source::Positions:
    return "batch->positions[row]";
  case KernelArgument::Source::LogitRows:
    return "batch->logitRow[row]";
  default:
    return "batch->tokenIds[row]";
  }
}

Status RowEmitter::emit(ArrayRef<Operation *> ops) {
  for (Operation *op : ops)
    LLMOPT_TRY(emit(op));
  return success();
}

Status RowEmitter::emit(Operation *op) {
  return llvm::TypeSwitch<Operation *, Status>(op)
      .Case([&](GatherRowsOp gather) -> Status {
        if (!isa<BlockArgument>(gather.getInput()))
          return makeError("kernel '{}' gathers rows that it makes itself", planned.name);
        // The gathered row is read in place; the next op converts it.
        EmittedRow source = {fmt::format("gathered{}", locals++), elementOf(gather.getInput())};
        out.line("const {} *{} = {} + int64_t({}) * {};", source.type, source.name,
                 names.operand(gather.getInput()), indexOf(gather.getRows()),
                 columnsOf(gather.getInput()));
        rows[gather.getResult()] = source;
        if (!destinations.count(gather.getResult()))
          return llmopt::success();
        EmittedRow row = makeRow(op);
        out.open("for (int64_t i = 0; i < {}; ++i)", columnsOf(gather.getResult()));
        out.line("{}[i] = fromFloat<{}>(toFloat({}[i]));", row.name, row.type, source.name);
        out.close();
        return llmopt::success();
      })
      .Case([&](EmbedOp embed) -> Status {
        EmittedRow row = makeRow(op);
        auto table = tensorType(embed.getTable());
        auto packed = dyn_cast_or_null<PackedAttr>(table.getEncoding());
        std::string function =
            packed ? fmt::format("embedPackedRow<{}>", packed.getInterleave()) : "embedRow";
        out.line("{}({}, {}, {}, {});", function, names.operand(embed.getTable()),
                 table.getDimSize(1), indexOf(embed.getIndices()), row.name);
        return llmopt::success();
      })
      .Case([&](NormOp norm) -> Status {
        EmittedRow input = rowOf(norm.getInput());
        EmittedRow row = makeRow(op);
        std::string epsilon = floatLiteral(static_cast<float>(norm.getEpsilon().convertToDouble()));
        std::string weight = names.operand(norm.getWeight());
        if (norm.getKind() == NormKind::Rms) {
          out.line("rmsNormRow({}, {}, {}, {}, {});", input.name, weight,
                   columnsOf(norm.getInput()), epsilon, row.name);
          return llmopt::success();
        }
        std::string bias = norm.getBias()
                               ? names.operand(norm.getBias())
                               : fmt::format("static_cast<decltype({})>(nullptr)", weight);
        out.line("layerNormRow({}, {}, {}, {}, {}, {});", input.name, weight, bias,
                 columnsOf(norm.getInput()), epsilon, row.name);
        return llmopt::success();
      })
      .Case([&](RopeTableOp table) -> Status {
        EmittedRow row = makeRow(op);
        out.line("static constexpr float frequencies[] = {};", floatList(table.getFrequencies()));
        out.line("ropeTableRow({}, frequencies, {}, {}, {});", indexOf(table.getPositions()),
                 floatLiteral(static_cast<float>(table.getFactor().convertToDouble())),
                 columnsOf(table.getResult()), row.name);
        return llmopt::success();
      })
      .Case([&](RopeOp rope) -> Status {
        EmittedRow input = rowOf(rope.getInput());
        EmittedRow table = rowOf(rope.getTable());
        EmittedRow row = makeRow(op);
        int64_t headDim = rope.getHeadDim();
        out.open("for (int64_t head = 0; head < {}; ++head)", columnsOf(rope.getInput()) / headDim);
        out.line("alignas(64) float rotated[{}];", headDim);
        out.open("for (int64_t i = 0; i < {}; ++i)", headDim);
        out.line("rotated[i] = toFloat(({})[head * {} + i]);", input.name, headDim);
        out.close();
        out.line("ropeRow<RopeStyle::{}>(rotated, {}, {});",
                 rope.getStyle() == RopeStyle::Half ? "Half" : "Interleaved", table.name,
                 columnsOf(rope.getTable()));
        out.open("for (int64_t i = 0; i < {}; ++i)", headDim);
        out.line("({})[head * {} + i] = fromFloat<{}>(rotated[i]);", row.name, headDim, row.type);
        out.close();
        out.close();
        return llmopt::success();
      })
      .Case([&](SliceOp slice) -> Status {
        EmittedRow input = rowOf(slice.getInput());
        EmittedRow row = makeRow(op);
        out.open("for (int64_t i = 0; i < {}; ++i)", slice.getSize());
        out.line("({})[i] = fromFloat<{}>(toFloat(({})[{} + i]));", row.name, row.type, input.name,
                 slice.getOffset());
        out.close();
        return llmopt::success();
      })
      .Case([&](CacheAppendOp append) -> Status {
        int64_t width = append.getCache().getType().getWidth();
        out.line("alignas(64) float part[{}];", width);
        for (bool keys : {true, false}) {
          EmittedRow input = rowOf(keys ? append.getKeys() : append.getValues());
          out.open("for (int64_t i = 0; i < {}; ++i)", width);
          out.line("part[i] = toFloat(({})[i]);", input.name);
          out.close();
          out.line("append{}<CacheConfig>({}, *batch, row, 0, {}, part);", keys ? "Keys" : "Values",
                   names.operand(append.getCache()), width);
        }
        return llmopt::success();
      })
      .Case<AddOp, MulOp, ActivationOp, CastOp>([&](Operation *pointwise) -> Status {
        std::vector<std::string> operands;
        for (Value operand : pointwise->getOperands())
          operands.push_back(fmt::format("toFloat(({})[i])", rowOf(operand).name));
        EmittedRow row = makeRow(pointwise);
        // A cast's rounding is the conversion to the row's own type.
        std::string value =
            isa<CastOp>(pointwise) ? operands.front() : pointwiseExpression(pointwise, operands);
        out.open("for (int64_t i = 0; i < {}; ++i)", columnsOf(pointwise->getResult(0)));
        out.line("({})[i] = fromFloat<{}>({});", row.name, row.type, value);
        out.close();
        return llmopt::success();
      })
      .Default([&](Operation *other) -> Status {
        return makeError("kernel '{}': {} is no op of a row", planned.name,
                         other->getName().getStringRef().str());
      });
}

} // namespace llmopt
