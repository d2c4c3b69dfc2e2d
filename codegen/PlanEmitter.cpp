#include "codegen/PlanEmitter.h"

#include "ir/KernelSync.h"
#include "ir/ShapeInference.h"
#include "ir/weights/Materializer.h"
#include "ir/weights/Recipe.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace llmopt {

namespace {
class PlanBuilder {
public:
  explicit PlanBuilder(ModuleOp module) : module(module) {}

  Result<PlannedModule> run() {
    auto phase = module->getAttrOfType<StringAttr>(LLMDialect::phaseAttrName);
    auto step = module.lookupSymbol<func::FuncOp>(LLMDialect::stepFunctionName);
    auto arena = module->getAttrOfType<DictionaryAttr>("llm.arena");
    if (!phase || phase.getValue() != "placed" || !step || !arena)
      return makeError("only a module in phase 'placed' can be emitted");
    plan.tokenRowBytes = arena.getAs<IntegerAttr>("token_row_bytes").getInt();
    plan.logitRowBytes = arena.getAs<IntegerAttr>("logit_row_bytes").getInt();
    LLMOPT_TRY(addWeights());
    body = &step.getBody().front();
    addCache(cast<CacheType>(body->getArgument(4).getType()));
    for (auto kernel : body->getOps<KernelOp>())
      LLMOPT_TRY(addLaunch(kernel));
    Value logits = body->getTerminator()->getOperand(0);
    auto found = buffers.find(logits);
    if (found == buffers.end() || !tensorType(logits).getElementType().isF32())
      return makeError("the step's logits are not a float32 result of a kernel");
    plan.logits = found->second;
    PlannedModule result;
    result.plan = std::move(plan);
    result.kernels = std::move(kernels);
    result.launches = std::move(launches);
    return result;
  }

private:
  ModuleOp module;
  Block *body = nullptr;
  Plan plan;
  std::vector<PlannedKernel> kernels;
  std::vector<KernelOp> launches;
  llvm::StringMap<size_t> kernelByStructure;
  llvm::StringMap<int> kernelNames;
  llvm::StringMap<int64_t> weights;
  llvm::DenseMap<Value, int64_t> buffers;

  Status addWeights() {
    for (auto weight : module.getOps<WeightOp>()) {
      LLMOPT_ASSIGN(WeightLayout layout, weightLayout(weight));
      auto type = cast<RankedTensorType>(weight.getType());
      PlanWeight planned;
      planned.name = weight.getSymName().str();
      planned.type = *parseElementType(layout.dtype);
      planned.rows = type.getDimSize(0);
      planned.columns = type.getRank() == 2 ? type.getDimSize(1) : 1;
      if (layout.quantized) {
        planned.quantized = planned.rows * planned.columns;
        planned.rows = layout.shape[0];
        planned.columns = layout.shape[1];
      } else if (layout.packed)
        planned.packing = {layout.panel, layout.interleave};
      if (auto rows = randomRows(weight))
        for (const RandomRows &segment : *rows)
          planned.random.push_back({segment.rows, segment.seed, segment.mean, segment.scale});
      weights[planned.name] = static_cast<int64_t>(plan.weights.size());
      plan.weights.push_back(std::move(planned));
    }
    return success();
  }

  void addCache(CacheType type) {
    plan.cache.layers = type.getLayers();
    plan.cache.pageTokens = type.getPage();
    plan.cache.pageBytes =
        2 * type.getWidth() * type.getPage() * type.getElementType().getIntOrFloatBitWidth() / 8;
    llvm::raw_string_ostream(plan.cache.type) << type.getElementType();
  }

  static PlanBuffer bufferAt(Attribute placement, std::string name, Type type) {
    auto entry = cast<DictionaryAttr>(placement);
    PlanBuffer buffer;
    buffer.name = std::move(name);
    buffer.space =
        entry.getAs<StringAttr>("space").getValue() == "token" ? RowSpace::Token : RowSpace::Logit;
    buffer.offset = entry.getAs<IntegerAttr>("offset").getInt();
    buffer.rowBytes = entry.getAs<IntegerAttr>("row_bytes").getInt();
    buffer.type = type.isF32()    ? ElementType::F32
                  : type.isBF16() ? ElementType::BF16
                                  : ElementType::F16;
    return buffer;
  }

  int64_t addBuffer(PlanBuffer buffer) {
    plan.buffers.push_back(std::move(buffer));
    return static_cast<int64_t>(plan.buffers.size()) - 1;
  }

  /// The layer that a kernel's cache operand stands for.
  static Result<int64_t> layerOf(KernelOp kernel, BlockArgument cache) {
    std::optional<int64_t> layer;
    for (Operation *user : cache.getUsers()) {
      int64_t here = 0;
      if (auto append = dyn_cast<CacheAppendOp>(user))
        here = append.getLayer();
      else if (auto attention = dyn_cast<AttentionOp>(user))
        here = attention.getLayer();
      else
        continue;
      if (layer && *layer != here)
        return makeError("kernel '{}' works on two layers of the cache", kernel.getName().str());
      layer = here;
    }
    if (!layer)
      return makeError("kernel '{}' does not use its cache", kernel.getName().str());
    return *layer;
  }

