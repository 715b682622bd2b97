// Clients that drive their transactions themselves: they enlist a branch, work with its
// participant, and in the end commit or abort, asking again until they are answered; some never
// come back.
#include <utility>

#include "dsl/client_branches.h"
#include "tests/sim/world.h"

namespace entente::sim {
namespace {

using engine::TxnStatus;

constexpr const char* kSettleRetry =
    R"(, "settleRetry": {"initial": "10ms", "factor": 2, "max": "100ms", "attempts": 6})";

// The description of a branch that a client enlists.
std::string BranchOf(dsl::Mode mode, const std::string& id, Dice& dice) {
  const std::string head =
      R"({"id": ")" + id + R"(", "participant": {"http": "http://p.test", "timeout": "200ms"}, )";
  switch (mode) {
    case dsl::Mode::kSaga:
      return head + R"("compensate": {"delete": "/${key}"},
        "compensateRetry": {"initial": "10ms", "max": "100ms", "attempts": 6}})";
    case dsl::Mode::kTcc:
      return head + R"("confirm": {"post": "/${key}"}, "cancel": {"delete": "/${key}"})" +
             kSettleRetry + (dice.Chance(400) ? R"(, "expires": "900ms"})" : "}");
    case dsl::Mode::kTwoPhaseCommit:
      return head + R"("prepare": {"post": "/${key}"}, "commit": {"put": "/${key}"},
        "rollback": {"delete": "/${key}"}, "retry": {"initial": "10ms", "max": "100ms", "attempts": 4})" +
             kSettleRetry + (dice.Chance(500) ? R"(, "onePhase": true})" : "}");
  }
  return head;
}

}  // namespace

void World::MakeDriving(Client& client) {
  static constexpr std::array kModes = {dsl::Mode::kSaga, dsl::Mode::kTcc,
                                        dsl::Mode::kTwoPhaseCommit};
  client.drives = kModes[dice_.Below(kModes.size())];
  client.definition = "~" + std::string(dsl::ModeName(*client.drives));
  for (uint64_t n = dice_.Below(4); n > 0; --n) {
    client.branches.push_back(BranchOf(*client.drives, "b" + std::to_string(n), dice_));
  }
  client.wants_abort = dice_.Chance(200);
}

// Again, whatever became of the last attempt, until the end was seen.
void World::DriveSoon(Client& client) {
  scheduler_.After(dice_.Between(Duration(100), std::chrono::milliseconds(60)),
                   [this, &client] { DriveOn(client); });
}

void World::DriveOn(Client& client) {
  if (client.gone || !client.ends_seen.empty()) {
    return;
  }
  if (!healed_ && dice_.Chance(30)) {
    client.gone = true;
    Trace(client.gid.str() + ": its client dies");
    return;
  }
  if (client.enlisted < client.branches.size() && !client.wants_abort) {
    Enlist(client);
  } else {
    Decide(client);
  }
  DriveSoon(client);
}

void World::Enlist(Client& client) {
  runtime::WorkerShards* node = NodeFor(client.gid);
  if (node == nullptr) {
    return;
  }
  const size_t index = client.enlisted;
  node->Enlist(client.gid, client.branches[index], std::make_shared<std::vector<dsl::Problem>>(),
               [this, &client, index](const Result<runtime::EnlistReply>& reply) {
                 if (reply.ok() && client.enlisted == index) {
                   ++client.enlisted;
                   Observe(client, reply->view);
                   WorkFor(client, BranchId("b" + std::to_string(client.branches.size() - index)));
                 } else if (reply.status().code() == StatusCode::kFailedPrecondition) {
                   client.wants_abort = true;  // The time limit has passed.
                 }
               });
}

void World::WorkFor(Client& client, const BranchId& branch) {
  const Call call{{client.gid, branch, dsl::Role::kForward, 0}, *client.drives, true, false};
  if (!services_.Work(call, scheduler_.now())) {
    client.wants_abort = true;
  }
}

void World::Decide(Client& client) {
  runtime::WorkerShards* node = NodeFor(client.gid);
  if (node == nullptr) {
    return;
  }
  const bool abort = client.wants_abort;
  node->Deliver(client.gid,
                abort ? engine::Event(engine::AbortRequested{{"client", "changed my mind"}})
                      : engine::Event(engine::CommitRequested{}),
                std::nullopt, [this, &client, abort](const Result<runtime::TxnView>& view) {
                  if (view.ok()) {
                    Observe(client, *view);
                    const TxnStatus status = view->state->status;
                    const bool committed =
                        status == TxnStatus::kCommitted || status == TxnStatus::kCommitting;
                    if (abort && committed) {
                      failures_.push_back("I3: an abort of " + client.gid.str() +
                                          " was answered by " +
                                          std::string(engine::TxnStatusName(status)));
                    }
                  } else if (view.status().reason() == "transaction.aborted") {
                    client.wants_abort = true;  // It is not what it wanted, but what it gets.
                  }
                });
}

}  // namespace entente::sim
