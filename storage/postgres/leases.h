// Which shards this journal owns, by the database's word and clock.
#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "net/postgres/session.h"
#include "storage/membership.h"
#include "storage/postgres/options.h"
#include "storage/postgres/periods.h"

namespace entente::storage::postgres {

// Thread-safe; blocks. Has a session of its own: a lease is renewed also while an append waits.
//
// Rows of entente_lease are locked in the order of their shards wherever several are, here and by
// whoever appends, so that neither waits for the other for ever.
class Leases {
 public:
  // `owner` is no other journal's name. `periods` must outlive the leases.
  Leases(const PostgresOptions& options, std::string owner, Periods& periods);
  // Gives up what is owned.
  ~Leases();

  // As the methods of Journal.
  [[nodiscard]] Result<Epoch> Acquire(ShardId shard);
  [[nodiscard]] Status Renew(ShardId shard, Epoch epoch);
  [[nodiscard]] Status Release(ShardId shard, Epoch epoch);

  // As those of Membership.
  [[nodiscard]] std::vector<Result<Epoch>> AcquireAll(const std::vector<ShardId>& shards);
  [[nodiscard]] std::vector<Status> ReleaseAll(const std::vector<OwnedShard>& shards);

  [[nodiscard]] const std::string& owner() const { return owner_; }

  // The owner's latest epoch as far as this journal knows, for people.
  [[nodiscard]] Status Stale(ShardId shard, Epoch epoch);

 private:
  using Clock = std::chrono::steady_clock;
  struct Held {
    Epoch epoch;  // 0: not ours.
    Clock::time_point renewed;
  };

  // Runs a statement that can be repeated, once more if the session turns out to be lost.
  [[nodiscard]] Result<pg::PgResult> Run(std::string_view sql, const pg::Params& params,
                                         std::string_view doing);
  [[nodiscard]] Status RenewAll(Clock::time_point asked);
  // Acquires those that nobody has and nobody has locked; of the others nothing is kept in `kept`.
  [[nodiscard]] Status AcquireFree(const std::vector<ShardId>& shards,
                                   std::array<std::optional<Epoch>, kShardCount>& kept);
  [[nodiscard]] Status Release(const std::vector<OwnedShard>& shards,
                               std::array<bool, kShardCount>& given);
  [[nodiscard]] Status KnowPeriod(int32_t period);
  [[nodiscard]] Status StaleLocked(ShardId shard, Epoch epoch);

  const PostgresOptions options_;
  const std::string owner_;
  const int64_t lease_micros_;  // As the database has it.
  Periods& periods_;
  std::mutex mutex_;
  pg::Session session_;
  std::array<Held, kShardCount> held_;
};

}  // namespace entente::storage::postgres
