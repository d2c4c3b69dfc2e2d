//===- TuneBench.h - Functions of a model, run one by one on their real weights ---------------===//
//
// A step of `rows` sequences, a token each, is computed launch by launch, so that each finds the
// input that the model gives it. At any of them other instances of its function can be run in its
// place, compared with it and timed.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_TUNE_TUNEBENCH_H
#define LLMOPT_RUNTIME_TUNE_TUNEBENCH_H

#include "runtime/devices/Device.h"
#include "runtime/devices/cuda/CudaBatch.h"
#include "runtime/devices/cuda/CudaCode.h"
#include "runtime/devices/cuda/CudaWeights.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace llmopt {

/// Another instance of a function, loaded.
struct TuneCandidate {
  CudaGrid grid;
  const CudaKernel *kernel = nullptr; ///< null: it does not compile
  int64_t localBytes = 0;             ///< of a thread: what did not fit into registers
};

class TuneBench {
public:
  /// Loads code and weights. The driver goes with the bench.
  static Result<std::unique_ptr<TuneBench>> open(std::shared_ptr<const Artifact> artifact,
                                                 std::unique_ptr<CudaDriver> driver,
                                                 const DeviceOptions &options);

  const Artifact &artifact() const { return *model; }
  const CudaPlan &plan() const { return functions; }
  const CudaCard &card() const { return driver->card(); }
  const std::string &arch() const { return architecture; }

  /// Compiles instances of a function, several at once.
  Result<std::vector<TuneCandidate>> compile(const CudaGrid &function, const std::string &kernel,
                                             const std::vector<CudaParameters> &instances);

  /// A new step of so many rows.
  Status begin(int64_t rows);
  /// Runs the launches before this one, which is not run yet; launches only rise within a step.
  Status advance(size_t launch);

  /// The launch's results with its function as it was compiled, or with a candidate in its place.
  /// What it writes is destroyed before, so that nothing is taken for a result that is none.
  struct Results {
    struct Part {
      ElementType type;
      std::string bytes;
    };
    std::vector<Part> parts;
  };
  Result<Results> results(size_t launch, const TuneCandidate *candidate);

  /// Seconds of one run of the candidate, each after the other with the weights of another layer:
  /// the median of some samples.
  Result<double> time(size_t launch, const TuneCandidate &candidate);

private:
  TuneBench(std::shared_ptr<const Artifact> artifact, std::unique_ptr<CudaDriver> driver,
            DeviceOptions options)
      : model(std::move(artifact)), driver(std::move(driver)), options(std::move(options)),
        batch(*this->driver) {}

  Status load();
  Result<CudaSource> sourceOf(const CudaGrid &function, const std::string &kernel,
                              const CudaParameters &instance) const;
  int64_t rowsOf(RowSpace space) const;
  CudaExtent extentOf(const LaunchArgument &argument) const;
  std::vector<LaunchArgument> written(size_t launch) const;
  Status queueLaunch(size_t launch, const TuneCandidate *candidate);
  Status queueGrid(const CudaGrid &grid, const CudaKernel *kernel, size_t launch, size_t weights);
  Status queueProduct(const CudaPlannedProduct &product, size_t launch);

  std::shared_ptr<const Artifact> model;
  std::unique_ptr<CudaDriver> driver;
  DeviceOptions options;
  std::string architecture;
  CudaPlan functions;
  CudaSources sources;
  CudaCode code;
  CudaWeights weights;
  CudaBatch batch;
  CudaExtent tokenArena, logitArena, cache;
  int64_t pages = 0;
  size_t next = 0; ///< the launch that has not run yet
};

/// Whether `other` is what `expected` is: to the bit, or else, in each part, no further from it
/// than the type's bound times its largest value. No number is close to one that is none.
bool areClose(const TuneBench::Results &expected, const TuneBench::Results &other, bool exactly);

/// The bound: 1e-4 of F32, 2^-10 of F16, 2^-7 of BF16: one or two units in the last place of the
/// largest value.
double closeness(ElementType type);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_TUNE_TUNEBENCH_H
