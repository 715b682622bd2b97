#include "dsl/step_sources.h"

namespace entente::dsl {
namespace {

const Json* FindArray(const Json& object, const char* member) {
  const auto found = object.is_object() ? object.find(member) : object.end();
  return object.is_object() && found != object.end() && found->is_array() ? &*found : nullptr;
}

void List(const Json& steps, const std::string& pointer, std::optional<WayOfChoice> way,
          std::vector<StepSource>& sources) {
  std::optional<size_t> previous = way ? std::optional(way->choice) : std::nullopt;
  for (size_t i = 0; i < steps.size(); ++i) {
    const size_t step = sources.size();
    const std::string at = pointer + "/" + std::to_string(i);
    sources.push_back({&steps[i], at, way, previous});
    previous = step;
    const Json* ways = FindArray(steps[i], "choose");
    for (size_t n = 0; ways != nullptr && n < ways->size(); ++n) {
      if (const Json* inner = FindArray((*ways)[n], "steps")) {
        List(*inner, at + "/choose/" + std::to_string(n) + "/steps", WayOfChoice{step, n}, sources);
      }
    }
  }
}

}  // namespace

std::vector<StepSource> ListSteps(const Json& steps, const std::string& pointer) {
  std::vector<StepSource> sources;
  List(steps, pointer, std::nullopt, sources);
  return sources;
}

}  // namespace entente::dsl
