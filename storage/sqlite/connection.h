// SQLite's C interface with ownership and Status. Nothing here throws.
#pragma once

#include <sqlite3.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

namespace entente::storage::sqlite {

inline constexpr size_t kPageBytes = 4096;  // Of a store; SQLite's default.

// How long a call waits for another program that has locked the file.
inline constexpr int kBusyMilliseconds = 2'000;

// What a failed call of SQLite means for the caller; `doing` completes "while ...".
//   disk full, busy, out of memory or files  kUnavailable    store.unavailable
//   an I/O error                             kUnknownOutcome store.io_error
//   anything else                            kDataLoss       store.corrupt
[[nodiscard]] Status SqliteStatus(sqlite3* database, int code, std::string_view doing);

// One connection. Used by one thread at a time. Must outlive its statements.
class Connection {
 public:
  enum class Access { kReadOnly, kReadWrite };

  // The file must exist. Waits up to `busy_milliseconds` for another program's lock.
  [[nodiscard]] static Result<std::unique_ptr<Connection>> Open(const std::string& path,
                                                                Access access,
                                                                const std::string& vfs,
                                                                int busy_milliseconds);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Runs statements that return no rows of interest.
  [[nodiscard]] Status Execute(const char* sql);

  // The single integer or text a query such as a PRAGMA returns.
  [[nodiscard]] Result<int64_t> QueryInteger(const char* sql);
  [[nodiscard]] Result<std::string> QueryText(const char* sql);

  // The status of the last failed call.
  [[nodiscard]] Status Failure(int code, std::string_view doing) const {
    return SqliteStatus(handle_, code, doing);
  }

  [[nodiscard]] sqlite3* handle() const { return handle_; }

 private:
  explicit Connection(sqlite3* handle) : handle_(handle) {}

  sqlite3* handle_;
};

// A prepared statement, kept and reused. Views bound to it must stay valid until Reset; views read
// from it are valid until the next Step or Reset.
class Statement {
 public:
  Statement() = default;
  ~Statement() { sqlite3_finalize(handle_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  // Must come first, once.
  [[nodiscard]] Status Prepare(const Connection& connection, std::string_view sql);

  // Parameters count from 1.
  void Bind(int parameter, int64_t value) { sqlite3_bind_int64(handle_, parameter, value); }
  // Bytes are not copied: they stay where they are until the statement has run. So a string that is
  // gone by then is not taken.
  template <class Text>
  requires std::same_as<Text, std::string>
  void BindText(int parameter, Text&& value) = delete;
  template <class Text>
  requires std::same_as<Text, std::string>
  void BindBlob(int parameter, Text&& value) = delete;
  void BindText(int parameter, std::string_view value) {
    sqlite3_bind_text(handle_, parameter, value.data(), static_cast<int>(value.size()),
                      SQLITE_STATIC);
  }
  void BindBlob(int parameter, std::string_view value) {
    // An empty view may have no address, which SQLite would take for NULL.
    sqlite3_bind_blob(handle_, parameter, value.empty() ? "" : value.data(),
                      static_cast<int>(value.size()), SQLITE_STATIC);
  }
  void BindNull(int parameter) { sqlite3_bind_null(handle_, parameter); }

  // SQLITE_ROW, SQLITE_DONE or an error code.
  [[nodiscard]] int Step() { return sqlite3_step(handle_); }

  // Ends the run; a statement left on a row would hold its snapshot.
  void Reset() { sqlite3_reset(handle_); }

  // Steps a statement without rows to its end and resets it.
  [[nodiscard]] Status Run(std::string_view doing);

  // Of the row that Step found; columns count from 0.
  [[nodiscard]] int64_t Integer(int column) const { return sqlite3_column_int64(handle_, column); }
  [[nodiscard]] std::string_view Bytes(int column) const;
  [[nodiscard]] bool IsNull(int column) const {
    return sqlite3_column_type(handle_, column) == SQLITE_NULL;
  }

  [[nodiscard]] Status Failure(int code, std::string_view doing) const {
    return SqliteStatus(sqlite3_db_handle(handle_), code, doing);
  }

 private:
  sqlite3_stmt* handle_ = nullptr;
};

// Resets a statement when the scope ends, whichever way.
class ScopedReset {
 public:
  explicit ScopedReset(Statement& statement) : statement_(statement) {}
  ~ScopedReset() { statement_.Reset(); }
  ScopedReset(const ScopedReset&) = delete;
  ScopedReset& operator=(const ScopedReset&) = delete;

 private:
  Statement& statement_;
};

}  // namespace entente::storage::sqlite
