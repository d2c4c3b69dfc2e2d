//===- CudaApi.h - The functions of NVIDIA's driver that are used -----------------------------===//
//
// libcuda.so.1, opened with dlopen: it comes with the driver of a card. The types are those of
// cuda.h, which is not needed to build; a test holds them against it where it is at hand.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_CUDAAPI_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_CUDAAPI_H

#include "runtime/devices/cuda/Libraries.h"
#include "support/Error.h"

#include <cstddef>
#include <cstdint>

namespace llmopt::cuda_api {

/// CUresult; 0 is success.
using Code = int;
using Context = struct ContextHandle *;
using Stream = struct StreamHandle *;
using Event = struct EventHandle *;
using Module = struct ModuleHandle *;
using Function = struct FunctionHandle *;
using Graph = struct GraphHandle *;
using GraphExec = struct GraphExecHandle *;
using Pointer = uint64_t;

constexpr Code noDevice = 100;              // CUDA_ERROR_NO_DEVICE
constexpr Code invalidImage = 200;          // CUDA_ERROR_INVALID_IMAGE
constexpr Code noBinaryForGpu = 209;        // CUDA_ERROR_NO_BINARY_FOR_GPU
constexpr Code invalidPtx = 218;            // CUDA_ERROR_INVALID_PTX
constexpr Code unsupportedPtxVersion = 222; // CUDA_ERROR_UNSUPPORTED_PTX_VERSION

constexpr int multiprocessorCount = 16;     // CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT
constexpr int capabilityMajor = 75;         // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
constexpr int capabilityMinor = 76;         // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR
constexpr int sharedMemoryOptin = 97;       // CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN
constexpr unsigned eventRecordExternal = 1; // CU_EVENT_RECORD_EXTERNAL
constexpr int maxDynamicShared = 8;         // CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
constexpr int localBytes = 3;               // CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES
constexpr unsigned nonBlocking = 1;         // CU_STREAM_NON_BLOCKING
constexpr unsigned disableTiming = 2;       // CU_EVENT_DISABLE_TIMING
constexpr int captureRelaxed = 2;           // CU_STREAM_CAPTURE_MODE_RELAXED
constexpr int cooperativeLaunch = 2;        // CU_LAUNCH_ATTRIBUTE_COOPERATIVE
constexpr int programmaticSerialization =
    6; // CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION

/// CUlaunchAttribute.
struct LaunchAttribute {
  int id;
  char pad[4];
  union {
    char bytes[64];
    int cooperative;
    int programmaticStreamSerializationAllowed;
  };
};

/// CUlaunchConfig.
struct LaunchConfig {
  unsigned gridX, gridY, gridZ;
  unsigned blockX, blockY, blockZ;
  unsigned sharedBytes;
  Stream stream;
  LaunchAttribute *attributes;
  unsigned attributeCount;
};

struct Api {
  /// Opens the library and initializes the driver: LLMOPT_CUDA_DRIVER, or libcuda.so.1 where the
  /// loader looks.
  static Result<Api> load();

  /// An Error unless the code is success: "loading a.cu: the CUDA driver says
  /// CUDA_ERROR_INVALID_IMAGE (device kernel image is invalid)".
  Status check(Code code, const std::string &doing) const;

  std::vector<SharedLibrary> library; ///< the one that the functions are of
  int version = 0;                    ///< of CUDA, that the driver is for: 12040 is 12.4

  Code (*init)(unsigned) = nullptr;
  Code (*driverGetVersion)(int *) = nullptr;
  Code (*getErrorName)(Code, const char **) = nullptr;
  Code (*getErrorString)(Code, const char **) = nullptr;
  Code (*deviceGetCount)(int *) = nullptr;
  Code (*deviceGet)(int *, int) = nullptr;
  Code (*deviceGetName)(char *, int, int) = nullptr;
  Code (*deviceGetAttribute)(int *, int attribute, int device) = nullptr;
  Code (*deviceTotalMem)(size_t *, int) = nullptr;
  Code (*primaryContextRetain)(Context *, int) = nullptr;
  Code (*primaryContextRelease)(int) = nullptr;
  Code (*contextSetCurrent)(Context) = nullptr;
  Code (*memGetInfo)(size_t *free, size_t *total) = nullptr;
  Code (*memAlloc)(Pointer *, size_t) = nullptr;
  Code (*memFree)(Pointer) = nullptr;
  Code (*memHostAlloc)(void **, size_t, unsigned) = nullptr;
  Code (*memFreeHost)(void *) = nullptr;
  Code (*memsetAsync)(Pointer, unsigned char, size_t, Stream) = nullptr;
  Code (*copyToDevice)(Pointer, const void *, size_t, Stream) = nullptr;
  Code (*copyToHost)(void *, Pointer, size_t, Stream) = nullptr;
  Code (*copyOnDevice)(Pointer, Pointer, size_t, Stream) = nullptr;
  Code (*streamCreate)(Stream *, unsigned) = nullptr;
  Code (*streamSynchronize)(Stream) = nullptr;
  Code (*streamDestroy)(Stream) = nullptr;
  Code (*eventCreate)(Event *, unsigned) = nullptr;
  Code (*eventRecord)(Event, Stream) = nullptr;
  Code (*eventRecordWithFlags)(Event, Stream, unsigned) = nullptr;
  Code (*eventElapsedTime)(float *milliseconds, Event, Event) = nullptr;
  Code (*eventSynchronize)(Event) = nullptr;
  Code (*eventDestroy)(Event) = nullptr;
  Code (*moduleLoadData)(Module *, const void *) = nullptr;
  Code (*moduleUnload)(Module) = nullptr;
  Code (*moduleGetFunction)(Function *, Module, const char *) = nullptr;
  Code (*functionGetAttribute)(int *, int attribute, Function) = nullptr;
  Code (*functionSetAttribute)(Function, int attribute, int value) = nullptr;
  Code (*residentBlocks)(int *blocks, Function, int threads, size_t sharedBytes) = nullptr;
  Code (*launchKernel)(const LaunchConfig *, Function, void **parameters, void **extra) = nullptr;
  Code (*beginCapture)(Stream, int mode) = nullptr;
  Code (*endCapture)(Stream, Graph *) = nullptr;
  Code (*graphInstantiate)(GraphExec *, Graph, unsigned long long flags) = nullptr;
  Code (*graphLaunch)(GraphExec, Stream) = nullptr;
  Code (*graphExecDestroy)(GraphExec) = nullptr;
  Code (*graphDestroy)(Graph) = nullptr;
};

} // namespace llmopt::cuda_api

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_CUDAAPI_H
