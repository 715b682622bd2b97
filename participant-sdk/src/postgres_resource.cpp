#include "entente/postgres_resource.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#include "entente/postgres_barrier.h"
#include "participant-sdk/src/postgres_table.h"
#include "participant-sdk/src/prepared_names.h"
#include "participant-sdk/src/prepared_transactions.h"

namespace entente::sdk {
namespace {

constexpr int kMaxRounds = 4;
// How long a rollback waits for a prepare that is under way at the same moment, each round.
constexpr std::string_view kTombstoneLockTimeout = "1s";

// In milliseconds, of which zero would be for ever.
std::string LockTimeoutText(Duration timeout) {
  if (timeout <= Duration::zero()) {
    return "";
  }
  const auto millis = std::chrono::ceil<std::chrono::milliseconds>(timeout);
  const auto most = std::chrono::milliseconds(std::numeric_limits<int32_t>::max());
  return "; SET LOCAL lock_timeout = '" + std::to_string(std::min(millis, most).count()) + "ms'";
}

// What a vote can be made of.
Status CheckVote(const Answer& answer, PGconn* connection) {
  if (PQtransactionStatus(connection) == PQTRANS_IDLE) {
    return PgEndedByWork();
  }
  const auto* done = std::get_if<DoneAnswer>(&answer);
  const bool keeps_output = done != nullptr && !done->output.is_null();
  if (keeps_output || std::holds_alternative<PendingAnswer>(answer)) {
    return Internal(
        "resource.bad_answer",
        "the work of a prepare answers Done without an output: what is prepared can not "
        "be read, so a repeat could not be given the same output");
  }
  return Status();
}

// Whether the open transaction has written or locked anything.
Result<bool> HasWritten(PGconn* connection) {
  const PgResult result =
      PgExecute(connection, "SELECT pg_current_xact_id_if_assigned() IS NOT NULL");
  ENTENTE_RETURN_IF_ERROR(result.ToStatus());
  return result.Boolean(0, 0);
}

// The names under which a call's transaction may be prepared, the likelier one first: whoever
// called the prepare (a client, or a coordinator of an earlier version) may not have said which
// coordinator it belongs to.
std::vector<std::string> NamesOf(const std::string& head, const Call& call,
                                 const std::string& database) {
  std::vector<std::string> names{PreparedName(head, call, database)};
  if (!call.coordinator.empty()) {
    Call anonymous = call;
    anonymous.coordinator.clear();
    names.push_back(PreparedName(head, anonymous, database));
  }
  return names;
}

// As FinishPrepared, of whichever name is there.
Result<Finished> FinishAny(PGconn* connection, const std::string& verb,
                           const std::vector<std::string>& names) {
  Finished finished;
  for (const std::string& name : names) {
    ENTENTE_ASSIGN_OR_RETURN(finished, FinishPrepared(connection, verb, name));
    if (finished.found || finished.refused) {
      break;
    }
  }
  return finished;
}

// What the resource does with the barrier's table, and with one-phase commits.
Status CheckPrivileges(PGconn* connection, const std::string& table) {
  const PgResult held = PgExecute(
      connection,
      "SELECT string_agg(privilege, ', ') FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) AS "
      "privilege WHERE NOT has_table_privilege($1, privilege)",
      {table});
  ENTENTE_RETURN_IF_ERROR(held.ToStatus());
  if (const auto lacking = held.OptionalText(0, 0)) {
    return FailedPrecondition("resource.no_privilege", "the user of this connection lacks " +
                                                           *lacking + " on the table '" + table +
                                                           "': GRANT SELECT, INSERT, UPDATE ON it");
  }
  return Status();
}

// One call of Prepare. Its references must outlive it.
class Preparation {
 public:
  Preparation(PGconn* connection, const PostgresTable& table, const Call& call,
              const std::vector<std::string>& names)
      : connection_(connection), table_(table), call_(call), names_(names) {}

  // The vote of an earlier call, if there was one.
  Result<std::optional<Answer>> Repeated() const {
    ENTENTE_ASSIGN_OR_RETURN(const std::optional<Row> row, table_.Read());
    if (row) {
      if (row->state == RowState::kDeclined && row->forward_answer) {
        // Its refusal has aborted the transaction: no later attempt is worth a run.
        ENTENTE_ASSIGN_OR_RETURN(Answer refusal, DecodeAnswer(*row->forward_answer));
        return std::optional<Answer>(std::move(refusal));
      }
      ENTENTE_ASSIGN_OR_RETURN(Verdict verdict, Judge(row, call_));
      return std::optional<Answer>(std::move(verdict.answer));
    }
    for (const std::string& name : names_) {
      ENTENTE_ASSIGN_OR_RETURN(const bool prepared, IsPrepared(connection_, name));
      if (prepared) {
        return std::optional<Answer>(Done());
      }
    }
    return std::optional<Answer>();
  }

