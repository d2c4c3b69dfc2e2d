#include "passes/CudaDefaults.h"

#include "support/Json.h"

namespace llmopt {

namespace {
/// What schedules start from.
struct Wanted {
  const char *name;
  std::vector<const char *> parameters;
  bool panels; ///< only where weights lie in panels
};
} // namespace

static const std::vector<const char *> gemmParameters = {
    "columns", "rows", "depth", "stages", "warp_columns", "warp_rows", "warp_depths"};

static const Wanted wanted[] = {
    {"matvec", {"columns", "warps", "stages"}, false},
    {"gemm/f32/few", gemmParameters, false},
    {"gemm/f32/many", gemmParameters, false},
    {"gemm/f32 as 16 bits/few", gemmParameters, false},
    {"gemm/f32 as 16 bits/many", gemmParameters, false},
    {"gemm/16 bits/few", gemmParameters, false},
    {"gemm/16 bits/many", gemmParameters, false},
    {"matvec_panels", {"columns", "depth", "warps", "stages", "blocks"}, true},
    {"gemm_wgmma/few", {"columns", "stages", "consumers"}, true},
    {"gemm_wgmma/many", {"columns", "rows", "stages", "consumers"}, true},
};

/// The object at a path "a/b" of another.
static Result<const Json *> objectAt(const Json &json, const std::string &path,
                                     const std::string &what) {
  const Json *found = &json;
  for (size_t begin = 0; begin <= path.size();) {
    size_t end = std::min(path.find('/', begin), path.size());
    LLMOPT_ASSIGN(found, jsonObject(*found, path.substr(begin, end - begin).c_str(), what));
    begin = end + 1;
  }
  return found;
}

Result<CudaDefaults> CudaDefaults::parse(const std::string &text, const CudaTarget &target) {
  const std::string what = "passes/schedules/" + target.arch + ".json";
  LLMOPT_ASSIGN(Json json, parseUniqueJson(text, what));
  CudaDefaults defaults;
  for (const Wanted &entry : wanted) {
    if (entry.panels && !target.warpgroups)
      continue;
    LLMOPT_ASSIGN(const Json *fields, objectAt(json, entry.name, what));
    for (const char *parameter : entry.parameters) {
      LLMOPT_ASSIGN(defaults.all[entry.name][parameter],
                    jsonInteger(*fields, parameter, what + ": " + entry.name, 1, 4096));
    }
  }
  return defaults;
}

Result<CudaDefaults> CudaDefaults::of(const CudaTarget &target) {
  for (const EmbeddedFile &file : cudaScheduleFiles())
    if (file.name == target.arch)
      return parse(file.content, target);
  return makeError("there is no passes/schedules/{}.json", target.arch);
}

} // namespace llmopt
