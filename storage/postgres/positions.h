// Where each transaction that is being driven stands in the journal.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <unordered_map>

#include "base/ids.h"
#include "storage/journal.h"

namespace entente::storage::postgres {

struct Position {
  // What is committed. `next` is 1 for a transaction that is not there.
  int32_t period = 0;
  int64_t pos = 0;  // Its number in the order of creation, and its key.
  uint64_t next = 1;

  // What the group being written adds; as above, and null, between groups.
  uint64_t staged_next = 1;
  const Summary* created = nullptr;
  const Summary* latest = nullptr;
};

// Used by the writer's thread. What is remembered of a shard holds for as long as the epoch does
// under which it was read: nobody else can write to the shard meanwhile. References stay valid
// until the shard's next Begin, Erase or Clear.
class Positions {
 public:
  using Shard = std::unordered_map<Gid, Position>;

  // What is known under that epoch, or null.
  [[nodiscard]] Shard* Find(ShardId shard, Epoch epoch);
  // Forgets what was known under another one.
  [[nodiscard]] Shard& Begin(ShardId shard, Epoch epoch);
  // Forgets what is known of the shard, or all.
  void Clear(ShardId shard);
  void Clear();

  [[nodiscard]] size_t size() const;

 private:
  struct Known {
    Epoch epoch;
    Shard txns;
  };
  std::array<Known, kShardCount> shards_;
};

}  // namespace entente::storage::postgres
