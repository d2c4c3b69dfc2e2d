#include "codegen/cuda/CudaPersistent.h"

#include "runtime/artifact/KernelAbi.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace llmopt {

/// Of a kernel's tiles: those of the matvecs and of row kernels, the most that others may have.
static constexpr int64_t consumerThreads = 256;
/// More would bring nothing: 12 slices of 16 KiB are all of a multiprocessor's shared memory.
static constexpr int64_t mostStages = 12;
static constexpr int64_t warpSize = 32;
/// Of a stage of the stream.
static constexpr int64_t barrierBytes = 16;

/// What a linear streams at a time (kernels/matvec_panels.cuh); 0 if it does not.
static int64_t sliceBytesOf(const CudaFunction &function) {
  if (!function.blocksPerMultiprocessor)
    return 0;
  const CudaParameters &parameters = function.schedule.parameters;
  return parameters.at("columns") * parameters.at("depth") * function.schedule.shape.weightBytes();
}

namespace {
class PersistentEmitter {
public:
  PersistentEmitter(const std::vector<EmittedKernel> &kernels, int64_t maxRows,
                    const CudaTarget &target)
      : kernels(kernels), target(target) {
    source.maxRows = maxRows;
    source.name = fmt::format("step_rows{}", maxRows);
  }

  Result<PersistentSource> emit() {
    for (const EmittedKernel &kernel : kernels) {
      LLMOPT_ASSIGN(const CudaFunction *function, functionOf(kernel));
      functions.push_back(function);
      source.headers.insert(function->header);
    }
    source.headers.insert("persistent");
    LLMOPT_TRY(divideShared());
    for (auto [kernel, function] : llvm::zip(kernels, functions)) {
      out.text(kernel.parts);
      emitCalls(*kernel.planned, *function);
    }
    emitStep();
    source.text = out.str();
    return std::move(source);
  }

private:
  const std::vector<EmittedKernel> &kernels;
  const CudaTarget &target;
  PersistentSource source;
  std::vector<const CudaFunction *> functions;
  SourceWriter out;
  int64_t workBytes = 0, sliceBytes = 0, stages = 0;

  Result<const CudaFunction *> functionOf(const EmittedKernel &kernel) {
    for (const CudaVariant &variant : kernel.variants) {
      if (variant.maxRows && variant.maxRows < source.maxRows)
        continue;
      if (variant.functions.size() != 1 || !variant.functions[0].product.is_null())
        break;
      return &variant.functions[0];
    }
    return makeError("kernel '{}' is not one function for {} rows, as a persistent step needs it",
                     kernel.planned->name, source.maxRows);
  }

  /// Shared memory, as PersistentStep has it: the work of a kernel, the stream, two kernels' facts.
  Status divideShared() {
    constexpr int64_t factBytes = 2 * sizeof(LlmoptStepKernel) + 16;
    for (const CudaFunction *function : functions) {
      int64_t slice = sliceBytesOf(*function), work = function->sharedBytes;
      if (slice)
        work -= function->schedule.parameters.at("stages") * (slice + barrierBytes);
      sliceBytes = std::max(sliceBytes, slice);
      workBytes = std::max(workBytes, work);
    }
    workBytes = llvm::alignTo(workBytes, 128);
    source.sharedBytes = workBytes + factBytes;
    source.threads = consumerThreads;
    if (sliceBytes) {
      stages = std::min(mostStages, (target.blockSharedBytes - source.sharedBytes) /
                                        (sliceBytes + barrierBytes));
      source.sharedBytes += stages * (sliceBytes + barrierBytes);
      source.threads += warpSize;
    }
    if ((sliceBytes && stages < 2) || source.sharedBytes > target.blockSharedBytes)
      return makeError("a persistent step of {} rows has no room in the {} bytes of shared memory "
                       "that a block has: its kernels work in {}",
                       source.maxRows, target.blockSharedBytes, workBytes);
    return llmopt::success();
  }

