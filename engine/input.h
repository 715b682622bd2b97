// Input: what the world tells the engine. The shard stamps it with the time and entropy, because
// the engine can ask for neither.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "engine/record.h"

namespace entente::engine {

// Begins a transaction: of the plan's definition, or one that a client drives (a plan of
// dsl::ClientDrivenPlan). Only valid on a state that has no record.
struct Submitted {
  Gid gid;
  JsonText input;  // Already checked against the plan's schema by the caller.
  std::vector<std::pair<std::string, std::string>> labels;  // In addition to the definition's.
  std::optional<Duration> deadline;                         // Instead of the definition's.
  std::optional<ParentLink> parent;
  std::string request_digest;
  std::string traceparent;
};

// A participant's answer, classified by the table of docs/participants.md.
struct ReplyDone {
  JsonText output;
  bool read_only = false;  // Of a prepare: there is nothing to commit or roll back.
  // Of a try: the participant's own word on how long it holds.
  std::optional<Instant> expires = std::nullopt;
  // {"headers": {...}, "statusCode": n}: what the plan says is kept of the answer itself, else
  // null.
  JsonText answer = {};
};
struct ReplyRefused {
  Failure failure;
  // Had no effect, but is no reason to stop: a forward call is made again within its budget.
  bool again = false;
  std::optional<Duration> retry_after = std::nullopt;  // Of one that is: as ReplyUnknown's.
};
struct ReplyUnknown {
  Failure failure;
  std::optional<Duration> retry_after;  // The participant's own wish.
};
// The call certainly never reached the participant: it can not have had an effect.
struct ReplyNotSent {
  Failure failure;
  std::optional<Duration> retry_after;
  // It was held back all the time: by its participant's gate (breaker, limits), or because the
  // coordinator stops. With a retry_after: turned away there unlooked at, as who calls is in doubt.
  bool blocked = false;
  bool stopping = false;
};
struct ReplyPending {
  std::string poll_url;                // Empty: only a completion ends it.
  std::optional<Duration> poll_after;  // Retry-After, else the engine's back-off.
};
// The participant settled the branch without waiting for the decision, or against it. Only an undo
// or a finish is answered so; of a forward operation it counts as a refusal.
struct ReplyHeuristic {
  HeuristicOutcome outcome = HeuristicOutcome::kMixed;
  Failure failure;
};
using Reply =
    std::variant<ReplyDone, ReplyRefused, ReplyUnknown, ReplyNotSent, ReplyPending, ReplyHeuristic>;

// Answers a CallBranch, a StartChild or a PollBranch. `role`, `alternative` and `attempt` are the
// effect's own, so that a stray or late reply is told apart.
struct BranchReplied {
  BranchId branch;
  Role role = Role::kForward;
  uint32_t alternative = 0;
  uint32_t attempt = 0;
  Reply reply;
};

// POST /v1/completions/{token}, after the token was verified to name this command.
struct CompletionReceived {
  BranchId branch;
  Role role = Role::kForward;
  uint32_t alternative = 0;
  std::variant<ReplyDone, ReplyRefused> outcome;
  uint32_t run = 0;  // As CallBranch has it, of the call whose word it is.
  // An operator's word instead of the participant's. It is about whatever the branch is pending on:
  // role, alternative and run do not count, and an output is the step's own, as it is.
  std::optional<Actor> actor = std::nullopt;
};

// A timer that ArmTimer asked for. Without a branch it is the transaction's deadline.
struct TimerFired {
  std::optional<BranchId> branch;
};

struct AbortRequested {
  Actor actor;
  bool by_parent =
      false;  // Of a child: whose end is its parent's, so that it is no other's affair.
};

// The parent of a child that it holds has ended, and what the child did stays.
struct LetGo {};

// A client announces a branch of the transaction it drives. Decide is given the plan *with* the
// branch as its last step, unless the transaction has a branch of that name; if the input is taken,
// the host goes on with that plan.
struct EnlistRequested {
  BranchId branch;
  std::string source;  // What that step was compiled from (dsl::CompileBranch), canonical.
};

// A client wants its transaction to commit.
struct CommitRequested {};

struct SignalSent {
  std::string name;
  JsonText payload;
  // The sender's name for this very signal: sent again, it is the same one for good. Empty: it has
  // none, and what is sent again once the first was taken is another signal.
  std::string id = {};
  std::string digest = {};  // Of name and payload, where there is an id.
};

struct PauseRequested {
  Actor actor;
};
struct ResumeRequested {
  Actor actor;
};
// What an operator changes of a branch's operation before it is retried.
struct Edit {
  std::optional<JsonText> body;  // What is sent instead of what the plan renders.
  std::optional<dsl::RetryOverrides> retry;
};
struct RetryRequested {
  std::optional<BranchId> branch;  // Absent: every branch that is stuck or backing off.
  Actor actor;
  std::optional<Edit> edit = std::nullopt;  // Only with a branch.
};
struct SkipRequested {
  BranchId branch;
  JsonText output;
  Actor actor;
};
struct ResolveRequested {
  TxnStatus outcome = TxnStatus::kCommitted;  // kCommitted or kAborted.
  Actor actor;
};

// The state was just rebuilt from the journal: calls that were in flight may have happened.
struct Recovered {};

using Event =
    std::variant<Submitted, BranchReplied, CompletionReceived, TimerFired, AbortRequested,
                 SignalSent, PauseRequested, ResumeRequested, RetryRequested, SkipRequested,
                 ResolveRequested, Recovered, EnlistRequested, CommitRequested, LetGo>;

struct Input {
  Instant now;
  uint64_t entropy = 0;  // Decides jitter; any value is correct.
  Event event;
};

}  // namespace entente::engine
