// What an operator does to a store beside running it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace entente::storage {

struct Counts {
  uint64_t open = 0;
  uint64_t finished = 0;
  uint64_t incidents = 0;  // Transactions with at least one.
  friend bool operator==(const Counts&, const Counts&) = default;
};

struct BackupReport {
  uint64_t bytes = 0;
  Counts transactions;
};

// Copies the store that `url` names into the file `target` (mode 0600), as it is at one moment,
// while a coordinator may write to it; reads the copy back, every record of it, and only then gives
// it its name. The copy is known as one: opened as a store, it is another coordinator
// (CopiedStore). `target` must not exist. While it copies, the store's log can not be begun afresh
// and grows by what is written. Blocks.
//
// kInvalidArgument backup.target_exists, store.no_file, what OpenJournal says of urls and paths;
// kFailedPrecondition store.foreign_file, .wrong_version; kDataLoss store.corrupt; kUnavailable.
[[nodiscard]] Result<BackupReport> BackUpStore(std::string_view url, const std::string& target);

struct CompactReport {
  uint64_t bytes_before = 0;
  uint64_t bytes_after = 0;
};

// Rewrites the store without the room of what was purged, which it keeps for what comes; nothing
// but this makes its file smaller. No coordinator may have it open. Takes as much room on the disk
// again as the store will have after; a failure, or a kill at any moment, leaves it as it was or
// compacted, whole either way. Blocks.
//
// kFailedPrecondition store.in_use; the rest as BackUpStore.
[[nodiscard]] Result<CompactReport> CompactStore(std::string_view url);

struct ImportReport {
  uint64_t definitions = 0;  // All versions.
  uint64_t open = 0;
  uint64_t finished = 0;
};

// Copies the store in a file, or a backup of it, into a database, and reads all of it back: the
// coordinators on the database go on with what is open, as the one that the file was the store of,
// with later epochs. It must not run any more, and none may run on the database yet. What was cut
// short can be repeated, and goes on. `progress` is told now and then how many transactions have
// been copied, and then compared. Blocks.
//
// kInvalidArgument import.not_this_way, for other kinds of stores; kFailedPrecondition
// store.in_use; import.another_store, the database has something that the file does not; the rest
// as OpenJournal.
[[nodiscard]] Result<ImportReport> ImportStore(std::string_view from, std::string_view to,
                                               const std::function<void(uint64_t)>& progress = {});

// Creates the tables of a store in a database, or brings those of an earlier release up to this
// one; other coordinators of this release may be running. Blocks.
//
// kInvalidArgument store.no_tables, of a store that is no database; the rest as OpenJournal.
[[nodiscard]] Status MigrateStore(std::string_view url);

}  // namespace entente::storage
