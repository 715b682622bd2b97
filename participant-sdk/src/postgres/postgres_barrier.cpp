#include "entente/postgres_barrier.h"

#include <utility>
#include <vector>

#include "participant-sdk/src/postgres/postgres_table.h"

namespace entente::sdk {
namespace {

// What the database says for certain that it did not keep is refused, where a refusal is an answer:
// the same work would meet it again, and of a one-phase commit nobody else could tell the outcome.
Result<Answer> NotCommitted(const Status& status, const Verdict& verdict) {
  const bool certain =
      status.reason() == "barrier.rejected" || status.reason() == "barrier.work_failed";
  return certain && verdict.if_refused ? Result<Answer>(Refused(status.reason(), status.message()))
                                       : Result<Answer>(status);
}

// Runs the work inside the open transaction and commits what is to be kept. A refusal rolls it
// back, whatever is to be kept of it: that costs a second transaction, but no savepoint in all
// those that succeed.
Result<Answer> RunWork(PGconn* connection, PgTransaction& transaction, const PostgresTable& table,
                       const PostgresBarrier::Work& work, const Verdict& verdict) {
  Result<Answer> answer = PgGuarded(connection, work);
  if (!answer.ok()) {
    return answer;
  }
  if (PQtransactionStatus(connection) == PQTRANS_IDLE) {
    return PgEndedByWork();
  }
  if (!IsKept(*answer)) {
    return answer;
  }
  const Status committed =
      transaction.Commit(table.UpdateText(StateAfterKept(verdict, *answer), *answer) + "; ");
  return committed.ok() ? answer : NotCommitted(committed, verdict);
}

// What Enter found: the verdict, and whether this transaction made the row.
struct Entry {
  Verdict verdict = {};
  bool fresh = false;
};

// The row that is there, or that somebody else is making at this moment.
Result<Entry> EnterExisting(const PostgresTable& table, const Call& call) {
  ENTENTE_ASSIGN_OR_RETURN(const std::optional<Row> row, table.Lock());
  if (!row) {
    return Unavailable("barrier.busy", "the branch's row was purged at this moment; ask again");
  }
  ENTENTE_ASSIGN_OR_RETURN(Verdict verdict, Judge(row, call));
  return Entry{std::move(verdict), false};
}

// The row that this call has made. What the other rows of the transaction know came with that: a
// stale call is refused, and its row goes with the transaction that is not committed.
Result<Entry> EnterMade(const Call& call, const PostgresTable::Insertion& insertion) {
  ENTENTE_ASSIGN_OR_RETURN(Verdict verdict, Judge(std::nullopt, call, insertion.latest));
  const bool fresh = verdict.kind != Verdict::Kind::kAnswer;
  return Entry{std::move(verdict), fresh};
}

std::string InsertText(const PostgresTable& table, const Verdict& verdict) {
  const bool record = verdict.kind == Verdict::Kind::kRecord;
  return table.InsertText(verdict.next, std::nullopt,
                          record ? PgValue(EncodeAnswer(verdict.answer)) : std::nullopt);
}

// Begins the transaction and takes the row's lock. Forward calls most often have no row: it is made
// first, as the lock that whoever else brings the same call waits for.
Result<Entry> EnterForward(PgTransaction& transaction, const PostgresTable& table,
                           const Call& call) {
  ENTENTE_ASSIGN_OR_RETURN(Verdict verdict, Judge(std::nullopt, call));
  ENTENTE_ASSIGN_OR_RETURN(
      const PostgresTable::Insertion insertion,
      PostgresTable::Inserted(transaction.BeginWith(InsertText(table, verdict))));
  return insertion.made ? EnterMade(call, insertion) : EnterExisting(table, call);
}

// What finishes or undoes most often has a row.
Result<Entry> EnterSettling(PgTransaction& transaction, const PostgresTable& table,
                            const Call& call) {
  ENTENTE_ASSIGN_OR_RETURN(const std::optional<Row> row,
                           PostgresTable::RowOf(transaction.BeginWith(table.LockText())));
  ENTENTE_ASSIGN_OR_RETURN(Verdict verdict, Judge(row, call));
  if (row || verdict.kind != Verdict::Kind::kRecord) {
    return Entry{std::move(verdict), false};
  }
  ENTENTE_ASSIGN_OR_RETURN(const PostgresTable::Insertion insertion,
                           table.Insert(verdict.next, std::nullopt, EncodeAnswer(verdict.answer)));
  return insertion.made ? EnterMade(call, insertion) : EnterExisting(table, call);
}

// Ends the transaction of a call for which nothing runs.
Status CommitIfChanged(PgTransaction& transaction, const PostgresTable& table, const Entry& entry) {
  if (entry.fresh) {
    return transaction.Commit();
  }
  if (entry.verdict.kind == Verdict::Kind::kRecord) {
    return transaction.Commit(table.UpdateText(entry.verdict.next, entry.verdict.answer) + "; ");
  }
  return entry.verdict.note_caller ? transaction.Commit(table.NoteCallerText() + "; ") : Status();
}

// Stores a refusal, whose transaction was rolled back. Another call may have been faster since:
// then the answer is what the row says now, so that no caller hears what the row does not know.
Result<Answer> KeepRefusal(PgTransaction& transaction, const PostgresTable& table, const Call& call,
                           const Answer& refusal) {
  ENTENTE_ASSIGN_OR_RETURN(Entry entry, EnterForward(transaction, table, call));
  if (entry.verdict.kind != Verdict::Kind::kRun) {
    ENTENTE_RETURN_IF_ERROR(CommitIfChanged(transaction, table, entry));
    return std::move(entry.verdict.answer);
  }
  if (!entry.verdict.if_refused) {
    return Unavailable("barrier.busy", "another call changed the branch's row; ask again");
  }
  ENTENTE_RETURN_IF_ERROR(
      transaction.Commit(table.UpdateText(*entry.verdict.if_refused, refusal) + "; "));
  return refusal;
}

}  // namespace

PostgresBarrier::PostgresBarrier(BarrierOptions options)
    : options_(std::move(options)),
      place_(std::make_shared<PgPlace>(options_.schema, options_.table)) {}

PostgresBarrier::PostgresBarrier(BarrierOptions options, std::shared_ptr<PgPlace> place)
    : options_(std::move(options)), place_(std::move(place)) {}

Status PostgresBarrier::CreateSchema(pg_conn* connection) const {
  return PostgresTable::Create(connection, *place_, options_);
}

Result<Answer> PostgresBarrier::Run(pg_conn* connection, const Call& call, const Work& work) const {
  ENTENTE_RETURN_IF_ERROR(CheckTableName(options_.table));
  ENTENTE_RETURN_IF_ERROR(CheckCall(call));
  ENTENTE_RETURN_IF_ERROR(PgCheckIdle(connection));
  ENTENTE_ASSIGN_OR_RETURN(const std::string name, place_->Find(connection));
  PgTransaction transaction(connection, {.may_be_lost = options_.allow_lost_writes,
                                         .lock_timeout = options_.lock_timeout});
  const PostgresTable table(connection, name, call, NowOf(options_));
  const bool forward = PurposeOf(call.operation) == Purpose::kForward || call.one_phase;
  ENTENTE_ASSIGN_OR_RETURN(Entry entry, forward ? EnterForward(transaction, table, call)
                                                : EnterSettling(transaction, table, call));
  if (entry.verdict.kind != Verdict::Kind::kRun) {
    ENTENTE_RETURN_IF_ERROR(CommitIfChanged(transaction, table, entry));
    return std::move(entry.verdict.answer);
  }
  ENTENTE_ASSIGN_OR_RETURN(Answer answer,
                           RunWork(connection, transaction, table, work, entry.verdict));
  const bool refused = std::holds_alternative<RefusedAnswer>(answer);
  if (!refused || !entry.verdict.if_refused) {
    return answer;
  }
  if (transaction.open()) {
    ENTENTE_RETURN_IF_ERROR(transaction.Rollback());
  }
  return KeepRefusal(transaction, table, call, answer);
}

namespace {

std::string StateText(RowState state) {
  return std::to_string(static_cast<int>(state));
}

struct Key {
  std::string gid;
  std::string branch;
  std::string family;
  std::string alternative;
  std::string changed_at;
  RowState state = RowState::kDone;
};

// Of one state: rows of which only the coordinator knows whether they are still needed, oldest
// first.
Status AddOld(PGconn* connection, const std::string& table, const std::string& which,
              RowState state, Instant before, size_t limit, std::vector<Key>& keys) {
  const PgResult selected = PgExecute(
      connection,
      "SELECT gid, branch, family, alternative, changed_at FROM " + table +
          " WHERE state = $1 AND changed_at < $2" + which + " ORDER BY changed_at LIMIT $3",
      {StateText(state), std::to_string(ToMicros(before)), std::to_string(limit)});
  ENTENTE_RETURN_IF_ERROR(selected.ToStatus());
  for (int i = 0; i < selected.rows(); ++i) {
    keys.push_back({selected.Text(i, 0), selected.Text(i, 1), selected.Text(i, 2),
                    selected.Text(i, 3), selected.Text(i, 4), state});
  }
  return Status();
}

// Carries out what the coordinator said of a row. Those that go on are dated anew, so that the next
// purge begins with others. A row that changed meanwhile, or that a running operation holds, is
// left alone: false.
Result<bool> Mark(PGconn* connection, const std::string& table, const Key& key, bool ended,
                  Instant now) {
  const std::string change =
      !ended ? "UPDATE " + table + " SET changed_at = " + std::to_string(ToMicros(now))
      : key.state == RowState::kSuspended ? "DELETE FROM " + table
                                          : "UPDATE " + table + " SET " + kDropAnswers;
  const PgResult changed = PgExecute(
      connection,
      change +
          " WHERE (gid, branch, family, alternative) IN (SELECT gid, branch, family, alternative "
          "FROM " +
          table +
          " WHERE gid = $1 AND branch = $2 AND family = $3 AND alternative = $4 AND changed_at = "
          "$5 AND state = $6 FOR UPDATE SKIP LOCKED)",
      {key.gid, key.branch, key.family, key.alternative, key.changed_at, StateText(key.state)});
  ENTENTE_RETURN_IF_ERROR(changed.ToStatus());
  return changed.changed() == 1;
}

// Changes at most `limit` rows in `states` that are older than `before`; what a running operation
// holds is passed by.
Result<size_t> Sweep(PGconn* connection, const std::string& change, const std::string& table,
                     const std::string& states, Instant before, size_t limit) {
  const PgResult swept =
      PgExecute(connection,
                change +
                    " WHERE (gid, branch, family, alternative) IN (SELECT gid, branch, family, "
                    "alternative FROM " +
                    table + " WHERE state IN (" + states +
                    ") AND changed_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)",
                {std::to_string(ToMicros(before)), std::to_string(limit)});
  ENTENTE_RETURN_IF_ERROR(swept.ToStatus());
  return swept.changed();
}

}  // namespace

Result<PurgeReport> PostgresBarrier::Purge(pg_conn* connection, const PurgeOptions& options) const {
  ENTENTE_RETURN_IF_ERROR(CheckTableName(options_.table));
  ENTENTE_RETURN_IF_ERROR(CheckPurge(options));
  ENTENTE_RETURN_IF_ERROR(PgCheckIdle(connection));
  ENTENTE_ASSIGN_OR_RETURN(const std::string table, place_->Find(connection));
  const Instant now = NowOf(options_);
  PurgeReport report;
  // Each statement is a transaction of its own; the coordinator is asked outside of any.
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
  for (const Key& key : keys) {
    const bool ended = HasEnded(options, key.gid);
    ENTENTE_ASSIGN_OR_RETURN(const bool marked, Mark(connection, table, key, ended, now));
    CountMarked(key.state, marked && ended, report);
  }
  ENTENTE_ASSIGN_OR_RETURN(
      const size_t dropped,
      Sweep(connection, "UPDATE " + table + " SET " + kDropAnswers, table, kStatesWithOldAnswers,
            now - options.answers_after, options.max_rows));
  report.answers_dropped += dropped;
  size_t removed = 0;
  if (options.rows_after) {
    ENTENTE_ASSIGN_OR_RETURN(removed,
                             Sweep(connection, "DELETE FROM " + table, table, kStatesOfOldRows,
                                   now - *options.rows_after, options.max_rows));
  }
  report.rows_removed += removed;
  report.more = report.more || dropped == options.max_rows || removed == options.max_rows;
  return report;
}

}  // namespace entente::sdk
