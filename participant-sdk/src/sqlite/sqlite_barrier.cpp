#include "entente/sqlite_barrier.h"

#include <exception>
#include <utility>
#include <vector>

#include "participant-sdk/src/core/barrier_rules.h"
#include "participant-sdk/src/sqlite/sqlite_support.h"

namespace entente::sdk {
namespace {

constexpr const char* kBusy = "barrier.busy";
constexpr const char* kSavepoint = "SAVEPOINT entente_barrier_work";
constexpr const char* kKeepWork = "RELEASE entente_barrier_work";
constexpr const char* kUndoWork = "ROLLBACK TO entente_barrier_work";

std::optional<int64_t> EpochOf(const Call& call) {
  return call.epoch ? std::optional<int64_t>(static_cast<int64_t>(call.epoch->value()))
                    : std::nullopt;
}

// One call's view of the table. `table` and `call` must outlive it.
class BarrierTable {
 public:
  BarrierTable(sqlite3* db, const std::string& table, const Call& call, Instant now)
      : db_(db), table_(table), call_(call), now_(now) {}

  Result<std::optional<Row>> Read() const {
    SqliteStatement select(db_,
                           "SELECT state, epoch, forward_answer, settle_answer, coordinator FROM " +
                               table_ +
                               " WHERE gid = ?1 AND branch = ?2 AND family = ?3 AND "
                               "alternative = ?4",
                           kBusy);
    BindKey(select);
    ENTENTE_ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) {
      return std::optional<Row>();
    }
    Row row;
    ENTENTE_ASSIGN_OR_RETURN(row.state, StateOf(static_cast<int>(select.Integer(0))));
    if (const auto epoch = select.OptionalInteger(1)) {
      row.epoch = static_cast<uint64_t>(*epoch);
    }
    row.forward_answer = select.OptionalText(2);
    row.settle_answer = select.OptionalText(3);
    row.coordinator = select.Text(4);
    return std::optional<Row>(std::move(row));
  }

  // The highest epoch of the call's coordinator in any row of the transaction.
  Result<std::optional<uint64_t>> ReadLatest() const {
    if (!call_.epoch) {
      return std::optional<uint64_t>();
    }
    SqliteStatement select(
        db_, "SELECT max(epoch) FROM " + table_ + " WHERE gid = ?1 AND coordinator = ?2", kBusy);
    select.Bind(call_.gid.str(), call_.coordinator);
    ENTENTE_RETURN_IF_ERROR(select.Step().status());
    const auto latest = select.OptionalInteger(0);
    return latest ? std::optional(static_cast<uint64_t>(*latest)) : std::nullopt;
  }

  // The row as it is after this call; `existed` says whether it was there. The answer of another
  // operation stays. A row that is not there any more, or is there already, was changed by the
  // business write: nothing may be committed then.
  Status Write(bool existed, RowState state, const Answer& answer) const {
    const std::optional<std::string> text = EncodeAnswer(answer, call_.attempt);
    const bool forward = IsForwardAnswer(call_);
    SqliteStatement write(
        db_,
        existed ? "UPDATE " + table_ + " SET state = ?5, " + CallerText("?6", "?10") +
                      ", forward_answer = coalesce(?7, forward_answer), "
                      "settle_answer = coalesce(?8, settle_answer), changed_at = ?9 "
                      "WHERE gid = ?1 AND branch = ?2 AND family = ?3 AND alternative = ?4"
                : "INSERT INTO " + table_ +
                      " (gid, branch, family, alternative, state, epoch, forward_answer, "
                      "settle_answer, changed_at, coordinator) "
                      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING",
        kBusy);
    write.Bind(call_.gid.str(), call_.branch.str(), FamilyName(call_.operation),
               int64_t{call_.alternative}, static_cast<int64_t>(state), EpochOf(call_),
               forward ? text : std::nullopt, forward ? std::nullopt : text, ToMicros(now_),
               call_.coordinator);
    return OfOneRow(write);
  }

  Status NoteCaller() const {
    SqliteStatement update(db_,
                           "UPDATE " + table_ + " SET " + CallerText("?5", "?6") +
                               " WHERE gid = ?1 AND branch = ?2 AND family = ?3 "
                               "AND alternative = ?4",
                           kBusy);
    update.Bind(call_.gid.str(), call_.branch.str(), FamilyName(call_.operation),
                int64_t{call_.alternative}, EpochOf(call_), call_.coordinator);
    return OfOneRow(update);
  }

 private:
  Status OfOneRow(SqliteStatement& statement) const {
    ENTENTE_RETURN_IF_ERROR(statement.Run());
    return sqlite3_changes64(db_) == 1
               ? Status()
               : Internal("barrier.row_lost",
                          "nothing was committed: the barrier's row of this call was removed or "
                          "replaced while its business write ran");
  }