  Status addLaunch(KernelOp kernel) {
    PlanLaunch launch;
    PlannedKernel planned;
    planned.kernel = kernel;
    auto pointer = [&](LaunchArgument::Kind kind, int64_t index) {
      launch.arguments.push_back({kind, index});
      return KernelArgument{KernelArgument::Source::Pointer,
                            static_cast<int64_t>(launch.arguments.size()) - 1};
    };
    std::optional<KernelArgument> cache;
    for (auto [operand, argument] :
         llvm::zip(kernel.getOperands_(), kernel.getBlock()->getArguments())) {
      if (auto block = dyn_cast<BlockArgument>(operand);
          block && !isa<CacheType>(operand.getType())) {
        using Source = KernelArgument::Source;
        static constexpr Source sources[] = {Source::Tokens, Source::Positions, Source::LogitRows,
                                             Source::Batch};
        planned.operands.push_back({sources[block.getArgNumber()], -1});
      } else if (isa<CacheType>(operand.getType())) {
        LLMOPT_ASSIGN(int64_t layer, layerOf(kernel, argument));
        cache = pointer(LaunchArgument::Kind::Cache, layer);
        planned.operands.push_back(*cache);
      } else if (auto weight = operand.getDefiningOp<GetWeightOp>()) {
        int64_t index = weights.lookup(weight.getName());
        launch.weightBytes += plan.weights[static_cast<size_t>(index)].bytes();
        planned.operands.push_back(pointer(LaunchArgument::Kind::Weight, index));
      } else {
        planned.operands.push_back(pointer(LaunchArgument::Kind::Buffer, buffers.lookup(operand)));
      }
    }
    auto placement = kernel->getAttrOfType<ArrayAttr>("placement");
    for (auto result : kernel->getResults()) {
      if (isa<CacheType>(result.getType())) {
        planned.results.push_back(*cache);
        continue;
      }
      int64_t index =
          addBuffer(bufferAt(placement[result.getResultNumber()],
                             fmt::format("{}.{}", kernel.getName().str(), plan.launches.size()),
                             tensorType(result).getElementType()));
      buffers[result] = index;
      planned.results.push_back(pointer(LaunchArgument::Kind::Buffer, index));
    }
    auto anatomy = analyzeKernel(kernel);
    if (failed(anatomy))
      return makeError("kernel '{}' is of no known anatomy", kernel.getName().str());
    planned.anatomy = std::move(*anatomy);
    if (Attribute workspace = kernel->getAttr("workspace")) {
      if (!planned.anatomy.linear)
        return makeError("kernel '{}' has a workspace and no linear", kernel.getName().str());
      int64_t index = addBuffer(bufferAt(
          workspace, fmt::format("{}.{}.workspace", kernel.getName().str(), plan.launches.size()),
          tensorType(planned.anatomy.linear.getInput()).getElementType()));
      planned.workspace = pointer(LaunchArgument::Kind::Buffer, index);
    }
    planned.rows = runsOver(planned);
    launch.space = planned.rows == Rows::Token ? RowSpace::Token : RowSpace::Logit;
    if (LinearOp linear = planned.anatomy.linear) {
      auto weight = tensorType(linear.getWeight());
      launch.flopsPerRow = 2 * weight.getDimSize(0) * weight.getDimSize(1);
    } else if (!planned.anatomy.attention) {
      // Rows of a table are looked up, not read whole.
      launch.weightBytes = 0;
    }
    launch.readsCache = planned.anatomy.attention != nullptr;
    planned.from = opNames(kernel);
    launch.from = planned.from;
    launch.kernel = deduplicate(std::move(planned));
    plan.launches.push_back(std::move(launch));
    launches.push_back(kernel);
    return success();
  }

  static Rows runsOver(const PlannedKernel &planned) {
    if (LinearOp linear = planned.anatomy.linear)
      return rowsOf(linear.getResult());
    KernelOp kernel = planned.kernel;
    return rowsOf(kernel.getYielded().front());
  }

  static std::string opNames(KernelOp kernel) {
    llvm::MapVector<StringRef, int> counts;
    for (Operation &op : kernel.getBlock()->without_terminator())
      ++counts[op.getName().getStringRef()];
    std::vector<std::string> names;
    for (auto &[name, count] : counts)
      names.push_back(count == 1 ? name.str() : fmt::format("{} x {}", count, name.str()));
    return llvm::join(names, ", ");
  }

  /// What the emitted text depends on: the region without layer numbers, the schedule, and where
  /// operands come from.
  static std::string structureOf(const PlannedKernel &planned) {
    KernelOp original = planned.kernel;
    KernelOp copy = original.clone();
    copy.walk([](Operation *op) { op->removeAttr("layer"); });
    copy->removeAttr("placement");
    copy->removeAttr("workspace");
    copy->removeAttr(syncAttrName);
    std::string text;
    llvm::raw_string_ostream stream(text);
    // The clone lacks attributes that the custom printer may ask for.
    copy->print(stream, OpPrintingFlags().printGenericOpForm().skipRegions(false));
    copy->erase();
    for (const KernelArgument &argument : planned.operands)
      stream << ' ' << static_cast<int>(argument.source) << ':' << argument.index;
    return text;
  }

  std::string deduplicate(PlannedKernel planned) {
    auto [entry, isNew] = kernelByStructure.insert({structureOf(planned), kernels.size()});
    if (!isNew)
      return kernels[entry->second].name;
    std::string name = planned.kernel.getName().str();
    if (int again = kernelNames[name]++)
      name += fmt::format("_{}", again + 1);
    planned.name = name;
    kernels.push_back(std::move(planned));
    return name;
  }
};
} // namespace

Result<PlannedModule> planModule(ModuleOp module) { return PlanBuilder(module).run(); }

} // namespace llmopt
