// Which epoch each shard is owned under, in a store of which one process can be the owner.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "base/ids.h"
#include "base/status.h"
#include "storage/sqlite/connection.h"

namespace entente::storage::sqlite {

// Epochs are one counter of the store, raised by the first shard that a process acquires, so that
// all shards of one run share an epoch; and again where a shard would get the same one twice.
//
// Changed on the writer's thread alone, between the commits of two groups: an append is under the
// epoch that holds when its group is written, and whatever was written under an earlier one is
// durable by the time that a later one is given away. Check may be called from any thread.
class Leases {
 public:
  // Within a transaction of `writer`, which must then be told of its end: Settled.
  [[nodiscard]] Result<Epoch> Acquire(Connection& writer, ShardId shard);
  void Settled(bool committed);

  [[nodiscard]] Status Release(ShardId shard, Epoch epoch);

  // kFenced, journal.stale_epoch, unless the shard is owned under `epoch`.
  [[nodiscard]] Status Check(ShardId shard, Epoch epoch) const;

 private:
  struct Shard {
    std::atomic<uint64_t> owned{0};  // 0: nobody owns it.
    uint64_t latest = 0;
  };

  [[nodiscard]] Shard& Of(ShardId shard);

  std::array<Shard, kShardCount> shards_;
  uint64_t epoch_ = 0;  // The counter; 0 while what the store has is not known.
};

}  // namespace entente::storage::sqlite
