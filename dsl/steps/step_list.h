// StepList: the steps' names and their order, read before anything in them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "dsl/expressions.h"
#include "dsl/plan.h"
#include "dsl/read/problem_list.h"
#include "dsl/steps/step_sources.h"

namespace entente::dsl {

struct StepList {
  StepTable table;
  std::vector<std::vector<size_t>> after;  // Direct predecessors, by index in the definition.
  std::vector<bool> after_any;             // As Step's.
  std::vector<size_t> pivots;              // Several only in different ways of one choice.

  [[nodiscard]] bool IsPivot(size_t step) const;
  // Whether the step only goes forward, past a pivot or once the outcome is decided; false as well
  // where its place is uncertain.
  [[nodiscard]] bool IsAfterPivot(size_t step) const;
  // Whether no pivot can be crossed while it is under way. Of a step that a choice excludes from a
  // pivot that may be false: what follows the pivot alone does not wait for it.
  [[nodiscard]] bool EndsBeforePivots(size_t step) const;
  // Whether it has its time once the outcome is decided.
  [[nodiscard]] bool IsAfterwards(size_t step) const { return table.stages[step] != Stage::kMain; }
};

// Reads `id`, `after` and `pivot` of every step, of which there are at most limits::kMaxSteps.
// Reports bad and repeated ids, unknown predecessors, cycles, races that can not be, a second
// pivot, and steps beside the pivot. What comes after a choice from outside of it comes after the
// steps of all its ways.
[[nodiscard]] StepList ReadStepList(const std::vector<StepSource>& steps, Mode mode,
                                    ProblemList& problems);

}  // namespace entente::dsl
