// The tables of the store; docs/journal-format.md explains them.
#pragma once

#include <cstdint>

#include "base/status.h"
#include "storage/sqlite/connection.h"

namespace entente::storage::sqlite {

// "Ent1" in the file's header: tells a store from any other SQLite database.
inline constexpr int64_t kApplicationId = 0x456e7431;

// Raised with every change of the tables.
inline constexpr int64_t kSchemaVersion = 3;

// The same tables, with texts that are encrypted, or were: a release that knows nothing of that
// would take ciphertexts for values, and must refuse them.
inline constexpr int64_t kEncryptedSchemaVersion = 4;

// Transactions are counted off in eras of this many row ids; each full era keeps the range of its
// creation times, so that a search by time skips the eras outside.
inline constexpr int64_t kEraTxns = 4096;

// Checks that the database is a store of this version, encrypted or not. kFailedPrecondition,
// store.foreign_file or store.wrong_version.
[[nodiscard]] Status CheckSchema(Connection& connection, const std::string& path);

// Creates the tables in an empty database, and brings those of an earlier version up to this one,
// in one commit; else as CheckSchema.
[[nodiscard]] Status EnsureSchema(Connection& connection, const std::string& path);

// Inside a transaction: raises the version to that of an encrypted store.
[[nodiscard]] Status NoteEncrypted(Connection& writer);

}  // namespace entente::storage::sqlite
