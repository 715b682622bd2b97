// Deciding where others wait for the thread: what is worked out soon, or nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/engine.h"

namespace entente::engine {

// As Decide, if its expressions take no more than `most` steps of evaluation (as those of
// limits::kMaxExpressionCost) together; else nothing, which says nothing of the decision: Decide,
// on a thread for which nobody waits, finds it.
[[nodiscard]] std::optional<Decision> DecideWithin(uint64_t most, const dsl::Plan& plan,
                                                   const TxnState& state, const Input& input);

// The same of Outstanding.
[[nodiscard]] std::optional<std::vector<Effect>> OutstandingWithin(uint64_t most,
                                                                   const dsl::Plan& plan,
                                                                   const TxnState& state);

}  // namespace entente::engine
