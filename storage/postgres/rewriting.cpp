#include "storage/postgres/rewriting.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "storage/codec.h"
#include "storage/postgres/failure.h"
#include "storage/rewrite_cursor.h"

namespace entente::storage::postgres {
namespace {

constexpr std::string_view kRewriting = "rewriting";

constexpr std::string_view kNextDefinitions =
    "SELECT name, version, digest, source, env FROM entente_definition"
    " WHERE (name, version) > ($1::text, $2::integer) ORDER BY name, version LIMIT 16";
constexpr std::string_view kSetDefinition =
    "UPDATE entente_definition SET source = $3::text, env = $4::text"
    " WHERE name = $1::text AND version = $2::integer";
constexpr std::string_view kNextSettings =
    "SELECT name, value FROM entente_setting WHERE name > $1::text ORDER BY name LIMIT 128";
constexpr std::string_view kSetSetting =
    "UPDATE entente_setting SET value = $2::bytea WHERE name = $1::text AND value = $3::bytea";
constexpr std::string_view kNextNotes =
    "SELECT name, value FROM entente_note WHERE name > $1::text ORDER BY name LIMIT 128";
constexpr std::string_view kSetNote =
    "UPDATE entente_note SET value = $2::bytea WHERE name = $1::text AND value = $3::bytea";

constexpr const char* kLastPos = "SELECT coalesce(max(pos), 0) FROM entente_txn_#";
// Few transactions have texts of their own: so many are looked at, and few of them read. By number,
// not by position: positions are instants, and far apart.
constexpr const char* kEndOfSome =
    "SELECT coalesce(max(w.pos), 0) FROM (SELECT pos FROM entente_txn_# WHERE pos > $1::bigint"
    " AND pos <= $2::bigint ORDER BY pos LIMIT 4096) AS w";
// Of those that are read, no more than about kBytesAtOnce, and one at least.
constexpr const char* kNextTxns =
    "SELECT r.pos, r.gid, r.error, r.incidents FROM (SELECT b.*, sum(b.bytes) OVER (ORDER BY b.pos)"
    " - b.bytes AS ahead FROM (SELECT pos, gid, error, incidents,"
    " coalesce(octet_length(error), 0) + coalesce(octet_length(incidents), 0) AS bytes"
    " FROM entente_txn_# WHERE pos > $1::bigint AND pos <= $2::bigint"
    " AND (error IS NOT NULL OR incidents IS NOT NULL) ORDER BY pos LIMIT 64) AS b) AS r"
    " WHERE r.ahead < $3::bigint ORDER BY r.pos";
constexpr const char* kSetTxn =
    "UPDATE entente_txn_# SET error = $2::bytea, incidents = $3::bytea WHERE pos = $1::bigint"
    " AND error IS NOT DISTINCT FROM $4::bytea AND incidents IS NOT DISTINCT FROM $5::bytea";
constexpr int64_t kBytesAtOnce = int64_t{2} << 20;
constexpr const char* kNextRecords =
    "SELECT r.shard, r.pos, r.first, r.records, r.gid FROM (SELECT b.*, "
    "sum(octet_length(b.records))"
    " OVER (ORDER BY b.shard, b.pos, b.first) - octet_length(b.records) AS ahead"
    " FROM (SELECT j.shard, j.pos, j.first, j.records, t.gid FROM entente_journal_# AS j"
    " JOIN entente_txn_# AS t ON t.pos = j.pos"
    " WHERE (j.shard, j.pos, j.first) > ($1::smallint, $2::bigint, $3::bigint)"
    " AND j.pos <= $4::bigint ORDER BY j.shard, j.pos, j.first LIMIT 16) AS b) AS r"
    " WHERE r.ahead < $5::bigint ORDER BY r.shard, r.pos, r.first";
constexpr const char* kSetRecords =
    "UPDATE entente_journal_# SET records = $4::bytea"
    " WHERE shard = $1::smallint AND pos = $2::bigint AND first = $3::bigint";

constexpr char kDefinitionRows = 'd';
constexpr char kSettingRows = 's';
constexpr char kNoteRows = 'n';
constexpr char kTxnRows = 't';
constexpr char kRecordRows = 'j';

// Rows are read in one statement and changed in flights of their own, each of which is a
// transaction: a crash in between leaves them as they were.
class RewritePiece {
 public:
  RewritePiece(pg::Connection& connection, const PeriodList& periods, RewriteCursor cursor,
               const ChangeText& change, const PostgresOptions& options)
      : connection_(connection),
        periods_(periods),
        cursor_(std::move(cursor)),
        change_(change),
        options_(options) {}

