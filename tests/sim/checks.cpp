// The invariants of a run, checked when it is over.
#include <cstdio>

#include "coordinator/runtime/record_codec.h"
#include "coordinator/runtime/shard_txn.h"
#include "engine/text.h"
#include "tests/sim/world.h"

namespace entente::sim {

using engine::TxnStatus;

void World::CheckEnds(std::vector<std::string>& violations) {
  for (const Client& client : clients_) {
    if (client.ends_seen.empty()) {
      violations.push_back("I9: " + client.gid.str() + " (" + client.definition +
                           ") has not ended");
    }
    if (client.ends_seen.size() > 1) {
      violations.push_back("I3: " + client.gid.str() + " was seen to end in two ways");
    }
  }
}

namespace {

runtime::PlanPtr PlanOf(const engine::TxnState& state, runtime::Definitions& definitions) {
  const auto plan = state.client_driven ? runtime::ClientDrivenPlanOf(state)
                                        : definitions.Get(state.definition, state.version);
  ENTENTE_CHECK(plan.ok());
  return *plan;
}

// No commit relies on a reservation that may be gone before its confirm arrives.
void CheckReservations(const engine::TxnState& state, Instant decided_at,
                       std::vector<std::string>& violations) {
  for (const engine::StepState& step : state.steps) {
    for (const engine::BranchState& branch : step.branches) {
      if (branch.expires_at && branch.wake_at && *branch.wake_at <= decided_at) {
        violations.push_back("G2: " + state.gid.str() + " was committed though what " +
                             branch.id.str() + " holds expires too soon");
      }
    }
  }
}

}  // namespace

// I13: the journal's fold is the state, after every record; and nothing follows the end.
void World::CheckJournals(std::vector<std::string>& violations) {
  storage::MemoryJournal journal(store_);
  runtime::Definitions definitions(journal, {});
  const auto rows = journal.Query({}, {1000, ""});
  ENTENTE_CHECK(rows.ok());
  for (const storage::SummaryRow& row : rows->rows) {
    const auto stored = journal.Load(row.gid);
    ENTENTE_CHECK(stored.ok());
    CheckJournal(*stored, definitions, violations);
    const engine::TxnState& state = final_states_.at(row.gid);
    if (row.summary.status != engine::TxnStatusName(state.status)) {
      violations.push_back("I13: the list says " + row.summary.status + " of " + row.gid.str() +
                           ", its journal " + std::string(engine::TxnStatusName(state.status)));
    }
  }
  for (const Client& client : clients_) {
    if (client.acknowledged && !final_states_.contains(client.gid)) {
      violations.push_back("I2: " + client.gid.str() + " was acknowledged and is lost");
    }
  }
}

void World::CheckJournal(const storage::StoredTxn& stored, runtime::Definitions& definitions,
                         std::vector<std::string>& violations) {
  const std::string& name = stored.gid.str();
  engine::TxnState state;
  runtime::PlanPtr plan;
  TxnStatus decided = TxnStatus::kActive;
  for (const std::string& bytes : stored.records) {
    const auto record = runtime::DecodeRecord(bytes);
    ENTENTE_CHECK(record.ok());
    if (std::holds_alternative<engine::CommitDecided>(record->body)) {
      CheckReservations(state, record->at, violations);
    }
    if (const Status evolved = engine::Evolve(state, *record); !evolved.ok()) {
      violations.push_back("I13: " + name + ": " + evolved.message());
      break;
    }
    plan = PlanOf(state, definitions);
    if (options_.trace) {
      std::printf("  %s  %s\n", name.c_str(),
                  engine::Describe(*record, *plan, state.accepted_at).c_str());
    }
    const bool forward =
        state.status == TxnStatus::kCommitting || state.status == TxnStatus::kCommitted;
    const bool undoing =
        state.status == TxnStatus::kAborting || state.status == TxnStatus::kAborted;
    if ((forward && decided == TxnStatus::kAborting) ||
        (undoing && decided == TxnStatus::kCommitting)) {
      violations.push_back("I3: the decision of " + name + " flipped");
    }
    decided = forward   ? TxnStatus::kCommitting
              : undoing ? TxnStatus::kAborting
                        : TxnStatus::kActive;
    coverage_.incidents += std::holds_alternative<engine::IncidentRaised>(record->body) ? 1 : 0;
    coverage_.heuristics += std::holds_alternative<engine::HeuristicReported>(record->body) ? 1 : 0;
  }
  if (const auto broken = engine::CheckInvariants(*plan, state)) {
    violations.push_back(name + ": " + *broken);
  }
  Cover(state);
  final_states_.emplace(stored.gid, std::move(state));
}

void World::Cover(const engine::TxnState& state) {
  (state.status == TxnStatus::kCommitted ? coverage_.committed : coverage_.aborted) += 1;
  ++coverage_.ended[{state.mode, state.client_driven}];
  coverage_.expired += state.abort && state.abort->cause == engine::AbortCause::kExpired ? 1 : 0;
  for (const engine::StepState& step : state.steps) {
    for (const engine::BranchState& branch : step.branches) {
      coverage_.read_only += branch.phase == engine::BranchPhase::kReadOnly ? 1 : 0;
      coverage_.one_phase += branch.one_phase ? 1 : 0;
    }
  }
}

// I1, I4, I5: every effect at most once; committed: each branch's effect stands; aborted: none
// does.
void World::CheckLedger(std::vector<std::string>& violations) {
  std::map<std::pair<Gid, std::string>, int> net;
  std::map<std::pair<std::string, dsl::Role>, int> effects;
  for (const Effect& effect : services_.ledger()) {
    const bool undone = effect.role == dsl::Role::kUndo;
    net[{effect.gid, effect.branch.str()}] += undone ? -1 : 1;
    (undone ? coverage_.undone : coverage_.effects) += 1;
    if (++effects[{effect.key, effect.role}] > 1) {
      violations.push_back("I5: " + effect.key + " took effect twice");
    }
  }
  for (const auto& [where, sum] : net) {
    const auto state = final_states_.find(where.first);
    if (state == final_states_.end()) {
      violations.push_back("I1: an effect of " + where.first.str() + ", which nobody accepted");
      continue;
    }
    const bool committed = state->second.status == TxnStatus::kCommitted;
    if (sum != (committed ? 1 : 0) && state->second.finished()) {
      violations.push_back("I1: " + where.first.str() + " is " +
                           std::string(engine::TxnStatusName(state->second.status)) +
                           ", but branch " + where.second + " holds " + std::to_string(sum));
    }
  }
  static const std::vector<std::string> kId = {"id"};
  for (const auto& [gid, state] : final_states_) {
    if (state.status != TxnStatus::kCommitted) {
      continue;
    }
    for (const engine::StepState& step : state.steps) {
      for (const engine::BranchState& branch : step.branches) {
        const bool calls = branch.enlisted || branch.output.Select(kId).depth == 1;
        const int wanted = branch.phase == engine::BranchPhase::kReadOnly ? 0 : 1;
        if (calls && net[{gid, branch.id.str()}] != wanted) {
          violations.push_back("I1: " + gid.str() + " is COMMITTED without the effect of " +
                               branch.id.str());
        }
      }
    }
  }
}

// I8: what came later is undone first.
void World::CheckUndoOrder(std::vector<std::string>& violations) {
  storage::MemoryJournal journal(store_);
  runtime::Definitions definitions(journal, {});
  std::map<std::pair<Gid, std::string>, Instant> undone;  // By step: its last undo.
  std::map<std::pair<Gid, std::string>, Instant> first_undone;
  for (const Effect& effect : services_.ledger()) {
    if (effect.role == dsl::Role::kUndo) {
      const std::string step = effect.branch.str().substr(0, effect.branch.str().find(':'));
      undone[{effect.gid, step}] = effect.at;
      first_undone.try_emplace({effect.gid, step}, effect.at);
    }
  }
  for (const auto& [gid, state] : final_states_) {
    const runtime::PlanPtr plan = PlanOf(state, definitions);
    for (const dsl::Step& step : plan->steps) {
      for (const size_t before : step.after) {
        const auto later = undone.find({gid, step.id});
        const auto earlier = first_undone.find({gid, plan->steps[before].id});
        if (later != undone.end() && earlier != first_undone.end() &&
            earlier->second < later->second) {
          violations.push_back("I8: " + gid.str() + " undid " + plan->steps[before].id +
                               " before " + step.id);
        }
      }
    }
  }
}

}  // namespace entente::sim
