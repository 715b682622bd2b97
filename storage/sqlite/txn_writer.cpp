#include "storage/sqlite/txn_writer.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <utility>

#include "storage/codec.h"
#include "storage/journal_errors.h"
#include "storage/sqlite/schema.h"

namespace entente::storage::sqlite {
namespace {

// Of the buffer for log entries, which is reused.
constexpr size_t kMostEntryBytesKept = size_t{1} << 20;

Status DamagedRow(const std::string& gid, std::string_view what) {
  return DataLoss("store.corrupt", "the " + std::string(what) + " of transaction '" + gid +
                                       "' can not be read: the store is damaged; restore a backup");
}

int64_t ShardNumber(const Gid& gid) {
  return static_cast<int64_t>(ShardOf(gid).value());
}

size_t HashOf(std::string_view blob) {
  // 0 means "none", so a real hash never is.
  return std::max<size_t>(std::hash<std::string_view>()(blob), 1);
}

}  // namespace

Status TxnWriter::Prepare() {
  ENTENTE_RETURN_IF_ERROR(PrepareStatements());
  return LoadTotals();
}

Status TxnWriter::PrepareStatements() {
  const std::pair<Statement*, std::string_view> statements[] = {
      {&find_txn_, "SELECT id, state FROM txn WHERE gid = ?1"},
      {&last_records_,
       "SELECT first, records FROM journal WHERE txn = ?1 ORDER BY id DESC LIMIT 1"},
      {&find_incidents_, "SELECT branches FROM incident WHERE txn = ?1"},
      {&insert_txn_,
       "INSERT INTO txn(id, gid, definition, version, mode, state, paused, attempts, created_at,"
       " updated_at, finished_at, parent, labels, error, open_shard)"
       " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)"},
      {&update_summary_,
       "UPDATE txn SET paused = ?2, attempts = ?3, updated_at = ?4, error = ?5 WHERE id = ?1"},
      {&update_state_,
       "UPDATE txn SET paused = ?2, attempts = ?3, updated_at = ?4, error = ?5, state = ?6,"
       " finished_at = ?7, open_shard = ?8 WHERE id = ?1"},
      {&insert_records_, "INSERT INTO journal(txn, first, records) VALUES(?1, ?2, ?3)"},
      {&put_incidents_, "REPLACE INTO incident(txn, branches) VALUES(?1, ?2)"},
      {&delete_incidents_, "DELETE FROM incident WHERE txn = ?1"},
      {&insert_label_, "INSERT OR IGNORE INTO label(name, value, txn) VALUES(?1, ?2, ?3)"},
      {&insert_word_, "INSERT INTO word(text) VALUES(?1)"},
      {&insert_era_, "INSERT OR IGNORE INTO era(first, earliest, latest) VALUES(?1, ?2, ?3)"},
      {&update_totals_,
       "UPDATE totals SET next_txn = ?1, open = ?2, finished = ?3, incidents = ?4, logged = ?5"},
      {&find_purgeable_,
       "SELECT id FROM txn WHERE finished_at < ?1 AND finished_at IS NOT NULL"
       " ORDER BY finished_at LIMIT ?2"},
      {&purge_gid_, "SELECT gid, labels FROM txn WHERE id = ?1"},
      {&purge_label_, "DELETE FROM label WHERE name = ?1 AND value = ?2 AND txn = ?3"},
      {&purge_records_, "DELETE FROM journal WHERE txn = ?1"},
      {&purge_txn_, "DELETE FROM txn WHERE id = ?1"},
      {&purge_eras_, "DELETE FROM era WHERE first + ?1 <= (SELECT coalesce(min(id), ?2) FROM txn)"},
  };
  for (const auto& [statement, sql] : statements) {
    ENTENTE_RETURN_IF_ERROR(statement->Prepare(connection_, sql));
  }
  return {};
}

Status TxnWriter::LoadTotals() {
  Statement totals;
  ENTENTE_RETURN_IF_ERROR(totals.Prepare(
      connection_, "SELECT next_txn, open, finished, incidents, logged FROM totals"));
  if (const int code = totals.Step(); code != SQLITE_ROW) {
    return totals.Failure(code, "reading the totals");
  }
  totals_ = {totals.Integer(0), totals.Integer(1), totals.Integer(2), totals.Integer(3),
             totals.Integer(4)};
  stored_totals_ = totals_;
  totals.Reset();

  Statement range;
  ENTENTE_RETURN_IF_ERROR(range.Prepare(
      connection_, "SELECT min(created_at), max(created_at) FROM txn WHERE id >= ?1"));
  range.Bind(1, (totals_.next_txn - 1) / kEraTxns * kEraTxns + 1);
  if (const int code = range.Step(); code != SQLITE_ROW) {
    return range.Failure(code, "reading the latest creation times");
  }
  era_ = {range.Integer(0), range.Integer(1), range.IsNull(0)};
  return {};
}

Status TxnWriter::LoadLog(const std::vector<LogEntry>& entries) {
  const auto now = std::chrono::steady_clock::now();
  for (const LogEntry& entry : entries) {
    std::vector<TxnAppend> appends;
    bool fits = DecodeLog(entry.payload, appends);
    for (size_t i = 0; fits && i < appends.size(); ++i) {
      const std::optional<uint64_t> next = pending_.NextOf(appends[i].gid);
      fits = !next || *next == appends[i].first.value();
      std::vector<TxnAppend> one;
      one.push_back(std::move(appends[i]));
      pending_.Add(std::move(one), entry.number, i == 0 ? entry.payload.size() : 0, now);
    }
    if (!fits) {
      return DataLoss("store.corrupt", "entry " + std::to_string(entry.number) +
                                           " of the log can not be read: the store is damaged; "
                                           "restore a backup");
    }
  }
  return {};
}

Status TxnWriter::Log(Batch& batch, Status& refusal) {
  ENTENTE_RETURN_IF_ERROR(Stage(batch, refusal));
  if (!refusal.ok()) {
    Unstage();
    return {};
  }
  for (size_t i = 0; i < batch.appends.size(); ++i) {
    staged_[i]->next = staged_[i]->staged_next;
    AddToLog(batch.appends[i], entry_);
    gathered_.push_back(std::move(batch.appends[i]));
  }
  return {};
}

void TxnWriter::Logged(uint64_t number, PendingLog::Time now) {
  appends_ += gathered_.size();
  pending_.Add(std::exchange(gathered_, {}), number, entry_.size(), now);
  ForgetEntry();
  cache_.Trim();
}

void TxnWriter::LogFailed() {
  gathered_.clear();
  ForgetEntry();
  cache_.Clear();  // It stands behind what was not logged.
}

void TxnWriter::ForgetEntry() {
  if (entry_.capacity() > kMostEntryBytesKept) {
    entry_ = std::string();
  }
  entry_.assign(kLogEntryHeaderBytes, '\0');
}

Status TxnWriter::Project() {
  if (pending_.appends() == 0) {
    return {};
  }
  ENTENTE_RETURN_IF_ERROR(
      pending_.ForEachTxn([this](Appends appends) { return WriteTxn(appends); }));
  totals_.logged = static_cast<int64_t>(pending_.last_number());
  projected_ = true;
  return {};
}

// Checks every append before anything is written: a batch that is refused then leaves nothing to
// take back, and the rest of the group commits without it.
Status TxnWriter::Stage(const Batch& batch, Status& refusal) {
  staged_.clear();
  for (const TxnAppend& append : batch.appends) {
    ENTENTE_ASSIGN_OR_RETURN(TxnEntry * entry, FindOrLoad(append.gid));
    staged_.push_back(entry);
    const uint64_t next = entry->staged_next;
    if (append.first.value() == 1 && next > 1) {
      refusal = TransactionExists(append.gid);
      return {};
    }
    if (append.first.value() != next) {
      refusal = StaleSequence(append.gid, append.first,
                              next > 1 ? std::optional(Sequence(next)) : std::nullopt);
      return {};
    }
    entry->staged_next += append.records.size();
  }
  return {};
}

void TxnWriter::Unstage() {
  for (TxnEntry* entry : staged_) {
    entry->staged_next = entry->next;
  }
  // Apart from the loop above: the same entry may be staged twice.
  std::ranges::sort(staged_);
  const auto repeated = std::ranges::unique(staged_);
  staged_.erase(repeated.begin(), repeated.end());
  for (TxnEntry* entry : staged_) {
    if (entry->next == 1) {
      cache_.Erase(Gid(entry->gid));
    }
  }
}

Result<TxnEntry*> TxnWriter::FindOrLoad(const Gid& gid) {
  if (TxnEntry* entry = cache_.Find(gid)) {
    return entry;
  }
  const ScopedReset reset(find_txn_);
  find_txn_.BindText(1, gid.str());
  const int code = find_txn_.Step();
  if (code != SQLITE_ROW && code != SQLITE_DONE) {
    return find_txn_.Failure(code, "looking up a transaction");
  }
  TxnEntry* entry = cache_.Insert(gid);
  if (code == SQLITE_ROW) {
    entry->id = find_txn_.Integer(0);
    entry->state = find_txn_.Integer(1);
    ENTENTE_RETURN_IF_ERROR(LoadPosition(*entry));
  }
  if (const std::optional<uint64_t> next = pending_.NextOf(gid)) {
    entry->next = *next;
    entry->staged_next = *next;
  }
  return entry;
}

Status TxnWriter::LoadPosition(TxnEntry& entry) {
  const ScopedReset reset_records(last_records_);
  last_records_.Bind(1, entry.id);
  const int code = last_records_.Step();
  if (code != SQLITE_ROW) {
    return code == SQLITE_DONE ? DamagedRow(entry.gid, "journal")
                               : last_records_.Failure(code, "looking up a journal");
  }
  std::vector<std::string> records;
  const Sequence first(static_cast<uint64_t>(last_records_.Integer(0)));
  if (!DecodeRecords(entry.id, first, last_records_.Bytes(1), records)) {
    return DamagedRow(entry.gid, "journal");
  }
  entry.next = first.value() + records.size();
  entry.staged_next = entry.next;

  const ScopedReset reset_incidents(find_incidents_);
  find_incidents_.Bind(1, entry.id);
  const int found = find_incidents_.Step();
  if (found == SQLITE_ROW) {
    entry.incidents_hash = HashOf(find_incidents_.Bytes(0));
  } else if (found != SQLITE_DONE) {
    return find_incidents_.Failure(found, "looking up incidents");
  }
  return {};
}

Status TxnWriter::WriteTxn(Appends appends) {
  const TxnAppend& first = *appends.front();
  ENTENTE_ASSIGN_OR_RETURN(TxnEntry * entry, FindOrLoad(first.gid));
  const Summary* latest = nullptr;
  uint64_t next = first.first.value();
  for (const TxnAppend* append : appends) {
    latest = append->summary ? &*append->summary : latest;
    if (append->first.value() != next) {
      return DamagedRow(first.gid.str(), "part of the log");
    }
    next += append->records.size();
  }
  // What the log has begins where the tables end.
  if ((entry->id == 0) != (first.first.value() == 1)) {
    return DamagedRow(first.gid.str(), "part of the log");
  }
  if (entry->id == 0) {
    ENTENTE_RETURN_IF_ERROR(InsertTxn(first.gid, *first.summary, *latest, *entry));
  } else if (latest != nullptr) {
    ENTENTE_RETURN_IF_ERROR(UpdateTxn(*latest, *entry));
  }
  ENTENTE_RETURN_IF_ERROR(InsertRecords(appends, *entry));
  if (!IsOpenState(entry->state)) {
    // Hardly anything is appended to it any more; those that are open keep their places.
    cache_.Erase(first.gid);
  }
  return {};
}

Status TxnWriter::InsertTxn(const Gid& gid, const Summary& created, const Summary& summary,
                            TxnEntry& entry) {
  ENTENTE_ASSIGN_OR_RETURN(const int64_t definition, WordId(created.definition));
  ENTENTE_ASSIGN_OR_RETURN(const int64_t mode, WordId(created.mode));
  ENTENTE_ASSIGN_OR_RETURN(const int64_t status, WordId(summary.status));
  const int64_t id = totals_.next_txn;
  const int64_t created_at = ToMicros(created.created_at);
  const int64_t updated_at = ToMicros(summary.updated_at);
  ENTENTE_RETURN_IF_ERROR(EnterEra(id, created_at));
  const int64_t state = StateOf(status, summary.open);

  Statement& insert = insert_txn_;
  insert.Bind(1, id);
  insert.BindText(2, gid.str());
  insert.Bind(3, definition);
  insert.Bind(4, created.version);
  insert.Bind(5, mode);
  insert.Bind(6, state);
  insert.Bind(7, summary.paused ? 1 : 0);
  insert.Bind(8, summary.attempts);
  insert.Bind(9, created_at);
  insert.Bind(10, updated_at);
  summary.open || summary.lasting ? insert.BindNull(11) : insert.Bind(11, updated_at);
  created.parent ? insert.BindText(12, created.parent->str()) : insert.BindNull(12);
  labels_ = created.labels.empty() ? std::string() : EncodeLabels(created.labels);
  labels_.empty() ? insert.BindNull(13) : insert.BindBlob(13, labels_);
  summary.error.empty() ? insert.BindNull(14) : insert.BindText(14, summary.error);
  summary.open ? insert.Bind(15, ShardNumber(gid)) : insert.BindNull(15);
  ENTENTE_RETURN_IF_ERROR(insert.Run("creating a transaction"));

  entry.id = id;
  entry.state = state;
  ++totals_.next_txn;
  CountState(state, 1);
  ENTENTE_RETURN_IF_ERROR(InsertLabels(created, id));
  return WriteIncidents(summary, entry);
}

Status TxnWriter::InsertLabels(const Summary& summary, int64_t id) {
  for (const auto& [name, value] : summary.labels) {
    insert_label_.BindText(1, name);
    insert_label_.BindText(2, value);
    insert_label_.Bind(3, id);
    ENTENTE_RETURN_IF_ERROR(insert_label_.Run("writing a label"));
  }
  return {};
}

Status TxnWriter::UpdateTxn(const Summary& summary, TxnEntry& entry) {
  ENTENTE_ASSIGN_OR_RETURN(const int64_t status, WordId(summary.status));
  const int64_t state = StateOf(status, summary.open);
  const int64_t updated_at = ToMicros(summary.updated_at);
  // Naming the indexed columns would make SQLite rewrite their index entries even if they are the
  // same.
  const bool touches_indexes = state != entry.state || !summary.open;
  Statement& update = touches_indexes ? update_state_ : update_summary_;
  update.Bind(1, entry.id);
  update.Bind(2, summary.paused ? 1 : 0);
  update.Bind(3, summary.attempts);
  update.Bind(4, updated_at);
  summary.error.empty() ? update.BindNull(5) : update.BindText(5, summary.error);
  if (touches_indexes) {
    update.Bind(6, state);
    summary.open || summary.lasting ? update.BindNull(7) : update.Bind(7, updated_at);
    summary.open ? update.Bind(8, ShardNumber(Gid(entry.gid))) : update.BindNull(8);
  }
  ENTENTE_RETURN_IF_ERROR(update.Run("updating a summary"));
  CountState(entry.state, -1);
  CountState(state, 1);
  entry.state = state;
  return WriteIncidents(summary, entry);
}

Status TxnWriter::WriteIncidents(const Summary& summary, TxnEntry& entry) {
  if (summary.incidents.empty()) {
    if (entry.incidents_hash == 0) {
      return {};
    }
    entry.incidents_hash = 0;
    --totals_.incidents;
    delete_incidents_.Bind(1, entry.id);
    return delete_incidents_.Run("removing incidents");
  }
  const std::string blob = EncodeIncidents(summary.incidents);
  const size_t hash = HashOf(blob);
  if (hash == entry.incidents_hash) {
    return {};
  }
  totals_.incidents += entry.incidents_hash == 0 ? 1 : 0;
  entry.incidents_hash = hash;
  put_incidents_.Bind(1, entry.id);
  put_incidents_.BindBlob(2, blob);
  return put_incidents_.Run("writing incidents");
}

Status TxnWriter::InsertRecords(Appends appends, const TxnEntry& entry) {
  EncodeRecords(entry.id, appends, blob_);
  insert_records_.Bind(1, entry.id);
  insert_records_.Bind(2, static_cast<int64_t>(appends.front()->first.value()));
  insert_records_.BindBlob(3, blob_);
  return insert_records_.Run("writing a journal");
}

Status TxnWriter::EnterEra(int64_t id, int64_t created_at) {
  const bool begins = (id - 1) % kEraTxns == 0;
  if (begins && !era_.empty) {
    insert_era_.Bind(1, id - kEraTxns);
    insert_era_.Bind(2, era_.earliest);
    insert_era_.Bind(3, era_.latest);
    ENTENTE_RETURN_IF_ERROR(insert_era_.Run("closing an era"));
  }
  if (begins || era_.empty) {
    era_ = {created_at, created_at, false};
    return {};
  }
  era_.earliest = std::min(era_.earliest, created_at);
  era_.latest = std::max(era_.latest, created_at);
  return {};
}

Result<int64_t> TxnWriter::WordId(std::string_view text) {
  if (const std::optional<int64_t> id = words_.Find(text)) {
    return *id;
  }
  insert_word_.BindText(1, text);
  ENTENTE_RETURN_IF_ERROR(insert_word_.Run("adding to the dictionary"));
  const int64_t id = sqlite3_last_insert_rowid(connection_.handle());
  words_.Add(id, text);
  uncommitted_words_.push_back(id);
  return id;
}

void TxnWriter::CountState(int64_t state, int64_t change) {
  (IsOpenState(state) ? totals_.open : totals_.finished) += change;
}

Status TxnWriter::Flush() {
  if (totals_ == stored_totals_) {
    return {};
  }
  update_totals_.Bind(1, totals_.next_txn);
  update_totals_.Bind(2, totals_.open);
  update_totals_.Bind(3, totals_.finished);
  update_totals_.Bind(4, totals_.incidents);
  update_totals_.Bind(5, totals_.logged);
  return update_totals_.Run("updating the totals");
}

void TxnWriter::Committed() {
  if (std::exchange(projected_, false)) {
    pending_.Clear();
  }
  stored_totals_ = totals_;
  uncommitted_words_.clear();
  cache_.Trim();
}

Status TxnWriter::RolledBack() {
  projected_ = false;
  for (const int64_t id : uncommitted_words_) {
    words_.Remove(id);
  }
  uncommitted_words_.clear();
  cache_.Clear();
  return LoadTotals();
}

Result<size_t> TxnWriter::Purge(Instant before, size_t limit) {
  std::vector<int64_t> ids;
  {
    const ScopedReset reset(find_purgeable_);
    find_purgeable_.Bind(1, ToMicros(before));
    find_purgeable_.Bind(2, static_cast<int64_t>(limit));
    int code = find_purgeable_.Step();
    for (; code == SQLITE_ROW; code = find_purgeable_.Step()) {
      ids.push_back(find_purgeable_.Integer(0));
    }
    if (code != SQLITE_DONE) {
      return find_purgeable_.Failure(code, "looking for what to purge");
    }
  }
  for (const int64_t id : ids) {
    ENTENTE_RETURN_IF_ERROR(PurgeOne(id));
  }
  if (!ids.empty()) {
    purge_eras_.Bind(1, kEraTxns);
    purge_eras_.Bind(2, totals_.next_txn);
    ENTENTE_RETURN_IF_ERROR(purge_eras_.Run("purging eras"));
  }
  return ids.size();
}

Status TxnWriter::PurgeOne(int64_t id) {
  Labels labels;
  std::string gid;
  {
    const ScopedReset reset(purge_gid_);
    purge_gid_.Bind(1, id);
    if (const int code = purge_gid_.Step(); code != SQLITE_ROW) {
      return purge_gid_.Failure(code == SQLITE_DONE ? SQLITE_CORRUPT : code, "purging");
    }
    gid = purge_gid_.Bytes(0);
    if (!purge_gid_.IsNull(1) && !DecodeLabels(purge_gid_.Bytes(1), labels)) {
      return DamagedRow(gid, "labels");
    }
  }
  for (const auto& [name, value] : labels) {
    purge_label_.BindText(1, name);
    purge_label_.BindText(2, value);
    purge_label_.Bind(3, id);
    ENTENTE_RETURN_IF_ERROR(purge_label_.Run("purging labels"));
  }
  delete_incidents_.Bind(1, id);
  ENTENTE_RETURN_IF_ERROR(delete_incidents_.Run("purging incidents"));
  totals_.incidents -= sqlite3_changes(connection_.handle());
  purge_records_.Bind(1, id);
  ENTENTE_RETURN_IF_ERROR(purge_records_.Run("purging a journal"));
  purge_txn_.Bind(1, id);
  ENTENTE_RETURN_IF_ERROR(purge_txn_.Run("purging a transaction"));
  --totals_.finished;
  cache_.Erase(Gid(gid));
  return {};
}

}  // namespace entente::storage::sqlite
