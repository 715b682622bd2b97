#include "dsl/steps/step_sources.h"

#include "base/check.h"

namespace entente::dsl {
namespace {

const Json* FindArray(const Json& object, const char* member) {
  const auto found = object.is_object() ? object.find(member) : object.end();
  return object.is_object() && found != object.end() && found->is_array() ? &*found : nullptr;
}

// The steps that are done for each element of a list; null: it is no such step.
const Json* BlockOf(const Json& step) {
  const auto each = step.is_object() ? step.find("forEach") : step.end();
  return step.is_object() && each != step.end() ? FindArray(*each, "steps") : nullptr;
}

void List(const Json& steps, const std::string& pointer, Stage stage,
          std::optional<WayOfChoice> way, std::optional<size_t> block,
          std::vector<StepSource>& sources) {
  std::optional<size_t> previous = way ? std::optional(way->choice) : std::nullopt;
  for (size_t i = 0; i < steps.size(); ++i) {
    const size_t step = sources.size();
    const std::string at = pointer + "/" + std::to_string(i);
    sources.push_back({&steps[i], at, way, previous, stage, block});
    previous = step;
    if (const Json* inner = BlockOf(steps[i]); inner != nullptr && !block) {
      List(*inner, at + "/forEach/steps", stage, WayOfChoice{step, 0}, step, sources);
      continue;
    }
    const Json* ways = FindArray(steps[i], "choose");
    for (size_t n = 0; ways != nullptr && n < ways->size(); ++n) {
      if (const Json* inner = FindArray((*ways)[n], "steps")) {
        List(*inner, at + "/choose/" + std::to_string(n) + "/steps", stage, WayOfChoice{step, n},
             block, sources);
      }
    }
  }
}

}  // namespace

std::string_view FieldOf(Stage stage) {
  switch (stage) {
    case Stage::kMain: return "steps";
    case Stage::kCommitted: return "onCommitted";
    case Stage::kAborted: return "onAborted";
  }
  ENTENTE_CHECK(false);
}

std::vector<StepSource> ListSteps(const Json& definition) {
  std::vector<StepSource> sources;
  for (const Stage stage : {Stage::kMain, Stage::kCommitted, Stage::kAborted}) {
    const std::string field(FieldOf(stage));
    if (const Json* steps = FindArray(definition, field.c_str())) {
      List(*steps, "/" + field, stage, std::nullopt, std::nullopt, sources);
    }
  }
  return sources;
}

}  // namespace entente::dsl
