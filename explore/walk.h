// Walk: the graph of all nodes that can be reached, within bounds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "explore/moves.h"

namespace entente::explore {

// Told of what is walked through, in an order in which less goes wrong comes first.
class WalkObserver {
 public:
  virtual ~WalkObserver() = default;
  // A node is reached for the first time by `turn`; it is named by its number from then on.
  virtual void OnTurn(size_t number, const Turn& turn) = 0;
  // The node has no next one.
  virtual void OnEnd(size_t number, const Node& node) = 0;
};

struct WalkResult {
  struct Entry {
    size_t from = 0;  // The node that it was first reached from.
    Move move;
  };
  std::vector<Entry> nodes;                      // By number; the first is before the submit.
  std::vector<std::pair<size_t, size_t>> edges;  // All of them, also to a node known before.
  bool complete = true;
  bool out_of_time = false;  // Why it is not; else the paths ran out.
  bool thinned = false;      // Orders of many answers at once were left out.
  bool fault_bound = false;  // Moves beyond the bound on faults were left out.
  size_t whole_faults = 0;   // With so many faults and fewer, everything was walked.
};

// Blocks until everything is walked or the options' bounds end it.
[[nodiscard]] WalkResult Walk(const Rules& rules, const ExploreOptions& options,
                              WalkObserver& observer);

// How many ways lead from the first node to each, capped at 2^62.
[[nodiscard]] std::vector<uint64_t> CountPaths(const WalkResult& walk);

}  // namespace entente::explore
