#include "engine/record.h"

namespace entente::engine {
namespace {

struct Namer {
  std::string_view operator()(const Accepted&) const { return "accepted"; }
  std::string_view operator()(const StepExpanded&) const { return "step-expanded"; }
  std::string_view operator()(const StepSkipped&) const { return "step-skipped"; }
  std::string_view operator()(const OperationStarted&) const { return "operation-started"; }
  std::string_view operator()(const WaitStarted&) const { return "wait-started"; }
  std::string_view operator()(const AttemptFailed&) const { return "attempt-failed"; }
  std::string_view operator()(const AttemptStarted&) const { return "attempt-started"; }
  std::string_view operator()(const CallInterrupted&) const { return "call-interrupted"; }
  std::string_view operator()(const OperationPending&) const { return "operation-pending"; }
  std::string_view operator()(const PollScheduled&) const { return "poll-scheduled"; }
  std::string_view operator()(const OperationSucceeded&) const { return "operation-succeeded"; }
  std::string_view operator()(const OperationRefused&) const { return "operation-refused"; }
  std::string_view operator()(const OperationGaveUp&) const { return "operation-gave-up"; }
  std::string_view operator()(const IncidentRaised&) const { return "incident-raised"; }
  std::string_view operator()(const CommitDecided&) const { return "commit-decided"; }
  std::string_view operator()(const AbortDecided&) const { return "abort-decided"; }
  std::string_view operator()(const DeadlineMissed&) const { return "deadline-missed"; }
  std::string_view operator()(const SignalReceived&) const { return "signal-received"; }
  std::string_view operator()(const Paused&) const { return "paused"; }
  std::string_view operator()(const Resumed&) const { return "resumed"; }
  std::string_view operator()(const OperatorRetried&) const { return "operator-retried"; }
  std::string_view operator()(const OperatorEdited&) const { return "operator-edited"; }
  std::string_view operator()(const OperatorSkipped&) const { return "operator-skipped"; }
  std::string_view operator()(const OperatorCompleted&) const { return "operator-completed"; }
  std::string_view operator()(const Held&) const { return "held"; }
  std::string_view operator()(const Ended&) const { return "ended"; }
  std::string_view operator()(const BranchEnlisted&) const { return "branch-enlisted"; }
  std::string_view operator()(const EnlistmentClosed&) const { return "enlistment-closed"; }
  std::string_view operator()(const ClockSetBack&) const { return "clock-set-back"; }
  std::string_view operator()(const HeuristicReported&) const { return "heuristic-reported"; }
  std::string_view operator()(const ReservationExpires&) const { return "reservation-expires"; }
};

}  // namespace

std::string_view AttemptOutcomeName(AttemptOutcome outcome) {
  switch (outcome) {
    case AttemptOutcome::kNotSent: return "not-sent";
    case AttemptOutcome::kRefused: return "refused";
    case AttemptOutcome::kUnknown: return "unknown";
    case AttemptOutcome::kHeldBack: return "held-back";
    case AttemptOutcome::kNotYet: return "not-yet";
  }
  return "unknown";
}

std::string_view RecordName(const Record& record) {
  return std::visit(Namer{}, record.body);
}

}  // namespace entente::engine
