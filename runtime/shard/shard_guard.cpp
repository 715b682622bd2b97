// Shard: what goes wrong with one transaction stays with it.
#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "runtime/record_codec.h"
#include "runtime/shard/shard.h"
#include "runtime/shard/shard_txn.h"

namespace entente::runtime {
namespace {

constexpr Duration kLongestHold = std::chrono::minutes(1);
constexpr const char* kQuarantined = "quarantined";
constexpr const char* kCoordinatorActor = "coordinator";

const storage::IncidentRow* QuarantineOf(const storage::Summary& summary) {
  const auto found =
      std::find_if(summary.incidents.begin(), summary.incidents.end(),
                   [](const storage::IncidentRow& one) { return one.code == kQuarantined; });
  return found == summary.incidents.end() ? nullptr : &*found;
}

template <class Enum, class Name>
Enum FromName(std::initializer_list<Enum> all, const Name& name_of, const std::string& name) {
  const auto found =
      std::find_if(all.begin(), all.end(), [&](Enum one) { return name_of(one) == name; });
  return found == all.end() ? *all.begin() : *found;
}

}  // namespace

TxnView QuarantinedView(const storage::StoredTxn& stored, Sequence revision) {
  const storage::Summary& summary = stored.summary;
  auto state = std::make_shared<engine::TxnState>();
  state->gid = stored.gid;
  state->definition = summary.definition;
  state->version = summary.version;
  state->mode = FromName({engine::Mode::kSaga, engine::Mode::kTcc, engine::Mode::kTwoPhaseCommit},
                         dsl::ModeName, summary.mode);
  state->status = FromName(
      {engine::TxnStatus::kActive, engine::TxnStatus::kCommitting, engine::TxnStatus::kAborting},
      engine::TxnStatusName, summary.status);
  state->revision = revision;
  state->paused = true;
  state->labels = summary.labels;
  state->accepted_at = summary.created_at;
  state->updated_at = summary.updated_at;
  auto plan = std::make_shared<dsl::Plan>();
  plan->name = summary.definition;
  plan->version = summary.version;
  plan->mode = state->mode;
  const storage::IncidentRow* why = QuarantineOf(summary);
  return {std::move(plan), std::move(state), why == nullptr ? kQuarantined : why->message};
}

Status NoRoom(const MemoryBudget& memory) {
  return ResourceExhausted("coordinator.memory_budget",
                           "the payloads of open transactions take as much memory as they may (" +
                               std::to_string(memory.limit() >> 20) +
                               " MiB, --payload-memory): try again when some have ended");
}

Status HeldBack(const Gid& gid) {
  return Unavailable("transaction.held_back",
                     "the coordinator failed while it drove transaction '" + gid.str() +
                         "', which is read back from the journal: try again in a moment");
}

Status Reloading(const Gid& gid) {
  return Unavailable("transaction.reloading", "transaction '" + gid.str() +
                                                  "' is being read back from the journal: try "
                                                  "again in a moment");
}

Status InQuarantine(const Gid& gid) {
  return FailedPrecondition("transaction.quarantined",
                            "transaction '" + gid.str() +
                                "' is quarantined, because the coordinator failed again and again "
                                "while it drove it: an operator releases it with resume or retry, "
                                "or ends it with resolve");
}

Status MovedOn(const Gid& gid, Sequence is, Sequence expected) {
  return Conflict("transaction.revision_mismatch",
                  "transaction '" + gid.str() + "' is at revision " + std::to_string(is.value()) +
                      ", not " + std::to_string(expected.value()) +
                      ": look at it again, then decide");
}

// Takes the transaction out of memory, with all that is staged of it, to be read back. What of it
// is in flight becomes durable or not, as it may; its effects are derived from what is read.
void Shard::HoldBack(const Gid& name, const TxnPtr& txn, const Status& defect) {
  if (dropped_ || (txn != nullptr && txn->abandoned)) {
    return;
  }
  const Gid gid = name;  // What it refers to may go.
  counters_.held_back.fetch_add(1, std::memory_order_relaxed);
  if (options_.on_held_back) {
    options_.on_held_back(gid, defect);
  }
  if (txn == nullptr) {
    ReadBackLater(gid, Blame(gid, defect));
    return;
  }
  txn->abandoned = true;
  std::vector<Release> lost;
  TakeAbandoned(gathering_, lost);
  const bool in_flight = txn->handed_batch > durable_batch_;
  txn->created = txn->created || in_flight;
  // Nothing is remembered of what was never accepted: gids are for clients to choose.
  const Duration delay = txn->created ? Blame(gid, defect) : Duration(0);
  if (const auto found = open_.find(gid); found != open_.end() && found->second == txn) {
    Forget(txn, HeldBack(gid), delay);
  }
  for (const Release& release : lost) {
    if (release.reply) {
      release.reply(HeldBack(gid));
    }
  }
}

// How long to leave it alone.
Duration Shard::Blame(const Gid& gid, const Status& defect) {
  Blemish& blemish = blemishes_[gid];
  if (defect.reason() != kOutOfMemory) {
    if (++blemish.defects >= limits::kMaxDefects) {
      blemish.sentence = {defect.reason(), defect.message()};
    }
    return options_.reload_delay;
  }
  if (++blemish.shortages >= limits::kMaxShortages) {
    blemish.sentence = {defect.reason(), defect.message()};
  }
  return std::min(kLongestHold, options_.reload_delay * (1 << (blemish.shortages - 1)));
}

std::optional<engine::Failure> Shard::WhyNotToDrive(const storage::StoredTxn& stored) const {
  if (const storage::IncidentRow* known = QuarantineOf(stored.summary)) {
    return engine::Failure{kQuarantined, known->message};
  }
  if (options_.crash_marks != nullptr && options_.crash_marks->IsCondemned(stored.gid.str())) {
    return engine::Failure{kQuarantined,
                           "it was being driven whenever the coordinator's process crashed"};
  }
  if (const auto found = blemishes_.find(stored.gid);
      found != blemishes_.end() && found->second.sentence) {
    return found->second.sentence;
  }
  return std::nullopt;
}

// Pauses it in the journal without a look at its records, which may be what the coordinator fails
// at: the incident in its summary tells the next start. Should that not be written, whatever led
// here leads here again.
void Shard::Quarantine(storage::StoredTxn stored, engine::Failure why) {
  const Gid gid = stored.gid;
  Sequence revision(stored.records.size());
  const bool known = QuarantineOf(stored.summary) != nullptr;
  if (!known) {
    const Instant now = host_.Now();
    const std::string message =
        why.code == kParentNotFound
            ? why.message
            : "held back, because driving it failed again and again: " + why.message;
    stored.summary.paused = true;
    stored.summary.updated_at = now;
    stored.summary.incidents.push_back({BranchId(), "", "", kQuarantined, message, now});
    const engine::Record record{now, engine::Paused{{kCoordinatorActor, message}}};
    revision = revision.next();
    storage::TxnAppend append{gid, revision, {EncodeRecord(record)}, stored.summary};
    keeper_.Append(*lease_, {{std::move(append)}}, InTurn([this, gid](const Status& status) {
      quarantined_.at(gid).being_written = false;
      if (!status.ok() && options_.on_rolled_back) {
        options_.on_rolled_back(status, 1);
      }
    }));
    if (options_.on_quarantined) {
      options_.on_quarantined(gid, {kQuarantined, message});
    }
  }
  const TxnView view = QuarantinedView(stored, revision);
  quarantined_.insert_or_assign(gid, Quarantined{view, !known});
  quarantined_count_.Set(quarantined_.size());
  open_incidents_.Increment();
  const Absent absent = TakeAbsent(gid);
  for (const Waiter& waiter : absent.waiters) {
    waiter.done(view);
  }
  for (const auto& asker : absent.askers) {
    asker(Status());
  }
}

void Shard::DeliverToQuarantined(const Gid& gid, engine::Event event,
                                 std::optional<Sequence> expected_revision,
                                 Callback<TxnView> done) {
  const Quarantined& held = quarantined_.at(gid);
  const Sequence revision = held.view.state->revision;
  if (held.being_written) {
    done(Reloading(gid));
    return;
  }
  if (expected_revision && *expected_revision != revision) {
    done(MovedOn(gid, revision, *expected_revision));
    return;
  }
  // What it would edit is not known yet.
  if (auto* retry = std::get_if<engine::RetryRequested>(&event); retry != nullptr && !retry->edit) {
    event = engine::ResumeRequested{std::move(retry->actor)};
  } else if (!std::holds_alternative<engine::ResumeRequested>(event) &&
             !std::holds_alternative<engine::ResolveRequested>(event)) {
    done(InQuarantine(gid));
    return;
  }
  if (options_.crash_marks != nullptr) {
    options_.crash_marks->Forgive(gid.str());
    options_.crash_marks->Forgive(
        Definitions::MarkOf(held.view.state->definition, held.view.state->version));
  }
  LoadThen(gid, done,
           [this, gid, event = std::move(event), done](Result<storage::StoredTxn> stored) {
             SetFree(gid, event, std::move(stored), done);
           });
}

// Paused as it is, nothing is called before `event` says so.
void Shard::SetFree(const Gid& gid, engine::Event event, Result<storage::StoredTxn> stored,
                    Callback<TxnView> done) {
  if (!quarantined_.contains(gid)) {
    Deliver(gid, std::move(event), std::nullopt, std::move(done));  // Somebody else was quicker.
    return;
  }
  auto txn = stored.ok() ? Rebuild(*stored) : Result<TxnPtr>(stored.status());
  if (!txn.ok()) {
    done(txn.status());
    return;
  }
  const TxnPtr back = std::move(txn).value();
  blemishes_.erase(gid);
  quarantined_.erase(gid);
  quarantined_count_.Set(quarantined_.size());
  open_incidents_.Decrement();
  Resume(back);
  TellParentOf(gid);
  Deliver(gid, std::move(event), std::nullopt, std::move(done));
}

}  // namespace entente::runtime
