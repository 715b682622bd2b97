// A path as people read it.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "explore/walk.h"

namespace entente::explore {

// The path on which the node was first reached: a line for each thing that happens, indented ones
// for what follows of it.
[[nodiscard]] std::vector<std::string> DescribePath(const Rules& rules, const Values& values,
                                                    const WalkResult& walk, size_t node);

// "flight", "hotel (alternative 1)".
[[nodiscard]] std::string NameOf(const BranchId& branch, uint32_t alternative);

// What stands or may stand, of what acts.
[[nodiscard]] std::vector<std::string> DescribeEffects(const Node& node);

}  // namespace entente::explore
