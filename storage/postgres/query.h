// Lists: pages of summaries.
#pragma once

#include "base/status.h"
#include "net/postgres/connection.h"
#include "storage/journal.h"
#include "storage/opened_query.h"
#include "storage/postgres/options.h"
#include "storage/postgres/periods.h"

namespace entente::storage::postgres {

// As Journal::Query, on that session. Blocks; a list that takes longer than options.list_timeout is
// kUnavailable. `open`: as of OpenedQuery, or empty.
[[nodiscard]] Result<SummaryPage> RunQuery(pg::Connection& connection, const PeriodList& list,
                                           const Filter& filter, const Page& page,
                                           const PostgresOptions& options,
                                           const OpenRow& open = {});

}  // namespace entente::storage::postgres
