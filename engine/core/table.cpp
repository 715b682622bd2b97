#include "engine/core/table.h"

#include <string>

#include "engine/saga/saga.h"
#include "engine/tcc/tcc.h"
#include "engine/twopc/twopc.h"

namespace entente::engine {
namespace {

thread_local CellObserver* cell_observer = nullptr;

struct RefusalText {
  std::string_view code;
  StatusCode status;
  std::string_view message;  // Follows "transaction 'x'" or "branch 'b' of transaction 'x'".
};

constexpr RefusalText kRefusals[] = {
    {"transaction.exists", StatusCode::kAlreadyExists, " exists: use another gid"},
    {"transaction.not_found", StatusCode::kNotFound, " does not exist: check the gid"},
    {"transaction.finished", StatusCode::kFailedPrecondition,
     " has ended: what is done can not be changed"},
    {"transaction.past_pivot", StatusCode::kFailedPrecondition,
     " has decided to commit and only goes forward: to stop it nevertheless, resolve it"},
    {"transaction.pivot_in_doubt", StatusCode::kFailedPrecondition,
     " is at its point of no return: the pivot may already have happened and has no compensation; "
     "wait for its outcome, or resolve the transaction"},
    {"transaction.held", StatusCode::kFailedPrecondition,
     " did all it had to do and ends as its parent does, by whose step it is undone: abort or "
     "resolve the parent"},
    {"transaction.commit_in_doubt", StatusCode::kFailedPrecondition,
     " is being committed in one phase: its only participant decides, and may have done so; wait "
     "for its answer, or resolve the transaction"},
    {"transaction.committing", StatusCode::kFailedPrecondition,
     " is committed or about to be: it can no longer be joined or aborted"},
    {"transaction.aborting", StatusCode::kFailedPrecondition,
     " is being undone: no step waits for anything any more"},
    {"transaction.aborted", StatusCode::kFailedPrecondition,
     " was aborted, by request, by its time limit or by a participant: begin another one"},
    {"transaction.not_client_driven", StatusCode::kFailedPrecondition,
     " follows a definition, which says what belongs to it and when it commits: submit what it "
     "should do, or begin a transaction without a definition"},
    {"transaction.paused", StatusCode::kFailedPrecondition, " is paused: resume it first"},
    {"transaction.too_large", StatusCode::kFailedPrecondition,
     " already holds so many payloads that this one would take them past the limit of 67108864 "
     "bytes: send less"},
    {"branch.not_found", StatusCode::kNotFound,
     " is not known (yet): list the transaction's branches"},
    {"branch.not_stuck", StatusCode::kFailedPrecondition,
     " is not stuck and not between two attempts: there is nothing to retry or skip now"},
    {"branch.not_pending", StatusCode::kFailedPrecondition,
     " has no operation that its participant has yet to complete: what is stuck can be skipped, "
     "and "
     "what a child transaction does is completed there"},
    {"branch.not_editable", StatusCode::kFailedPrecondition,
     " sends nothing that could be edited now: it waits, runs a child transaction, or calls "
     "without "
     "a body"},
    {"branch.aborting", StatusCode::kFailedPrecondition,
     " is not called again because the transaction is being undone, or another step was first in "
     "its race: skip the branch once its outcome is known, or resolve the transaction"},
    {"signal.not_taken_yet", StatusCode::kFailedPrecondition,
     " already keeps a signal of that name for each step that can still take one: nobody would "
     "take "
     "this one as well"},
    {"signal.too_late", StatusCode::kFailedPrecondition,
     " takes no signal of that name any more: each step that waited for it has got one, was "
     "skipped or waited in vain"},
    {"signal.content_differs", StatusCode::kFailedPrecondition,
     " received a signal under that id with another name or payload: give each signal an id of its "
     "own"},
    {"completion.content_differs", StatusCode::kFailedPrecondition,
     " was completed before, with another output, which stays"},
    {"completion.too_late", StatusCode::kFailedPrecondition,
     " does not wait for this completion: the operation has ended or was given up"},
};

}  // namespace

Status Refusal(std::string_view code, const Gid& gid, const BranchId& branch) {
  for (const RefusalText& refusal : kRefusals) {
    if (refusal.code == code) {
      const std::string what = branch.empty() ? "" : "branch '" + branch.str() + "' of ";
      return {refusal.status, std::string(code),
              what + "transaction '" + gid.str() + "'" + std::string(refusal.message)};
    }
  }
  return Internal(std::string(code), "a rejection without a text");
}

std::string_view TxnRowName(TxnRow row) {
  switch (row) {
    case TxnRow::kNone: return "none";
    case TxnRow::kActive: return "ACTIVE";
    case TxnRow::kCommitting: return "COMMITTING";
    case TxnRow::kCommitted: return "COMMITTED";
    case TxnRow::kAborting: return "ABORTING";
    case TxnRow::kAborted: return "ABORTED";
    case TxnRow::kMixed: return "MIXED";
  }
  return "unknown";
}

TxnRow RowOf(const TxnState& state) {
  return state.revision == Sequence() ? TxnRow::kNone
                                      : static_cast<TxnRow>(static_cast<uint8_t>(state.status));
}

std::string_view TxnEventName(TxnEvent event) {
  switch (event) {
    case TxnEvent::kSubmitted: return "submitted";
    case TxnEvent::kReply: return "reply";
    case TxnEvent::kCompletion: return "completion";
    case TxnEvent::kBranchTimer: return "branch-timer";
    case TxnEvent::kDeadlineDue: return "deadline-due";
    case TxnEvent::kDeadlineEarly: return "deadline-early";
    case TxnEvent::kAbort: return "abort";
    case TxnEvent::kSignal: return "signal";
    case TxnEvent::kPause: return "pause";
    case TxnEvent::kResume: return "resume";
    case TxnEvent::kRetry: return "retry";
    case TxnEvent::kSkip: return "skip";
    case TxnEvent::kResolve: return "resolve";
    case TxnEvent::kRecovered: return "recovered";
    case TxnEvent::kEnlist: return "enlist";
    case TxnEvent::kCommit: return "commit";
    case TxnEvent::kLetGo: return "let-go";
  }
  return "unknown";
}

TxnEvent Classify(const TxnState& state, const Input& input) {
  struct Classifier {
    const TxnState& state;
    Instant now;
    TxnEvent operator()(const Submitted&) const { return TxnEvent::kSubmitted; }
    TxnEvent operator()(const BranchReplied&) const { return TxnEvent::kReply; }
    TxnEvent operator()(const CompletionReceived&) const { return TxnEvent::kCompletion; }
    TxnEvent operator()(const TimerFired& fired) const {
      if (fired.branch) {
        return TxnEvent::kBranchTimer;
      }
      return state.deadline && now >= *state.deadline ? TxnEvent::kDeadlineDue
                                                      : TxnEvent::kDeadlineEarly;
    }
    TxnEvent operator()(const AbortRequested&) const { return TxnEvent::kAbort; }
    TxnEvent operator()(const SignalSent&) const { return TxnEvent::kSignal; }
    TxnEvent operator()(const PauseRequested&) const { return TxnEvent::kPause; }
    TxnEvent operator()(const ResumeRequested&) const { return TxnEvent::kResume; }
    TxnEvent operator()(const RetryRequested&) const { return TxnEvent::kRetry; }
    TxnEvent operator()(const SkipRequested&) const { return TxnEvent::kSkip; }
    TxnEvent operator()(const ResolveRequested&) const { return TxnEvent::kResolve; }
    TxnEvent operator()(const Recovered&) const { return TxnEvent::kRecovered; }
    TxnEvent operator()(const EnlistRequested&) const { return TxnEvent::kEnlist; }
    TxnEvent operator()(const CommitRequested&) const { return TxnEvent::kCommit; }
    TxnEvent operator()(const LetGo&) const { return TxnEvent::kLetGo; }
  };
  return std::visit(Classifier{state, input.now}, input.event);
}

std::string_view CourseName(Course course) {
  switch (course) {
    case Course::kDriving: return "driving";
    case Course::kFinishing: return "finishing";
    case Course::kUndoing: return "undoing";
  }
  return "unknown";
}

std::string_view BranchEventName(BranchEvent event) {
  switch (event) {
    case BranchEvent::kDone: return "done";
    case BranchEvent::kRefused: return "refused";
    case BranchEvent::kUnknown: return "unknown";
    case BranchEvent::kNotSent: return "not-sent";
    case BranchEvent::kPending: return "pending";
    case BranchEvent::kStray: return "stray";
    case BranchEvent::kTimerDue: return "timer-due";
    case BranchEvent::kTimerEarly: return "timer-early";
    case BranchEvent::kCompletionDone: return "completion-done";
    case BranchEvent::kCompletionRefused: return "completion-refused";
    case BranchEvent::kCompletionStray: return "completion-stray";
    case BranchEvent::kSignal: return "signal";
    case BranchEvent::kOperatorRetry: return "operator-retry";
    case BranchEvent::kOperatorSkip: return "operator-skip";
    case BranchEvent::kInterrupted: return "interrupted";
    case BranchEvent::kAbortDecided: return "abort-decided";
    case BranchEvent::kHeuristicAgrees: return "heuristic-agrees";
    case BranchEvent::kHeuristicDiffers: return "heuristic-differs";
  }
  return "unknown";
}

namespace {

BranchEvent ClassifyHeuristic(const BranchFacts& branch, HeuristicOutcome outcome) {
  const HeuristicOutcome decided = RoleOf(branch.phase) == Role::kUndo
                                       ? HeuristicOutcome::kRolledBack
                                       : HeuristicOutcome::kCommitted;
  return outcome == decided ? BranchEvent::kHeuristicAgrees : BranchEvent::kHeuristicDiffers;
}

}  // namespace

BranchEvent Classify(const BranchFacts& branch, const BranchReplied& replied) {
  const bool current_command =
      replied.role == RoleOf(branch.phase) && replied.alternative == branch.alternative;
  if (!current_command || replied.attempt == 0 || replied.attempt > branch.attempt) {
    return BranchEvent::kStray;
  }
  if (std::holds_alternative<ReplyDone>(replied.reply)) {
    return BranchEvent::kDone;
  }
  const auto* heuristic = std::get_if<ReplyHeuristic>(&replied.reply);
  if (heuristic != nullptr && replied.role != Role::kForward) {
    return ClassifyHeuristic(branch, heuristic->outcome);
  }
  if (replied.attempt != branch.attempt) {
    return BranchEvent::kStray;
  }
  struct Classifier {
    BranchEvent operator()(const ReplyDone&) const { return BranchEvent::kDone; }
    BranchEvent operator()(const ReplyRefused&) const { return BranchEvent::kRefused; }
    BranchEvent operator()(const ReplyUnknown&) const { return BranchEvent::kUnknown; }
    BranchEvent operator()(const ReplyNotSent&) const { return BranchEvent::kNotSent; }
    BranchEvent operator()(const ReplyPending&) const { return BranchEvent::kPending; }
    // Nothing was decided that it could report on.
    BranchEvent operator()(const ReplyHeuristic&) const { return BranchEvent::kRefused; }
  };
  return std::visit(Classifier{}, replied.reply);
}

BranchEvent Classify(const BranchFacts& branch, const CompletionReceived& received) {
  if (received.role != RoleOf(branch.phase) || received.alternative != branch.alternative) {
    return BranchEvent::kCompletionStray;
  }
  return std::holds_alternative<ReplyDone>(received.outcome) ? BranchEvent::kCompletionDone
                                                             : BranchEvent::kCompletionRefused;
}

const ModeTable& TableOf(Mode mode) {
  switch (mode) {
    case Mode::kSaga: return saga::Table();
    case Mode::kTcc: return tcc::Table();
    case Mode::kTwoPhaseCommit: return twopc::Table();
  }
  CheckFailed("Mode is a declared enumerator", __FILE__, __LINE__);
}

void Dispatch(Turn& turn, BranchRef ref, BranchEvent event) {
  const BranchFacts& branch = turn.draft.branch(ref);
  const Course course = turn.course(ref);
  const BranchCell& cell = turn.table.at(course, branch.phase, event);
  if (cell_observer != nullptr) {
    cell_observer->OnCell(turn.table.mode, course, branch.phase, event);
  }
  switch (cell.kind) {
    case CellKind::kAct: cell.action(turn, ref); break;
    case CellKind::kIgnore: break;
    case CellKind::kReject:
      turn.draft.Reject(Refusal(cell.name, turn.draft.gid(), branch.id));
      break;
  }
}

void Dispatch(Turn& turn, TxnRow row, TxnEvent event) {
  const TxnCell& cell = turn.table.at(row, event);
  if (cell_observer != nullptr) {
    cell_observer->OnCell(turn.table.mode, row, event);
  }
  switch (cell.kind) {
    case CellKind::kAct: cell.action(turn); break;
    case CellKind::kIgnore: break;
    case CellKind::kReject: turn.draft.Reject(Refusal(cell.name, turn.draft.gid())); break;
  }
}

void TellObserver(ChildStanding child, ParentStanding parent) {
  if (cell_observer != nullptr) {
    cell_observer->OnCell(child, parent);
  }
}

CellObserver* SetCellObserver(CellObserver* observer) {
  return std::exchange(cell_observer, observer);
}

}  // namespace entente::engine
