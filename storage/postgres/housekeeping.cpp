#include "storage/postgres/housekeeping.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "storage/postgres/failure.h"
#include "storage/postgres/schema.h"

namespace entente::storage::postgres {
namespace {

// Of a period that is purged one by one however young it is.
constexpr int64_t kFewTxns = 10'000;

// Deleted in one statement.
constexpr size_t kPurgeChunk = 500;

// Counting a period reads all of it.
constexpr Duration kCountTimeout = std::chrono::minutes(10);

constexpr std::string_view kPeriods =
    "SELECT id, dropped, (extract(epoch FROM began_at) * 1000000)::bigint,"
    " (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
    " FROM entente_period ORDER BY id";

constexpr std::string_view kWriters =
    "SELECT count(*) FROM entente_lease WHERE owner <> '' AND period <= $1::integer";

constexpr std::string_view kMark =
    "UPDATE entente_period SET dropped = true WHERE id = $1::integer AND NOT dropped";

constexpr std::string_view kForget =
    "DELETE FROM entente_period WHERE id = $1::integer AND dropped";

constexpr const char* kCountFew =
    "SELECT count(*) FROM (SELECT 1 FROM entente_txn_# LIMIT 10001) AS few";

constexpr const char* kCount =
    "SELECT count(*), count(*) FILTER (WHERE finished_at IS NULL OR finished_at >= $1::bigint)"
    " FROM entente_txn_#";

// Labels stay until their period is dropped: whoever looks for one joins it with its transaction.
constexpr const char* kDelete =
    "WITH doomed AS (DELETE FROM entente_txn_# WHERE pos IN (SELECT pos FROM entente_txn_#"
    " WHERE finished_at < $1::bigint ORDER BY pos LIMIT $2::bigint) RETURNING shard, pos),"
    " records AS (DELETE FROM entente_journal_# AS j USING doomed"
    " WHERE j.shard = doomed.shard AND j.pos = doomed.pos)"
    " SELECT count(*) FROM doomed";

struct Period {
  int32_t id;
  bool dropped;
  Instant began_at;
  std::optional<Instant> ended_at;  // Absent of the latest.
};

struct PeriodsNow {
  std::vector<Period> periods;  // Oldest first.
  Instant now;
};

Result<PeriodsNow> ReadPeriods(pg::Connection& connection, Duration timeout) {
  const pg::PgResult rows = connection.RunOne(kPeriods, {}, After(timeout));
  if (!rows.ok()) {
    return NotWritten(rows, "reading the periods");
  }
  PeriodsNow now;
  for (int row = 0; row < rows.rows(); ++row) {
    const Instant began_at = InstantFromMicros(rows.Number(row, 2));
    if (!now.periods.empty()) {
      now.periods.back().ended_at = began_at;
    }
    now.periods.push_back({static_cast<int32_t>(rows.Number(row, 0)), rows.Number(row, 1) != 0,
                           began_at, std::nullopt});
    now.now = InstantFromMicros(rows.Number(row, 3));
  }
  return now;
}

class Purge {
 public:
  Purge(pg::Connection& connection, Instant before, size_t limit, const PostgresOptions& options)
      : connection_(connection), before_(before), limit_(limit), options_(options) {}

  Result<size_t> Run() {
    ENTENTE_ASSIGN_OR_RETURN(const PeriodsNow now,
                             ReadPeriods(connection_, options_.statement_timeout));
    for (const Period& period : now.periods) {
      if (purged_ >= limit_) {
        break;
      }
      ENTENTE_RETURN_IF_ERROR(period.dropped ? Remove(period) : One(period));
    }
    return std::min(purged_, limit_);
  }

