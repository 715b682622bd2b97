// Operators: they pause and resume, retry and skip what is stuck, and now and then force an end.
#include <algorithm>
#include <utility>

#include "tests/sim/world.h"

namespace entente::sim {

void World::Pause(Client& client) {
  const int resumes = FactsOf(client).resumes;
  Ask(client, engine::PauseRequested{{"ops", "look"}},
      [this, &client, resumes](const Status& status) {
        ClientFacts& facts = FactsOf(client);
        if (status.ok() && !facts.paused_since && facts.resumes == resumes) {
          facts.paused_since = scheduler_.now();
        }
      });
}

void World::Resume(Client& client) {
  ClientFacts& facts = FactsOf(client);
  ++facts.resumes;
  if (facts.paused_since) {
    facts.pauses.emplace_back(*facts.paused_since, scheduler_.now());
    facts.paused_since.reset();
  }
  Ask(client, engine::ResumeRequested{{"ops", "looked"}}, [](const Status&) {});
}

void World::Resolve(Client& client) {
  FactsOf(client).resolved = true;
  Ask(client,
      engine::ResolveRequested{dice_.Chance(500) ? TxnStatus::kCommitted : TxnStatus::kAborted,
                               {"ops", "it has to end"}},
      [this](const Status& status) {
        if (status.ok()) {
          history_.Probe("an end was forced");
        }
      });
}

void World::Retry(const Gid& gid, const std::optional<BranchId>& branch) {
  history_.clients[gid.str()].retried = true;
  if (Node* node = NodeFor(gid)) {
    node->shards().Deliver(gid, engine::RetryRequested{branch, {"ops", "the cause is mended"}},
                           std::nullopt, [](const Result<TxnView>&) {});
  }
}

void World::LookAtIncidents() {
  storage::Filter stuck;
  stuck.incident = true;
  const auto rows = reader_.Query(stuck, {1000, ""});
  ENTENTE_CHECK(rows.ok());
  for (const storage::SummaryRow& row : rows->rows) {
    for (const storage::IncidentRow& incident : row.summary.incidents) {
      history_.Probe("an incident of " + incident.operation);
      if (healed_ || dice_.Chance(mood_.operators)) {
        Mend(row, incident);
      }
    }
  }
}

// Retried, or carried out by hand and vouched for.
void World::Mend(const storage::SummaryRow& row, const storage::IncidentRow& incident) {
  const bool must_know =
      incident.code == "undo.outcome_unknown" || incident.code == "undo.done_by_operator";
  const bool child = incident.participant.empty();
  // Once all is well a child that aborted has to come through when it is run anew. One whose end
  // was forced is what it is.
  const bool rerun = child && healed_ && incident.code != "child.mixed";
  const uint32_t chance = !child ? 300 : rerun ? 0 : 500;
  const bool by_hand = must_know || dice_.Chance(chance);
  Node* const node = NodeFor(row.gid);
  if (node == nullptr) {
    return;
  }
  if (!by_hand || (!child && !CarryOutByHand(row.gid, incident))) {
    Retry(row.gid, incident.branch);
    return;
  }
  history_.Probe(must_know ? "an operator found out" : "an operator vouched");
  const std::string gid = row.gid.str();
  history_.clients[gid].skipped.insert(incident.branch.str());
  node->shards().Deliver(row.gid,
                         engine::SkipRequested{incident.branch,
                                               Json{{"id", gid + ":" + incident.branch.str()}},
                                               {"ops", "did it by hand"}},
                         std::nullopt, [](const Result<TxnView>&) {});
}

// As it was asked for last. False if nobody can tell what that was.
bool World::CarryOutByHand(const Gid& gid, const storage::IncidentRow& incident) {
  const auto last = std::find_if(
      history_.sent.rbegin(), history_.sent.rend(),
      [&](const Sent& one) { return one.gid == gid.str() && one.branch == incident.branch.str(); });
  if (last == history_.sent.rend()) {
    return false;
  }
  Request request{last->target,  last->gid,       last->branch,
                  last->attempt, last->one_phase, last->epoch};
  const bool undo = incident.operation == "compensate" || incident.operation == "cancel" ||
                    incident.operation == "rollback";
  const auto target = ParseTarget(request.target);
  if (undo && target && target->verb == Verb::kDo) {
    request.target = "/" + target->place() + "/undo/" + target->key;
  }
  services_.ByHand(request, scheduler_.now());
  return true;
}

}  // namespace entente::sim
