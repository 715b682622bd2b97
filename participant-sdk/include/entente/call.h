// One call of a participant, and what it may answer. Shared by all parts of the SDK.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "entente/base/ids.h"
#include "entente/base/json.h"
#include "entente/base/status.h"
#include "entente/base/time.h"

namespace entente::sdk {

// What a participant can be asked to do, by mode. The words are those of definitions.
enum class Operation {
  kAction,      // saga
  kCompensate,  // saga
  kTry,         // tcc
  kConfirm,     // tcc
  kCancel,      // tcc
  kPrepare,     // 2pc
  kCommit,      // 2pc
  kRollback,    // 2pc
};

// "action", "compensate", "try", ...
[[nodiscard]] std::string_view OperationName(Operation operation);
[[nodiscard]] std::optional<Operation> ParseOperation(std::string_view name);

// The mode an operation belongs to: "saga", "tcc" or "2pc".
[[nodiscard]] std::string_view FamilyName(Operation operation);

// What an operation is for, whatever the mode.
enum class Purpose {
  kForward,  // action, try, prepare: a refusal is an answer like another.
  kFinish,   // confirm, commit: there is no way back.
  kUndo,     // compensate, cancel, rollback: must work also when the forward call never came.
};
[[nodiscard]] Purpose PurposeOf(Operation operation);

// The facts that come with every call, and its input. A value type.
struct Call {
  Gid gid = {};
  BranchId branch = {};
  Operation operation = Operation::kAction;
  // 0: the step's first choice; n: its n-th alternative. Part of the idempotency key.
  uint32_t alternative = 0;
  uint32_t attempt = 1;
  // The coordinator's ownership of the transaction. Absent: the caller states none, and the barrier
  // does not check it.
  std::optional<Epoch> epoch = {};
  // Which coordinator calls: 16 lower-case hexadecimal digits, which live in its store. Empty: it
  // does not say.
  std::string coordinator = {};
  std::string idempotency_key = {};   // The same for every attempt of this operation.
  std::string completion_token = {};  // Names this operation when it is completed later.
  std::string traceparent = {};       // W3C trace context; empty: none.
  // A commit without a prepare: this participant is the only one, and decides.
  bool one_phase = false;
  // When nobody waits for the answer any more. Absent: the caller did not say. What is not begun by
  // then need not be: the coordinator calls again, or undoes.
  std::optional<Instant> deadline = {};
  // A whole number up to 2^53 is an integer here, however it was written (2.0, 2e0) and whichever
  // way it came.
  Json input = {};
};

// Whether a text has the form of Call::coordinator.
[[nodiscard]] bool IsCoordinatorId(std::string_view text);

// The number of the alternative in an idempotency key; 0 when it has none or another form. The key
// of an action, try or prepare is the step's own, "gid:branch[:altN]", what a definition reads as
// ${key}; that of any other operation is followed by ":operation". A forward call's key that names
// its operation too is read as well.
[[nodiscard]] uint32_t AlternativeOfKey(std::string_view key, const Call& call);

// The participant's own decision against, or without, the coordinator's.
enum class HeuristicOutcome { kCommitted, kRolledBack, kMixed };
// "committed", "rolled-back" or "mixed".
[[nodiscard]] std::string_view HeuristicName(HeuristicOutcome outcome);

struct DoneAnswer {
  Json output = {};
  std::optional<Instant> expires = {};
  friend bool operator==(const DoneAnswer&, const DoneAnswer&) = default;
};
struct RefusedAnswer {
  std::string code = {};
  std::string message = {};
  friend bool operator==(const RefusedAnswer&, const RefusedAnswer&) = default;
};
struct PendingAnswer {
  std::string location = {};
  friend bool operator==(const PendingAnswer&, const PendingAnswer&) = default;
};
// Whom a Retry speaks for.
enum class RetryScope {
  kCall,     // This call: what it needs is taken, or its outcome is in doubt. Others go on.
  kService,  // Every call of this service: the coordinator lets them all wait.
};
struct RetryAnswer {
  std::string code = {};
  std::string message = {};
  Duration after = {};
  RetryScope scope = RetryScope::kCall;
  friend bool operator==(const RetryAnswer&, const RetryAnswer&) = default;
};
struct ReadOnlyAnswer {
  friend bool operator==(const ReadOnlyAnswer&, const ReadOnlyAnswer&) = default;
};
struct HeuristicAnswer {
  HeuristicOutcome outcome = HeuristicOutcome::kMixed;
  std::string message = {};
  friend bool operator==(const HeuristicAnswer&, const HeuristicAnswer&) = default;
};

// What a handler answers. Made by the functions below.
using Answer = std::variant<DoneAnswer, RefusedAnswer, PendingAnswer, RetryAnswer, ReadOnlyAnswer,
                            HeuristicAnswer>;

// Carried out (or found carried out). `output` is what later steps of the transaction read.
[[nodiscard]] Answer Done(Json output = nullptr);
// Of a try: what it reserved holds until `expires`. The coordinator confirms well before, or
// cancels.
[[nodiscard]] Answer DoneUntil(Instant expires, Json output = nullptr);
// Certainly not carried out, and there is no effect. Forward: the transaction goes another way.
// Finish or undo: asked again, then an operator is called. `code` is a stable word for programs.
[[nodiscard]] Answer Refused(std::string code, std::string message);
// Accepted; the outcome is delivered later to POST /v1/completions/{call.completion_token}, or, if
// `location` is not empty, found by polling that path of this service (Participant::RegisterPoll
// serves it): at most 2048 printable characters of ASCII, without blanks; any other is an error
// over REST (handler.bad_answer). Over gRPC there is no path to poll.
[[nodiscard]] Answer Pending(std::string location = {});
// The outcome is unknown, or it did not happen but may work later: ask again, no sooner than
// `after` (zero: as the definition says). Says nothing about other calls.
[[nodiscard]] Answer Retry(std::string code, std::string message, Duration after = {});
// The same, and no other call of this service would fare better for now (its database is gone, it
// has too much to do): the coordinator pauses all of them until `after`; zero: after five such
// answers in a row, for as long as it finds right.
[[nodiscard]] Answer OutOfService(std::string code, std::string message, Duration after = {});
// A prepare's vote: nothing was written, leave this participant out of the second phase.
[[nodiscard]] Answer ReadOnly();
// The answer of a confirm, commit, cancel or rollback by a participant that could not wait and
// decided by itself. Calls an operator unless it agrees with the decision.
[[nodiscard]] Answer Heuristic(HeuristicOutcome outcome, std::string message);

// A Status as an answer, since an error proves nothing about what happened: OutOfService where
// something is full (kResourceExhausted) or the database is gone (barrier.no_connection), else
// Retry.
[[nodiscard]] Answer AnswerOf(const Status& status);

}  // namespace entente::sdk
