#include "entente/postgres_resource.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "entente/postgres_barrier.h"
#include "participant-sdk/src/postgres/postgres_table.h"
#include "participant-sdk/src/postgres/prepared_names.h"
#include "participant-sdk/src/postgres/prepared_transactions.h"

namespace entente::sdk {
namespace {

constexpr int kMaxRounds = 4;
// How long a rollback waits for a prepare that is under way at the same moment, each round.
constexpr Duration kTombstoneLockTimeout = std::chrono::seconds(1);

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

struct Traces {
  bool ours = false;     // It is the transaction in which the work began.
  bool written = false;  // It wrote something or locked rows.
};
// Of the open transaction. Other locks (LOCK TABLE, advisory ones) leave no trace that could be
// asked for.
Result<Traces> TracesOf(PGconn* connection) {
  const PgResult result =
      PgExecute(connection,
                "SELECT pg_current_xact_id_if_assigned() IS NOT NULL, " + std::string(kPgOursText));
  ENTENTE_RETURN_IF_ERROR(result.ToStatus());
  return Traces{.ours = result.Boolean(0, 1), .written = result.Boolean(0, 0)};
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
    finished.anonymous = &name != &names.front();
    if (finished.found || finished.refused) {
      break;
    }
  }
  return finished;
}

// The row that was committed is its coordinator's from now on. That coordinator hears of it in any
// case: the row, if this failed, is adopted by its repeat.
Answer CommittedAnonymous(const PostgresTable& table) {
  (void)table.ReadAdopted();
  return Done();
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
    ENTENTE_ASSIGN_OR_RETURN(const std::optional<Row> row, table_.ReadAdopted());
    if (row) {
      if (std::optional<Answer> other = OfAnotherCoordinator(*row, call_)) {
        return other;
      }
      if (row->state == RowState::kDeclined && row->forward_answer) {
        // Its refusal has aborted the transaction: no later attempt is worth a run.
        ENTENTE_ASSIGN_OR_RETURN(Answer refusal, DecodeAnswer(*row->forward_answer));
        return std::optional<Answer>(std::move(refusal));
      }
      ENTENTE_ASSIGN_OR_RETURN(Verdict verdict, Judge(row, call_));
      return std::optional<Answer>(std::move(verdict.answer));
    }
    ENTENTE_ASSIGN_OR_RETURN(const NameState state,
                             StateOfNames(connection_, table_.name(), call_.gid, names_));
    if (state == NameState::kRolledBack) {
      return std::optional<Answer>(
          Refused("barrier.suspended", "branch '" + call_.branch.str() + "' of transaction '" +
                                           call_.gid.str() +
                                           "' was prepared before and rolled back by recovery, "
                                           "since it was aborted"));
    }
    return state == NameState::kPrepared ? std::optional<Answer>(Done()) : std::nullopt;
  }

  // Nothing: another call was faster, and Repeated knows more.
  Result<std::optional<Answer>> Run(const PostgresResource::Work& work,
                                    Duration lock_timeout) const {
    PgTransaction transaction(connection_, {.lock_timeout = lock_timeout});
    ENTENTE_RETURN_IF_ERROR(transaction.Begin());
    ENTENTE_ASSIGN_OR_RETURN(Answer answer, PgGuarded(connection_, work));
    if (!IsKept(answer)) {
      return std::optional<Answer>(std::move(answer));
    }
    ENTENTE_RETURN_IF_ERROR(CheckVote(answer, connection_));
    if (PQtransactionStatus(connection_) == PQTRANS_INTRANS) {
      ENTENTE_ASSIGN_OR_RETURN(const Traces traces, TracesOf(connection_));
      if (!traces.ours) {
        return PgEndedByWork();
      }
      if (!traces.written) {
        ENTENTE_RETURN_IF_ERROR(transaction.Commit());
        return std::optional<Answer>(ReadOnly());
      }
      // Waits for a transaction that holds the same row: one that is being prepared or has been.
      const std::string committed = EncodeAnswer(Done());
      const auto first = table_.Insert(RowState::kFinished, committed, committed);
      if (!first.ok() && first.status().code() != StatusCode::kUnavailable) {
        return first.status();
      }
      if (!first.ok() || !first->made) {
        return std::optional<Answer>();
      }
    }
    ENTENTE_ASSIGN_OR_RETURN(answer, PrepareTransaction(connection_, names_.front()));
    return std::optional<Answer>(std::move(answer));
  }

