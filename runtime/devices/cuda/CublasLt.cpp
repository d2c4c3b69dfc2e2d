// The library's matrices are column-major. C = A * B^T, row-major, is C^T = B * A^T there: the
// first operand is B's memory seen as [depth, columns] and transposed, the second A's seen as
// [depth, rows].

#include "runtime/devices/cuda/CublasLt.h"

namespace llmopt {

namespace {

/// cublasStatus_t; 0 is success.
using Code = int;
using Handle = struct CublasLtHandle *;
using Description = struct CublasLtDescription *;
using Layout = struct CublasLtLayout *;
using Preference = struct CublasLtPreference *;

constexpr int computeFloat32 = 68;                     // CUBLAS_COMPUTE_32F
constexpr int float32 = 0, float16 = 2, bfloat16 = 14; // cudaDataType
constexpr int transposeA = 3;                          // CUBLASLT_MATMUL_DESC_TRANSA
constexpr int operationT = 1;                          // CUBLAS_OP_T
constexpr int maxWorkspace = 1;                        // CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES
constexpr int minAlignmentA = 5; // CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES; B, C, D
/// Buffers of an arena begin at multiples of their rows' multiple of 64 bytes.
constexpr uint32_t alignment = 64;

/// cublasLtMatmulHeuristicResult_t.
struct Heuristic {
  uint64_t algorithm[8];
  size_t workspaceBytes;
  Code state;
  float waves;
  int reserved[4];
};

int dataType(CudaProduct::Type type) {
  switch (type) {
  case CudaProduct::Type::F32:
    return float32;
  case CudaProduct::Type::F16:
    return float16;
  case CudaProduct::Type::BF16:
    break;
  }
  return bfloat16;
}

} // namespace

struct CublasLt::Library {
  explicit Library(SharedLibrary file) : file(std::move(file)) {}
  ~Library() {
    if (handle)
      destroy(handle);
  }

  SharedLibrary file;
  Handle handle = nullptr;

