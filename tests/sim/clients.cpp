// Clients that submit, cancel and signal, and ask again until they are told; and what they are
// told, which must be durable.
#include <utility>

#include "dsl/client_branches.h"
#include "runtime/record_codec.h"
#include "tests/sim/world.h"

namespace entente::sim {

void World::Ask(Client& client, engine::Event event, std::function<void(const Status&)> answered) {
  Node* const node = NodeFor(client.gid);
  if (node == nullptr) {
    return;
  }
  ++*node->asked();
  node->shards().Deliver(client.gid, std::move(event), std::nullopt,
                         From(*node, [this, &client, answered = std::move(answered),
                                      asked = node->asked()](const Result<TxnView>& view) {
                           --*asked;
                           if (view.ok()) {
                             Observe(client, *view);
                           } else {
                             CheckRefusal(client.gid.str(), view.status());
                           }
                           answered(view.status());
                         }));
}

void World::Submit(Client& client) {
  client.submitted = true;
  Node* const node = NodeFor(client.gid);
  if (node == nullptr) {
    Nudge(client);
    return;
  }
  const bool known = FactsOf(client).acknowledged;
  if (known) {
    history_.Probe("submitted again");
  }
  ++*node->asked();
  const auto told = [this, &client, known,
                     asked = node->asked()](const Result<runtime::SubmitReply>& reply) {
    --*asked;
    if (!reply.ok()) {
      Nudge(client);
      return;
    }
    if (known && reply->created) {
      history_.Violation("I2: " + client.gid.str() + " was acknowledged, and created again");
    }
    if (!reader_.Load(client.gid).ok()) {
      history_.Violation("I10: " + client.gid.str() + " was acknowledged and is not durable");
    }
    const bool first = !std::exchange(FactsOf(client).acknowledged, true);
    Observe(client, reply->view);
    if (first && client.drives) {
      DriveSoon(client);
    }
  };
  node->shards().Submit(CommandOf(client), From(*node, told));
}

runtime::Shard::SubmitCommand World::CommandOf(const Client& client) {
  runtime::Shard::SubmitCommand command;
  command.caller_named = true;
  command.submitted.gid = client.gid;
  command.submitted.input = client.input;
  command.submitted.request_digest = client.what() + DumpJson(client.input);
  if (client.drives) {
    const auto mode = *client.drives == Protocol::kSaga  ? dsl::Mode::kSaga
                      : *client.drives == Protocol::kTcc ? dsl::Mode::kTcc
                                                         : dsl::Mode::kTwoPhaseCommit;
    command.plan = dsl::BeginClientDriven(mode);
    command.submitted.deadline = kClientLimit;
    return command;
  }
  auto plan = definitions_.Get(client.plan->name, std::nullopt);
  ENTENTE_CHECK(plan.ok());
  command.plan = std::move(*plan);
  if (dice_.Chance(300)) {
    command.wait = std::chrono::milliseconds(100);
  }
  return command;
}

// Until it is told, a client asks again with the same gid.
void World::Nudge(Client& client) {
  if (FactsOf(client).acknowledged || client.retry_armed) {
    return;
  }
  client.retry_armed = true;
  scheduler_.After(std::chrono::milliseconds(100), [this, &client] {
    client.retry_armed = false;
    if (!FactsOf(client).acknowledged) {
      Submit(client);
    }
  });
}

void World::Cancel(Client& client) {
  Ask(client, engine::AbortRequested{{"client", "changed my mind"}},
      [this, &client](const Status& status) {
        if (status.ok()) {
          FactsOf(client).cancel_taken = true;
        } else if (status.reason() == "transaction.pivot_in_doubt") {
          history_.Probe("a cancel while the pivot is in doubt");
        } else if (status.reason() == "transaction.commit_in_doubt") {
          history_.Probe("a cancel while a one-phase commit is in doubt");
        }
      });
}

void World::Signal(Client& client, int number) {
  const std::string id = "s" + std::to_string(number);
  Ask(client, engine::SignalSent{"go", Json(number), id, id},
      [this, &client, number](const Status& status) {
        if (status.ok() && !FactsOf(client).signals.emplace(number, scheduler_.now()).second) {
          history_.Probe("a signal was repeated");
        }
      });
}

// An undo follows the decision to abort; or that its own call was given up, for an alternative, or
// that another step was first in its race.
void World::CheckUndo(const Sent& undo) {
  std::optional<size_t> step;
  bool given_up = false;  // Or lost.
  bool begun = false;
  if (const auto stored = reader_.Load(Gid(undo.gid)); stored.ok()) {
    for (const std::string& bytes : stored->records) {
      const auto record = runtime::DecodeRecord(bytes);
      ENTENTE_CHECK(record.ok());
      const auto* ended = std::get_if<engine::OperationGaveUp>(&record->body);
      const auto* started = std::get_if<engine::OperationStarted>(&record->body);
      const auto* expanded = std::get_if<engine::StepExpanded>(&record->body);
      const auto* lost = std::get_if<engine::StepSkipped>(&record->body);
      if (expanded != nullptr && expanded->id == StepName(undo.branch)) {
        step = expanded->step;
      }
      given_up = given_up || (ended != nullptr && ended->branch.str() == undo.branch) ||
                 (lost != nullptr && !lost->branch && step == lost->step);
      begun =
          begun || (given_up && started != nullptr && started->branch.str() == undo.branch &&
                    started->role == dsl::Role::kUndo && started->alternative == undo.alternative);
    }
  }
  if (!begun) {
    CheckDurable(undo.gid, TxnStatus::kAborting, "an undo was sent");
  }
}

// Who acts upon a decision must find it in the journal, where no crash takes it back.
void World::CheckDurable(const std::string& gid, TxnStatus decided, const std::string& what) {
  const auto direction = [](TxnStatus status) {
    switch (status) {
      case TxnStatus::kActive: return 0;
      case TxnStatus::kCommitting:
      case TxnStatus::kCommitted: return 1;
      case TxnStatus::kAborting:
      case TxnStatus::kAborted: return -1;
      case TxnStatus::kMixed: break;
    }
    return 2;
  };
  if (direction(decided) == 0) {
    return;
  }
  int durable = 0;  // The decision.
  int end = 0;
  bool vouched = false;
  if (const auto stored = reader_.Load(Gid(gid)); stored.ok()) {
    for (const std::string& bytes : stored->records) {
      const auto record = runtime::DecodeRecord(bytes);
      ENTENTE_CHECK(record.ok());
      if (std::holds_alternative<engine::CommitDecided>(record->body)) {
        durable = 1;
      } else if (std::holds_alternative<engine::AbortDecided>(record->body)) {
        durable = -1;
      } else if (const auto* ended = std::get_if<engine::Ended>(&record->body)) {
        end = direction(ended->status);
      } else if (std::holds_alternative<engine::OperatorSkipped>(record->body)) {
        vouched = true;
      }
    }
  }
  // A decision and an operator's word for a participant that did otherwise can end as nothing else.
  const bool bound = decided == TxnStatus::kMixed && vouched && durable != 0;
  // An end that an operator forces upon a decision takes nothing back of it.
  if (direction(decided) != durable && direction(decided) != end && !bound) {
    history_.Violation(gid + ": " + what + ", and a crash could still take back that it is " +
                       std::string(engine::TxnStatusName(decided)));
  }
}

// A refusal says something of the transaction too, and what it rests on must be durable as well.
void World::CheckRefusal(const std::string& gid, const Status& status) {
  const std::string& reason = status.reason();
  if (reason == "transaction.past_pivot") {
    CheckDurable(gid, TxnStatus::kCommitting, "a client was refused with " + reason);
  } else if (reason == "transaction.aborted" || reason == "transaction.aborting") {
    CheckDurable(gid, TxnStatus::kAborting, "a client was refused with " + reason);
  }
}

void World::Observe(Client& client, const TxnView& view) {
  CheckDurable(client.gid.str(), view.state->status, "a client was told");
  if (const auto broken = engine::CheckInvariants(*view.plan, *view.state)) {
    history_.Violation(client.gid.str() + ": " + *broken);
  }
  if (view.state->finished()) {
    ClientFacts& facts = FactsOf(client);
    if (facts.ends.empty()) {
      facts.first_end = scheduler_.now();
    }
    facts.ends.insert(std::string(engine::TxnStatusName(view.state->status)));
  }
}

}  // namespace entente::sim
