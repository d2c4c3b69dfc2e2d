// plan.json both ways. Reading checks every index and size, so that the devices need not.

#include "runtime/artifact/Artifact.h"

#include <cmath>
#include <set>

namespace llmopt {

/// No row, page or weight dimension comes near this; products of two stay inside int64_t.
static constexpr int64_t sizeLimit = int64_t(1) << 31;

const char *elementTypeName(ElementType type) {
  switch (type) {
  case ElementType::F32:
    return "F32";
  case ElementType::F16:
    return "F16";
  case ElementType::BF16:
    return "BF16";
  case ElementType::U8:
    return "U8";
  }
  return "";
}

std::optional<ElementType> parseElementType(const std::string &name) {
  for (ElementType type : {ElementType::F32, ElementType::F16, ElementType::BF16, ElementType::U8})
    if (name == elementTypeName(type))
      return type;
  return std::nullopt;
}

int64_t elementBytes(ElementType type) {
  return type == ElementType::F32 ? 4 : type == ElementType::U8 ? 1 : 2;
}

static const char *spaceName(RowSpace space) {
  return space == RowSpace::Token ? "token" : "logit";
}

static int64_t roundUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

int64_t PlanWeight::bytes() const {
  int64_t paddedRows = packing.panel ? roundUp(rows, packing.panel) : rows;
  int64_t paddedColumns = packing.panel ? roundUp(columns, packing.interleave) : columns;
  return paddedRows * paddedColumns * elementBytes(type);
}

//===- Writing --------------------------------------------------------------------------------===//

static const char *argumentKind(LaunchArgument::Kind kind) {
  switch (kind) {
  case LaunchArgument::Kind::Buffer:
    return "buffer";
  case LaunchArgument::Kind::Weight:
    return "weight";
  case LaunchArgument::Kind::Cache:
    return "cache";
  }
  return "";
}

static OrderedJson toJson(const PlanBuffer &buffer) {
  return {{"name", buffer.name},
          {"space", spaceName(buffer.space)},
          {"offset", buffer.offset},
          {"row_bytes", buffer.rowBytes},
          {"type", elementTypeName(buffer.type)}};
}

static OrderedJson toJson(const PlanWeight &weight) {
  OrderedJson json = {{"name", weight.name},
                      {"type", elementTypeName(weight.type)},
                      {"rows", weight.rows},
                      {"columns", weight.columns}};
  if (weight.packing.panel)
    json["packing"] = {{"panel", weight.packing.panel}, {"interleave", weight.packing.interleave}};
  if (weight.quantized)
    json["quantized"] = weight.quantized;
  for (const RandomSegment &segment : weight.random)
    json["random"].push_back({{"rows", segment.rows},
                              {"seed", segment.seed},
                              {"mean", segment.mean},
                              {"scale", segment.scale}});
  return json;
}

static OrderedJson toJson(const PlanLaunch &launch) {
  OrderedJson json = {{"kernel", launch.kernel}, {"from", launch.from}};
  json["arguments"] = OrderedJson::array();
  for (const LaunchArgument &argument : launch.arguments)
    json["arguments"].push_back({{argumentKind(argument.kind), argument.index}});
  json["space"] = spaceName(launch.space);
  json["weight_bytes"] = launch.weightBytes;
  json["flops_per_row"] = launch.flopsPerRow;
  if (launch.readsCache)
    json["reads_cache"] = true;
  if (!launch.target.empty())
    json["target"] = launch.target;
  return json;
}

OrderedJson Plan::toJson() const {
  OrderedJson json;
  json["token_row_bytes"] = tokenRowBytes;
  json["logit_row_bytes"] = logitRowBytes;
  json["thread_scratch_bytes"] = threadScratchBytes;
  json["cache"] = {{"layers", cache.layers},
                   {"page_tokens", cache.pageTokens},
                   {"page_bytes", cache.pageBytes},
                   {"type", cache.type}};
  json["logits"] = logits;
  json["buffers"] = OrderedJson::array();
  for (const PlanBuffer &buffer : buffers)
    json["buffers"].push_back(llmopt::toJson(buffer));
  json["weights"] = OrderedJson::array();
  for (const PlanWeight &weight : weights)
    json["weights"].push_back(llmopt::toJson(weight));
  json["launches"] = OrderedJson::array();
  for (const PlanLaunch &launch : launches)
    json["launches"].push_back(llmopt::toJson(launch));
  if (!target.empty())
    json["target"] = target;
  return json;
}

//===- Reading --------------------------------------------------------------------------------===//

static Result<RowSpace> parseSpace(const Json &json, const std::string &what) {
  LLMOPT_ASSIGN(std::string name, jsonString(json, "space", what));
  for (RowSpace space : {RowSpace::Token, RowSpace::Logit})
    if (name == spaceName(space))
      return space;
  return makeError("{}: field 'space' is '{}', not 'token' or 'logit'", what, name);
}

static Result<PlanBuffer> parseBuffer(const Json &json, const Plan &plan, const std::string &what) {
  PlanBuffer buffer;
  LLMOPT_ASSIGN(buffer.name, jsonString(json, "name", what));
  LLMOPT_ASSIGN(buffer.space, parseSpace(json, what));
  LLMOPT_ASSIGN(buffer.offset, jsonInteger(json, "offset", what, 0, sizeLimit));
  LLMOPT_ASSIGN(buffer.rowBytes, jsonInteger(json, "row_bytes", what, 1, sizeLimit));
  if (jsonHas(json, "type")) {
    LLMOPT_ASSIGN(std::string type, jsonString(json, "type", what));
    std::optional<ElementType> known = parseElementType(type);
    if (!known || *known == ElementType::U8)
      return makeError("{}: unknown element type '{}'", what, shortened(type));
    buffer.type = *known;
  }
  if (buffer.offset % 64 != 0)
    return makeError("{}: offset {} is not a multiple of 64", what, buffer.offset);
  int64_t arena = buffer.space == RowSpace::Token ? plan.tokenRowBytes : plan.logitRowBytes;
  if (buffer.offset + buffer.rowBytes > arena)
    return makeError("{}: bytes {} to {} of a row lie outside the arena's {}", what, buffer.offset,
                     buffer.offset + buffer.rowBytes, arena);
  if (buffer.rowBytes % elementBytes(buffer.type) != 0)
    return makeError("{}: a row of {} bytes has no whole elements of {}", what, buffer.rowBytes,
                     elementTypeName(buffer.type));
  return buffer;
}

static Result<RandomSegment> parseRandomSegment(const Json &json, const std::string &what) {
  RandomSegment segment;
  LLMOPT_ASSIGN(segment.rows, jsonInteger(json, "rows", what, 1, sizeLimit));
  LLMOPT_ASSIGN(int64_t seed, jsonInteger(json, "seed", what, 0, UINT32_MAX));
  LLMOPT_ASSIGN(double mean, jsonNumber(json, "mean", what));
  LLMOPT_ASSIGN(double scale, jsonNumber(json, "scale", what));
  segment.seed = static_cast<uint32_t>(seed);
  if (std::abs(mean) > 1e30 || std::abs(scale) > 1e30)
    return makeError("{}: mean {} or scale {} is too large", what, mean, scale);
  segment.mean = static_cast<float>(mean);
  segment.scale = static_cast<float>(scale);
  return segment;
}

static Result<PlanWeight> parseWeight(const Json &json, const std::string &what) {
  PlanWeight weight;
  LLMOPT_ASSIGN(weight.name, jsonString(json, "name", what));
  LLMOPT_ASSIGN(std::string type, jsonString(json, "type", what));
  std::optional<ElementType> known = parseElementType(type);
  if (!known)
    return makeError("{}: unknown element type '{}'", what, type);
  weight.type = *known;
  LLMOPT_ASSIGN(weight.rows, jsonInteger(json, "rows", what, 1, sizeLimit));
  LLMOPT_ASSIGN(weight.columns, jsonInteger(json, "columns", what, 1, sizeLimit));
  if (jsonHas(json, "packing")) {
    LLMOPT_ASSIGN(const Json *packing, jsonObject(json, "packing", what));
    LLMOPT_ASSIGN(weight.packing.panel, jsonInteger(*packing, "panel", what, 1, 4096));
    LLMOPT_ASSIGN(weight.packing.interleave, jsonInteger(*packing, "interleave", what, 1, 4096));
  }
  if (double(weight.rows + 4096) * double(weight.columns + 4096) > double(int64_t(1) << 50))
    return makeError("{}: [{}, {}] is too large", what, weight.rows, weight.columns);
  if (weight.type == ElementType::U8) {
    LLMOPT_ASSIGN(weight.quantized, jsonInteger(json, "quantized", what, 1, int64_t(1) << 50));
    if (weight.packing.panel || jsonHas(json, "random"))
      return makeError("{}: a quantized weight has no packing of the plan's and is not random",
                       what);
  }
  if (jsonHas(json, "random")) {
    LLMOPT_ASSIGN(const Json *segments, jsonArray(json, "random", what));
    int64_t rows = 0;
    for (const Json &element : *segments) {
      LLMOPT_ASSIGN(RandomSegment segment, parseRandomSegment(element, what + ": random"));
      rows += segment.rows;
      weight.random.push_back(segment);
      if (rows > weight.rows)
        break;
    }
    if (rows != weight.rows)
      return makeError("{}: the random segments' rows do not add up to {}", what, weight.rows);
  }
  return weight;
}

/// A kernel's name is looked up in the module as it is.
static bool isIdentifier(const std::string &name) {
  if (name.empty() || name.size() > 1024 || (name[0] >= '0' && name[0] <= '9'))
    return false;
  for (char c : name)
    if (!(c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')))
      return false;
  return true;
}

static Result<LaunchArgument> parseArgument(const Json &json, const Plan &plan,
                                            const std::string &what) {
  struct Case {
    LaunchArgument::Kind kind;
    int64_t count;
  };
  for (Case c : {Case{LaunchArgument::Kind::Buffer, int64_t(plan.buffers.size())},
                 Case{LaunchArgument::Kind::Weight, int64_t(plan.weights.size())},
                 Case{LaunchArgument::Kind::Cache, plan.cache.layers}}) {
    const char *name = argumentKind(c.kind);
    if (!jsonHas(json, name))
      continue;
    LaunchArgument argument;
    argument.kind = c.kind;
    LLMOPT_ASSIGN(argument.index, jsonInteger(json, name, what, 0, c.count - 1));
    return argument;
  }
  return makeError("{}: an argument is neither a buffer, a weight nor a cache", what);
}

static Result<PlanLaunch> parseLaunch(const Json &json, const Plan &plan, const std::string &what) {
  PlanLaunch launch;
  LLMOPT_ASSIGN(launch.kernel, jsonString(json, "kernel", what));
  if (!isIdentifier(launch.kernel))
    return makeError("{}: kernel '{}' is not an identifier", what, launch.kernel);
  LLMOPT_ASSIGN(launch.from, jsonString(json, "from", what));
  LLMOPT_ASSIGN(const Json *arguments, jsonArray(json, "arguments", what));
  for (const Json &element : *arguments) {
    LLMOPT_ASSIGN(LaunchArgument argument, parseArgument(element, plan, what));
    launch.arguments.push_back(argument);
  }
  LLMOPT_ASSIGN(launch.space, parseSpace(json, what));
  LLMOPT_ASSIGN(launch.weightBytes, jsonInteger(json, "weight_bytes", what, 0, int64_t(1) << 50));
  LLMOPT_ASSIGN(launch.flopsPerRow, jsonInteger(json, "flops_per_row", what, 0, int64_t(1) << 50));
  if (jsonHas(json, "reads_cache")) {
    LLMOPT_ASSIGN(launch.readsCache, jsonBool(json, "reads_cache", what));
  }
  if (jsonHas(json, "target")) {
    LLMOPT_ASSIGN(const Json *target, jsonObject(json, "target", what));
    launch.target = *target;
  }
  return launch;
}

static Result<PlanCache> parseCache(const Json &json, const std::string &what) {
  PlanCache cache;
  LLMOPT_ASSIGN(cache.layers, jsonInteger(json, "layers", what, 0, 1 << 20));
  LLMOPT_ASSIGN(cache.pageTokens, jsonInteger(json, "page_tokens", what, 1, 1 << 20));
  LLMOPT_ASSIGN(cache.pageBytes, jsonInteger(json, "page_bytes", what, 0, sizeLimit));
  LLMOPT_ASSIGN(cache.type, jsonString(json, "type", what));
  if (cache.pageBytes % 64 != 0)
    return makeError("{}: page_bytes {} is not a multiple of 64", what, cache.pageBytes);
  return cache;
}

Result<Plan> Plan::fromJson(const Json &json, const std::string &what) {
  Plan plan;
  LLMOPT_ASSIGN(plan.tokenRowBytes, jsonInteger(json, "token_row_bytes", what, 0, sizeLimit));
  LLMOPT_ASSIGN(plan.logitRowBytes, jsonInteger(json, "logit_row_bytes", what, 0, sizeLimit));
  LLMOPT_ASSIGN(plan.threadScratchBytes,
                jsonInteger(json, "thread_scratch_bytes", what, 0, sizeLimit));
  LLMOPT_ASSIGN(const Json *cache, jsonObject(json, "cache", what));
  LLMOPT_ASSIGN(plan.cache, parseCache(*cache, what + ": cache"));

  LLMOPT_ASSIGN(const Json *buffers, jsonArray(json, "buffers", what));
  for (const Json &element : *buffers) {
    std::string where = fmt::format("{}: buffer {}", what, plan.buffers.size());
    LLMOPT_ASSIGN(PlanBuffer buffer, parseBuffer(element, plan, where));
    plan.buffers.push_back(std::move(buffer));
  }
  LLMOPT_ASSIGN(const Json *weights, jsonArray(json, "weights", what));
  std::set<std::string> names;
  for (const Json &element : *weights) {
    std::string where = fmt::format("{}: weight {}", what, plan.weights.size());
    LLMOPT_ASSIGN(PlanWeight weight, parseWeight(element, where));
    if (!names.insert(weight.name).second)
      return makeError("{}: the name '{}' appears twice", where, weight.name);
    plan.weights.push_back(std::move(weight));
  }
  LLMOPT_ASSIGN(const Json *launches, jsonArray(json, "launches", what));
  for (const Json &element : *launches) {
    std::string where = fmt::format("{}: launch {}", what, plan.launches.size());
    LLMOPT_ASSIGN(PlanLaunch launch, parseLaunch(element, plan, where));
    plan.launches.push_back(std::move(launch));
  }

  if (jsonHas(json, "target")) {
    LLMOPT_ASSIGN(const Json *target, jsonObject(json, "target", what));
    plan.target = *target;
  }
  LLMOPT_ASSIGN(plan.logits,
                jsonInteger(json, "logits", what, 0, int64_t(plan.buffers.size()) - 1));
  if (plan.buffers[plan.logits].space != RowSpace::Logit)
    return makeError("{}: the logits are buffer {}, which has no row per wanted logit", what,
                     plan.logits);
  return plan;
}

} // namespace llmopt
