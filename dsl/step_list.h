// StepList: the steps' names and their order, read before anything in them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "dsl/expressions.h"
#include "dsl/plan.h"
#include "dsl/problem_list.h"

namespace entente::dsl {

struct StepList {
  StepTable table;
  std::vector<std::vector<size_t>> after;  // Direct predecessors, by index in the definition.
  std::optional<size_t> pivot;

  // Whether the step only goes forward; false as well where its place is uncertain.
  [[nodiscard]] bool IsAfterPivot(size_t step) const {
    return pivot && table.order.Precedes(*pivot, step);
  }
};

// Reads `id`, `after` and `pivot` of every step of the array at `pointer`, which has at most
// limits::kMaxSteps elements. Reports bad and repeated ids, unknown predecessors, cycles, a second
// pivot, and steps beside the pivot.
[[nodiscard]] StepList ReadStepList(const Json& steps, const std::string& pointer, Mode mode,
                                    ProblemList& problems);

}  // namespace entente::dsl
