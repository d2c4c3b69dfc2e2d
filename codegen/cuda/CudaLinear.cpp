//===- CudaLinear.cpp - Linears: their parts, and a function for each number of rows ----------===//

#include "codegen/cuda/CudaLinear.h"
#include "codegen/PointwiseEmitter.h"
#include "ir/ShapeInference.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace llmopt {

namespace {
class LinearEmitter {
public:
  LinearEmitter(SourceWriter &out, const CudaLinear &linear, int64_t limit)
      : out(out), planned(linear.planned), pointers(linear.pointers), linear(linear), limit(limit) {
  }

  Result<std::vector<CudaVariant>> emit() {
    out.open("namespace {}_parts", planned.name);
    pointers.declareArguments(out);
    emitLinearShape(out, linear);
    LLMOPT_TRY(emitLinearInput(out, linear));
    emitLinearEpilogue(out, linear);
    out.close("} // namespace");
    return emitVariants();
  }

private:
  SourceWriter &out;
  const PlannedKernel &planned;
  const CudaPointers &pointers;
  const CudaLinear &linear;
  int64_t limit; ///< of shared memory

  int64_t columnTiles(int64_t columns) {
    int64_t tiles = 0;
    for (const UnitSegment &units : linear.segments)
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
      if (facts.getAs<StringAttr>("kind").getValue() == "library") {
        LLMOPT_ASSIGN(variant.functions, libraryProduct());
        variants.push_back(std::move(variant));
        continue;
      }
      CudaFunction function;
      function.name = variant.maxRows ? fmt::format("{}_rows{}", planned.name, variant.maxRows)
                                      : planned.name + "_many";
      function.rowsPerTile = get("rows");
      function.tiles = columnTiles(get("columns"));
      out.line();
      StringRef kind = facts.getAs<StringAttr>("kind").getValue();
      function.header = kind.str();
      if (kind == "matvec") {
        LLMOPT_TRY(emitMatvec(function, get));
      } else {
        if (!linear.isDirect)
          variant.functions.push_back(inputFunction());
        LLMOPT_TRY(emitGemm(function, get));
      }
      variant.functions.push_back(function);
      variants.push_back(std::move(variant));
    }
    return variants;
  }

  const char *rowCount() { return planned.rows == Rows::Token ? "step.tokens" : "step.logitRows"; }

  /// The input of a product that makes it itself, row by row.
  std::string input() {
    return linear.isDirect ? fmt::format("Input{{{}}}", pointers.operand(linear.input))
                           : "Input{arguments}";
  }

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
                           rows * llvm::alignTo(linear.depth, 16) * linear.computeBytes +
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
    bool tensor = linear.computeType != "float";
    int64_t weightPadding = tensor ? 8 : 4, xPadding = tensor ? 8 : 4;
    int64_t stageBytes = columns * (step + weightPadding) * linear.weightBytes +
                         rows * (step + xPadding) * linear.computeBytes;
    int64_t splits = tensor ? warpDepths : 1;
    function.threads = 32 * get("warp_columns") * get("warp_rows") * warpDepths;
    function.sharedBytes = std::max(stages * stageBytes, splits * rows * (columns + 1) * 4);
    LLMOPT_TRY(checkShared(function));
    openFunction(out, planned, pointers, function);
    out.line("using Schedule = GemmSchedule</*Columns=*/{}, /*Rows=*/{}, /*Depth=*/{}, "
             "/*Stages=*/{}, /*Warps=*/{}, {}, {}>;",
             columns, rows, step, stages, get("warp_columns"), get("warp_rows"), warpDepths);
    out.line("using Kernel = Gemm<Shape, Schedule>;");
    emitTile(function, linear.isDirect
                           ? input()
                           : fmt::format("DirectRows<Shape>{{static_cast<const {} *>({})}}",
                                         linear.computeType, pointers.workspace()));
    return llmopt::success();
  }

  void emitTile(const CudaFunction &function, const std::string &x) {
    out.line("static_assert(Kernel::columnTiles == {} && Kernel::threads == {} && "
             "Kernel::sharedBytes == {}, \"as the plan says\");",
             function.tiles, function.threads, function.sharedBytes);
    out.line("Kernel::tile({}, {}, Epilogue{{arguments}}, {}, blockIdx.x, shared, GridGate());",
             pointers.operand(linear.weight), x, rowCount());
    out.close();
  }

  /// A product by the vendor's library, behind what makes its input.
  Result<std::vector<CudaFunction>> libraryProduct() {
    if (!isPlainProduct(planned.anatomy) || linear.weightType != linear.computeType)
      return makeError("kernel '{}' is scheduled for the library, which does plain products of one "
                       "type by weights in rows",
                       planned.name);
    std::vector<CudaFunction> functions;
    if (!linear.isDirect)
      functions.push_back(inputFunction());
    auto indexOf = [&](Value operand) {
      return planned.operands[cast<BlockArgument>(operand).getArgNumber()].index;
    };
    auto typeName = [](const std::string &type) { return type == "float" ? "f32" : type; };
    auto result = static_cast<size_t>(planned.anatomy.segments[0].stores[0].result);
    KernelOp kernel = planned.kernel;
    Type stored = tensorType(kernel.getYielded()[result]).getElementType();
    CudaFunction product;
    product.product = {{"a", linear.isDirect ? indexOf(linear.input) : planned.workspace.index},
                       {"b", indexOf(linear.weight)},
                       {"c", planned.results[result].index},
                       {"columns", columnsOf(kernel.getYielded()[result])},
                       {"depth", linear.depth},
                       {"stride", llvm::alignTo(linear.depth, 16 / linear.weightBytes)},
                       {"inputs", typeName(linear.computeType)},
                       {"output", typeName(cppType(stored))}};
    functions.push_back(product);
    return functions;
  }

  std::optional<CudaFunction> inputDone;

  /// The function that makes the input of a product of many rows; emitted once.
  CudaFunction inputFunction() {
    if (inputDone)
      return *inputDone;
    CudaFunction function;
    function.name = planned.name + "_input";
    function.header = "rows";
    function.threads = 256;
    function.sharedBytes = 32;
    openFunction(out, planned, pointers, function);
    out.line("static_assert(RowKernel::threads == {} && RowKernel::sharedBytes == {});",
             function.threads, function.sharedBytes);
    out.line(
        "InputRows<Shape::depth, {0}, Input> rows{{Input{{arguments}}, static_cast<{0} *>({1})}};",
        linear.computeType, pointers.workspace());
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
  LLMOPT_ASSIGN(CudaLinear linear, readLinear(planned));
  return LinearEmitter(out, linear, limit).emit();
}

} // namespace llmopt
