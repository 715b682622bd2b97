// Record: a durable fact about one transaction. Its journal is a list of these, and its state is
// nothing but their fold (engine.h: Evolve).
//
// Records state what happened or was decided, never what to do next; a reader needs no plan to fold
// them. proto/entente/journal/v1/journal.proto is their stored form.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/json_text.h"
#include "engine/core/branch.h"

namespace entente::engine {

struct ParentLink {
  Gid gid;
  BranchId branch;
  // Its step undoes the child by the child's own compensations: when all is done the child is held,
  // and it ends as its parent does.
  bool holds = false;
  friend bool operator==(const ParentLink&, const ParentLink&) = default;
};

// How one call of an operation ended when it did not succeed.
enum class AttemptOutcome : uint8_t {
  kNotSent = 1,   // Certainly never reached the participant.
  kRefused = 2,   // The participant said no.
  kUnknown = 3,   // It may have happened.
  kHeldBack = 4,  // Never tried, for no fault of the participant; counts for no attempt.
  kNotYet = 5,    // It succeeded, but not with the answer that is waited for; called again later.
};
std::string_view AttemptOutcomeName(AttemptOutcome outcome);

// Always the first record.
struct Accepted {
  Gid gid;
  std::string definition;
  uint32_t version = 0;
  Mode mode = Mode::kSaga;
  JsonText input;
  std::vector<std::pair<std::string, std::string>> labels;
  std::optional<Instant> deadline;
  std::optional<ParentLink> parent;
  std::string request_digest;  // Of what was submitted: tells a resubmit from a conflict.
  std::string traceparent;     // W3C trace context of the submitter, or empty.
  bool client_driven = false;  // Without a definition: a client enlists and decides.
};

// A client announced a branch of its transaction, before it works with the participant.
struct BranchEnlisted {
  size_t step = 0;  // The next one.
  BranchId branch;
  std::string source;  // JSON text: how to call the participant. Recovery compiles it again.
};

// The client wants to commit: nobody joins any more.
struct EnlistmentClosed {};

// The branches of a step are known: one, or as many as its forEach has items.
struct StepExpanded {
  size_t step = 0;
  std::string id;               // The step's name, which its branches carry.
  bool for_each = false;        // Else there is one branch, and no items.
  std::vector<JsonText> items;  // Of a forEach; each branch keeps its own.
};

// No more of the step is done. If it was begun, another was first in its race, and what it did is
// undone.
struct StepSkipped {
  size_t step = 0;
  std::optional<BranchId> branch = std::nullopt;  // Of a block: for this element only.
};

// From here on the operation may be called; attempt 1 of it begins.
struct OperationStarted {
  BranchId branch;
  Role role = Role::kForward;
  uint32_t alternative = 0;
  std::optional<Instant> deadline;  // Of a forward operation: no attempt begins after it.
  bool one_phase = false;           // Of a finish: the participant itself decides.
};

// A wait step begins to wait, until `until` if present.
struct WaitStarted {
  BranchId branch;
  std::optional<Instant> until;
  std::string signal;  // The name waited for; empty if only time ends the wait.
};

// An attempt ended without success, and another one is due at `retry_at`.
struct AttemptFailed {
  BranchId branch;
  AttemptOutcome outcome = AttemptOutcome::kUnknown;
  Failure failure;
  Instant retry_at;
};

// The back-off is over (or an operator cut it short); the next attempt begins.
struct AttemptStarted {
  BranchId branch;
};

// The coordinator stopped while the call was in flight: its outcome is unknown, and the next
// attempt begins at once.
struct CallInterrupted {
  BranchId branch;
};

// The participant accepted the call and will answer later.
struct OperationPending {
  BranchId branch;
  std::string poll_url;            // Empty: only a completion can end it.
  std::optional<Instant> wake_at;  // The next poll or the deadline; absent if there is neither.
  std::optional<Instant> deadline;
};

// A poll of a pending operation brought nothing yet.
struct PollScheduled {
  BranchId branch;
  Instant wake_at;
  std::optional<Failure> failure = std::nullopt;  // What kept its answer from being one.
};

struct OperationSucceeded {
  BranchId branch;
  JsonText output;
  bool read_only = false;  // Of a prepare: there is nothing to commit or roll back.
  JsonText answer = {};    // As ReplyDone's.
};

// What the branch holds at its participant is let go at `expires`; from `safe_until` on it is too
// late to decide that it be confirmed.
struct ReservationExpires {
  BranchId branch;
  Instant expires;
  Instant safe_until;
};

// A participant said that it settled the branch by itself. What follows is a record of its own.
struct HeuristicReported {
  BranchId branch;
  HeuristicOutcome outcome = HeuristicOutcome::kMixed;
  Failure failure;
};

// A forward operation (or a commit in one phase) certainly had no effect and is not tried again. If
// an alternative follows, its OperationStarted is in the same append.
struct OperationRefused {
  BranchId branch;
  Failure failure;
  // The step is optional: no alternative follows, and the transaction goes on without it.
  bool tolerated = false;
  // Its attempts were used up: none had an effect.
  bool given_up = false;
};

// No more attempts at a forward operation (or a commit in one phase), which may have had an effect.
struct OperationGaveUp {
  BranchId branch;
  Failure failure;
  bool tolerated = false;  // The transaction goes on without it; should it abort, it is undone.
};

// No more attempts without an operator. The branch is stuck in its current role.
struct IncidentRaised {
  BranchId branch;
  Failure failure;
};

// All that a child has to do is done, and can still be undone: what becomes of it is its parent's
// affair. Only CommitDecided, AbortDecided or an operator's end follow.
struct Held {
  JsonText output;                        // As Ended's, which its parent is answered with.
  std::optional<Failure> output_failure;  // The same.
};

// The point of no return: a saga's pivot happened, or what was held stays; or every branch of a TCC
// or two-phase commit is reserved or prepared, and from here on is only confirmed or committed.
struct CommitDecided {};

struct AbortDecided {
  AbortCause cause = AbortCause::kCancelled;
  std::optional<BranchId> branch;  // The one that caused it.
  Failure failure;
  std::optional<Actor> actor;  // Present for kCancelled.
};

// The deadline passed when there was no way back; an alert, nothing else.
struct DeadlineMissed {};

// The coordinator started anew with a clock that was behind the one it had stopped with: whatever
// was counted from an instant of that one is due so much earlier, or it would wait that much longer
// than it was to. What stays as it is has a record of its own after this one.
struct ClockSetBack {
  Duration by{};
};

struct SignalReceived {
  std::string name;
  JsonText payload;
  std::string id = {};      // As SignalSent's.
  std::string digest = {};  // Tells a repeat from another signal under the same id.
};

struct Paused {
  Actor actor;
};
struct Resumed {
  Actor actor;
};

// An operator started a fresh budget for a branch that was stuck or backing off.
struct OperatorRetried {
  BranchId branch;
  Actor actor;
};

// An operator changed what the next calls of a stuck or resting branch's current operation send, or
// how often and when they are made. Its key stays: if an earlier call did happen after all, a
// participant that is idempotent by key does not do it a second time.
struct OperatorEdited {
  BranchId branch;
  JsonText before;                        // What would have been sent; null if that is not known.
  std::optional<JsonText> body;           // Absent: as it was.
  std::optional<dsl::RetryPolicy> retry;  // Absent: as it was.
  Actor actor;
};

// An operator vouches that the branch's current operation is settled.
struct OperatorSkipped {
  BranchId branch;
  JsonText output;
  Actor actor;
};

// An operator vouches for how the branch's pending operation ended; the records after it, in the
// same append, say what that comes to.
struct OperatorCompleted {
  BranchId branch;
  Actor actor;
};

// Always the last record.
struct Ended {
  TxnStatus status = TxnStatus::kCommitted;  // kCommitted, kAborted or kMixed.
  JsonText output;
  std::optional<Failure> output_failure;  // The output expression failed; the end stands.
  std::optional<TxnStatus> forced;        // For kMixed: kCommitted or kAborted, as was chosen.
  std::optional<Actor> actor;             // For kMixed.
};

using RecordBody =
    std::variant<Accepted, StepExpanded, StepSkipped, OperationStarted, WaitStarted, AttemptFailed,
                 AttemptStarted, CallInterrupted, OperationPending, PollScheduled,
                 OperationSucceeded, OperationRefused, OperationGaveUp, IncidentRaised,
                 CommitDecided, AbortDecided, DeadlineMissed, SignalReceived, Paused, Resumed,
                 OperatorRetried, OperatorSkipped, Ended, BranchEnlisted, EnlistmentClosed,
                 HeuristicReported, ReservationExpires, ClockSetBack, OperatorEdited,
                 OperatorCompleted, Held>;

struct Record {
  Instant at;  // As stamped by the shard that decided it.
  RecordBody body;
};

// "operation-succeeded": for histories, golden scenarios and logs.
std::string_view RecordName(const Record& record);

}  // namespace entente::engine