  // Stores a vote of NO, whose transaction is rolled back, so that a copy of the call that comes
  // late is not prepared: nobody would roll that back. Nothing: as of Run.
  Result<std::optional<Answer>> KeepRefusal(const Answer& refusal, Duration lock_timeout) const {
    PgTransaction transaction(connection_, {.lock_timeout = lock_timeout});
    ENTENTE_RETURN_IF_ERROR(transaction.Begin());
    ENTENTE_ASSIGN_OR_RETURN(
        const PostgresTable::Insertion first,
        table_.Insert(RowState::kDeclined, EncodeAnswer(refusal, call_.attempt), std::nullopt));
    if (!first.made) {
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
    : options_(std::move(options)),
      place_(std::make_shared<PgPlace>(options_.barrier.schema, options_.barrier.table)) {}

Status PostgresResource::CreateSchema(pg_conn* connection) const {
  return PostgresTable::Create(connection, *place_, options_.barrier);
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
  ENTENTE_ASSIGN_OR_RETURN(const std::string table, place_->Find(connection));
  return CheckPrivileges(connection, table);
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
  ENTENTE_ASSIGN_OR_RETURN(const std::string qualified, place_->Find(connection));
  const PostgresTable table(connection, qualified, call, NowOf(options_.barrier));
  const Preparation preparation(connection, table, call, names);
  for (int round = 0; round < 2; ++round) {
    ENTENTE_ASSIGN_OR_RETURN(std::optional<Answer> repeated, preparation.Repeated());
    if (repeated) {
      return std::move(*repeated);
    }
    ENTENTE_ASSIGN_OR_RETURN(std::optional<Answer> voted,
                             preparation.Run(work, options_.lock_timeout));
    if (voted && std::holds_alternative<RefusedAnswer>(*voted)) {
      ENTENTE_ASSIGN_OR_RETURN(voted, preparation.KeepRefusal(*voted, options_.lock_timeout));
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
    BarrierOptions options = options_.barrier;
    options.lock_timeout = options_.lock_timeout;
    return PostgresBarrier(std::move(options), place_).Run(connection, call, work);
  }
  ENTENTE_RETURN_IF_ERROR(CheckCall(call));
  ENTENTE_RETURN_IF_ERROR(PgCheckIdle(connection));
  const std::string head = PreparedNameHead(options_.prefix, options_.node);
  const std::vector<std::string> names = NamesOf(head, call, PQdb(connection));
  ENTENTE_ASSIGN_OR_RETURN(const std::string qualified, place_->Find(connection));
  ENTENTE_ASSIGN_OR_RETURN(Finished finished, FinishAny(connection, "COMMIT PREPARED", names));
  if (finished.refused) {
    return std::move(*finished.refused);
  }
  const PostgresTable table(connection, qualified, call, NowOf(options_.barrier));
  if (finished.found) {
    return finished.anonymous ? CommittedAnonymous(table) : Done();
  }
  ENTENTE_ASSIGN_OR_RETURN(const std::optional<Row> row, table.ReadAdopted());
  if (row) {
    if (std::optional<Answer> other = OfAnotherCoordinator(*row, call)) {
      return std::move(*other);
    }
  }
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

// Leaves the row that refuses a later prepare. It may be purged in time if the prepare came (then
// `undone`), and never if it may still come. Nothing: a prepare holds the row at this moment.
Result<std::optional<Answer>> LeaveTombstone(PGconn* connection, const PostgresTable& table,
                                             const Call& call, bool undone) {
  PgTransaction transaction(connection, {.lock_timeout = kTombstoneLockTimeout});
  ENTENTE_RETURN_IF_ERROR(transaction.Begin());
  const auto inserted = table.Insert(undone ? RowState::kUndone : RowState::kSuspended,
                                     std::nullopt, EncodeAnswer(Done()));
  if (!inserted.ok()) {
    if (inserted.status().reason() == "barrier.busy") {
      return std::optional<Answer>();
    }
    return inserted.status();
  }
  if (inserted->made) {
    ENTENTE_RETURN_IF_ERROR(transaction.Commit());
    return std::optional<Answer>(Done());
  }
  // Nothing was written here.
  ENTENTE_RETURN_IF_ERROR(transaction.Rollback());
  ENTENTE_ASSIGN_OR_RETURN(const std::optional<Row> row, table.ReadAdopted());
  if (row) {
    if (std::optional<Answer> other = OfAnotherCoordinator(*row, call)) {
      return other;
    }
  }
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
  ENTENTE_ASSIGN_OR_RETURN(const std::string qualified, place_->Find(connection));
  const PostgresTable table(connection, qualified, call, NowOf(options_.barrier));
  bool undone = false;
  // A prepare may come in between the two statements; then both are needed again.
  for (int round = 0; round < kMaxRounds; ++round) {
    ENTENTE_ASSIGN_OR_RETURN(Finished finished, FinishAny(connection, "ROLLBACK PREPARED", names));
    if (finished.refused) {
      return std::move(*finished.refused);
    }
    undone = undone || finished.found;
    ENTENTE_ASSIGN_OR_RETURN(std::optional<Answer> answer,
                             LeaveTombstone(connection, table, call, undone));
    if (answer) {
      return std::move(*answer);
    }
  }
  return Unavailable("barrier.busy", "another call is preparing this branch; ask again");
}

}  // namespace entente::sdk