  // Nothing: another call was faster, and Repeated knows more.
  Result<std::optional<Answer>> Run(const PostgresResource::Work& work,
                                    const std::string& settings) const {
    PgTransaction transaction(connection_);
    ENTENTE_RETURN_IF_ERROR(transaction.Begin(settings));
    ENTENTE_ASSIGN_OR_RETURN(Answer answer, PgGuarded(connection_, work));
    if (!IsKept(answer)) {
      return std::optional<Answer>(std::move(answer));
    }
    ENTENTE_RETURN_IF_ERROR(CheckVote(answer, connection_));
    if (PQtransactionStatus(connection_) == PQTRANS_INTRANS) {
      ENTENTE_ASSIGN_OR_RETURN(const bool written, HasWritten(connection_));
      if (!written) {
        ENTENTE_RETURN_IF_ERROR(transaction.Commit());
        return std::optional<Answer>(ReadOnly());
      }
      // Waits for a transaction that holds the same row: one that is being prepared or has been.
      const std::string committed = EncodeAnswer(Done());
      const Result<bool> first = table_.Insert(RowState::kFinished, committed, committed);
      if (!first.ok() && first.status().code() != StatusCode::kUnavailable) {
        return first.status();
      }
      if (!first.ok() || !*first) {
        return std::optional<Answer>();
      }
    }
    ENTENTE_ASSIGN_OR_RETURN(answer, PrepareTransaction(connection_, names_.front()));
    return std::optional<Answer>(std::move(answer));
  }

  // Stores a vote of NO, whose transaction is rolled back, so that a copy of the call that comes
  // late is not prepared: nobody would roll that back. Nothing: as of Run.
  Result<std::optional<Answer>> KeepRefusal(const Answer& refusal,
                                            const std::string& settings) const {
    PgTransaction transaction(connection_);
    ENTENTE_RETURN_IF_ERROR(transaction.Begin(settings));
    ENTENTE_ASSIGN_OR_RETURN(
        const bool first,
        table_.Insert(RowState::kDeclined, EncodeAnswer(refusal, call_.attempt), std::nullopt));
    if (!first) {
      return std::optional<Answer>();
    }
    ENTENTE_RETURN_IF_ERROR(transaction.Commit());
    return std::optional<Answer>(refusal);
  }