  Code (*create)(Handle *) = nullptr;
  Code (*destroy)(Handle) = nullptr;
  const char *(*statusName)(Code) = nullptr;
  Code (*descriptionCreate)(Description *, int computeType, int scaleType) = nullptr;
  Code (*descriptionSet)(Description, int attribute, const void *, size_t) = nullptr;
  Code (*descriptionDestroy)(Description) = nullptr;
  Code (*layoutCreate)(Layout *, int type, uint64_t rows, uint64_t columns, int64_t ld) = nullptr;
  Code (*layoutDestroy)(Layout) = nullptr;
  Code (*preferenceCreate)(Preference *) = nullptr;
  Code (*preferenceSet)(Preference, int attribute, const void *, size_t) = nullptr;
  Code (*preferenceDestroy)(Preference) = nullptr;
  Code (*heuristic)(Handle, Description, Layout a, Layout b, Layout c, Layout d, Preference,
                    int wanted, Heuristic *, int *found) = nullptr;
  Code (*matmul)(Handle, Description, const void *alpha, const void *a, Layout, const void *b,
                 Layout, const void *beta, const void *c, Layout, void *d, Layout,
                 const void *algorithm, void *workspace, size_t, cuda_api::Stream) = nullptr;
};

struct CublasLt::Plan {
  explicit Plan(const Library &library) : library(library) {}
  ~Plan() {
    for (Layout layout : {a, b, c})
      if (layout)
        library.layoutDestroy(layout);
    if (description)
      library.descriptionDestroy(description);
  }
  const Library &library;
  Description description = nullptr;
  Layout a = nullptr, b = nullptr, c = nullptr;
  Heuristic choice{};
};

CublasLt::CublasLt(std::unique_ptr<Library> library, CudaAddress workspace)
    : library(std::move(library)), workspace(workspace) {}

CublasLt::~CublasLt() { plans.clear(); }

Result<std::unique_ptr<CublasLt>> CublasLt::open(CudaAddress workspace) {
  static const ToolkitLibrary names = {"cuBLASLt", "libcublasLt.so", "LLMOPT_CUBLASLT", "cublas",
                                       "nvidia-cublas"};
  LLMOPT_ASSIGN(SharedLibrary file, openToolkitLibrary(names));
  auto library = std::make_unique<Library>(file);
  const char *missing = nullptr;
  auto find = [&](const char *name, auto &function) {
    if (!file.find(name, function))
      missing = name;
  };
  find("cublasLtCreate", library->create);
  find("cublasLtDestroy", library->destroy);
  find("cublasLtGetStatusName", library->statusName);
  find("cublasLtMatmulDescCreate", library->descriptionCreate);
  find("cublasLtMatmulDescSetAttribute", library->descriptionSet);
  find("cublasLtMatmulDescDestroy", library->descriptionDestroy);
  find("cublasLtMatrixLayoutCreate", library->layoutCreate);
  find("cublasLtMatrixLayoutDestroy", library->layoutDestroy);
  find("cublasLtMatmulPreferenceCreate", library->preferenceCreate);
  find("cublasLtMatmulPreferenceSetAttribute", library->preferenceSet);
  find("cublasLtMatmulPreferenceDestroy", library->preferenceDestroy);
  find("cublasLtMatmulAlgoGetHeuristic", library->heuristic);
  find("cublasLtMatmul", library->matmul);
  if (missing)
    return makeError("{} is too old: it lacks {}; llmopt needs cuBLAS 12 or later", file.path(),
                     missing);
  if (Code code = library->create(&library->handle))
    return makeError("{} does not start: {}", file.path(), library->statusName(code));
  return std::unique_ptr<CublasLt>(new CublasLt(std::move(library), workspace));
}

Status CublasLt::check(int code, const CudaProduct &product) const {
  if (code == 0)
    return success();
  return makeError("cuBLASLt ({}) does not multiply {} rows of {} by {} columns: {}",
                   library->file.path(), product.rows, product.depth, product.columns,
                   library->statusName(code));
}

Result<const CublasLt::Plan *> CublasLt::planFor(const CudaProduct &product) {
  Shape shape{product.rows,    product.columns, product.depth,
              product.strideB, product.inputs,  product.output};
  if (auto found = plans.find(shape); found != plans.end())
    return static_cast<const Plan *>(found->second.get());
  auto plan = std::make_unique<Plan>(*library);
  auto rows = static_cast<uint64_t>(product.rows), columns = static_cast<uint64_t>(product.columns),
       depth = static_cast<uint64_t>(product.depth);
  const int inputs = dataType(product.inputs), output = dataType(product.output);
  LLMOPT_TRY(
      check(library->descriptionCreate(&plan->description, computeFloat32, float32), product));
  LLMOPT_TRY(
      check(library->descriptionSet(plan->description, transposeA, &operationT, sizeof operationT),
            product));
  LLMOPT_TRY(
      check(library->layoutCreate(&plan->a, inputs, depth, columns, product.strideB), product));
  LLMOPT_TRY(check(library->layoutCreate(&plan->b, inputs, depth, rows, product.depth), product));
  LLMOPT_TRY(
      check(library->layoutCreate(&plan->c, output, columns, rows, product.columns), product));

  Preference preference = nullptr;
  LLMOPT_TRY(check(library->preferenceCreate(&preference), product));
  std::unique_ptr<CublasLtPreference, Code (*)(Preference)> owner(preference,
                                                                  library->preferenceDestroy);
  LLMOPT_TRY(check(
      library->preferenceSet(preference, maxWorkspace, &workspaceBytes, sizeof workspaceBytes),
      product));
  for (int operand = 0; operand < 4; ++operand)
    LLMOPT_TRY(check(
        library->preferenceSet(preference, minAlignmentA + operand, &alignment, sizeof alignment),
        product));
  int found = 0;
  LLMOPT_TRY(check(library->heuristic(library->handle, plan->description, plan->a, plan->b, plan->c,
                                      plan->c, preference, 1, &plan->choice, &found),
                   product));
  if (found == 0)
    return makeError("cuBLASLt ({}) has no way to multiply {} rows of {} by {} columns",
                     library->file.path(), product.rows, product.depth, product.columns);
  LLMOPT_TRY(check(plan->choice.state, product));
  const Plan *made = plan.get();
  plans[shape] = std::move(plan);
  return made;
}

Status CublasLt::multiply(const CudaProduct &product, cuda_api::Stream stream) {
  LLMOPT_ASSIGN(const Plan *plan, planFor(product));
  auto memory = [](CudaAddress address) { return reinterpret_cast<void *>(address); };
  const float one = 1, zero = 0;
  return check(library->matmul(library->handle, plan->description, &one, memory(product.b), plan->a,
                               memory(product.a), plan->b, &zero, memory(product.c), plan->c,
                               memory(product.c), plan->c, plan->choice.algorithm,
                               memory(workspace), workspaceBytes, stream),
               product);
}

} // namespace llmopt
