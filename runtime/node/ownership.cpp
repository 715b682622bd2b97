#include "runtime/node/ownership.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace entente::runtime {
namespace {

// Without an end of their own, leases are looked at this often: another owner may have taken them.
constexpr Duration kLookInterval = std::chrono::seconds(1);
constexpr Duration kFirstPause = std::chrono::milliseconds(100);
constexpr Duration kLongestPause = std::chrono::seconds(5);
constexpr int kRenewals = 4;      // In the duration of a lease.
constexpr int kSafetyMargin = 5;  // A fifth.
// How long calls in flight may take to return before their shard goes to another node. Whoever has
// it then repeats them, under the same keys.
constexpr Duration kHandOverGrace = std::chrono::milliseconds(100);

// Nothing that is written from here on can be relied upon.
bool IsFatal(const Status& status) {
  return status.code() == StatusCode::kDataLoss || status.code() == StatusCode::kUnknownOutcome;
}

}  // namespace

Ownership::Ownership(storage::Journal& journal, std::function<Instant()> now,
                     OwnershipEvents events, storage::Membership* lots)
    : journal_(journal),
      lots_(lots),
      now_(std::move(now)),
      events_(std::move(events)),
      lease_time_(journal.lease_time()) {}

std::optional<Instant> Ownership::SafeEnd(Instant asked_at) const {
  return lease_time_ ? std::optional(asked_at + *lease_time_ - *lease_time_ / kSafetyMargin)
                     : std::nullopt;
}

Status Ownership::AcquireAll() {
  for (uint64_t i = 0; i < kShardCount; ++i) {
    bool is_share = false;
    {
      const std::lock_guard lock(mutex_);
      is_share = share_[i];
    }
    if (is_share) {
      ENTENTE_RETURN_IF_ERROR(Acquire(ShardId(i)));
    }
  }
  return {};
}

void Ownership::SetShare(const ShardSet& share, const ShardSet& free) {
  std::vector<LeasePtr> leaving;
  {
    const std::lock_guard lock(mutex_);
    const Instant now = now_();
    share_ = share;
    for (size_t i = 0; i < kShardCount; ++i) {
      HeldShard& held = held_[i];
      if (held.lease == nullptr && share[i] && free[i]) {
        held.due = std::min(held.due, now);
        held.pause = Duration(0);
        held.expected = true;
      }
      held.expected = held.expected && share[i];
      if (held.lease != nullptr && !share[i] && held.leaving == Leaving::kNo) {
        held.leaving = Leaving::kDraining;
        held.leave_by = now + kHandOverGrace;
        held.serving = false;
        leaving.push_back(held.lease);
      }
    }
  }
  for (const LeasePtr& lease : leaving) {
    events_.hand_over(lease);
  }
  if (events_.wake) {
    events_.wake();
  }
}

Status Ownership::Acquire(ShardId shard) {
  const Instant asked_at = now_();
  return OnAcquired(shard, asked_at, journal_.Acquire(shard));
}

// Whatever is due.
Status Ownership::AcquireLot() {
  std::vector<ShardId> due;
  {
    const std::lock_guard lock(mutex_);
    const Instant now = now_();
    for (uint64_t i = 0; i < kShardCount && !released_; ++i) {
      if (held_[i].lease == nullptr && share_[i] && held_[i].due <= now) {
        due.emplace_back(i);
      }
    }
  }
  if (due.empty()) {
    return {};
  }
  const Instant asked_at = now_();
  const std::vector<Result<Epoch>> epochs = lots_->AcquireShards(due);
  Status fatal;
  for (size_t i = 0; i < due.size(); ++i) {
    const Status status = OnAcquired(due[i], asked_at, epochs[i]);
    fatal = IsFatal(status) ? status : fatal;
  }
  return fatal;
}

