// How a TCC goes on. Internal to engine/tcc.
#pragma once

#include <string_view>

#include "engine/core/table.h"

namespace entente::engine::tcc {

// Tries, then decides; from then on confirms or cancels.
void Advance(Turn& turn);

// A try succeeded: it may hold its reservation only for a time.
void Tried(Turn& turn, BranchRef ref);

// Until the decision there is always a way back.
[[nodiscard]] std::string_view NeverInDoubt(const Draft& draft);

}  // namespace entente::engine::tcc
