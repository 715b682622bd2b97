// The vocabulary shared by records, state, inputs and effects.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/json.h"
#include "base/time.h"
#include "dsl/plan.h"

namespace entente::engine {

using dsl::Mode;
using dsl::Role;

// Where a transaction stands; the same words in every mode. Values are stored; never reuse one.
enum class TxnStatus : uint8_t {
  kActive = 1,      // Undecided.
  kCommitting = 2,  // Decided: only forward from here (a saga past its pivot).
  kCommitted = 3,
  kAborting = 4,  // Decided: everything that may have happened is being undone.
  kAborted = 5,
  kMixed = 6,  // An operator forced an outcome.
};
std::string_view TxnStatusName(TxnStatus status);  // "ACTIVE", ...
[[nodiscard]] constexpr bool IsFinished(TxnStatus status) {
  return status == TxnStatus::kCommitted || status == TxnStatus::kAborted ||
         status == TxnStatus::kMixed;
}

// Where one branch stands. Values are stored in fixtures and shown to people; never reuse one.
enum class BranchPhase : uint8_t {
  kBlocked = 1,         // Waits for its predecessors, or for a place among its forEach siblings.
  kSkipped = 2,         // `when` said no. Nothing to undo.
  kForward = 3,         // The forward operation is being called (a wait step never is).
  kForwardBackoff = 4,  // Its retry is due at `wake_at`.
  kForwardPending = 5,  // The participant answered "pending".
  kWaiting = 6,         // A wait step: until `wake_at`, or for a signal.
  kDone = 7,            // The forward operation succeeded.
  kRefused = 8,         // It certainly had no effect.
  kGaveUp = 9,          // It may have had one, and no more attempts are made.
  kForwardStuck = 10,   // Incident: past the point of no return, and it does not succeed.
  kUndo = 11,           // The undo operation is being called.
  kUndoBackoff = 12,
  kUndoPending = 13,
  kUndone = 14,
  kUndoStuck = 15,  // Incident.
  kFinish = 16,     // The finish operation is being called (TCC, 2PC).
  kFinishBackoff = 17,
  kFinishPending = 18,
  kFinished = 19,
  kFinishStuck = 20,  // Incident.
  kEnlisted = 21,     // The client works with the participant itself: it may have happened.
  kReadOnly = 22,     // Prepared, and there is nothing to commit or roll back.
};
std::string_view BranchPhaseName(BranchPhase phase);  // "forward-backoff", ...

// One call of one branch, without its attempt: what the idempotency key stands for.
struct CommandId {
  Gid gid;
  BranchId branch;
  Role role = Role::kForward;
  uint32_t alternative = 0;  // 0 is the operation itself, n its n-th alternative.

  friend bool operator==(const CommandId&, const CommandId&) = default;
};

// What a definition reads as `key`: "<gid>:<branch>", and ":alt<n>" for an alternative. The same
// for a forward call and the undo of that call, so that both name the same thing. Its characters
// need no escaping in a URL.
[[nodiscard]] std::string StepKey(const CommandId& command);

// The `Idempotency-Key` header. A forward call's is the step key itself: what a participant files
// under the header is found again under the `key` that its undo is written with. Of other
// operations it is the step key, ':' and the operation's name in its mode.
[[nodiscard]] std::string IdempotencyKey(const CommandId& command, Mode mode);

// Why something failed, as shown to people and matched by scripts.
struct Failure {
  std::string code;     // "http.409", "grpc.UNAVAILABLE", "timeout", "expression.error", ...
  std::string message;  // Capped at limits::kMaxErrorTextBytes.

  friend bool operator==(const Failure&, const Failure&) = default;
};

// Who asked for something, for the audit.
struct Actor {
  std::string name;
  std::string reason;

  friend bool operator==(const Actor&, const Actor&) = default;
};

// Why a transaction began to abort. Values are stored; never reuse one.
enum class AbortCause : uint8_t {
  kRefused = 1,    // A branch was refused and had no further alternative.
  kGaveUp = 2,     // A branch exhausted its attempts with an unknown outcome.
  kCancelled = 3,  // Somebody asked.
  kDeadline = 4,
  kExpression = 5,  // An expression of the definition failed on this transaction's data.
  kExpired = 6,     // A reservation could no longer be confirmed safely.
};
std::string_view AbortCauseName(AbortCause cause);

// How a participant says it settled a branch without waiting for the decision, or against it.
// Values are stored; never reuse one.
enum class HeuristicOutcome : uint8_t { kCommitted = 1, kRolledBack = 2, kMixed = 3 };
std::string_view HeuristicOutcomeName(HeuristicOutcome outcome);  // "committed", ...

}  // namespace entente::engine
