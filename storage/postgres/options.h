// What a journal on PostgreSQL can be told.
#pragma once

#include <string>

#include "base/time.h"
#include "net/postgres/connection.h"

namespace entente::storage::postgres {

struct PostgresOptions {
  // As libpq takes it: a postgres:// URL, or "key=value ...".
  std::string conninfo;

  // How long a shard stays an owner's that is not heard of. The database keeps it a tenth longer,
  // so that one renewal counts for all shards that ask within that time.
  Duration lease = std::chrono::seconds(5);

  // How long transactions begin in one set of tables; then another one is begun, and the set is
  // dropped as a whole when nothing in it has to be kept.
  Duration period = std::chrono::hours(24);

  // Creates the tables, and brings those of an earlier release up to this one.
  bool migrate = true;

  // How long a statement may take, and wait for a lock; a COMMIT, which may wait for a standby.
  Duration statement_timeout = std::chrono::seconds(10);
  Duration lock_timeout = std::chrono::seconds(2);
  Duration commit_timeout = std::chrono::seconds(5);
  // How long an Acquire or a Renew waits for an append that is under way: not so long that the
  // leases of other shards end meanwhile.
  Duration lease_lock_timeout = std::chrono::milliseconds(500);
  // Of a list.
  Duration list_timeout = std::chrono::seconds(5);

  // Sessions at most: for reading one transaction or definition; for lists; for reading shards.
  size_t max_readers = 4;
  size_t max_lists = 2;
  size_t max_shard_readers = 4;

  // Open transactions whose position in the journal is kept in memory (about 200 bytes each).
  size_t cached_txns = 1'000'000;
};

// A session for appending, for leases or for reading: with time-outs of the server's own
// beside those that the callers have.
[[nodiscard]] pg::ConnectOptions WriterSession(const PostgresOptions& options);
[[nodiscard]] pg::ConnectOptions LeaseSession(const PostgresOptions& options);
[[nodiscard]] pg::ConnectOptions ReaderSession(const PostgresOptions& options, Duration timeout);

[[nodiscard]] inline pg::Deadline After(Duration duration) {
  return std::chrono::steady_clock::now() + duration;
}

}  // namespace entente::storage::postgres
