// The files of a store: who may have them open, whether they can be a database at all, and whether
// they are still the ones that were opened.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/status.h"
#include "storage/sqlite/files/file_descriptor.h"

namespace entente::storage::sqlite {

// Holds two locks by flock(2), which SQLite itself does not use and which the system releases when
// the process ends, however it ends: of `<path>.lock`, which is there before the database is, and
// of the database, so that whoever deletes the lock file lets nobody in. The lock file stays behind
// and means nothing by itself.
//
// Destroy it after everything of SQLite's that has the database open: closing any descriptor of a
// file drops the locks that SQLite holds on it in this process.
class FileGuard {
 public:
  // Takes the locks, creates the database file (mode 0600) if there is none, and takes other
  // people's permissions off all files of an existing store. Fails as OpenSqliteJournal says.
  [[nodiscard]] static Result<std::unique_ptr<FileGuard>> Acquire(const std::string& path);
  ~FileGuard() = default;
  FileGuard(const FileGuard&) = delete;
  FileGuard& operator=(const FileGuard&) = delete;

  // The database, without symbolic links: SQLite names the log and its index after this.
  [[nodiscard]] const std::string& path() const { return path_; }

  // The descriptor of the database that holds the lock.
  [[nodiscard]] int database() const { return database_.get(); }

  // What the writer knows of a log: bytes that it holds from its begin on, and the length to which
  // it may be cut back once it begins afresh.
  struct Written {
    uint64_t bytes = 0;
    uint64_t kept = 0;
  };

  // Whether path() is still the file that was opened, has no other name and was not cut, and
  // whether its logs and index are those of the first call, were not cut either, and have no hole
  // in what was written: a log that is cut and then written to behind its end has its length again,
  // over a hole. kDataLoss, store.file_changed: what is written from here on would be lost, or meet
  // another program's writes. Not thread-safe.
  [[nodiscard]] Status CheckUnchanged(const Written& wal, const Written& log);

  // Lengthens the lock file, if there is room. A start needs a little room on the disk and may find
  // none: Acquire gives this back.
  void TakeSpareRoom();

 private:
  struct FileId {
    dev_t device = 0;
    ino_t number = 0;
    friend bool operator==(const FileId&, const FileId&) = default;
  };

  struct Companion {
    std::optional<FileId> known;
    uint64_t largest = 0;  // So far.
  };

  FileGuard(std::string path, FileDescriptor lock_file, FileDescriptor database)
      : path_(std::move(path)), lock_file_(std::move(lock_file)), database_(std::move(database)) {}

  [[nodiscard]] static Status CheckCompanion(const std::string& path, Companion& companion,
                                             const Written& written);

  const std::string path_;
  FileDescriptor lock_file_;
  FileDescriptor database_;
  off_t largest_ = 0;  // Of the database so far: a store only grows while it is open.
  Companion wal_;
  Companion index_;
  Companion log_;
};

// In bytes; 0 for a file that is not there.
[[nodiscard]] uint64_t FileSize(const std::string& path);

// Looks at the file's first page and its length, without SQLite. Call it under the guard and before
// SQLite opens the file, for closing any descriptor of a file drops SQLite's locks on it.
// kFailedPrecondition store.foreign_file, kDataLoss store.corrupt.
[[nodiscard]] Status CheckDatabaseFile(const std::string& path);

}  // namespace entente::storage::sqlite