  // The row knows the call's coordinator, unless it knows another, and its epoch, unless it knows a
  // higher one. The expressions on the right see the row as it was.
  static std::string CallerText(const std::string& epoch, const std::string& coordinator) {
    return "coordinator = CASE coordinator WHEN '' THEN " + coordinator +
           " ELSE coordinator END, epoch = CASE coordinator WHEN " + coordinator +
           " THEN max(coalesce(epoch, " + epoch + "), coalesce(" + epoch +
           ", epoch)) WHEN '' THEN " + epoch + " ELSE epoch END";
  }

  void BindKey(SqliteStatement& statement) const {
    statement.Bind(call_.gid.str(), call_.branch.str(), FamilyName(call_.operation),
                   int64_t{call_.alternative});
  }

  sqlite3* db_;
  const std::string& table_;
  const Call& call_;
  Instant now_;
};

Result<Answer> Guarded(sqlite3* db, const SqliteBarrier::Work& work) {
  try {
    return work(db);
  } catch (const std::exception& error) {
    return Internal("barrier.work_threw", std::string("the business write threw: ") + error.what());
  } catch (...) {
    return Internal("barrier.work_threw", "the business write threw what is no exception");
  }
}

Status EndedByWork() {
  return Internal("barrier.work_ended_transaction",
                  "the business write committed or rolled back the barrier's transaction; it must "
                  "leave that to the barrier");
}

// In WAL mode a commit waits for the disk from FULL on. In the modes with a rollback journal FULL
// does not wait until the journal's removal from its directory is on the disk: a loss of power
// would bring the journal back, and it would roll back what was acknowledged. EXTRA waits for that
// too.
Status CheckOnDisk(sqlite3* db, const BarrierOptions& options) {
  constexpr int64_t kFull = 2;
  constexpr int64_t kExtra = 3;
  if (options.allow_lost_writes) {
    return Status();
  }
  SqliteStatement journal(db, "PRAGMA journal_mode", kBusy);
  ENTENTE_RETURN_IF_ERROR(journal.Step().status());
  SqliteStatement synchronous(db, "PRAGMA synchronous", kBusy);
  ENTENTE_RETURN_IF_ERROR(synchronous.Step().status());
  const std::string mode = journal.Text(0);
  const bool on_disk = mode != "memory" && mode != "off";
  if (on_disk && synchronous.Integer(0) >= (mode == "wal" ? kFull : kExtra)) {
    return Status();
  }
  return FailedPrecondition(
      "barrier.not_durable",
      "with PRAGMA journal_mode = " + mode + " and PRAGMA synchronous = " + synchronous.Text(0) +
          " on this connection, an operation that was acknowledged could be lost with the "
          "machine's power: after opening the connection set journal_mode to WAL and synchronous "
          "to FULL, or, with a rollback journal, synchronous to EXTRA; or accept that with "
          "BarrierOptions::allow_lost_writes");
}

// For a table that was made without the column.
Status AddCoordinator(sqlite3* db, const std::string& table) {
  bool found = false;
  {
    SqliteStatement column(
        db, "SELECT 1 FROM pragma_table_info('" + table + "', 'main') WHERE name = 'coordinator'",
        kBusy);
    ENTENTE_ASSIGN_OR_RETURN(found, column.Step());
  }
  return found ? Status()
               : SqliteExecute(db,
                               "ALTER TABLE " + SqliteInMain(table) +
                                   " ADD COLUMN coordinator TEXT NOT NULL DEFAULT ''",
                               kBusy);
}

// Begins with the lock that orders what races.
Status Begin(SqliteTransaction& transaction, const std::string& table) {
  Status begun = transaction.Begin(table);
  const bool missing = begun.message().find("no such table") != std::string::npos;
  return missing ? FailedPrecondition("barrier.no_schema", "the table " + table +
                                                               " does not exist: call CreateSchema "
                                                               "at start")
                 : begun;
}

// Whether COMMIT would fail for good: nothing else is checked only then.
bool BreaksForeignKeys(sqlite3* db) {
  int unresolved = 0;
  int unused = 0;
  return sqlite3_db_status(db, SQLITE_DBSTATUS_DEFERRED_FKS, &unresolved, &unused, 0) ==
             SQLITE_OK &&
         unresolved != 0;
}

// Runs the work inside the open transaction, in a savepoint, which is what undoes a refused one and
// what shows that the transaction is still the one it began in; and leaves in it what is to be
// committed. A transaction that is to be rolled back is left to its owner: `keep` says which.
Result<Answer> RunWork(sqlite3* db, const BarrierTable& table, bool existed,
                       const SqliteBarrier::Work& work, const Verdict& verdict, bool& keep) {
  ENTENTE_RETURN_IF_ERROR(SqliteExecute(db, kSavepoint, kBusy));
  Result<Answer> answer = Guarded(db, work);
  if (sqlite3_get_autocommit(db) != 0) {
    return answer.ok() ? EndedByWork() : answer;
  }
  if (!answer.ok()) {
    return answer;
  }
  if (IsKept(*answer) && verdict.if_refused && BreaksForeignKeys(db)) {
    answer =
        Refused("barrier.rejected",
                "what the business write wrote breaks a deferred foreign key, so it can not be "
                "committed");
  }
  const std::optional<RowState> next = StateAfter(verdict, *answer);
  if (!next) {
    return answer;
  }
  const char* const end = IsKept(*answer) ? kKeepWork : kUndoWork;
  if (sqlite3_exec(db, end, nullptr, nullptr, nullptr) != SQLITE_OK) {
    return EndedByWork();
  }
  ENTENTE_RETURN_IF_ERROR(table.Write(existed, *next, *answer));
  ENTENTE_RETURN_IF_ERROR(SqliteCheckAtomic(db, SqliteAttached::kWritten, "barrier.attached"));
  keep = true;
  return answer;
}

}  // namespace

