#include "runtime/artifact/CudaSchedule.h"

namespace llmopt {

/// No dimension of a weight comes near this.
static constexpr int64_t sizeLimit = int64_t(1) << 31;

Json CudaSchedule::toJson() const {
  Json segments = Json::array();
  for (const CudaLinearShape::Segment &segment : shape.segments)
    segments.push_back({segment.units, segment.streams});
  return {{"kind", kind->kind},       {"parameters", parameters}, {"depth", shape.depth},
          {"columns", shape.columns}, {"segments", segments},     {"weight", shape.weight},
          {"compute", shape.compute}};
}

static Result<std::string> readType(const Json &json, const char *key, const std::string &what) {
  LLMOPT_ASSIGN(std::string type, jsonString(json, key, what));
  if (type != "f32" && type != "f16" && type != "bf16")
    return makeError("{}: field '{}' is '{}', not 'f32', 'f16' or 'bf16'", what, key,
                     shortened(type));
  return type;
}

static Result<CudaLinearShape> readShape(const Json &json, const std::string &what) {
  CudaLinearShape shape;
  LLMOPT_ASSIGN(shape.depth, jsonInteger(json, "depth", what, 1, sizeLimit));
  LLMOPT_ASSIGN(shape.columns, jsonInteger(json, "columns", what, 1, sizeLimit));
  LLMOPT_ASSIGN(shape.weight, readType(json, "weight", what));
  LLMOPT_ASSIGN(shape.compute, readType(json, "compute", what));
  LLMOPT_ASSIGN(const Json *segments, jsonArray(json, "segments", what));
  for (const Json &pair : *segments) {
    std::string where = fmt::format("{}: segment {}", what, shape.segments.size());
    if (!pair.is_array() || pair.size() != 2)
      return makeError("{} is no pair", where);
    Json named = {{"units", pair[0]}, {"streams", pair[1]}};
    CudaLinearShape::Segment segment;
    LLMOPT_ASSIGN(segment.units, jsonInteger(named, "units", where, 1, sizeLimit));
    LLMOPT_ASSIGN(segment.streams, jsonInteger(named, "streams", where, 1, 2));
    shape.segments.push_back(segment);
  }
  if (shape.segments.empty())
    return makeError("{}: there are no segments", what);
  return shape;
}

Result<CudaSchedule> CudaSchedule::fromJson(const Json &json, const std::string &what) {
  CudaSchedule schedule;
  LLMOPT_ASSIGN(std::string kind, jsonString(json, "kind", what));
  schedule.kind = findCudaTemplate(kind);
  if (!schedule.kind)
    return makeError("{}: there is no template '{}'", what, shortened(kind));
  LLMOPT_ASSIGN(schedule.shape, readShape(json, what));
  LLMOPT_ASSIGN(const Json *parameters, jsonObject(json, "parameters", what));
  for (const auto &[name, value] : parameters->items()) {
    LLMOPT_ASSIGN(schedule.parameters[name],
                  jsonInteger(*parameters, name.c_str(), what, 1, INT32_MAX));
  }
  if (Status status = schedule.kind->check(schedule.shape, schedule.parameters); !status)
    return status.error().within(what);
  return schedule;
}

} // namespace llmopt
