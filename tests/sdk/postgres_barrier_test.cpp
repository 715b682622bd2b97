// What only PostgreSQL can do to a barrier.
#include "entente/postgres_barrier.h"

#include <barrier>
#include <thread>

#include "entente/outbox.h"
#include "entente/postgres_resource.h"
#include "participant-sdk/src/postgres/postgres_support.h"
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

// Two schemas that both have the tables, as of two tenants, and a third one without.
void MakeTenants(PGconn* connection) {
  Query(
      connection,
      "DROP SCHEMA IF EXISTS home, tenant, bare CASCADE; CREATE SCHEMA home; CREATE SCHEMA "
      "tenant; CREATE SCHEMA bare; CREATE TABLE home.effects (what text); SET search_path = home");
  REQUIRE(PostgresBarrier().CreateSchema(connection).ok());
  REQUIRE(PostgresOutbox().CreateSchema(connection).ok());
  Query(connection,
        "CREATE TABLE tenant.entente_barrier (LIKE home.entente_barrier INCLUDING ALL); "
        "CREATE TABLE tenant.entente_outbox (LIKE home.entente_outbox INCLUDING ALL)");
}

// What a business write, or a pool, may do to where names lead.
const std::vector<std::string> kOtherNames{
    "SET LOCAL search_path = tenant",
    "SET LOCAL search_path = tenant, home",
    "SET LOCAL search_path = bare",
    "SET LOCAL search_path = ''",
    "SET search_path = tenant",
    "SET search_path = bare",
    "SELECT set_config('search_path', 'tenant', true)",
    "CREATE TEMP TABLE IF NOT EXISTS entente_barrier (LIKE home.entente_barrier INCLUDING ALL)",
};

TEST_CASE("the barrier keeps to its table wherever the search path leads meanwhile") {
  for (const std::string& sql : kOtherNames) {
    CAPTURE(sql);
    const PgHandle connection = ConnectPostgres();
    MakeTenants(connection.get());
    // Said, made or found: three ways to the same table.
    const PostgresBarrier said({.schema = "home"});
    const PostgresBarrier made;
    REQUIRE(made.CreateSchema(connection.get()).ok());
    const PostgresBarrier found;
    int number = 0;
    for (const PostgresBarrier* barrier : {&said, &made, &found}) {
      CAPTURE(number);
      Query(connection.get(), "SET search_path = home");
      Call call = CallOf("g" + std::to_string(number++));
      const auto run = [&](Operation operation, const std::string& effect) {
        call.operation = operation;
        return barrier->Run(connection.get(), call, [&](PGconn* tx) -> Result<Answer> {
          Query(tx, sql);
          Query(tx, "INSERT INTO home.effects VALUES ('" + effect + "')");
          return Done(effect);
        });
      };
      CHECK(*run(Operation::kTry, "try") == Done("try"));
      CHECK(*run(Operation::kTry, "try twice") == Done("try"));
      CHECK(*run(Operation::kConfirm, "confirm") == Done("confirm"));
      CHECK(*run(Operation::kConfirm, "confirm twice") == Done("confirm"));
      CHECK(RefusalOf(run(Operation::kCancel, "cancel")) == "barrier.finished");
      CHECK(*run(Operation::kAction, "action") == Done("action"));
      CHECK(*run(Operation::kCompensate, "undo") == Done("undo"));
      CHECK(barrier->Purge(connection.get()).ok());
    }
    CHECK(Query(connection.get(), "SELECT string_agg(what, ',' ORDER BY what) FROM home.effects") ==
          "action,action,action,confirm,confirm,confirm,try,try,try,undo,undo,undo");
    CHECK(Query(connection.get(), "SELECT count(*) FROM tenant.entente_barrier") == "0");
  }
}

TEST_CASE("a prepared transaction carries its row in its own table") {
  for (const std::string& sql : kOtherNames) {
    if (sql.find("TEMP") != std::string::npos) {
      continue;  // Temporary tables can not be prepared.
    }
    CAPTURE(sql);
    const PgHandle connection = ConnectPostgres();
    MakeTenants(connection.get());
    PostgresResource resource({.node = "tenants"});
    REQUIRE(resource.CreateSchema(connection.get()).ok());
    REQUIRE(resource.Check(connection.get()).ok());
    const auto call = [](Operation operation, const std::string& gid) {
      Call each = CallOf(gid);
      each.operation = operation;
      return each;
    };
    const auto work = [&](PGconn* tx) -> Result<Answer> {
      Query(tx, sql);
      Query(tx, "INSERT INTO home.effects VALUES ('x')");
      return Done();
    };
    for (int round = 0; round < 2; ++round) {
      CHECK(*resource.Prepare(connection.get(), call(Operation::kPrepare, "c"), work) == Done());
    }
    for (int round = 0; round < 2; ++round) {
      CHECK(*resource.Commit(connection.get(), call(Operation::kCommit, "c")) == Done());
    }
    CHECK(*resource.Prepare(connection.get(), call(Operation::kPrepare, "r"), work) == Done());
    for (int round = 0; round < 2; ++round) {
      CHECK(*resource.Rollback(connection.get(), call(Operation::kRollback, "r")) == Done());
    }
    CHECK(RefusalOf(resource.Prepare(connection.get(), call(Operation::kPrepare, "r"), work)) ==
          "barrier.suspended");
    Call alone = call(Operation::kCommit, "alone");
    alone.one_phase = true;
    for (int round = 0; round < 2; ++round) {
      CHECK(*resource.Commit(connection.get(), alone, work) == Done());
    }
    CHECK(Query(connection.get(), "SELECT count(*) FROM home.effects") == "2");
    CHECK(Query(connection.get(), "SELECT count(*) FROM tenant.entente_barrier") == "0");
  }
}

