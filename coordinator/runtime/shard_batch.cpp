// ShardDriver: decisions, batches, durability.
#include <algorithm>
#include <iterator>
#include <map>
#include <memory>
#include <unordered_set>
#include <utility>

#include "coordinator/runtime/record_codec.h"
#include "coordinator/runtime/shard_driver.h"
#include "coordinator/runtime/shard_txn.h"

namespace entente::runtime {
namespace {

// The calls that should not go out after it if they have not gone out before. Only an operator ends
// a transaction that still has any.
Withdrawal WithdrawnBy(const engine::Record& record) {
  const auto* ended = std::get_if<engine::Ended>(&record.body);
  if (std::holds_alternative<engine::Paused>(record.body) || (ended != nullptr && ended->forced)) {
    return Withdrawal::kAllCalls;
  }
  return std::holds_alternative<engine::AbortDecided>(record.body) ? Withdrawal::kForwardCalls
                                                                   : Withdrawal::kNone;
}

}  // namespace

// Evolves the state and gathers the records. `riding` records wait for the transaction's next
// append instead of causing one: losing them is harmless, and recovery would derive them again.
// Effects never overtake a forced decision: those of a lazy one may follow from it.
void ShardDriver::Apply(const TxnPtr& txn, engine::Decision decision,
                        std::function<void(Status)>&& reply, bool riding) {
  Release release{txn, {}, {}, {}, Withdrawal::kNone};
  const bool watched = events_.has_subscribers();
  for (engine::Record& record : decision.records) {
    if (const Status evolved = engine::Evolve(*txn->state, record); !evolved.ok()) {
      // Nothing of it is written: only this transaction stops.
      throw std::logic_error(evolved.message());
    }
    txn->unsaved.push_back(EncodeRecord(record));
    txn->summary_changed = txn->summary_changed || ChangesSummary(record);
    if (std::holds_alternative<engine::IncidentRaised>(record.body)) {
      counters_.incidents.fetch_add(1, std::memory_order_relaxed);
    }
    release.withdraws = std::max(release.withdraws, WithdrawnBy(record));
    if (watched || events_.IsNoted(record, txn->plan->client_driven)) {
      const engine::TxnState& state = *txn->state;
      release.events.push_back({state.gid, state.definition, state.status, state.has_incident(),
                                HistoryEntry{state.revision, std::move(record)}, txn->plan});
    }
  }
  txn->charge.Set(MemoryCharge::kTransactionBytes + txn->state->payload_bytes);
  CountIncident(*txn);
  if (decision.records.empty()) {
    CarryOutInTurn(txn, std::move(decision.effects));
    if (reply) {
      WhenDurable(txn, std::exchange(reply, nullptr));
    }
    return;
  }
  // From here on it will be called: by what follows, or by whoever holds the transaction back.
  release.reply = std::exchange(reply, nullptr);
  const bool forced = decision.durability == engine::Durability::kForced;
  if (forced) {
    release.effects = std::move(decision.effects);
  }
  if (forced || !riding) {
    Touch(txn);
    if (forced) {
      txn->forced_batch = gathering_.number;
    }
    if (!release.effects.empty() || !release.events.empty() || release.reply ||
        release.withdraws != Withdrawal::kNone) {
      gathering_.releases.push_back(std::move(release));
    }
    if (forced) {
      flush_wanted_ = true;
      ScheduleFlush();
    } else if (!lazy_flush_timer_) {
      lazy_flush_timer_ = timers_.Insert(host_.Now() + options_.lazy_flush_delay, FlushTimer{});
      UpdateWake();
    }
  }
  if (!forced) {
    CarryOutInTurn(txn, std::move(decision.effects));
  }
}

// At once, or when the transaction's latest forced decision is durable.
void ShardDriver::CarryOutInTurn(const TxnPtr& txn, std::vector<engine::Effect> effects) {
  if (effects.empty() || txn->abandoned) {
    return;
  }
  if (txn->forced_batch <= durable_batch_) {
    CarryOut(txn, std::move(effects));
    return;
  }
  BatchOf(txn->forced_batch)
      .releases.push_back({txn, std::move(effects), {}, {}, Withdrawal::kNone});
}

// One that is not durable yet.
ShardDriver::GatheringBatch& ShardDriver::BatchOf(uint64_t number) {
  return number == gathering_.number ? gathering_ : in_flight_.value();
}

void ShardDriver::Touch(const TxnPtr& txn) {
  if (!txn->touched) {
    txn->touched = true;
    gathering_.touched.push_back(txn);
  }
  txn->last_batch = gathering_.number;
}

void ShardDriver::WhenDurable(const TxnPtr& txn, std::function<void(Status)> run) {
  if (failed_) {
    run(Unavailable("store.failed",
                    "the store failed and the coordinator is stopping: see its log"));
    return;
  }
  if (txn->abandoned) {
    run(HeldBack(txn->state->gid));
    return;
  }
  if (txn->last_batch <= durable_batch_) {
    run(Status());
    return;
  }
  BatchOf(txn->last_batch).releases.push_back({txn, {}, {}, std::move(run), Withdrawal::kNone});
  if (txn->last_batch == gathering_.number) {
    flush_wanted_ = true;
    ScheduleFlush();
  }
}

// As WhenDurable, but hurries nobody: it is told when what is there was written in its own time.
void ShardDriver::WhenWritten(const TxnPtr& txn, std::function<void(Status)> run) {
  if (failed_ || txn->abandoned || txn->last_batch <= durable_batch_) {
    WhenDurable(txn, std::move(run));
    return;
  }
  BatchOf(txn->last_batch).releases.push_back({txn, {}, {}, std::move(run), Withdrawal::kNone});
}

// As it is now: what is decided until it may be shown is not durable by then.
void ShardDriver::ShowWhenDurable(const TxnPtr& txn, Callback<TxnView> done) {
  if (!failed_ && !txn->abandoned && txn->last_batch <= durable_batch_) {
    done(View(*txn));
    return;
  }
  WhenDurable(txn, [view = View(*txn), done = std::move(done)](Status status) mutable {
    if (!status.ok()) {
      done(std::move(status));
    } else {
      done(std::move(view));
    }
  });
}

// Posted, not called: what is already ready to run joins the batch first.
void ShardDriver::ScheduleFlush() {
  if (flush_posted_ || in_flight_ || failed_) {
    return;
  }
  flush_posted_ = true;
  host_.Post([this] {
    flush_posted_ = false;
    Flush();
  });
}

void ShardDriver::Flush() {
  if (in_flight_ || failed_ || gathering_.touched.empty()) {
    return;
  }
  if (lazy_flush_timer_) {
    timers_.Remove(*lazy_flush_timer_);
    lazy_flush_timer_.reset();
  }
  flush_wanted_ = false;
  std::map<ShardId, storage::Batch> batches;
  for (size_t i = 0; i < gathering_.touched.size();) {
    const TxnPtr txn = gathering_.touched[i];
    const auto take = [&] {
      storage::TxnAppend append = TakeAppend(*txn);
      batches[ShardOf(append.gid)].appends.push_back(std::move(append));
    };
    // One that is held back is not among them any more.
    i += Guarded(txn->state->gid, txn, take) ? 1 : 0;
  }
  if (batches.empty()) {
    return;
  }
  counters_.appends.fetch_add(1, std::memory_order_relaxed);
  counters_.append_since_micros.store(ToMicros(host_.Now()), std::memory_order_relaxed);
  in_flight_ = std::move(gathering_);
  gathering_ = GatheringBatch{in_flight_->number + 1, {}, {}};
  // Shared by the callbacks, which the journal runs one after the other.
  struct Writing {
    size_t left = 0;
    RefusedShards refused;
  };
  const auto writing = std::make_shared<Writing>(Writing{batches.size(), {}});
  for (auto& [shard, batch] : batches) {
    journal_.Append(shard, options_.shards.at(shard), std::move(batch),
                    [this, writing, one = shard](const Status& status) {
                      if (!status.ok()) {
                        writing->refused.emplace_back(one, status);
                      }
                      if (--writing->left == 0) {
                        host_.Post([this, writing] { OnWritten(writing->refused); });
                      }
                    });
  }
}

// What the transaction gained since its last append.
storage::TxnAppend ShardDriver::TakeAppend(Txn& txn) {
  ENTENTE_CHECK(!txn.unsaved.empty());
  txn.touched = false;
  counters_.records.fetch_add(txn.unsaved.size(), std::memory_order_relaxed);
  storage::TxnAppend append{txn.state->gid, txn.saved.next(), std::move(txn.unsaved), {}};
  txn.unsaved.clear();
  txn.saved = txn.state->revision;
  if (txn.summary_changed) {
    append.summary = MakeSummary(*txn.plan, *txn.state);
    txn.summary_changed = false;
  }
  return append;
}

void ShardDriver::OnWritten(const RefusedShards& refused) {
  ENTENTE_CHECK(in_flight_.has_value());
  GatheringBatch batch = std::move(*in_flight_);
  in_flight_.reset();
  counters_.append_since_micros.store(0, std::memory_order_relaxed);
  bool no_room = false;
  for (const auto& [shard, status] : refused) {
    no_room = no_room || status.code() == StatusCode::kUnavailable;
    // Too large a batch is not written either; its transactions come back one by one.
    if (status.code() != StatusCode::kUnavailable &&
        status.code() != StatusCode::kResourceExhausted) {
      Fail(status);
      for (Release& release : batch.releases) {
        if (release.reply) {
          release.reply(status);
        }
      }
      return;
    }
  }
  rollbacks_in_row_ = no_room ? rollbacks_in_row_ + 1 : 0;
  for (const auto& [shard, status] : refused) {
    RollBack(TakeOut(batch, shard), status);
  }
  // What is left in it is durable.
  durable_batch_ = batch.number;
  // The journal gets its next batch before this one's effects are carried out, so that neither
  // waits for the other.
  if (flush_wanted_) {
    Flush();
  }
  for (const TxnPtr& txn : batch.touched) {
    txn->created = true;
  }
  for (Release& release : batch.releases) {
    Guarded(release.txn->state->gid, release.txn, [&] { Carry(release); });
  }
  if (flush_wanted_) {
    ScheduleFlush();
  }
  CheckDrained();
}

void ShardDriver::Carry(Release& release) {
  for (TxnEvent& event : release.events) {
    events_.Publish(std::move(event));
  }
  if (release.txn->abandoned) {
    // It is being read back, and its effects are derived anew.
    if (release.reply) {
      release.reply(HeldBack(release.txn->state->gid));
    }
    return;
  }
  // Not earlier: the calls of earlier decisions are at their gates by now.
  if (release.withdraws != Withdrawal::kNone) {
    caller_.WithdrawWaiting(release.txn->state->gid, release.withdraws);
  }
  if (release.reply) {
    release.reply(Status());
  }
  CarryOut(release.txn, std::move(release.effects));
}

// The part of a batch that belongs to one shard.
ShardDriver::GatheringBatch ShardDriver::TakeOut(GatheringBatch& batch, ShardId shard) {
  GatheringBatch part{batch.number, {}, {}};
  const auto is_kept = [shard](const TxnPtr& txn) { return ShardOf(txn->state->gid) != shard; };
  const auto touched = std::stable_partition(batch.touched.begin(), batch.touched.end(), is_kept);
  std::move(touched, batch.touched.end(), std::back_inserter(part.touched));
  batch.touched.erase(touched, batch.touched.end());
  const auto releases =
      std::stable_partition(batch.releases.begin(), batch.releases.end(),
                            [&](const Release& release) { return is_kept(release.txn); });
  std::move(releases, batch.releases.end(), std::back_inserter(part.releases));
  batch.releases.erase(releases, batch.releases.end());
  return part;
}

// Nothing of `failed` was written. Its transactions, with what was staged on top of it since, are
// rebuilt from the journal; all others go on.
void ShardDriver::RollBack(GatheringBatch failed, const Status& status) {
  const std::unordered_set<TxnPtr> affected(failed.touched.begin(), failed.touched.end());
  const auto is_affected = [&affected](const TxnPtr& txn) { return affected.contains(txn); };
  std::vector<Release> lost = std::move(failed.releases);
  auto& later = gathering_.releases;
  const auto kept_releases = std::stable_partition(
      later.begin(), later.end(),
      [&is_affected](const Release& release) { return !is_affected(release.txn); });
  std::move(kept_releases, later.end(), std::back_inserter(lost));
  later.erase(kept_releases, later.end());
  std::erase_if(gathering_.touched, is_affected);

  if (options_.on_rolled_back) {
    options_.on_rolled_back(status, failed.touched.size());
  }
  for (const TxnPtr& txn : failed.touched) {
    if (!txn->abandoned) {
      Forget(txn, status, ReloadDelay());
    }
  }
  for (Release& release : lost) {
    if (release.reply) {
      release.reply(status);
    }
  }
}

void ShardDriver::Forget(const TxnPtr& txn, const Status& status, Duration delay) {
  const Gid gid = txn->state->gid;
  RemoveTimers(*txn);
  CountIncident(*txn, /*forgotten=*/true);
  open_.erase(gid);
  counters_.open.store(open_.size(), std::memory_order_relaxed);
  auto waiters = std::exchange(txn->waiters, {});
  if (txn->created) {
    // Those who wait stay: what they wait for was accepted and goes on.
    for (Waiter& waiter : waiters) {
      timers_.Remove(waiter.timeout);
    }
    reloading_.emplace(gid, std::move(waiters));
    ReadBackLater(gid, delay);
    return;
  }
  for (Waiter& waiter : waiters) {
    timers_.Remove(waiter.timeout);
    waiter.done(status);
  }
}

Duration ShardDriver::ReloadDelay() const {
  constexpr int kMostDoublings = 20;
  const int doublings = std::clamp(rollbacks_in_row_ - 1, 0, kMostDoublings);
  return std::min(options_.reload_delay * (int64_t{1} << doublings), options_.longest_reload_delay);
}

// Fail-stop: what the journal holds is no longer known. Nothing is acknowledged from here on.
void ShardDriver::Fail(const Status& status) {
  if (failed_) {
    return;
  }
  failed_ = true;
  on_fatal_(status);
}

void ShardDriver::CheckDrained() {
  if (!draining_ || !on_drained_ || in_flight_ || !gathering_.touched.empty() ||
      counters_.calls_in_flight.load(std::memory_order_relaxed) != 0) {
    return;
  }
  std::exchange(on_drained_, nullptr)();
}

}  // namespace entente::runtime
