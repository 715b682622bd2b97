// Ownership: which shards this node has, under which leases. The one place that decides it.
#pragma once

#include <array>
#include <atomic>
#include <bitset>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "base/ids.h"
#include "base/status.h"
#include "base/time.h"
#include "runtime/lease.h"
#include "storage/journal.h"
#include "storage/membership.h"

namespace entente::runtime {

using LeasePtr = std::shared_ptr<const Lease>;
using ShardSet = std::bitset<kShardCount>;

// What a node does about it. Called without a lock, on whatever thread Ownership was called on.
struct OwnershipEvents {
  // The shard was acquired: drive it.
  std::function<void(LeasePtr)> start;
  // The lease is lost: stop driving the shard under it. Called before any later `start` of it.
  std::function<void(LeasePtr, const Status& why)> drop;
  // The shard is not of this node's share any more: begin nothing, let what is in flight end, and
  // call OnHandedOver.
  std::function<void(LeasePtr)> hand_over = {};
  // That took too long: drop the shard as it is, and call OnHandedOver.
  std::function<void(LeasePtr)> cut_short = {};
  // A shard was given up: whoever's share it is may have it.
  std::function<void()> released = {};
  // Ownership has something to do before the instant that Keep named. May be empty.
  std::function<void()> wake;
};

// Takes every shard of this node's share that it can get, and keeps it; one that was lost is taken
// again as soon as it can be had, at once at first and then less and less often, so that a node
// whose lease was lost by a stumble heals by itself, and one whose shard fails again and again does
// not do so all the time.
//
// A shard that leaves the share is handed over: nothing is begun any more, what is in flight has a
// moment to end, and only then, when its worker has let go of it, is the lease released. Whoever
// takes it then finds everything in the journal, and no effect of this node comes after theirs.
//
// A lease is renewed four times in its duration, and counted from before the journal was asked, by
// a clock that never runs backwards. It is taken to end a fifth earlier than it does: no effect
// leaves after the shard could be another's, whatever two clocks and one slow thread make of it.
//
// Threads: AcquireAll, Keep and ReleaseAll block, and are called by one thread at a time. All else
// may be called from any.
class Ownership {
 public:
  // `now` is a Host's clock. The journal must outlive the last of the blocking calls. Where it is a
  // Membership too, `lots` is that: several shards are then acquired and released together.
  Ownership(storage::Journal& journal, std::function<Instant()> now, OwnershipEvents events,
            storage::Membership* lots = nullptr);
  Ownership(const Ownership&) = delete;
  Ownership& operator=(const Ownership&) = delete;

  // What this node is to have, all at first; those among them that are `free` are acquired at once.
  // Any thread.
  void SetShare(const ShardSet& share, const ShardSet& free);

  // Acquires what can be had of the share. Fails if the journal can not be asked; that another
  // owner has a shard is no failure.
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

  // The worker has let go of the shard.
  void OnHandedOver(const Lease& lease);

  [[nodiscard]] bool Serves(ShardId shard) const;
  // Every shard that this node has, or can have, is served.
  [[nodiscard]] bool IsSettled() const;
  // Those that are served, and those that this node has, leaving ones too.
  [[nodiscard]] ShardSet Served() const;
  [[nodiscard]] ShardSet Held() const;
  // The epochs of those that are served under leases which hold at this moment; 0 of all others.
  [[nodiscard]] std::array<Epoch, kShardCount> ServedEpochs() const;

  // Which of `workers` drives a shard.
  [[nodiscard]] static size_t WorkerOf(ShardId shard, size_t workers) {
    return shard.value() % workers;
  }

 private:
  // How far a shard is on its way to another node.
  enum class Leaving : uint8_t { kNo, kDraining, kCutShort, kHandedOver };
  struct HeldShard {
    std::optional<Epoch> forgotten;  // Of the last lease, lost without a word to the journal.
    std::shared_ptr<Lease> lease;    // Null: it is not ours.
    Leaving leaving = Leaving::kNo;
    bool expected = false;  // It was free, and nobody has tried to acquire it since.
    Instant leave_by;       // When draining is cut short.
    Instant due;            // To be renewed, or acquired.
    Duration pause{0};      // Before it is acquired again, should it be lost or not be had.
    std::atomic<bool> serving{false};
  };

  [[nodiscard]] Status Acquire(ShardId shard);
  [[nodiscard]] Status AcquireLot();
  [[nodiscard]] Status OnAcquired(ShardId shard, Instant asked_at, const Result<Epoch>& epoch);
  void ReleaseLot();
  void OnReleased(ShardId shard, const Status& released);
  [[nodiscard]] Status Renew(ShardId shard);
  [[nodiscard]] bool ReleaseIfHandedOver(ShardId shard);
  void ReleaseIfForgotten(ShardId shard);
  void CutShortIfDue(ShardId shard);
  void Forget(HeldShard& held);
  void Postpone(HeldShard& held);
  [[nodiscard]] std::optional<Instant> SafeEnd(Instant asked_at) const;

  storage::Journal& journal_;
  storage::Membership* const lots_;  // May be null.
  const std::function<Instant()> now_;
  const OwnershipEvents events_;
  const std::optional<Duration> lease_time_;

  mutable std::mutex mutex_;
  std::array<HeldShard, kShardCount> held_;  // Under mutex_, but for `serving`.
  ShardSet share_ = ShardSet().set();        // Under mutex_.
  bool released_ = false;
};

}  // namespace entente::runtime
