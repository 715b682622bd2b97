// Shard: the tenure, from the lease to its end.
#include "runtime/shard/shard.h"

#include <utility>

#include "runtime/shard/shard_txn.h"

namespace entente::runtime {

Status LeaseEnded(ShardId shard) {
  return Fenced("lease.ended", "the lease of shard " + std::to_string(shard.value()) +
                                   " could not be renewed in time: another coordinator may have "
                                   "taken it");
}

Status Recovering() {
  return Unavailable("coordinator.recovering",
                     "the coordinator is reading back its open transactions: try again shortly");
}

Status ShardLost(ShardId shard) {
  return Unavailable("shard.lost", "shard " + std::to_string(shard.value()) +
                                       ", which this transaction belongs to, is not driven here at "
                                       "the moment: try again shortly");
}

Status HasMemoryForOne(const ShardOptions& options) {
  return options.memory == nullptr || options.memory->HasRoomFor(MemoryCharge::kTransactionBytes)
             ? Status()
             : NoRoom(*options.memory);
}

Shard::Shard(std::shared_ptr<const Lease> lease, const ShardSurroundings& surroundings)
    : lease_(std::move(lease)),
      options_(surroundings.options),
      host_(surroundings.host),
      keeper_(surroundings.keeper),
      journal_(surroundings.journal),
      caller_(surroundings.caller),
      definitions_(surroundings.definitions),
      events_(surroundings.events),
      counters_(surroundings.counters),
      open_count_(counters_.open, &options_.places->taken()),
      looking_up_count_(counters_.looking_up, &options_.places->taken()),
      calls_in_flight_(counters_.calls_in_flight),
      open_incidents_(counters_.open_incidents),
      quarantined_count_(counters_.quarantined),
      waiting_for_memory_(counters_.waiting_for_memory),
      blocked_count_(counters_.blocked),
      parked_count_(counters_.parked) {
  if (options_.memory != nullptr) {
    parked_charge_.TakeFrom(*options_.memory);
  }
}

Shard::~Shard() = default;

bool Shard::HoldsNow() const {
  return !lease_->ends_by_itself() || lease_->HoldsAt(host_.Now());
}

Shard::Turn::Turn(Shard& shard) : shard_(shard), begun_(!shard.dropped_) {
  if (begun_ && shard_.turns_ == 0 && !shard_.HoldsNow()) {
    begun_ = false;
    shard_.Lose(LeaseEnded(shard_.lease_->shard()));
  }
  shard_.turns_ += begun_ ? 1 : 0;
}

Shard::Turn::~Turn() {
  shard_.turns_ -= begun_ ? 1 : 0;
}

// `work` on a thread that may block, then `then` in a turn; `lost` if there is none any more.
void Shard::Offload(std::function<void()> work, std::function<void()> then,
                    std::function<void(Status)> lost) {
  host_.Offload(std::move(work), InTurnOr(std::move(then), std::move(lost)));
}

std::function<void()> Shard::InTurnOr(std::function<void()> then,
                                      std::function<void(Status)> lost) {
  return [weak = weak_from_this(), shard = lease_->shard(), then = std::move(then),
          lost = std::move(lost)] {
    if (const auto self = weak.lock()) {
      if (const Turn turn(*self); turn) {
        then();
        return;
      }
    }
    if (lost) {
      lost(ShardLost(shard));
    }
  };
}

// The keeper first: a client that asks again from within its answer must not find this shard.
void Shard::Lose(const Status& why) {
  keeper_.OnLost(lease_->shard(), why);
  Drop();
}

// Everybody who waits for an answer of this shard, with what it is. What is being written becomes
// durable or not: nobody here will know.
std::vector<std::function<void()>> Shard::TakeClients() {
  const Status lost = ShardLost(lease_->shard());
  const Status unknown = UnknownOutcome(
      "shard.lost", "shard " + std::to_string(lease_->shard().value()) +
                        " was lost while this was being written: it may have been accepted or "
                        "not, so look, or ask for the same again, with the same gid");
  std::vector<std::function<void()>> clients;
  const auto add_waiters = [&clients](std::vector<Waiter>& waiters, const Status& answer) {
    for (Waiter& waiter : std::exchange(waiters, {})) {
      clients.emplace_back([done = std::move(waiter.done), answer] { done(answer); });
    }
  };
  for (const auto& [gid, txn] : open_) {
    const bool being_accepted = !txn->created && txn->handed_batch > durable_batch_;
    add_waiters(txn->waiters, being_accepted ? unknown : lost);
    for (HeldInput& one : std::exchange(txn->held, {})) {
      if (one.refuse) {
        clients.emplace_back([refuse = std::move(one.refuse), lost] { refuse(lost); });
      }
    }
  }
  for (auto& [gid, absent] : reloading_) {
    add_waiters(absent.waiters, lost);
    for (auto& asker : absent.askers) {
      clients.emplace_back([asker = std::move(asker), lost] { asker(lost); });
    }
  }
  for (auto& [gid, queued] : looking_up_) {
    for (auto& [command, done] : queued) {
      clients.emplace_back([done = std::move(done), lost] { done(lost); });
    }
  }
  const auto add_replies = [&clients](GatheringBatch& batch, const Status& answer) {
    for (Release& release : batch.releases) {
      if (release.reply) {
        clients.emplace_back([reply = std::move(release.reply), answer] { reply(answer); });
      }
    }
  };
  if (in_flight_) {
    add_replies(*in_flight_, unknown);
  }
  if (written_) {
    add_replies(*written_, unknown);
  }
  add_replies(gathering_, lost);
  return clients;
}

void Shard::Drop() {
  if (dropped_.exchange(true)) {
    return;
  }
  const auto clients = TakeClients();
  for (const auto& [gid, txn] : open_) {
    caller_.WithdrawWaiting(gid, Withdrawal::kAllCalls);
    txn->blocked.clear();
  }
  open_.clear();
  looking_up_.clear();
  reloading_.clear();
  parked_.clear();
  parked_due_ = {};
  park_timer_.reset();
  blemishes_.clear();
  followers_.clear();
  quarantined_.clear();
  left_out_.clear();
  opening_.clear();
  pondering_ = 0;
  timers_ = {};
  due_ = {};
  next_due_.reset();
  lazy_flush_timer_.reset();
  keeper_.WakeAt(lease_->shard(), std::nullopt);
  gathering_ = {};
  in_flight_.reset();
  append_since_.reset();
  written_.reset();
  for (GaugeShare* gauge :
       {&open_count_, &looking_up_count_, &calls_in_flight_, &open_incidents_, &quarantined_count_,
        &waiting_for_memory_, &blocked_count_, &parked_count_}) {
    gauge->Set(0);
  }
  parked_charge_.Set(0);
  for (const auto& tell : clients) {
    tell();
  }
  if (const auto drained = std::exchange(on_drained_, nullptr)) {
    drained();
  }
}

}  // namespace entente::runtime
