// StepSources: the steps of a definition in one list, wherever they stand in it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "dsl/plan.h"

namespace entente::dsl {

// Where one step is written.
struct StepSource {
  const Json* json;  // Of the definition, which outlives it.
  std::string pointer;
  std::optional<WayOfChoice> way;  // By its place in the list.
  // What it comes after unless it says: the step before it, or for the first step of a way the
  // choice. None: it starts at once.
  std::optional<size_t> previous;
  Stage stage = Stage::kMain;
  std::optional<size_t> block = std::nullopt;  // The step whose 'forEach' lists it, at any depth.
};

// The steps of `steps`, then of `onCommitted` and `onAborted`, where the definition has them; each
// choice before the steps of its ways, which may hold choices in turn, and each 'forEach' with
// steps before those, as the steps of its only way. What is not as it should be
// is left out here and reported where it is compiled. Recursion is bounded by the depth of a
// definition.
[[nodiscard]] std::vector<StepSource> ListSteps(const Json& definition);

// The field that lists the steps of a stage.
[[nodiscard]] std::string_view FieldOf(Stage stage);

}  // namespace entente::dsl
