#include "runtime/devices/cuda/CudaApi.h"

#include <cstdlib>

namespace llmopt::cuda_api {

/// The first version whose driver launches kernels and graphs as is done here.
static constexpr int oldestVersion = 12000;

Status Api::check(Code code, const std::string &doing) const {
  if (code == 0)
    return success();
  const char *name = nullptr, *text = nullptr;
  if (getErrorName(code, &name) != 0 || !name)
    name = "an error that it does not name";
  if (getErrorString(code, &text) != 0 || !text)
    text = "no text";
  return makeError("{}: the CUDA driver says {} ({})", doing, name, text);
}

Result<Api> Api::load() {
  const char *named = std::getenv("LLMOPT_CUDA_DRIVER");
  std::string path = named && *named ? named : "libcuda.so.1";
  auto opened = SharedLibrary::open(path);
  if (!opened)
    return makeError("there is no NVIDIA driver: {}", opened.error().message());
  Api api;
  api.library.push_back(*opened);
  const char *missing = nullptr;
  auto find = [&](const char *name, auto &function) {
    if (!opened->find(name, function))
      missing = name;
  };
  find("cuInit", api.init);
  find("cuDriverGetVersion", api.driverGetVersion);
  find("cuGetErrorName", api.getErrorName);
  find("cuGetErrorString", api.getErrorString);
  find("cuDeviceGetCount", api.deviceGetCount);
  find("cuDeviceGet", api.deviceGet);
  find("cuDeviceGetName", api.deviceGetName);
  find("cuDeviceGetAttribute", api.deviceGetAttribute);
  find("cuDeviceTotalMem_v2", api.deviceTotalMem);
  find("cuDevicePrimaryCtxRetain", api.primaryContextRetain);
  find("cuDevicePrimaryCtxRelease_v2", api.primaryContextRelease);
  find("cuCtxSetCurrent", api.contextSetCurrent);
  find("cuMemGetInfo_v2", api.memGetInfo);
  find("cuMemAlloc_v2", api.memAlloc);
  find("cuMemFree_v2", api.memFree);
  find("cuMemHostAlloc", api.memHostAlloc);
  find("cuMemFreeHost", api.memFreeHost);
  find("cuMemsetD8Async", api.memsetAsync);
  find("cuMemcpyHtoDAsync_v2", api.copyToDevice);
  find("cuMemcpyDtoHAsync_v2", api.copyToHost);
  find("cuMemcpyDtoDAsync_v2", api.copyOnDevice);
  find("cuStreamCreate", api.streamCreate);
  find("cuStreamSynchronize", api.streamSynchronize);
  find("cuStreamDestroy_v2", api.streamDestroy);
  find("cuEventCreate", api.eventCreate);
  find("cuEventRecord", api.eventRecord);
  find("cuEventRecordWithFlags", api.eventRecordWithFlags);
  find("cuEventElapsedTime", api.eventElapsedTime);
  find("cuEventSynchronize", api.eventSynchronize);
  find("cuEventDestroy_v2", api.eventDestroy);
  find("cuModuleLoadData", api.moduleLoadData);
  find("cuModuleUnload", api.moduleUnload);
  find("cuModuleGetFunction", api.moduleGetFunction);
  find("cuFuncGetAttribute", api.functionGetAttribute);
  find("cuFuncSetAttribute", api.functionSetAttribute);
  find("cuOccupancyMaxActiveBlocksPerMultiprocessor", api.residentBlocks);
  find("cuLaunchKernelEx", api.launchKernel);
  find("cuStreamBeginCapture_v2", api.beginCapture);
  find("cuStreamEndCapture", api.endCapture);
  find("cuGraphInstantiateWithFlags", api.graphInstantiate);
  find("cuGraphLaunch", api.graphLaunch);
  find("cuGraphExecDestroy", api.graphExecDestroy);
  find("cuGraphDestroy", api.graphDestroy);
  if (missing)
    return makeError("the NVIDIA driver ({}) is too old: it lacks {}; llmopt needs one for CUDA 12",
                     path, missing);
  api.driverGetVersion(&api.version);
  if (api.version < oldestVersion)
    return makeError("the NVIDIA driver ({}) is too old: it is for CUDA {}.{}, llmopt needs one "
                     "for CUDA 12",
                     path, api.version / 1000, api.version % 1000 / 10);
  Code code = api.init(0);
  if (code == noDevice)
    return makeError("the NVIDIA driver ({}) finds no card", path);
  LLMOPT_TRY(api.check(code, "starting"));
  return api;
}

} // namespace llmopt::cuda_api
