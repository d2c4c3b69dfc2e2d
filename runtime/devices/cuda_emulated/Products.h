//===- Products.h - The vendor's library for plain products, on the host ----------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_PRODUCTS_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_PRODUCTS_H

#include "runtime/devices/cuda/Driver.h"

namespace llmopt::emulated {

/// Its sizes make sense.
Status checkProduct(const CudaProduct &product);

/// With products added one after the other along the depth, in float32.
void multiplyOnHost(const CudaProduct &product);

} // namespace llmopt::emulated

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_PRODUCTS_H