 private:
  Status One(const Period& period) {
    const PeriodTables tables(period.id);
    const bool over = period.ended_at && *period.ended_at <= before_;
    if (over) {
      ENTENTE_ASSIGN_OR_RETURN(const bool dropped, TryToDrop(period, tables));
      if (dropped) {
        return {};
      }
    }
    const bool late = period.ended_at && *period.ended_at <= before_ - options_.period;
    ENTENTE_ASSIGN_OR_RETURN(const int64_t some, Number(tables.Of(kCountFew), {}));
    return late || some <= kFewTxns ? DeleteOneByOne(tables) : Status();
  }

  // In this order: once no owner writes to the period any more, what is counted is all that will
  // ever be in it.
  Result<bool> TryToDrop(const Period& period, const PeriodTables& tables) {
    ENTENTE_ASSIGN_OR_RETURN(
        const int64_t writers,
        Number(std::string(kWriters), std::move(pg::Params().Int4(period.id))));
    if (writers > 0) {
      return false;
    }
    const std::string sql = tables.Of(kCount);
    const pg::PgResult counts = connection_.RunOnce(
        sql, std::move(pg::Params().Int8(ToMicros(before_))), After(kCountTimeout));
    if (!counts.ok()) {
      return NotWritten(counts, "counting a period");
    }
    if (counts.Number(0, 1) > 0) {
      return false;
    }
    const pg::PgResult marked = connection_.RunOne(kMark, std::move(pg::Params().Int4(period.id)),
                                                   After(options_.statement_timeout));
    ENTENTE_RETURN_IF_ERROR(OutcomeOf(marked, connection_.warning(), "dropping a period"));
    purged_ += marked.changed() == 1 ? static_cast<size_t>(counts.Number(0, 0)) : 0;
    ENTENTE_RETURN_IF_ERROR(Remove(period));
    return true;
  }

  Status Remove(const Period& period) {
    ENTENTE_RETURN_IF_ERROR(DropPeriod(connection_, period.id, options_.statement_timeout));
    const pg::PgResult forgotten = connection_.RunOne(
        kForget, std::move(pg::Params().Int4(period.id)), After(options_.statement_timeout));
    return forgotten.ok() ? Status() : NotWritten(forgotten, "forgetting a period");
  }

  Status DeleteOneByOne(const PeriodTables& tables) {
    while (purged_ < limit_) {
      const size_t chunk = std::min(limit_ - purged_, kPurgeChunk);
      ENTENTE_ASSIGN_OR_RETURN(
          const int64_t deleted,
          Number(
              tables.Of(kDelete),
              std::move(pg::Params().Int8(ToMicros(before_)).Int8(static_cast<int64_t>(chunk)))));
      purged_ += static_cast<size_t>(deleted);
      if (deleted < static_cast<int64_t>(chunk)) {
        break;
      }
    }
    return {};
  }

  Result<int64_t> Number(const std::string& sql, const pg::Params& params) {
    const pg::PgResult result = connection_.RunOnce(sql, params, After(options_.statement_timeout));
    const Status outcome = OutcomeOf(result, connection_.warning(), "purging");
    // What was deleted or not is found out by the next purge.
    if (!outcome.ok()) {
      return Unavailable("store.unavailable", outcome.message());
    }
    return result.Number(0, 0);
  }

  pg::Connection& connection_;
  const Instant before_;
  const size_t limit_;
  const PostgresOptions& options_;
  size_t purged_ = 0;
};

}  // namespace

Status BeginPeriodIfDue(pg::Connection& connection, const PostgresOptions& options) {
  ENTENTE_ASSIGN_OR_RETURN(const PeriodsNow now,
                           ReadPeriods(connection, options.statement_timeout));
  const bool due = !now.periods.empty() && now.now - now.periods.back().began_at >= options.period;
  return due ? CreatePeriod(connection, now.periods.back().id + 1, options.statement_timeout)
             : Status();
}

Result<size_t> PurgePeriods(pg::Connection& connection, Instant before, size_t limit,
                            const PostgresOptions& options) {
  return Purge(connection, before, limit, options).Run();
}

}  // namespace entente::storage::postgres
