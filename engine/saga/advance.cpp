// What has become due by what was recorded: steps begin, the transaction is decided or ends.
#include <algorithm>
#include <utility>
#include <vector>

#include "engine/saga/actions.h"

namespace entente::engine::saga {
namespace {

using P = BranchPhase;

bool IsDriving(const Draft& draft) {
  return draft.status() == TxnStatus::kActive || draft.status() == TxnStatus::kCommitting;
}

bool IsDone(const StepFacts& step) {
  return step.skipped || (step.expanded && step.phases.of(P::kDone) == step.size);
}

size_t MaxParallel(const Draft& draft, size_t step) {
  const auto& for_each = draft.plan().steps[step].for_each;
  return for_each ? std::max<size_t>(for_each->max_parallel, 1) : 1;
}

bool IsReady(const Draft& draft, size_t step) {
  const dsl::Plan& plan = draft.plan();
  for (const size_t before : plan.steps[step].after) {
    if (!IsDone(draft.step(before))) {
      return false;
    }
  }
  if (plan.pivot != step) {
    return true;
  }
  // The point of no return is only crossed when nothing that could still be refused is left: a
  // step beside the pivot could neither be given up nor the pivot be taken back.
  for (size_t other = 0; other < plan.steps.size(); ++other) {
    if (other != step && !plan.steps[other].after_pivot && !IsDone(draft.step(other))) {
      return false;
    }
  }
  return true;
}

// The step could not even be begun. Before the point of no return the transaction aborts; after it
// a branch is made for the incident to be seen and acted upon.
void FailStep(Turn& turn, size_t step, const Status& status) {
  Draft& draft = turn.draft;
  if (draft.status() == TxnStatus::kActive) {
    DecideAbort(turn, {AbortCause::kExpression, std::nullopt, FailureFrom(status), std::nullopt});
    return;
  }
  draft.Record(StepExpanded{step, draft.plan().steps[step].id, false, {}});
  RaiseIncident(turn, {step, 0}, FailureFrom(status));
}

void OpenStep(Turn& turn, size_t step) {
  Draft& draft = turn.draft;
  const dsl::Step& plan = draft.plan().steps[step];
  const auto wanted = EvaluateWhen(draft, step);
  if (!wanted.ok()) {
    FailStep(turn, step, wanted.status());
    return;
  }
  if (!*wanted) {
    draft.Record(StepSkipped{step});
    return;
  }
  if (!plan.for_each) {
    draft.Record(StepExpanded{step, plan.id, false, {}});
    return;
  }
  auto items = EvaluateItems(draft, step);
  if (!items.ok()) {
    FailStep(turn, step, items.status());
    return;
  }
  draft.Record(StepExpanded{step, plan.id, true, std::move(items).value()});
}

void StartBranch(Turn& turn, BranchRef ref) {
  if (std::holds_alternative<dsl::WaitWork>(turn.draft.plan_step(ref).work)) {
    BeginWait(turn, ref);
  } else {
    StartForward(turn, ref, 0);
  }
}

void StartAlternatives(Turn& turn, size_t step) {
  const size_t size = turn.draft.step(step).size;
  for (size_t i = 0; i < size && turn.draft.step(step).phases.of(P::kRefused) > 0; ++i) {
    if (turn.draft.branch({step, i}).phase == P::kRefused) {
      StartAlternative(turn, {step, i});
      if (!IsDriving(turn.draft)) {
        return;
      }
    }
  }
}

// Branches begin in the order of their index, as far as the step's bound allows.
void StartBranches(Turn& turn, size_t step) {
  const Draft& draft = turn.draft;
  const size_t limit = MaxParallel(draft, step);
  while (IsDriving(draft)) {
    const StepFacts& facts = draft.step(step);
    const size_t driven =
        facts.phases.of(P::kForward, P::kForwardBackoff, P::kForwardPending, P::kWaiting);
    const size_t blocked = facts.phases.of(P::kBlocked);
    if (blocked == 0 || driven >= limit) {
      return;
    }
    StartBranch(turn, {step, facts.size - blocked});
  }
}

void DriveStep(Turn& turn, size_t step) {
  Draft& draft = turn.draft;
  if (!draft.paused() && !draft.step(step).skipped && !IsDone(draft.step(step))) {
    if (!draft.step(step).expanded && IsReady(draft, step)) {
      OpenStep(turn, step);
    }
    if (draft.step(step).expanded && IsDriving(draft)) {
      StartAlternatives(turn, step);
      StartBranches(turn, step);
    }
  }
  // Also while paused, or a cancel could come in between and undo what has no undo.
  if (draft.plan().pivot == step && draft.status() == TxnStatus::kActive &&
      IsDone(draft.step(step))) {
    draft.Record(CommitDecided{});
  }
}

void EndCommitted(Turn& turn) {
  Ended ended{TxnStatus::kCommitted, Json(), std::nullopt, std::nullopt, std::nullopt};
  auto output = RenderOutput(turn.draft);
  if (output.ok()) {
    ended.output = std::move(output).value();
  } else {
    ended.output_failure = FailureFrom(output.status());
  }
  turn.draft.Record(std::move(ended));
  turn.draft.Emit(NotifyEnded{});
}

void Drive(Turn& turn) {
  const Draft& draft = turn.draft;
  const size_t count = draft.plan().steps.size();
  // A step may be unlocked by one that the plan lists after it (only the pivot is), hence again
  // until nothing changes. Every round but the last finishes a step.
  for (size_t done = count + 1; IsDriving(draft);) {
    size_t now_done = 0;
    for (size_t step = 0; step < count && IsDriving(draft); ++step) {
      DriveStep(turn, step);
      now_done += IsDone(draft.step(step)) ? 1 : 0;
    }
    if (now_done == count && IsDriving(draft)) {
      EndCommitted(turn);
      return;
    }
    if (now_done == done) {
      return;
    }
    done = now_done;
  }
}

bool NeedsUndo(const Draft& draft, size_t step) {
  return HasUndo(draft.plan().steps[step]) && draft.step(step).phases.of(P::kDone, P::kGaveUp) > 0;
}

// Nothing of the step can have an effect any more that an undo of what it builds upon would miss.
bool IsClear(const Draft& draft, size_t step) {
  const PhaseCounts& phases = draft.step(step).phases;
  const uint32_t under_way =
      phases.of(P::kForward, P::kForwardBackoff, P::kForwardPending, P::kForwardStuck) +
      phases.of(P::kUndo, P::kUndoBackoff, P::kUndoPending, P::kUndoStuck);
  return under_way == 0 && !NeedsUndo(draft, step);
}

void StartUndos(Turn& turn, size_t step) {
  const Draft& draft = turn.draft;
  const size_t limit = MaxParallel(draft, step);
  const size_t size = draft.step(step).size;
  for (size_t i = 0; i < size && NeedsUndo(draft, step); ++i) {
    if (draft.step(step).phases.of(P::kUndo, P::kUndoBackoff, P::kUndoPending) >= limit) {
      return;
    }
    const BranchPhase phase = draft.branch({step, i}).phase;
    if (phase == P::kDone || phase == P::kGaveUp) {
      StartUndo(turn, {step, i});
    }
  }
}

void Undo(Turn& turn) {
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
    draft.Record(Ended{TxnStatus::kAborted, Json(), std::nullopt, std::nullopt, std::nullopt});
    draft.Emit(NotifyEnded{});
  }
}

}  // namespace

void Advance(Turn& turn) {
  Drive(turn);
  if (turn.draft.status() == TxnStatus::kAborting) {
    Undo(turn);
  }
}

}  // namespace entente::engine::saga