SqliteBarrier::SqliteBarrier(BarrierOptions options) : options_(std::move(options)) {}

Status SqliteBarrier::CreateSchema(sqlite3* db) const {
  const std::string& table = options_.table;
  ENTENTE_RETURN_IF_ERROR(CheckTableName(table));
  ENTENTE_RETURN_IF_ERROR(CheckOnDisk(db, options_));
  ENTENTE_RETURN_IF_ERROR(
      SqliteExecute(db,
                    "CREATE TABLE IF NOT EXISTS " + SqliteInMain(table) +
                        " (gid TEXT NOT NULL, branch TEXT NOT NULL, family TEXT NOT NULL, "
                        "alternative INTEGER NOT NULL, state INTEGER NOT NULL, epoch INTEGER, "
                        "forward_answer TEXT, settle_answer TEXT, changed_at INTEGER NOT NULL, "
                        "coordinator TEXT NOT NULL DEFAULT '', "
                        "PRIMARY KEY (gid, branch, family, alternative)) WITHOUT ROWID;"
                        "CREATE INDEX IF NOT EXISTS main." +
                        table + "_by_state ON " + table + " (state, changed_at)",
                    kBusy));
  return AddCoordinator(db, table);
}

Result<Answer> SqliteBarrier::Run(sqlite3* db, const Call& call, const Work& work) const {
  ENTENTE_RETURN_IF_ERROR(CheckTableName(options_.table));
  ENTENTE_RETURN_IF_ERROR(CheckCall(call));
  if (sqlite3_get_autocommit(db) == 0) {
    return FailedPrecondition("barrier.in_transaction",
                              "the connection is in a transaction; the barrier opens its own");
  }
  ENTENTE_RETURN_IF_ERROR(CheckOnDisk(db, options_));
  const std::string name = SqliteInMain(options_.table);
  SqliteTransaction transaction(db, kBusy);
  ENTENTE_RETURN_IF_ERROR(Begin(transaction, name));
  const BarrierTable table(db, name, call, NowOf(options_));
  ENTENTE_ASSIGN_OR_RETURN(std::optional<Row> row, table.Read());
  ENTENTE_ASSIGN_OR_RETURN(const std::optional<uint64_t> latest, table.ReadLatest());
  if (row) {
    row->latest = latest;
  }
  ENTENTE_ASSIGN_OR_RETURN(Verdict verdict, Judge(row, call, latest));
  Answer answer = std::move(verdict.answer);
  bool keep = verdict.note_caller;
  if (verdict.kind == Verdict::Kind::kRun) {
    keep = false;
    ENTENTE_ASSIGN_OR_RETURN(answer, RunWork(db, table, row.has_value(), work, verdict, keep));
  } else if (verdict.kind == Verdict::Kind::kRecord) {
    keep = true;
    ENTENTE_RETURN_IF_ERROR(table.Write(row.has_value(), verdict.next, answer));
  } else if (keep) {
    ENTENTE_RETURN_IF_ERROR(table.NoteCaller());
  }
  if (keep) {
    ENTENTE_RETURN_IF_ERROR(transaction.Commit());
  }
  return answer;
}

