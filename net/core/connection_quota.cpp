#include "net/core/connection_quota.h"

#include "base/check.h"

namespace entente::net {

void ConnectionQuota::Join(Member& member) {
  const std::lock_guard lock(mutex_);
  members_.push_back(&member);
}

size_t ConnectionQuota::Leave(Member& member) {
  const std::lock_guard lock(mutex_);
  std::erase(members_, &member);
  const size_t dropped =
      std::erase_if(waiters_, [&member](const Waiter& waiter) { return waiter.member == &member; });
  waiting_.store(waiters_.size(), std::memory_order_release);
  return dropped;
}

bool ConnectionQuota::Take(Member& member, uint64_t waiter) {
  const std::lock_guard lock(mutex_);
  if (taken_ < limit_) {
    ++taken_;
    return true;
  }
  // Before the members are told: one that makes a connection idle meanwhile either sees the waiter,
  // or hears of it afterwards.
  waiters_.push_back({&member, waiter});
  waiting_.store(waiters_.size(), std::memory_order_release);
  for (Member* each : members_) {
    each->OnWanted(*this);
  }
  return false;
}

void ConnectionQuota::GiveBack() {
  const std::lock_guard lock(mutex_);
  ENTENTE_CHECK(taken_ > 0);
  if (waiters_.empty()) {
    --taken_;
    return;
  }
  const Waiter next = waiters_.front();
  waiters_.pop_front();
  waiting_.store(waiters_.size(), std::memory_order_release);
  next.member->OnPlace(next.name);
}

size_t ConnectionQuota::taken() const {
  const std::lock_guard lock(mutex_);
  return taken_;
}

}  // namespace entente::net
