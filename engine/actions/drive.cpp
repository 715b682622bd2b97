// What a mode's advance is made of: steps begin, branches are settled, the transaction ends.
#include <algorithm>
#include <utility>

#include "engine/actions/actions.h"
#include "engine/block.h"

namespace entente::engine {
namespace {

using P = BranchPhase;

// Whether the step has its time.
bool GoesOn(const Turn& turn, size_t step) {
  return turn.draft.plan().steps[step].stage == dsl::Stage::kMain
             ? IsDriving(turn)
             : !IsFinished(turn.draft.status());
}

// In a block it is enough that the branches of what it follows are there: each goes on by itself.
bool IsReady(const Draft& draft, size_t step) {
  const dsl::Plan& plan = draft.plan();
  const std::vector<size_t>& after = plan.steps[step].after;
  const auto is_over = [&](size_t before) {
    return IsDone(draft.step(before)) ||
           (draft.step(before).expanded && InOneBlock(plan, before, step));
  };
  if (plan.steps[step].after_any) {
    return IsRaceOver(draft, step);
  }
  const size_t keeper = KeeperOf(plan, step);
  // Where there could be no branches for the elements, an operator has to act first.
  const StepFacts& kept = draft.step(keeper);
  const bool has_items = keeper == step || (kept.expanded && kept.for_each) || IsDone(kept);
  return has_items && std::all_of(after.begin(), after.end(), is_over);
}

// The step could not even be begun. Before the point of no return the transaction aborts; after it
// a branch is made for the incident to be seen and acted upon.
void FailStep(Turn& turn, size_t step, const Status& status) {
  Draft& draft = turn.draft;
  if (IsTolerant(draft, {step, 0})) {
    draft.Record(StepExpanded{step, draft.plan().steps[step].id, false, {}});
    EndForward(turn, {step, 0}, {FailureFrom(status), false, AbortCause::kExpression, false});
    return;
  }
  if (draft.status() == TxnStatus::kActive) {
    DecideAbort(turn, {AbortCause::kExpression, std::nullopt, FailureFrom(status), std::nullopt});
    return;
  }
  draft.Record(StepExpanded{step, draft.plan().steps[step].id, false, {}});
  RaiseIncident(turn, {step, 0}, FailureFrom(status));
}

// Enough was evaluated, and the answer to a call under way will come and drive on.
bool MayWait(const Draft& draft) {
  if (!draft.crowded()) {
    return false;
  }
  for (size_t step = 0; step < draft.plan().steps.size(); ++step) {
    if (draft.step(step).phases.of(P::kForward) > 0) {
      return true;
    }
  }
  return false;
}

// One branch for each of the elements.
void Expand(Turn& turn, size_t step, std::vector<JsonText> items) {
  Draft& draft = turn.draft;
  const dsl::Step& plan = draft.plan().steps[step];
  const size_t at_least = plan.for_each->at_least.value_or(0);
  if (items.size() < at_least && draft.status() == TxnStatus::kActive) {
    DecideAbort(turn,
                {AbortCause::kRefused,
                 std::nullopt,
                 {"forEach.too_few", "step '" + plan.id + "' has " + std::to_string(items.size()) +
                                         " items, of which at least " + std::to_string(at_least) +
                                         " must succeed"},
                 std::nullopt});
    return;
  }
  size_t bytes = 0;
  for (const JsonText& item : items) {
    bytes += item.bytes();
  }
  if (!draft.HasRoomFor(bytes)) {
    const Failure failure = TooLarge(bytes);
    FailStep(turn, step,
             InvalidArgument(failure.code, "step '" + plan.id + "': " + failure.message));
    return;
  }
  draft.Record(StepExpanded{step, plan.id, true, std::move(items)});
}

// Its own condition is asked for each element.
void OpenInBlock(Turn& turn, size_t step) {
  Draft& draft = turn.draft;
  const dsl::Plan& plan = draft.plan();
  const size_t keeper = KeeperOf(plan, step);
  if (!IsWayTaken(draft, {*plan.steps[step].block, 0})) {
    draft.Record(StepSkipped{step});
    return;
  }
  if (keeper != step) {
    const StepFacts& kept = draft.step(keeper);
    Expand(turn, step, std::vector<JsonText>(kept.for_each ? kept.size : 0));
    return;
  }
  auto items = EvaluateItems(draft, step);
  if (!items.ok()) {
    FailStep(turn, step, items.status());
    return;
  }
  Expand(turn, step, std::move(items).value());
}

void OpenStep(Turn& turn, size_t step) {
  Draft& draft = turn.draft;
  const dsl::Step& plan = draft.plan().steps[step];
  if (plan.block) {
    OpenInBlock(turn, step);
    return;
  }
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
  Expand(turn, step, std::move(items).value());
}

void StartBranch(Turn& turn, BranchRef ref, const DriveRules& rules) {
  if (BeginWithoutCall(turn, ref)) {
    return;
  }
  if (rules.begin != nullptr) {
    rules.begin(turn, ref);
  } else {
    StartForward(turn, ref, 0);
  }
}

void StartAlternatives(Turn& turn, size_t step) {
  const auto* work = std::get_if<dsl::CallWork>(&turn.draft.plan().steps[step].work);
  if (work == nullptr || work->alternatives.empty()) {
    return;
  }
  // What was passed over is in these phases too, and in no other while the step goes on.
  const auto waiting = [&] {
    const StepFacts& facts = turn.draft.step(step);
    return facts.phases.of(P::kRefused, P::kGaveUp, P::kUndone) > facts.tolerated;
  };
  const size_t size = turn.draft.step(step).size;
  for (size_t i = 0; i < size && waiting(); ++i) {
    const BranchFacts& branch = turn.draft.branch({step, i});
    const bool failed =
        branch.phase == P::kRefused || branch.phase == P::kGaveUp || branch.phase == P::kUndone;
    if (failed && !branch.tolerated) {
      GoOnAfterFailure(turn, {step, i});
      if (!GoesOn(turn, step)) {
        return;
      }
    }
  }
}

void StartInLane(Turn& turn, BranchRef ref, const DriveRules& rules) {
  const auto wanted = EvaluateWhen(turn.draft, ref);
  if (!wanted.ok()) {
    EndByExpression(turn, ref, wanted.status());
  } else if (!*wanted) {
    turn.draft.Record(StepSkipped{ref.step, turn.draft.branch(ref).id});
  } else {
    StartBranch(turn, ref, rules);
  }
}

// Of a step in a block: what its lanes are ready for, in the order of the elements. An element that
// is far behind keeps none of the others from going on.
void StartLanes(Turn& turn, size_t step, const DriveRules& rules) {
  const Draft& draft = turn.draft;
  const size_t limit = MaxParallel(draft, step);
  for (const size_t lane : LanesToBegin(draft, step, limit)) {
    const bool full = LanesUnderWay(draft, step) >= limit;
    if (!GoesOn(turn, step) || full ||
        (draft.crowded() && draft.step(step).phases.of(P::kForward) > 0)) {
      return;
    }
    StartInLane(turn, {step, lane}, rules);
  }
}

// Branches begin in the order of their index, as far as the step's bound allows.
void StartBranches(Turn& turn, size_t step, const DriveRules& rules) {
  const Draft& draft = turn.draft;
  const size_t limit = MaxParallel(draft, step);
  while (GoesOn(turn, step)) {
    const StepFacts& facts = draft.step(step);
    const size_t driven =
        facts.phases.of(P::kForward, P::kForwardBackoff, P::kForwardPending, P::kWaiting) +
        facts.phases.of(P::kUndo, P::kUndoBackoff, P::kUndoPending);  // For another to follow.
    const size_t blocked = facts.phases.of(P::kBlocked);
    if (blocked == 0 || driven >= limit || (draft.crowded() && facts.phases.of(P::kForward) > 0)) {
      return;  // The answer to a call under way begins the rest.
    }
    StartBranch(turn, {step, facts.size - blocked}, rules);
  }
}

void DriveStep(Turn& turn, size_t step, const DriveRules& rules) {
  Draft& draft = turn.draft;
  if (!draft.paused() && !draft.step(step).skipped && !IsDone(draft.step(step))) {
    if (!draft.step(step).expanded && IsReady(draft, step) && !MayWait(draft)) {
      if (rules.opening != nullptr) {
        rules.opening(turn, step);
      }
      OpenStep(turn, step);
    }
    if (draft.step(step).expanded && GoesOn(turn, step)) {
      StartAlternatives(turn, step);
      if (draft.plan().steps[step].block) {
        StartLanes(turn, step, rules);
      } else {
        StartBranches(turn, step, rules);
      }
    }
  }
  if (rules.looked != nullptr && IsDriving(turn)) {
    rules.looked(turn, step);
  }
}

bool AreMainStepsDone(const Draft& draft) {
  for (size_t step = 0; step < draft.plan().steps.size(); ++step) {
    if (draft.plan().steps[step].stage == dsl::Stage::kMain && !IsDone(draft.step(step))) {
      return false;
    }
  }
  return true;
}

// What was decided was carried out, unless an operator accepted that somewhere it was not.
Ended EndAs(const Draft& draft, TxnStatus outcome) {
  for (size_t step = 0; step < draft.plan().steps.size(); ++step) {
    const size_t size = draft.step(step).size;
    for (size_t i = 0; i < size; ++i) {
      if (IsContrary(draft.branch({step, i}))) {
        return {TxnStatus::kMixed, JsonText(), std::nullopt, outcome, std::nullopt};
      }
    }
  }
  return {outcome, JsonText(), std::nullopt, std::nullopt, std::nullopt};
}

bool IsToFinish(const dsl::Step& plan, const BranchFacts& branch) {
  return (branch.phase == P::kDone || branch.phase == P::kEnlisted) && HasFinish(plan, branch);
}

bool IsToUndo(const dsl::Step& plan, const BranchFacts& branch) {
  return (branch.phase == P::kDone || branch.phase == P::kGaveUp || branch.phase == P::kEnlisted) &&
         HasUndo(plan, branch);
}

// Whether any branch of the step passes `test`, which asks whether its way to do the step is one of
// those that `settles` names. `candidates` of its branches are in a phase that could.
bool AnyToSettle(const Draft& draft, size_t step, uint32_t candidates,
                 bool (*settles)(const dsl::CallWay&),
                 bool (*test)(const dsl::Step&, const BranchFacts&)) {
  const dsl::Step& plan = draft.plan().steps[step];
  const auto* work = std::get_if<dsl::CallWork>(&plan.work);
  if (work == nullptr || candidates == 0) {
    return false;
  }
  size_t ways = 0;
  for (size_t i = 0; i <= work->alternatives.size(); ++i) {
    ways += settles(work->way(i)) ? 1 : 0;
  }
  if (ways == 0 || ways > work->alternatives.size()) {
    return ways > 0;
  }
  // Only some ways leave something behind: which ones were taken tells.
  for (size_t i = 0; i < draft.step(step).size; ++i) {
    if (test(plan, draft.branch({step, i}))) {
      return true;
    }
  }
  return false;
}

bool NeedsFinish(const Draft& draft, size_t step) {
  return AnyToSettle(
      draft, step, draft.step(step).phases.of(P::kDone, P::kEnlisted),
      [](const dsl::CallWay& way) { return way.finish.has_value(); }, &IsToFinish);
}

void StartFinishes(Turn& turn, size_t step) {
  const Draft& draft = turn.draft;
  const size_t limit = MaxParallel(draft, step);
  const size_t size = draft.step(step).size;
  for (size_t i = 0; i < size; ++i) {
    const PhaseCounts& phases = draft.step(step).phases;
    if (phases.of(P::kDone, P::kEnlisted) == 0 ||
        phases.of(P::kFinish, P::kFinishBackoff, P::kFinishPending) >= limit ||
        (draft.crowded() && phases.of(P::kFinish) > 0)) {
      return;
    }
    if (IsToFinish(draft.plan().steps[step], draft.branch({step, i}))) {
      StartFinish(turn, {step, i});
    }
  }
}

}  // namespace

bool IsDriving(const Turn& turn) {
  return !IsFinished(turn.draft.status()) && turn.course() == Course::kDriving;
}

bool IsContrary(const BranchFacts& branch) {
  const HeuristicOutcome wanted =
      branch.phase == P::kUndone ? HeuristicOutcome::kRolledBack : HeuristicOutcome::kCommitted;
  return branch.by_operator && branch.heuristic && *branch.heuristic != wanted;
}

bool IsDone(const StepFacts& step) {
  return step.skipped ||
         (step.expanded &&
          step.phases.of(P::kDone, P::kSkipped, P::kReadOnly, P::kFinished) + step.tolerated ==
              step.size);
}

size_t MaxParallel(const Draft& draft, size_t step) {
  const auto& for_each = draft.plan().steps[step].for_each;
  return for_each ? std::max<size_t>(for_each->max_parallel, 1) : 1;
}

bool BeginWithoutCall(Turn& turn, BranchRef ref) {
  const auto& work = turn.draft.plan_step(ref).work;
  if (std::holds_alternative<dsl::WaitWork>(work)) {
    BeginWait(turn, ref);
  } else if (std::holds_alternative<dsl::DecideWork>(work)) {
    BeginDecision(turn, ref);
  }
  return !std::holds_alternative<dsl::CallWork>(work);
}

bool DriveSteps(Turn& turn, const DriveRules& rules) {
  const Draft& draft = turn.draft;
  if (draft.plan().client_driven) {
    // The client itself did the work, and says when it is complete.
    return IsDriving(turn) && draft.closed() && !draft.paused();
  }
  // The plan lists every step after its predecessors, so one that is done at once unlocks only what
  // is still to be looked at; but for a block, where it makes room for another element.
  const std::vector<dsl::Step>& steps = draft.plan().steps;
  for (size_t step = 0; step < steps.size() && IsDriving(turn); ++step) {
    if (steps[step].stage != dsl::Stage::kMain) {
      continue;
    }
    const size_t through = steps[step].block ? LanesThrough(draft, step) : 0;
    DriveStep(turn, step, rules);
    if (steps[step].block && LanesThrough(draft, step) > through) {
      step = KeeperOf(draft.plan(), step) - 1;  // A choice precedes it.
    }
  }
  return IsDriving(turn) && AreMainStepsDone(draft);
}

bool DriveAfterwards(Turn& turn, dsl::Stage stage) {
  const Draft& draft = turn.draft;
  bool all_done = true;
  for (size_t step = 0; step < draft.plan().steps.size(); ++step) {
    if (draft.plan().steps[step].stage == stage) {
      DriveStep(turn, step, DriveRules{});
      all_done = all_done && IsDone(draft.step(step));
    }
  }
  return all_done;
}

bool NeedsUndo(const Draft& draft, size_t step) {
  return AnyToSettle(
      draft, step, draft.step(step).phases.of(P::kDone, P::kGaveUp, P::kEnlisted),
      [](const dsl::CallWay& way) { return way.undo.has_value(); }, &IsToUndo);
}

// Nothing of the step can have an effect any more that an undo of what it builds upon would miss.
bool IsClear(const Draft& draft, size_t step) {
  const PhaseCounts& phases = draft.step(step).phases;
  const uint32_t under_way =
      phases.of(P::kForward, P::kForwardBackoff, P::kForwardPending, P::kForwardStuck) +
      phases.of(P::kUndo, P::kUndoBackoff, P::kUndoPending, P::kUndoStuck);
  return under_way == 0 && !NeedsUndo(draft, step);
}

// The branch that began last goes first. Where they ran one at a time, a later one may have been
// built upon an earlier one, so one that is still under way, or whose undo is stuck, holds those
// before it back, as a step does.
void StartUndos(Turn& turn, size_t step) {
  const Draft& draft = turn.draft;
  const size_t limit = MaxParallel(draft, step);
  for (size_t i = draft.step(step).size; i-- > 0;) {
    const PhaseCounts& phases = draft.step(step).phases;
    const size_t holding_back = limit == 1
                                    ? phases.of(P::kForward, P::kForwardBackoff, P::kForwardPending,
                                                P::kForwardStuck, P::kUndoStuck)
                                    : 0;
    if (phases.of(P::kDone, P::kGaveUp, P::kEnlisted) == 0 ||
        phases.of(P::kUndo, P::kUndoBackoff, P::kUndoPending) + holding_back >= limit ||
        (draft.crowded() && phases.of(P::kUndo) > 0)) {
      return;
    }
    const BranchRef ref{step, i};
    if (!IsToUndo(draft, ref)) {
      continue;
    }
    if (limit == 1 && draft.plan().steps[step].block && !AreLanesBehindClear(draft, ref)) {
      return;
    }
    if (!draft.plan().steps[step].block || IsLaneClear(draft, ref)) {
      StartUndo(turn, ref);
    }
  }
}

bool IsToUndo(const Draft& draft, BranchRef ref) {
  return IsToUndo(draft.plan_step(ref), draft.branch(ref));
}

void UndoAll(Turn& turn) {
  bool all_clear = true;
  for (size_t step = 0; step < turn.draft.plan().steps.size(); ++step) {
    if (!turn.draft.paused() && NeedsUndo(turn.draft, step)) {
      StartUndos(turn, step);
    }
    all_clear = all_clear && IsClear(turn.draft, step);
  }
  if (all_clear) {
    EndAborted(turn);
  }
}

void FinishAll(Turn& turn) {
  bool all_finished = true;
  for (size_t step = 0; step < turn.draft.plan().steps.size(); ++step) {
    if (!turn.draft.paused() && NeedsFinish(turn.draft, step)) {
      StartFinishes(turn, step);
    }
    const PhaseCounts& phases = turn.draft.step(step).phases;
    all_finished =
        all_finished && !NeedsFinish(turn.draft, step) &&
        phases.of(P::kFinish, P::kFinishBackoff, P::kFinishPending, P::kFinishStuck) == 0;
  }
  if (all_finished) {
    EndCommitted(turn);
  }
}

Status CheckFinish(const Draft& draft, BranchRef ref) {
  if (!IsToFinish(draft.plan_step(ref), draft.branch(ref))) {
    return {};
  }
  return RenderOperation(draft, ref, Role::kFinish).status();
}

void RequireFinish(Turn& turn, BranchRef ref) {
  const Draft& draft = turn.draft;
  if (draft.status() != TxnStatus::kActive) {
    return;
  }
  if (const Status failed = CheckFinish(draft, ref); !failed.ok()) {
    DecideAbort(turn,
                {AbortCause::kExpression, draft.branch(ref).id, FailureFrom(failed), std::nullopt});
  }
}

void EndCommitted(Turn& turn) {
  Ended ended = EndAs(turn.draft, TxnStatus::kCommitted);
  auto output = RenderOutput(turn.draft);
  if (output.ok()) {
    ended.output = std::move(output).value();
  } else {
    ended.output_failure = FailureFrom(output.status());
  }
  turn.draft.Record(std::move(ended));
  turn.draft.Emit(NotifyEnded{});
}

void Hold(Turn& turn) {
  Held held;
  auto output = RenderOutput(turn.draft);
  if (output.ok()) {
    held.output = std::move(output).value();
  } else {
    held.output_failure = FailureFrom(output.status());
  }
  turn.draft.Record(std::move(held));
  turn.draft.Emit(NotifyHeld{});
}

void EndAborted(Turn& turn) {
  turn.draft.Record(EndAs(turn.draft, TxnStatus::kAborted));
  turn.draft.Emit(NotifyEnded{});
}

}  // namespace entente::engine
