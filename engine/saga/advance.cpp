#include "engine/saga/advance.h"

#include <algorithm>
#include <vector>

#include "engine/actions/actions.h"

namespace entente::engine::saga {
namespace {

using P = BranchPhase;

// Nothing that could still be refused is left by then: the compiler lets no step run beside the
// pivot. Also while paused, or a cancel could come in between and undo what has no undo.
void CrossPivot(Turn& turn, size_t step) {
  const Draft& draft = turn.draft;
  if (draft.plan().pivot == step && draft.status() == TxnStatus::kActive &&
      IsDone(draft.step(step))) {
    turn.draft.Record(CommitDecided{});
  }
}

constexpr DriveRules kRules{nullptr, &CrossPivot};

// In reverse order: what was built upon a step is undone before the step.
void UndoInOrder(Turn& turn) {
  Draft& draft = turn.draft;
  const dsl::Plan& plan = draft.plan();
  std::vector<bool> clear(plan.steps.size(), true);
  bool all_clear = true;
  for (size_t step = plan.steps.size(); step-- > 0;) {
    // The plan lists every step after its predecessors, so the answers for its successors are in;
    // each of them covers its own successors, also if it was itself skipped or never begun.
    const bool unlocked =
        std::all_of(plan.steps[step].before.begin(), plan.steps[step].before.end(),
                    [&clear](size_t next) { return clear[next]; });
    if (unlocked && !draft.paused() && NeedsUndo(draft, step)) {
      StartUndos(turn, step);
    }
    clear[step] = unlocked && IsClear(draft, step);
    all_clear = all_clear && clear[step];
  }
  if (all_clear) {
    EndAborted(turn);
  }
}

}  // namespace

void Advance(Turn& turn) {
  if (DriveSteps(turn, kRules)) {
    EndCommitted(turn);
  }
  if (turn.draft.status() == TxnStatus::kAborting) {
    UndoInOrder(turn);
  }
}

std::string_view PivotInDoubt(const Draft& draft) {
  static constexpr std::string_view kInDoubt = "transaction.pivot_in_doubt";
  if (!draft.plan().pivot) {
    return {};
  }
  const auto* work = std::get_if<dsl::CallWork>(&draft.plan().steps[*draft.plan().pivot].work);
  if (work != nullptr && work->CanBeUndone()) {
    return {};
  }
  const StepFacts& step = draft.step(*draft.plan().pivot);
  if (step.phases.of(BranchPhase::kForward, BranchPhase::kForwardPending, BranchPhase::kDone,
                     BranchPhase::kForwardStuck) > 0) {
    return kInDoubt;
  }
  for (size_t i = 0; step.phases.of(BranchPhase::kForwardBackoff) > 0 && i < step.size; ++i) {
    const BranchRef ref{*draft.plan().pivot, i};
    const bool backing_off = draft.branch(ref).phase == BranchPhase::kForwardBackoff;
    if (backing_off &&
        (draft.branch(ref).may_have_happened || IsChildOperation(draft, ref, Role::kForward))) {
      return kInDoubt;
    }
  }
  return {};
}

}  // namespace entente::engine::saga