TEST_CASE("what is put under another search path is delivered all the same") {
  for (const std::string& sql : kOtherNames) {
    CAPTURE(sql);
    const PgHandle connection = ConnectPostgres();
    MakeTenants(connection.get());
    const PostgresOutbox outbox({.schema = "home"});
    Query(connection.get(), "BEGIN");
    Query(connection.get(), sql);
    const auto gid =
        outbox.Put(connection.get(), {.definition = "ship", .gid = "g", .input = Json::object()});
    INFO(gid.status());
    REQUIRE(gid.ok());
    Query(connection.get(), "COMMIT");
    const PgHandle other = ConnectPostgres();
    const auto store = outbox.Open(other.get());
    const auto claimed = store->Claim(10, std::chrono::minutes(1));
    REQUIRE(claimed.ok());
    CHECK(claimed->size() == 1);
    CHECK(store->Delivered("g").ok());
    CHECK(Query(other.get(), "SELECT count(*) FROM tenant.entente_outbox") == "0");
  }
}

TEST_CASE("one object is for one schema") {
  const PgHandle connection = ConnectPostgres();
  MakeTenants(connection.get());
  const PostgresBarrier barrier;
  CHECK(barrier.CreateSchema(connection.get()).ok());
  Query(connection.get(), "SET search_path = tenant");
  CHECK(barrier.CreateSchema(connection.get()).reason() == "sdk.other_schema");
  // A schema that there is not, and a search path that leads nowhere.
  CHECK(PostgresBarrier({.schema = "nowhere"})
            .Run(connection.get(), CallOf("g"), Executing("SELECT 1"))
            .status()
            .reason() == "barrier.no_schema");
  Query(connection.get(), "SET search_path = ''");
  CHECK_FALSE(PostgresBarrier().CreateSchema(connection.get()).ok());
  // Quoted where it has to be.
  Query(connection.get(), "CREATE SCHEMA IF NOT EXISTS \"My \"\"Shop\"");
  const PostgresBarrier quoted({.table = "Rows", .schema = "My \"Shop"});
  for (int i = 0; i < 2; ++i) {
    CHECK(quoted.CreateSchema(connection.get()).ok());
    CHECK(*quoted.Run(connection.get(), CallOf("g"), Executing("SELECT 1")) == Done());
  }
}

TEST_CASE("a call does not wait for ever for what another transaction holds") {
  const PgHandle connection = Prepared("patient");
  const PgHandle holder = Another("patient");
  const auto seen = [&](const PostgresBarrier& barrier, const std::string& session) {
    static int calls = 0;
    Query(connection.get(), "SET lock_timeout = '" + session + "'");
    std::string inside;
    CHECK(barrier
              .Run(connection.get(), CallOf("g" + std::to_string(calls++)),
                   [&](PGconn* tx) -> Result<Answer> {
                     inside = Query(tx, "SHOW lock_timeout");
                     return Done();
                   })
              .ok());
    return inside;
  };
  using std::chrono::milliseconds;
  CHECK(seen(PostgresBarrier(), "0") == "2s");
  CHECK(seen(PostgresBarrier(), "1h") == "2s");
  CHECK(seen(PostgresBarrier(), "20ms") == "20ms");
  CHECK(seen(PostgresBarrier({.lock_timeout = milliseconds(50)}), "0") == "50ms");
  CHECK(seen(PostgresBarrier({.lock_timeout = milliseconds(0)}), "0") == "0");
  CHECK(seen(PostgresBarrier({.lock_timeout = milliseconds(0)}), "1min") == "1min");
  Query(connection.get(), "SET lock_timeout = 0");
  Query(holder.get(), "BEGIN");
  Query(holder.get(), "UPDATE account SET balance = 5 WHERE name = 'a'");
  const PostgresBarrier impatient({.lock_timeout = milliseconds(10)});
  const Result<Answer> answer =
      impatient.Run(connection.get(), CallOf("g"), [](PGconn* tx) -> Result<Answer> {
        const PgResult updated = PgExecute(tx, "UPDATE account SET balance = 6 WHERE name = 'a'");
        return updated.ok() ? Result<Answer>(Done()) : updated.ToStatus();
      });
  CHECK(answer.status().reason() == "barrier.busy");
  Query(holder.get(), "ROLLBACK");
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
