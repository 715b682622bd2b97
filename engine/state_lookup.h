// Where a branch is in a state. Internal to the engine.
#pragma once

#include <charconv>
#include <compare>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "engine/state.h"

namespace entente::engine {

struct BranchRef {
  size_t step = 0;
  size_t index = 0;
  friend auto operator<=>(const BranchRef&, const BranchRef&) = default;
};

// A branch's name taken apart.
struct BranchName {
  std::string_view step;
  std::optional<size_t> index;
};
[[nodiscard]] BranchName ParseBranchName(const BranchId& branch);

// The index that `name` has in a step of these facts, if it names one of its branches.
[[nodiscard]] std::optional<size_t> IndexIn(const StepFacts& step, const BranchName& name);

[[nodiscard]] std::optional<BranchRef> LocateBranch(const TxnState& state, const BranchId& branch);

[[nodiscard]] BranchId MakeBranchId(const std::string& step, std::optional<size_t> index);

[[nodiscard]] constexpr bool IsCalling(BranchPhase phase) {
  return phase == BranchPhase::kForward || phase == BranchPhase::kUndo ||
         phase == BranchPhase::kFinish;
}
[[nodiscard]] constexpr bool IsBackoff(BranchPhase phase) {
  return phase == BranchPhase::kForwardBackoff || phase == BranchPhase::kUndoBackoff ||
         phase == BranchPhase::kFinishBackoff;
}
[[nodiscard]] constexpr bool IsPending(BranchPhase phase) {
  return phase == BranchPhase::kForwardPending || phase == BranchPhase::kUndoPending ||
         phase == BranchPhase::kFinishPending;
}
[[nodiscard]] constexpr bool IsStuck(BranchPhase phase) {
  return phase == BranchPhase::kForwardStuck || phase == BranchPhase::kUndoStuck ||
         phase == BranchPhase::kFinishStuck;
}

// Its timer says when the reservation is too old to be confirmed.
[[nodiscard]] inline bool HoldsReservation(const BranchFacts& branch) {
  return branch.expires_at &&
         (branch.phase == BranchPhase::kDone || branch.phase == BranchPhase::kEnlisted);
}

// How many branches of a step did their forward part or had none to do, whatever became of them
// since.
[[nodiscard]] inline uint32_t ForwardDone(const StepFacts& step) {
  using P = BranchPhase;
  return step.phases.of(P::kDone, P::kSkipped, P::kReadOnly, P::kFinish, P::kFinishBackoff,
                        P::kFinishPending, P::kFinished, P::kFinishStuck);
}

// The role that a phase is about: of a branch that is blocked, waits or is settled, the last one.
[[nodiscard]] Role RoleOf(BranchPhase phase);

}  // namespace entente::engine
