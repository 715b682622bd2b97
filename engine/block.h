// Blocks: steps that are done for each element of one list. Internal to the engine.
//
// A block is a choice with one way (dsl::Choice::each), and its steps have a branch for each
// element: the n-th branches of all of them are a lane. Within a block a branch follows, and is
// undone before, those of its own lane only; from outside a step of a block is one like any other.
#pragma once

#include <cstddef>
#include <vector>

#include "engine/core/draft.h"

namespace entente::engine {

// Both belong to the same block.
[[nodiscard]] bool InOneBlock(const dsl::Plan& plan, size_t a, size_t b);

// Which step of its block keeps the elements: the first one. Of a step in none, itself.
[[nodiscard]] size_t KeeperOf(const dsl::Plan& plan, size_t step);

// Which branches of the step may begin by what they follow, in the order of the elements; where
// they follow nothing in the block, the next `most` of them. What it takes does not grow with the
// elements that are through, unless one of them is far behind the others.
[[nodiscard]] std::vector<size_t> LanesToBegin(const Draft& draft, size_t step, size_t most);

// How many elements every step of the block is done with, at most: by that step which is for
// fewest.
[[nodiscard]] size_t LanesThrough(const Draft& draft, size_t step);

// How many elements are under way: begun by this step, and not yet through.
[[nodiscard]] size_t LanesUnderWay(const Draft& draft, size_t step);

// Nothing of its lane that was built upon the branch stands, is being done or being undone.
[[nodiscard]] bool IsLaneClear(const Draft& draft, BranchRef ref);

// The same of all lanes behind that of the branch, in every step of the block.
[[nodiscard]] bool AreLanesBehindClear(const Draft& draft, BranchRef ref);

}  // namespace entente::engine
