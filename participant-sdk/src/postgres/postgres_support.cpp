#include "participant-sdk/src/postgres/postgres_support.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <exception>
#include <limits>
#include <vector>

namespace entente::sdk {
namespace {

// SQLSTATEs after which the same transaction may well succeed.
constexpr std::array<std::string_view, 8> kBusyStates{
    "40001",  // serialization_failure
    "40P01",  // deadlock_detected
    "55P03",  // lock_not_available
    "57014",  // query_canceled: a time-out
    "53300",  // too_many_connections
    "57P01",  // admin_shutdown
    "57P02",  // crash_shutdown
    "57P03",  // cannot_connect_now
};
constexpr std::string_view kUndefinedTable = "42P01";
constexpr std::string_view kFailedTransaction = "25P02";

constexpr std::array<std::string_view, 4> kRefusingClasses{
    "22",  // data exception
    "23",  // integrity constraint violation: a deferred one
    "42",  // syntax error or access rule violation: a privilege
    "P0",  // raised by a function: a deferred trigger
};

// Fails, with this text in the error and in the server's log, unless the transaction is ours.
constexpr std::string_view kEndedText = "the business write ended its transaction";
std::string CheckOursText() {
  return "SELECT (CASE WHEN " + std::string(kPgOursText) + " THEN '1' ELSE '" +
         std::string(kEndedText) + "' END)::int; ";
}

// A session's own shorter one stays, which tells apart what is set to zero: for ever.
std::string LockTimeoutText(Duration timeout) {
  if (timeout <= Duration::zero()) {
    return "";
  }
  const auto most = std::chrono::milliseconds(std::numeric_limits<int32_t>::max());
  const auto millis = std::min(std::chrono::ceil<std::chrono::milliseconds>(timeout), most);
  const std::string text = "'" + std::to_string(millis.count()) + "ms'";
  return ", CASE WHEN pg_catalog.current_setting('lock_timeout')::interval BETWEEN '1ms' AND " +
         text + " THEN NULL ELSE pg_catalog.set_config('lock_timeout', " + text + ", true) END";
}

bool IsBusy(const std::string& state) {
  for (const std::string_view busy : kBusyStates) {
    if (state == busy) {
      return true;
    }
  }
  return false;
}

Status FailedByWork() {
  return Internal("barrier.work_failed",
                  "PostgreSQL rolled the transaction back: one of its statements had failed, and "
                  "the business write answered as if it had not");
}

// What became of a transaction that was to be committed.
Status CommitFailed(const PgResult& result, PGconn* connection) {
  const std::string state = result.sqlstate();
  if (state.empty() || PQstatus(connection) != CONNECTION_OK) {
    return UnknownOutcome(
        "barrier.commit_lost",
        "the connection to PostgreSQL broke during the commit: " + result.message());
  }
  if (result.message().find(kEndedText) != std::string::npos) {
    return PgEndedByWork();
  }
  if (state == kFailedTransaction) {
    return FailedByWork();
  }
  // Idle: COMMIT itself failed, and no statement sent along with it.
  if (PQtransactionStatus(connection) == PQTRANS_IDLE && PgRefusesForGood(state)) {
    return FailedPrecondition("barrier.rejected",
                              "PostgreSQL rejected what the transaction wrote when it was to be "
                              "committed: " +
                                  result.message() + " (SQLSTATE " + state + ")");
  }
  return result.ToStatus();
}

}  // namespace

bool PgRefusesForGood(std::string_view sqlstate) {
  return std::find(kRefusingClasses.begin(), kRefusingClasses.end(), sqlstate.substr(0, 2)) !=
         kRefusingClasses.end();
}

Status PgResult::ToStatus() const {
  if (ok()) {
    return Status();
  }
  const std::string state = sqlstate();
  if (state.empty()) {
    return Unavailable("barrier.no_connection",
                       "the connection to PostgreSQL is lost: " + message());
  }
  const std::string text = message() + " (SQLSTATE " + state + ")";
  if (IsBusy(state)) {
    return Unavailable("barrier.busy", text + "; ask again");
  }
  if (message().find(kPgRowLostText) != std::string::npos) {
    return Internal("barrier.row_lost",
                    "nothing was committed: the barrier's row of this call was removed or replaced "
                    "while its business write ran, by that write or beside the barrier");
  }
  if (state == kUndefinedTable) {
    return FailedPrecondition("barrier.no_schema", text + "; call CreateSchema at start");
  }
  return Internal("postgres.error", text);
}

PgResult PgExecute(PGconn* connection, const std::string& sql) {
  return PgResult(PQexec(connection, sql.c_str()), connection);
}

PgResult PgExecute(PGconn* connection, const std::string& sql,
                   std::initializer_list<PgValue> values) {
  std::vector<const char*> pointers;
  pointers.reserve(values.size());
  for (const PgValue& value : values) {
    pointers.push_back(value ? value->c_str() : nullptr);
  }
  return PgResult(PQexecParams(connection, sql.c_str(), static_cast<int>(pointers.size()), nullptr,
                               pointers.data(), nullptr, nullptr, 0),
                  connection);
}

Status PgRun(PGconn* connection, const std::string& sql) {
  return PgExecute(connection, sql).ToStatus();
}

std::string PgLiteral(PGconn* connection, const PgValue& text) {
  if (!text) {
    return "NULL";
  }
  // Fails for text that is broken in the connection's encoding, which the server would refuse too;
  // what stands instead is no statement.
  char* quoted = PQescapeLiteral(connection, text->data(), text->size());
  std::string literal = quoted == nullptr ? "<text in a wrong encoding>" : quoted;
  PQfreemem(quoted);
  return literal;
}

Status PgReconnect(PGconn* connection) {
  if (PQstatus(connection) == CONNECTION_OK) {
    return Status();
  }
  PQreset(connection);
  if (PQstatus(connection) != CONNECTION_OK) {
    return Unavailable("barrier.no_connection",
                       "cannot connect to PostgreSQL again: " + PgErrorOf(connection));
  }
  return Status();
}

Status PgCheckIdle(PGconn* connection) {
  if (PQstatus(connection) != CONNECTION_OK) {
    return Unavailable("barrier.no_connection",
                       "the connection to PostgreSQL is lost: " + PgErrorOf(connection));
  }
  if (PQtransactionStatus(connection) != PQTRANS_IDLE) {
    return FailedPrecondition("barrier.in_transaction",
                              "the connection is in a transaction or busy; an idle one is needed");
  }
  return Status();
}

Result<Answer> PgGuarded(PGconn* connection, const std::function<Result<Answer>(PGconn*)>& work) {
  try {
    return work(connection);
  } catch (const std::exception& error) {
    return Internal("barrier.work_threw", std::string("the business write threw: ") + error.what());
  } catch (...) {
    return Internal("barrier.work_threw", "the business write threw what is no exception");
  }
}

Status PgEndedByWork() {
  return Internal("barrier.work_ended_transaction",
                  "the business write committed or rolled back its transaction; it must leave that "
                  "to its caller");
}

PgTransaction::~PgTransaction() {
  if (begun_ && open()) {
    (void)PgExecute(connection_, "ROLLBACK");
  }
}

std::string PgTransaction::BeginText() const {
  // Gone with the transaction that it is set in.
  constexpr const char* kOurs = "SELECT pg_catalog.set_config('entente.transaction', 'ours', true)";
  // Only where it is off: `SET LOCAL ... = on` would lower a session that waits for its standbys.
  constexpr const char* kOnDisk =
      ", CASE pg_catalog.current_setting('synchronous_commit') WHEN 'off' THEN "
      "pg_catalog.set_config('synchronous_commit', 'on', true) END";
  return std::string("BEGIN ISOLATION LEVEL READ COMMITTED; ") + kOurs +
         (options_.may_be_lost ? "" : kOnDisk) + LockTimeoutText(options_.lock_timeout);
}

Status PgTransaction::Begin(const std::string& more) {
  // Set before: BEGIN may work and a statement after it fail.
  begun_ = true;
  return PgRun(connection_, BeginText() + more);
}

PgResult PgTransaction::BeginWith(const std::string& statement) {
  begun_ = true;
  return PgExecute(connection_, BeginText() + "; " + statement);
}

Status PgTransaction::Commit(const std::string& last) {
  const PgResult committed = PgExecute(connection_, CheckOursText() + last + "COMMIT");
  if (!committed.ok()) {
    return CommitFailed(committed, connection_);
  }
  if (committed.tag() != "COMMIT") {
    return FailedByWork();
  }
  return Status();
}

Status PgTransaction::Rollback() {
  begun_ = false;
  return PgRun(connection_, "ROLLBACK");
}

bool PgTransaction::open() const {
  const PGTransactionStatusType status = PQtransactionStatus(connection_);
  return status == PQTRANS_INTRANS || status == PQTRANS_INERROR;
}

}  // namespace entente::sdk