 private:
  PGconn* connection_;
  const PostgresTable& table_;
  const Call& call_;
  const std::vector<std::string>& names_;
};

}  // namespace

PostgresResource::PostgresResource(PostgresResourceOptions options)
    : options_(std::move(options)) {}

Status PostgresResource::CreateSchema(pg_conn* connection) const {
  return PostgresTable::Create(connection, options_.barrier.table);
}

Status PostgresResource::Check(pg_conn* connection) const {
  ENTENTE_RETURN_IF_ERROR(CheckPreparedNameParts(options_.prefix, options_.node));
  ENTENTE_RETURN_IF_ERROR(CheckTableName(options_.barrier.table));
  ENTENTE_RETURN_IF_ERROR(PgCheckIdle(connection));
  const PgResult limit = PgExecute(connection, "SHOW max_prepared_transactions");
  ENTENTE_RETURN_IF_ERROR(limit.ToStatus());
  if (limit.Text(0, 0) == "0") {
    return FailedPrecondition(
        "resource.not_enabled",
        "max_prepared_transactions of the PostgreSQL server is 0: set it to "
        "at least the number of transactions that are prepared at one moment, "
        "and restart the server");
  }
  return CheckPrivileges(connection, options_.barrier.table);
}

std::string PostgresResource::NameOf(const Call& call, const std::string& database) const {
  return PreparedName(PreparedNameHead(options_.prefix, options_.node), call, database);
}

Result<Answer> PostgresResource::Prepare(pg_conn* connection, const Call& call,
                                         const Work& work) const {
  ENTENTE_RETURN_IF_ERROR(CheckPreparedNameParts(options_.prefix, options_.node));
  ENTENTE_RETURN_IF_ERROR(CheckCall(call));
  ENTENTE_RETURN_IF_ERROR(PgCheckIdle(connection));
  const std::string head = PreparedNameHead(options_.prefix, options_.node);
  const std::vector<std::string> names = NamesOf(head, call, PQdb(connection));
  const std::string& name = names.front();
  if (name.size() > kMaxPreparedNameBytes) {
    return Refused("resource.name_too_long",
                   "PostgreSQL allows " + std::to_string(kMaxPreparedNameBytes) +
                       " bytes for the name of a prepared transaction, and '" + name + "' has " +
                       std::to_string(name.size()) +
                       "; shorten the gid, the names of branches or this resource's node");
  }
  const std::string settings = LockTimeoutText(options_.lock_timeout);
  const PostgresTable table(connection, options_.barrier.table, call, NowOf(options_.barrier));
  const Preparation preparation(connection, table, call, names);
  for (int round = 0; round < 2; ++round) {
    ENTENTE_ASSIGN_OR_RETURN(std::optional<Answer> repeated, preparation.Repeated());
    if (repeated) {
      return std::move(*repeated);
    }
    ENTENTE_ASSIGN_OR_RETURN(std::optional<Answer> voted, preparation.Run(work, settings));
    if (voted && std::holds_alternative<RefusedAnswer>(*voted)) {
      ENTENTE_ASSIGN_OR_RETURN(voted, preparation.KeepRefusal(*voted, settings));
    }
    if (voted) {
      return std::move(*voted);
    }
  }
  ENTENTE_ASSIGN_OR_RETURN(std::optional<Answer> repeated, preparation.Repeated());
  if (repeated) {
    return std::move(*repeated);
  }
  return Unavailable("barrier.busy", "another call is preparing this branch; ask again");
}

Result<Answer> PostgresResource::Commit(pg_conn* connection, const Call& call,
                                        const Work& work) const {
  if (call.one_phase) {
    if (!work) {
      return Refused("resource.no_one_phase", "this participant can not commit in one phase");
    }
    return PostgresBarrier(options_.barrier).Run(connection, call, work);
  }
  ENTENTE_RETURN_IF_ERROR(CheckCall(call));
  ENTENTE_RETURN_IF_ERROR(PgCheckIdle(connection));
  const std::string head = PreparedNameHead(options_.prefix, options_.node);
  const std::vector<std::string> names = NamesOf(head, call, PQdb(connection));
  ENTENTE_ASSIGN_OR_RETURN(Finished finished, FinishAny(connection, "COMMIT PREPARED", names));
  if (finished.refused) {
    return std::move(*finished.refused);
  }
  if (finished.found) {
    return Done();
  }
  const PostgresTable table(connection, options_.barrier.table, call, NowOf(options_.barrier));
  ENTENTE_ASSIGN_OR_RETURN(const std::optional<Row> row, table.Read());
  if (row && row->state == RowState::kFinished) {
    return Done();
  }
  // The coordinator commits only what voted YES, so it was here once.
  return Heuristic(HeuristicOutcome::kRolledBack,
                   "the prepared transaction '" + names.front() +
                       "' is not there and was not committed: it was rolled back by somebody else, "
                       "or never prepared");
}

namespace {

// Leaves the row that refuses a later prepare. Nothing: a prepare holds the row at this moment.
Result<std::optional<Answer>> LeaveTombstone(PGconn* connection, const PostgresTable& table,
                                             const Call& call) {
  PgTransaction transaction(connection);
  ENTENTE_RETURN_IF_ERROR(
      transaction.Begin("; SET LOCAL lock_timeout = '" + std::string(kTombstoneLockTimeout) + "'"));
  const Result<bool> inserted =
      table.Insert(RowState::kSuspended, std::nullopt, EncodeAnswer(Done()));
  if (!inserted.ok()) {
    if (inserted.status().reason() == "barrier.busy") {
      return std::optional<Answer>();
    }
    return inserted.status();
  }
  if (*inserted) {
    ENTENTE_RETURN_IF_ERROR(transaction.Commit());
    return std::optional<Answer>(Done());
  }
  ENTENTE_ASSIGN_OR_RETURN(const std::optional<Row> row, table.Read());
  if (row && row->state == RowState::kFinished) {
    return std::optional<Answer>(Heuristic(HeuristicOutcome::kCommitted,
                                           "branch '" + call.branch.str() + "' of transaction '" +
                                               call.gid.str() +
                                               "' is committed here and can not be rolled back"));
  }
  return std::optional<Answer>(Done());
}

}  // namespace

Result<Answer> PostgresResource::Rollback(pg_conn* connection, const Call& call) const {
  ENTENTE_RETURN_IF_ERROR(CheckCall(call));
  ENTENTE_RETURN_IF_ERROR(PgCheckIdle(connection));
  const std::string head = PreparedNameHead(options_.prefix, options_.node);
  const std::vector<std::string> names = NamesOf(head, call, PQdb(connection));
  const PostgresTable table(connection, options_.barrier.table, call, NowOf(options_.barrier));
  // A prepare may come in between the two statements; then both are needed again.
  for (int round = 0; round < kMaxRounds; ++round) {
    ENTENTE_ASSIGN_OR_RETURN(Finished finished, FinishAny(connection, "ROLLBACK PREPARED", names));
    if (finished.refused) {
      return std::move(*finished.refused);
    }
    ENTENTE_ASSIGN_OR_RETURN(std::optional<Answer> answer, LeaveTombstone(connection, table, call));
    if (answer) {
      return std::move(*answer);
    }
  }
  return Unavailable("barrier.busy", "another call is preparing this branch; ask again");
}

namespace {

// The decision on what is prepared under a name, if it is for `decide` to tell. That a coordinator
// does not know another one's transaction says nothing about it.
std::optional<Decision> AskFor(const std::string& name, const std::string& head,
                               const DecisionSource& decide, RecoveryReport& report) {
  const std::optional<PreparedNameParts> parts = ReadPreparedName(name, head);
  if (!parts) {
    report.unknown.push_back(name + ": it is no name that this resource gives");
    return std::nullopt;
  }
  const Result<DecisionReply> reply = decide(parts->gid);
  if (!reply.ok()) {
    report.unknown.push_back(name + ": " + reply.status().ToString());
    return std::nullopt;
  }
  if (!parts->coordinator.empty() && parts->coordinator != reply->coordinator) {
    report.foreign.push_back(
        name + ": it belongs to coordinator " + parts->coordinator + ", and was asked for at " +
        (reply->coordinator.empty() ? "one that does not say" : reply->coordinator));
    return std::nullopt;
  }
  return reply->decision;
}

// Carries a decision out. False: it is still prepared, as far as is known.
bool Settle(PGconn* connection, const std::string& name, Decision decision, bool old_enough,
            RecoveryReport& report) {
  const bool commit = decision == Decision::kCommitted;
  if (decision == Decision::kUndecided || (!commit && !old_enough)) {
    ++report.waiting;
    return false;
  }
  const Result<Finished> finished =
      FinishPrepared(connection, commit ? "COMMIT PREPARED" : "ROLLBACK PREPARED", name);
  if (finished.ok() && !finished->refused) {
    // Not found: a call, or another process's recovery, was faster.
    (commit ? report.committed : report.rolled_back) += finished->found ? 1 : 0;
    return true;
  }
  report.unknown.push_back(name + ": " +
                           (finished.ok() ? std::get<RefusedAnswer>(*finished->refused).message
                                          : finished.status().ToString()));
  return false;
}

}  // namespace

Result<RecoveryReport> PostgresResource::Recover(pg_conn* connection,
                                                 const DecisionSource& decide) {
  ENTENTE_RETURN_IF_ERROR(CheckPreparedNameParts(options_.prefix, options_.node));
  ENTENTE_RETURN_IF_ERROR(PgCheckIdle(connection));
  const std::string head = PreparedNameHead(options_.prefix, options_.node);
  const PgResult listed =
      PgExecute(connection,
                "SELECT gid FROM pg_prepared_xacts WHERE database = current_database() AND "
                "starts_with(gid, $1) ORDER BY prepared",
                {head});
  ENTENTE_RETURN_IF_ERROR(listed.ToStatus());
  const Instant now = NowOf(options_.barrier);
  const std::lock_guard lock(mutex_);
  std::map<std::string, Instant> seen;
  RecoveryReport report;
  for (int i = 0; i < listed.rows(); ++i) {
    const std::string name = listed.Text(i, 0);
    const auto known = first_seen_.find(name);
    const Instant since = known == first_seen_.end() ? now : known->second;
    const std::optional<Decision> decision = AskFor(name, head, decide, report);
    const bool old_enough = now - since >= options_.safety_interval;
    if (!decision || !Settle(connection, name, *decision, old_enough, report)) {
      seen.emplace(name, since);
    }
  }
  first_seen_ = std::move(seen);
  return report;
}

Result<PreparedReport> PostgresResource::Prepared(pg_conn* connection) const {
  ENTENTE_RETURN_IF_ERROR(PgCheckIdle(connection));
  const PgResult oldest =
      PgExecute(connection,
                "SELECT gid, (extract(epoch FROM clock_timestamp() - prepared) * 1000000)::bigint, "
                "count(*) OVER () FROM pg_prepared_xacts WHERE database = current_database() AND "
                "starts_with(gid, $1) ORDER BY prepared LIMIT 1",
                {PreparedNameHead(options_.prefix, options_.node)});
  ENTENTE_RETURN_IF_ERROR(oldest.ToStatus());
  PreparedReport report;
  if (oldest.rows() > 0) {
    report.oldest_name = oldest.Text(0, 0);
    report.oldest_age = std::max(Duration::zero(), Duration(oldest.Integer(0, 1)));
    report.count = static_cast<size_t>(oldest.Integer(0, 2));
  }
  return report;
}

}  // namespace entente::sdk
