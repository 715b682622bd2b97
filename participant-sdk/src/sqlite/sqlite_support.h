// Statements and transactions of SQLite with Status. Internal to the SDK.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <sqlite3.h>

#include "base/status.h"

namespace entente::sdk {

// What the connection's latest failure means. Locked or busy: kUnavailable `busy_reason`;
// everything else: kInternal sqlite.error.
[[nodiscard]] Status SqliteFailure(sqlite3* db, int code, const char* busy_reason);

// One statement, prepared, bound once and stepped. Must not outlive its connection.
class SqliteStatement {
 public:
  SqliteStatement(sqlite3* db, const std::string& sql, const char* busy_reason);

  // Binds ?1, ?2, ...; text is copied.
  template <class... Values>
  SqliteStatement& Bind(const Values&... values) {
    int position = 0;
    (BindOne(++position, values), ...);
    return *this;
  }

  // True: there is a row.
  [[nodiscard]] Result<bool> Step();
  // For a statement that yields nothing.
  [[nodiscard]] Status Run();

  [[nodiscard]] int64_t Integer(int column) const;
  [[nodiscard]] std::string Text(int column) const;
  [[nodiscard]] std::optional<std::string> OptionalText(int column) const;
  [[nodiscard]] std::optional<int64_t> OptionalInteger(int column) const;

 private:
  struct Finalizer {
    void operator()(sqlite3_stmt* handle) const { sqlite3_finalize(handle); }
  };
  void BindOne(int position, std::string_view value);
  void BindOne(int position, const std::string& value) {
    BindOne(position, std::string_view(value));
  }
  void BindOne(int position, int64_t value);
  void BindOne(int position, const std::optional<std::string>& value);
  void BindOne(int position, const std::optional<int64_t>& value);

  sqlite3* db_;
  const char* busy_reason_;
  int prepared_;  // The result of preparing; reported by the first step.
  std::unique_ptr<sqlite3_stmt, Finalizer> handle_;
};

// A table of main under its whole name: a temporary one of the same name would stand before it.
[[nodiscard]] inline std::string SqliteInMain(const std::string& table) {
  return "main." + table;
}

[[nodiscard]] Status SqliteExecute(sqlite3* db, const std::string& sql, const char* busy_reason);

enum class SqliteAttached {
  kWritten,    // What the open transaction has written to.
  kWriteable,  // What it may still write to.
};
// Fails with kFailedPrecondition `reason` if a transaction over main and an attached database may
// be committed in one of both files only: under WAL each file's commit is one of its own, and a
// rollback journal ties them together only where each waits for the disk.
[[nodiscard]] Status SqliteCheckAtomic(sqlite3* db, SqliteAttached which, const char* reason);

// A write transaction, rolled back unless it was committed.
class SqliteTransaction {
 public:
  explicit SqliteTransaction(sqlite3* db, const char* busy_reason)
      : db_(db), busy_reason_(busy_reason) {}
  ~SqliteTransaction();
  SqliteTransaction(const SqliteTransaction&) = delete;
  SqliteTransaction& operator=(const SqliteTransaction&) = delete;

  // Takes main's write lock at once, by a write to its `table` that changes nothing: a lock taken
  // later, after a read, could not be waited for. BEGIN IMMEDIATE would lock every attached
  // database too, and what the transaction writes to could not be told from what it does not.
  [[nodiscard]] Status Begin(const std::string& table);
  [[nodiscard]] Status Commit();
  // Whether the transaction that Begin opened is still open.
  [[nodiscard]] bool open() const { return sqlite3_get_autocommit(db_) == 0; }

 private:
  sqlite3* db_;
  const char* busy_reason_;
  bool begun_ = false;
};

}  // namespace entente::sdk
