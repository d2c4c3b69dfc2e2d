//===- Artifact.h - The one definition of a compiled model on disk ----------------------------===//
//
// An artifact is a directory:
//
// - manifest.json: Manifest: what it is, for which target, sizes and checksums of every file
// - plan.json: Plan: buffers, weights, launches in order
// - module.mlir: the final IR, for reading
// - CPU: model.cpp and kernels/, the emitted source, for reading, and model.so made of it
// - CUDA: source/KERNEL.cu, kernels/: the emitted source, compiled when the model is loaded
// - weights.safetensors: packed weights, every tensor 4 KiB aligned; absent if all are random
// - tokenizer files of the checkpoint, as they were
//
// The compiler's writer and the runtime's reader share these structures and their JSON. The reader
// trusts nothing: every index, size, name and checksum is checked in open().
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_ARTIFACT_ARTIFACT_H
#define LLMOPT_RUNTIME_ARTIFACT_ARTIFACT_H

#include "support/Error.h"
#include "support/Json.h"
#include "support/Safetensors.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace llmopt {

/// Raised when the meaning of a file of the artifact changes; the runtime opens its own number
/// only.
constexpr int64_t artifactFormatVersion = 3;

/// Element types of buffers and weights, spelled as safetensors does. U8: a byte of a quantized
/// weight, whose layout is between the compiler and its kernels.
enum class ElementType { F32, F16, BF16, U8 };
const char *elementTypeName(ElementType type);
std::optional<ElementType> parseElementType(const std::string &name);
int64_t elementBytes(ElementType type);

//===- Plan -----------------------------------------------------------------------------------===//

/// What a buffer has one row for. N and M are the step's own (see KernelAbi.h).
enum class RowSpace {
  Token, ///< N rows, one per token of the batch
  Logit, ///< M rows, one per wanted row of logits
};

/// An intermediate in the arena: rows of `rowBytes`, dense. With R rows in its space in this step
/// it begins `offset * R` bytes into the arena of that space; offsets are multiples of 64.
struct PlanBuffer {
  std::string name;
  RowSpace space = RowSpace::Token;
  int64_t offset = 0;
  int64_t rowBytes = 0;
  ElementType type = ElementType::F32; ///< of the elements of a row; of a workspace for what it has
};

/// How a [rows, columns] matrix lies in memory: row-major if panel is 0, else
/// [ceil(rows / panel)][ceil(columns / interleave)][panel][interleave], zeros past the end.
struct Packing {
  int64_t panel = 0;
  int64_t interleave = 1;

  bool operator==(const Packing &other) const {
    return panel == other.panel && interleave == other.interleave;
  }
};

/// Rows of a weight that has no data: value(row, column) is randomWeight(seed, index, mean, scale)
/// of support/RandomWeights.h, with index = (row - first row of this segment) * columns + column.
struct RandomSegment {
  int64_t rows = 0;
  uint32_t seed = 0;
  float mean = 0;
  float scale = 0; ///< sqrt(3) * standard deviation
};

/// A weight tensor: [rows, columns]; a vector has one column. `random` is empty if the bytes are in
/// weights.safetensors under `name`, else its segments' rows add up to `rows`.
struct PlanWeight {
  std::string name;
  ElementType type = ElementType::F32;
  int64_t rows = 0;
  int64_t columns = 0;
  Packing packing;
  std::vector<RandomSegment> random;
  /// Of U8, whose rows and columns are of bytes: the numbers that they stand for.
  int64_t quantized = 0;

  /// Numbers that the weight is made of, padding left out.
  int64_t elements() const { return quantized ? quantized : rows * columns; }
  /// Bytes in memory, padding included. Checked against overflow when the plan is read.
  int64_t bytes() const;
};

struct LaunchArgument {
  enum class Kind {
    Buffer, ///< index into Plan::buffers
    Weight, ///< index into Plan::weights
    Cache,  ///< index is the layer: the first byte of its pages
  };
  Kind kind = Kind::Buffer;
  int64_t index = 0;
};

