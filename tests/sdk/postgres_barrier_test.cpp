// What only PostgreSQL can do to a barrier.
#include "entente/postgres_barrier.h"

#include <barrier>
#include <thread>

#include "participant-sdk/src/postgres_support.h"
#include "tests/sdk/postgres_connection.h"

namespace entente::sdk {
namespace {

using test::ConnectPostgres;
using test::PgHandle;
using test::Query;

Call CallOf(const std::string& gid) {
  Call call;
  call.gid = Gid(gid);
  call.branch = BranchId("b");
  return call;
}

PgHandle Prepared(const std::string& schema) {
  PgHandle connection = ConnectPostgres();
  Query(connection.get(), "CREATE SCHEMA " + schema + "; SET search_path = " + schema +
                              "; CREATE TABLE account (name text PRIMARY KEY, balance int); "
                              "INSERT INTO account VALUES ('a', 1), ('b', 1)");
  REQUIRE(PostgresBarrier().CreateSchema(connection.get()).ok());
  return connection;
}

PgHandle Another(const std::string& schema) {
  PgHandle connection = ConnectPostgres();
  Query(connection.get(), "SET search_path = " + schema);
  return connection;
}

std::string RefusalOf(const Result<Answer>& answer) {
  const auto* refused = answer.ok() ? std::get_if<RefusedAnswer>(&*answer) : nullptr;
  return refused == nullptr ? "" : refused->code;
}

PostgresBarrier::Work Executing(const std::string& sql) {
  return [sql](PGconn* tx) -> Result<Answer> {
    PQclear(PQexec(tx, sql.c_str()));
    return Done();
  };
}

TEST_CASE("a failed statement that the write kept silent about is a certain no") {
  const PgHandle connection = Prepared("silent");
  const PostgresBarrier barrier;
  Call call = CallOf("g");
  CHECK(RefusalOf(barrier.Run(connection.get(), call, Executing("SELECT nonsense"))) ==
        "barrier.work_failed");
  // A copy of the call that comes late does not run; a later attempt does.
  const auto raise = Executing("UPDATE account SET balance = 2 WHERE name = 'a'");
  CHECK(RefusalOf(barrier.Run(connection.get(), call, raise)) == "barrier.work_failed");
  CHECK(Query(connection.get(), "SELECT max(balance) FROM account") == "1");
  call.attempt = 2;
  CHECK(*barrier.Run(connection.get(), call, raise) == Done());
  // What finishes or undoes has no other way to go: that stays an error.
  call.operation = Operation::kCompensate;
  CHECK(barrier.Run(connection.get(), call, Executing("SELECT nonsense")).status().reason() ==
        "barrier.work_failed");
  CHECK(*barrier.Run(connection.get(), call, raise) == Done());
}

TEST_CASE("what fails only at the commit, and would again, is a certain no") {
  const PgHandle connection = Prepared("rejected");
  Query(connection.get(),
        "CREATE TABLE seat (number int UNIQUE DEFERRABLE INITIALLY DEFERRED); "
        "CREATE FUNCTION complain() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the box office is closed'; END $$; "
        "CREATE CONSTRAINT TRIGGER closed AFTER UPDATE ON account DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION complain()");
  const PostgresBarrier barrier;
  const auto twice = Executing("INSERT INTO seat VALUES (1), (1)");
  const auto once = Executing("INSERT INTO seat VALUES (1)");
  for (const Operation forward : {Operation::kAction, Operation::kTry, Operation::kPrepare}) {
    Call call = CallOf("g");
    call.operation = forward;
    const Result<Answer> answer = barrier.Run(connection.get(), call, twice);
    CHECK(RefusalOf(answer) == "barrier.rejected");
    CHECK_THAT(std::get<RefusedAnswer>(*answer).message, Catch::Contains("23505"));
    CHECK(*barrier.Run(connection.get(), call, once) == *answer);
  }
  const Result<Answer> closed =
      barrier.Run(connection.get(), CallOf("closed"), Executing("UPDATE account SET balance = 2"));
  CHECK(RefusalOf(closed) == "barrier.rejected");
  CHECK_THAT(std::get<RefusedAnswer>(*closed).message,
             Catch::Contains("the box office is closed") && Catch::Contains("P0001"));
  // Of what finishes or undoes it is an error, and nothing is stored.
  CHECK(*barrier.Run(connection.get(), CallOf("h"), once) == Done());
  Call undo = CallOf("h");
  undo.operation = Operation::kCompensate;
  CHECK(barrier.Run(connection.get(), undo, once).status().reason() == "barrier.rejected");
  CHECK(*barrier.Run(connection.get(), undo, Executing("DELETE FROM seat")) == Done());
  CHECK(Query(connection.get(), "SELECT count(*) FROM seat") == "0");
}

TEST_CASE("a business write that ends the transaction, in whichever way, is told so") {
  const PgHandle connection = Prepared("chained");
  const PostgresBarrier barrier;
  int number = 0;
  for (const char* ending : {"COMMIT AND CHAIN", "ROLLBACK AND CHAIN", "COMMIT; BEGIN"}) {
    CAPTURE(ending);
    const std::string gid = "g" + std::to_string(number++);
    const auto work =
        Executing(std::string(ending) + "; UPDATE account SET balance = 2 WHERE name = 'a'");
    for (const Operation operation : {Operation::kAction, Operation::kCompensate}) {
      // The row may be there already, which the barrier locked, or may have been made by it.
      const std::string name = gid + std::string(OperationName(operation));
      if (operation == Operation::kCompensate) {
        CHECK(*barrier.Run(connection.get(), CallOf(name), Executing("SELECT 1")) == Done());
      }
      Call call = CallOf(name);
      call.operation = operation;
      CHECK(barrier.Run(connection.get(), call, work).status().reason() ==
            "barrier.work_ended_transaction");
      CHECK(PQtransactionStatus(connection.get()) == PQTRANS_IDLE);
    }
  }
  CHECK(Query(connection.get(), "SELECT max(balance) FROM account") == "1");
  // A savepoint of its own is its own affair.
  CHECK(*barrier.Run(connection.get(), CallOf("savepoint"),
                     Executing("SAVEPOINT s; UPDATE account SET balance = 3; ROLLBACK TO s")) ==
        Done());
}

TEST_CASE("a deadlock between two business writes is to be asked again, by one of them") {
  const PgHandle first = Prepared("deadlock");
  const PgHandle second = Another("deadlock");
  std::barrier met(2);
  const auto transfer = [&](PGconn* connection, const std::string& gid, const std::string& one,
                            const std::string& two) {
    return PostgresBarrier().Run(connection, CallOf(gid), [&](PGconn* tx) -> Result<Answer> {
      Query(tx, "UPDATE account SET balance = 2 WHERE name = '" + one + "'");
      met.arrive_and_wait();
      PGresult* result =
          PQexec(tx, ("UPDATE account SET balance = 2 WHERE name = '" + two + "'").c_str());
      const bool updated = PQresultStatus(result) == PGRES_COMMAND_OK;
      PQclear(result);
      return updated ? Done() : Retry("deadlock", "ask again");
    });
  };
  Result<Answer> left = Done();
  std::thread other([&] { left = transfer(first.get(), "left", "a", "b"); });
  const Result<Answer> right = transfer(second.get(), "right", "b", "a");
  other.join();
  CHECK((*left == Done()) != (*right == Done()));
}

TEST_CASE("a time-out on the barrier's own row is to be asked again") {
  const PgHandle first = Prepared("timeout");
  const PgHandle second = Another("timeout");
  Query(second.get(), "SET lock_timeout = '20ms'");
  const Result<Answer> outer =
      PostgresBarrier().Run(first.get(), CallOf("g"), [&](PGconn*) -> Result<Answer> {
        const Result<Answer> inner = PostgresBarrier().Run(
            second.get(), CallOf("g"), [](PGconn*) -> Result<Answer> { return Done("second"); });
        CHECK(inner.status().code() == StatusCode::kUnavailable);
        CHECK(inner.status().reason() == "barrier.busy");
        return Done("first");
      });
  CHECK(*outer == Done("first"));
}

TEST_CASE("a connection that breaks during the write leaves nothing, and a repeat runs") {
  const PgHandle connection = Prepared("broken");
  const PgHandle other = Another("broken");
  const std::string pid = std::to_string(PQbackendPID(connection.get()));
  const auto raise = [](PGconn* tx) { Query(tx, "UPDATE account SET balance = balance + 1"); };
  const Result<Answer> answer =
      PostgresBarrier().Run(connection.get(), CallOf("g"), [&](PGconn* tx) -> Result<Answer> {
        raise(tx);
        Query(other.get(), "SELECT pg_terminate_backend(" + pid + ", 10000)");
        return Done();
      });
  CHECK(answer.status().reason() == "barrier.commit_lost");
  CHECK(PostgresBarrier()
            .Run(connection.get(), CallOf("g"), [](PGconn*) -> Result<Answer> { return Done(); })
            .status()
            .reason() == "barrier.no_connection");
  CHECK(Query(other.get(), "SELECT max(balance) FROM account") == "1");
  for (int i = 0; i < 2; ++i) {
    CHECK(PostgresBarrier()
              .Run(other.get(), CallOf("g"),
                   [&](PGconn* tx) -> Result<Answer> {
                     raise(tx);
                     return Done();
                   })
              .ok());
  }
  CHECK(Query(other.get(), "SELECT max(balance) FROM account") == "2");
}

TEST_CASE("a commit waits for the disk though the session does not") {
  const PgHandle connection = Prepared("durable");
  int calls = 0;
  const auto seen = [&](const PostgresBarrier& barrier, const std::string& session) {
    Query(connection.get(), "SET synchronous_commit = " + session);
    std::string inside;
    const Result<Answer> answer = barrier.Run(
        connection.get(), CallOf("g" + std::to_string(calls++)), [&](PGconn* tx) -> Result<Answer> {
          inside = Query(tx, "SHOW synchronous_commit");
          return Done();
        });
    CHECK(answer.ok());
    CHECK(Query(connection.get(), "SHOW synchronous_commit") == session);
    return inside;
  };
  CHECK(seen(PostgresBarrier(), "off") == "on");
  CHECK(seen(PostgresBarrier(), "on") == "on");
  CHECK(seen(PostgresBarrier(), "remote_apply") == "remote_apply");
  CHECK(seen(PostgresBarrier({.allow_lost_writes = true}), "off") == "off");
}

TEST_CASE("a transaction of which only the beginning worked is rolled back") {
  const PgHandle connection = ConnectPostgres();
  {
    PgTransaction transaction(connection.get());
    CHECK_FALSE(transaction.Begin("; SET LOCAL lock_timeout = 'nonsense'").ok());
    CHECK(PQtransactionStatus(connection.get()) == PQTRANS_INERROR);
  }
  CHECK(PQtransactionStatus(connection.get()) == PQTRANS_IDLE);
}

TEST_CASE("a connection that breaks before the write is turned away") {
  const PgHandle connection = Prepared("cut");
  const PgHandle other = Another("cut");
  Query(other.get(), "SELECT pg_terminate_backend(" +
                         std::to_string(PQbackendPID(connection.get())) + ", 10000)");
  bool ran = false;
  const Result<Answer> answer =
      PostgresBarrier().Run(connection.get(), CallOf("g"), [&](PGconn*) -> Result<Answer> {
        ran = true;
        return Done();
      });
  CHECK(answer.status().code() == StatusCode::kUnavailable);
  CHECK_FALSE(ran);
}

}  // namespace
}  // namespace entente::sdk
