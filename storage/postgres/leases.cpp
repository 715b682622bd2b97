#include "storage/postgres/leases.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "storage/journal_errors.h"
#include "storage/postgres/failure.h"

namespace entente::storage::postgres {
namespace {

// The shard's creations go to the newest period from here on; what was begun before is in others.
#define ENTENTE_NEWEST_PERIOD \
  "greatest(l.period, (SELECT max(p.id) FROM entente_period AS p WHERE NOT p.dropped))"

// Waits for an append of the owner before that is under way, and is looked at anew after it: no
// append under an earlier epoch can be committed once this is.
constexpr std::string_view kAcquire =
    "UPDATE entente_lease AS l SET owner = $2::text, epoch = l.epoch + 1,"
    " expires_at = clock_timestamp() + $3::bigint * interval '1 microsecond',"
    " period = " ENTENTE_NEWEST_PERIOD
    " WHERE l.shard = $1::smallint"
    " AND (l.owner = $2::text OR l.owner = '' OR l.expires_at <= clock_timestamp())"
    " RETURNING l.epoch, l.period";

// What somebody has locked is passed by, so that one shard does not hold up the rest.
constexpr std::string_view kAcquireAll =
    "WITH free AS (SELECT l.shard FROM entente_lease AS l"
    " JOIN unnest($1::smallint[]) AS w(shard) ON l.shard = w.shard"
    " WHERE l.owner = $2::text OR l.owner = '' OR l.expires_at <= clock_timestamp()"
    " ORDER BY l.shard FOR UPDATE OF l SKIP LOCKED)"
    " UPDATE entente_lease AS l SET owner = $2::text, epoch = l.epoch + 1,"
    " expires_at = clock_timestamp() + $3::bigint * interval '1 microsecond',"
    " period = " ENTENTE_NEWEST_PERIOD
    " FROM free WHERE l.shard = free.shard RETURNING l.shard, l.epoch, l.period";

constexpr std::string_view kLookAtAll =
    "SELECT l.shard, (extract(epoch FROM l.expires_at - clock_timestamp()) * 1000)::bigint"
    " FROM entente_lease AS l JOIN unnest($1::smallint[]) AS w(shard) ON l.shard = w.shard"
    " WHERE l.owner <> $2::text AND l.owner <> '' AND l.expires_at > clock_timestamp()";

constexpr std::string_view kReleaseOwned =
    "WITH given AS (SELECT l.shard FROM entente_lease AS l"
    " JOIN unnest($2::smallint[], $3::bigint[]) AS w(shard, epoch)"
    " ON l.shard = w.shard AND l.epoch = w.epoch"
    " WHERE l.owner = $1::text ORDER BY l.shard FOR UPDATE OF l)"
    " UPDATE entente_lease AS l SET owner = '' FROM given WHERE l.shard = given.shard"
    " RETURNING l.shard";

constexpr std::string_view kRenew =
    "WITH mine AS (SELECT l.shard FROM entente_lease AS l"
    " JOIN unnest($2::smallint[], $3::bigint[]) AS w(shard, epoch)"
    " ON l.shard = w.shard AND l.epoch = w.epoch"
    " WHERE l.owner = $1::text ORDER BY l.shard FOR UPDATE OF l)"
    " UPDATE entente_lease AS l SET"
    " expires_at = clock_timestamp() + $4::bigint * interval '1 microsecond',"
    " period = " ENTENTE_NEWEST_PERIOD
    " FROM mine WHERE l.shard = mine.shard RETURNING l.shard, l.epoch, l.period";

constexpr std::string_view kRelease =
    "UPDATE entente_lease SET owner = '' WHERE shard = $1::smallint AND owner = $2::text"
    " AND epoch = $3::bigint";

constexpr std::string_view kReleaseAll =
    "UPDATE entente_lease SET owner = '' WHERE owner = $1::text";

constexpr std::string_view kLook =
    "SELECT owner, epoch, (extract(epoch FROM expires_at - clock_timestamp()) * 1000)::bigint"
    " FROM entente_lease WHERE shard = $1::smallint";

int16_t Number(ShardId shard) {
  ENTENTE_CHECK(shard.value() < kShardCount);
  return static_cast<int16_t>(shard.value());
}

pg::ArrayParam Numbers(const std::vector<ShardId>& shards) {
  pg::ArrayParam numbers(pg::ElementType::kInt2);
  for (const ShardId shard : shards) {
    numbers.AddNumber(Number(shard));
  }
  return numbers;
}

Status HeldByAnother(int64_t shard, const std::string& left) {
  return Unavailable(kLeaseHeld,
                     "shard " + std::to_string(shard) + " is another owner's for " + left + " ms");
}

}  // namespace

Leases::Leases(const PostgresOptions& options, std::string owner, Periods& periods)
    : options_(options),
      owner_(std::move(owner)),
      lease_micros_((options.lease + options.lease / 10).count()),
      periods_(periods),
      session_(LeaseSession(options)) {}

Leases::~Leases() {
  bool owns = false;
  for (const Held& held : held_) {
    owns = owns || held.epoch.value() != 0;
  }
  if (owns) {
    // Otherwise they end by themselves.
    static_cast<void>(
        Run(kReleaseAll, std::move(pg::Params().Bytes(owner_)), "releasing shards").ok());
  }
}

Result<pg::PgResult> Leases::Run(std::string_view sql, const pg::Params& params,
                                 std::string_view doing) {
  for (int attempt = 1;; ++attempt) {
    ENTENTE_ASSIGN_OR_RETURN(pg::Connection * connection, session_.Get());
    pg::PgResult result = connection->RunOne(sql, params, After(options_.statement_timeout));
    const Status outcome = OutcomeOf(result, connection->warning(), doing);
    if (outcome.ok()) {
      return result;
    }
    if (!connection->broken() || attempt == 2) {
      // Whatever became of it: it can be repeated.
      return outcome.code() == StatusCode::kDataLoss
                 ? outcome
                 : Unavailable("store.unavailable", outcome.message());
    }
  }
}

Result<Epoch> Leases::Acquire(ShardId shard) {
  const std::lock_guard lock(mutex_);
  const int16_t number = Number(shard);
  const Clock::time_point asked = Clock::now();
  ENTENTE_ASSIGN_OR_RETURN(
      const pg::PgResult acquired,
      Run(kAcquire, std::move(pg::Params().Int2(number).Bytes(owner_).Int8(lease_micros_)),
          "acquiring a shard"));
  if (acquired.rows() == 0) {
    ENTENTE_ASSIGN_OR_RETURN(
        const pg::PgResult row,
        Run(kLook, std::move(pg::Params().Int2(number)), "looking at a lease"));
    const std::string left = row.rows() == 0 ? "?" : std::to_string(row.Number(0, 2));
    return HeldByAnother(number, left);
  }
  const Epoch epoch(static_cast<uint64_t>(acquired.Number(0, 0)));
  // Whoever reads the shard next must know all tables that it may have something in. Until then it
  // is not ours to renew: who is told that it was not acquired would never give it up.
  ENTENTE_RETURN_IF_ERROR(KnowPeriod(static_cast<int32_t>(acquired.Number(0, 1))));
  held_[shard.value()] = {epoch, asked};
  return epoch;
}

Status Leases::AcquireFree(const std::vector<ShardId>& shards,
                           std::array<std::optional<Epoch>, kShardCount>& kept) {
  const std::lock_guard lock(mutex_);
  const Clock::time_point asked = Clock::now();
  pg::Params params;
  params.Array(Numbers(shards)).Bytes(owner_).Int8(lease_micros_);
  ENTENTE_ASSIGN_OR_RETURN(const pg::PgResult acquired,
                           Run(kAcquireAll, params, "acquiring shards"));
  int32_t newest = 0;
  for (int row = 0; row < acquired.rows(); ++row) {
    newest = std::max(newest, static_cast<int32_t>(acquired.Number(row, 2)));
  }
  ENTENTE_RETURN_IF_ERROR(KnowPeriod(newest));
  for (int row = 0; row < acquired.rows(); ++row) {
    const auto shard = static_cast<size_t>(acquired.Number(row, 0));
    const Epoch epoch(static_cast<uint64_t>(acquired.Number(row, 1)));
    held_.at(shard) = {epoch, asked};
    kept.at(shard) = epoch;
  }
  return {};
}

std::vector<Result<Epoch>> Leases::AcquireAll(const std::vector<ShardId>& shards) {
  std::array<std::optional<Epoch>, kShardCount> kept;
  if (const Status status = AcquireFree(shards, kept); !status.ok()) {
    return {shards.size(), Result<Epoch>(status)};
  }
  std::vector<ShardId> left;
  for (const ShardId shard : shards) {
    if (!kept.at(shard.value())) {
      left.push_back(shard);
    }
  }
  std::array<std::optional<std::string>, kShardCount> others;
  if (!left.empty()) {
    const std::lock_guard lock(mutex_);
    pg::Params params;
    params.Array(Numbers(left)).Bytes(owner_);
    const auto rows = Run(kLookAtAll, params, "looking at leases");
    for (int row = 0; rows.ok() && row < rows->rows(); ++row) {
      others.at(static_cast<size_t>(rows->Number(row, 0))) = std::to_string(rows->Number(row, 1));
    }
  }
  std::vector<Result<Epoch>> results;
  for (const ShardId shard : shards) {
    const size_t i = shard.value();
    // What was locked at that moment is waited for.
    results.push_back(kept[i]     ? Result<Epoch>(*kept[i])
                      : others[i] ? HeldByAnother(static_cast<int64_t>(i), *others[i])
                                  : Acquire(shard));
  }
  return results;
}

Status Leases::KnowPeriod(int32_t period) {
  if (period <= periods_.Get()->newest()) {
    return {};
  }
  ENTENTE_ASSIGN_OR_RETURN(pg::Connection * connection, session_.Get());
  return periods_.Refresh(*connection, options_.statement_timeout);
}

Status Leases::Renew(ShardId shard, Epoch epoch) {
  const std::lock_guard lock(mutex_);
  const Held& held = held_[static_cast<size_t>(Number(shard))];
  if (held.epoch.value() == 0 || held.epoch != epoch) {
    return StaleLocked(shard, epoch);
  }
  const Clock::time_point asked = Clock::now();
  // What the database keeps beyond the lease covers those who asked a moment later.
  if (asked - held.renewed >= options_.lease / 10) {
    ENTENTE_RETURN_IF_ERROR(RenewAll(asked));
  }
  return held.epoch == epoch ? Status() : StaleLocked(shard, epoch);
}

Status Leases::RenewAll(Clock::time_point asked) {
  pg::ArrayParam shards(pg::ElementType::kInt2);
  pg::ArrayParam epochs(pg::ElementType::kInt8);
  for (size_t i = 0; i < held_.size(); ++i) {
    if (held_[i].epoch.value() != 0) {
      shards.AddNumber(static_cast<int64_t>(i));
      epochs.AddNumber(static_cast<int64_t>(held_[i].epoch.value()));
    }
  }
  pg::Params params;
  params.Bytes(owner_).Array(std::move(shards)).Array(std::move(epochs)).Int8(lease_micros_);
  ENTENTE_ASSIGN_OR_RETURN(const pg::PgResult renewed, Run(kRenew, params, "renewing leases"));
  std::array<Held, kShardCount> kept;
  int32_t newest = 0;
  for (int row = 0; row < renewed.rows(); ++row) {
    kept[static_cast<size_t>(renewed.Number(row, 0))] = {
        Epoch(static_cast<uint64_t>(renewed.Number(row, 1))), asked};
    newest = std::max(newest, static_cast<int32_t>(renewed.Number(row, 2)));
  }
  held_ = kept;
  return KnowPeriod(newest);
}

Status Leases::Release(ShardId shard, Epoch epoch) {
  const std::lock_guard lock(mutex_);
  const int16_t number = Number(shard);
  Held& held = held_[shard.value()];
  const bool ours = held.epoch == epoch && epoch.value() != 0;
  if (ours) {
    held = {};  // Also should the statement fail: it is not renewed with the others, and so ends.
  }
  pg::Params params;
  params.Int2(number).Bytes(owner_).Int8(static_cast<int64_t>(epoch.value()));
  ENTENTE_ASSIGN_OR_RETURN(const pg::PgResult released, Run(kRelease, params, "releasing a shard"));
  if (released.changed() == 1) {
    return {};
  }
  // It may have been the repetition of one that worked.
  ENTENTE_ASSIGN_OR_RETURN(const pg::PgResult row,
                           Run(kLook, std::move(pg::Params().Int2(number)), "looking at a lease"));
  const bool free = row.rows() == 1 && row.Bytes(0, 0).empty() &&
                    static_cast<uint64_t>(row.Number(0, 1)) == epoch.value();
  return ours && free ? Status() : StaleLocked(shard, epoch);
}

Status Leases::Release(const std::vector<OwnedShard>& shards,
                       std::array<bool, kShardCount>& given) {
  const std::lock_guard lock(mutex_);
  std::vector<ShardId> numbers;
  pg::ArrayParam epochs(pg::ElementType::kInt8);
  for (const OwnedShard& owned : shards) {
    Held& held = held_.at(owned.shard.value());
    if (held.epoch == owned.epoch) {
      held = {};  // As in the release of one.
    }
    numbers.push_back(owned.shard);
    epochs.AddNumber(static_cast<int64_t>(owned.epoch.value()));
  }
  pg::Params params;
  params.Bytes(owner_).Array(Numbers(numbers)).Array(std::move(epochs));
  ENTENTE_ASSIGN_OR_RETURN(const pg::PgResult released,
                           Run(kReleaseOwned, params, "releasing shards"));
  for (int row = 0; row < released.rows(); ++row) {
    given.at(static_cast<size_t>(released.Number(row, 0))) = true;
  }
  return {};
}

std::vector<Status> Leases::ReleaseAll(const std::vector<OwnedShard>& shards) {
  std::array<bool, kShardCount> given{};
  const Status released = Release(shards, given);
  std::vector<Status> results;
  for (const OwnedShard& owned : shards) {
    results.push_back(!released.ok()                  ? released
                      : given.at(owned.shard.value()) ? Status()
                                                      : Release(owned.shard, owned.epoch));
  }
  return results;
}

Status Leases::Stale(ShardId shard, Epoch epoch) {
  const std::lock_guard lock(mutex_);
  return StaleLocked(shard, epoch);
}

Status Leases::StaleLocked(ShardId shard, Epoch epoch) {
  const Result<pg::PgResult> row =
      Run(kLook, std::move(pg::Params().Int2(Number(shard))), "looking at a lease");
  const bool owned = row.ok() && row->rows() == 1 && !row->Bytes(0, 0).empty();
  return StaleEpoch(
      shard, epoch,
      owned ? std::optional(Epoch(static_cast<uint64_t>(row->Number(0, 1)))) : std::nullopt);
}

}  // namespace entente::storage::postgres
