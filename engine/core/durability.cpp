#include "engine/core/durability.h"

namespace entente::engine {
namespace {

// One overload per record: no default, so that a new record has to be thought about.
struct MustBeForced {
  // Whether somebody outside acts on the decision at once: a call or the news of the end. A result
  // that unlocks nothing rides along; if it is lost, the same call is made again with its key.
  bool acted_upon;
  bool from_reply;
  bool lazy_settling;

  bool operator()(const Accepted&) const { return true; }
  bool operator()(const StepExpanded&) const { return acted_upon; }
  bool operator()(const StepSkipped&) const { return acted_upon; }
  // Lost, an alternative that was called would be forgotten and never undone.
  bool operator()(const OperationStarted&) const { return !lazy_settling; }
  bool operator()(const WaitStarted&) const { return true; }
  // Lost, the call counts as interrupted, which also means "unknown".
  bool operator()(const AttemptFailed&) const { return false; }
  // The action forces it where losing it could turn "unknown" into "had no effect".
  bool operator()(const AttemptStarted&) const { return false; }
  bool operator()(const CallInterrupted&) const { return false; }
  bool operator()(const OperationPending&) const { return true; }
  bool operator()(const PollScheduled&) const { return false; }
  // A completion comes only once, and its sender goes by the acknowledgement.
  bool operator()(const OperationSucceeded&) const {
    return !from_reply || (acted_upon && !lazy_settling);
  }
  bool operator()(const OperationRefused&) const { return true; }
  bool operator()(const OperationGaveUp&) const { return true; }
  bool operator()(const IncidentRaised&) const { return true; }
  bool operator()(const CommitDecided&) const { return true; }
  bool operator()(const AbortDecided&) const { return true; }
  // Its parent goes on with what it is told of it.
  bool operator()(const Held&) const { return true; }
  bool operator()(const DeadlineMissed&) const { return false; }
  // Acknowledged to whoever asked.
  bool operator()(const SignalReceived&) const { return true; }
  bool operator()(const Paused&) const { return true; }
  bool operator()(const Resumed&) const { return true; }
  bool operator()(const OperatorRetried&) const { return true; }
  bool operator()(const OperatorEdited&) const { return true; }
  bool operator()(const OperatorSkipped&) const { return true; }
  bool operator()(const OperatorCompleted&) const { return true; }
  bool operator()(const Ended&) const { return !from_reply || !lazy_settling; }
  bool operator()(const BranchEnlisted&) const { return true; }
  bool operator()(const EnlistmentClosed&) const { return true; }
  // Lost, it is found out again at the next start.
  bool operator()(const ClockSetBack&) const { return false; }
  bool operator()(const HeuristicReported&) const { return true; }
  // Lost with the answer that it came with.
  bool operator()(const ReservationExpires&) const { return acted_upon || !from_reply; }
};

bool IsActedUpon(const std::vector<Effect>& effects) {
  for (const Effect& effect : effects) {
    if (!std::holds_alternative<ArmTimer>(effect)) {
      return true;
    }
  }
  return false;
}

}  // namespace

Durability DurabilityOf(const Event& event, const std::vector<Record>& records,
                        const std::vector<Effect>& effects, bool lazy_settling) {
  const MustBeForced must_be_forced{IsActedUpon(effects),
                                    std::holds_alternative<BranchReplied>(event), lazy_settling};
  for (const Record& record : records) {
    if (std::visit(must_be_forced, record.body)) {
      return Durability::kForced;
    }
  }
  return Durability::kLazy;
}

}  // namespace entente::engine
