// Whether a store is still the one that a coordinator wrote, or a copy of it.
#pragma once

#include <string>

#include "base/status.h"
#include "storage/journal.h"
#include "storage/sqlite/connection.h"

namespace entente::storage::sqlite {

// The setting that says which file a store is.
inline constexpr const char* kHomeSetting = "store-home";

// What stays the same for as long as a file is the same file, and is another in each copy: its
// inode and, where the file system has it, the moment it was made. Not its device, whose number
// changes with a restart of the machine or of a container. `file` is an open descriptor.
[[nodiscard]] Result<std::string> HomeOf(int file);

// Makes the copy that `database` has open known as one, wherever it will lie. For backups.
[[nodiscard]] Status MarkAsBackup(Connection& database);

// For a file that takes the place of another: it is a copy if that was one.
[[nodiscard]] Status MoveHome(Connection& database, const std::string& from, const std::string& to);

// Compares the home that the store remembers with the one it has, and acts as `copied` says if it
// is another. Two coordinators that say they are one would be taken for one by participants: each
// would be given the other's answers and fence the other's calls. So a copy forgets the id
// (kIdentitySetting), and the coordinator takes a new one; or, where the original is gone, it keeps
// the id and leaps over all epochs that the original may have used since.
//
// Within a transaction of `writer`: a store that knew its home and had the original's id would
// never be noticed again. Writes only if something changed. Says what it did, or nothing.
// kFailedPrecondition, store.copied, as OpenSqliteJournal says.
[[nodiscard]] Result<std::string> SettleIdentity(Connection& writer, const std::string& path,
                                                 const std::string& home, CopiedStore copied);

}  // namespace entente::storage::sqlite
