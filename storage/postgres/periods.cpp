#include "storage/postgres/periods.h"

#include <algorithm>
#include <utility>

#include "storage/postgres/failure.h"

namespace entente::storage::postgres {
namespace {

constexpr const char* kInsertTxns =
    "INSERT INTO entente_txn_#(shard, gid, pos, definition, version, mode, status, open, paused,"
    " attempts, created_at, updated_at, finished_at, parent, labels, error, incidents)"
    " SELECT * FROM unnest($1::smallint[], $2::text[], $3::bigint[], $4::text[], $5::integer[],"
    " $6::text[], $7::text[], $8::boolean[], $9::boolean[], $10::bigint[], $11::bigint[],"
    " $12::bigint[], $13::bigint[], $14::text[], $15::bytea[], $16::bytea[], $17::bytea[])";

constexpr const char* kUpdateTxns =
    "UPDATE entente_txn_# AS t SET status = u.status, open = u.open, paused = u.paused,"
    " attempts = u.attempts, updated_at = u.updated_at, finished_at = u.finished_at,"
    " error = u.error, incidents = u.incidents"
    " FROM unnest($1::bigint[], $2::text[], $3::boolean[], $4::boolean[], $5::bigint[],"
    " $6::bigint[], $7::bigint[], $8::bytea[], $9::bytea[])"
    " AS u(pos, status, open, paused, attempts, updated_at, finished_at, error, incidents)"
    " WHERE t.pos = u.pos";

constexpr const char* kInsertRecords =
    "INSERT INTO entente_journal_#(shard, pos, first, next, records)"
    " SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[])";

constexpr const char* kInsertLabels =
    "INSERT INTO entente_label_#(name, value, pos)"
    " SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bigint[])"
    " ON CONFLICT DO NOTHING";

constexpr const char* kForget =
    "WITH records AS (DELETE FROM entente_journal_# WHERE shard = $1::smallint AND pos = "
    "$3::bigint),"
    " labels AS (DELETE FROM entente_label_# WHERE name = $4::bytea AND value = $5::bytea AND pos ="
    " $3::bigint)"
    " DELETE FROM entente_txn_# WHERE shard = $1::smallint AND gid = $2::text";

constexpr const char* kOpenPage =
    ", (SELECT sum(octet_length(j.records)) FROM entente_journal_# AS j"
    " WHERE j.shard = t.shard AND j.pos = t.pos)::bigint"
    " FROM entente_txn_# AS t WHERE t.shard = $1::smallint AND t.open AND t.pos > $2::bigint"
    " ORDER BY t.pos LIMIT $3::bigint";

constexpr const char* kRecordsOf =
    "SELECT pos, first, records FROM entente_journal_#"
    " WHERE shard = $1::smallint AND pos = ANY($2::bigint[]) ORDER BY pos, first";

constexpr const char* kFind =
    "SELECT #::integer, t.gid, t.pos, (SELECT j.next FROM entente_journal_# AS j"
    " WHERE j.shard = t.shard AND j.pos = t.pos ORDER BY j.first DESC LIMIT 1)"
    " FROM unnest($1::smallint[], $2::text[]) AS w(shard, gid)"
    " JOIN entente_txn_# AS t ON t.shard = w.shard AND t.gid = w.gid";

constexpr const char* kLoadTxn =
    " FROM entente_txn_# AS t WHERE t.shard = $1::smallint AND t.gid = $2::text";

constexpr const char* kLoadRecords =
    "SELECT j.pos, j.first, j.records FROM entente_txn_# AS t"
    " JOIN entente_journal_# AS j ON j.shard = t.shard AND j.pos = t.pos"
    " WHERE t.shard = $1::smallint AND t.gid = $2::text";

}  // namespace

PeriodTables::PeriodTables(int32_t number)
    : period(number),
      insert_txns(Of(kInsertTxns)),
      update_txns(Of(kUpdateTxns)),
      insert_records(Of(kInsertRecords)),
      insert_labels(Of(kInsertLabels)),
      forget(Of(kForget)),
      open_page(std::string("SELECT ") + kSummaryColumns + Of(kOpenPage)),
      records_of(Of(kRecordsOf)) {}

std::string PeriodTables::Of(const char* text) const {
  const std::string number = std::to_string(period);
  std::string sql;
  for (; *text != '\0'; ++text) {
    *text == '#' ? sql.append(number) : sql.append(1, *text);
  }
  return sql;
}

PeriodList::PeriodList(const std::vector<int32_t>& newest_first) {
  for (const int32_t period : newest_first) {
    const PeriodTables& one = tables.emplace_back(period);
    const char* const join = tables.size() == 1 ? "" : " UNION ALL ";
    find += join + one.Of(kFind);
    load_txn += join + std::string("SELECT ") + kSummaryColumns + one.Of(kLoadTxn);
    load_records += join + one.Of(kLoadRecords);
  }
  load_records += " ORDER BY first";
}

const PeriodTables* PeriodList::Find(int32_t period) const {
  const auto found = std::ranges::find(tables, period, &PeriodTables::period);
  return found == tables.end() ? nullptr : &*found;
}

std::shared_ptr<const PeriodList> Periods::Get() const {
  const std::lock_guard lock(mutex_);
  return list_;
}

Status Periods::Refresh(pg::Connection& connection, Duration timeout) {
  const pg::PgResult found = connection.Execute(
      "SELECT id FROM entente_period WHERE NOT dropped ORDER BY id DESC", After(timeout));
  if (!found.ok()) {
    return NotWritten(found, "reading the periods");
  }
  std::vector<int32_t> periods;
  for (int row = 0; row < found.rows(); ++row) {
    periods.push_back(static_cast<int32_t>(found.Integer(row, 0)));
  }
  const std::lock_guard lock(mutex_);
  const bool same = std::ranges::equal(periods, list_->tables, {}, {}, &PeriodTables::period);
  if (!same) {
    list_ = std::make_shared<const PeriodList>(periods);
  }
  return {};
}

}  // namespace entente::storage::postgres
