#include "engine/block.h"

#include <algorithm>
#include <vector>

#include "engine/actions/actions.h"

namespace entente::engine {
namespace {

using P = BranchPhase;

// Its part is over and the next step of its lane may begin.
bool IsOver(const BranchFacts& branch) {
  return branch.phase == P::kDone || branch.phase == P::kSkipped || branch.tolerated;
}

uint32_t OverIn(const StepFacts& step) {
  return step.phases.of(P::kDone, P::kSkipped) + step.tolerated;
}

// The branch neither has nor gets anything that an abort takes back.
bool IsBranchClear(const Draft& draft, BranchRef ref) {
  if (ref.index >= draft.step(ref.step).size) {
    return true;
  }
  switch (draft.branch(ref).phase) {
    case P::kForward:
    case P::kForwardBackoff:
    case P::kForwardPending:
    case P::kForwardStuck:
    case P::kUndo:
    case P::kUndoBackoff:
    case P::kUndoPending:
    case P::kUndoStuck: return false;
    default: return !IsToUndo(draft, ref);
  }
}

size_t Begun(const StepFacts& step) {
  return step.size - step.phases.of(P::kBlocked);
}

bool FollowsInBlock(const Draft& draft, size_t step) {
  const std::vector<size_t>& after = draft.plan().steps[step].after;
  return std::any_of(after.begin(), after.end(),
                     [&](size_t before) { return InOneBlock(draft.plan(), before, step); });
}

// Nothing of its lane that the branch follows is still to be done.
bool IsLaneReady(const Draft& draft, BranchRef ref) {
  const std::vector<size_t>& after = draft.plan_step(ref).after;
  return std::all_of(after.begin(), after.end(), [&](size_t before) {
    return !InOneBlock(draft.plan(), before, ref.step) || IsOver(draft.branch({before, ref.index}));
  });
}

// No more branches of the step than so many can be begun by what they follow; those that are
// already are among them.
size_t ReadyInLanes(const Draft& draft, size_t step) {
  size_t ready = draft.step(step).size;
  for (const size_t before : draft.plan().steps[step].after) {
    if (InOneBlock(draft.plan(), before, step)) {
      ready = std::min<size_t>(ready, OverIn(draft.step(before)));
    }
  }
  return ready;
}

// No element from here on was begun by any step of the block.
size_t Frontier(const Draft& draft, size_t step) {
  size_t frontier = 0;
  for (size_t other = 0; other < draft.plan().steps.size(); ++other) {
    if (InOneBlock(draft.plan(), other, step) && !FollowsInBlock(draft, other)) {
      frontier = std::max(frontier, Begun(draft.step(other)));
    }
  }
  return std::min(frontier, draft.step(step).size);
}

}  // namespace

bool InOneBlock(const dsl::Plan& plan, size_t a, size_t b) {
  return plan.steps[a].block && plan.steps[a].block == plan.steps[b].block;
}

size_t KeeperOf(const dsl::Plan& plan, size_t step) {
  size_t keeper = plan.steps[step].block ? 0 : step;
  while (keeper != step && !InOneBlock(plan, keeper, step)) {
    ++keeper;
  }
  return keeper;
}

std::vector<size_t> LanesToBegin(const Draft& draft, size_t step, size_t most) {
  const StepFacts& facts = draft.step(step);
  const size_t begun = Begun(facts);
  std::vector<size_t> lanes;
  if (!FollowsInBlock(draft, step)) {
    // These begin in the order of their index.
    for (size_t lane = begun; lane < facts.size && lanes.size() < most; ++lane) {
      lanes.push_back(lane);
    }
    return lanes;
  }
  // Most of them are among those that were begun last.
  const size_t ready = ReadyInLanes(draft, step);
  size_t left = ready - std::min(ready, begun);
  for (size_t lane = Frontier(draft, step); left > 0 && lane-- > 0;) {
    const BranchRef ref{step, lane};
    if (draft.branch(ref).phase == P::kBlocked && IsLaneReady(draft, ref)) {
      lanes.push_back(lane);
      --left;
    }
  }
  std::reverse(lanes.begin(), lanes.end());
  return lanes;
}

size_t LanesThrough(const Draft& draft, size_t step) {
  size_t through = draft.step(step).size;
  for (size_t other = 0; other < draft.plan().steps.size(); ++other) {
    if (InOneBlock(draft.plan(), other, step)) {
      through = std::min<size_t>(through, OverIn(draft.step(other)));
    }
  }
  return through;
}

size_t LanesUnderWay(const Draft& draft, size_t step) {
  const size_t begun = Begun(draft.step(step));
  return begun - std::min(begun, LanesThrough(draft, step));
}

bool IsLaneClear(const Draft& draft, BranchRef ref) {
  // The plan lists every step after its predecessors, so the answers for its successors are in;
  // each of them covers its own.
  const std::vector<dsl::Step>& steps = draft.plan().steps;
  std::vector<bool> clear(steps.size(), true);
  for (size_t step = steps.size(); step-- > ref.step;) {
    if (!InOneBlock(draft.plan(), step, ref.step)) {
      continue;
    }
    const bool successors = std::all_of(steps[step].before.begin(), steps[step].before.end(),
                                        [&clear](size_t next) { return clear[next]; });
    clear[step] = successors && (step == ref.step || IsBranchClear(draft, {step, ref.index}));
  }
  return clear[ref.step];
}

bool AreLanesBehindClear(const Draft& draft, BranchRef ref) {
  for (size_t step = 0; step < draft.plan().steps.size(); ++step) {
    if (!InOneBlock(draft.plan(), step, ref.step)) {
      continue;
    }
    for (size_t i = draft.step(step).size; i-- > ref.index + 1;) {
      if (!IsBranchClear(draft, {step, i})) {
        return false;
      }
    }
  }
  return true;
}

}  // namespace entente::engine
