// The journal in one SQLite file: the default store, for one coordinator.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "base/status.h"
#include "base/time.h"
#include "storage/journal.h"

namespace entente::storage::sqlite {

struct SqliteOptions {
  // The VFS to use, by its registered name; empty for the system's own. Tests inject faults by it.
  std::string vfs;

  // Bytes of SQLite's write-ahead log after which the writer moves them into the database file. A
  // larger log means fewer, longer pauses.
  size_t wal_target_bytes = size_t{16} << 20;

  // The smallest log worth moving when nothing else is to do.
  size_t wal_idle_bytes = size_t{1} << 20;

  // What a group commit holds goes to the log alone. The tables get it when the log has so many
  // appends or bytes, or has had one for so long; a transaction that ends within that is written to
  // them once. Of the disk as many bytes are taken for the log beforehand, an eighth of what is
  // free at most.
  size_t log_window_appends = 1'024;
  Duration log_window_time = std::chrono::seconds(1);
  size_t log_bytes = size_t{4} << 20;

  // Transactions whose position in the journal the writer keeps in memory (about 200 bytes each).
  size_t cached_txns = 65'536;

  // Read-only connections at most, beside one per running LoadOpen.
  size_t max_readers = 4;

  CopiedStore copied = CopiedStore::kAsk;
  // Told, before the store is open, that it is a copy and what that led to.
  std::function<void(const std::string&)> on_copy = {};
};

// Opens the store in the file `path`, creating it (mode 0600) if there is none. It and
// `<path>.lock` are locked for as long as the journal lives; the system ends the locks if the
// process dies.
//
// Fails, always saying which file and what to do, with
//   kFailedPrecondition store.in_use          another process has it open
//   kFailedPrecondition store.second_name     the file has another name (a hard link)
//   kFailedPrecondition store.copied          see CopiedStore
//   kFailedPrecondition store.foreign_file    some other program's file
//   kFailedPrecondition store.wrong_version   a store of another release
//   kFailedPrecondition store.log_missing     its log was taken away, with the latest commits
//   kInvalidArgument    store.not_a_file, store.no_directory, store.no_permission,
//                       store.dangling_link   a symbolic link that leads to nothing
//   kDataLoss           store.corrupt         damaged or cut short
//   kUnavailable        store.unavailable     disk full, too many open files, ...
// Blocks on the disk. The journal's threads are its own; see storage/journal.h for its contract.
[[nodiscard]] Result<std::unique_ptr<Journal>> OpenSqliteJournal(const std::string& path,
                                                                 const SqliteOptions& options = {});

// Figures for benchmarks: what the writer of a journal from OpenSqliteJournal has done.
struct WriterStats {
  uint64_t appends = 0;         // TxnAppends written.
  uint64_t commits = 0;         // To the log, one fsync each.
  uint64_t table_commits = 0;   // SQLite transactions, one fsync each.
  uint64_t checkpoints = 0;     // Runs.
  int64_t cpu_nanoseconds = 0;  // Of the writer thread, callbacks included.
};
[[nodiscard]] WriterStats GetWriterStats(const Journal& journal);

}  // namespace entente::storage::sqlite
