// Gathers what a run left behind and has it judged.
#include <cstdio>
#include <utility>

#include "base/limits.h"
#include "engine/core/text.h"
#include "runtime/record_codec.h"
#include "runtime/shard/shard_txn.h"
#include "tests/sim/checks/evidence.h"
#include "tests/sim/world.h"

namespace entente::sim {
namespace {

Protocol ProtocolOf(const std::string& mode) {
  return mode == "saga" ? Protocol::kSaga : mode == "tcc" ? Protocol::kTcc : Protocol::kTwoPhase;
}

}  // namespace

void World::Judge(std::vector<std::string>& violations) {
  Evidence evidence{history_, services_, {}, {}};
  const auto rows = reader_.Query({}, {1000, ""});
  ENTENTE_CHECK(rows.ok());
  for (const storage::SummaryRow& row : rows->rows) {
    TxnEvidence& txn = evidence.txns[row.gid.str()];
    txn.gid = row.gid.str();
    txn.status = row.summary.status;
    txn.protocol = ProtocolOf(row.summary.mode);
    const auto stored = reader_.Load(row.gid);
    ENTENTE_CHECK(stored.ok());
    for (const std::string& bytes : stored->records) {
      auto record = runtime::DecodeRecord(bytes);
      ENTENTE_CHECK(record.ok());
      txn.journal.push_back(std::move(*record));
    }
    const auto& accepted = std::get<engine::Accepted>(txn.journal.front().body);
    const Json input = ParseJson(accepted.input.text(), limits::kPayloadJson).value();
    txn.items = input.is_object() && input.contains("items") ? input["items"].size() : 0;
    for (const auto* plans :
         {&StandardPlans(), static_cast<const std::vector<PlanSpec>*>(&drawn_)}) {
      for (const PlanSpec& plan : *plans) {
        txn.plan = plan.name == accepted.definition ? &plan : txn.plan;
      }
    }
  }
  for (const Client& client : clients_) {
    const std::string& gid = client.gid.str();
    evidence.submitted.push_back(gid);
    static_cast<void>(history_.clients[gid]);
    if (const auto txn = evidence.txns.find(gid); txn != evidence.txns.end()) {
      txn->second.client = &history_.clients[gid];
      for (size_t i = 0; i < client.enlisted; ++i) {
        txn->second.branches.push_back(client.branches[i]);
      }
    }
  }
  // What operators do to children counts as theirs.
  for (auto& [gid, txn] : evidence.txns) {
    txn.client = txn.client != nullptr ? txn.client : &history_.clients[gid];
  }
  CheckEffects(evidence, violations);
  CheckOrder(evidence, violations);
  CheckCalls(evidence, violations);
  CheckPromises(evidence, violations);
  CheckFolds(violations);
  CheckAtRest(violations);
  for (const auto& [gid, txn] : evidence.txns) {
    ++coverage_.counts[std::string(NameOf(txn.protocol)) +
                       (txn.plan == nullptr ? ", client-driven: " : ", declared: ") + txn.status];
  }
  coverage_.counts["calls"] += history_.sent.size();
  coverage_.counts["effects"] += history_.ledger.size();
  coverage_.counts["crashes"] += history_.crashes;
  coverage_.counts["failed appends"] += history_.failed_appends;
  coverage_.probes = history_.probes;
  Trace("judged " + std::to_string(history_.sent.size()) + " calls, " +
        std::to_string(history_.ledger.size()) + " effects");
}

// I13: the journal's fold is the state, after every record, and the list's row says the same. The
// engine's own checks of a state are held against every state that ever was durable.
void World::CheckFolds(std::vector<std::string>& violations) {
  const auto rows = reader_.Query({}, {1000, ""});
  for (const storage::SummaryRow& row : rows->rows) {
    const auto stored = reader_.Load(row.gid);
    engine::TxnState state;
    runtime::PlanPtr plan;
    for (const std::string& bytes : stored->records) {
      const auto record = runtime::DecodeRecord(bytes);
      if (const Status evolved = engine::Evolve(state, *record); !evolved.ok()) {
        violations.push_back("I13: " + row.gid.str() + ": " + evolved.message());
        break;
      }
      const auto found = state.client_driven ? runtime::ClientDrivenPlanOf(state)
                                             : definitions_.Get(state.definition, state.version);
      ENTENTE_CHECK(found.ok());
      plan = *found;
      if (options_.trace) {
        std::printf("  %s  %s\n", row.gid.str().c_str(),
                    engine::Describe(*record, *plan, state.accepted_at).c_str());
      }
    }
    if (const auto broken = engine::CheckInvariants(*plan, state)) {
      violations.push_back(row.gid.str() + ": " + *broken);
    }
    const storage::Summary wanted = runtime::MakeSummary(*plan, state);
    if (row.summary.status != wanted.status || row.summary.open != wanted.open ||
        row.summary.paused != wanted.paused ||
        row.summary.incidents.size() != wanted.incidents.size()) {
      violations.push_back("I13: the list says " + row.summary.status + " of " + row.gid.str() +
                           ", its journal " + wanted.status);
    }
  }
}

// I12: when nothing is left to do, nothing is kept.
void World::CheckAtRest(std::vector<std::string>& violations) {
  for (const auto& node : nodes_) {
    if (node == nullptr || !violations.empty()) {
      continue;
    }
    const runtime::ShardCounters& counters = node->shards().counters();
    const std::pair<const char*, uint64_t> kept[] = {
        {"questions without an answer", static_cast<uint64_t>(*node->asked())},
        {"open transactions", counters.open.load()},
        {"calls in flight", counters.calls_in_flight.load()},
        {"open incidents", counters.open_incidents.load()},
        {"transactions in quarantine", counters.quarantined.load()},
        {"appends", node->journal().pending()}};
    for (const auto& [what, count] : kept) {
      if (count != 0) {
        violations.push_back("I12: " + std::to_string(count) + " " + what + " at rest");
      }
    }
  }
}

}  // namespace entente::sim
