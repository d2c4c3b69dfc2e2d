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

  Result<std::vector<CudaVariant>> emitVariants() {
    auto schedule = planned.kernel->getAttrOfType<DictionaryAttr>("schedule");
    auto list = schedule ? schedule.getAs<ArrayAttr>("variants") : ArrayAttr();
    if (!list || list.empty())
      return makeError("kernel '{}' has no schedule for CUDA", planned.name);
    std::vector<CudaVariant> variants;
    for (Attribute entry : list) {
      auto facts = cast<DictionaryAttr>(entry);
      CudaVariant variant;
      if (auto rows = facts.getAs<IntegerAttr>("max_rows"))
        variant.maxRows = rows.getInt();
      if (facts.getAs<StringAttr>("kind").getValue() == "library") {
        LLMOPT_ASSIGN(variant.functions, libraryProduct());
        variants.push_back(std::move(variant));
        continue;
      }
      LLMOPT_TRY(addProduct(variant, facts));
      variants.push_back(std::move(variant));
    }
    return variants;
  }

  /// The function of a variant, behind the one that makes its input if it has to be made before.
  Status addProduct(CudaVariant &variant, DictionaryAttr facts) {
    StringRef kindName = facts.getAs<StringAttr>("kind").getValue();
    LLMOPT_TRY(checkLayout(kindName));
    const CudaTemplate &kind = *findCudaTemplate(kindName.str());
    CudaFunction function;
    function.name = variant.maxRows ? fmt::format("{}_rows{}", planned.name, variant.maxRows)
                                    : planned.name + "_many";
    function.header = kind.kind;
    function.schedule.kind = &kind;
    function.schedule.shape = linear.shape();
    CudaParameters &parameters = function.schedule.parameters;
    for (const CudaParameter &parameter : kind.parameters)
      if (auto value = facts.getAs<IntegerAttr>(parameter.name))
        parameters[parameter.name] = value.getInt();
    if (Status status = kind.check(function.schedule.shape, parameters); !status)
      return status.error().within(fmt::format("kernel '{}'", function.name));
    CudaInstance instance = function.schedule.instance();
    function.tiles = instance.tiles;
    function.rowsPerTile = instance.rowsPerTile;
    function.threads = instance.threads;
    function.sharedBytes = instance.sharedBytes;
    function.blocksPerMultiprocessor = instance.blocksPerMultiprocessor;
    LLMOPT_TRY(checkShared(function));
    out.line();
    if (!kind.takesRows && !linear.isDirect)
      variant.functions.push_back(inputFunction());
    emitProduct(function);
    variant.functions.push_back(std::move(function));
    return llmopt::success();
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
    if (!findCudaTemplate(kind.str()))
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

  /// Which instance it is can be said where the source is compiled, and the function be left out.
  void emitProduct(CudaFunction &function) {
    const std::string &name = function.name;
    out.line("#ifndef {}_LEFT_OUT", name);
    out.line("#ifndef {}_SCHEDULE", name);
    out.text(function.schedule.macros(name));
    out.line("#endif");
    openFunction(out, planned, pointers, function, name + "_THREADS");
    std::string arguments = name + "_SCHEDULE";
    out.line("using Kernel = {};",
             fmt::format(fmt::runtime(function.schedule.kind->format), arguments));
    out.line("static_assert(Kernel::columnTiles == {0}_TILES && Kernel::threads == {0}_THREADS && "
             "Kernel::sharedBytes == {0}_SHARED, \"as the plan says\");",
             name);
    function.type = fmt::format(fmt::runtime(function.schedule.kind->format),
                                function.schedule.kind->arguments(function.schedule.parameters));
    std::string weight = pointers.operand(linear.weight);
    function.call =
        fmt::format("{}, Epilogue{{arguments}}, {}",
                    function.schedule.kind->takesRows ? input() : madeInput(), rowCount());
    if (function.blocksPerMultiprocessor) {
      out.line("Tiles tiles{{blockIndex(), blockCount(), Kernel::tileCount({})}};", rowCount());
      out.line("Kernel::run({}, {}, tiles, shared, GridGate());", weight, function.call);
    } else {
      function.call = weight + ", " + function.call;
      out.line("Kernel::tile({}, blockIdx.x, shared, GridGate());", function.call);
    }
    out.close();
    out.line("#endif");
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
