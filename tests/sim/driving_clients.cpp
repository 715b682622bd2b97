// Clients that drive their transactions themselves: they enlist a branch, work with its
// participant, and in the end commit or abort, asking again until they are answered; some never
// come back.
#include <utility>

#include "tests/sim/world.h"

namespace entente::sim {

void World::MakeDriving(Client& client) {
  client.drives = static_cast<Protocol>(dice_.Below(3));
  for (uint64_t n = dice_.Below(4); n > 0; --n) {
    StepSpec branch;
    branch.id = "b" + std::to_string(n);
    if (*client.drives == Protocol::kTcc && dice_.Chance(400)) {
      branch.hold = HoldSpec{std::chrono::milliseconds(900), std::nullopt};
    }
    branch.one_phase = *client.drives == Protocol::kTwoPhase && dice_.Chance(500);
    client.branches.push_back(std::move(branch));
  }
  client.wants_abort = dice_.Chance(200);
}

// Again, whatever became of the last attempt, until the end was seen.
void World::DriveSoon(Client& client) {
  scheduler_.After(dice_.Between(Duration(100), std::chrono::milliseconds(60)),
                   [this, &client] { DriveOn(client); });
}

void World::DriveOn(Client& client) {
  if (client.gone || !FactsOf(client).ends.empty()) {
    return;
  }
  if (!healed_ && dice_.Chance(30)) {
    client.gone = true;
    Trace(client.gid.str() + ": its client dies");
    history_.Probe("a client died");
    return;
  }
  if (Node* node = NodeFor(client.gid)) {
    if (client.enlisted < client.branches.size() && !client.wants_abort) {
      Enlist(client, *node);
    } else {
      Decide(client, *node);
    }
    if (dice_.Chance(100)) {
      EnlistLate(client, *node);
    }
    if (client.enlisted > 0 && dice_.Chance(100)) {
      EnlistOtherwise(client, *node);
    }
  }
  DriveSoon(client);
}

void World::Enlist(Client& client, Node& node) {
  const size_t index = client.enlisted;
  node.shards().Enlist(
      client.gid, BranchOf(*client.drives, client.branches[index]),
      std::make_shared<std::vector<dsl::Problem>>(),
      From(node, [this, &client, index](const Result<runtime::EnlistReply>& reply) {
        if (reply.ok() && client.enlisted == index) {
          ++client.enlisted;
          FactsOf(client).enlisted.push_back(client.branches[index].id);
          Observe(client, reply->view);
          WorkFor(client, client.branches[index]);
        } else if (reply.status().code() == StatusCode::kFailedPrecondition) {
          client.wants_abort = true;  // The time limit has passed.
        }
      }));
}

// Nobody joins any more once the commit was taken.
void World::EnlistLate(Client& client, Node& node) {
  if (!FactsOf(client).commit_taken) {
    return;
  }
  StepSpec late;
  late.id = "late";
  node.shards().Enlist(
      client.gid, BranchOf(*client.drives, late), std::make_shared<std::vector<dsl::Problem>>(),
      From(node, [this, &client](const Result<runtime::EnlistReply>& reply) {
        if (reply.ok()) {
          history_.Violation("G3: " + client.gid.str() + " was joined after its commit was taken");
        } else {
          history_.Probe("a branch came too late to join");
        }
      }));
}

// A name that is taken stands for what it was enlisted with.
void World::EnlistOtherwise(Client& client, Node& node) {
  StepSpec other = client.branches[0];
  other.attempts = 9;
  other.one_phase = !other.one_phase && *client.drives == Protocol::kTwoPhase;
  if (*client.drives != Protocol::kTwoPhase) {
    other.id = client.branches[0].id;
    other.hold = HoldSpec{std::chrono::milliseconds(2900), std::nullopt};
  }
  if (*client.drives == Protocol::kSaga) {
    return;  // Nothing of it could differ but its name.
  }
  node.shards().Enlist(client.gid, BranchOf(*client.drives, other),
                       std::make_shared<std::vector<dsl::Problem>>(),
                       From(node, [this, &client](const Result<runtime::EnlistReply>& reply) {
                         if (reply.ok()) {
                           history_.Violation("I2: a branch of " + client.gid.str() +
                                              " was enlisted twice, with other content");
                         } else if (reply.status().reason() == "branch.content_differs") {
                           history_.Probe("a branch's name is taken");
                         }
                       }));
}

void World::WorkFor(Client& client, const StepSpec& branch) {
  const std::string name = client.gid.str() + ":" + branch.id;
  const std::string root = std::string(NameOf(*client.drives)) + ".client";
  const Request request{
      "/" + root + "/" + branch.id + "/0/do/" + name, client.gid.str(), branch.id, 1, false, 0};
  if (!services_.Work(request, scheduler_.now())) {
    client.wants_abort = true;
  }
}

void World::Decide(Client& client, Node& node) {
  const bool abort = client.wants_abort;
  node.shards().Deliver(
      client.gid,
      abort ? engine::Event(engine::AbortRequested{{"client", "changed my mind"}})
            : engine::Event(engine::CommitRequested{}),
      std::nullopt, From(node, [this, &client, abort](const Result<TxnView>& view) {
        if (view.ok()) {
          Observe(client, *view);
          (abort ? FactsOf(client).cancel_taken : FactsOf(client).commit_taken) = true;
        } else if (view.status().reason() == "transaction.aborted") {
          CheckRefusal(client.gid.str(), view.status());
          client.wants_abort = true;  // It is not what it wanted, but what it gets.
        }
      }));
}

}  // namespace entente::sim
