// The tables, their versions, and the sets of tables that come and go by period.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "net/postgres/connection.h"
#include "storage/postgres/options.h"

namespace entente::storage::postgres {

// The version of the tables; another one is refused, a newer one for good.
inline constexpr int kSchemaVersion = 2;

// The same tables, with texts that are encrypted, or were: a release that knows nothing of that
// would take ciphertexts for values, and must refuse them.
inline constexpr int kEncryptedSchemaVersion = 3;

// Creates what is missing. Several processes may do so at the same time. kFailedPrecondition:
// store.wrong_version, a newer release's tables; store.not_migrated, none while `options.migrate`
// is off; store.encoding, a database that is not in UTF-8. kUnavailable. Blocks.
[[nodiscard]] Status EnsureSchema(pg::Connection& connection, const PostgresOptions& options);

// Creates the tables of a period, and makes it the one that shards are moved to when they are next
// acquired or renewed. Several processes may do so at the same time.
[[nodiscard]] Status CreatePeriod(pg::Connection& connection, int32_t period, Duration timeout);

// Drops the tables of a period. Nothing may write to them any more.
[[nodiscard]] Status DropPeriod(pg::Connection& connection, int32_t period, Duration timeout);

}  // namespace entente::storage::postgres
