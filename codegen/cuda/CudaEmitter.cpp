#include "codegen/cuda/CudaEmitter.h"

#include "codegen/cuda/CudaWriter.h"

#include "llvm/Support/raw_ostream.h"

#include <set>

using namespace mlir;

namespace llmopt {

/// Shared memory that a block can have, in bytes (CUDA C++ Programming Guide, table of compute
/// capabilities); 0 for an unknown architecture.
static int64_t sharedLimit(const std::string &arch) {
  if (arch == "sm_80")
    return 163 * 1024;
  if (arch == "sm_86" || arch == "sm_89")
    return 99 * 1024;
  if (arch == "sm_90" || arch == "sm_90a")
    return 227 * 1024;
  return 0;
}

void openFunction(SourceWriter &out, const PlannedKernel &planned, const CudaPointers &pointers,
                  const CudaFunction &function) {
  out.line("extern \"C\" __global__ void __launch_bounds__({}, 1)", function.threads);
  out.open("{}({})", function.name, pointers.parameters());
  out.line("extern __shared__ __align__(128) char shared[];");
  out.line("using namespace {}_parts;", planned.name);
  out.line("[[maybe_unused]] Arguments arguments{};", pointers.initializers());
}

/// A line of dashes to the 100th column: "//===- name - what ---===//".
static std::string ruleLine(const std::string &text) {
  std::string line = "//===-" + text;
  line.append(line.size() < 95 ? 95 - line.size() : 0, '-');
  return line + "===//\n";
}

/// What the file is, with the ops that it came from.
static std::string headOf(const PlannedKernel &planned, const std::string &path,
                          const std::string &arch) {
  std::string text = ruleLine(fmt::format(" {} - {} ", path, planned.from));
  SourceWriter out;
  out.line("//");
  out.comment("A kernel of the step, for " + arch +
              "; plan.json has which of its functions run for how many rows.\n"
              "Emitted by llmopt, compiled by NVRTC when the model is loaded.\n");
  out.line("//");
  std::string ops;
  llvm::raw_string_ostream stream(ops);
  KernelOp kernel = planned.kernel;
  for (Operation &op : kernel.getBlock()->without_terminator()) {
    stream << "  ";
    op.print(stream, OpPrintingFlags().useLocalScope().elideLargeElementsAttrs());
    stream << '\n';
  }
  out.comment(ops);
  out.line("//");
  return text + out.str() + ruleLine("") + "\n";
}

static Json toJson(const std::vector<CudaVariant> &variants) {
  Json list = Json::array();
  for (const CudaVariant &variant : variants) {
    Json functions = Json::array();
    for (const CudaFunction &function : variant.functions) {
      Json entry = {{"name", function.name},
                    {"tiles", function.tiles},
                    {"rows_per_tile", function.rowsPerTile},
                    {"block", function.threads},
                    {"shared", function.sharedBytes},
                    {"early", true}};
      if (function.perSequence)
        entry["per_sequence"] = true;
      functions.push_back(std::move(entry));
    }
    Json entry = {{"functions", std::move(functions)}};
    if (variant.maxRows)
      entry["max_rows"] = variant.maxRows;
    list.push_back(std::move(entry));
  }
  return {{"variants", std::move(list)}};
}

static Result<std::vector<CudaVariant>> emitKernel(SourceWriter &out, const PlannedKernel &planned,
                                                   int64_t limit) {
  switch (planned.anatomy.anchor) {
  case KernelAnatomy::Anchor::Linear:
    return emitCudaLinear(out, planned, limit);
  case KernelAnatomy::Anchor::Attention:
    return emitCudaAttention(out, planned, limit);
  case KernelAnatomy::Anchor::Rows:
    return emitCudaRows(out, planned);
  }
  return makeError("kernel '{}' has an unknown anchor", planned.name);
}

/// The headers that the functions' templates are in.
static std::string includesOf(const PlannedKernel &planned,
                              const std::vector<CudaVariant> &variants) {
  std::set<std::string> headers;
  for (const CudaVariant &variant : variants)
    for (const CudaFunction &function : variant.functions)
      headers.insert(function.header);
  KernelOp kernel = planned.kernel;
  if (llvm::any_of(kernel.getBlock()->getArgumentTypes(), llvm::IsaPred<CacheType>))
    headers.insert("cache");
  std::string text;
  for (const std::string &header : headers)
    text += fmt::format("#include \"kernels/{}.cuh\"\n", header);
  return text + "\nusing namespace llmopt::cuda;\n\n";
}

Result<std::vector<SourceFile>> emitCudaSources(PlannedModule &planned, const std::string &arch) {
  int64_t limit = sharedLimit(arch);
  if (limit == 0)
    return makeError("unknown architecture '{}'; known: sm_80, sm_86, sm_89, sm_90, sm_90a", arch);
  std::vector<SourceFile> files;
  for (PlannedKernel &kernel : planned.kernels) {
    SourceWriter out;
    LLMOPT_ASSIGN(auto variants, emitKernel(out, kernel, limit));
    std::string path = fmt::format("source/{}.cu", kernel.name);
    files.push_back({path, headOf(kernel, path, arch) + includesOf(kernel, variants) + out.str()});
    Json target = toJson(variants);
    for (PlanLaunch &launch : planned.plan.launches)
      if (launch.kernel == kernel.name)
        launch.target = target;
  }
  return files;
}

} // namespace llmopt
