// Beginning and dropping periods, and purging what is in them.
#pragma once

#include <cstddef>

#include "base/status.h"
#include "base/time.h"
#include "net/postgres/connection.h"
#include "storage/postgres/options.h"
#include "storage/postgres/periods.h"

namespace entente::storage::postgres {

// Begins the next period if the latest one has lasted long enough by the database's clock. Several
// nodes may do so at the same time. Blocks.
[[nodiscard]] Status BeginPeriodIfDue(pg::Connection& connection, const PostgresOptions& options);

// As Journal::Purge. A period in which nothing has to be kept any more is dropped, whatever `limit`
// says: that costs the same for one transaction as for a million. In one that can not be dropped
// yet, transactions are deleted one by one if there are few, or if it is late: something in it
// lasts so much longer than the rest. Blocks.
[[nodiscard]] Result<size_t> PurgePeriods(pg::Connection& connection, Instant before, size_t limit,
                                          const PostgresOptions& options);

}  // namespace entente::storage::postgres
