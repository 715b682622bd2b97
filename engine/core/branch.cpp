#include "engine/core/branch.h"

namespace entente::engine {

std::string_view TxnStatusName(TxnStatus status) {
  switch (status) {
    case TxnStatus::kActive: return "ACTIVE";
    case TxnStatus::kCommitting: return "COMMITTING";
    case TxnStatus::kCommitted: return "COMMITTED";
    case TxnStatus::kAborting: return "ABORTING";
    case TxnStatus::kAborted: return "ABORTED";
    case TxnStatus::kMixed: return "MIXED";
  }
  return "UNKNOWN";
}

std::string_view BranchPhaseName(BranchPhase phase) {
  switch (phase) {
    case BranchPhase::kBlocked: return "blocked";
    case BranchPhase::kSkipped: return "skipped";
    case BranchPhase::kForward: return "forward";
    case BranchPhase::kForwardBackoff: return "forward-backoff";
    case BranchPhase::kForwardPending: return "forward-pending";
    case BranchPhase::kWaiting: return "waiting";
    case BranchPhase::kDone: return "done";
    case BranchPhase::kRefused: return "refused";
    case BranchPhase::kGaveUp: return "gave-up";
    case BranchPhase::kForwardStuck: return "forward-stuck";
    case BranchPhase::kUndo: return "undo";
    case BranchPhase::kUndoBackoff: return "undo-backoff";
    case BranchPhase::kUndoPending: return "undo-pending";
    case BranchPhase::kUndone: return "undone";
    case BranchPhase::kUndoStuck: return "undo-stuck";
    case BranchPhase::kFinish: return "finish";
    case BranchPhase::kFinishBackoff: return "finish-backoff";
    case BranchPhase::kFinishPending: return "finish-pending";
    case BranchPhase::kFinished: return "finished";
    case BranchPhase::kFinishStuck: return "finish-stuck";
    case BranchPhase::kEnlisted: return "enlisted";
    case BranchPhase::kReadOnly: return "read-only";
  }
  return "unknown";
}

std::string_view AbortCauseName(AbortCause cause) {
  switch (cause) {
    case AbortCause::kRefused: return "refused";
    case AbortCause::kGaveUp: return "gave-up";
    case AbortCause::kCancelled: return "cancelled";
    case AbortCause::kDeadline: return "deadline";
    case AbortCause::kExpression: return "expression";
    case AbortCause::kExpired: return "expired";
  }
  return "unknown";
}

std::string_view HeuristicOutcomeName(HeuristicOutcome outcome) {
  switch (outcome) {
    case HeuristicOutcome::kCommitted: return "committed";
    case HeuristicOutcome::kRolledBack: return "rolled-back";
    case HeuristicOutcome::kMixed: return "mixed";
  }
  return "unknown";
}

std::string StepKey(const CommandId& command) {
  std::string key;
  key.reserve(command.gid.str().size() + command.branch.str().size() + 8);
  key.append(command.gid.str()).append(1, ':').append(command.branch.str());
  if (command.alternative > 0) {
    key.append(":alt").append(std::to_string(command.alternative));
  }
  return key;
}

std::string IdempotencyKey(const CommandId& command, Mode mode) {
  std::string key = StepKey(command);
  if (command.role != Role::kForward) {
    key.append(1, ':').append(dsl::OperationName(mode, command.role));
  }
  return key;
}

}  // namespace entente::engine
