#include <utility>

#include "participant-sdk/src/client/outbox_rules.h"
#include "participant-sdk/src/sqlite/sqlite_support.h"

namespace entente::sdk {
namespace {

constexpr const char* kOutboxBusy = "outbox.busy";

class SqliteOutboxStore final : public OutboxStore {
 public:
  SqliteOutboxStore(sqlite3* db, OutboxOptions options)
      : db_(db), options_(std::move(options)), table_(SqliteInMain(options_.table)) {}

  Result<std::vector<OutboxEntry>> Claim(size_t max, Duration lease) override {
    const Instant now = OutboxNow(options_);
    SqliteStatement claim(db_,
                          "UPDATE " + table_ +
                              " SET due_at = ?1, attempts = attempts + 1 WHERE id IN (SELECT id "
                              "FROM " +
                              table_ +
                              " WHERE state = 0 AND due_at <= ?2 ORDER BY due_at, id LIMIT ?3) "
                              "RETURNING gid, request, attempts, error",
                          kOutboxBusy);
    claim.Bind(ToMicros(now + lease), ToMicros(now), static_cast<int64_t>(max));
    return Entries(claim);
  }

  Status Delivered(std::string_view gid) override {
    SqliteStatement remove(db_, "DELETE FROM " + table_ + " WHERE gid = ?1", kOutboxBusy);
    return remove.Bind(gid).Run();
  }

  Status Postpone(std::string_view gid, Duration delay, std::string_view error) override {
    SqliteStatement update(db_, "UPDATE " + table_ + " SET due_at = ?2, error = ?3 WHERE gid = ?1",
                           kOutboxBusy);
    return update.Bind(gid, ToMicros(OutboxNow(options_) + delay), ErrorText(error)).Run();
  }

  Status Bury(std::string_view gid, std::string_view error) override {
    SqliteStatement update(db_, "UPDATE " + table_ + " SET state = 1, error = ?2 WHERE gid = ?1",
                           kOutboxBusy);
    return update.Bind(gid, ErrorText(error)).Run();
  }

  Result<OutboxCounts> Count() override {
    SqliteStatement count(db_,
                          "SELECT coalesce(sum(state = 0), 0), coalesce(sum(state = 1), 0), "
                          "min(CASE state WHEN 0 THEN created_at END) FROM " +
                              table_,
                          kOutboxBusy);
    ENTENTE_RETURN_IF_ERROR(count.Step().status());
    OutboxCounts counts;
    counts.waiting = static_cast<size_t>(count.Integer(0));
    counts.dead = static_cast<size_t>(count.Integer(1));
    if (const auto oldest = count.OptionalInteger(2)) {
      counts.oldest_age = OutboxNow(options_) - InstantFromMicros(*oldest);
    }
    return counts;
  }

  Result<std::vector<OutboxEntry>> Dead(size_t max) override {
    SqliteStatement select(db_,
                           "SELECT gid, request, attempts, error FROM " + table_ +
                               " WHERE state = 1 ORDER BY id LIMIT ?1",
                           kOutboxBusy);
    select.Bind(static_cast<int64_t>(max));
    return Entries(select);
  }

  Status Revive(std::string_view gid) override {
    return ChangeDead("UPDATE " + table_ + " SET state = 0, due_at = 0, attempts = 0", gid);
  }
  Status Remove(std::string_view gid) override { return ChangeDead("DELETE FROM " + table_, gid); }

 private:
  Status ChangeDead(const std::string& change, std::string_view gid) {
    SqliteStatement statement(db_, change + " WHERE state = 1 AND gid = ?1", kOutboxBusy);
    ENTENTE_RETURN_IF_ERROR(statement.Bind(gid).Run());
    return sqlite3_changes(db_) == 1 ? Status() : NoSuchDeadEntry(gid);
  }

  static Result<std::vector<OutboxEntry>> Entries(SqliteStatement& statement) {
    std::vector<OutboxEntry> entries;
    while (true) {
      ENTENTE_ASSIGN_OR_RETURN(const bool found, statement.Step());
      if (!found) {
        return entries;
      }
      entries.push_back({statement.Text(0), statement.Text(1),
                         static_cast<uint32_t>(statement.Integer(2)), statement.Text(3)});
    }
  }

  sqlite3* db_;
  const OutboxOptions options_;
  const std::string table_;
};

}  // namespace

SqliteOutbox::SqliteOutbox(OutboxOptions options) : options_(std::move(options)) {}

Status SqliteOutbox::CreateSchema(sqlite3* db) const {
  ENTENTE_RETURN_IF_ERROR(CheckOutboxTable(options_));
  const std::string& table = options_.table;
  return SqliteExecute(db,
                       "CREATE TABLE IF NOT EXISTS " + SqliteInMain(table) +
                           " (id INTEGER PRIMARY KEY, gid TEXT NOT NULL UNIQUE, request TEXT NOT "
                           "NULL, state INTEGER NOT NULL, attempts INTEGER NOT NULL, created_at "
                           "INTEGER NOT NULL, due_at INTEGER NOT NULL, error TEXT);"
                           "CREATE INDEX IF NOT EXISTS main." +
                           table + "_due ON " + table + " (state, due_at)",
                       kOutboxBusy);
}

Result<std::string> SqliteOutbox::Put(sqlite3* transaction, SubmitRequest request) const {
  ENTENTE_RETURN_IF_ERROR(CheckOutboxTable(options_));
  if (sqlite3_get_autocommit(transaction) != 0) {
    return FailedPrecondition("outbox.no_transaction",
                              "put into the outbox inside the transaction of the business write");
  }
  ENTENTE_RETURN_IF_ERROR(
      SqliteCheckAtomic(transaction, SqliteAttached::kWriteable, "outbox.attached"));
  ENTENTE_ASSIGN_OR_RETURN(StoredSubmit stored, StoreSubmit(std::move(request)));
  const std::string table = SqliteInMain(options_.table);
  const int64_t now = ToMicros(OutboxNow(options_));
  SqliteStatement insert(transaction,
                         "INSERT INTO " + table +
                             " (gid, request, state, attempts, created_at, due_at) VALUES (?1, ?2, "
                             "0, 0, ?3, ?3) ON CONFLICT (gid) DO NOTHING",
                         kOutboxBusy);
  ENTENTE_RETURN_IF_ERROR(insert.Bind(stored.gid, stored.request, now).Run());
  if (sqlite3_changes(transaction) == 1) {
    return std::move(stored.gid);
  }
  SqliteStatement select(transaction, "SELECT request, state FROM " + table + " WHERE gid = ?1",
                         kOutboxBusy);
  ENTENTE_RETURN_IF_ERROR(select.Bind(stored.gid).Step().status());
  return PutAgain(stored, select.Text(0), select.Integer(1) == kEntryDead);
}

std::unique_ptr<OutboxStore> SqliteOutbox::Open(sqlite3* db) const {
  return std::make_unique<SqliteOutboxStore>(db, options_);
}

}  // namespace entente::sdk
