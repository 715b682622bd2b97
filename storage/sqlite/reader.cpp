#include "storage/sqlite/reader.h"

#include <string_view>
#include <unordered_map>
#include <utility>

#include "storage/codec.h"
#include "storage/journal_errors.h"
#include "storage/sqlite/pending_log.h"

namespace entente::storage::sqlite {
namespace {

Status Damaged(std::string_view gid, const std::string& what) {
  return DataLoss("store.corrupt", "transaction '" + std::string(gid) + "': " + what +
                                       "; the store is damaged, restore a backup");
}

// The tables may have it by now, and more: what they have is no older than `pending`. If it does
// not even follow them, the transaction was purged since, and its gid given to another one. (A log
// that does not go on from the tables is found out when it is moved into them.)
void AddPending(const TxnAppend& pending, StoredTxn& txn) {
  if (pending.first.value() > txn.records.size() + 1) {
    return;
  }
  const size_t known = txn.records.size() + 1 - pending.first.value();
  if (known >= pending.records.size()) {
    return;
  }
  txn.records.insert(txn.records.end(), pending.records.begin() + static_cast<ptrdiff_t>(known),
                     pending.records.end());
  if (pending.summary) {
    Replace(txn.summary, *pending.summary);
  }
}

}  // namespace

Snapshot::~Snapshot() {
  if (sqlite3_get_autocommit(connection_.handle()) == 0) {
    // A read transaction has nothing to lose.
    static_cast<void>(connection_.Execute("COMMIT").ok());
  }
}

Result<std::unique_ptr<Reader>> Reader::Open(const std::string& path, const std::string& vfs,
                                             Words& words) {
  ENTENTE_ASSIGN_OR_RETURN(
      std::unique_ptr<Connection> connection,
      Connection::Open(path, Connection::Access::kReadOnly, vfs, kBusyMilliseconds));
  std::unique_ptr<Reader> reader(new Reader(std::move(connection), words));
  ENTENTE_RETURN_IF_ERROR(reader->Prepare());
  return reader;
}

Status Reader::Prepare() {
  const std::string select =
      std::string("SELECT ") + kSummaryColumns + " FROM " + kSummaryTables + " WHERE ";
  // Within one shard the index is in the order of creation, which is roughly that of the journal's
  // pages.
  ENTENTE_RETURN_IF_ERROR(
      by_shard_.Prepare(*connection_, select + "t.open_shard = ?1 ORDER BY t.id"));
  ENTENTE_RETURN_IF_ERROR(by_gid_.Prepare(*connection_, select + "t.gid = ?1"));
  return records_.Prepare(*connection_,
                          "SELECT first, records FROM journal WHERE txn = ?1 ORDER BY id");
}

Status Reader::LoadOpen(ShardId shard, std::vector<TxnAppend> pending,
                        const std::function<Status(StoredTxn)>& sink) {
  std::unordered_map<std::string_view, const TxnAppend*> only_pending;
  for (const TxnAppend& append : pending) {
    only_pending.emplace(append.gid.str(), &append);
  }
  Snapshot snapshot(*connection_);
  ENTENTE_RETURN_IF_ERROR(snapshot.Begin());
  const ScopedReset reset(by_shard_);
  by_shard_.Bind(1, static_cast<int64_t>(shard.value()));
  int code = by_shard_.Step();
  for (; code == SQLITE_ROW; code = by_shard_.Step()) {
    ENTENTE_ASSIGN_OR_RETURN(StoredTxn txn, ReadTxn(by_shard_));
    if (const auto found = only_pending.find(txn.gid.str()); found != only_pending.end()) {
      AddPending(*found->second, txn);
      only_pending.erase(found);
    }
    if (txn.summary.open) {
      ENTENTE_RETURN_IF_ERROR(sink(std::move(txn)));
    }
  }
  if (code != SQLITE_DONE) {
    return by_shard_.Failure(code, "reading open transactions");
  }
  // The tables have these not at all, or as finished: since then, or until something pending.
  for (const TxnAppend& append : pending) {
    if (only_pending.contains(append.gid.str())) {
      Result<StoredTxn> txn = Load(append.gid, append);
      if (txn.status().code() == StatusCode::kNotFound) {
        continue;  // It has ended since, and was purged.
      }
      ENTENTE_RETURN_IF_ERROR(txn.status());
      ENTENTE_RETURN_IF_ERROR(txn->summary.open ? sink(std::move(*txn)) : Status());
    }
  }
  return {};
}

Result<StoredTxn> Reader::Load(const Gid& gid, const std::optional<TxnAppend>& pending) {
  const ScopedReset reset(by_gid_);
  by_gid_.BindText(1, gid.str());
  const int code = by_gid_.Step();
  if (code == SQLITE_DONE && pending && pending->first.value() == 1) {
    return StoredTxn{gid, *pending->summary, pending->records};
  }
  if (code == SQLITE_DONE) {
    return TransactionNotFound(gid);
  }
  if (code != SQLITE_ROW) {
    return by_gid_.Failure(code, "reading a transaction");
  }
  // The statement that stands on its row holds the snapshot in which its records are read.
  ENTENTE_ASSIGN_OR_RETURN(StoredTxn txn, ReadTxn(by_gid_));
  if (pending) {
    AddPending(*pending, txn);
  }
  return txn;
}

Result<Counts> Reader::Totals() {
  Statement totals;
  ENTENTE_RETURN_IF_ERROR(
      totals.Prepare(*connection_, "SELECT open, finished, incidents FROM totals"));
  if (const int code = totals.Step(); code != SQLITE_ROW) {
    return totals.Failure(code, "reading the totals");
  }
  return Counts{static_cast<uint64_t>(totals.Integer(0)), static_cast<uint64_t>(totals.Integer(1)),
                static_cast<uint64_t>(totals.Integer(2))};
}

Result<Counts> Reader::CheckAll() {
  Snapshot snapshot(*connection_);
  ENTENTE_RETURN_IF_ERROR(snapshot.Begin());
  Statement all;
  ENTENTE_RETURN_IF_ERROR(all.Prepare(
      *connection_,
      std::string("SELECT ") + kSummaryColumns + " FROM " + kSummaryTables + " ORDER BY t.id"));
  Counts found;
  int code = all.Step();
  for (; code == SQLITE_ROW; code = all.Step()) {
    ENTENTE_ASSIGN_OR_RETURN(const StoredTxn txn, ReadTxn(all));
    ++(txn.summary.open ? found.open : found.finished);
    found.incidents += txn.summary.incidents.empty() ? 0 : 1;
  }
  if (code != SQLITE_DONE) {
    return all.Failure(code, "reading all transactions");
  }
  ENTENTE_ASSIGN_OR_RETURN(const Counts stored, Totals());
  if (found != stored) {
    return DataLoss(
        "store.corrupt",
        "the store's totals differ from its transactions: " + std::to_string(found.open) +
            " open and " + std::to_string(found.finished) + " finished ones were read, where " +
            std::to_string(stored.open) + " and " + std::to_string(stored.finished) + " are due");
  }
  return found;
}

Result<StoredTxn> Reader::ReadTxn(const Statement& row) {
  ENTENTE_ASSIGN_OR_RETURN(SummaryRow decoded, DecodeSummary(row));
  StoredTxn txn{std::move(decoded.gid), std::move(decoded.summary), {}};
  ENTENTE_RETURN_IF_ERROR(ReadRecords(row.Integer(0), txn));
  return txn;
}

Status Reader::ReadRecords(int64_t id, StoredTxn& txn) {
  const ScopedReset reset(records_);
  records_.Bind(1, id);
  int code = records_.Step();
  for (; code == SQLITE_ROW; code = records_.Step()) {
    const Sequence first(static_cast<uint64_t>(records_.Integer(0)));
    const uint64_t expected = txn.records.size() + 1;
    if (first.value() != expected) {
      return Damaged(txn.gid.str(), "its journal goes on with record " +
                                        std::to_string(first.value()) + " where " +
                                        std::to_string(expected) + " is due");
    }
    if (!DecodeRecords(id, first, records_.Bytes(1), txn.records)) {
      return Damaged(txn.gid.str(), "the records from " + std::to_string(first.value()) +
                                        " on do not match their checksum");
    }
  }
  if (code != SQLITE_DONE) {
    return records_.Failure(code, "reading a journal");
  }
  return txn.records.empty() ? Damaged(txn.gid.str(), "its journal is missing") : Status();
}

Result<SummaryRow> Reader::DecodeSummary(const Statement& row) const {
  SummaryRow result;
  result.gid = Gid(std::string(row.Bytes(1)));
  Summary& summary = result.summary;
  std::optional<std::string> definition = words_.Text(row.Integer(2));
  std::optional<std::string> mode = words_.Text(row.Integer(4));
  std::optional<std::string> status = words_.Text(StatusWordOf(row.Integer(5)));
  if (!definition || !mode || !status) {
    return Damaged(result.gid.str(), "its row names a word that the dictionary does not have");
  }
  summary.definition = std::move(*definition);
  summary.version = static_cast<uint32_t>(row.Integer(3));
  summary.mode = std::move(*mode);
  summary.status = std::move(*status);
  summary.open = IsOpenState(row.Integer(5));
  summary.paused = row.Integer(6) != 0;
  summary.attempts = static_cast<uint32_t>(row.Integer(7));
  summary.created_at = InstantFromMicros(row.Integer(8));
  summary.updated_at = InstantFromMicros(row.Integer(9));
  if (!row.IsNull(10)) {
    summary.parent = Gid(std::string(row.Bytes(10)));
  }
  if (!row.IsNull(11) && !DecodeLabels(row.Bytes(11), summary.labels)) {
    return Damaged(result.gid.str(), "its labels can not be read");
  }
  summary.error = row.Bytes(12);
  if (!row.IsNull(13) && !DecodeIncidents(row.Bytes(13), summary.incidents)) {
    return Damaged(result.gid.str(), "its incidents can not be read");
  }
  summary.lasting = !summary.open && row.IsNull(14);
  return result;
}

}  // namespace entente::storage::sqlite