  /// The functions `load`, if it streams, and `make` of a kernel's namespace.
  void emitCalls(const PlannedKernel &planned, const CudaFunction &function) {
    CudaPointers pointers(planned);
    out.open("namespace {}_parts", planned.name);
    out.line("using Kernel = {};", function.type);
    constexpr char parameters[] =
        "[[maybe_unused]] const LlmoptBatch &step, const LlmoptStepKernel &kernel, Tiles tiles";
    if (sliceBytesOf(function)) {
      out.line("template <class Stream>");
      out.open("LLMOPT_DEVICE void load({}, Stream &stream)", parameters);
      pointers.declareFromStep(out);
      const char *rows = planned.rows == Rows::Token ? "step.tokens" : "step.logitRows";
      LinearOp linear = planned.anatomy.linear;
      out.line("Kernel::load({}, {}, tiles, stream);",
               pointers.operand(withoutFinalCast(linear.getWeight())), rows);
      out.close();
    }
    out.line("template <class Stream>");
    out.open("LLMOPT_DEVICE void make({}, char *work, [[maybe_unused]] Stream &stream, "
             "StepGate &stepGate)",
             parameters);
    pointers.declareFromStep(out);
    out.line("[[maybe_unused]] Arguments arguments{};", pointers.initializers());
    if (sliceBytesOf(function)) {
      out.line("Kernel::multiply({}, tiles, work, stream, StreamGate<{}>(stepGate));",
               function.call, consumerThreads);
    } else {
      out.open("makeTiles<Kernel::threads>(tiles, stepGate, [&](int tile, const "
               "TileGate<Kernel::threads> &gate)");
      out.line("Kernel::tile({}, tile{}, work, gate);", function.call,
               function.countsTiles ? ", kernel.tiles" : "");
      out.close("});");
    }
    out.close();
    out.close("} // namespace");
    out.line();
  }

  /// Whether every streamed tile is of whole panels, as an expression.
  std::string allWhole() {
    std::string text;
    for (auto [kernel, function] : llvm::zip(kernels, functions))
      if (sliceBytesOf(*function))
        text += fmt::format("{}{}_parts::Kernel::whole", text.empty() ? "" : " && ",
                            kernel.planned->name);
    return text;
  }

  void emitSwitch(const char *name, const char *arguments, bool streamed) {
    out.open("switch (kernel.function)");
    for (auto [index, kernel] : llvm::enumerate(kernels)) {
      if (streamed && !sliceBytesOf(*functions[index]))
        continue;
      out.line("case {}:", index);
      out.line("  return {}_parts::{}({});", kernel.planned->name, name, arguments);
    }
    out.close();
  }

  void emitStep() {
    out.open("struct Step");
    if (sliceBytes)
      out.line("using Stream = WeightStream<{}, /*Stages=*/{}, {} ? 1 : 32>;", sliceBytes, stages,
               allWhole());
    else
      out.line("using Stream = NoStream;");
    out.line("static constexpr int consumers = {};", consumerThreads);
    out.line("static constexpr int workBytes = {};", workBytes);
    if (sliceBytes) {
      out.open("static LLMOPT_DEVICE void load(const LlmoptBatch &batch, const LlmoptStepKernel "
               "&kernel, Tiles tiles, Stream &stream)");
      emitSwitch("load", "batch, kernel, tiles, stream", /*streamed=*/true);
      out.close();
    }
    out.open("static LLMOPT_DEVICE void make(const LlmoptBatch &batch, const LlmoptStepKernel "
             "&kernel, Tiles tiles, char *work, Stream &stream, StepGate &gate)");
    emitSwitch("make", "batch, kernel, tiles, work, stream, gate", /*streamed=*/false);
    out.close();
    out.close("};");
    out.line();
    out.line("extern \"C\" __global__ void __launch_bounds__({}, 1)", source.threads);
    out.open("{}(const __grid_constant__ LlmoptBatch batch, const __grid_constant__ LlmoptStep "
             "step)",
             source.name);
    out.line("extern __shared__ __align__(1024) char shared[];");
    out.line("static_assert(PersistentStep<Step>::threads == {} && "
             "PersistentStep<Step>::sharedBytes == {}, \"as the plan says\");",
             source.threads, source.sharedBytes);
    out.line("PersistentStep<Step>::run(batch, step, shared);");
    out.close();
  }
};
} // namespace

Result<PersistentSource> emitPersistentStep(const std::vector<EmittedKernel> &kernels,
                                            int64_t maxRows, const CudaTarget &target) {
  return PersistentEmitter(kernels, maxRows, target).emit();
}

} // namespace llmopt
