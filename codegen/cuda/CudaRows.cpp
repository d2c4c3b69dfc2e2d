//===- CudaRows.cpp - Row functions: ops that treat each row by itself ------------------------===//

#include "codegen/PointwiseEmitter.h"
#include "codegen/cuda/CudaWriter.h"
#include "ir/ShapeInference.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace llmopt {

Value withoutFinalCast(Value value) {
  auto cast = value.getDefiningOp<CastOp>();
  return cast ? cast.getInput() : value;
}

//===------------------------------------------------------------------------------------------===//
// Elements
//===------------------------------------------------------------------------------------------===//

std::string CudaRowWriter::name(Operation *op) {
  return fmt::format("{}{}", op->getName().stripDialect().str(), locals++);
}

Result<std::string> CudaRowWriter::indexOf(Value indices) {
  auto argument = dyn_cast<BlockArgument>(indices);
  if (argument)
    switch (planned.operands[argument.getArgNumber()].source) {
    case KernelArgument::Source::Tokens:
      return fmt::format("batch->tokenIds[{}]", row);
    case KernelArgument::Source::Positions:
      return fmt::format("batch->positions[{}]", row);
    case KernelArgument::Source::LogitRows:
      return fmt::format("batch->logitRow[{}]", row);
    default:
      break;
    }
  return makeError("kernel '{}' looks rows up by something that is not of the batch", planned.name);
}

Result<std::string> CudaRowWriter::element(Value value, const std::string &column) {
  auto key = std::make_tuple(value.getAsOpaquePointer(), row, column);
  if (auto found = lines.find(key); found != lines.end())
    return found->second;
  std::string result;
  if (Operation *op = value.getDefiningOp()) {
    LLMOPT_ASSIGN(result, emit(op, column));
  } else if (tensorType(value).getRank() == 1) {
    result = fmt::format("toFloat({}[{}])", pointers.operand(value), column);
  } else {
    result = fmt::format("toFloat(rowOf({}, {}, {})[{}])", pointers.operand(value), row,
                         columnsOf(value), column);
  }
  lines[key] = result;
  return result;
}

/// "[&](int column) {", the lines of an element of `value`, its return, and "}" with `end`.
Status CudaRowWriter::lambda(Value value, const char *end) {
  return scope([&]() -> Status {
    LLMOPT_ASSIGN(std::string result, element(value));
    out.line("return {};", result);
    out.close(end);
    return llmopt::success();
  });
}

Result<std::string> CudaRowWriter::rope(RopeOp op, const std::string &column) {
  std::string result = name(op);
  out.open("float {} = rotatedElement<RopeStyle::{}>({}, {}, {}, [&](int column)", result,
           op.getStyle() == RopeStyle::Half ? "Half" : "Interleaved", column, op.getHeadDim(),
           columnsOf(op.getTable()));
  LLMOPT_TRY(lambda(op.getInput(), "},"));
  out.open("[&](int column)");
  LLMOPT_TRY(lambda(op.getTable(), "});"));
  return result;
}

Result<std::string> CudaRowWriter::emit(Operation *op, const std::string &column) {
  std::string expression;
  if (auto gather = dyn_cast<GatherRowsOp>(op)) {
    LLMOPT_ASSIGN(std::string source, indexOf(gather.getRows()));
    std::string outer = std::exchange(row, source);
    auto gathered = element(gather.getInput(), column);
    row = outer;
    return gathered;
  }
  if (auto embed = dyn_cast<EmbedOp>(op)) {
    auto table = tensorType(embed.getTable());
    auto packed = dyn_cast_or_null<PackedAttr>(table.getEncoding());
    LLMOPT_ASSIGN(std::string index, indexOf(embed.getIndices()));
    const std::string &pointer = pointers.operand(embed.getTable());
    int64_t width = table.getDimSize(1);
    if (packed && packed.getPanel() != 1)
      expression = fmt::format("toFloat({}[packedOffset<{}, {}, {}>({}, {})])", pointer,
                               packed.getPanel(), packed.getInterleave(),
                               llvm::alignTo(width, packed.getInterleave()), index, column);
    else
      expression = fmt::format("toFloat(rowOf({}, {}, {})[{}])", pointer, index,
                               llvm::alignTo(width, packed ? packed.getInterleave() : 1), column);
  } else if (auto slice = dyn_cast<SliceOp>(op)) {
    return element(slice.getInput(), fmt::format("({} + {})", slice.getOffset(), column));
  } else if (auto ropeOp = dyn_cast<RopeOp>(op)) {
    return rope(ropeOp, column);
  } else if (auto table = dyn_cast<RopeTableOp>(op)) {
    LLMOPT_ASSIGN(std::string position, indexOf(table.getPositions()));
    std::vector<std::string> items;
    for (float frequency : table.getFrequencies())
      items.push_back(floatLiteral(frequency));
    std::string frequencies = name(op);
    out.line("static constexpr float {}[] = {{{}}};", frequencies, llvm::join(items, ", "));
    expression = fmt::format("ropeTableElement({}, {}, {}, {}, {})", position, frequencies,
                             columnsOf(table.getResult()), column,
                             floatLiteral(static_cast<float>(table.getFactor().convertToDouble())));
  } else if (auto norm = dyn_cast<NormOp>(op)) {
    LLMOPT_ASSIGN(std::string input, element(norm.getInput(), column));
    expression = fmt::format("statistics.{}.normalize({}) * toFloat({}[{}])", normName(op), input,
                             pointers.operand(norm.getWeight()), column);
    if (norm.getBias())
      expression += fmt::format(" + toFloat({}[{}])", pointers.operand(norm.getBias()), column);
  } else if (isPointwise(op)) {
    std::vector<std::string> operands;
    for (Value operand : op->getOperands()) {
      LLMOPT_ASSIGN(std::string input, element(operand, column));
      operands.push_back(std::move(input));
    }
    expression = pointwiseExpression(op, operands);
  } else {
    return makeError("kernel '{}': {} is no op of a row", planned.name,
                     op->getName().getStringRef().str());
  }
  std::string result = name(op);
  out.line("float {} = {};", result, expression);
  return result;
}

