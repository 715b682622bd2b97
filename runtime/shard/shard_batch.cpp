// Shard: decisions, batches, durability.
#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

#include "engine/sensitive.h"
#include "runtime/record_codec.h"
#include "runtime/shard/shard.h"
#include "runtime/shard/shard_txn.h"

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
void Shard::Apply(const TxnPtr& txn, engine::Decision decision, std::function<void(Status)>&& reply,
                  bool riding) {
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
    const engine::TxnState& state = *txn->state;
    if (txn->sensitive != nullptr) {
      txn->sensitive->Learn(*txn->plan, state.input, record);
    }
    if (watched || events_.IsNoted(record, txn->plan->client_driven)) {
      if (engine::HasSensitive(*txn->plan)) {
        txn->HideSensitive(record);
      }
      release.events.push_back({state.gid, state.definition, state.status, state.has_incident(),
                                HistoryEntry{state.revision, std::move(record)}, txn->plan,
                                state.traceparent});
    }
  }
  if (!watched) {
    txn->sensitive.reset();
  }
  txn->charge.Set(MemoryCharge::kTransactionBytes + txn->state->payload_bytes);
  CountIncident(*txn);
  if (!txn->blocked.empty()) {
    ForgetBlocked(*txn, /*all=*/false);
  }
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
    if (forced || draining_) {  // Whoever waits for the shard does not wait for company.
      FlushSoon();
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
void Shard::CarryOutInTurn(const TxnPtr& txn, std::vector<engine::Effect> effects) {
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

// One that is not carried out yet.
Shard::GatheringBatch& Shard::BatchOf(uint64_t number) {
  if (number == gathering_.number) {
    return gathering_;
  }
  return written_ && written_->number == number ? *written_ : in_flight_.value();
}

void Shard::Touch(const TxnPtr& txn) {
  if (!txn->touched) {
    txn->touched = true;
    if (gathering_.touched.empty()) {
      gathering_.since = host_.Now();
    }
    gathering_.touched.push_back(txn);
  }
  txn->last_batch = gathering_.number;
}

void Shard::WhenDurable(const TxnPtr& txn, std::function<void(Status)> run) {
  if (txn->abandoned) {
    run(Reloading(txn->state->gid));
    return;
  }
  if (txn->last_batch <= durable_batch_) {
    run(Status());
    return;
  }
  BatchOf(txn->last_batch).releases.push_back({txn, {}, {}, std::move(run), Withdrawal::kNone});
  if (txn->last_batch == gathering_.number) {
    FlushSoon();
  }
}

// As WhenDurable, but hurries nobody: it is told when what is there was written in its own time.
void Shard::WhenWritten(const TxnPtr& txn, std::function<void(Status)> run) {
  if (txn->abandoned || txn->last_batch <= durable_batch_) {
    WhenDurable(txn, std::move(run));
    return;
  }
  BatchOf(txn->last_batch).releases.push_back({txn, {}, {}, std::move(run), Withdrawal::kNone});
}

// As it is now: what is decided until it may be shown is not durable by then.
void Shard::ShowWhenDurable(const TxnPtr& txn, Callback<TxnView> done) {
  if (!txn->abandoned && txn->last_batch <= durable_batch_) {
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

void Shard::FlushSoon() {
  flush_wanted_ = true;
  if (!in_flight_ && !std::exchange(flush_asked_, true)) {
    keeper_.FlushSoon(lease_->shard());
  }
}

std::optional<storage::Batch> Shard::TakeBatch() {
  ENTENTE_CHECK(!in_flight_);
  flush_asked_ = false;
  flush_wanted_ = false;
  if (gathering_.touched.empty()) {
    return std::nullopt;
  }
  if (lazy_flush_timer_) {
    timers_.Remove(*lazy_flush_timer_);
    lazy_flush_timer_.reset();
  }
  storage::Batch batch;
  batch.appends.reserve(gathering_.touched.size());
  for (size_t i = 0; i < gathering_.touched.size();) {
    const TxnPtr txn = gathering_.touched[i];
    const auto take = [&] { batch.appends.push_back(TakeAppend(*txn)); };
    // One that is held back is not among them any more.
    i += Guarded(txn->state->gid, txn, take) ? 1 : 0;
  }
  if (batch.appends.empty()) {
    return std::nullopt;
  }
  counters_.appends.fetch_add(1, std::memory_order_relaxed);
  const Instant now = host_.Now();
  append_since_.emplace(counters_.appends_since, now);
  MeasureHandedIn(batch, now);
  in_flight_ = std::move(gathering_);
  gathering_ = GatheringBatch{in_flight_->number + 1, {}, {}};
  return batch;
}

void Shard::MeasureHandedIn(const storage::Batch& batch, Instant now) const {
  if (options_.recorder == nullptr) {
    return;
  }
  size_t records = 0;
  for (const storage::TxnAppend& append : batch.appends) {
    records += append.records.size();
  }
  options_.recorder->Find(observe::Family::kAppendRecords).Record(records);
  options_.recorder->Find(observe::Family::kBatchGathering)
      .Record(observe::Micros(now - gathering_.since));
}

void Shard::MeasureWritten(Instant handed_in) const {
  if (options_.recorder != nullptr) {
    options_.recorder->Find(observe::Family::kAppend)
        .Record(observe::Micros(host_.Now() - handed_in));
  }
}

// What the transaction gained since its last append.
storage::TxnAppend Shard::TakeAppend(Txn& txn) {
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
  txn.handed_batch = gathering_.number;
  return append;
}

void Shard::OnWritten(const Status& status) {
  ENTENTE_CHECK(in_flight_.has_value());
  ENTENTE_CHECK(!written_.has_value());
  if (status.ok()) {
    MeasureWritten(append_since_->at());
    append_since_.reset();
    rollbacks_in_row_ = 0;
    written_ = std::exchange(in_flight_, std::nullopt);
    if (flush_wanted_) {
      FlushSoon();
    }
    return;
  }
  append_since_.reset();
  // Too large a batch is not written either; its transactions come back one by one.
  const bool no_room = status.code() == StatusCode::kUnavailable;
  if (!no_room && status.code() != StatusCode::kResourceExhausted) {
    if (status.code() != StatusCode::kUnknownOutcome) {
      // None of it was written, and those who wait for it may know.
      std::move(in_flight_->releases.begin(), in_flight_->releases.end(),
                std::back_inserter(gathering_.releases));
      in_flight_.reset();
    }
    Lose(status);
    return;
  }
  GatheringBatch batch = std::move(*in_flight_);
  in_flight_.reset();
  rollbacks_in_row_ = no_room ? rollbacks_in_row_ + 1 : 0;
  RollBack(batch, status);
  if (flush_wanted_) {
    FlushSoon();
  }
  CheckDrained();
}

void Shard::CarryWritten() {
  ENTENTE_CHECK(written_.has_value());
  GatheringBatch batch = std::move(*written_);
  written_.reset();
  durable_batch_ = batch.number;
  for (const TxnPtr& txn : batch.touched) {
    txn->created = true;
  }
  for (Release& release : batch.releases) {
    Guarded(release.txn->state->gid, release.txn, [&] { Carry(release); });
  }
  CheckDrained();
}

void Shard::Carry(Release& release) {
  if (!release.events.empty()) {
    marks::LetOut();
  }
  for (TxnEvent& event : release.events) {
    events_.Publish(std::move(event));
  }
  if (release.txn->abandoned) {
    // It is being read back, and its effects are derived anew.
    if (release.reply) {
      release.reply(Reloading(release.txn->state->gid));
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

// Nothing of `failed` was written. Its transactions, with what was staged on top of it since, are
// rebuilt from the journal; all others go on. Linear in what is in hand: it happens when a disk is
// full, to all that is under way.
void Shard::RollBack(GatheringBatch& failed, const Status& status) {
  std::vector<TxnPtr> forgotten;
  for (const TxnPtr& txn : failed.touched) {
    if (!std::exchange(txn->abandoned, true)) {
      forgotten.push_back(txn);
    }
  }
  std::vector<Release> lost = std::move(failed.releases);
  TakeAbandoned(gathering_, lost);
  // From here on nothing that memory still has is of the failed batch.
  durable_batch_ = failed.number;
  if (options_.on_rolled_back) {
    options_.on_rolled_back(status, failed.touched.size());
  }
  for (const TxnPtr& txn : forgotten) {
    Forget(txn, status, ReloadDelay());
  }
  for (const Release& release : lost) {
    if (release.reply) {
      release.reply(status);
    }
  }
}

// Moves the releases of abandoned transactions to `taken`, and forgets that these were touched.
void Shard::TakeAbandoned(GatheringBatch& batch, std::vector<Release>& taken) {
  const auto kept =
      std::stable_partition(batch.releases.begin(), batch.releases.end(),
                            [](const Release& release) { return !release.txn->abandoned; });
  std::move(kept, batch.releases.end(), std::back_inserter(taken));
  batch.releases.erase(kept, batch.releases.end());
  std::erase_if(batch.touched, [](const TxnPtr& txn) { return txn->abandoned; });
}

void Shard::Forget(const TxnPtr& txn, const Status& status, Duration delay) {
  const Gid gid = txn->state->gid;
  RemoveTimers(*txn);
  CountIncident(*txn, /*forgotten=*/true);
  open_.erase(gid);
  CountOpen();
  auto waiters = std::exchange(txn->waiters, {});
  if (txn->created) {
    // Those who wait stay: what they wait for was accepted and goes on.
    for (Waiter& waiter : waiters) {
      timers_.Remove(waiter.timeout);
    }
    reloading_.emplace(gid, Absent{std::move(waiters), txn->handed_batch, false, {}});
    ReadBackLater(gid, delay);
    RefuseHeld(*txn, status);
    return;
  }
  for (Waiter& waiter : waiters) {
    timers_.Remove(waiter.timeout);
    waiter.done(status);
  }
  RefuseHeld(*txn, status);
}

Duration Shard::ReloadDelay() const {
  constexpr int kMostDoublings = 20;
  const int doublings = std::clamp(rollbacks_in_row_ - 1, 0, kMostDoublings);
  return std::min(options_.reload_delay * (int64_t{1} << doublings), options_.longest_reload_delay);
}

void Shard::CheckDrained() {
  if (!draining_ || !on_drained_ || in_flight_ || written_ || !gathering_.touched.empty() ||
      calls_in_flight_.value() != 0 || pondering_ != 0) {
    return;
  }
  std::exchange(on_drained_, nullptr)();
}

}  // namespace entente::runtime
