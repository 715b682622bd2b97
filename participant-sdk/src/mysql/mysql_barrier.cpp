#include "entente/mysql_barrier.h"

#include <exception>
#include <utility>
#include <vector>

#include "participant-sdk/src/mysql/mysql_table.h"

namespace entente::sdk {
namespace {

constexpr size_t kMaxGidBytes = 1024;
constexpr size_t kMaxBranchBytes = 512;
constexpr const char* kSavepoint = "SAVEPOINT entente_barrier_work";
constexpr const char* kKeepWork = "RELEASE SAVEPOINT entente_barrier_work";
constexpr const char* kUndoWork = "ROLLBACK TO SAVEPOINT entente_barrier_work";

// A server that is not strict would cut them, and two branches would share a row.
Status CheckLengths(const Call& call) {
  return call.gid.str().size() <= kMaxGidBytes && call.branch.str().size() <= kMaxBranchBytes
             ? Status()
             : InvalidArgument("barrier.no_name", "a gid of more than " +
                                                      std::to_string(kMaxGidBytes) +
                                                      " bytes, or a branch of more than " +
                                                      std::to_string(kMaxBranchBytes) +
                                                      ", does not fit into the barrier's table");
}

Result<Answer> Guarded(MYSQL* connection, const MysqlBarrier::Work& work) {
  try {
    return work(connection);
  } catch (const std::exception& error) {
    return Internal("barrier.work_threw", std::string("the business write threw: ") + error.what());
  } catch (...) {
    return Internal("barrier.work_threw", "the business write threw what is no exception");
  }
}

Status EndedByWork() {
  return Internal("barrier.work_ended_transaction",
                  "the business write committed or rolled back the barrier's transaction, by DDL "
                  "perhaps, or went on after a deadlock had ended it; it must leave that to the "
                  "barrier");
}

// The savepoint is there as long as the transaction is that in which it was set.
Status EndWork(MYSQL* connection, const char* end) {
  Status status = MysqlInDoubt(MysqlExecute(connection, end));
  return status.reason() == kMysqlNoSavepoint ? EndedByWork() : status;
}

// Runs the work inside the open transaction, in a savepoint, which is what undoes a refused one and
// what shows that the transaction is still the one it began in; and commits what is to be kept.
Result<Answer> RunWork(MYSQL* connection, MysqlTransaction& transaction, const MysqlTable& table,
                       const MysqlBarrier::Work& work, const Verdict& verdict) {
  ENTENTE_RETURN_IF_ERROR(MysqlExecute(connection, kSavepoint));
  Result<Answer> answer = Guarded(connection, work);
  const Status read = MysqlInDoubt(MysqlReadRest(connection));
  if (!answer.ok()) {
    return answer;
  }
  ENTENTE_RETURN_IF_ERROR(read);
  if (!MysqlInTransaction(connection)) {
    return EndedByWork();
  }
  const std::optional<RowState> next = StateAfter(verdict, *answer);
  if (!next) {
    return answer;
  }
  ENTENTE_RETURN_IF_ERROR(EndWork(connection, IsKept(*answer) ? kKeepWork : kUndoWork));
  ENTENTE_RETURN_IF_ERROR(table.Update(*next, *answer));
  ENTENTE_RETURN_IF_ERROR(transaction.Commit());
  return answer;
}

// What Enter found: the verdict, and whether this transaction made the row.
struct Entry {
  Verdict verdict = {};
  bool fresh = false;
};

// Takes the row's lock. Forward calls most often have no row: it is made first, as the lock that
// whoever else brings the same call waits for. What finishes or undoes most often has one.
Result<Entry> Enter(const MysqlTable& table, const Call& call) {
  std::optional<Row> row;
  const bool forward = PurposeOf(call.operation) == Purpose::kForward || call.one_phase;
  if (!forward) {
    ENTENTE_ASSIGN_OR_RETURN(row, table.Lock());
  }
  if (!row) {
    ENTENTE_ASSIGN_OR_RETURN(Verdict verdict, Judge(std::nullopt, call));
    if (verdict.kind == Verdict::Kind::kAnswer) {
      return Entry{std::move(verdict), false};
    }
    const bool record = verdict.kind == Verdict::Kind::kRecord;
    ENTENTE_ASSIGN_OR_RETURN(
        const bool fresh,
        table.Insert(verdict.next, std::nullopt,
                     record ? std::optional(EncodeAnswer(verdict.answer)) : std::nullopt));
    if (fresh) {
      // A row of this call's own has its epoch: only a higher one counts. A stale call's row goes
      // with the transaction that is not committed.
      ENTENTE_ASSIGN_OR_RETURN(const std::optional<uint64_t> latest, table.ReadLatest());
      ENTENTE_ASSIGN_OR_RETURN(verdict, Judge(std::nullopt, call, latest));
      const bool stays = verdict.kind != Verdict::Kind::kAnswer;
      return Entry{std::move(verdict), stays};
    }
    ENTENTE_ASSIGN_OR_RETURN(row, table.Lock());
    if (!row) {
      return Unavailable("barrier.busy", "the branch's row was purged at this moment; ask again");
    }
  }
  ENTENTE_ASSIGN_OR_RETURN(Verdict verdict, Judge(row, call));
  return Entry{std::move(verdict), false};
}

// Ends the transaction of a call for which nothing runs.
Status CommitIfChanged(MysqlTransaction& transaction, const MysqlTable& table, const Entry& entry) {
  const bool record = entry.verdict.kind == Verdict::Kind::kRecord;
  if (!entry.fresh && record) {
    ENTENTE_RETURN_IF_ERROR(table.Update(entry.verdict.next, entry.verdict.answer));
  } else if (!entry.fresh && entry.verdict.note_caller) {
    ENTENTE_RETURN_IF_ERROR(table.NoteCaller());
  }
  return entry.fresh || record || entry.verdict.note_caller ? transaction.Commit() : Status();
}

}  // namespace

MysqlBarrier::MysqlBarrier(BarrierOptions options)
    : options_(std::move(options)),
      place_(std::make_shared<MysqlPlace>(options_.schema, options_.table)) {}

Status MysqlBarrier::CreateSchema(st_mysql* connection) const {
  ENTENTE_RETURN_IF_ERROR(CheckTableName(options_.table));
  ENTENTE_RETURN_IF_ERROR(MysqlBoundLocks(connection, options_.lock_timeout));
  return place_->Create(connection, options_.allow_lost_writes);
}

Result<Answer> MysqlBarrier::Run(st_mysql* connection, const Call& call, const Work& work) const {
  ENTENTE_RETURN_IF_ERROR(CheckTableName(options_.table));
  ENTENTE_RETURN_IF_ERROR(CheckCall(call));
  ENTENTE_RETURN_IF_ERROR(CheckLengths(call));
  ENTENTE_RETURN_IF_ERROR(MysqlCheckIdle(connection));
  ENTENTE_ASSIGN_OR_RETURN(const std::string name,
                           place_->Find(connection, options_.allow_lost_writes));
  ENTENTE_RETURN_IF_ERROR(MysqlBoundLocks(connection, options_.lock_timeout));
  MysqlTransaction transaction(connection);
  ENTENTE_RETURN_IF_ERROR(transaction.Begin());
  const MysqlTable table(connection, name, call, NowOf(options_));
  ENTENTE_ASSIGN_OR_RETURN(Entry entry, Enter(table, call));
  if (entry.verdict.kind == Verdict::Kind::kRun) {
    return RunWork(connection, transaction, table, work, entry.verdict);
  }
  ENTENTE_RETURN_IF_ERROR(CommitIfChanged(transaction, table, entry));
  return std::move(entry.verdict.answer);
}

namespace {

struct Key {
  std::string where;  // For SQL.
  std::string gid;
  RowState state = RowState::kDone;
};

std::string OlderThan(Instant instant) {
  return " AND changed_at < " + std::to_string(ToMicros(instant));
}

// Of one state: rows of which only the coordinator knows whether they are still needed, oldest
// first.
Status AddOld(MYSQL* connection, const std::string& table, const std::string& which, RowState state,
              Instant before, size_t limit, std::vector<Key>& keys) {
  const std::string state_text = std::to_string(static_cast<int>(state));
  MysqlResult selected =
      MysqlQuery(connection, "SELECT gid, branch, family, alternative, changed_at FROM " + table +
                                 " WHERE state = " + state_text + OlderThan(before) + which +
                                 " ORDER BY changed_at LIMIT " + std::to_string(limit));
  ENTENTE_RETURN_IF_ERROR(selected.status());
  while (selected.Next()) {
    keys.push_back({" WHERE gid = " + MysqlBytes(selected.Text(0)) +
                        " AND branch = " + MysqlBytes(selected.Text(1)) + " AND family = " +
                        MysqlBytes(selected.Text(2)) + " AND alternative = " + selected.Text(3) +
                        " AND changed_at = " + selected.Text(4) + " AND state = " + state_text,
                    selected.Text(0), state});
  }
  return Status();
}

// Carries out what the coordinator said of a row. Those that go on are dated anew, so that the next
// purge begins with others. A row that changed meanwhile is left alone: false.
Result<bool> Mark(MYSQL* connection, const std::string& table, const Key& key, bool ended,
                  Instant now) {
  const std::string change =
      !ended ? "UPDATE " + table + " SET changed_at = " + std::to_string(ToMicros(now))
      : key.state == RowState::kSuspended ? "DELETE FROM " + table
                                          : "UPDATE " + table + " SET " + kDropAnswers;
  const MysqlResult changed = MysqlQuery(connection, change + key.where);
  ENTENTE_RETURN_IF_ERROR(changed.status());
  return changed.changed() == 1;
}

// Changes at most `limit` rows in `states` that are older than `before`. They are found without
// locks and then locked by their keys: a call locks a row by its key first and its place in the
// other index after, and whoever did it the other way round would deadlock with it.
Result<size_t> Sweep(MYSQL* connection, const std::string& table, const std::string& states,
                     Instant before, size_t limit, bool remove) {
  const std::string which = " WHERE state IN (" + states + ")" + OlderThan(before);
  const std::string rows =
      "(SELECT gid, branch, family, alternative FROM " + table + which + " LIMIT " +
      std::to_string(limit) + ") AS old STRAIGHT_JOIN " + table +
      " AS row_ ON row_.gid = old.gid AND row_.branch = old.branch AND row_.family = old.family "
      "AND row_.alternative = old.alternative";
  const MysqlResult swept =
      MysqlQuery(connection, remove ? "DELETE row_ FROM " + rows + which
                                    : "UPDATE " + rows + " SET " + kDropAnswers + which);
  ENTENTE_RETURN_IF_ERROR(swept.status());
  return swept.changed();
}

}  // namespace

Result<PurgeReport> MysqlBarrier::Purge(st_mysql* connection, const PurgeOptions& options) const {
  ENTENTE_RETURN_IF_ERROR(CheckTableName(options_.table));
  ENTENTE_RETURN_IF_ERROR(CheckPurge(options));
  ENTENTE_RETURN_IF_ERROR(MysqlCheckIdle(connection));
  ENTENTE_ASSIGN_OR_RETURN(const std::string table,
                           place_->Find(connection, options_.allow_lost_writes));
  ENTENTE_RETURN_IF_ERROR(MysqlBoundLocks(connection, options_.lock_timeout));
  const Instant now = NowOf(options_);
  PurgeReport report;
  // The coordinator is asked outside of the transaction.
  std::vector<Key> keys;
  if (options.has_ended) {
    ENTENTE_RETURN_IF_ERROR(AddOld(connection, table, " AND family = 'saga'", RowState::kDone,
                                   now - options.answers_after, options.max_rows, keys));
    report.more = keys.size() == options.max_rows;
  }
  if (options.has_ended && options.rows_after) {
    const size_t before = keys.size();
    ENTENTE_RETURN_IF_ERROR(AddOld(connection, table, "", RowState::kSuspended,
                                   now - *options.rows_after, options.max_rows, keys));
    report.more = report.more || keys.size() - before == options.max_rows;
  }
  std::vector<bool> ended;
  for (const Key& key : keys) {
    ended.push_back(HasEnded(options, key.gid));
  }
  MysqlTransaction transaction(connection);
  ENTENTE_RETURN_IF_ERROR(transaction.Begin());
  for (size_t i = 0; i < keys.size(); ++i) {
    ENTENTE_ASSIGN_OR_RETURN(const bool marked, Mark(connection, table, keys[i], ended[i], now));
    CountMarked(keys[i].state, marked && ended[i], report);
  }
  ENTENTE_ASSIGN_OR_RETURN(const size_t dropped,
                           Sweep(connection, table, kStatesWithOldAnswers,
                                 now - options.answers_after, options.max_rows, /*remove=*/false));
  report.answers_dropped += dropped;
  size_t removed = 0;
  if (options.rows_after) {
    ENTENTE_ASSIGN_OR_RETURN(removed,
                             Sweep(connection, table, kStatesOfOldRows, now - *options.rows_after,
                                   options.max_rows, /*remove=*/true));
  }
  report.rows_removed += removed;
  report.more = report.more || dropped == options.max_rows || removed == options.max_rows;
  ENTENTE_RETURN_IF_ERROR(transaction.Commit());
  return report;
}

}  // namespace entente::sdk