namespace {

struct Key {
  std::string gid;
  std::string branch;
  std::string family;
  int64_t alternative = 0;
  int64_t changed_at = 0;
  RowState state = RowState::kDone;
};

// Of one state: rows of which only the coordinator knows whether they are still needed, oldest
// first.
Status AddOld(sqlite3* db, const std::string& table, const std::string& which, RowState state,
              Instant before, size_t limit, std::vector<Key>& keys) {
  SqliteStatement select(db,
                         "SELECT gid, branch, family, alternative, changed_at FROM " + table +
                             " WHERE state = ?1 AND changed_at < ?2" + which +
                             " ORDER BY changed_at LIMIT ?3",
                         kBusy);
  select.Bind(static_cast<int64_t>(state), ToMicros(before), static_cast<int64_t>(limit));
  while (true) {
    ENTENTE_ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) {
      return Status();
    }
    keys.push_back({select.Text(0), select.Text(1), select.Text(2), select.Integer(3),
                    select.Integer(4), state});
  }
}

// Carries out what the coordinator said of a row. Those that go on are dated anew, so that the next
// purge begins with others. A row that changed meanwhile is left alone: false.
Result<bool> Mark(sqlite3* db, const std::string& table, const Key& key, bool ended, Instant now) {
  const std::string change =
      !ended ? "UPDATE " + table + " SET changed_at = " + std::to_string(ToMicros(now))
      : key.state == RowState::kSuspended ? "DELETE FROM " + table
                                          : "UPDATE " + table + " SET " + kDropAnswers;
  SqliteStatement statement(
      db,
      change +
          " WHERE gid = ?1 AND branch = ?2 AND family = ?3 AND alternative = ?4 AND changed_at = "
          "?5 AND state = ?6",
      kBusy);
  statement.Bind(key.gid, key.branch, key.family, key.alternative, key.changed_at,
                 static_cast<int64_t>(key.state));
  ENTENTE_RETURN_IF_ERROR(statement.Run());
  return sqlite3_changes64(db) == 1;
}

// Changes at most `limit` rows in `states` that are older than `before`.
Result<size_t> Sweep(sqlite3* db, const std::string& change, const std::string& table,
                     const std::string& states, Instant before, size_t limit) {
  SqliteStatement statement(
      db,
      change +
          " WHERE (gid, branch, family, alternative) IN (SELECT gid, branch, family, "
          "alternative FROM " +
          table + " WHERE state IN (" + states + ") AND changed_at < ?1 LIMIT ?2)",
      kBusy);
  statement.Bind(ToMicros(before), static_cast<int64_t>(limit));
  ENTENTE_RETURN_IF_ERROR(statement.Run());
  return static_cast<size_t>(sqlite3_changes64(db));
}

}  // namespace

Result<PurgeReport> SqliteBarrier::Purge(sqlite3* db, const PurgeOptions& options) const {
  ENTENTE_RETURN_IF_ERROR(CheckTableName(options_.table));
  ENTENTE_RETURN_IF_ERROR(CheckPurge(options));
  const std::string table = SqliteInMain(options_.table);
  const Instant now = NowOf(options_);
  PurgeReport report;
  // The coordinator is asked outside of the transaction.
  std::vector<Key> keys;
  if (options.has_ended) {
    ENTENTE_RETURN_IF_ERROR(AddOld(db, table, " AND family = 'saga'", RowState::kDone,
                                   now - options.answers_after, options.max_rows, keys));
    report.more = keys.size() == options.max_rows;
  }
  if (options.has_ended && options.rows_after) {
    const size_t before = keys.size();
    ENTENTE_RETURN_IF_ERROR(AddOld(db, table, "", RowState::kSuspended, now - *options.rows_after,
                                   options.max_rows, keys));
    report.more = report.more || keys.size() - before == options.max_rows;
  }
  std::vector<bool> ended;
  for (const Key& key : keys) {
    ended.push_back(HasEnded(options, key.gid));
  }
  SqliteTransaction transaction(db, kBusy);
  ENTENTE_RETURN_IF_ERROR(Begin(transaction, table));
  for (size_t i = 0; i < keys.size(); ++i) {
    ENTENTE_ASSIGN_OR_RETURN(const bool marked, Mark(db, table, keys[i], ended[i], now));
    CountMarked(keys[i].state, marked && ended[i], report);
  }
  ENTENTE_ASSIGN_OR_RETURN(
      const size_t dropped,
      Sweep(db, "UPDATE " + table + " SET " + kDropAnswers, table, kStatesWithOldAnswers,
            now - options.answers_after, options.max_rows));
  report.answers_dropped += dropped;
  size_t removed = 0;
  if (options.rows_after) {
    ENTENTE_ASSIGN_OR_RETURN(removed, Sweep(db, "DELETE FROM " + table, table, kStatesOfOldRows,
                                            now - *options.rows_after, options.max_rows));
  }
  report.rows_removed += removed;
  report.more = report.more || dropped == options.max_rows || removed == options.max_rows;
  ENTENTE_RETURN_IF_ERROR(transaction.Commit());
  return report;
}

}  // namespace entente::sdk
