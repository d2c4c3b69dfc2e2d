#include "codegen/cuda/CudaEmitter.h"

#include "codegen/cuda/CudaWriter.h"

#include "llvm/Support/raw_ostream.h"

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

static void emitHead(SourceWriter &out, const PlannedKernel &planned) {
  out.line();
  out.line("//===- {} ---===//", planned.name);
  std::string text;
  llvm::raw_string_ostream stream(text);
  KernelOp kernel = planned.kernel;
  for (Operation &op : kernel.getBlock()->without_terminator()) {
    op.print(stream, OpPrintingFlags().useLocalScope().elideLargeElementsAttrs());
    stream << '\n';
  }
  out.comment(text);
  out.line();
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
                    {"shared", function.sharedBytes}};
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

Result<std::string> emitCudaSource(PlannedModule &planned, const std::string &arch) {
  int64_t limit = sharedLimit(arch);
  if (limit == 0)
    return makeError("unknown architecture '{}'; known: sm_80, sm_86, sm_89, sm_90, sm_90a", arch);
  SourceWriter out;
  out.comment("One inference step for " + arch +
              ", a few functions per kernel; plan.json has the order in which they run.\n"
              "Emitted by llmopt from module.mlir; compiled with NVRTC when it is loaded.");
  for (const char *header : {"attention_exact", "attention_tensor", "gemm", "matvec"})
    out.line("#include \"kernels/{}.cuh\"", header);
  out.line();
  out.line("using namespace llmopt::cuda;");
  for (PlannedKernel &kernel : planned.kernels) {
    emitHead(out, kernel);
    LLMOPT_ASSIGN(auto variants, emitKernel(out, kernel, limit));
    Json target = toJson(variants);
    for (PlanLaunch &launch : planned.plan.launches)
      if (launch.kernel == kernel.name)
        launch.target = target;
  }
  return out.str();
}

} // namespace llmopt
