#include "examples/travel/common/sqlite.h"

#include <sys/stat.h>

namespace travel {
namespace {

[[noreturn]] void Throw(sqlite3* handle, const std::string& what) {
  throw SqliteError(what + ": " + (handle ? sqlite3_errmsg(handle) : "out of memory"));
}

}  // namespace

Database::Database(const std::string& path, Access access) {
  const bool writes = access == Access::kReadWrite;
  sqlite3* handle = nullptr;
  // SQLite gives its -wal and -shm files the mode of the main file.
  const mode_t old_mask = writes ? umask(077) : 0;
  const int code =
      sqlite3_open_v2(path.c_str(), &handle,
                      (writes ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY) |
                          SQLITE_OPEN_NOMUTEX,
                      nullptr);
  if (writes) {
    umask(old_mask);
  }
  handle_.reset(handle);
  if (code != SQLITE_OK) {
    Throw(handle, "cannot open '" + path + "'");
  }
  sqlite3_busy_timeout(handle, 5000);
  if (writes) {
    Execute("PRAGMA journal_mode=WAL");
    Execute("PRAGMA synchronous=FULL");
  }
}

void Database::Execute(const char* sql) {
  if (sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
    Throw(handle_.get(), std::string("SQL failed: ") + sql);
  }
}

Statement::Statement(Database& database, std::string_view sql) : database_(database) {
  sqlite3_stmt* handle = nullptr;
  if (sqlite3_prepare_v3(database.handle(), sql.data(), static_cast<int>(sql.size()),
                         SQLITE_PREPARE_PERSISTENT, &handle, nullptr) != SQLITE_OK) {
    Throw(database.handle(), "cannot prepare '" + std::string(sql) + "'");
  }
  handle_.reset(handle);
}

bool Statement::Step() {
  const int code = sqlite3_step(handle_.get());
  if (code == SQLITE_ROW) {
    return true;
  }
  if (code != SQLITE_DONE) {
    const std::string what = sqlite3_errmsg(database_.handle());
    sqlite3_reset(handle_.get());
    throw SqliteError("SQL failed: " + what);
  }
  return false;
}

void Statement::Run() {
  while (Step()) {
  }
  Reset();
}

void Statement::Reset() {
  sqlite3_reset(handle_.get());
}

std::string Statement::Text(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(handle_.get(), column));
  const int size = sqlite3_column_bytes(handle_.get(), column);
  return bytes ? std::string(bytes, static_cast<size_t>(size)) : std::string();
}

int64_t Statement::Integer(int column) const {
  return sqlite3_column_int64(handle_.get(), column);
}

void Statement::BindOne(int position, std::string_view value) {
  // A null pointer would bind NULL instead of empty text.
  const char* bytes = value.data() ? value.data() : "";
  if (sqlite3_bind_text(handle_.get(), position, bytes, static_cast<int>(value.size()),
                        SQLITE_TRANSIENT) != SQLITE_OK) {
    Throw(database_.handle(), "cannot bind a value");
  }
}

void Statement::BindOne(int position, int64_t value) {
  if (sqlite3_bind_int64(handle_.get(), position, value) != SQLITE_OK) {
    Throw(database_.handle(), "cannot bind a value");
  }
}

}  // namespace travel
