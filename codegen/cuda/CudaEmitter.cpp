#include "codegen/cuda/CudaEmitter.h"

#include "codegen/cuda/CudaPersistent.h"
#include "ir/KernelSync.h"

#include "llvm/Support/raw_ostream.h"

#include <set>

using namespace mlir;

namespace llmopt {

void openFunction(SourceWriter &out, const PlannedKernel &planned, const CudaPointers &pointers,
                  const CudaFunction &function, const std::string &threads) {
  out.line("extern \"C\" __global__ void __launch_bounds__({}, 1)",
           threads.empty() ? std::to_string(function.threads) : threads);
  out.open("{}({})", function.name, pointers.parameters());
  out.line("extern __shared__ __align__(1024) char shared[];");
  out.line("using namespace {}_parts;", planned.name);
  out.line("[[maybe_unused]] Arguments arguments{};", pointers.initializers());
}

/// A line of dashes to the 100th column: "//===- name - what ---===//".
static std::string ruleLine(const std::string &text) {
  std::string line = "//===-" + text;
  line.append(line.size() < 95 ? 95 - line.size() : 0, '-');
  return line + "===//\n";
}

/// What the file is; `text` and the lines of `more` say it at length.
static std::string headOf(const std::string &path, const std::string &title,
                          const std::string &text, const std::string &more = "") {
  SourceWriter out;
  out.line("//");
  out.comment(text);
  if (!more.empty())
    out.line("//");
  out.comment(more);
  out.line("//");
  return ruleLine(fmt::format(" {} - {} ", path, title)) + out.str() + ruleLine("") + "\n";
}

/// The ops that a kernel came from, indented.
static std::string opsOf(KernelOp kernel) {
  std::string ops;
  llvm::raw_string_ostream stream(ops);
  for (Operation &op : kernel.getBlock()->without_terminator()) {
    stream << "  ";
    op.print(stream, OpPrintingFlags().useLocalScope().elideLargeElementsAttrs());
    stream << '\n';
  }
  return ops;
}

static Json toJson(const std::vector<CudaVariant> &variants) {
  Json list = Json::array();
  for (const CudaVariant &variant : variants) {
    Json functions = Json::array();
    for (const CudaFunction &function : variant.functions) {
      if (!function.product.is_null()) {
        functions.push_back({{"product", function.product}});
        continue;
      }
      Json entry = {{"name", function.name},
                    {"tiles", function.tiles},
                    {"rows_per_tile", function.rowsPerTile},
                    {"block", function.threads},
                    {"shared", function.sharedBytes},
                    {"early", true}};
      if (function.perSequence)
        entry["per_sequence"] = true;
      if (function.schedule.kind)
        entry["schedule"] = function.schedule.toJson();
      if (function.blocksPerMultiprocessor)
        entry["blocks_per_multiprocessor"] = function.blocksPerMultiprocessor;
      if (function.splits > 1)
        entry["splits"] = function.splits;
      functions.push_back(std::move(entry));
    }
    Json entry = {{"functions", std::move(functions)}};
    if (variant.maxRows)
      entry["max_rows"] = variant.maxRows;
    if (variant.decode)
      entry["decode"] = true;
    list.push_back(std::move(entry));
  }
  return {{"variants", std::move(list)}};
}

static Result<std::vector<CudaVariant>> emitKernel(SourceWriter &out, const PlannedKernel &planned,
                                                   const CudaTarget &target) {
  switch (planned.anatomy.anchor) {
  case KernelAnatomy::Anchor::Linear:
    return emitCudaLinear(out, planned, target);
  case KernelAnatomy::Anchor::Attention:
    return emitCudaAttention(out, planned, target.blockSharedBytes);
  case KernelAnatomy::Anchor::Rows:
    return emitCudaRows(out, planned);
  }
  return makeError("kernel '{}' has an unknown anchor", planned.name);
}

static bool usesCache(const PlannedKernel &planned) {
  KernelOp kernel = planned.kernel;
  return llvm::any_of(kernel.getBlock()->getArgumentTypes(), llvm::IsaPred<CacheType>);
}

/// The headers that the functions' templates are in.
static std::set<std::string> headersOf(const EmittedKernel &kernel) {
  std::set<std::string> headers;
  for (const CudaVariant &variant : kernel.variants)
    for (const CudaFunction &function : variant.functions)
      if (function.product.is_null())
        headers.insert(function.header);
  if (usesCache(*kernel.planned))
    headers.insert("cache");
  return headers;
}

static std::string includesOf(const std::set<std::string> &headers) {
  std::string text;
  for (const std::string &header : headers)
    text += fmt::format("#include \"kernels/{}.cuh\"\n", header);
  return text + "\nusing namespace llmopt::cuda;\n\n";
}

static const char origin[] = "Emitted by llmopt, compiled by NVRTC when the model is loaded.\n";

//===- A persistent step ----------------------------------------------------------------------===//

/// A run (count, value) for each stretch of equal values.
static Json toRuns(const std::vector<int64_t> &values) {
  Json runs = Json::array();
  for (size_t begin = 0, end = 0; begin < values.size(); begin = end) {
    while (end < values.size() && values[end] == values[begin])
      ++end;
    runs.push_back(end - begin);
    runs.push_back(values[begin]);
  }
  return runs;
}

static Json toJson(const KernelSync &sync) {
  Json waits = Json::array();
  for (const std::vector<ChunkWait> &set : sync.waits) {
    Json pairs = Json::array();
    for (const ChunkWait &wait : set) {
      pairs.push_back(wait.kernel);
      pairs.push_back(wait.chunk);
    }
    waits.push_back(std::move(pairs));
  }
  return {{"period", sync.tiles()},         {"per_row", sync.perRow},
          {"parts", sync.splits},           {"chunks", toRuns(sync.chunkOf)},
          {"wait_of", toRuns(sync.waitOf)}, {"waits", std::move(waits)}};
}

/// --llm-synchronize has said what each kernel waits for.
static bool isPersistent(const PlannedModule &planned) {
  return llvm::all_of(planned.launches,
                      [](KernelOp kernel) { return kernel->hasAttr(syncAttrName); });
}

/// Adds the sources of a step that runs as one kernel, and what the plan says of it.
static Status addPersistentSteps(PlannedModule &planned, const std::vector<EmittedKernel> &kernels,
                                 const CudaTarget &target, std::vector<SourceFile> &files) {
  std::vector<int64_t> buckets;
  for (auto [launch, kernel] : llvm::zip(planned.plan.launches, planned.launches)) {
    auto entries = readSync(kernel);
    if (failed(entries))
      return makeError("kernel '{}' does not say what it waits for", launch.kernel);
    Json list = Json::array();
    buckets.clear();
    for (const KernelSync &sync : *entries) {
      list.push_back(toJson(sync));
      buckets.push_back(sync.maxRows);
    }
    launch.target["sync"] = std::move(list);
  }
  Json names = Json::array(), steps = Json::array();
  for (const EmittedKernel &kernel : kernels)
    names.push_back(kernel.planned->name);
  for (int64_t rows : buckets) {
    LLMOPT_ASSIGN(PersistentSource source, emitPersistentStep(kernels, rows, target));
    for (const EmittedKernel &kernel : kernels)
      if (usesCache(*kernel.planned))
        source.headers.insert("cache");
    std::string path = fmt::format("source/{}.cu", source.name);
    std::string head =
        headOf(path, "a whole step",
               fmt::format("A decode step of {}{} row{} as one kernel, for {}: "
                           "the tiles of all kernels of the plan, in order.\n",
                           rows > 1 ? "up to " : "", rows, rows > 1 ? "s" : "", target.arch) +
                   origin);
    files.push_back({path, head + includesOf(source.headers) + source.text});
    steps.push_back({{"name", source.name},
                     {"max_rows", rows},
                     {"block", source.threads},
                     {"shared", source.sharedBytes},
                     {"kernels", names}});
  }
  planned.plan.target["persistent"] = std::move(steps);
  return llmopt::success();
}

Result<std::vector<SourceFile>> emitCudaSources(PlannedModule &planned, const std::string &arch) {
  LLMOPT_ASSIGN(CudaTarget facts, findCudaTarget(arch));
  std::vector<SourceFile> files;
  std::vector<EmittedKernel> kernels;
  for (PlannedKernel &kernel : planned.kernels) {
    SourceWriter out;
    EmittedKernel emitted{&kernel, {}, {}};
    LLMOPT_ASSIGN(emitted.variants, emitKernel(out, kernel, facts));
    static const std::string end = "} // namespace\n";
    emitted.parts = out.str().substr(0, out.str().find(end) + end.size());
    std::string path = fmt::format("source/{}.cu", kernel.name);
    std::string head =
        headOf(path, kernel.from,
               "A kernel of the step, for " + arch +
                   "; plan.json has which of its functions run for how many rows.\n" + origin,
               opsOf(kernel.kernel));
    files.push_back({path, head + includesOf(headersOf(emitted)) + out.str()});
    Json target = toJson(emitted.variants);
    for (PlanLaunch &launch : planned.plan.launches)
      if (launch.kernel == kernel.name)
        launch.target = target;
    kernels.push_back(std::move(emitted));
  }
  if (isPersistent(planned))
    LLMOPT_TRY(addPersistentSteps(planned, kernels, facts, files));
  SourceWriter out;
  const Plan &plan = planned.plan;
  int64_t vocabulary = plan.buffers[static_cast<size_t>(plan.logits)].rowBytes / 4;
  planned.plan.target["sampling"] = emitCudaSampling(out, vocabulary);
  std::string path = "source/sampling.cu";
  files.push_back({path, headOf(path, "the choice of tokens",
                                "What follows the step where the device chooses the tokens, for " +
                                    arch + ".\n" + origin) +
                             out.str()});
  return files;
}

} // namespace llmopt
