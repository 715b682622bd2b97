#include "coordinator/runtime/ownership.h"

#include <algorithm>
#include <utility>

namespace entente::runtime {
namespace {

// Without an end of their own, leases are looked at this often: another owner may have taken them.
constexpr Duration kLookInterval = std::chrono::seconds(1);
constexpr Duration kFirstPause = std::chrono::milliseconds(100);
constexpr Duration kLongestPause = std::chrono::seconds(5);
constexpr int kRenewals = 4;      // In the duration of a lease.
constexpr int kSafetyMargin = 5;  // A fifth.

// Nothing that is written from here on can be relied upon.
bool IsFatal(const Status& status) {
  return status.code() == StatusCode::kDataLoss || status.code() == StatusCode::kUnknownOutcome;
}

}  // namespace

Ownership::Ownership(storage::Journal& journal, std::function<Instant()> now,
                     OwnershipEvents events)
    : journal_(journal),
      now_(std::move(now)),
      events_(std::move(events)),
      lease_time_(journal.lease_time()) {}

std::optional<Instant> Ownership::SafeEnd(Instant asked_at) const {
  return lease_time_ ? std::optional(asked_at + *lease_time_ - *lease_time_ / kSafetyMargin)
                     : std::nullopt;
}

Status Ownership::AcquireAll() {
  for (uint64_t i = 0; i < kShardCount; ++i) {
    ENTENTE_RETURN_IF_ERROR(Acquire(ShardId(i)));
  }
  return {};
}

// Ok also when it is another's, or can not be had now.
Status Ownership::Acquire(ShardId shard) {
  const Instant asked_at = now_();
  const Result<Epoch> epoch = journal_.Acquire(shard);
  LeasePtr acquired;
  {
    const std::lock_guard lock(mutex_);
    Held& held = held_[shard.value()];
    if (!epoch.ok()) {
      Postpone(held);
      const bool is_anothers = epoch.status().reason() == storage::kLeaseHeld;
      return is_anothers ? Status() : epoch.status();
    }
    held.lease = std::make_shared<Lease>(shard, *epoch, SafeEnd(asked_at));
    held.due = asked_at + (lease_time_ ? *lease_time_ / kRenewals : kLookInterval);
    acquired = held.lease;
  }
  events_.start(acquired);
  return {};
}

Status Ownership::Renew(ShardId shard) {
  std::shared_ptr<Lease> lease;
  {
    const std::lock_guard lock(mutex_);
    lease = held_[shard.value()].lease;
  }
  if (lease == nullptr) {
    return {};  // The shard dropped itself meanwhile.
  }
  const Instant asked_at = now_();
  const Status renewed = journal_.Renew(shard, lease->epoch());
  const bool lost =
      renewed.code() == StatusCode::kFenced || (!renewed.ok() && !lease->HoldsAt(now_()));
  {
    const std::lock_guard lock(mutex_);
    Held& held = held_[shard.value()];
    if (held.lease != lease) {
      return {};
    }
    if (lost) {
      Forget(held);
    } else {
      held.due = asked_at + (lease_time_ ? *lease_time_ / kRenewals : kLookInterval);
    }
    if (renewed.ok()) {
      held.pause = Duration(0);
      if (const auto until = SafeEnd(asked_at)) {
        lease->ExtendTo(*until);
      }
    }
  }
  if (lost) {
    events_.drop(lease, renewed);
  }
  return IsFatal(renewed) ? renewed : Status();
}

// It is acquired again after a pause that grows until a lease lives to be renewed.
void Ownership::Forget(Held& held) {
  held.lease = nullptr;
  held.serving = false;
  Postpone(held);
}

void Ownership::Postpone(Held& held) {
  // A dead owner's shard is not to wait for much longer than its lease.
  const Duration longest = lease_time_ ? std::min(*lease_time_ / 2, kLongestPause) : kLongestPause;
  held.due = now_() + held.pause;
  held.pause = std::min(std::max(2 * held.pause, kFirstPause), longest);
}

Result<Instant> Ownership::Keep() {
  Instant next = now_() + kLongestPause;
  for (uint64_t i = 0; i < kShardCount; ++i) {
    bool is_due = false;
    bool is_ours = false;
    {
      const std::lock_guard lock(mutex_);
      is_due = !released_ && held_[i].due <= now_();
      is_ours = held_[i].lease != nullptr;
    }
    if (is_due) {
      const Status kept = is_ours ? Renew(ShardId(i)) : Acquire(ShardId(i));
      if (IsFatal(kept)) {
        return kept;
      }
    }
    const std::lock_guard lock(mutex_);
    next = std::min(next, held_[i].due);
  }
  return next;
}

void Ownership::ReleaseAll() {
  for (uint64_t i = 0; i < kShardCount; ++i) {
    std::shared_ptr<Lease> lease;
    {
      const std::lock_guard lock(mutex_);
      released_ = true;
      lease = std::exchange(held_[i].lease, nullptr);
      held_[i].serving = false;
    }
    if (lease != nullptr) {
      // Whoever wants it next need not wait until it ends by itself, which it does in any case.
      static_cast<void>(journal_.Release(ShardId(i), lease->epoch()).ok());
    }
  }
}

void Ownership::OnServing(const Lease& lease) {
  const std::lock_guard lock(mutex_);
  Held& held = held_[lease.shard().value()];
  held.serving = held.lease.get() == &lease;
}

void Ownership::OnLost(const Lease& lease) {
  {
    const std::lock_guard lock(mutex_);
    Held& held = held_[lease.shard().value()];
    if (held.lease.get() != &lease) {
      return;
    }
    Forget(held);
  }
  if (events_.wake) {
    events_.wake();
  }
}

bool Ownership::Serves(ShardId shard) const {
  return held_[shard.value()].serving.load(std::memory_order_relaxed);
}

bool Ownership::IsSettled() const {
  const std::lock_guard lock(mutex_);
  return std::all_of(held_.begin(), held_.end(),
                     [](const Held& held) { return held.lease == nullptr || held.serving; });
}

}  // namespace entente::runtime
