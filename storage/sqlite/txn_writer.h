// Writes batches into the tables, inside a SQLite transaction that somebody else begins and ends.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "storage/journal.h"
#include "storage/sqlite/connection.h"
#include "storage/sqlite/txn_cache.h"
#include "storage/sqlite/words.h"

namespace entente::storage::sqlite {

// Used by the writer's thread alone. Order of calls: Prepare; then, per SQLite transaction, Write
// as often as wanted, Flush, and after COMMIT Committed, or after ROLLBACK RolledBack.
class TxnWriter {
 public:
  // `connection` and `words` must outlive the writer.
  TxnWriter(Connection& connection, Words& words, size_t cached_txns)
      : connection_(connection), words_(words), cache_(cached_txns) {}

  // Prepares the statements and reads the totals.
  [[nodiscard]] Status Prepare();

  // Writes all appends of the batch, or none and says why in `refusal` (kConflict or
  // kAlreadyExists). A failure is the SQLite transaction's: everything since BEGIN must be rolled
  // back.
  [[nodiscard]] Status Write(const Batch& batch, Status& refusal);

  // Deletes finished transactions as Journal::Purge says, in this one SQLite transaction.
  [[nodiscard]] Result<size_t> Purge(Instant before, size_t limit);

  // Writes what is kept once per commit. Comes right before COMMIT.
  [[nodiscard]] Status Flush();

  void Committed();

  // Forgets everything that may not be in the database and reads it again.
  [[nodiscard]] Status RolledBack();

  // TxnAppends written since Prepare.
  [[nodiscard]] uint64_t appends() const { return appends_; }

 private:
  struct Totals {
    int64_t next_txn = 1;
    int64_t open = 0;
    int64_t finished = 0;
    int64_t incidents = 0;
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
  [[nodiscard]] Result<TxnEntry*> FindOrLoad(const Gid& gid);
  [[nodiscard]] Status LoadPosition(TxnEntry& entry);
  [[nodiscard]] Status WriteOne(const TxnAppend& append, TxnEntry& entry);
  [[nodiscard]] Status InsertTxn(const TxnAppend& append, TxnEntry& entry);
  [[nodiscard]] Status InsertLabels(const Summary& summary, int64_t id);
  [[nodiscard]] Status UpdateTxn(const Summary& summary, TxnEntry& entry);
  [[nodiscard]] Status WriteIncidents(const Summary& summary, TxnEntry& entry);
  [[nodiscard]] Status InsertRecords(const TxnAppend& append, const TxnEntry& entry);
  [[nodiscard]] Status EnterEra(int64_t id, int64_t created_at);
  [[nodiscard]] Status PurgeOne(int64_t id);
  [[nodiscard]] Result<int64_t> WordId(std::string_view text);
  void CountState(int64_t state, int64_t change);

  Connection& connection_;
  Words& words_;
  TxnCache cache_;
  Totals totals_;
  Totals stored_totals_;  // As the table has them.
  Era era_;
  std::vector<int64_t> uncommitted_words_;
  std::vector<TxnEntry*> staged_;  // One per append of the batch at hand.
  std::string blob_;               // Reused, so that the hot path does not allocate.
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
