// Lists: pages of summaries.
#pragma once

#include "base/status.h"
#include "net/postgres/connection.h"
#include "storage/journal.h"
#include "storage/postgres/options.h"
#include "storage/postgres/periods.h"

namespace entente::storage::postgres {

// As Journal::Query, on that session. Blocks; a list that takes longer than options.list_timeout is
// kUnavailable.
[[nodiscard]] Result<SummaryPage> RunQuery(pg::Connection& connection, const PeriodList& list,
                                           const Filter& filter, const Page& page,
                                           const PostgresOptions& options);

}  // namespace entente::storage::postgres
