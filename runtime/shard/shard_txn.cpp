#include "runtime/shard/shard_txn.h"

#include <algorithm>

#include "dsl/client_branches.h"
#include "runtime/record_codec.h"

namespace entente::runtime {
namespace {

using engine::BranchPhase;

engine::Role StuckRole(BranchPhase phase) {
  switch (phase) {
    case BranchPhase::kUndoStuck: return engine::Role::kUndo;
    case BranchPhase::kFinishStuck: return engine::Role::kFinish;
    default: return engine::Role::kForward;
  }
}

const dsl::OperationTemplate* OperationOf(const dsl::CallWay& way, engine::Role role) {
  switch (role) {
    case engine::Role::kForward: return way.forward ? &*way.forward : nullptr;
    case engine::Role::kUndo: return way.undo ? &way.undo->call : nullptr;
    case engine::Role::kFinish: return way.finish ? &*way.finish : nullptr;
  }
  return nullptr;
}

// The participant that a stuck branch's operation calls, or nothing for waits and children.
std::string ParticipantOf(const dsl::Plan& plan, const dsl::Step& step,
                          const engine::BranchState& branch) {
  const auto* work = std::get_if<dsl::CallWork>(&step.work);
  if (work == nullptr || branch.alternative > work->alternatives.size()) {
    return {};
  }
  const auto* operation = OperationOf(work->way(branch.alternative), StuckRole(branch.phase));
  const auto* call = operation == nullptr ? nullptr : std::get_if<dsl::CallTemplate>(operation);
  return call == nullptr ? std::string() : plan.participants.at(call->participant).name;
}

void AddBranch(const dsl::Plan& plan, const engine::TxnState& state, size_t step,
               const engine::BranchState& branch, storage::Summary& summary) {
  summary.attempts = std::max(summary.attempts, branch.attempt);
  if (branch.failure) {
    summary.error = branch.failure->code + ": " + branch.failure->message;
  }
  if (branch.stuck_since && !state.finished()) {
    const engine::Failure failure = branch.failure.value_or(engine::Failure{});
    summary.incidents.push_back(
        {branch.id, ParticipantOf(plan, plan.steps.at(step), branch),
         std::string(dsl::OperationName(state.mode, StuckRole(branch.phase))), failure.code,
         failure.message, *branch.stuck_since});
  }
}

}  // namespace

namespace {

// A participant that never heard of the commit may come back one day and ask; what is not known is
// taken for aborted then.
bool MayBeAskedFor(const engine::TxnState& state) {
  if (state.mode != dsl::Mode::kTwoPhaseCommit || engine::OutcomeOf(state) != "committed") {
    return false;
  }
  for (const engine::StepState& step : state.steps) {
    for (const engine::BranchState& branch : step.branches) {
      if (branch.by_operator) {
        return true;
      }
    }
  }
  return state.status == engine::TxnStatus::kMixed;
}

}  // namespace

storage::Summary MakeSummary(const dsl::Plan& plan, const engine::TxnState& state) {
  storage::Summary summary;
  summary.definition = state.definition;
  summary.version = state.version;
  summary.mode = std::string(dsl::ModeName(state.mode));
  summary.status = std::string(engine::TxnStatusName(state.status));
  summary.open = !state.finished();
  summary.paused = state.paused;
  summary.labels = state.labels;
  summary.created_at = state.accepted_at;
  summary.updated_at = state.updated_at;
  if (state.parent) {
    summary.parent = state.parent->gid;
  }
  for (size_t step = 0; step < state.steps.size(); ++step) {
    for (const engine::BranchState& branch : state.steps[step].branches) {
      AddBranch(plan, state, step, branch, summary);
    }
  }
  summary.lasting = state.finished() && MayBeAskedFor(state);
  if (state.abort && !state.abort->failure.code.empty()) {
    summary.error = state.abort->failure.code + ": " + state.abort->failure.message;
  }
  return summary;
}

bool ChangesSummary(const engine::Record& record) {
  struct Visitor {
    bool operator()(const engine::Accepted&) const { return true; }
    bool operator()(const engine::StepExpanded&) const { return false; }
    bool operator()(const engine::StepSkipped&) const { return false; }
    bool operator()(const engine::OperationStarted&) const { return false; }
    bool operator()(const engine::WaitStarted&) const { return false; }
    bool operator()(const engine::AttemptFailed&) const { return true; }
    bool operator()(const engine::AttemptStarted&) const { return true; }
    bool operator()(const engine::CallInterrupted&) const { return true; }
    bool operator()(const engine::OperationPending&) const { return false; }
    bool operator()(const engine::PollScheduled&) const { return false; }
    bool operator()(const engine::OperationSucceeded&) const { return false; }
    bool operator()(const engine::OperationRefused&) const { return true; }
    bool operator()(const engine::OperationGaveUp&) const { return true; }
    bool operator()(const engine::IncidentRaised&) const { return true; }
    bool operator()(const engine::CommitDecided&) const { return true; }
    bool operator()(const engine::AbortDecided&) const { return true; }
    bool operator()(const engine::Held&) const { return false; }
    bool operator()(const engine::DeadlineMissed&) const { return true; }
    bool operator()(const engine::SignalReceived&) const { return false; }
    bool operator()(const engine::Paused&) const { return true; }
    bool operator()(const engine::Resumed&) const { return true; }
    bool operator()(const engine::OperatorRetried&) const { return true; }
    bool operator()(const engine::OperatorEdited&) const { return true; }
    bool operator()(const engine::OperatorSkipped&) const { return true; }
    bool operator()(const engine::OperatorCompleted&) const { return false; }
    bool operator()(const engine::Ended&) const { return true; }
    bool operator()(const engine::BranchEnlisted&) const { return false; }
    bool operator()(const engine::EnlistmentClosed&) const { return false; }
    bool operator()(const engine::ClockSetBack&) const { return true; }
    bool operator()(const engine::HeuristicReported&) const { return true; }
    bool operator()(const engine::ReservationExpires&) const { return false; }
  };
  return std::visit(Visitor{}, record.body);
}

void Shard::Txn::HideSensitive(engine::Record& record) {
  if (sensitive == nullptr) {
    sensitive = std::make_unique<engine::Sensitive>(engine::Sensitive::Of(*plan, state->input));
    sensitive->Learn(*plan, *state);
  }
  sensitive->Hide(record);
}

Result<PlanPtr> ClientDrivenPlanOf(const engine::TxnState& state) {
  std::vector<std::string> sources;
  sources.reserve(state.steps.size());
  for (const engine::StepState& step : state.steps) {
    sources.push_back(step.source);
  }
  auto plan = dsl::ClientDrivenPlan(state.mode, sources);
  if (!plan.ok()) {
    return DataLoss(plan.status().reason(),
                    "transaction '" + state.gid.str() + "': " + plan.status().message());
  }
  return plan;
}

Result<engine::TxnState> FoldRecords(const storage::StoredTxn& stored) {
  engine::TxnState state;
  for (const std::string& bytes : stored.records) {
    auto record = DecodeRecord(bytes);
    if (!record.ok()) {
      return DataLoss(record.status().reason(),
                      "transaction '" + stored.gid.str() + "': " + record.status().message());
    }
    if (Status evolved = engine::Evolve(state, *record); !evolved.ok()) {
      return DataLoss(evolved.reason(),
                      "transaction '" + stored.gid.str() + "': " + evolved.message());
    }
  }
  if (state.gid != stored.gid) {
    return DataLoss("journal.bad_record", "the records stored for transaction '" +
                                              stored.gid.str() + "' are those of another one");
  }
  return state;
}

}  // namespace entente::runtime