/// One kernel call of the step. `from` is for people: the IR operations it came from.
struct PlanLaunch {
  std::string kernel;
  std::string from;
  std::vector<LaunchArgument> arguments;
  /// For bench and profile: operations and bytes as a + b * rows (N or M by the kernel's own
  /// space). Weight bytes are counted once per launch.
  int64_t weightBytes = 0;
  int64_t flopsPerRow = 0;
  bool readsCache = false; ///< all that its layer's cache holds of the batch's sequences
  RowSpace space = RowSpace::Token;
  /// Facts of the target, kept as they are: for CUDA the grid rule, block size and shared memory.
  Json target = Json::object();
};

/// The paged key-value cache: per layer `pageBytes` per page of `pageTokens` tokens.
struct PlanCache {
  int64_t layers = 0;
  int64_t pageTokens = 0;
  int64_t pageBytes = 0;
  std::string type; ///< element type, for people
};

struct Plan {
  std::vector<PlanBuffer> buffers;
  std::vector<PlanWeight> weights;
  std::vector<PlanLaunch> launches;
  PlanCache cache;
  int64_t logits = 0;             ///< the buffer that holds the [M, vocabulary] float32 logits
  int64_t tokenRowBytes = 0;      ///< the token arena has tokenRowBytes * N bytes
  int64_t logitRowBytes = 0;      ///< likewise for M
  int64_t threadScratchBytes = 0; ///< private to each thread of the team (CPU)
  /// Facts of the target about the whole step, kept as they are: for CUDA how tokens are chosen.
  Json target = Json::object();

  OrderedJson toJson() const;
  /// Checks every index and size; `what` names the file.
  static Result<Plan> fromJson(const Json &json, const std::string &what);
};

//===- Manifest -------------------------------------------------------------------------------===//

/// Sizes and XXH3-64 checksums of a file, one per `checksumChunkBytes` of it, so that large files
/// are checked in parallel.
constexpr uint64_t checksumChunkBytes = uint64_t(1) << 24;
struct FileRecord {
  uint64_t bytes = 0;
  std::vector<std::string> checksums; ///< 16 hexadecimal digits each
};

/// Reads and hashes a file; `threads` at once.
Result<FileRecord> recordFile(const std::string &path, int threads);

struct Manifest {
  std::string compilerVersion;
  std::string target; ///< "cpu" or "cuda"
  std::string arch;   ///< CPU: "x86-64-v4", "native:..."; CUDA: "sm_90a"
  /// CPU features that model.so needs, as /proc/cpuinfo names them ("avx512f", "avx512_bf16", ...).
  std::vector<std::string> requiredFeatures;
  std::string precision;       ///< "bf16-true", ...
  std::string quantization;    ///< "int4;lm_head=int8", ...; empty: nothing is quantized
  bool batchInvariant = false; ///< a row's logits do not depend on the rows beside it
  std::string model;           ///< for people: the checkpoint's own model_type and name
  int64_t vocabularySize = 0;
  int64_t contextLength = 0; ///< the longest sequence, prompt and new tokens together
  int64_t parameters = 0;
  int64_t weightBytes = 0;
  bool randomWeights = false;
  std::vector<int32_t> stopTokens; ///< end-of-sequence ids of the checkpoint's configuration
  std::map<std::string, FileRecord> files; ///< by path inside the artifact; all but manifest.json

  /// The text of manifest.json, with a checksum of itself as the last field.
  std::string serialize() const;
  static Result<Manifest> parse(const std::string &text, const std::string &what);
};

//===- Artifact -------------------------------------------------------------------------------===//

/// Whether a folder says of itself that it is an artifact, of any version, whole or not.
bool isArtifact(const std::string &path);

/// An artifact opened for running: checked whole, weights mapped.
struct Artifact {
  std::string path;
  Manifest manifest;
  Plan plan;
  std::optional<SafetensorsFile> weights;

  /// The manifest and the plan alone, checked: enough to say what it is and takes.
  static Result<Artifact> openPlan(const std::string &path);

  /// Opens and checks everything: version, checksums of all files, plan, and every weight's entry
  /// in weights.safetensors against the plan.
  static Result<Artifact> open(const std::string &path, int threads);

  /// The mapped bytes of a weight that has data.
  const uint8_t *weightData(const PlanWeight &weight) const;
};

} // namespace llmopt

#endif // LLMOPT_RUNTIME_ARTIFACT_ARTIFACT_H
