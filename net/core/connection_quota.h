// ConnectionQuota: how many connections there may be, counted over all HTTP clients of a process.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

namespace entente::net {

// Purpose: bounds the connections to one participant (its concurrency limit bounds the calls in
// flight, but each worker's client keeps idle connections of its own), or of the whole process (its
// descriptors).
//
// A client takes a place before it opens a connection and gives it back after it closed it. Where
// none is left the client waits in line, and all clients are told that a place is wanted: who has
// an idle connection closes it, and as long as somebody waits no connection becomes idle. So a
// place that is only kept for later never holds up a call.
//
// Thread-safe. Members are called with the lock held, on any thread: they must only pass the news
// on to their own thread. Outlives its members' membership.
class ConnectionQuota {
 public:
  class Member {
   public:
    virtual ~Member() = default;
    // The place that `waiter` asked for is taken for it.
    virtual void OnPlace(uint64_t waiter) = 0;
    // Somebody waits for a place of `quota`.
    virtual void OnWanted(ConnectionQuota& quota) = 0;
  };

  // At least one place, or nothing could ever go.
  explicit ConnectionQuota(size_t limit) : limit_(limit == 0 ? 1 : limit) {}
  ConnectionQuota(const ConnectionQuota&) = delete;
  ConnectionQuota& operator=(const ConnectionQuota&) = delete;

  void Join(Member& member);
  // Drops what the member waits for and returns how much that was. It is not called any more
  // afterwards; what it was told of before is taken for it.
  size_t Leave(Member& member);

  // Takes a place; if none is free, OnPlace(waiter) follows when one was taken for it.
  [[nodiscard]] bool Take(Member& member, uint64_t waiter);
  void GiveBack();

  // Whether somebody waits.
  [[nodiscard]] bool wanted() const { return waiting_.load(std::memory_order_acquire) > 0; }
  [[nodiscard]] size_t limit() const { return limit_; }
  [[nodiscard]] size_t taken() const;

 private:
  struct Waiter {
    Member* member;
    uint64_t name;
  };

  const size_t limit_;
  std::atomic<size_t> waiting_{0};  // Of waiters_; written under the lock.
  mutable std::mutex mutex_;
  size_t taken_ = 0;
  std::vector<Member*> members_;
  std::deque<Waiter> waiters_;
};

}  // namespace entente::net
