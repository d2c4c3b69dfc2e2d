#include "support/CudaTemplates.h"

#include <algorithm>

namespace llmopt {

static int64_t ceilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }
static int64_t roundUp(int64_t a, int64_t b) { return ceilDivide(a, b) * b; }
static bool isPowerOf2(int64_t value) { return value > 0 && (value & (value - 1)) == 0; }

int64_t CudaLinearShape::streams() const {
  int64_t most = 1;
  for (const Segment &segment : segments)
    most = std::max(most, segment.streams);
  return most;
}

namespace {
/// Reads parameters that are known to be there.
struct Reader {
  const CudaParameters &parameters;
  int64_t operator()(const char *name) const { return parameters.at(name); }
};
} // namespace

//===- matvec: kernels/matvec.cuh -------------------------------------------------------------===//

static int64_t matvecThreads(const CudaParameters &p) { return 32 * p.at("warps"); }

static int64_t matvecShared(const CudaLinearShape &shape, const CudaParameters &parameters) {
  Reader p{parameters};
  return p("warps") * p("stages") * p("columns") * 512 +
         p("rows") * roundUp(shape.depth, 16) * shape.computeBytes() +
         p("warps") * p("columns") * p("rows") * 4;
}

static const char *matvecProblem(const CudaLinearShape &, const CudaParameters &parameters) {
  Reader p{parameters};
  if (!isPowerOf2(p("columns")) || !isPowerOf2(p("rows")))
    return "columns and rows are powers of two";
  if (p("columns") * p("rows") > 64)
    return "a lane has registers for 64 sums, columns times rows";
  if (p("stages") < 2)
    return "there are at least 2 stages";
  return nullptr;
}

//===- matvec_panels: kernels/matvec_panels.cuh -----------------------------------------------===//

/// With a warp that loads.
static int64_t panelsThreads(const CudaParameters &p) { return 32 * (p.at("warps") + 1); }

static int64_t panelsShared(const CudaLinearShape &shape, const CudaParameters &parameters) {
  Reader p{parameters};
  return p("stages") * (p("columns") * p("depth") * 2 + 16) +
         p("rows") * (roundUp(shape.depth, 64) + 8) * 2 +
         2 * p("warps") * p("columns") * p("rows") * 4;
}

static const char *panelsProblem(const CudaLinearShape &, const CudaParameters &parameters) {
  Reader p{parameters};
  if (p("columns") % 16 != 0 || p("depth") % (32 * p("warps")) != 0)
    return "a warp takes multiples of 16 columns and of 32 of depth";
  if (p("blocks") > 32)
    return "a multiprocessor has at most 32 blocks";
  return nullptr;
}

//===- gemm: kernels/gemm.cuh -----------------------------------------------------------------===//

static int64_t gemmThreads(const CudaParameters &parameters) {
  Reader p{parameters};
  return 32 * p("warp_columns") * p("warp_rows") * p("warp_depths");
}

static int64_t gemmShared(const CudaLinearShape &shape, const CudaParameters &parameters) {
  Reader p{parameters};
  bool tensor = shape.compute != "f32";
  int64_t padding = tensor ? 8 : 4;
  int64_t stageBytes = p("columns") * (p("depth") + padding) * shape.weightBytes() +
                       p("rows") * (p("depth") + padding) * shape.computeBytes();
  int64_t splits = tensor ? p("warp_depths") : 1;
  return std::max(p("stages") * stageBytes, splits * p("rows") * (p("columns") + 1) * 4);
}

static const char *gemmProblem(const CudaLinearShape &shape, const CudaParameters &parameters) {
  Reader p{parameters};
  if (p("stages") < 2)
    return "there are at least 2 stages";
  if (shape.compute == "f32") {
    if (p("columns") % (gemmThreads(parameters) / 16) != 0 || p("rows") % 16 != 0 ||
        p("depth") % 4 != 0)
      return "16 threads share the rows, the others the columns, and a step has 4 of depth";
    if (p("columns") * p("rows") / gemmThreads(parameters) > 64)
      return "a thread has registers for 64 sums";
    return nullptr;
  }
  if (p("columns") % (16 * p("warp_columns")) != 0 || p("rows") % (16 * p("warp_rows")) != 0 ||
      p("depth") % (16 * p("warp_depths")) != 0)
    return "a warp takes multiples of 16 columns, of 16 rows and of 16 of depth";
  if (p("columns") * p("rows") / (32 * p("warp_columns") * p("warp_rows")) > 128)
    return "a lane has registers for 128 sums";
  return nullptr;
}

//===- gemm_wgmma: kernels/gemm_wgmma.cuh -----------------------------------------------------===//

static int64_t wgmmaThreads(const CudaParameters &p) { return 128 * (1 + p.at("consumers")); }

static int64_t wgmmaShared(const CudaLinearShape &, const CudaParameters &parameters) {
  Reader p{parameters};
  return std::max(p("stages") * (p("columns") + p("rows")) * 128,
                  p("rows") * (p("columns") + 4) * 4) +
         2 * p("stages") * 8;
}

static const char *wgmmaProblem(const CudaLinearShape &, const CudaParameters &parameters) {
  Reader p{parameters};
  if (p("columns") % (64 * p("consumers")) != 0)
    return "a consumer takes multiples of 64 columns";
  if (!isPowerOf2(p("rows")) || p("rows") < 8 || p("rows") > 256)
    return "rows are 8, 16, 32, 64, 128 or 256";
  if (p("columns") / p("consumers") / 64 * p("rows") / 2 > 128)
    return "a thread has registers for 128 sums";
  if (p("consumers") > 2)
    return "there are at most 2 consumers";
  if (p("stages") < 2)
    return "there are at least 2 stages";
  return nullptr;
}

