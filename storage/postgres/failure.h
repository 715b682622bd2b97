// What a failed statement means to a caller of the journal.
#pragma once

#include <string_view>

#include "base/status.h"
#include "net/postgres/result.h"

namespace entente::storage::postgres {

// The reason of the kUnavailable that says that a table is not there: its period was dropped.
inline constexpr const char* kNoTableReason = "store.no_table";

// Of a statement that was not followed by a COMMIT: nothing was written. kDataLoss, store.corrupt,
// if the server found its own data damaged; kUnavailable else.
[[nodiscard]] Status NotWritten(const pg::PgResult& result, std::string_view doing);

// Of a COMMIT, or of a statement that is a transaction of its own. Ok only if the server said that
// it committed, and warned of nothing: a wait for a standby that was cancelled is a warning and a
// success, and what was committed may be gone after a fail-over. kUnknownOutcome,
// store.unknown_outcome, whenever it may have been written.
[[nodiscard]] Status OutcomeOf(const pg::PgResult& result, const std::string& warning,
                               std::string_view doing);

}  // namespace entente::storage::postgres
