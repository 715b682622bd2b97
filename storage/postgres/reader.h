// Reading transactions back.
#pragma once

#include <functional>
#include <string>

#include "base/status.h"
#include "net/postgres/pool.h"
#include "storage/journal.h"
#include "storage/postgres/options.h"
#include "storage/postgres/periods.h"

namespace entente::storage::postgres {

// Row `row` of a binary result whose columns begin with kSummaryColumns. kDataLoss, store.corrupt,
// for damage.
[[nodiscard]] Result<SummaryRow> DecodeSummary(const pg::PgResult& result, int row);

// Thread-safe; blocks. Each call sees one snapshot of the database.
class Reader {
 public:
  // `periods` must outlive the reader.
  Reader(const PostgresOptions& options, Periods& periods);

  // As the methods of Journal.
  [[nodiscard]] Status LoadOpen(ShardId shard, const std::function<Status(StoredTxn)>& sink);
  [[nodiscard]] Result<StoredTxn> Load(const Gid& gid);

  [[nodiscard]] pg::Pool& pool() { return pool_; }

 private:
  [[nodiscard]] Result<StoredTxn> LoadFrom(pg::Connection& connection, const Gid& gid);
  [[nodiscard]] Status LoadPeriod(pg::Connection& connection, const PeriodTables& tables,
                                  ShardId shard, const std::function<Status(StoredTxn)>& sink);
  // Rows [first, last) of a page of open transactions.
  [[nodiscard]] Status LoadRows(pg::Connection& connection, const PeriodTables& tables,
                                ShardId shard, const pg::PgResult& page, int first, int last,
                                const std::function<Status(StoredTxn)>& sink);

  const PostgresOptions options_;
  Periods& periods_;
  pg::Pool pool_;
  pg::Pool shards_;  // Of its own: a shard is read for long.
};

}  // namespace entente::storage::postgres
