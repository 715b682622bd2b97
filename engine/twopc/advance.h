// How a two-phase commit goes on. Internal to engine/twopc.
#pragma once

#include <string_view>

#include "engine/core/table.h"

namespace entente::engine::twopc {

// Asks for votes, then decides; from then on commits or rolls back.
void Advance(Turn& turn);

// A yes; a read-only one leaves nothing to do in the second phase.
void VotedYes(Turn& turn, BranchRef ref);

// The only participant was asked to commit without a prepare, and the outcome is not known.
[[nodiscard]] std::string_view OnePhaseInDoubt(const Draft& draft);

// Its answers.
void OnePhaseRefused(Turn& turn, BranchRef ref);
void OnePhaseNotSent(Turn& turn, BranchRef ref);
void OnePhaseDiffers(Turn& turn, BranchRef ref);

}  // namespace entente::engine::twopc
