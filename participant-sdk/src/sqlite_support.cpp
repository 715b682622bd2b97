#include "participant-sdk/src/sqlite_support.h"

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

SqliteTransaction::~SqliteTransaction() {
  if (begun_ && open()) {
    sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
  }
}

Status SqliteTransaction::Begin() {
  ENTENTE_RETURN_IF_ERROR(SqliteExecute(db_, "BEGIN IMMEDIATE", busy_reason_));
  begun_ = true;
  return Status();
}

Status SqliteTransaction::Commit() {
  return SqliteExecute(db_, "COMMIT", busy_reason_);
}

}  // namespace entente::sdk
