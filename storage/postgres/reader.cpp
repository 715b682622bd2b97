#include "storage/postgres/reader.h"

#include <algorithm>
#include <unordered_map>
#include <utility>
#include <vector>

#include "storage/codec.h"
#include "storage/journal_errors.h"
#include "storage/postgres/failure.h"

namespace entente::storage::postgres {
namespace {

constexpr std::string_view kReading = "reading transactions";

// Read at a time: a little for each shard, however many it has open and however large they are.
constexpr int64_t kPageTxns = 128;
constexpr int64_t kPageBytes = int64_t{8} << 20;

// Of a page of open transactions: kSummaryColumns, and the bytes of all records behind them.
constexpr int kPosColumn = 1;
constexpr int kBytesColumn = 16;

int16_t NumberOf(ShardId shard) {
  return static_cast<int16_t>(shard.value());
}

// How long whoever reads a shard waits while others do.
constexpr Duration kShardPatience = std::chrono::minutes(2);

constexpr std::string_view kSnapshot = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

Status Damaged(std::string_view gid, const std::string& what) {
  return DataLoss("store.corrupt", "transaction '" + std::string(gid) + "': " + what +
                                       "; the store is damaged, restore a backup");
}

Status CheckAll(const std::vector<pg::PgResult>& results) {
  for (const pg::PgResult& result : results) {
    if (!result.ok()) {
      return NotWritten(result, kReading);
    }
  }
  return {};
}

// Adds what stands in row `row` of (pos, first, records).
Status AddRecords(const pg::PgResult& rows, int row, StoredTxn& txn) {
  const uint64_t first = static_cast<uint64_t>(rows.Number(row, 1));
  const uint64_t due = txn.records.size() + 1;
  if (first != due) {
    return Damaged(txn.gid.str(), "its journal goes on with record " + std::to_string(first) +
                                      " where " + std::to_string(due) + " is due");
  }
  if (!DecodeRecords(rows.Number(row, 0), Sequence(first), rows.Bytes(row, 2), txn.records)) {
    return Damaged(txn.gid.str(),
                   "the records from " + std::to_string(first) + " on do not match their checksum");
  }
  return {};
}

Status CheckWhole(const StoredTxn& txn) {
  return txn.records.empty() ? Damaged(txn.gid.str(), "its journal is missing") : Status();
}

}  // namespace

Result<SummaryRow> DecodeSummary(const pg::PgResult& result, int row) {
  SummaryRow decoded;
  decoded.gid = Gid(std::string(result.Bytes(row, 0)));
  Summary& summary = decoded.summary;
  summary.definition = result.Bytes(row, 2);
  summary.version = static_cast<uint32_t>(result.Number(row, 3));
  summary.mode = result.Bytes(row, 4);
  summary.status = result.Bytes(row, 5);
  summary.open = result.Number(row, 6) != 0;
  summary.paused = result.Number(row, 7) != 0;
  summary.attempts = static_cast<uint32_t>(result.Number(row, 8));
  summary.created_at = InstantFromMicros(result.Number(row, 9));
  summary.updated_at = InstantFromMicros(result.Number(row, 10));
  if (!result.IsNull(row, 11)) {
    summary.parent = Gid(std::string(result.Bytes(row, 11)));
  }
  if (!result.IsNull(row, 12) && !DecodeLabels(result.Bytes(row, 12), summary.labels)) {
    return Damaged(decoded.gid.str(), "its labels can not be read");
  }
  summary.error = result.Bytes(row, 13);
  if (!result.IsNull(row, 14) && !DecodeIncidents(result.Bytes(row, 14), summary.incidents)) {
    return Damaged(decoded.gid.str(), "its incidents can not be read");
  }
  summary.lasting = !summary.open && result.IsNull(row, 15);
  return decoded;
}

Reader::Reader(const PostgresOptions& options, Periods& periods)
    : options_(options),
      periods_(periods),
      pool_({ReaderSession(options, options.statement_timeout),
             std::max<size_t>(1, options.max_readers)}),
      shards_({ReaderSession(options, options.statement_timeout),
               std::max<size_t>(1, options.max_shard_readers), kShardPatience}) {}

Result<StoredTxn> Reader::Load(const Gid& gid) {
  ENTENTE_ASSIGN_OR_RETURN(pg::Pool::Loan connection, pool_.Borrow());
  Result<StoredTxn> loaded = LoadFrom(*connection, gid);
  // It may be in tables that another node has begun, or beside some that were dropped.
  if (loaded.status().code() == StatusCode::kNotFound ||
      loaded.status().reason() == kNoTableReason) {
    const auto known = periods_.Get();
    ENTENTE_RETURN_IF_ERROR(periods_.Refresh(*connection, options_.statement_timeout));
    if (periods_.Get() != known) {
      return LoadFrom(*connection, gid);
    }
  }
  return loaded;
}

Result<StoredTxn> Reader::LoadFrom(pg::Connection& connection, const Gid& gid) {
  const auto list = periods_.Get();
  pg::Params which;
  which.Int2(static_cast<int16_t>(ShardOf(gid).value())).Bytes(gid.str());
  const std::vector<pg::PgResult> results = connection.Run(
      {{kSnapshot, {}}, {list->load_txn, which}, {list->load_records, which}, {"COMMIT", {}}},
      After(options_.statement_timeout));
  const Status read = CheckAll(results);
  if (!read.ok()) {
    static_cast<void>(connection.Execute("ROLLBACK", After(options_.statement_timeout)).ok());
    return read;
  }
  if (results[1].rows() == 0) {
    return TransactionNotFound(gid);
  }
  ENTENTE_ASSIGN_OR_RETURN(SummaryRow row, DecodeSummary(results[1], 0));
  StoredTxn txn{std::move(row.gid), std::move(row.summary), {}};
  for (int i = 0; i < results[2].rows(); ++i) {
    ENTENTE_RETURN_IF_ERROR(AddRecords(results[2], i, txn));
  }
  ENTENTE_RETURN_IF_ERROR(CheckWhole(txn));
  return txn;
}

Status Reader::LoadOpen(ShardId shard, const std::function<Status(StoredTxn)>& sink) {
  ENTENTE_ASSIGN_OR_RETURN(const pg::Pool::Loan connection, shards_.Borrow());
  ENTENTE_RETURN_IF_ERROR(periods_.Refresh(*connection, options_.statement_timeout));
  const pg::PgResult begun = connection->RunOne(kSnapshot, {}, After(options_.statement_timeout));
  if (!begun.ok()) {
    return NotWritten(begun, kReading);
  }
  const auto list = periods_.Get();
  for (const PeriodTables& tables : list->tables) {
    ENTENTE_RETURN_IF_ERROR(LoadPeriod(*connection, tables, shard, sink));
  }
  const pg::PgResult ended = connection->RunOne("COMMIT", {}, After(options_.statement_timeout));
  return ended.ok() ? Status() : NotWritten(ended, kReading);
}

Status Reader::LoadPeriod(pg::Connection& connection, const PeriodTables& tables, ShardId shard,
                          const std::function<Status(StoredTxn)>& sink) {
  int64_t after = 0;
  while (true) {
    const pg::PgResult page = connection.RunOne(
        tables.open_page, std::move(pg::Params().Int2(NumberOf(shard)).Int8(after).Int8(kPageTxns)),
        After(options_.statement_timeout));
    if (!page.ok()) {
      return NotWritten(page, kReading);
    }
    if (page.rows() == 0) {
      return {};
    }
    after = page.Number(page.rows() - 1, kPosColumn);
    for (int first = 0; first < page.rows();) {
      int last = first;
      for (int64_t bytes = 0; last < page.rows() && bytes < kPageBytes; ++last) {
        bytes += page.Number(last, kBytesColumn);
      }
      ENTENTE_RETURN_IF_ERROR(LoadRows(connection, tables, shard, page, first, last, sink));
      first = last;
    }
  }
}

Status Reader::LoadRows(pg::Connection& connection, const PeriodTables& tables, ShardId shard,
                        const pg::PgResult& page, int first, int last,
                        const std::function<Status(StoredTxn)>& sink) {
  std::unordered_map<int64_t, StoredTxn> txns;
  pg::ArrayParam wanted(pg::ElementType::kInt8);
  for (int row = first; row < last; ++row) {
    ENTENTE_ASSIGN_OR_RETURN(SummaryRow decoded, DecodeSummary(page, row));
    const int64_t pos = page.Number(row, kPosColumn);
    wanted.AddNumber(pos);
    txns.emplace(pos, StoredTxn{std::move(decoded.gid), std::move(decoded.summary), {}});
  }
  const pg::PgResult records = connection.RunOne(
      tables.records_of, std::move(pg::Params().Int2(NumberOf(shard)).Array(std::move(wanted))),
      After(options_.statement_timeout));
  if (!records.ok()) {
    return NotWritten(records, kReading);
  }
  for (int row = 0; row < records.rows(); ++row) {
    ENTENTE_RETURN_IF_ERROR(AddRecords(records, row, txns.at(records.Number(row, 0))));
  }
  for (auto& [pos, txn] : txns) {
    ENTENTE_RETURN_IF_ERROR(CheckWhole(txn));
    ENTENTE_RETURN_IF_ERROR(sink(std::move(txn)));
  }
  return {};
}

}  // namespace entente::storage::postgres
