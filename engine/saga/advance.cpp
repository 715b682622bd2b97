#include "engine/saga/advance.h"

#include <algorithm>
#include <vector>

#include "engine/actions/actions.h"
#include "engine/block.h"

namespace entente::engine::saga {
namespace {

using P = BranchPhase;

// The choice took another way than that of the step.
bool IsOffTheWay(const Draft& draft, size_t step) {
  for (auto way = draft.plan().steps[step].way; way; way = draft.plan().steps[way->choice].way) {
    if (!IsWayTaken(draft, *way)) {
      return true;
    }
  }
  return false;
}

// Nothing that could still be refused is left by then: the compiler lets no step run beside the
// pivot. Also while paused, or a cancel could come in between and undo what has no undo. A pivot
// on a way that is not taken decides nothing: what runs instead of it may still be refused.
void CrossPivot(Turn& turn, size_t step) {
  const Draft& draft = turn.draft;
  if (draft.plan().steps[step].pivot && draft.status() == TxnStatus::kActive &&
      IsDone(draft.step(step)) && !(draft.step(step).skipped && IsOffTheWay(draft, step))) {
    turn.draft.Record(CommitDecided{});
  }
}

// No pivot was on the way that was taken, and what comes after the choice has nothing that would
// undo it.
void EnterForwardOnly(Turn& turn, size_t step) {
  if (turn.draft.plan().steps[step].after_pivot && turn.draft.status() == TxnStatus::kActive &&
      !IsOffTheWay(turn.draft, step)) {
    turn.draft.Record(CommitDecided{});
  }
}

// A pivot that is under way, or may have happened, and that nothing undoes.
bool IsInDoubt(const Draft& draft, size_t pivot) {
  const auto* work = std::get_if<dsl::CallWork>(&draft.plan().steps[pivot].work);
  if (work != nullptr && work->CanBeUndone()) {
    return false;
  }
  const StepFacts& step = draft.step(pivot);
  if (step.phases.of(P::kForward, P::kForwardPending, P::kDone, P::kForwardStuck) > 0) {
    return true;
  }
  for (size_t i = 0; step.phases.of(P::kForwardBackoff) > 0 && i < step.size; ++i) {
    const BranchRef ref{pivot, i};
    const bool backing_off = draft.branch(ref).phase == P::kForwardBackoff;
    if (backing_off &&
        (draft.branch(ref).may_have_happened || IsChildOperation(draft, ref, Role::kForward))) {
      return true;
    }
  }
  return false;
}

constexpr DriveRules kRules{nullptr, &EnterForwardOnly, &CrossPivot};

// In reverse order: what was built upon a step is undone before the step.
void UndoInOrder(Turn& turn) {
  Draft& draft = turn.draft;
  const dsl::Plan& plan = draft.plan();
  std::vector<bool> clear(plan.steps.size(), true);
  std::vector<bool> unlocked(plan.steps.size(), true);
  bool all_clear = true;
  for (size_t step = plan.steps.size(); step-- > 0;) {
    if (plan.steps[step].stage != dsl::Stage::kMain) {
      continue;
    }
    // The plan lists every step after its predecessors, so the answers for its successors are in;
    // each of them covers its own successors, also if it was itself skipped or never begun. Within
    // a block each lane goes by itself.
    const std::vector<size_t>& before = plan.steps[step].before;
    const auto is_clear = [&clear](size_t next) { return clear[next]; };
    unlocked[step] =
        draft.step(step).lost() || std::all_of(before.begin(), before.end(), [&](size_t next) {
          return clear[next] || (unlocked[next] && InOneBlock(plan, next, step));
        });
    if (unlocked[step] && !draft.paused() && NeedsUndo(draft, step)) {
      StartUndos(turn, step);
    }
    clear[step] = std::all_of(before.begin(), before.end(), is_clear) && IsClear(draft, step);
    all_clear = all_clear && clear[step];
  }
  if (all_clear && DriveAfterwards(turn, dsl::Stage::kAborted)) {
    EndAborted(turn);
  }
}

// A child whose parent undoes it by its own compensations must not commit before that parent does.
bool AwaitsParent(const Draft& draft) {
  return draft.status() == TxnStatus::kActive && draft.base().parent && draft.base().parent->holds;
}

// All is done; what comes now must not come before it is certain that it stays so.
void Commit(Turn& turn) {
  if (AwaitsParent(turn.draft)) {
    if (!turn.draft.held()) {
      Hold(turn);
    }
    return;
  }
  const std::vector<dsl::Step>& steps = turn.draft.plan().steps;
  const bool more = std::any_of(steps.begin(), steps.end(), [](const dsl::Step& step) {
    return step.stage == dsl::Stage::kCommitted;
  });
  if (more && turn.draft.status() == TxnStatus::kActive) {
    turn.draft.Record(CommitDecided{});
  }
  if (!more || DriveAfterwards(turn, dsl::Stage::kCommitted)) {
    EndCommitted(turn);
  }
}

}  // namespace

void Advance(Turn& turn) {
  DecideRaces(turn);
  const bool all_done = DriveSteps(turn, kRules);
  const bool clear = !IsDriving(turn) || UndoLosers(turn);
  if (all_done && clear) {
    Commit(turn);
  } else if (all_done && turn.draft.status() == TxnStatus::kActive && !AwaitsParent(turn.draft)) {
    // All that was wanted is done. What lost its race takes its time to be undone, in which no
    // deadline or cancel may undo the rest.
    turn.draft.Record(CommitDecided{});
  }
  if (turn.draft.status() == TxnStatus::kAborting) {
    UndoInOrder(turn);
  }
}

std::string_view PivotInDoubt(const Draft& draft) {
  for (size_t step = 0; step < draft.plan().steps.size(); ++step) {
    if (draft.plan().steps[step].pivot && IsInDoubt(draft, step)) {
      return "transaction.pivot_in_doubt";
    }
  }
  return {};
}

}  // namespace entente::engine::saga
