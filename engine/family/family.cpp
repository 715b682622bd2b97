#include "engine/family/family.h"

#include <utility>

#include "base/check.h"
#include "engine/core/table.h"

namespace entente::engine {
namespace {

using enum FamilyAction;

// By what is known of the child, and how its parent stands.
constexpr FamilyTable kFamilies = {{
    // kAsks, kMustHave, kStops, kEnded, kAway
    {kLookFor, kLookFor, kLookFor, kLookFor, kLookFor},  // kUnknown
    {kBegin, kBeginAnyhow, kRefuse, kRefuse, kBegin},    // kAbsent
    {kAdopt, kAdopt, kAdoptAndStop, kAdopt, kAdopt},     // kOpen
    {kAwait, kAwait, kAwait, kAwait, kAwait},            // kAway
    {kAnswer, kAnswer, kAnswer, kAnswer, kAnswer},       // kEnded
}};

}  // namespace

std::string_view ChildStandingName(ChildStanding standing) {
  static constexpr std::array<std::string_view, kChildStandings> kNames = {"unknown", "absent",
                                                                           "open", "away", "ended"};
  return kNames.at(static_cast<size_t>(standing));
}

std::string_view ParentStandingName(ParentStanding standing) {
  static constexpr std::array<std::string_view, kParentStandings> kNames = {
      "asks", "must-have", "stops", "ended", "away"};
  return kNames.at(static_cast<size_t>(standing));
}

std::string_view FamilyActionName(FamilyAction action) {
  static constexpr std::array<std::string_view, 8> kNames = {
      "look-for", "begin", "begin-anyhow", "refuse", "adopt", "adopt-and-stop", "answer", "await"};
  return kNames.at(static_cast<size_t>(action));
}

ParentStanding StandingOf(const TxnState& parent, const CommandId& call, bool family_must_go_on) {
  if (parent.finished()) {
    return ParentStanding::kEnded;
  }
  const bool forward = call.role == Role::kForward;
  if (forward && IsCalledOff(parent, call.branch)) {
    return ParentStanding::kStops;
  }
  const bool must_have = !forward || parent.status == TxnStatus::kCommitting || family_must_go_on;
  return must_have ? ParentStanding::kMustHave : ParentStanding::kAsks;
}

ParentStanding StandingOfAbsent(bool away, Role role) {
  if (!away) {
    return ParentStanding::kEnded;
  }
  return role == Role::kForward ? ParentStanding::kAway : ParentStanding::kMustHave;
}

const FamilyTable& TableOfFamilies() {
  return kFamilies;
}

FamilyAction Meet(ChildStanding child, ParentStanding parent) {
  TellObserver(child, parent);
  return kFamilies.at(static_cast<size_t>(child)).at(static_cast<size_t>(parent));
}

Reply AnswerOf(const TxnState& child) {
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

Reply WhyNotBegun(Obstacle obstacle, Failure why) {
  switch (obstacle) {
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
  return {{kParentActor, "its parent has no use for it any more"}};
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
