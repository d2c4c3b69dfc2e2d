//===- CudaSampling.cpp - The choice of tokens ------------------------------------------------===//

#include "codegen/cuda/CudaWriter.h"

#include "llvm/Support/MathExtras.h"

namespace llmopt {

/// A block's threads: enough to scan a large row with a few dozen blocks; a small row by several.
static int64_t threadsFor(int64_t vocabulary) { return vocabulary >= 32768 ? 512 : 256; }

static Json toJson(const char *name, int64_t tiles, int64_t rowsPerTile, int64_t threads,
                   int64_t sharedBytes) {
  return {{"name", name},     {"tiles", tiles},        {"rows_per_tile", rowsPerTile},
          {"block", threads}, {"shared", sharedBytes}, {"early", true}};
}

Json emitCudaSampling(SourceWriter &out, int64_t vocabulary) {
  // Sampling of kernels/sampling.cuh, which the emitted text holds the sizes to.
  int64_t threads = threadsFor(vocabulary), warps = threads / 32;
  int64_t strips = llvm::divideCeil(vocabulary, 128), blocks = llvm::divideCeil(strips, warps);
  int64_t capacity = std::max(8 * threads, strips);
  int64_t sharedBytes = llvm::alignTo(capacity * 16 + strips * 4 + warps * 8, 16) + 32;
  int64_t workspaceRowBytes = 16 + strips * 16;
  out.line("#include \"kernels/sampling.cuh\"");
  out.line();
  out.line("using namespace llmopt::cuda;");
  out.line();
  out.line(
      "/// A token for each row of logits, chosen as its `rows` says; -1 for one of no numbers.");
  out.line("extern \"C\" __global__ void __launch_bounds__({}, 1)", threads);
  out.open("sample(const __grid_constant__ LlmoptBatch step, const float *logits, const "
           "LlmoptSampling *rows, int *tokens, void *workspace)");
  out.line("extern __shared__ __align__(128) char shared[];");
  out.line("using Kernel = Sampling</*Vocabulary=*/{}, /*Threads=*/{}>;", vocabulary, threads);
  out.line("static_assert(Kernel::blocks == {} && Kernel::workspaceRowBytes == {} && "
           "Kernel::sharedBytes == {}, \"as the plan says\");",
           blocks, workspaceRowBytes, sharedBytes);
  out.line("Kernel::tile(step, logits, rows, tokens, workspace, blockIdx.x, shared, GridGate());");
  out.close();
  constexpr int64_t advanceThreads = 256;
  out.line();
  out.line("/// The batch of the next step, in the place of this one's: a decode of these tokens.");
  out.line("extern \"C\" __global__ void __launch_bounds__({}, 1)", advanceThreads);
  out.open("advance(const __grid_constant__ LlmoptBatch step, const int *tokens)");
  out.line("GridGate().wait();");
  out.line("advanceRow(step, tokens, blockIdx.x * {} + threadIdx.x);", advanceThreads);
  out.close();
  return {{"functions",
           {{"sample", toJson("sample", blocks, 1, threads, sharedBytes)},
            {"advance", toJson("advance", 1, advanceThreads, advanceThreads, 0)}}},
          {"workspace_row_bytes", workspaceRowBytes}};
}

} // namespace llmopt
