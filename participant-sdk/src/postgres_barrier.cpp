#include "entente/postgres_barrier.h"

#include <utility>
#include <vector>

#include "participant-sdk/src/postgres_table.h"

namespace entente::sdk {
namespace {

// A statement of the work failed and the work did not say so: what it wrote is lost already.
Status FailedByWork() {
  return Internal("barrier.work_failed",
                  "a statement of the business write failed, so nothing of it can be committed, "
                  "though it was answered as done");
}

// Runs the work inside the open transaction and leaves in it what is to be committed. A
// transaction that is to be rolled back is left to its owner: `keep` says which.
Result<Answer> RunWork(PGconn* connection, const PostgresTable& table,
                       const PostgresBarrier::Work& work, const Verdict& verdict, bool& keep) {
  if (verdict.decides) {
    ENTENTE_RETURN_IF_ERROR(PgRun(connection, "SAVEPOINT entente_barrier_work"));
  }
  Result<Answer> answer = PgGuarded(connection, work);
  if (!answer.ok()) {
    return answer;
  }
  if (PQtransactionStatus(connection) == PQTRANS_IDLE) {
    return PgEndedByWork();
  }
  RowState next = verdict.next;
  if (verdict.decides && std::holds_alternative<RefusedAnswer>(*answer)) {
    ENTENTE_RETURN_IF_ERROR(PgRun(connection, "ROLLBACK TO entente_barrier_work"));
    next = RowState::kRefused;
  } else if (!IsKept(*answer)) {
    return answer;
  }
  if (PQtransactionStatus(connection) == PQTRANS_INERROR) {
    return FailedByWork();
  }
  ENTENTE_RETURN_IF_ERROR(table.Update(next, *answer));
  keep = true;
  return answer;
}

// The verdict on a call whose branch has no row in this transaction's view. The row is made first:
// it is the lock that whoever else brings the same call waits for.
Result<Verdict> JudgeFresh(const PostgresTable& table, const Call& call, bool& fresh) {
  ENTENTE_ASSIGN_OR_RETURN(Verdict verdict, Judge(std::nullopt, call));
  fresh = false;
  if (verdict.kind == Verdict::Kind::kAnswer) {
    return verdict;
  }
  const bool record = verdict.kind == Verdict::Kind::kRecord;
  const std::optional<std::string> answer =
      record ? std::optional<std::string>(EncodeAnswer(verdict.answer)) : std::nullopt;
  ENTENTE_ASSIGN_OR_RETURN(fresh, table.Insert(verdict.next, std::nullopt, answer));
  return verdict;
}

Result<Verdict> JudgeExisting(const PostgresTable& table, const Call& call) {
  ENTENTE_ASSIGN_OR_RETURN(const std::optional<Row> row, table.Lock());
  if (!row) {
    return Unavailable("barrier.busy", "the branch's row was purged at this moment; ask again");
  }
  return Judge(row, call);
}

// Forward calls and first undos most often have no row; what finishes has one.
Result<Verdict> Enter(const PostgresTable& table, const Call& call, bool& fresh) {
  fresh = false;
  if (PurposeOf(call.operation) == Purpose::kForward || call.one_phase) {
    ENTENTE_ASSIGN_OR_RETURN(Verdict verdict, JudgeFresh(table, call, fresh));
    return fresh ? std::move(verdict) : JudgeExisting(table, call);
  }
  ENTENTE_ASSIGN_OR_RETURN(const std::optional<Row> row, table.Lock());
  if (row) {
    return Judge(row, call);
  }
  ENTENTE_ASSIGN_OR_RETURN(Verdict verdict, JudgeFresh(table, call, fresh));
  if (fresh || verdict.kind == Verdict::Kind::kAnswer) {
    return verdict;
  }
  return JudgeExisting(table, call);
}

}  // namespace

PostgresBarrier::PostgresBarrier(BarrierOptions options) : options_(std::move(options)) {}

Status PostgresBarrier::CreateSchema(pg_conn* connection) const {
  return PostgresTable::Create(connection, options_.table);
}

Result<Answer> PostgresBarrier::Run(pg_conn* connection, const Call& call, const Work& work) const {
  ENTENTE_RETURN_IF_ERROR(CheckTableName(options_.table));
  ENTENTE_RETURN_IF_ERROR(CheckCall(call));
  ENTENTE_RETURN_IF_ERROR(PgCheckIdle(connection));
  PgTransaction transaction(connection);
  ENTENTE_RETURN_IF_ERROR(transaction.Begin());
  const PostgresTable table(connection, options_.table, call, NowOf(options_));
  bool keep = false;
  ENTENTE_ASSIGN_OR_RETURN(Verdict verdict, Enter(table, call, keep));
  Answer answer = std::move(verdict.answer);
  if (verdict.kind == Verdict::Kind::kRun) {
    keep = false;
    ENTENTE_ASSIGN_OR_RETURN(answer, RunWork(connection, table, work, verdict, keep));
  } else if (verdict.raise_epoch) {
    ENTENTE_RETURN_IF_ERROR(table.RaiseEpoch());
    keep = true;
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
  std::string alternative;
  std::string changed_at;
};

// Sagas whose action stands, oldest first.
Result<std::vector<Key>> OldSagas(PGconn* connection, const std::string& table, Instant before,
                                  size_t limit) {
  const PgResult selected = PgExecute(
      connection,
      "SELECT gid, branch, alternative, changed_at FROM " + table +
          " WHERE state = 1 AND changed_at < $1 AND family = 'saga' ORDER BY changed_at LIMIT $2",
      {std::to_string(ToMicros(before)), std::to_string(limit)});
  ENTENTE_RETURN_IF_ERROR(selected.ToStatus());
  std::vector<Key> keys;
  for (int i = 0; i < selected.rows(); ++i) {
    keys.push_back(
        {selected.Text(i, 0), selected.Text(i, 1), selected.Text(i, 2), selected.Text(i, 3)});
  }
  return keys;
}

// Those that go on are dated anew, so that the next purge begins with others. A row that changed
// meanwhile is left alone.
Result<size_t> MarkSaga(PGconn* connection, const std::string& table, const Key& key, bool ended,
                        Instant now) {
  const PgResult updated = PgExecute(
      connection,
      "UPDATE " + table + " SET " +
          (ended ? "state = 11, forward_answer = NULL, settle_answer = NULL"
                 : "changed_at = " + std::to_string(ToMicros(now))) +
          " WHERE gid = $1 AND branch = $2 AND family = 'saga' AND alternative = $3 AND state = 1 "
          "AND changed_at = $4",
      {key.gid, key.branch, key.alternative, key.changed_at});
  ENTENTE_RETURN_IF_ERROR(updated.ToStatus());
  return ended ? updated.changed() : 0;
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
  const std::string& table = options_.table;
  const Instant now = NowOf(options_);
  PurgeReport report;
  // Each statement is a transaction of its own; the coordinator is asked outside of any.
  if (options.has_ended) {
    ENTENTE_ASSIGN_OR_RETURN(
        const std::vector<Key> keys,
        OldSagas(connection, table, now - options.answers_after, options.max_rows));
    report.more = keys.size() == options.max_rows;
    for (const Key& key : keys) {
      const Result<bool> ended = options.has_ended(Gid(key.gid));
      ENTENTE_ASSIGN_OR_RETURN(const size_t marked,
                               MarkSaga(connection, table, key, ended.ok() && *ended, now));
      report.answers_dropped += marked;
    }
  }
  ENTENTE_ASSIGN_OR_RETURN(
      const size_t dropped,
      Sweep(connection,
            "UPDATE " + table +
                " SET state = state + 10, forward_answer = NULL, settle_answer = NULL",
            table, "2, 3", now - options.answers_after, options.max_rows));
  report.answers_dropped += dropped;
  if (options.rows_after) {
    ENTENTE_ASSIGN_OR_RETURN(report.rows_removed,
                             Sweep(connection, "DELETE FROM " + table, table, "11, 12, 13",
                                   now - *options.rows_after, options.max_rows));
  }
  report.more =
      report.more || dropped == options.max_rows || report.rows_removed == options.max_rows;
  return report;
}

}  // namespace entente::sdk