// Ok also when it is another's, or can not be had now.
Status Ownership::OnAcquired(ShardId shard, Instant asked_at, const Result<Epoch>& epoch) {
  LeasePtr acquired;
  {
    const std::lock_guard lock(mutex_);
    HeldShard& held = held_[shard.value()];
    held.expected = false;
    if (!epoch.ok()) {
      Postpone(held);
      const bool is_anothers = epoch.status().reason() == storage::kLeaseHeld;
      return is_anothers ? Status() : epoch.status();
    }
    held.lease = std::make_shared<Lease>(shard, *epoch, SafeEnd(asked_at));
    held.forgotten.reset();
    held.leaving = Leaving::kNo;
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
    HeldShard& held = held_[shard.value()];
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
void Ownership::Forget(HeldShard& held) {
  held.forgotten = held.lease->epoch();
  held.lease = nullptr;
  held.leaving = Leaving::kNo;
  held.serving = false;
  Postpone(held);
}

void Ownership::Postpone(HeldShard& held) {
  // A dead owner's shard is not to wait for much longer than its lease.
  const Duration longest = lease_time_ ? std::min(*lease_time_ / 2, kLongestPause) : kLongestPause;
  held.due = now_() + held.pause;
  held.pause = std::min(std::max(2 * held.pause, kFirstPause), longest);
}

// Whether it was released just now.
bool Ownership::ReleaseIfHandedOver(ShardId shard) {
  LeasePtr lease;
  {
    const std::lock_guard lock(mutex_);
    HeldShard& held = held_[shard.value()];
    if (held.lease == nullptr || held.leaving != Leaving::kHandedOver) {
      return false;
    }
    lease = held.lease;
  }
  OnReleased(shard, journal_.Release(shard, lease->epoch()));
  return true;
}

void Ownership::OnReleased(ShardId shard, const Status& released) {
  const std::lock_guard lock(mutex_);
  HeldShard& held = held_[shard.value()];
  held.pause = Duration(0);
  Forget(held);
  if (released.code() != StatusCode::kUnavailable) {
    held.forgotten.reset();  // Otherwise it is tried again.
  }
}

// Whatever is handed over: told of once, they can all be had then.
void Ownership::ReleaseLot() {
  std::vector<storage::OwnedShard> handed_over;
  {
    const std::lock_guard lock(mutex_);
    for (uint64_t i = 0; i < kShardCount; ++i) {
      if (held_[i].lease != nullptr && held_[i].leaving == Leaving::kHandedOver) {
        handed_over.push_back({ShardId(i), held_[i].lease->epoch()});
      }
    }
  }
  if (handed_over.empty()) {
    return;
  }
  const std::vector<Status> released = lots_->ReleaseShards(handed_over);
  for (size_t i = 0; i < handed_over.size(); ++i) {
    OnReleased(handed_over[i].shard, released[i]);
  }
  if (events_.released) {
    events_.released();
  }
}

// What was forgotten while it was our share is acquired anew, and is another's share since, if the
// share changed in between. The journal still renews its lease together with all others, so that
// nobody would ever get it.
void Ownership::ReleaseIfForgotten(ShardId shard) {
  std::optional<Epoch> forgotten;
  {
    const std::lock_guard lock(mutex_);
    HeldShard& held = held_[shard.value()];
    if (held.lease == nullptr && !share_[shard.value()]) {
      forgotten = std::exchange(held.forgotten, std::nullopt);
    }
  }
  if (!forgotten || journal_.Release(shard, *forgotten).code() != StatusCode::kUnavailable) {
    return;  // Fenced: it is another's already.
  }
  const std::lock_guard lock(mutex_);
  HeldShard& held = held_[shard.value()];
  if (held.lease == nullptr && !held.forgotten) {
    held.forgotten = forgotten;
  }
}

void Ownership::CutShortIfDue(ShardId shard) {
  LeasePtr lease;
  {
    const std::lock_guard lock(mutex_);
    HeldShard& held = held_[shard.value()];
    if (held.lease == nullptr || held.leaving != Leaving::kDraining || now_() < held.leave_by) {
      return;
    }
    held.leaving = Leaving::kCutShort;
    lease = held.lease;
  }
  events_.cut_short(lease);
}

Result<Instant> Ownership::Keep() {
  Instant next = now_() + kLongestPause;
  if (lots_ != nullptr) {
    ReleaseLot();
    ENTENTE_RETURN_IF_ERROR(AcquireLot());
  }
  for (uint64_t i = 0; i < kShardCount; ++i) {
    const ShardId shard(i);
    // What is handed over from here on is of the next lot. One by one, each is told of: others take
    // it while the next one is released.
    if (lots_ == nullptr && ReleaseIfHandedOver(shard) && events_.released) {
      events_.released();
    }
    ReleaseIfForgotten(shard);
    CutShortIfDue(shard);
    bool is_due = false;
    bool is_ours = false;
    {
      const std::lock_guard lock(mutex_);
      is_ours = held_[i].lease != nullptr;
      const bool wanted = is_ours || (share_[i] && lots_ == nullptr);
      is_due = !released_ && held_[i].due <= now_() && wanted;
    }
    if (is_due) {
      const Status kept = is_ours ? Renew(shard) : Acquire(shard);
      if (IsFatal(kept)) {
        return kept;
      }
    }
    const std::lock_guard lock(mutex_);
    const HeldShard& held = held_[i];
    if (held.lease != nullptr || share_[i]) {
      next = std::min(next, held.due);
    }
    if (held.leaving == Leaving::kDraining) {
      next = std::min(next, held.leave_by);
    }
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
  HeldShard& held = held_[lease.shard().value()];
  held.serving = held.lease.get() == &lease && held.leaving == Leaving::kNo;
}

void Ownership::OnLost(const Lease& lease) {
  {
    const std::lock_guard lock(mutex_);
    HeldShard& held = held_[lease.shard().value()];
    if (held.lease.get() != &lease) {
      return;
    }
    Forget(held);
  }
  if (events_.wake) {
    events_.wake();
  }
}

void Ownership::OnHandedOver(const Lease& lease) {
  {
    const std::lock_guard lock(mutex_);
    HeldShard& held = held_[lease.shard().value()];
    if (held.lease.get() != &lease) {
      return;
    }
    held.leaving = Leaving::kHandedOver;
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
  return std::all_of(held_.begin(), held_.end(), [](const HeldShard& held) {
    return held.lease == nullptr ? !held.expected : held.serving || held.leaving != Leaving::kNo;
  });
}

ShardSet Ownership::Served() const {
  ShardSet served;
  for (uint64_t i = 0; i < kShardCount; ++i) {
    served[i] = Serves(ShardId(i));
  }
  return served;
}

std::array<Epoch, kShardCount> Ownership::ServedEpochs() const {
  std::array<Epoch, kShardCount> epochs;
  const std::lock_guard lock(mutex_);
  const Instant now = now_();
  for (size_t i = 0; i < kShardCount; ++i) {
    const HeldShard& held = held_[i];
    if (held.serving && held.lease != nullptr && held.lease->HoldsAt(now)) {
      epochs[i] = held.lease->epoch();
    }
  }
  return epochs;
}

ShardSet Ownership::Held() const {
  const std::lock_guard lock(mutex_);
  ShardSet held;
  for (size_t i = 0; i < kShardCount; ++i) {
    held[i] = held_[i].lease != nullptr;
  }
  return held;
}

}  // namespace entente::runtime