//===- The table ------------------------------------------------------------------------------===//

/// How many rows a function is for is part of what it is for; only where it is for any number does
/// a search try others.
static const std::vector<CudaTemplate> &templates() {
  static const std::vector<CudaTemplate> all = {
      {"matvec",
       "Matvec<Shape, {}>",
       /*takesRows=*/true,
       {{"rows", "Rows", {}, true},
        {"columns", "Columns", {2, 4, 8, 16}, true},
        {"warps", "Warps", {2, 4, 8, 16}, false},
        {"stages", "Stages", {2, 3, 4, 6, 8}, true}},
       matvecThreads,
       matvecShared,
       matvecProblem},
      {"matvec_panels",
       "PanelMatvec<Shape, {}>",
       /*takesRows=*/true,
       {{"rows", "Rows", {}, true},
        {"columns", "Columns", {16, 32, 64}, true},
        {"depth", "Depth", {128, 256, 512, 1024}, false},
        {"warps", "Warps", {4, 8, 16}, false},
        {"stages", "Stages", {1, 2, 3, 4, 5, 6, 8, 10, 12}, true},
        {"blocks", "Blocks", {1, 2}, true}},
       panelsThreads,
       panelsShared,
       panelsProblem},
      {"gemm",
       "Gemm<Shape, GemmSchedule<{}>>",
       /*takesRows=*/false,
       {{"columns", "Columns", {32, 64, 128, 256}, true},
        {"rows", "Rows", {16, 32, 64, 128, 256}, true},
        {"depth", "Depth", {32, 64, 128, 256}, false},
        {"stages", "Stages", {2, 3, 4, 5}, true},
        {"warp_columns", "WarpColumns", {1, 2, 4, 8}, true},
        {"warp_rows", "WarpRows", {1, 2, 4}, true},
        {"warp_depths", "WarpDepths", {1, 2, 4}, false}},
       gemmThreads,
       gemmShared,
       gemmProblem},
      {"gemm_wgmma",
       "WgmmaGemm<Shape, WgmmaSchedule<{}>>",
       /*takesRows=*/false,
       {{"columns", "Columns", {64, 128, 256}, true},
        {"rows", "Rows", {64, 128, 256}, true},
        {"stages", "Stages", {2, 3, 4, 5, 6, 8}, true},
        {"consumers", "Consumers", {1, 2}, true}},
       wgmmaThreads,
       wgmmaShared,
       wgmmaProblem},
  };
  return all;
}

const CudaTemplate *findCudaTemplate(const std::string &kind) {
  for (const CudaTemplate &each : templates())
    if (kind == each.kind)
      return &each;
  return nullptr;
}

//===- Instances ------------------------------------------------------------------------------===//

const CudaParameter *CudaTemplate::find(const std::string &name) const {
  for (const CudaParameter &parameter : parameters)
    if (name == parameter.name)
      return &parameter;
  return nullptr;
}

Status CudaTemplate::check(const CudaLinearShape &shape, const CudaParameters &given) const {
  constexpr int64_t most = 4096; // of any parameter; products of several stay inside int64_t
  constexpr int64_t mostThreads = 1024;
  for (const auto &[name, value] : given) {
    if (!find(name))
      return makeError("'{}' is no parameter of '{}'", shortened(name), kind);
    if (value < 1 || value > most)
      return makeError("{} is {}, not from 1 to {}", name, value, most);
  }
  for (const CudaParameter &parameter : parameters)
    if (!given.count(parameter.name))
      return makeError("'{}' has no {}", kind, parameter.name);
  if (int64_t block = threads(given); block > mostThreads)
    return makeError("a block would have {} threads; {} is the most", block, mostThreads);
  if (given.at("columns") % shape.streams() != 0)
    return makeError("{} columns are no whole units of {}", given.at("columns"), shape.streams());
  if (const char *reason = problem(shape, given))
    return makeError("{}", reason);
  return success();
}

CudaInstance CudaTemplate::instance(const CudaLinearShape &shape,
                                    const CudaParameters &given) const {
  CudaInstance result;
  for (const CudaLinearShape::Segment &segment : shape.segments)
    result.tiles += ceilDivide(segment.units, given.at("columns") / segment.streams);
  result.rowsPerTile = given.at("rows");
  result.threads = threads(given);
  result.sharedBytes = sharedBytes(shape, given);
  if (find("blocks"))
    result.blocksPerMultiprocessor = given.at("blocks");
  return result;
}

std::string CudaTemplate::arguments(const CudaParameters &given) const {
  std::string text;
  for (const CudaParameter &parameter : parameters)
    text += fmt::format("{}/*{}=*/{}", text.empty() ? "" : ", ", parameter.label,
                        given.at(parameter.name));
  return text;
}

std::string CudaTemplate::macros(const std::string &function, const CudaLinearShape &shape,
                                 const CudaParameters &given) const {
  CudaInstance made = instance(shape, given);
  return fmt::format("#define {0}_SCHEDULE {1}\n#define {0}_TILES {2}\n#define {0}_THREADS {3}\n"
                     "#define {0}_SHARED {4}\n",
                     function, arguments(given), made.tiles, made.threads, made.sharedBytes);
}

std::string cudaFunctionKey(const std::string &kind, const CudaLinearShape &shape, int64_t maxRows,
                            bool batchInvariant) {
  std::string types =
      shape.weight == shape.compute ? shape.weight : shape.weight + " as " + shape.compute;
  return fmt::format("{} depth {} columns {} streams {} {} rows {}{}", kind, shape.depth,
                     shape.columns, shape.streams(), types,
                     maxRows ? std::to_string(maxRows) : "any",
                     batchInvariant ? " batch-invariant" : "");
}

} // namespace llmopt
