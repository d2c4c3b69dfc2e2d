// Reads any bytes as a tuning file, and asks what comes out for functions as a load does.

#include "support/CudaTuning.h"

using namespace llmopt;

static void walk(const CudaTuning &tuning, const char *name, const CudaLinearShape &shape,
                 int64_t rows) {
  constexpr int64_t sharedBytes = 227 * 1024;
  const CudaTemplate &kind = *findCudaTemplate(name);
  auto found = tuning.find(kind, shape, rows, /*batchInvariant=*/false, sharedBytes);
  if (!found || !*found)
    return;
  CudaInstance instance = kind.instance(shape, **found);
  if (instance.tiles < 1 || instance.rowsPerTile < 1 || instance.threads < 1 ||
      instance.threads > 1024 || instance.sharedBytes > sharedBytes ||
      kind.arguments(**found).empty())
    __builtin_trap();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  auto tuning =
      CudaTuning::parse(std::string(reinterpret_cast<const char *>(data), size), "tuning.json");
  if (!tuning)
    return 0;
  CudaLinearShape bf16 = {256, 256, {{256, 1}}, "bf16", "bf16"};
  CudaLinearShape f32 = {256, 512, {{256, 2}}, "f32", "f32"};
  // Any parameters become those of functions that there are.
  CudaTuning renamed = *tuning;
  for (const auto &[key, function] : tuning->functions)
    for (const char *kind : {"matvec", "matvec_panels", "gemm", "gemm_wgmma"})
      for (const CudaLinearShape &shape : {bf16, f32}) {
        renamed.functions[cudaFunctionKey(kind, shape, 1, false)] = function;
        walk(renamed, kind, shape, 1);
      }
  if (!CudaTuning::parse(tuning->toText(), "again"))
    __builtin_trap();
  return 0;
}
