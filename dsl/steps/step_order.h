// StepOrder: which step comes after which.
#pragma once

#include <bitset>
#include <cstddef>
#include <vector>

#include "base/limits.h"

namespace entente::dsl {

// The transitive order that direct predecessors give. Immutable; at most limits::kMaxSteps steps.
class StepOrder {
 public:
  // `after[i]` are the direct predecessors of step i; a cycle is allowed and can be asked for.
  explicit StepOrder(std::vector<std::vector<size_t>> after);

  // Whether `first` has certainly ended before `second` starts.
  [[nodiscard]] bool Precedes(size_t first, size_t second) const {
    return before_[second].test(first);
  }

  // One cycle for each group of steps that wait for each other: its steps, each after the next one,
  // the last after the first. A step after itself is a cycle of one.
  [[nodiscard]] const std::vector<std::vector<size_t>>& cycles() const { return cycles_; }

  // All steps, each after its predecessors, otherwise as given. Only without cycles.
  [[nodiscard]] std::vector<size_t> Sorted() const;

 private:
  void FindCycles();
  [[nodiscard]] std::vector<size_t> ShortestCycle(size_t start) const;

  std::vector<std::vector<size_t>> after_;
  std::vector<std::bitset<limits::kMaxSteps>> before_;  // All predecessors of a step.
  std::vector<std::vector<size_t>> cycles_;
};

}  // namespace entente::dsl
