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
  LinearEmitter(SourceWriter &out, const CudaLinear &linear, const CudaTarget &target)
      : out(out), planned(linear.planned), pointers(linear.pointers), linear(linear),
        target(target) {}

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
  const CudaTarget &target;

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
      LLMOPT_TRY(checkLayout(kind));
      bool few = kind == "matvec" || kind == "matvec_panels";
      if (!few && !linear.isDirect)
        variant.functions.push_back(inputFunction());
      if (kind == "matvec")
        emitMatvec(function, get);
      else if (kind == "matvec_panels")
        emitMatvecPanels(function, get);
      else if (kind == "gemm")
        emitGemm(function, get);
      else
        emitGemmWgmma(function, get);
      LLMOPT_TRY(checkShared(function));
      variant.functions.push_back(function);
      variants.push_back(std::move(variant));
    }
    return variants;
  }

  const char *rowCount() { return planned.rows == Rows::Token ? "step.tokens" : "step.logitRows"; }

  /// The input of a product of many rows, which is made before.
  std::string madeInput() {
    return linear.isDirect ? input()
                           : fmt::format("DirectRows<Shape>{{static_cast<const {} *>({})}}",
                                         linear.computeType, pointers.workspace());
  }

  /// The input of a product that makes it itself, row by row.
  std::string input() {
    return linear.isDirect ? fmt::format("Input{{{}}}", pointers.operand(linear.input))
                           : "Input{arguments}";
  }

  /// A schedule is for a layout of the weight, and panels are for some architectures.
  Status checkLayout(StringRef kind) {
    bool panels = kind == "matvec_panels" || kind == "gemm_wgmma";
    if (!panels && kind != "matvec" && kind != "gemm")
      return makeError("kernel '{}' is scheduled as '{}', which is no kind of linear", planned.name,
                       kind.str());
    if (panels != linear.panels)
      return makeError("kernel '{}' is scheduled as '{}', which does not read its weight's layout",
                       planned.name, kind.str());
    if (panels && !target.warpgroups)
      return makeError("kernel '{}' is scheduled as '{}', which {} does not have", planned.name,
                       kind.str(), target.arch);
    return llmopt::success();
  }

  Status checkShared(const CudaFunction &function) {
    if (function.sharedBytes <= target.blockSharedBytes)
      return llmopt::success();
    return makeError("kernel '{}' is scheduled with {} bytes of shared memory; the most is {}",
                     function.name, function.sharedBytes, target.blockSharedBytes);
  }

  /// The formulas of sizes are those of kernels/matvec.cuh, which the emitted text holds them to.
  template <typename Get> void emitMatvec(CudaFunction &function, const Get &get) {
    int64_t rows = get("rows"), columns = get("columns"), warps = get("warps"),
            stages = get("stages");
    function.threads = 32 * warps;
    function.sharedBytes = warps * stages * columns * 512 +
                           rows * llvm::alignTo(linear.depth, 16) * linear.computeBytes +
                           warps * columns * rows * 4;
    openFunction(out, planned, pointers, function);
    out.line(
        "using Kernel = Matvec<Shape, /*Rows=*/{}, /*Columns=*/{}, /*Warps=*/{}, /*Stages=*/{}>;",
        rows, columns, warps, stages);
    emitTile(function, input());
  }

  /// The formulas of sizes are those of kernels/matvec_panels.cuh.
  template <typename Get> void emitMatvecPanels(CudaFunction &function, const Get &get) {
    int64_t rows = get("rows"), columns = get("columns"), depth = get("depth"),
            warps = get("warps"), stages = get("stages");
    function.threads = 32 * warps;
    function.sharedBytes = warps * stages * (columns * depth * 2 + 8) +
                           rows * (llvm::alignTo(linear.depth, 64) + 8) * 2 +
                           warps * columns * rows * 4;
    openFunction(out, planned, pointers, function);
    out.line("using Kernel = PanelMatvec<Shape, /*Rows=*/{}, /*Columns=*/{}, /*Depth=*/{}, "
             "/*Warps=*/{}, /*Stages=*/{}>;",
             rows, columns, depth, warps, stages);
    emitTile(function, input());
  }

  /// The formulas of sizes are those of kernels/gemm.cuh, which the emitted text holds them to.
  template <typename Get> void emitGemm(CudaFunction &function, const Get &get) {
    int64_t columns = get("columns"), rows = get("rows"), step = get("depth"),
            stages = get("stages"), warpDepths = get("warp_depths");
    bool tensor = linear.computeType != "float";
    int64_t weightPadding = tensor ? 8 : 4, xPadding = tensor ? 8 : 4;
    int64_t stageBytes = columns * (step + weightPadding) * linear.weightBytes +
                         rows * (step + xPadding) * linear.computeBytes;
    int64_t splits = tensor ? warpDepths : 1;
    function.threads = 32 * get("warp_columns") * get("warp_rows") * warpDepths;
    function.sharedBytes = std::max(stages * stageBytes, splits * rows * (columns + 1) * 4);
    openFunction(out, planned, pointers, function);
    out.line("using Schedule = GemmSchedule</*Columns=*/{}, /*Rows=*/{}, /*Depth=*/{}, "
             "/*Stages=*/{}, /*Warps=*/{}, {}, {}>;",
             columns, rows, step, stages, get("warp_columns"), get("warp_rows"), warpDepths);
    out.line("using Kernel = Gemm<Shape, Schedule>;");
    emitTile(function, madeInput());
  }

  /// The formulas of sizes are those of kernels/gemm_wgmma.cuh.
  template <typename Get> void emitGemmWgmma(CudaFunction &function, const Get &get) {
    int64_t columns = get("columns"), rows = get("rows"), stages = get("stages"),
            consumers = get("consumers");
    function.threads = 128 * (1 + consumers);
    function.sharedBytes =
        std::max(stages * (columns + rows) * 128, rows * (columns + 4) * 4) + 2 * stages * 8;
    openFunction(out, planned, pointers, function);
    out.line("using Schedule = WgmmaSchedule</*Columns=*/{}, /*Rows=*/{}, /*Stages=*/{}, "
             "/*Consumers=*/{}>;",
             columns, rows, stages, consumers);
    out.line("using Kernel = WgmmaGemm<Shape, Schedule>;");
    emitTile(function, madeInput());
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
    if (!isPlainProduct(planned.anatomy) || linear.weightType != linear.computeType ||
        linear.panels)
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
                                                const CudaTarget &target) {
  LLMOPT_ASSIGN(CudaLinear linear, readLinear(planned));
  return LinearEmitter(out, linear, target).emit();
}

} // namespace llmopt
