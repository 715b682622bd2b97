#include "engine/state.h"

#include "engine/state_lookup.h"

namespace entente::engine {

bool TxnState::has_incident() const {
  if (finished()) {
    return false;
  }
  for (const StepState& step : steps) {
    if (step.phases.of(BranchPhase::kForwardStuck, BranchPhase::kUndoStuck,
                       BranchPhase::kFinishStuck) > 0) {
      return true;
    }
  }
  return false;
}

BranchName ParseBranchName(const BranchId& branch) {
  const std::string_view text = branch.str();
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return {text, std::nullopt};
  }
  const std::string_view digits = text.substr(colon + 1);
  size_t index = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
  const bool canonical = digits.size() == 1 || (digits.size() > 1 && digits.front() != '0');
  if (error != std::errc() || end != digits.data() + digits.size() || !canonical) {
    return {text, std::nullopt};
  }
  return {text.substr(0, colon), index};
}

std::optional<size_t> IndexIn(const StepFacts& step, const BranchName& name) {
  if (!step.expanded || step.id != name.step || step.for_each != name.index.has_value()) {
    return std::nullopt;
  }
  const size_t index = name.index.value_or(0);
  if (index >= step.size) {
    return std::nullopt;
  }
  return index;
}

std::optional<BranchRef> LocateBranch(const TxnState& state, const BranchId& branch) {
  const BranchName name = ParseBranchName(branch);
  for (size_t step = 0; step < state.steps.size(); ++step) {
    if (const auto index = IndexIn(state.steps[step], name)) {
      return BranchRef{step, *index};
    }
  }
  return std::nullopt;
}

const BranchState* FindBranch(const TxnState& state, const BranchId& branch) {
  const auto ref = LocateBranch(state, branch);
  return ref ? &state.steps[ref->step].branches[ref->index] : nullptr;
}

bool IsCalledOff(const TxnState& state, const BranchId& branch) {
  const auto ref = LocateBranch(state, branch);
  return state.status == TxnStatus::kAborting || (ref && state.steps[ref->step].lost());
}

BranchId MakeBranchId(const std::string& step, std::optional<size_t> index) {
  if (!index) {
    return BranchId(step);
  }
  return BranchId(step + ':' + std::to_string(*index));
}

BranchId MakeBranchId(const dsl::Plan& plan, size_t step, std::optional<size_t> index) {
  ENTENTE_CHECK(step < plan.steps.size());
  return MakeBranchId(plan.steps[step].id, index);
}

Role RoleOf(BranchPhase phase) {
  if (phase >= BranchPhase::kFinish && phase <= BranchPhase::kFinishStuck) {
    return Role::kFinish;
  }
  return phase >= BranchPhase::kUndo && phase <= BranchPhase::kUndoStuck ? Role::kUndo
                                                                         : Role::kForward;
}

std::string_view OutcomeOf(const TxnState& state) {
  const auto decided = [&state](TxnStatus end) { return state.forced == end; };
  if (state.commit_decided || state.status == TxnStatus::kCommitted) {
    return "committed";
  }
  if (state.abort || state.status == TxnStatus::kAborted) {
    return "aborted";
  }
  return decided(TxnStatus::kCommitted) ? "committed"
         : decided(TxnStatus::kAborted) ? "aborted"
                                        : "undecided";
}

}  // namespace entente::engine
