//===- Driver.h - What the CUDA device needs of a machine -------------------------------------===//
//
// A thin interface with two sides: the driver API of a card (CardDriver.h), and the emulator that
// runs the same emitted source on the CPU (cuda_emulated/). All that is above it, loading, choosing
// and launching kernels, graphs, sampling, is written once and runs on both.
//
// Work is queued in the order of the calls, as on one stream, and may go on when a call returns.
// One thread at a time calls a driver.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_DRIVER_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_DRIVER_H

#include "runtime/devices/cuda/Nvrtc.h"
#include "support/Error.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace llmopt {

/// An address in the memory of the card; 0 is none.
using CudaAddress = uint64_t;

/// Facts of the card.
struct CudaCard {
  std::string name;
  int major = 0, minor = 0; ///< compute capability: 9, 0
  int multiprocessors = 0;
  uint32_t sharedBytes = 0; ///< shared memory that a block can have
  uint64_t totalBytes = 0;
  uint64_t freeBytes = 0; ///< when the driver was opened
  bool emulated = false;
};

/// Source that is compiled by itself: a file of the artifact.
struct CudaSource {
  std::string name; ///< "model.cu"
  std::string content;
  std::vector<std::string> kernels; ///< its `extern "C" __global__` functions that will be launched
};

/// A kernel, ready to launch; belongs to the driver, which derives from it what it needs.
class CudaKernel {
public:
  virtual ~CudaKernel() = default;
};

/// Memory that a launch may touch. The emulator holds a kernel to it, a card does not know of it.
struct CudaExtent {
  CudaAddress begin = 0;
  uint64_t bytes = 0;
  bool writable = false;
  bool fixed = false; ///< no launch of a step writes it: a kernel need not wait to read it
};

struct CudaLaunch {
  const CudaKernel *kernel = nullptr;
  uint32_t blocks = 1;
  uint32_t threads = 1; ///< of a block
  uint32_t sharedBytes = 0;
  /// Bytes of each parameter in order; copied by launch().
  std::vector<const void *> parameters;
  /// The kernel waits by itself for those before it (programmatic dependent launch), and may be
  /// started early. Where the card has no such thing it is started in order.
  bool early = false;
  /// All blocks run at once, so they may wait for each other. More than residentBlocks() are an
  /// error.
  bool cooperative = false;
  std::vector<CudaExtent> extents;
};

/// C[rows, columns] = A[rows, depth] * transpose(B[columns, depth]), all row-major and dense,
/// summed in float32.
struct CudaProduct {
  enum class Type { F32, F16, BF16 };
  int64_t rows = 0, columns = 0, depth = 0;
  int64_t strideB = 0; ///< elements from a row of B to the next
  Type inputs = Type::BF16, output = Type::BF16;
  CudaAddress a = 0, b = 0, c = 0;
};

/// Queued work that can be repeated as a whole.
class CudaGraph {
public:
  virtual ~CudaGraph() = default;
};

class CudaDriver {
public:
  virtual ~CudaDriver() = default;

  virtual const CudaCard &card() const = 0;
  /// Bytes that can be allocated now.
  virtual Result<uint64_t> freeBytes() = 0;

  //===- Memory: 256-byte aligned, given back with the driver or by free() --------------------===//

  /// `what` is for the error: "the weights take 15.0 GB, ...".
  virtual Result<CudaAddress> allocate(uint64_t bytes, const std::string &what) = 0;
  virtual void free(CudaAddress address) = 0;
  virtual Status fill(CudaAddress to, uint8_t byte, uint64_t bytes) = 0;
  virtual Status copy(CudaAddress to, CudaAddress from, uint64_t bytes) = 0;
  /// `from` may change when it returns.
  virtual Status upload(CudaAddress to, const void *from, uint64_t bytes) = 0;
  /// Waits for what is queued before.
  virtual Status download(void *to, CudaAddress from, uint64_t bytes) = 0;

  /// Queues a copy to memory of the host that it keeps, and gives a function that waits for this
  /// copy alone and returns where it is. At most `slots` (2) such copies may be open.
  static constexpr int slots = 2;
  virtual Result<std::function<Result<const void *>()>> downloadLater(CudaAddress from,
                                                                      uint64_t bytes) = 0;

  //===- Code ---------------------------------------------------------------------------------===//

  /// Compiles sources, several at once on `threads`, or takes them from a cache on disk; the
  /// kernels of each source in order. They stay with the driver.
  virtual Result<std::vector<std::vector<const CudaKernel *>>>
  load(const std::vector<CudaSource> &sources, const std::vector<CudaHeader> &headers,
       const std::string &arch, int threads, bool quiet) = 0;

  /// How many blocks of so many threads and so much dynamic shared memory the card runs at once; 0
  /// if it cannot run any.
  virtual Result<int> residentBlocks(const CudaKernel &kernel, uint32_t threads,
                                     uint32_t sharedBytes) = 0;
  /// Memory that a thread of the kernel has beside its registers, in bytes: what did not fit into
  /// them is kept there.
  virtual Result<int64_t> localBytes(const CudaKernel &kernel) = 0;

  virtual Status launch(const CudaLaunch &launch) = 0;
  /// The vendor's library for plain products.
  virtual Status multiply(const CudaProduct &product) = 0;

  /// What `queue` queues is recorded and not run. It may call launch, multiply, copy, fill and
  /// mark.
  virtual Result<std::unique_ptr<CudaGraph>> record(const std::function<Status()> &queue) = 0;
  virtual Status run(const CudaGraph &graph) = 0;

  /// Notes the time when what was queued before is done; in record(), at each run of the graph.
  virtual Status mark() = 0;
  /// Waits, and gives the seconds from the first mark to each since the last call; of a graph that
  /// ran several times those of the last run.
  virtual Result<std::vector<double>> takeMarks() = 0;

  /// Returns when all that was queued is done; an error of a kernel is told here or earlier.
  virtual Status synchronize() = 0;
};

/// An error if a cooperative launch has more blocks than the `resident` ones that run at once.
inline Status checkResident(const CudaLaunch &launch, const std::string &kernel, int resident,
                            const CudaCard &card) {
  if (static_cast<int64_t>(launch.blocks) <= resident)
    return success();
  return makeError("kernel {}: the blocks of a cooperative launch wait for each other, and of its "
                   "{} the {} runs {} at once",
                   kernel, launch.blocks, card.name, resident);
}

} // namespace llmopt

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_DRIVER_H
