#include "storage/postgres/positions.h"

namespace entente::storage::postgres {

Positions::Shard* Positions::Find(ShardId shard, Epoch epoch) {
  Known& known = shards_[shard.value()];
  return known.epoch == epoch && epoch.value() != 0 ? &known.txns : nullptr;
}

Positions::Shard& Positions::Begin(ShardId shard, Epoch epoch) {
  Known& known = shards_[shard.value()];
  if (known.epoch != epoch) {
    known.txns.clear();
    known.epoch = epoch;
  }
  return known.txns;
}

void Positions::Clear(ShardId shard) {
  shards_[shard.value()] = {};
}

void Positions::Clear() {
  shards_ = {};
}

size_t Positions::size() const {
  size_t size = 0;
  for (const Known& known : shards_) {
    size += known.txns.size();
  }
  return size;
}

}  // namespace entente::storage::postgres
