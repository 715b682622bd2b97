#include "dsl/steps/step_order.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <queue>
#include <utility>

#include "base/check.h"

namespace entente::dsl {

StepOrder::StepOrder(std::vector<std::vector<size_t>> after)
    : after_(std::move(after)), before_(after_.size()) {
  ENTENTE_CHECK(after_.size() <= limits::kMaxSteps);
  for (size_t step = 0; step < after_.size(); ++step) {
    for (const size_t predecessor : after_[step]) {
      before_[step].set(predecessor);
    }
  }
  // Warshall's transitive closure, a row at a time.
  for (size_t middle = 0; middle < after_.size(); ++middle) {
    for (auto& before : before_) {
      if (before.test(middle)) {
        before |= before_[middle];
      }
    }
  }
  FindCycles();
}

void StepOrder::FindCycles() {
  std::bitset<limits::kMaxSteps> reported;
  for (size_t step = 0; step < after_.size(); ++step) {
    if (!Precedes(step, step) || reported.test(step)) {
      continue;
    }
    cycles_.push_back(ShortestCycle(step));
    for (size_t other = 0; other < after_.size(); ++other) {
      if (Precedes(step, other) && Precedes(other, step)) {
        reported.set(other);
      }
    }
  }
}

std::vector<size_t> StepOrder::ShortestCycle(size_t start) const {
  // Breadth first from the start along `after`, until it comes back.
  std::vector<size_t> came_from(after_.size(), after_.size());
  std::deque<size_t> open = {start};
  while (true) {
    ENTENTE_CHECK(!open.empty());
    const size_t step = open.front();
    open.pop_front();
    for (const size_t predecessor : after_[step]) {
      if (predecessor == start) {
        std::vector<size_t> cycle = {step};
        while (cycle.back() != start) {
          cycle.push_back(came_from[cycle.back()]);
        }
        std::reverse(cycle.begin(), cycle.end());
        return cycle;
      }
      if (came_from[predecessor] == after_.size()) {
        came_from[predecessor] = step;
        open.push_back(predecessor);
      }
    }
  }
}

std::vector<size_t> StepOrder::Sorted() const {
  ENTENTE_CHECK(cycles_.empty());
  std::vector<std::vector<size_t>> successors(after_.size());
  std::vector<size_t> waits_for(after_.size(), 0);
  for (size_t step = 0; step < after_.size(); ++step) {
    waits_for[step] = after_[step].size();
    for (const size_t predecessor : after_[step]) {
      successors[predecessor].push_back(step);
    }
  }
  std::priority_queue<size_t, std::vector<size_t>, std::greater<>> ready;
  for (size_t step = 0; step < after_.size(); ++step) {
    if (waits_for[step] == 0) {
      ready.push(step);
    }
  }
  std::vector<size_t> sorted;
  while (!ready.empty()) {
    const size_t step = ready.top();
    ready.pop();
    sorted.push_back(step);
    for (const size_t successor : successors[step]) {
      if (--waits_for[successor] == 0) {
        ready.push(successor);
      }
    }
  }
  return sorted;
}

}  // namespace entente::dsl
