// Families: how a transaction and the child that one of its steps runs come to terms.
//
// A parent asks for its child by StartChild: when the step begins, again with every attempt, and
// again after a crash. The child is a transaction of its own, found by its name, whose end answers
// the call. It is not made with the call: the host looks for it, which takes a while, and meanwhile
// either of them may crash, be read back, be quarantined, abort or be ended by an operator. So
// whenever the host has found out something about the child it asks Meet, with what is so *now*,
// and does what that says:
//
//  - The parent aborts while its child is looked for, or another step is first in its race: there
//    was nothing to stop by then. What is not there is not begun, and what is there is stopped.
//  - The child ended while its parent was away, or before a crash: its end answers the call that
//    the parent makes when it is back. No call of a child is ever in doubt.
//  - The child is away: the parent waits. When the child is back, whoever brings it back asks
//    CallFor what the parent wants of it, and they meet again.
//  - A child that its parent holds (to undo it by the child's own compensations) answers when all
//    is done, and commits or aborts only when its parent has: whoever looks at a child that has
//    ended sees what stays so. It is told by its parent's end; one that was away then, or whose
//    parent's end was the last thing before a crash, asks for it when it is back. Its parent undoes
//    it as it stops one that is under way, so that there is one way for a child to be undone, and
//    asking twice is asking once.
//  - The coordinator is full: a child is refused as anybody is, which its parent can answer by an
//    alternative or an abort. Were it to wait, a coordinator full of parents would wait for their
//    children for ever. But where the parent has no way back the child is let in.
//
// Pure, as all of the engine.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "engine/engine.h"

namespace entente::engine {

// Who aborts a child transaction when its parent aborts.
inline constexpr const char* kParentActor = "parent";

// What is known of the child.
enum class ChildStanding : uint8_t {
  kUnknown,  // Nobody has looked in the journal.
  kAbsent,   // There is none of that name.
  kOpen,     // In memory.
  kHeld,     // The same: done, and its parent's affair.
  kAway,     // Open, and not in memory: it is being read back, or is quarantined.
  kEnded,    // Durably.
};
inline constexpr size_t kChildStandings = 6;
[[nodiscard]] std::string_view ChildStandingName(ChildStanding standing);

// How the parent stands to the call.
enum class ParentStanding : uint8_t {
  kAsks,      // A refusal is an answer to it.
  kMustHave,  // It has no way back that a refusal could take.
  kStops,     // The call is of a step that it undoes: it aborts, or another was first in a race.
  kEnded,     // An operator ended it.
  kAway,      // Open, and not in memory.
  kUndoes,    // The call undoes what an earlier one ran.
};
inline constexpr size_t kParentStandings = 6;
[[nodiscard]] std::string_view ParentStandingName(ParentStanding standing);

// Of a parent in memory, to one of its calls. `family_must_go_on`: it is itself a child which its
// own parent must have.
[[nodiscard]] ParentStanding StandingOf(const TxnState& parent, const StartChild& call,
                                        bool family_must_go_on);
// Of one that is not in memory, `away`, or not open any more.
[[nodiscard]] ParentStanding StandingOfAbsent(bool away, const StartChild& call);

enum class FamilyAction : uint8_t {
  kLookFor,       // Load it from the journal, and its definition if it is not there; meet again.
  kBegin,         // Submit it, unless something stands in the way: WhyNotBegun.
  kBeginAnyhow,   // The same, above the limit for open transactions too.
  kRefuse,        // Answer the call with Unwanted.
  kAdopt,         // From now on its end answers this call.
  kAdoptAndStop,  // Adopt it and hand it StopChild.
  kAnswer,        // Answer the call with AnswerOf.
  kAwait,         // Nothing: they meet again when the child is back.
  kMiss,          // Answer the call with Missed.
};
[[nodiscard]] std::string_view FamilyActionName(FamilyAction action);

using FamilyTable = std::array<std::array<FamilyAction, kParentStandings>, kChildStandings>;
[[nodiscard]] const FamilyTable& TableOfFamilies();
[[nodiscard]] FamilyAction Meet(ChildStanding child, ParentStanding parent);

// What a child that has ended, or is held, means for its parent's call.
[[nodiscard]] Reply AnswerOf(const TxnState& child, const StartChild& call);

// The answer to a call of `parent` that undoes a child which never was, or is no more: there is
// nothing to undo where the branch had given up, and an incident where it was done.
[[nodiscard]] Reply Missed(const TxnState& parent, const StartChild& call);

// What an answer of the two says of the child by its code: that an operator forced its outcome;
// that it can not be undone, which it will say again. A participant may call its own failures the
// same.
[[nodiscard]] bool SaysMixed(const Failure& failure);
[[nodiscard]] bool SaysNotUndoable(const Failure& failure);

// The answer for a child that was not begun because its parent does not want it any more.
[[nodiscard]] Reply Unwanted();

// The incident of a step whose child is to be undone, and that an operator did instead.
inline constexpr std::string_view kUndoneByHand = "undo.done_by_operator";
[[nodiscard]] Failure DoneByOperator(const BranchId& branch);

// What stands in the way of a child that should begin.
enum class Obstacle : uint8_t {
  kTooDeep,       // It is nested deeper than children may be.
  kNoDefinition,  // There is none of that name and version.
  kNotReadable,   // The definition, or whether there is a child, can not be read now.
  kBadInput,      // Its input does not match its definition's schema.
  kNotUndoable,   // It is to be undone by its own compensations, which can not undo all of it.
  kFull,          // As many transactions are open as may be, or there is no memory for it.
  kStopping,      // The coordinator stops.
  kFailed,        // It could not be written.
};
// The answer to the call, which was not made or is refused for `why`.
[[nodiscard]] Reply WhyNotBegun(Obstacle obstacle, Failure why);

// What the parent's abort is to the child. Where it is refused the child is past its pivot or has
// ended: its end answers the parent either way.
[[nodiscard]] AbortRequested StopChild();

// The children that `parent` holds, or may: some of them may have ended or never been.
[[nodiscard]] std::vector<Gid> HeldChildren(const dsl::Plan& plan, const TxnState& parent);

// What the one of `branch` is told when `parent`, of that mode, has ended: it ends the same way,
// also where an operator said which, unless the branch was undone on the way there, or was done in
// another way.
[[nodiscard]] Event FateOfHeld(Mode mode, const TxnState& parent, const Gid& child,
                               const BranchId& branch);

// The call by which `parent` waits for `child` at the moment, if it does.
[[nodiscard]] std::optional<StartChild> CallFor(const dsl::Plan& plan, const TxnState& parent,
                                                const Gid& child);

}  // namespace entente::engine
