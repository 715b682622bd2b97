#include "storage/postgres/schema.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>
#include <thread>

#include "base/ids.h"
#include "net/postgres/backoff.h"
#include "net/postgres/errors.h"
#include "storage/postgres/failure.h"

namespace entente::storage::postgres {
namespace {

// Each statement can be repeated, and is a transaction of its own: not every database has both
// kinds of statements in one.
constexpr std::array<std::string_view, 8> kTables{
    "CREATE TABLE IF NOT EXISTS entente_schema(only_row smallint PRIMARY KEY, version integer NOT "
    "NULL)",
    "CREATE TABLE IF NOT EXISTS entente_lease("
    " shard smallint PRIMARY KEY, owner text NOT NULL, epoch bigint NOT NULL,"
    " expires_at timestamptz NOT NULL, period integer NOT NULL)",
    "CREATE TABLE IF NOT EXISTS entente_period("
    " id integer PRIMARY KEY, began_at timestamptz NOT NULL, dropped boolean NOT NULL)",
    "CREATE TABLE IF NOT EXISTS entente_definition("
    " name text COLLATE \"C\" NOT NULL, version integer NOT NULL, source text NOT NULL,"
    " env text NOT NULL, digest text NOT NULL, created_at bigint NOT NULL,"
    " PRIMARY KEY(name, version))",
    "CREATE TABLE IF NOT EXISTS entente_setting(name text PRIMARY KEY, value bytea NOT NULL)",
    "CREATE TABLE IF NOT EXISTS entente_note(name text COLLATE \"C\" PRIMARY KEY, value bytea NOT "
    "NULL)",
    "CREATE TABLE IF NOT EXISTS entente_node("
    " id text COLLATE \"C\" PRIMARY KEY, peer_address text NOT NULL, http_address text NOT NULL,"
    " release text NOT NULL, leaving boolean NOT NULL, started_at timestamptz NOT NULL,"
    " heard_at timestamptz NOT NULL, expires_at timestamptz NOT NULL)",
    "INSERT INTO entente_schema(only_row, version) VALUES(1, 0) ON CONFLICT DO NOTHING",
};

// `#` is the period.
constexpr std::array<std::string_view, 6> kPeriodTables{
    "CREATE TABLE IF NOT EXISTS entente_txn_#("
    " shard smallint NOT NULL, gid text COLLATE \"C\" NOT NULL, pos bigint NOT NULL,"
    " definition text NOT NULL, version integer NOT NULL, mode text NOT NULL, status text NOT NULL,"
    " open boolean NOT NULL, paused boolean NOT NULL, attempts bigint NOT NULL,"
    " created_at bigint NOT NULL, updated_at bigint NOT NULL, finished_at bigint,"
    " parent text COLLATE \"C\", labels bytea, error bytea, incidents bytea,"
    " PRIMARY KEY(shard, gid), UNIQUE(pos))",
    "CREATE INDEX IF NOT EXISTS entente_txn_#_open ON entente_txn_#(shard, pos) WHERE open",
    "CREATE INDEX IF NOT EXISTS entente_txn_#_incident ON entente_txn_#(pos)"
    " WHERE incidents IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS entente_txn_#_parent ON entente_txn_#(parent, pos)"
    " WHERE parent IS NOT NULL",
    "CREATE TABLE IF NOT EXISTS entente_journal_#("
    " shard smallint NOT NULL, pos bigint NOT NULL, first bigint NOT NULL, next bigint NOT NULL,"
    " records bytea NOT NULL, PRIMARY KEY(shard, pos, first))",
    "CREATE TABLE IF NOT EXISTS entente_label_#("
    " name bytea NOT NULL, value bytea NOT NULL, pos bigint NOT NULL,"
    " PRIMARY KEY(name, value, pos))",
};

// Advice that a database may not know: room for rows that are updated in place, and a vacuum that
// comes while there is little to do.
constexpr std::array<std::string_view, 2> kTuning{
    "ALTER TABLE entente_node SET (fillfactor = 20, autovacuum_vacuum_scale_factor = 0,"
    " autovacuum_vacuum_threshold = 1000)",
    "ALTER TABLE entente_lease SET (fillfactor = 20, autovacuum_vacuum_scale_factor = 0,"
    " autovacuum_vacuum_threshold = 1000)",
};
constexpr std::array<std::string_view, 1> kPeriodTuning{
    "ALTER TABLE entente_txn_# SET (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02,"
    " autovacuum_analyze_scale_factor = 0.02)",
};

constexpr int kTries = 20;

std::string Of(std::string_view text, int32_t period) {
  std::string sql;
  for (const char c : text) {
    sql += c == '#' ? std::to_string(period) : std::string(1, c);
  }
  return sql;
}

// Two that create the same thing at the same time meet in the catalogue.
bool MetAnother(const pg::PgResult& result) {
  const std::string state = result.sqlstate();
  return pg::Classify(state) == pg::Failure::kRetry || state == "23505" || state == "42P07" ||
         state == "42710" || state == "42P06" || state == "XX000";
}

Status Change(pg::Connection& connection, const std::string& sql, Duration timeout) {
  pg::Backoff backoff(std::chrono::milliseconds(10), std::chrono::milliseconds(500));
  for (int attempt = 1;; ++attempt) {
    const pg::PgResult changed = connection.Execute(sql, After(timeout));
    if (changed.ok()) {
      return {};
    }
    if (attempt == kTries || connection.broken() || !MetAnother(changed)) {
      return pg::Classify(changed.sqlstate()) == pg::Failure::kOther
                 ? FailedPrecondition("store.schema", "PostgreSQL refused '" + sql +
                                                          "': " + changed.message() +
                                                          "; is the role allowed to create tables?")
                 : NotWritten(changed, "changing the tables");
    }
    backoff.Failed(std::chrono::steady_clock::now());
    std::this_thread::sleep_until(backoff.next());
  }
}

// Without a failure where the server does not know it.
void Advise(pg::Connection& connection, const std::string& sql, Duration timeout) {
  static_cast<void>(connection.Execute(sql, After(timeout)).ok());
}

Result<int> StoredVersion(pg::Connection& connection, Duration timeout) {
  const pg::PgResult found =
      connection.Execute("SELECT version FROM entente_schema WHERE only_row = 1", After(timeout));
  if (found.ok()) {
    return found.rows() == 0 ? 0 : static_cast<int>(found.Integer(0, 0));
  }
  if (pg::Classify(found.sqlstate()) == pg::Failure::kNoTable) {
    return 0;
  }
  return NotWritten(found, "reading the version of the tables");
}

Status CreateAll(pg::Connection& connection, int stored_version, Duration timeout) {
  for (const std::string_view sql : kTables) {
    ENTENTE_RETURN_IF_ERROR(Change(connection, std::string(sql), timeout));
  }
  for (const std::string_view sql : kTuning) {
    Advise(connection, std::string(sql), timeout);
  }
  if (stored_version == 0) {
    ENTENTE_RETURN_IF_ERROR(CreatePeriod(connection, 1, timeout));
  }
  std::string leases = "INSERT INTO entente_lease(shard, owner, epoch, expires_at, period) VALUES";
  for (uint64_t shard = 0; shard < kShardCount; ++shard) {
    leases += (shard == 0 ? " (" : ", (") + std::to_string(shard) + ", '', 0, now(), 1)";
  }
  ENTENTE_RETURN_IF_ERROR(Change(connection, leases + " ON CONFLICT DO NOTHING", timeout));
  // Last: a migration that is cut short is begun again.
  return Change(connection,
                "UPDATE entente_schema SET version = " + std::to_string(kSchemaVersion) +
                    " WHERE only_row = 1 AND version < " + std::to_string(kSchemaVersion),
                timeout);
}

Status CheckEncoding(pg::Connection& connection, Duration timeout) {
  const pg::PgResult encoding = connection.Execute("SHOW server_encoding", After(timeout));
  if (!encoding.ok()) {
    return NotWritten(encoding, "reading the database's encoding");
  }
  const std::string name = encoding.Text(0, 0);
  return name == "UTF8"
             ? Status()
             : FailedPrecondition("store.encoding", "the database is in " + name +
                                                        "; create one in UTF8 (createdb -E UTF8)");
}

}  // namespace

Status EnsureSchema(pg::Connection& connection, const PostgresOptions& options) {
  ENTENTE_RETURN_IF_ERROR(CheckEncoding(connection, options.statement_timeout));
  ENTENTE_ASSIGN_OR_RETURN(const int version, StoredVersion(connection, options.statement_timeout));
  if (version == kSchemaVersion || version == kEncryptedSchemaVersion) {
    return {};
  }
  if (version > kEncryptedSchemaVersion) {
    return FailedPrecondition("store.wrong_version",
                              "the database has tables of version " + std::to_string(version) +
                                  ", this program needs " + std::to_string(kSchemaVersion) +
                                  "; use the release that wrote them");
  }
  if (!options.migrate) {
    return FailedPrecondition("store.not_migrated",
                              "the database does not have this release's tables; run `entente "
                              "migrate --store ...` first");
  }
  return CreateAll(connection, version, options.statement_timeout);
}

Status CreatePeriod(pg::Connection& connection, int32_t period, Duration timeout) {
  for (const std::string_view sql : kPeriodTables) {
    ENTENTE_RETURN_IF_ERROR(Change(connection, Of(sql, period), timeout));
  }
  for (const std::string_view sql : kPeriodTuning) {
    Advise(connection, Of(sql, period), timeout);
  }
  return Change(connection,
                Of("INSERT INTO entente_period(id, began_at, dropped)"
                   " VALUES(#, clock_timestamp(), false) ON CONFLICT DO NOTHING",
                   period),
                timeout);
}

Status DropPeriod(pg::Connection& connection, int32_t period, Duration timeout) {
  for (const char* table : {"entente_label_#", "entente_journal_#", "entente_txn_#"}) {
    ENTENTE_RETURN_IF_ERROR(
        Change(connection, "DROP TABLE IF EXISTS " + Of(table, period), timeout));
  }
  return {};
}

}  // namespace entente::storage::postgres
