// Checks batches and encodes them for the log; writes what the log holds into the tables, inside
// SQLite transactions that somebody else begins and ends.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "storage/journal.h"
#include "storage/sqlite/connection.h"
#include "storage/sqlite/files/log_file.h"
#include "storage/sqlite/pending_log.h"
#include "storage/sqlite/txn_cache.h"
#include "storage/sqlite/words.h"

namespace entente::storage::sqlite {

// Used by the writer's thread alone.
//
// For the log: Log as often as wanted; then, once entry() is durable there, Logged, or else
// LogFailed. For the tables, per SQLite transaction: Project, Purge; Flush, and after COMMIT
// Committed, or after ROLLBACK RolledBack.
class TxnWriter {
 public:
  // `connection`, `words` and `pending` must outlive the writer. What the log holds is in
  // `pending`.
  TxnWriter(Connection& connection, Words& words, PendingLog& pending, size_t cached_txns)
      : connection_(connection), words_(words), pending_(pending), cache_(cached_txns) {}

  // Prepares the statements and reads the totals.
  [[nodiscard]] Status Prepare();

  // The number of the latest log entry that the tables have.
  [[nodiscard]] uint64_t logged() const { return static_cast<uint64_t>(totals_.logged); }

  // Takes what a process before this one left in the log.
  [[nodiscard]] Status LoadLog(const std::vector<LogEntry>& entries);

  // Takes all appends of the batch for the next entry of the log, or none and says why in `refusal`
  // (kConflict or kAlreadyExists). A failure is SQLite's: nothing that was taken may be logged.
  [[nodiscard]] Status Log(Batch& batch, Status& refusal);

  // What was taken since the last Logged or LogFailed, behind kLogEntryHeaderBytes of room.
  [[nodiscard]] bool has_entry() const { return !gathered_.empty(); }
  [[nodiscard]] std::string& entry() { return entry_; }
  void Logged(uint64_t number, PendingLog::Time now);
  void LogFailed();

  // Writes everything that is pending into the tables, each transaction once. It leaves `pending`
  // after Committed.
  [[nodiscard]] Status Project();

  // Deletes finished transactions as Journal::Purge says, in this one SQLite transaction. Nothing
  // may be pending: an append to what is purged would have no place to go.
  [[nodiscard]] Result<size_t> Purge(Instant before, size_t limit);

  // Writes what is kept once per commit. Comes right before COMMIT.
  [[nodiscard]] Status Flush();

  void Committed();

  // Forgets everything that may not be in the database and reads it again.
  [[nodiscard]] Status RolledBack();

  // TxnAppends logged since Prepare.
  [[nodiscard]] uint64_t appends() const { return appends_; }

 private:
  struct Totals {
    int64_t next_txn = 1;
    int64_t open = 0;
    int64_t finished = 0;
    int64_t incidents = 0;
    int64_t logged = 0;
    friend bool operator==(const Totals&, const Totals&) = default;
  };
  // Range of the creation times in the era that is being filled.
  struct Era {
    int64_t earliest = 0;
    int64_t latest = 0;
    bool empty = true;
  };

  [[nodiscard]] Status PrepareStatements();
  [[nodiscard]] Status LoadTotals();
  [[nodiscard]] Status Stage(const Batch& batch, Status& refusal);
  void Unstage();
  void ForgetEntry();
  [[nodiscard]] Result<TxnEntry*> FindOrLoad(const Gid& gid);
  [[nodiscard]] Status LoadPosition(TxnEntry& entry);
  using Appends = std::span<const TxnAppend* const>;  // Of one transaction, in order.
  [[nodiscard]] Status WriteTxn(Appends appends);
  [[nodiscard]] Status InsertTxn(const Gid& gid, const Summary& created, const Summary& latest,
                                 TxnEntry& entry);
  [[nodiscard]] Status InsertLabels(const Summary& summary, int64_t id);
  [[nodiscard]] Status UpdateTxn(const Summary& summary, TxnEntry& entry);
  [[nodiscard]] Status WriteIncidents(const Summary& summary, TxnEntry& entry);
  [[nodiscard]] Status InsertRecords(Appends appends, const TxnEntry& entry);
  [[nodiscard]] Status EnterEra(int64_t id, int64_t created_at);
  [[nodiscard]] Status PurgeOne(int64_t id);
  [[nodiscard]] Result<int64_t> WordId(std::string_view text);
  void CountState(int64_t state, int64_t change);

  Connection& connection_;
  Words& words_;
  PendingLog& pending_;
  TxnCache cache_;
  Totals totals_;
  Totals stored_totals_;  // As the table has them.
  Era era_;
  std::vector<int64_t> uncommitted_words_;
  std::vector<TxnEntry*> staged_;    // One per append of the batch at hand.
  std::vector<TxnAppend> gathered_;  // For the next log entry.
  std::string entry_ = std::string(kLogEntryHeaderBytes, '\0');  // The same, encoded.
  bool projected_ = false;                                       // In this SQLite transaction.
  std::string blob_;  // Reused, so that the hot path does not allocate.
  std::string labels_;
  uint64_t appends_ = 0;

  Statement find_txn_;
  Statement last_records_;
  Statement find_incidents_;
  Statement insert_txn_;
  Statement update_summary_;
  Statement update_state_;
  Statement insert_records_;
  Statement put_incidents_;
  Statement delete_incidents_;
  Statement insert_label_;
  Statement insert_word_;
  Statement insert_era_;
  Statement update_totals_;
  Statement find_purgeable_;
  Statement purge_gid_;
  Statement purge_label_;
  Statement purge_records_;
  Statement purge_txn_;
  Statement purge_eras_;
};

}  // namespace entente::storage::sqlite
