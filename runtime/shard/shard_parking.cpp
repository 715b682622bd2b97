// Shard: transactions that wait for long are parked, so that a million of them fit.
#include <algorithm>
#include <utility>

#include "engine/state_lookup.h"
#include "runtime/shard/shard.h"
#include "runtime/shard/shard_txn.h"

namespace entente::runtime {
namespace {

constexpr size_t kSlice = 256;

struct Rest {
  std::optional<Instant> until;  // Nothing: until somebody asks.
};

// Nothing is out, and all that is to be done is to wait: what a process that starts now would do.
// The clock it waits by is this process's: an instant that an earlier one wrote is not looked at.
std::optional<Rest> RestOf(const dsl::Plan& plan, const engine::TxnState& state) {
  for (const engine::StepState& step : state.steps) {
    if (step.phases.of(engine::BranchPhase::kForward, engine::BranchPhase::kUndo,
                       engine::BranchPhase::kFinish) > 0) {
      return std::nullopt;
    }
  }
  Rest rest;
  for (const engine::Effect& effect : engine::Outstanding(plan, state)) {
    const auto* arm = std::get_if<engine::ArmTimer>(&effect);
    if (arm == nullptr) {
      return std::nullopt;
    }
    rest.until = std::min(rest.until.value_or(arm->at), arm->at);
  }
  return rest;
}

}  // namespace

void Shard::CountOpen() {
  open_count_.Set(open_.size() + parked_.size());
}

// Called when one more came into memory.
void Shard::ParkLater() {
  if (open_.size() > options_.kept_waiting && !park_timer_) {
    park_timer_ = timers_.Insert(host_.Now() + options_.rest_before_parking, ParkTimer{});
    UpdateWake();
  }
}

bool Shard::IsWorthParking(const std::optional<Instant>& until) const {
  return !until || *until - host_.Now() >= options_.shortest_parking;
}

// A child's parent knows it as it is in memory; who waits for an end is told from there.
bool Shard::MayPark(const Txn& txn) const {
  const engine::TxnState& state = *txn.state;
  return txn.created && !txn.abandoned && !txn.pondered && txn.held.empty() && !txn.touched &&
         txn.unsaved.empty() && txn.last_batch <= durable_batch_ && txn.waiters.empty() &&
         txn.blocked.empty() && !state.parent && !state.finished();
}

// Looks at some of what is in memory, a slice at a time, until no more than kept_waiting is left or
// all was looked at.
void Shard::ParkSlice() {
  const Instant idle_since = host_.Now() - options_.rest_before_parking;
  std::vector<TxnPtr> resting;
  for (size_t seen = 0; seen < kSlice && park_cursor_ < open_.bucket_count(); ++park_cursor_) {
    for (auto it = open_.begin(park_cursor_); it != open_.end(park_cursor_); ++it, ++seen) {
      if (it->second->state->updated_at <= idle_since && MayPark(*it->second)) {
        resting.push_back(it->second);
      }
    }
  }
  for (const TxnPtr& txn : resting) {
    if (open_.size() <= options_.kept_waiting) {
      break;
    }
    Guarded(txn->state->gid, txn, [&] {
      if (const auto rest = RestOf(*txn->plan, *txn->state); rest && IsWorthParking(rest->until)) {
        RemoveTimers(*txn);
        txn->abandoned = true;
        open_.erase(txn->state->gid);
        AddParked({txn->state->gid, rest->until, txn->incident});
      }
    });
  }
  if (open_.size() > options_.kept_waiting && park_cursor_ < open_.bucket_count() && !draining_) {
    host_.Post(InTurn([this] { ParkSlice(); }));
    return;
  }
  park_cursor_ = 0;
  park_timer_.reset();
  ParkLater();
  UpdateWake();
}

void Shard::AddParked(const Resting& one) {
  const auto [place, first] = parked_.try_emplace(one.gid);
  ENTENTE_CHECK(first);
  place->second.incident = one.incident;
  if (one.until) {
    // The key stays where it is for as long as it is parked.
    place->second.wake = parked_due_.Insert(*one.until, &place->first);
  }
  CountParked();
}

void Shard::CountParked() {
  parked_count_.Set(parked_.size());
  parked_charge_.Set(parked_.size() * MemoryCharge::kParkedBytes);
  CountOpen();
}

// Reads it back, and lets `asker` ask again when it is there, or hear why it can not be.
void Shard::Unpark(const Gid& name, std::function<void(Status)> asker) {
  const Gid gid = name;  // What it refers to may be the key.
  const auto found = parked_.find(gid);
  if (found->second.wake) {
    parked_due_.Remove(*found->second.wake);
  }
  if (found->second.incident) {
    open_incidents_.Decrement();
  }
  parked_.erase(found);
  CountParked();
  Absent& absent = reloading_[gid];
  absent.unparked = true;
  if (asker) {
    absent.askers.push_back(std::move(asker));
  }
  ++unparking_;
  LoadThen(gid, {}, [this, gid](Result<storage::StoredTxn> stored) {
    --unparking_;
    OnReloaded(gid, std::move(stored));
    if (!dropped_) {
      UpdateWake();
    }
  });
  UpdateWake();
}

// Or on its way back from there.
bool Shard::IsParked(const Gid& gid) const {
  if (parked_.contains(gid)) {
    return true;
  }
  const auto found = reloading_.find(gid);
  return found != reloading_.end() && found->second.unparked;
}

// `again` when it is back; or `done` hears why that can not be.
void Shard::AskWhenBack(const Gid& gid, std::function<void(Status)> done,
                        std::function<void()> again) {
  auto asker = [done = std::move(done), again = std::move(again)](Status status) {
    if (status.ok()) {
      again();
    } else {
      done(std::move(status));
    }
  };
  if (parked_.contains(gid)) {
    Unpark(gid, std::move(asker));
  } else {
    reloading_.at(gid).askers.push_back(std::move(asker));
  }
}

// Of those that are due, at most `slice`; and no more at a time than the store is asked for.
void Shard::UnparkDue(Instant now, size_t slice) {
  while (slice-- > 0 && unparking_ < kMostUnparking && !draining_) {
    const auto due = parked_due_.PopDue(now);
    if (!due) {
      break;
    }
    parked_.at(**due).wake.reset();
    Unpark(**due, {});
  }
}

std::optional<Instant> Shard::NextParkedDue() const {
  return unparking_ < kMostUnparking ? parked_due_.Next() : std::nullopt;
}

// The reading thread: whether `txn`, which was just rebuilt, can stay out of memory. Nothing may be
// decided about it at the start, which is made when it comes back.
std::optional<Shard::Resting> Shard::StaysParked(const Txn& txn) const {
  if (recovery_.rebuilt.size() < options_.kept_waiting || txn.state->parent) {
    return std::nullopt;
  }
  const auto rest = RestOf(*txn.plan, *txn.state);
  if (!rest || !IsWorthParking(rest->until)) {
    return std::nullopt;
  }
  const auto decision =
      engine::Decide(*txn.plan, *txn.state, {host_.Now(), 0, engine::Recovered{}});
  if (!decision.records.empty()) {
    return std::nullopt;
  }
  return Resting{txn.state->gid, rest->until, txn.state->has_incident()};
}

void Shard::ParkRead() {
  for (const Resting& one : std::exchange(recovery_.resting, {})) {
    AddParked(one);
    open_incidents_.Set(open_incidents_.value() + (one.incident ? 1 : 0));
  }
  UpdateWake();
}

}  // namespace entente::runtime
