// Turns the templates of a plan into requests and values, under the data of one transaction.
// Internal to the engine.
//
// What expressions read: `input`, `env`, `gid`; `steps.<id>.output` (a forEach's is the list of its
// branches' outputs; a branch that reads its own step, or another of its block, reads that of its
// own element) and `steps.<id>.status`
// ("done", "skipped", "unknown" or "running"); for a branch also `key`, and `item` and `index` of a
// forEach.
//
// What may be evaluated: all expressions of one call together cost at most
// limits::kMaxExpressionCost (of an undo kMaxUndoExpressionCost), whatever else the decision
// evaluates, since a call that could be made must be made again after a restart among others. So
// may a condition, a list or whatever else is evaluated for itself, until the decision has cost
// limits::kMaxDecisionCost; from then on it has limits::kMinExpressionCost.
//
// All functions fail with kInvalidArgument and a message for the author of the definition.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/core/draft.h"

namespace entente::engine {

[[nodiscard]] Failure FailureFrom(const Status& status);

// The operation that the branch's role stands for; null if the plan has none. `role` is the
// branch's current one.
[[nodiscard]] const dsl::OperationTemplate* OperationOf(const Draft& draft, BranchRef ref,
                                                        Role role);
// How the branch's forward call reads a success by its content; null: not at all.
[[nodiscard]] const dsl::RefuseRule* RefuseRuleOf(const Draft& draft, BranchRef ref);
// How it is repeated; null: it is not.
[[nodiscard]] const dsl::RepeatRule* RepeatRuleOf(const Draft& draft, BranchRef ref);
// Whether that rule's condition holds of an answer. Only if there is one.
[[nodiscard]] Result<bool> EvaluateUntil(const Draft& draft, BranchRef ref, const JsonText& answer);
[[nodiscard]] bool IsChildOperation(const Draft& draft, BranchRef ref, Role role);
// The way to do its step that the branch took last; null of a step that waits.
[[nodiscard]] const dsl::CallWay* WayOf(const dsl::Step& step, const BranchFacts& branch);
[[nodiscard]] bool HasUndo(const dsl::Step& step, const BranchFacts& branch);
[[nodiscard]] bool HasFinish(const dsl::Step& step, const BranchFacts& branch);
// Whether the branch runs a child that is held, to be undone by the child's own compensations.
[[nodiscard]] bool HoldsChild(const dsl::Step& step, const BranchFacts& branch);

// By which the current operation is retried: an operator's, else its step's.
[[nodiscard]] const dsl::RetryPolicy& RetryOf(const Draft& draft, BranchRef ref);
// How long one attempt of the operation may take. Of one whose computed time fails, and which so
// was never called, the longest there can be.
[[nodiscard]] Duration CallTimeout(const Draft& draft, BranchRef ref, Role role);
// How long the step as a whole may take from its start; absent: that is not bounded.
[[nodiscard]] Result<std::optional<Duration>> EvaluateStepDeadline(const Draft& draft,
                                                                   BranchRef ref);
// The same of the whole transaction, whose input the draft has. Fails with reason
// input.deadline_invalid.
[[nodiscard]] Result<std::optional<Duration>> EvaluateDeadline(const Draft& draft);

[[nodiscard]] CommandId CommandOf(const Draft& draft, BranchRef ref, Role role);

// The gid of the child transaction that was run last by the branch's forward operation, also once
// that is settled.
[[nodiscard]] Gid ForwardChildOf(const Gid& parent, Mode mode, const BranchFacts& branch);
// The gid of the child transaction that the branch's current attempt runs, or undoes. After a child
// that ended without effect the next attempt has another one; until then every attempt has the
// same, so that asking again can never start it twice.
[[nodiscard]] Gid ChildOf(const Draft& draft, BranchRef ref, Role role);

// The CallBranch or StartChild of the attempt that the branch is in.
[[nodiscard]] Result<Effect> RenderCall(const Draft& draft, BranchRef ref);
// The same for any of the branch's operations: to find out whether it could be called.
[[nodiscard]] Result<Effect> RenderOperation(const Draft& draft, BranchRef ref, Role role);

[[nodiscard]] PollBranch MakePoll(const Draft& draft, BranchRef ref);

// Whether the step is taken: it belongs to no choice or to the way that was taken, and its own
// condition holds.
[[nodiscard]] Result<bool> EvaluateWhen(const Draft& draft, size_t step);
// The same of a step in a block, for the branch's element.
[[nodiscard]] Result<bool> EvaluateWhen(const Draft& draft, BranchRef ref);
// Of a choice in a block, for the element of that index.
[[nodiscard]] bool IsWayTaken(const Draft& draft, const dsl::WayOfChoice& way, size_t index = 0);
// How the branch's forward call is completed by somebody else; null: its own answer ends it.
[[nodiscard]] const dsl::CompletionRule* CompletionRuleOf(const Draft& draft, BranchRef ref);
// The output that `body` comes to, by that rule; absent: it does not end the call.
[[nodiscard]] Result<std::optional<JsonText>> EvaluateCompletion(const Draft& draft, BranchRef ref,
                                                                 const JsonText& body);
// The output of a choice that is made now: {"taken": n}.
[[nodiscard]] Result<JsonText> EvaluateChoice(const Draft& draft, BranchRef ref);
// Why a step that refuses does.
[[nodiscard]] Result<Failure> RenderRefusal(const Draft& draft, BranchRef ref);
// Why `answer`, a success of the branch's forward call, is a refusal by what it says; absent: it is
// none.
[[nodiscard]] Result<std::optional<Failure>> EvaluateRefuseWhen(const Draft& draft, BranchRef ref,
                                                                const JsonText& answer);
// At most limits::kMaxForEachBranches.
[[nodiscard]] Result<std::vector<JsonText>> EvaluateItems(const Draft& draft, size_t step);
// When a wait step that begins now is over; absent: only a signal ends it.
[[nodiscard]] Result<std::optional<Instant>> EvaluateWait(const Draft& draft, BranchRef ref);
// When what the branch holds expires, by its step's own rule; absent: it has none.
[[nodiscard]] Result<std::optional<Instant>> EvaluateExpiry(const Draft& draft, BranchRef ref);
// How long before that it is too late to decide a commit.
[[nodiscard]] Duration ExpiryMargin(const Draft& draft, BranchRef ref);
[[nodiscard]] Result<JsonText> RenderOutput(const Draft& draft);
[[nodiscard]] Result<std::string> RenderLabel(const Draft& draft, const dsl::cel::Template& label);

}  // namespace entente::engine
