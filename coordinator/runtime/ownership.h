// Ownership: which shards this node has, under which leases. The one place that decides it.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "base/ids.h"
#include "base/status.h"
#include "base/time.h"
#include "coordinator/runtime/lease.h"
#include "storage/journal.h"

namespace entente::runtime {

using LeasePtr = std::shared_ptr<const Lease>;

// What a node does about it. Called without a lock, on whatever thread Ownership was called on.
struct OwnershipEvents {
  // The shard was acquired: drive it.
  std::function<void(LeasePtr)> start;
  // The lease is lost: stop driving the shard under it. Called before any later `start` of it.
  std::function<void(LeasePtr, const Status& why)> drop;
  // Ownership has something to do before the instant that Keep named. May be empty.
  std::function<void()> wake;
};

// Takes every shard that it can get and keeps it; one that was lost is taken again as soon as it
// can be had, at once at first and then less and less often, so that a node whose lease was lost by
// a stumble heals by itself, and one whose shard fails again and again does not do so all the time.
//
// A lease is renewed four times in its duration, and counted from before the journal was asked, by
// a clock that never runs backwards. It is taken to end a fifth earlier than it does: no effect
// leaves after the shard could be another's, whatever two clocks and one slow thread make of it.
//
// Threads: AcquireAll, Keep and ReleaseAll block, and are called by one thread at a time. All else
// may be called from any.
class Ownership {
 public:
  // `now` is a Host's clock. The journal must outlive the last of the blocking calls.
  Ownership(storage::Journal& journal, std::function<Instant()> now, OwnershipEvents events);
  Ownership(const Ownership&) = delete;
  Ownership& operator=(const Ownership&) = delete;

  // Acquires what can be had. Fails if the journal can not be asked; that another owner has a shard
  // is no failure.
  [[nodiscard]] Status AcquireAll();

  // Renews and acquires what is due, and says when to be called again. Fails if the journal can no
  // longer be trusted: the process has to stop.
  [[nodiscard]] Result<Instant> Keep();

  // Gives up everything, for good.
  void ReleaseAll();

  // The shard carries on with all that was open under this lease: clients are served.
  void OnServing(const Lease& lease);

  // The shard dropped itself. Its lease is not renewed any more, and the shard is acquired anew.
  void OnLost(const Lease& lease);

  [[nodiscard]] bool Serves(ShardId shard) const;
  // Every shard that this node has is served.
  [[nodiscard]] bool IsSettled() const;

  // Which of `workers` drives a shard.
  [[nodiscard]] static size_t WorkerOf(ShardId shard, size_t workers) {
    return shard.value() % workers;
  }

 private:
  struct Held {
    std::shared_ptr<Lease> lease;  // Null: it is not ours.
    Instant due;                   // To be renewed, or acquired.
    Duration pause{0};             // Before it is acquired again, should it be lost or not be had.
    std::atomic<bool> serving{false};
  };

  [[nodiscard]] Status Acquire(ShardId shard);
  [[nodiscard]] Status Renew(ShardId shard);
  void Forget(Held& held);
  void Postpone(Held& held);
  [[nodiscard]] std::optional<Instant> SafeEnd(Instant asked_at) const;

  storage::Journal& journal_;
  const std::function<Instant()> now_;
  const OwnershipEvents events_;
  const std::optional<Duration> lease_time_;

  mutable std::mutex mutex_;
  std::array<Held, kShardCount> held_;  // Under mutex_, but for `serving`.
  bool released_ = false;
};

}  // namespace entente::runtime
