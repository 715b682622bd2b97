// The log: the file beside the database (`-log`) that takes every group commit before the tables
// do. docs/journal-format.md has its layout.
//
// One append is one write and one sync of a file that already has its length, which costs a third
// of a commit of SQLite's, and wears the disk as much less. The log holds what the tables do not
// have yet, no more: once they have all of it, durably, it is begun afresh from its first block.
#pragma once

#include <sqlite3.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace entente::storage::sqlite {

inline constexpr size_t kLogBlockBytes = 4096;  // Entries begin at multiples of it.
inline constexpr size_t kLogEntryHeaderBytes = 32;

inline constexpr const char* kLogSuffix = "-log";  // Behind the database's name.

// The setting in which the database names the log that belongs to it, by its key.
inline constexpr const char* kLogSetting = "log";

// Random bytes that the database and the log of a store share, and nobody else knows: they tell
// another store's log from this one's, and an entry from bytes that a client made look like one.
using LogKey = std::string;
[[nodiscard]] LogKey MakeLogKey();

struct LogEntry {
  uint64_t number = 0;
  std::string payload;
};

// Used by one thread at a time.
//
// Entries are numbered without gaps, for the whole life of a store. Each is written and synced
// before the next one is begun. So after a crash at most the last entry is torn, and it was never
// acknowledged; a damaged one with intact ones behind it is damage.
class LogFile {
 public:
  // An empty log, whatever the file held; about `reserve_bytes` of the disk are taken for it if
  // there is room. Durable, with its name, when this returns.
  [[nodiscard]] static Result<std::unique_ptr<LogFile>> Create(const std::string& path,
                                                               const std::string& vfs,
                                                               const LogKey& key,
                                                               size_t reserve_bytes);

  // The log that a process left, for going on behind its last entry. `entries` gets those numbered
  // after `after`, in order; they are durable.
  // kFailedPrecondition store.log_missing: it is not there, or another store's.
  // kDataLoss store.corrupt: entries are missing or damaged before others that are intact.
  [[nodiscard]] static Result<std::unique_ptr<LogFile>> Open(const std::string& path,
                                                             const std::string& vfs,
                                                             const LogKey& key,
                                                             size_t reserve_bytes, uint64_t after,
                                                             std::vector<LogEntry>& entries);

  // As Open does, for a log that another process may be writing; changes nothing. What it reads
  // while the log is begun afresh can have holes, which then look like damage.
  [[nodiscard]] static Result<std::vector<LogEntry>> Read(const std::string& path,
                                                          const std::string& vfs, const LogKey& key,
                                                          uint64_t after);

  // Nobody may have it open. One that can not be removed stays.
  static void Remove(const std::string& path, const std::string& vfs);

  ~LogFile();
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  // Appends an entry with this number; durable when it returns. `entry` is the payload behind
  // kLogEntryHeaderBytes of room, and is filled up to whole blocks.
  // kUnavailable: the disk has no room; the log is as it was, and goes on when there is some.
  // kUnknownOutcome: nothing may be appended any more, for what the file holds is not known.
  [[nodiscard]] Status Append(uint64_t number, std::string& entry);

  // Whether an entry of so many bytes would find room: writes zeros where it would lie, which are
  // no entry. Outcomes as of Append.
  [[nodiscard]] Status TryRoom(size_t bytes);

  // Begins afresh. Everything that was appended must be durable elsewhere.
  void Restart();

  // Behind the last entry, in bytes.
  [[nodiscard]] size_t end() const { return end_; }

  // The length that the file keeps when it begins afresh, in bytes.
  [[nodiscard]] size_t reserved() const { return reserved_; }

 private:
  LogFile(std::string path, LogKey key) : path_(std::move(path)), key_(std::move(key)) {}

  [[nodiscard]] Status OpenFile(const std::string& vfs, int flags);
  [[nodiscard]] Status WriteHeader();
  // SQLite's codes. What is read goes into `bytes` from there on.
  [[nodiscard]] int WriteAt(size_t at, std::string_view bytes);
  [[nodiscard]] int ReadAt(size_t at, std::string& bytes, size_t from = 0) const;
  void Reserve(size_t bytes);
  [[nodiscard]] int WriteZeros(size_t from, size_t to);
  [[nodiscard]] Result<size_t> Size() const;
  [[nodiscard]] Status CheckHeader() const;
  // Of entries numbered after `after`; sets `end_` behind the last one.
  [[nodiscard]] Result<std::vector<LogEntry>> Scan(uint64_t after);
  [[nodiscard]] bool ReadEntry(size_t at, size_t size, LogEntry& entry, size_t& bytes) const;
  void GiveBack();
  [[nodiscard]] Status Failure(int code, std::string_view doing) const;
  [[nodiscard]] sqlite3_file* file() const {
    return reinterpret_cast<sqlite3_file*>(memory_.get());
  }

  const std::string path_;
  const LogKey key_;
  std::unique_ptr<std::max_align_t[]> memory_;  // SQLite's file object, of its own size.
  size_t end_ = kLogBlockBytes;
  size_t reserved_ = kLogBlockBytes;
};

}  // namespace entente::storage::sqlite
