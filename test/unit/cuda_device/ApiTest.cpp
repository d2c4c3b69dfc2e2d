//===- ApiTest.cpp - What is declared of NVIDIA's interfaces, against their headers -----------===//
//
// Compiled only where the toolkit's headers are at hand.
//
//===------------------------------------------------------------------------------------------===//

#include "runtime/devices/cuda/CudaApi.h"

#include <cublasLt.h>
#include <cuda.h>
#include <gtest/gtest.h>

#include <cstddef>

using namespace llmopt;

static_assert(cuda_api::noDevice == CUDA_ERROR_NO_DEVICE);
static_assert(cuda_api::invalidImage == CUDA_ERROR_INVALID_IMAGE);
static_assert(cuda_api::noBinaryForGpu == CUDA_ERROR_NO_BINARY_FOR_GPU);
static_assert(cuda_api::unsupportedPtxVersion == CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
static_assert(cuda_api::multiprocessorCount == CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
static_assert(cuda_api::capabilityMajor == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
static_assert(cuda_api::capabilityMinor == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
static_assert(cuda_api::sharedMemoryOptin == CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
static_assert(cuda_api::maxDynamicShared == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
static_assert(cuda_api::localBytes == CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES);
static_assert(cuda_api::nonBlocking == CU_STREAM_NON_BLOCKING);
static_assert(cuda_api::disableTiming == CU_EVENT_DISABLE_TIMING);
static_assert(cuda_api::eventRecordExternal == CU_EVENT_RECORD_EXTERNAL);
static_assert(cuda_api::captureRelaxed == CU_STREAM_CAPTURE_MODE_RELAXED);
static_assert(cuda_api::cooperativeLaunch == CU_LAUNCH_ATTRIBUTE_COOPERATIVE);
static_assert(cuda_api::programmaticSerialization ==
              CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION);

static_assert(sizeof(cuda_api::LaunchAttribute) == sizeof(CUlaunchAttribute));
static_assert(offsetof(cuda_api::LaunchAttribute, bytes) == offsetof(CUlaunchAttribute, value));
static_assert(sizeof(cuda_api::LaunchConfig) == sizeof(CUlaunchConfig));
static_assert(offsetof(cuda_api::LaunchConfig, stream) == offsetof(CUlaunchConfig, hStream));
static_assert(offsetof(cuda_api::LaunchConfig, attributes) == offsetof(CUlaunchConfig, attrs));
static_assert(offsetof(cuda_api::LaunchConfig, attributeCount) ==
              offsetof(CUlaunchConfig, numAttrs));
static_assert(sizeof(cuda_api::Pointer) == sizeof(CUdeviceptr));

// What CublasLt.cpp declares.
static_assert(CUBLAS_COMPUTE_32F == 68);
static_assert(CUDA_R_32F == 0 && CUDA_R_16F == 2 && CUDA_R_16BF == 14);
static_assert(CUBLASLT_MATMUL_DESC_TRANSA == 3 && CUBLAS_OP_T == 1);
static_assert(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES == 1);
static_assert(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES == 5 &&
              CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES == 8);
static_assert(sizeof(cublasLtMatmulAlgo_t) == 64);
static_assert(sizeof(cublasLtMatmulHeuristicResult_t) == 96);
static_assert(offsetof(cublasLtMatmulHeuristicResult_t, workspaceSize) == 64 &&
              offsetof(cublasLtMatmulHeuristicResult_t, state) == 72);

TEST(CudaApi, DeclarationsAreThoseOfTheToolkit) { SUCCEED() << "it compiled"; }
