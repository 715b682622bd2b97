// Reading transactions back, on one read-only connection.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "storage/journal.h"
#include "storage/maintain.h"
#include "storage/sqlite/connection.h"
#include "storage/sqlite/words.h"

namespace entente::storage::sqlite {

// The columns DecodeSummary reads, of `txn AS t LEFT JOIN incident AS i`.
inline constexpr const char* kSummaryColumns =
    "t.id, t.gid, t.definition, t.version, t.mode, t.state, t.paused, t.attempts, t.created_at, "
    "t.updated_at, t.parent, t.labels, t.error, i.branches, t.finished_at";
inline constexpr const char* kSummaryTables = "txn AS t LEFT JOIN incident AS i ON i.txn = t.id";

// Used by one thread at a time. Every call sees one snapshot of the store. Failures: kDataLoss,
// store.corrupt, for damage (naming the transaction); what SqliteStatus says else.
class Reader {
 public:
  // `words` must outlive the reader.
  [[nodiscard]] static Result<std::unique_ptr<Reader>> Open(const std::string& path,
                                                            const std::string& vfs, Words& words);

  // As the methods of Journal. `pending` is what the log had of the shard, or the transaction,
  // before this call, and the tables may not have.
  [[nodiscard]] Status LoadOpen(ShardId shard, std::vector<TxnAppend> pending,
                                const std::function<Status(StoredTxn)>& sink);
  [[nodiscard]] Result<StoredTxn> Load(const Gid& gid, const std::optional<TxnAppend>& pending);

  // Reads everything that belongs to transactions, as the methods above would, and compares the
  // totals with it.
  [[nodiscard]] Result<Counts> CheckAll();

  // The row a statement with kSummaryColumns stands on.
  [[nodiscard]] Result<SummaryRow> DecodeSummary(const Statement& row) const;

  [[nodiscard]] Connection& connection() { return *connection_; }
  [[nodiscard]] const Words& words() const { return words_; }

 private:
  Reader(std::unique_ptr<Connection> connection, Words& words)
      : connection_(std::move(connection)), words_(words) {}

  [[nodiscard]] Status Prepare();
  [[nodiscard]] Result<Counts> Totals();
  [[nodiscard]] Result<StoredTxn> ReadTxn(const Statement& row);
  [[nodiscard]] Status ReadRecords(int64_t id, StoredTxn& txn);

  std::unique_ptr<Connection> connection_;
  Words& words_;
  Statement by_shard_;
  Statement by_gid_;
  Statement records_;
};

// Holds one snapshot for as long as it lives: reads of several tables then agree.
class Snapshot {
 public:
  explicit Snapshot(Connection& connection) : connection_(connection) {}
  ~Snapshot();
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

  // BEGIN alone would leave the snapshot to the first read.
  [[nodiscard]] Status Begin() { return connection_.Execute("BEGIN; SELECT only FROM totals"); }

 private:
  Connection& connection_;
};

}  // namespace entente::storage::sqlite
