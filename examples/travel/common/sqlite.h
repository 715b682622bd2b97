// SQLite with prepared statements and exceptions, just as much as these services need.
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include <sqlite3.h>

namespace travel {

// Anything SQLite refused. Caught where a batch is committed and where a program starts.
class SqliteError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// One connection. Not thread-safe: each thread has its own.
class Database {
 public:
  enum class Access { kReadWrite, kReadOnly };

  // Opens (or with kReadWrite creates, readable by its owner only) `path`, in WAL mode with
  // synchronous=FULL, so that a commit that returned survives a power cut. Throws SqliteError.
  Database(const std::string& path, Access access);

  void Execute(const char* sql);  // Throws SqliteError. Blocks on the disk.

  sqlite3* handle() const { return handle_.get(); }

 private:
  struct Closer {
    void operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }
  };
  std::unique_ptr<sqlite3, Closer> handle_;
};

// One prepared statement, bound and stepped many times. Must not outlive its database.
class Statement {
 public:
  Statement(Database& database, std::string_view sql);

  // Rewinds and binds ?1, ?2, ... Text is copied.
  template <class... Values>
  Statement& Bind(const Values&... values) {
    Reset();
    int position = 0;
    (BindOne(++position, values), ...);
    return *this;
  }

  bool Step();                         // True while there is a row.
  void Run();                          // Steps to the end, then rewinds.
  void Reset();                        // Rewinds: a statement left on a row holds a read lock.
  std::string Text(int column) const;  // Of the row that Step found.
  int64_t Integer(int column) const;

 private:
  struct Finalizer {
    void operator()(sqlite3_stmt* handle) const { sqlite3_finalize(handle); }
  };
  void BindOne(int position, std::string_view value);
  void BindOne(int position, int64_t value);

  Database& database_;
  std::unique_ptr<sqlite3_stmt, Finalizer> handle_;
};

}  // namespace travel
