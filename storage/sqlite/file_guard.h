// The file under the database: who may have it open, and whether it can be a database at all.
#pragma once

#include <memory>
#include <string>

#include "base/status.h"

namespace entente::storage::sqlite {

// Holds `<path>.lock` by flock(2), a lock SQLite itself does not use; the system releases it
// when the process ends, however it ends. The file stays behind and means nothing by itself.
class FileGuard {
 public:
  // Takes the lock, creates the database file (mode 0600) if there is none, and takes other
  // people's permissions off an existing one. Fails as OpenSqliteJournal says.
  [[nodiscard]] static Result<std::unique_ptr<FileGuard>> Acquire(const std::string& path);
  ~FileGuard();
  FileGuard(const FileGuard&) = delete;
  FileGuard& operator=(const FileGuard&) = delete;

 private:
  explicit FileGuard(int lock_file) : lock_file_(lock_file) {}

  int lock_file_;
};

// Looks at the file's first page and its length, without SQLite. Call it under the guard and before
// SQLite opens the file, for closing any descriptor of a file drops SQLite's locks on it.
// kFailedPrecondition store.foreign_file, kDataLoss store.corrupt.
[[nodiscard]] Status CheckDatabaseFile(const std::string& path);

}  // namespace entente::storage::sqlite
