#include "participant-sdk/src/sqlite/sqlite_support.h"

#include <vector>

namespace entente::sdk {

Status SqliteFailure(sqlite3* db, int code, const char* busy_reason) {
  const int primary = code & 0xff;
  if (primary == SQLITE_BUSY || primary == SQLITE_LOCKED) {
    return Unavailable(busy_reason, std::string("another connection holds the database's lock (") +
                                        sqlite3_errstr(code) + "); ask again");
  }
  return Internal("sqlite.error",
                  std::string(sqlite3_errmsg(db)) + " (" + sqlite3_errstr(code) + ")");
}

SqliteStatement::SqliteStatement(sqlite3* db, const std::string& sql, const char* busy_reason)
    : db_(db), busy_reason_(busy_reason) {
  sqlite3_stmt* handle = nullptr;
  prepared_ = sqlite3_prepare_v2(db, sql.data(), static_cast<int>(sql.size()), &handle, nullptr);
  handle_.reset(handle);
}

Result<bool> SqliteStatement::Step() {
  if (prepared_ != SQLITE_OK) {
    return SqliteFailure(db_, prepared_, busy_reason_);
  }
  const int stepped = sqlite3_step(handle_.get());
  if (stepped == SQLITE_ROW || stepped == SQLITE_DONE) {
    return stepped == SQLITE_ROW;
  }
  return SqliteFailure(db_, stepped, busy_reason_);
}

Status SqliteStatement::Run() {
  return Step().status();
}

int64_t SqliteStatement::Integer(int column) const {
  return sqlite3_column_int64(handle_.get(), column);
}

std::string SqliteStatement::Text(int column) const {
  return OptionalText(column).value_or(std::string());
}

std::optional<std::string> SqliteStatement::OptionalText(int column) const {
  // Bytes are only known once the text was asked for.
  const void* text = sqlite3_column_text(handle_.get(), column);
  if (text == nullptr) {
    return std::nullopt;
  }
  const auto bytes = static_cast<size_t>(sqlite3_column_bytes(handle_.get(), column));
  return std::string(static_cast<const char*>(text), bytes);
}

std::optional<int64_t> SqliteStatement::OptionalInteger(int column) const {
  if (sqlite3_column_type(handle_.get(), column) == SQLITE_NULL) {
    return std::nullopt;
  }
  return Integer(column);
}

// A failure to bind (a text that is too large) leaves a null behind, which the table refuses.
void SqliteStatement::BindOne(int position, std::string_view value) {
  sqlite3_bind_text64(handle_.get(), position, value.data(), value.size(), SQLITE_TRANSIENT,
                      SQLITE_UTF8);
}
void SqliteStatement::BindOne(int position, int64_t value) {
  sqlite3_bind_int64(handle_.get(), position, value);
}
void SqliteStatement::BindOne(int position, const std::optional<std::string>& value) {
  if (value) {
    BindOne(position, std::string_view(*value));
  }
}
void SqliteStatement::BindOne(int position, const std::optional<int64_t>& value) {
  if (value) {
    BindOne(position, *value);
  }
}

Status SqliteExecute(sqlite3* db, const std::string& sql, const char* busy_reason) {
  const int done = sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr);
  return done == SQLITE_OK ? Status() : SqliteFailure(db, done, busy_reason);
}

namespace {

std::string Quoted(const std::string& name) {
  std::string quoted = "\"";
  for (const char c : name) {
    quoted.append(c == '"' ? 2 : 1, c);
  }
  return quoted + "\"";
}

// Whether a commit of `schema` is tied to that of the others by a rollback journal on the disk.
Result<bool> HasRollbackJournal(sqlite3* db, const std::string& schema, const char* reason) {
  constexpr int64_t kFull = 2;
  SqliteStatement journal(db, "PRAGMA " + Quoted(schema) + ".journal_mode", reason);
  ENTENTE_RETURN_IF_ERROR(journal.Step().status());
  SqliteStatement synchronous(db, "PRAGMA " + Quoted(schema) + ".synchronous", reason);
  ENTENTE_RETURN_IF_ERROR(synchronous.Step().status());
  const std::string mode = journal.Text(0);
  const bool rollback = mode == "delete" || mode == "truncate" || mode == "persist";
  return rollback && synchronous.Integer(0) >= kFull;
}

// The attached databases in files that `which` is about; names are as ATTACH gave them.
Result<std::vector<std::string>> Attached(sqlite3* db, SqliteAttached which, const char* reason) {
  std::vector<std::string> names;
  SqliteStatement list(db, "SELECT name FROM pragma_database_list WHERE seq > 1 AND file <> ''",
                       reason);
  while (true) {
    ENTENTE_ASSIGN_OR_RETURN(const bool found, list.Step());
    if (!found) {
      return names;
    }
    std::string name = list.Text(0);
    const bool counts = which == SqliteAttached::kWritten
                            ? sqlite3_txn_state(db, name.c_str()) == SQLITE_TXN_WRITE
                            : sqlite3_db_readonly(db, name.c_str()) == 0;
    if (counts) {
      names.push_back(std::move(name));
    }
  }
}

}  // namespace

Status SqliteCheckAtomic(sqlite3* db, SqliteAttached which, const char* reason) {
  ENTENTE_ASSIGN_OR_RETURN(const std::vector<std::string> names, Attached(db, which, reason));
  if (names.empty()) {
    return Status();
  }
  ENTENTE_ASSIGN_OR_RETURN(const bool main, HasRollbackJournal(db, "main", reason));
  for (const std::string& name : names) {
    ENTENTE_ASSIGN_OR_RETURN(const bool attached, HasRollbackJournal(db, name, reason));
    if (!main || !attached) {
      return FailedPrecondition(
          reason, "the attached database '" + name +
                      "' and main could not be committed as one: SQLite commits each file by "
                      "itself unless all of them have a rollback journal (PRAGMA journal_mode = "
                      "DELETE, synchronous = FULL or EXTRA), so a crash could keep the row and "
                      "lose the effect, or keep the "
                      "effect twice; keep the tables of the business write in main");
    }
  }
  return Status();
}

SqliteTransaction::~SqliteTransaction() {
  if (begun_ && open()) {
    sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
  }
}

Status SqliteTransaction::Begin(const std::string& table) {
  ENTENTE_RETURN_IF_ERROR(SqliteExecute(db_, "BEGIN", busy_reason_));
  begun_ = true;
  return SqliteExecute(db_, "DELETE FROM " + table + " WHERE false", busy_reason_);
}

Status SqliteTransaction::Commit() {
  return SqliteExecute(db_, "COMMIT", busy_reason_);
}

}  // namespace entente::sdk
