//===- CublasLt.h - Dense products by the vendor's library ------------------------------------===//
//
// libcublasLt, opened with dlopen: of the toolkit, the Python wheel nvidia-cublas, or where
// LLMOPT_CUBLASLT says. The algorithm for a shape is what the library's heuristic puts first,
// chosen once, so a shape always computes the same bits.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_CUBLASLT_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_CUBLASLT_H

#include "runtime/devices/cuda/CudaApi.h"
#include "runtime/devices/cuda/Driver.h"

#include <map>
#include <memory>
#include <tuple>

namespace llmopt {

class CublasLt {
public:
  static constexpr uint64_t workspaceBytes = uint64_t(32) << 20;

  /// `workspace` is memory of the card of the thread's context, of workspaceBytes.
  static Result<std::unique_ptr<CublasLt>> open(CudaAddress workspace);
  ~CublasLt();
  CublasLt(const CublasLt &) = delete;
  CublasLt &operator=(const CublasLt &) = delete;

  /// Queues a product.
  Status multiply(const CudaProduct &product, cuda_api::Stream stream);

private:
  struct Library;
  struct Plan;
  using Shape =
      std::tuple<int64_t, int64_t, int64_t, int64_t, CudaProduct::Type, CudaProduct::Type>;

  explicit CublasLt(std::unique_ptr<Library> library, CudaAddress workspace);
  Result<const Plan *> planFor(const CudaProduct &product);
  Status check(int code, const CudaProduct &product) const;

  std::unique_ptr<Library> library;
  CudaAddress workspace;
  std::map<Shape, std::unique_ptr<Plan>> plans;
};

} // namespace llmopt

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_CUBLASLT_H
