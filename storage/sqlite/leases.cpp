#include "storage/sqlite/leases.h"

#include <optional>

#include "base/check.h"
#include "storage/journal_errors.h"
#include "storage/sqlite/definitions.h"

namespace entente::storage::sqlite {

Leases::Shard& Leases::Of(ShardId shard) {
  ENTENTE_CHECK(shard.value() < kShardCount);
  return shards_[shard.value()];
}

Result<Epoch> Leases::Acquire(Connection& writer, ShardId shard) {
  Shard& lease = Of(shard);
  if (epoch_ == 0 || lease.latest >= epoch_) {
    ENTENTE_ASSIGN_OR_RETURN(epoch_, Increment(writer, kEpochCounter));
  }
  lease.latest = epoch_;
  lease.owned = epoch_;
  return Epoch(epoch_);
}

void Leases::Settled(bool committed) {
  if (!committed) {
    // The counter may have gone back. Whoever acquired under it was told of the failure.
    epoch_ = 0;
  }
}

Status Leases::Release(ShardId shard, Epoch epoch) {
  ENTENTE_RETURN_IF_ERROR(Check(shard, epoch));
  Of(shard).owned = 0;
  return {};
}

Status Leases::Check(ShardId shard, Epoch epoch) const {
  ENTENTE_CHECK(shard.value() < kShardCount);
  const uint64_t owned = shards_[shard.value()].owned;
  if (owned == epoch.value() && owned != 0) {
    return {};
  }
  return StaleEpoch(shard, epoch, owned == 0 ? std::nullopt : std::optional(Epoch(owned)));
}

}  // namespace entente::storage::sqlite
