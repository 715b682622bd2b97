#include "engine/bounded.h"
#include "engine/core/draft.h"
#include "engine/core/render.h"
#include "engine/core/table.h"
#include "engine/engine.h"

namespace entente::engine {
namespace {

void AddBranch(const Draft& draft, BranchRef ref, std::vector<Effect>& effects) {
  const BranchFacts& branch = draft.branch(ref);
  // What has its time once the abort is carried out is not part of what that stops.
  const bool aborting =
      draft.step(ref.step).lost() ||
      (draft.status() == TxnStatus::kAborting && draft.plan_step(ref).stage == dsl::Stage::kMain);
  if (IsCalling(branch.phase)) {
    auto call = RenderCall(draft, ref);
    if (!call.ok()) {
      return;  // Recovered turned it into an incident or an abort before anybody asks here.
    }
    const auto* child = std::get_if<StartChild>(&*call);
    const bool cancel = child != nullptr && aborting && branch.phase == BranchPhase::kForward;
    const Gid gid = child != nullptr ? child->child : Gid();
    effects.push_back(std::move(call).value());
    if (cancel) {
      effects.emplace_back(CancelChild{gid});
    }
    return;
  }
  // An aborting transaction waits for nothing but its undos; a paused one has no timers at all.
  const bool sleeps = IsBackoff(branch.phase) || IsPending(branch.phase) ||
                      (branch.phase == BranchPhase::kWaiting && !aborting) ||
                      (HoldsReservation(branch) && draft.status() == TxnStatus::kActive);
  if (sleeps && branch.wake_at && !draft.paused()) {
    effects.emplace_back(ArmTimer{branch.id, *branch.wake_at});
  }
}

std::vector<Effect> OutstandingIn(const Draft& draft, const TxnState& state) {
  std::vector<Effect> effects;
  if (state.revision == Sequence() || state.finished()) {
    return effects;
  }
  if (state.deadline && state.status != TxnStatus::kAborting && !state.deadline_missed &&
      !state.held) {
    effects.emplace_back(ArmTimer{std::nullopt, *state.deadline});
  }
  for (size_t step = 0; step < state.steps.size(); ++step) {
    for (size_t i = 0; i < state.steps[step].size; ++i) {
      AddBranch(draft, {step, i}, effects);
    }
  }
  return effects;
}

}  // namespace

Result<Effect> PreviewCall(const dsl::Plan& plan, const TxnState& state, const BranchId& branch) {
  const Draft draft(plan, state, state.updated_at, 0);
  const auto ref = draft.Locate(branch);
  if (!ref || ref->step >= plan.steps.size()) {
    return Refusal("branch.not_found", state.gid, branch);
  }
  if (OperationOf(draft, *ref, RoleOf(draft.branch(*ref).phase)) == nullptr) {
    return Refusal("branch.not_editable", state.gid, branch);
  }
  return RenderCall(draft, *ref);
}

std::vector<Effect> Outstanding(const dsl::Plan& plan, const TxnState& state) {
  return OutstandingIn(Draft(plan, state, state.updated_at, 0), state);
}

std::optional<std::vector<Effect>> OutstandingWithin(uint64_t most, const dsl::Plan& plan,
                                                     const TxnState& state) {
  const Draft draft(plan, state, state.updated_at, 0, most);
  std::vector<Effect> effects = OutstandingIn(draft, state);
  return draft.overrun() ? std::nullopt : std::optional(std::move(effects));
}

}  // namespace entente::engine