  Result<std::string> Run() {
    switch (cursor_.phase) {
      case 0: return RewriteCursor{kDefinitionRows, {0}}.Text();
      case kDefinitionRows: return Definitions();
      case kSettingRows:
        return Named(kNextSettings, kSetSetting, TextKind::kSetting,
                     RewriteCursor{kNoteRows}.Text());
      case kNoteRows: return Notes();
      case kTxnRows: return Txns();
      case kRecordRows: return Records();
      default: break;
    }
    return InvalidArgument("rewriting.bad_cursor", "no cursor of this store");
  }

 private:
  Result<std::string> Definitions() {
    ENTENTE_ASSIGN_OR_RETURN(
        const pg::PgResult rows,
        Read(kNextDefinitions, std::move(pg::Params()
                                             .Bytes(cursor_.name)
                                             .Int4(static_cast<int32_t>(cursor_.numbers.at(0))))));
    for (int row = 0; row < rows.rows(); ++row) {
      const std::string name(rows.Bytes(row, 0));
      const std::string digest(rows.Bytes(row, 2));
      const std::string source(rows.Bytes(row, 3));
      const std::string env(rows.Bytes(row, 4));
      const auto new_source = change_({TextKind::kSource, name, 0, digest}, source);
      const auto new_env = change_({TextKind::kEnv, name, 0, digest}, env);
      cursor_.name = name;
      cursor_.numbers = {rows.Number(row, 1)};
      if (new_source || new_env) {
        Change(kSetDefinition, std::move(pg::Params()
                                             .Bytes(name)
                                             .Int4(static_cast<int32_t>(rows.Number(row, 1)))
                                             .Bytes(new_source.value_or(source))
                                             .Bytes(new_env.value_or(env))));
      }
    }
    ENTENTE_RETURN_IF_ERROR(Write());
    return rows.rows() == 0 ? RewriteCursor{kSettingRows}.Text() : cursor_.Text();
  }

  Result<std::string> Named(std::string_view next, std::string_view set, TextKind kind,
                            std::string then) {
    ENTENTE_ASSIGN_OR_RETURN(const pg::PgResult rows,
                             Read(next, std::move(pg::Params().Bytes(cursor_.name))));
    for (int row = 0; row < rows.rows(); ++row) {
      cursor_.name = rows.Bytes(row, 0);
      const std::string value(rows.Bytes(row, 1));
      if (auto changed = change_({kind, cursor_.name}, value)) {
        Change(set,
               std::move(pg::Params().Bytes(cursor_.name).Bytes(std::move(*changed)).Bytes(value)));
      }
    }
    ENTENTE_RETURN_IF_ERROR(Write());
    return rows.rows() == 0 ? std::move(then) : cursor_.Text();
  }

  Result<std::string> Notes() {
    ENTENTE_ASSIGN_OR_RETURN(std::string next,
                             Named(kNextNotes, kSetNote, TextKind::kNote, std::string()));
    return next.empty() ? BeginPeriod(periods_.tables.size()) : Result<std::string>(next);
  }

  // The newest of those that are older than the first `below` of the list.
  Result<std::string> BeginPeriod(size_t below) {
    if (below == 0) {
      return std::string();
    }
    const PeriodTables& tables = periods_.tables[below - 1];
    const pg::PgResult last =
        connection_.RunOnce(tables.Of(kLastPos), {}, After(options_.statement_timeout));
    if (!last.ok()) {
      return Skipped(NotWritten(last, kRewriting), tables.period);
    }
    return RewriteCursor{kTxnRows, {tables.period, last.Number(0, 0), 0}}.Text();
  }

  // The one behind `period`, from the oldest to the newest.
  Result<std::string> NextPeriod(int32_t period) {
    const auto at = std::ranges::find(periods_.tables, period, &PeriodTables::period);
    return at == periods_.tables.end()
               ? BeginAfter(period)
               : BeginPeriod(static_cast<size_t>(at - periods_.tables.begin()));
  }

  // Of a period that is not there any more.
  Result<std::string> BeginAfter(int32_t period) {
    size_t newer = 0;
    while (newer < periods_.tables.size() && periods_.tables[newer].period > period) {
      ++newer;
    }
    return BeginPeriod(newer);
  }

