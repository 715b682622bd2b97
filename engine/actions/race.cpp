// Races: the first step that is done counts; the others are stopped as an abort would stop them,
// and undone while the rest goes on.
#include <algorithm>

#include "engine/actions/actions.h"

namespace entente::engine {
namespace {

using P = BranchPhase;

bool IsWinner(const StepFacts& step) {
  return !step.skipped && step.phases.of(P::kDone) > 0;
}

// Nothing begins any more. A call that is out is waited for, so that its undo can not overtake it.
void Lose(Turn& turn, size_t step) {
  turn.draft.Record(StepSkipped{step});
  const size_t size = turn.draft.step(step).size;
  for (size_t i = 0; i < size; ++i) {
    Dispatch(turn, {step, i}, BranchEvent::kAbortDecided);
  }
}

void BeatOthers(Turn& turn, size_t step) {
  const std::vector<dsl::Step>& steps = turn.draft.plan().steps;
  for (const size_t other : steps[*steps[step].race].after) {
    if (other != step && !turn.draft.step(other).skipped) {
      Lose(turn, other);
    }
  }
}

}  // namespace

void DecideRaces(Turn& turn) {
  for (const size_t step : turn.draft.plan().racers) {
    if (IsDriving(turn) && IsWinner(turn.draft.step(step))) {
      BeatOthers(turn, step);
    }
  }
}

bool CanAnotherWin(const Draft& draft, size_t step) {
  const std::vector<size_t>& racers = draft.plan().steps[*draft.plan().steps[step].race].after;
  return std::any_of(racers.begin(), racers.end(), [&](size_t other) {
    return other != step && !draft.step(other).skipped && draft.step(other).tolerated == 0;
  });
}

bool IsRaceOver(const Draft& draft, size_t goal) {
  const std::vector<size_t>& racers = draft.plan().steps[goal].after;
  const auto wins = [&](size_t racer) { return IsWinner(draft.step(racer)); };
  const auto skipped = [&](size_t racer) { return draft.step(racer).skipped; };
  return std::any_of(racers.begin(), racers.end(), wins) ||
         std::all_of(racers.begin(), racers.end(), skipped);
}

bool UndoLosers(Turn& turn) {
  const Draft& draft = turn.draft;
  bool clear = true;
  for (const size_t step : draft.plan().racers) {
    if (!draft.step(step).lost()) {
      continue;
    }
    if (!draft.paused() && NeedsUndo(draft, step)) {
      StartUndos(turn, step);
    }
    clear = clear && IsClear(draft, step);
  }
  return clear;
}

}  // namespace entente::engine
