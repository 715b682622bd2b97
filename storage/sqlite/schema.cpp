#include "storage/sqlite/schema.h"

#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"

namespace entente::storage::sqlite {
namespace {

// `only` makes a table of one row. `finished_at` is what a purge goes by: absent also in a finished
// transaction that is never purged. `open_shard` is the shard while the transaction is open.
// `logged` is the number of the latest log entry that the tables have.
constexpr const char* kCreate = R"sql(
CREATE TABLE txn(
  id INTEGER PRIMARY KEY,
  gid TEXT NOT NULL,
  definition INTEGER NOT NULL,
  version INTEGER NOT NULL,
  mode INTEGER NOT NULL,
  state INTEGER NOT NULL,
  paused INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  finished_at INTEGER,
  parent TEXT,
  labels BLOB,
  error TEXT,
  open_shard INTEGER) STRICT;
CREATE UNIQUE INDEX txn_gid ON txn(gid);
CREATE INDEX txn_state ON txn(state);
CREATE INDEX txn_definition ON txn(definition);
CREATE INDEX txn_finished ON txn(finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX txn_parent ON txn(parent) WHERE parent IS NOT NULL;
CREATE INDEX txn_open ON txn(open_shard) WHERE open_shard IS NOT NULL;
CREATE TABLE journal(
  id INTEGER PRIMARY KEY,
  txn INTEGER NOT NULL,
  first INTEGER NOT NULL,
  records BLOB NOT NULL) STRICT;
CREATE INDEX journal_txn ON journal(txn);
CREATE TABLE incident(txn INTEGER PRIMARY KEY, branches BLOB NOT NULL) STRICT;
CREATE TABLE label(
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  txn INTEGER NOT NULL,
  PRIMARY KEY(name, value, txn)) WITHOUT ROWID, STRICT;
CREATE TABLE word(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE era(
  first INTEGER PRIMARY KEY,
  earliest INTEGER NOT NULL,
  latest INTEGER NOT NULL) STRICT;
CREATE TABLE totals(
  only INTEGER PRIMARY KEY CHECK(only = 1),
  next_txn INTEGER NOT NULL,
  open INTEGER NOT NULL,
  finished INTEGER NOT NULL,
  incidents INTEGER NOT NULL,
  logged INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO totals VALUES(1, 1, 0, 0, 0, 0);
CREATE TABLE definition(
  name TEXT NOT NULL,
  version INTEGER NOT NULL,
  source TEXT NOT NULL,
  env TEXT NOT NULL,
  digest TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY(name, version)) STRICT;
CREATE TABLE counter(name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
CREATE TABLE setting(name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
)sql";

// Runs `change` as one commit, with the header's numbers set.
template <class Change>
Status InOneCommit(Connection& connection, const Change& change) {
  const std::string rest = "PRAGMA application_id=" + std::to_string(kApplicationId) +
                           "; PRAGMA user_version=" + std::to_string(kSchemaVersion) + "; COMMIT";
  Status status = connection.Execute("BEGIN IMMEDIATE");
  status = status.ok() ? change() : status;
  status = status.ok() ? connection.Execute(rest.c_str()) : status;
  if (!status.ok() && sqlite3_get_autocommit(connection.handle()) == 0) {
    // The first failure is the one to report.
    static_cast<void>(connection.Execute("ROLLBACK").ok());
  }
  return status;
}

// From version 1, which knew the shard of no transaction.
Status NoteOpenShards(Connection& connection) {
  ENTENTE_RETURN_IF_ERROR(
      connection.Execute("ALTER TABLE txn ADD COLUMN open_shard INTEGER;"
                         "CREATE INDEX txn_open ON txn(open_shard) WHERE open_shard IS NOT NULL"));
  Statement select;
  Statement update;
  ENTENTE_RETURN_IF_ERROR(
      select.Prepare(connection, "SELECT id, gid FROM txn WHERE state % 2 = 1"));
  ENTENTE_RETURN_IF_ERROR(
      update.Prepare(connection, "UPDATE txn SET open_shard = ?2 WHERE id = ?1"));
  std::vector<std::pair<int64_t, ShardId>> open;
  int code = select.Step();
  for (; code == SQLITE_ROW; code = select.Step()) {
    open.emplace_back(select.Integer(0), ShardOf(Gid(std::string(select.Bytes(1)))));
  }
  if (code != SQLITE_DONE) {
    return select.Failure(code, "reading open transactions");
  }
  for (const auto& [id, shard] : open) {
    update.Bind(1, id);
    update.Bind(2, static_cast<int64_t>(shard.value()));
    ENTENTE_RETURN_IF_ERROR(update.Run("noting the shards of open transactions"));
  }
  return {};
}

Status BringUp(Connection& connection, int64_t version) {
  if (version < 2) {
    ENTENTE_RETURN_IF_ERROR(NoteOpenShards(connection));
  }
  // Version 2 had no log.
  return connection.Execute("ALTER TABLE totals ADD COLUMN logged INTEGER NOT NULL DEFAULT 0");
}

}  // namespace

Status CheckSchema(Connection& connection, const std::string& path) {
  ENTENTE_ASSIGN_OR_RETURN(const int64_t application,
                           connection.QueryInteger("PRAGMA application_id"));
  ENTENTE_ASSIGN_OR_RETURN(const int64_t version, connection.QueryInteger("PRAGMA user_version"));
  if (application != kApplicationId) {
    return FailedPrecondition("store.foreign_file",
                              path +
                                  " is a SQLite database, but not a store of Entente; name another "
                                  "file");
  }
  if (version != kSchemaVersion && version != kEncryptedSchemaVersion) {
    return FailedPrecondition("store.wrong_version",
                              path + " has schema version " + std::to_string(version) +
                                  ", this program needs " + std::to_string(kSchemaVersion) +
                                  "; use the release that wrote it, or another file");
  }
  return {};
}

Status EnsureSchema(Connection& connection, const std::string& path) {
  ENTENTE_ASSIGN_OR_RETURN(const int64_t application,
                           connection.QueryInteger("PRAGMA application_id"));
  ENTENTE_ASSIGN_OR_RETURN(const int64_t version, connection.QueryInteger("PRAGMA user_version"));
  ENTENTE_ASSIGN_OR_RETURN(const int64_t objects,
                           connection.QueryInteger("SELECT count(*) FROM sqlite_master"));
  if (application == 0 && version == 0 && objects == 0) {
    return InOneCommit(connection, [&] { return connection.Execute(kCreate); });
  }
  if (application == kApplicationId && (version == 1 || version == 2)) {
    return InOneCommit(connection, [&] { return BringUp(connection, version); });
  }
  return CheckSchema(connection, path);
}

Status NoteEncrypted(Connection& writer) {
  const std::string raise = "PRAGMA user_version=" + std::to_string(kEncryptedSchemaVersion);
  return writer.Execute(raise.c_str());
}

}  // namespace entente::storage::sqlite