  // A period that was dropped meanwhile holds nothing.
  Result<std::string> Skipped(const Status& failed, int32_t period) {
    return failed.reason() == kNoTableReason ? BeginAfter(period) : Result<std::string>(failed);
  }

  // Numbers: the period, the last position when it was begun, the last one looked at.
  Result<std::string> Txns() {
    const auto period = static_cast<int32_t>(cursor_.numbers.at(0));
    const PeriodTables* const tables = periods_.Find(period);
    if (tables == nullptr) {
      return BeginAfter(period);
    }
    const auto some =
        Read(tables->Of(kEndOfSome),
             std::move(pg::Params().Int8(cursor_.numbers.at(2)).Int8(cursor_.numbers.at(1))));
    if (!some.ok()) {
      return Skipped(some.status(), period);
    }
    const int64_t end = some->Number(0, 0);  // 0: there are no more.
    const auto rows =
        Read(tables->Of(kNextTxns),
             std::move(pg::Params().Int8(cursor_.numbers.at(2)).Int8(end).Int8(kBytesAtOnce)));
    if (!rows.ok()) {
      return Skipped(rows.status(), period);
    }
    for (int row = 0; row < rows->rows(); ++row) {
      cursor_.numbers[2] = rows->Number(row, 0);
      Txn(*tables, *rows, row);
    }
    if (const Status written = WriteEach(); !written.ok()) {
      return Skipped(written, period);
    }
    if (rows->rows() != 0) {
      return cursor_.Text();
    }
    if (end == 0) {
      return RewriteCursor{kRecordRows, {period, cursor_.numbers[1], -1, 0, 0}}.Text();
    }
    cursor_.numbers[2] = end;
    return cursor_.Text();
  }

  void Txn(const PeriodTables& tables, const pg::PgResult& rows, int row) {
    const std::string gid(rows.Bytes(row, 1));
    const auto stored = [&](int column) {
      return rows.IsNull(row, column) ? std::nullopt
                                      : std::optional<std::string>(rows.Bytes(row, column));
    };
    const std::optional<std::string> error = stored(2);
    const std::optional<std::string> incidents = stored(3);
    const auto new_error =
        error ? change_({TextKind::kError, gid}, *error) : std::optional<std::string>();
    const auto new_incidents = incidents ? Incidents(gid, *incidents) : std::nullopt;
    if (!new_error && !new_incidents) {
      return;
    }
    pg::Params params;
    params.Int8(rows.Number(row, 0));
    for (const auto& value : {new_error ? new_error : error,
                              new_incidents ? new_incidents : incidents, error, incidents}) {
      value ? params.Bytes(*value) : params.Null();
    }
    Change(tables.Of(kSetTxn), std::move(params));
  }

  std::optional<std::string> Incidents(const std::string& gid, std::string_view blob) {
    std::vector<IncidentRow> incidents;
    if (!DecodeIncidents(blob, incidents)) {
      static_cast<void>(change_({TextKind::kDamagedRow, gid}, blob));
      return std::nullopt;  // Whoever reads it says so.
    }
    bool any = false;
    for (IncidentRow& incident : incidents) {
      const TextPlace place{TextKind::kIncident, gid, 0, incident.branch.str()};
      if (auto changed = change_(place, incident.message)) {
        incident.message = std::move(*changed);
        any = true;
      }
    }
    return any ? std::optional(EncodeIncidents(incidents)) : std::nullopt;
  }

  // Numbers: the period, the last position, and shard, position and sequence of the last row.
  Result<std::string> Records() {
    const auto period = static_cast<int32_t>(cursor_.numbers.at(0));
    const PeriodTables* const tables = periods_.Find(period);
    if (tables == nullptr) {
      return BeginAfter(period);
    }
    const auto rows = Read(tables->Of(kNextRecords),
                           std::move(pg::Params()
                                         .Int2(static_cast<int16_t>(cursor_.numbers.at(2)))
                                         .Int8(cursor_.numbers.at(3))
                                         .Int8(cursor_.numbers.at(4))
                                         .Int8(cursor_.numbers.at(1))
                                         .Int8(kBytesAtOnce)));
    if (!rows.ok()) {
      return Skipped(rows.status(), period);
    }
    for (int row = 0; row < rows->rows(); ++row) {
      cursor_.numbers[2] = rows->Number(row, 0);
      cursor_.numbers[3] = rows->Number(row, 1);
      cursor_.numbers[4] = rows->Number(row, 2);
      RecordRow(*tables, *rows, row);
    }
    if (const Status written = Write(); !written.ok()) {
      return Skipped(written, period);
    }
    return rows->rows() == 0 ? NextPeriod(period) : cursor_.Text();
  }