//===------------------------------------------------------------------------------------------===//
// Norms
//===------------------------------------------------------------------------------------------===//

std::string CudaRowWriter::normName(Operation *norm) {
  int index = 0;
  for (Operation *op : planned.anatomy.rowOps) {
    if (op == norm)
      break;
    index += isa<NormOp>(op);
  }
  return fmt::format("norm{}", index);
}

Status CudaRowWriter::emitPrepare() {
  SmallVector<NormOp> norms;
  for (Operation *op : planned.anatomy.rowOps)
    if (auto norm = dyn_cast<NormOp>(op))
      norms.push_back(norm);
  out.open("struct Statistics");
  for (NormOp norm : norms)
    out.line("RowStatistics {};", normName(norm));
  out.close("};");
  out.line("template <class Block>");
  out.open("LLMOPT_DEVICE Statistics prepare([[maybe_unused]] const Block &block, "
           "[[maybe_unused]] int row) const");
  out.line("Statistics statistics;");
  for (NormOp norm : norms) {
    out.open("statistics.{} = {}(block, {}, {}, [&](int column)", normName(norm),
             norm.getKind() == NormKind::Rms ? "rmsStatistics" : "layerStatistics",
             columnsOf(norm.getInput()),
             floatLiteral(static_cast<float>(norm.getEpsilon().convertToDouble())));
    LLMOPT_TRY(lambda(norm.getInput(), "});"));
  }
  out.line("return statistics;");
  out.close();
  return llmopt::success();
}

//===------------------------------------------------------------------------------------------===//
// Row kernels
//===------------------------------------------------------------------------------------------===//

/// Loops over the columns of the results, those of one width together.
static Status emitResults(SourceWriter &out, const PlannedKernel &planned,
                          const CudaPointers &pointers, CudaRowWriter &rows) {
  llvm::MapVector<int64_t, SmallVector<int64_t>> resultsOfWidth;
  KernelOp kernel = planned.kernel;
  for (auto [index, value] : llvm::enumerate(kernel.getYielded()))
    if (isa<RankedTensorType>(value.getType()))
      resultsOfWidth[columnsOf(value)].push_back(static_cast<int64_t>(index));
  for (auto &[width, indices] : resultsOfWidth) {
    out.open("block.forEach({}, [&](int column)", width);
    LLMOPT_TRY(rows.scope([&, &width = width, &indices = indices]() -> Status {
      for (int64_t index : indices) {
        Value value = kernel.getYielded()[static_cast<unsigned>(index)];
        LLMOPT_ASSIGN(std::string result, rows.element(withoutFinalCast(value)));
        out.line("rowOf({}, row, {})[column] = fromFloat<{}>({});", pointers.result(index), width,
                 cppType(tensorType(value).getElementType()), result);
      }
      return llmopt::success();
    }));
    out.close("});");
  }
  return llmopt::success();
}

static Status emitAppends(SourceWriter &out, const PlannedKernel &planned,
                          const CudaPointers &pointers, CudaRowWriter &rows) {
  for (Operation *op : planned.anatomy.rowOps) {
    auto append = dyn_cast<CacheAppendOp>(op);
    if (!append)
      continue;
    CacheType cache = append.getCache().getType();
    out.open("block.forEach({}, [&](int column)", cache.getWidth());
    LLMOPT_TRY(rows.scope([&]() -> Status {
      for (bool keys : {true, false}) {
        LLMOPT_ASSIGN(std::string value,
                      rows.element(keys ? append.getKeys() : append.getValues()));
        out.line("append{}<{}>({}, *batch, row, column, {});", keys ? "Key" : "Value",
                 cacheLayout(cache), pointers.operand(append.getCache()), value);
      }
      return llmopt::success();
    }));
    out.close("});");
  }
  return llmopt::success();
}

Result<std::vector<CudaVariant>> emitCudaRows(SourceWriter &out, const PlannedKernel &planned) {
  CudaPointers pointers(planned);
  out.open("namespace {}_parts", planned.name);
  pointers.declareArguments(out);
  out.open("struct Rows : Arguments");
  CudaRowWriter rows(out, planned, pointers);
  LLMOPT_TRY(rows.emitPrepare());
  out.line("template <class Block>");
  out.open("LLMOPT_DEVICE void make(const Block &block, int row) const");
  out.line("[[maybe_unused]] Statistics statistics = prepare(block, row);");
  LLMOPT_TRY(emitResults(out, planned, pointers, rows));
  LLMOPT_TRY(emitAppends(out, planned, pointers, rows));
  out.close();
  out.close("};");
  out.close("} // namespace");
  out.line();
  // RowKernel of kernels/rows.cuh.
  CudaFunction function;
  function.name = planned.name + "_rows"; // "norm" alone is a function of the CUDA library
  function.header = "rows";
  function.threads = 256;
  function.sharedBytes = 32;
  openFunction(out, planned, pointers, function);
  out.line("static_assert(RowKernel::threads == {} && RowKernel::sharedBytes == {});",
           function.threads, function.sharedBytes);
  function.type = "RowKernel";
  function.call = "Rows{arguments}";
  out.line("RowKernel::tile({}, blockIdx.x, shared, GridGate());", function.call);
  out.close();
  CudaVariant variant;
  variant.functions.push_back(function);
  return std::vector<CudaVariant>{variant};
}

} // namespace llmopt
