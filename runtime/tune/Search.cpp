#include "runtime/tune/Search.h"

#include <algorithm>
#include <map>

namespace llmopt {

bool keepsSums(const SearchSpace &space, const CudaParameters &instance) {
  for (const CudaParameter &parameter : space.start.kind->parameters)
    if (!parameter.keepsSums &&
        instance.at(parameter.name) != space.start.parameters.at(parameter.name))
      return false;
  return true;
}

/// Lowers the stages until the instance fits, if that can be; whether there is such an instance.
static bool makeFit(const SearchSpace &space, CudaParameters &instance) {
  const CudaSchedule &start = space.start;
  auto fits = [&] {
    return start.kind->check(start.shape, instance) &&
           start.kind->sharedBytes(start.shape, instance) <= space.sharedBytes;
  };
  const CudaParameter *stages = start.kind->find("stages");
  if (fits() || !stages)
    return fits();
  int64_t most = instance.at("stages");
  for (auto fewer = stages->candidates.rbegin(); fewer != stages->candidates.rend(); ++fewer) {
    instance["stages"] = *fewer;
    if (*fewer < most && fits())
      return true;
  }
  return false;
}

std::vector<CudaParameters> neighbours(const SearchSpace &space, const CudaParameters &from,
                                       const CudaParameter &parameter) {
  std::vector<CudaParameters> found;
  const std::string name = parameter.name;
  if ((name == "rows" && space.maxRows != 0) || (space.keepsSums && !parameter.keepsSums))
    return found;
  for (int64_t value : parameter.candidates) {
    CudaParameters instance = from;
    instance[name] = value;
    if (instance == from || !makeFit(space, instance))
      continue;
    if (std::find(found.begin(), found.end(), instance) == found.end() && instance != from)
      found.push_back(std::move(instance));
  }
  return found;
}

namespace {
class Descent {
public:
  Descent(const SearchSpace &space, const PrepareInstances &prepare,
          const MeasureInstances &measure, const std::function<bool()> &expired)
      : space(space), prepare(prepare), measure(measure), expired(expired) {}

  Result<SearchResult> run() {
    result.best = space.start.parameters;
    LLMOPT_TRY(prepare({result.best}));
    LLMOPT_TRY(tryAll({result.best}));
    std::optional<double> seconds = known.at(result.best);
    if (!seconds)
      return makeError("the function cannot be measured as it was compiled");
    result.seconds = result.startSeconds = *seconds;
    bool better = true;
    while (better && !expired()) {
      better = false;
      LLMOPT_TRY(prepareAround());
      for (const CudaParameter &parameter : space.start.kind->parameters) {
        if (expired())
          break;
        LLMOPT_ASSIGN(bool found, descend(parameter));
        better |= found;
      }
    }
    result.tried = static_cast<int64_t>(known.size());
    return result;
  }

private:
  const SearchSpace &space;
  const PrepareInstances &prepare;
  const MeasureInstances &measure;
  const std::function<bool()> &expired;
  std::map<CudaParameters, std::optional<double>> known;
  SearchResult result;

  std::vector<CudaParameters> unknown(const CudaParameter &parameter) const {
    std::vector<CudaParameters> instances = neighbours(space, result.best, parameter);
    instances.erase(std::remove_if(instances.begin(), instances.end(),
                                   [&](auto &instance) { return known.count(instance) > 0; }),
                    instances.end());
    return instances;
  }

  Status prepareAround() {
    std::vector<CudaParameters> all;
    for (const CudaParameter &parameter : space.start.kind->parameters)
      for (CudaParameters &instance : unknown(parameter))
        if (std::find(all.begin(), all.end(), instance) == all.end())
          all.push_back(std::move(instance));
    return prepare(all);
  }

  Status tryAll(const std::vector<CudaParameters> &instances) {
    LLMOPT_ASSIGN(auto times, measure(instances));
    for (size_t i = 0; i < instances.size(); ++i)
      known[instances[i]] = times[i];
    return success();
  }

  /// Moves to the best along a parameter; whether that is another.
  Result<bool> descend(const CudaParameter &parameter) {
    std::vector<CudaParameters> instances = unknown(parameter);
    if (instances.empty())
      return false;
    LLMOPT_TRY(prepare(instances));
    LLMOPT_TRY(tryAll(instances));
    bool better = false;
    for (const CudaParameters &instance : instances) {
      std::optional<double> seconds = known.at(instance);
      if (!seconds || *seconds >= result.seconds * (better ? 1 : 1 - leastGain))
        continue;
      result.best = instance;
      result.seconds = *seconds;
      better = true;
    }
    return better;
  }
};
} // namespace

Result<SearchResult> search(const SearchSpace &space, const PrepareInstances &prepare,
                            const MeasureInstances &measure, const std::function<bool()> &expired) {
  return Descent(space, prepare, measure, expired).run();
}

} // namespace llmopt