  void RecordRow(const PeriodTables& tables, const pg::PgResult& rows, int row) {
    const int64_t pos = rows.Number(row, 1);
    const Sequence first(static_cast<uint64_t>(rows.Number(row, 2)));
    std::vector<std::string> records;
    const std::string gid(rows.Bytes(row, 4));
    if (!DecodeRecords(pos, first, rows.Bytes(row, 3), records)) {
      static_cast<void>(change_({TextKind::kDamagedRow, gid}, rows.Bytes(row, 3)));
      return;  // Whoever reads it says so.
    }
    bool any = false;
    uint64_t sequence = first.value();
    for (std::string& record : records) {
      if (auto changed = change_({TextKind::kRecord, gid, sequence++}, record)) {
        record = std::move(*changed);
        any = true;
      }
    }
    if (!any) {
      return;
    }
    std::string blob;
    EncodeRecords(pos, first, records, blob);
    Change(tables.Of(kSetRecords), std::move(pg::Params()
                                                 .Int2(static_cast<int16_t>(rows.Number(row, 0)))
                                                 .Int8(pos)
                                                 .Int8(static_cast<int64_t>(first.value()))
                                                 .Bytes(std::move(blob))));
  }

  Result<pg::PgResult> Read(std::string_view sql, const pg::Params& params) {
    pg::PgResult rows =
        connection_.RunOnce(std::string(sql), params, After(options_.statement_timeout));
    if (!rows.ok()) {
      return NotWritten(rows, kRewriting);
    }
    return rows;
  }

  void Change(std::string_view sql, pg::Params params) {
    changes_.emplace_back(sql, std::move(params));
  }

  // All in one transaction: of rows that nobody else updates but whoever goes the same way.
  Status Write() {
    std::vector<pg::Statement> statements;
    for (const auto& [sql, params] : changes_) {
      statements.push_back({sql, params});
    }
    return statements.empty() ? Status() : WriteAtOnce(statements);
  }

  // One transaction for each: appends lock the same rows, many at once and in another order. Who
  // holds one of them while he waits for another would end in a deadlock with them, and their
  // clients would see it.
  Status WriteEach() {
    for (const auto& [sql, params] : changes_) {
      ENTENTE_RETURN_IF_ERROR(WriteAtOnce({{sql, params}}));
    }
    return {};
  }

  Status WriteAtOnce(const std::vector<pg::Statement>& statements) {
    const auto results = connection_.Run(statements, After(options_.statement_timeout));
    for (const pg::PgResult& result : results) {
      const Status outcome = OutcomeOf(result, connection_.warning(), kRewriting);
      // Whether it was written is found out by the next look.
      if (!outcome.ok() && outcome.reason() != kNoTableReason) {
        return Unavailable("store.unavailable", outcome.message());
      }
      ENTENTE_RETURN_IF_ERROR(outcome);
    }
    return {};
  }

  pg::Connection& connection_;
  const PeriodList& periods_;
  RewriteCursor cursor_;
  const ChangeText& change_;
  const PostgresOptions& options_;
  std::vector<std::pair<std::string, pg::Params>> changes_;
};

size_t NumbersOf(char phase) {
  switch (phase) {
    case kDefinitionRows: return 1;
    case kTxnRows: return 3;
    case kRecordRows: return 5;
    default: return 0;
  }
}

}  // namespace

Result<std::string> RewriteSome(pg::Connection& connection, Periods& periods,
                                const std::string& cursor, const ChangeText& change,
                                const PostgresOptions& options) {
  auto at = RewriteCursor::Of(cursor);
  if (!at || at->numbers.size() != NumbersOf(at->phase)) {
    return InvalidArgument("rewriting.bad_cursor", "no cursor of this store");
  }
  ENTENTE_RETURN_IF_ERROR(periods.Refresh(connection, options.statement_timeout));
  const auto list = periods.Get();
  return RewritePiece(connection, *list, std::move(*at), change, options).Run();
}

}  // namespace entente::storage::postgres
