#include "engine/family/family.h"

#include <utility>

#include "base/check.h"
#include "engine/core/render.h"
#include "engine/core/table.h"

namespace entente::engine {
namespace {

using enum FamilyAction;

// By what is known of the child, and how its parent stands.
constexpr FamilyTable kFamilies = {{
    // kAsks, kMustHave, kStops, kEnded, kAway, kUndoes
    {kLookFor, kLookFor, kLookFor, kLookFor, kLookFor, kLookFor},      // kUnknown
    {kBegin, kBeginAnyhow, kRefuse, kRefuse, kBegin, kMiss},           // kAbsent
    {kAdopt, kAdopt, kAdoptAndStop, kAdopt, kAdopt, kAdoptAndStop},    // kOpen
    {kAnswer, kAnswer, kAdoptAndStop, kAdopt, kAdopt, kAdoptAndStop},  // kHeld
    {kAwait, kAwait, kAwait, kAwait, kAwait, kAwait},                  // kAway
    {kAnswer, kAnswer, kAnswer, kAnswer, kAnswer, kAnswer},            // kEnded
}};

bool MayHold(const dsl::Step& step) {
  const auto* work = std::get_if<dsl::CallWork>(&step.work);
  bool holds = false;
  for (size_t i = 0; work != nullptr && i <= work->alternatives.size() && !holds; ++i) {
    holds = work->way(i).HoldsChild();
  }
  return holds;
}

}  // namespace

std::string_view ChildStandingName(ChildStanding standing) {
  static constexpr std::array<std::string_view, kChildStandings> kNames = {
      "unknown", "absent", "open", "held", "away", "ended"};
  return kNames.at(static_cast<size_t>(standing));
}

std::string_view ParentStandingName(ParentStanding standing) {
  static constexpr std::array<std::string_view, kParentStandings> kNames = {
      "asks", "must-have", "stops", "ended", "away", "undoes"};
  return kNames.at(static_cast<size_t>(standing));
}

std::string_view FamilyActionName(FamilyAction action) {
  static constexpr std::array<std::string_view, 9> kNames = {"look-for", "begin", "begin-anyhow",
                                                             "refuse",   "adopt", "adopt-and-stop",
                                                             "answer",   "await", "miss"};
  return kNames.at(static_cast<size_t>(action));
}

ParentStanding StandingOf(const TxnState& parent, const StartChild& call, bool family_must_go_on) {
  if (parent.finished()) {
    return ParentStanding::kEnded;
  }
  if (call.undoes) {
    return ParentStanding::kUndoes;
  }
  const bool forward = call.command.role == Role::kForward;
  if (forward && IsCalledOff(parent, call.command.branch)) {
    return ParentStanding::kStops;
  }
  const bool must_have = !forward || parent.status == TxnStatus::kCommitting || family_must_go_on;
  return must_have ? ParentStanding::kMustHave : ParentStanding::kAsks;
}

ParentStanding StandingOfAbsent(bool away, const StartChild& call) {
  if (!away) {
    return ParentStanding::kEnded;
  }
  if (call.undoes) {
    return ParentStanding::kUndoes;
  }
  return call.command.role == Role::kForward ? ParentStanding::kAway : ParentStanding::kMustHave;
}

const FamilyTable& TableOfFamilies() {
  return kFamilies;
}

FamilyAction Meet(ChildStanding child, ParentStanding parent) {
  TellObserver(child, parent);
  return kFamilies.at(static_cast<size_t>(child)).at(static_cast<size_t>(parent));
}

namespace {

Reply EndToUndo(const TxnState& child) {
  if (child.status == TxnStatus::kAborted) {
    return ReplyDone{};
  }
  return ReplyRefused{{"child.committed",
                       "the child transaction '" + child.gid.str() +
                           "' has committed, so that its compensations do not run any more: undo "
                           "by hand what it did, then skip the branch"}};
}

}  // namespace

Reply AnswerOf(const TxnState& child, const StartChild& call) {
  if (call.undoes && child.status != TxnStatus::kMixed) {
    return EndToUndo(child);
  }
  if (child.awaits_parent()) {
    return ReplyDone{child.output};
  }
  switch (child.status) {
    case TxnStatus::kCommitted: return ReplyDone{child.output};
    case TxnStatus::kAborted: {
      Failure failure{"child.aborted",
                      "the child transaction '" + child.gid.str() + "' was aborted"};
      if (child.abort && child.abort->failure.code == failure.code) {
        // A child of its own was: that one's gid names all above it, and its words have the cause.
        failure.message = child.abort->failure.message;
      } else if (child.abort) {
        failure.message += ": " + child.abort->failure.message;
      }
      return ReplyRefused{std::move(failure)};
    }
    case TxnStatus::kMixed:
      return ReplyRefused{
          {"child.mixed", "an operator forced the outcome of the child transaction '" +
                              child.gid.str() + "': look at it and decide here too"}};
    case TxnStatus::kActive:
    case TxnStatus::kCommitting:
    case TxnStatus::kAborting: break;
  }
  CheckFailed("a child's outcome is asked for when it is finished", __FILE__, __LINE__);
}

Reply Unwanted() {
  return ReplyRefused{
      {"child.cancelled", "its parent had no use for the child any more when it was to begin"}};
}

bool SaysMixed(const Failure& failure) {
  return failure.code == "child.mixed";
}

bool SaysNotUndoable(const Failure& failure) {
  return failure.code == "child.committed" || failure.code == "child.not_found";
}

// Of a child that is not there: that its end was forced, or that it was missed before, is more than
// that it is gone.
bool IsInDoubt(const BranchState& branch) {
  return branch.failure && (SaysMixed(*branch.failure) || SaysNotUndoable(*branch.failure));
}

Reply Missed(const TxnState& parent, const StartChild& call) {
  const BranchState* branch = FindBranch(parent, call.command.branch);
  if (branch != nullptr && branch->undo_without_output && !IsInDoubt(*branch)) {
    return ReplyDone{};  // It gave up before there was one, or what there was ended long ago.
  }
  return ReplyRefused{
      {"child.not_found", "there is no child transaction '" + call.child.str() +
                              "' that could be undone: if somebody else did the work of the step, "
                              "undo it by hand, then skip the branch"}};
}

Failure DoneByOperator(const BranchId& branch) {
  return {std::string(kUndoneByHand),
          "an operator said that '" + branch.str() +
              "' was done, which no child transaction can undo: undo by hand what "
              "was done, then skip the branch"};
}

Reply WhyNotBegun(Obstacle obstacle, Failure why) {
  switch (obstacle) {
    case Obstacle::kNotUndoable:
    case Obstacle::kTooDeep:
    case Obstacle::kNoDefinition:
    case Obstacle::kBadInput:
    case Obstacle::kFull: return ReplyRefused{std::move(why)};
    case Obstacle::kNotReadable:
    case Obstacle::kFailed: return ReplyNotSent{std::move(why), std::nullopt};
    case Obstacle::kStopping:
      return ReplyNotSent{std::move(why), std::nullopt, /*blocked=*/true, /*stopping=*/true};
  }
  CheckFailed("Obstacle is a declared enumerator", __FILE__, __LINE__);
}

AbortRequested StopChild() {
  return {{kParentActor, "its parent has no use for it any more"}, /*by_parent=*/true};
}

std::vector<Gid> HeldChildren(const dsl::Plan& plan, const TxnState& parent) {
  std::vector<Gid> children;
  for (size_t step = 0; step < parent.steps.size() && step < plan.steps.size(); ++step) {
    if (!MayHold(plan.steps[step])) {
      continue;
    }
    for (const BranchState& branch : parent.steps[step].branches) {
      if (branch.started_at && HoldsChild(plan.steps[step], branch)) {
        children.push_back(ForwardChildOf(parent.gid, plan.mode, branch));
      }
    }
  }
  return children;
}

Event FateOfHeld(Mode mode, const TxnState& parent, const Gid& child, const BranchId& branch) {
  ENTENTE_CHECK(parent.finished());
  const TxnStatus end = parent.forced.value_or(parent.status);
  // Of a branch that lost its race an operator may have said that it is undone; and one that went
  // on to another way did what it did by that.
  const BranchState* ran = FindBranch(parent, branch);
  const bool undone = ran != nullptr && (RoleOf(ran->phase) == Role::kUndo ||
                                         ForwardChildOf(parent.gid, mode, *ran) != child);
  return end == TxnStatus::kAborted || undone ? Event(StopChild()) : Event(LetGo{});
}

std::optional<StartChild> CallFor(const dsl::Plan& plan, const TxnState& parent, const Gid& child) {
  for (Effect& effect : Outstanding(plan, parent)) {
    if (auto* start = std::get_if<StartChild>(&effect); start != nullptr && start->child == child) {
      return std::move(*start);
    }
  }
  return std::nullopt;
}

}  // namespace entente::engine
