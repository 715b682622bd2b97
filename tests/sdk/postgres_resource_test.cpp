// Two-phase commit against a real PostgreSQL, trap by trap.
#include "entente/postgres_resource.h"

#include <atomic>
#include <barrier>
#include <cstdlib>
#include <set>
#include <thread>

#include "base/limits.h"
#include "entente/postgres_barrier.h"
#include "tests/sdk/postgres_connection.h"

namespace entente::sdk {
namespace {

using test::ConnectPostgres;
using test::PgHandle;
using test::Query;

// A resource in a schema and with a node of its own.
class Desk {
 public:
  Desk() {
    static std::atomic<int> count{0};
    node = "node" + std::to_string(count++);
    const PgHandle setup = ConnectPostgres();
    Query(setup.get(), "CREATE SCHEMA " + node);
    Query(setup.get(), "CREATE TABLE " + node + ".ledger (effect text)");
    connection = Connect();
    REQUIRE(resource().CreateSchema(connection.get()).ok());
  }
  ~Desk() {
    // A prepared transaction that a failed test left would hold up the others.
    const PgHandle cleaner = ConnectPostgres();
    PGresult* left =
        PQexec(cleaner.get(), ("SELECT gid FROM pg_prepared_xacts WHERE gid LIKE '%:" + node +
                               ":%' AND database = current_database()")
                                  .c_str());
    for (int i = 0; i < PQntuples(left); ++i) {
      PQclear(PQexec(cleaner.get(),
                     ("ROLLBACK PREPARED '" + std::string(PQgetvalue(left, i, 0)) + "'").c_str()));
    }
    PQclear(left);
  }

  PgHandle Connect(const std::string& more = {}) const {
    PgHandle made = ConnectPostgres(more);
    Query(made.get(), "SET search_path = " + node);
    return made;
  }
  void Reconnect() { connection = Connect(); }

  PostgresResource& resource() {
    if (!resource_) {
      PostgresResourceOptions options;
      options.node = node;
      options.lock_timeout = lock_timeout;
      options.barrier.now = [this] { return now; };
      resource_.emplace(options);
    }
    return *resource_;
  }
  // As a process that starts again: nothing is remembered.
  void Restart() { resource_.reset(); }

  Answer Prepare(const std::string& gid, const std::string& effect = "x") {
    return Prepare(gid, [effect](PGconn* tx) -> Result<Answer> {
      PQclear(PQexec(tx, ("INSERT INTO ledger VALUES ('" + effect + "')").c_str()));
      return Done();
    });
  }
  Answer Prepare(const std::string& gid, const PostgresResource::Work& work) {
    return Ok(resource().Prepare(connection.get(), CallOf(Operation::kPrepare, gid), work));
  }
  Answer Commit(const std::string& gid) {
    return Ok(resource().Commit(connection.get(), CallOf(Operation::kCommit, gid)));
  }
  Answer Rollback(const std::string& gid) {
    return Ok(resource().Rollback(connection.get(), CallOf(Operation::kRollback, gid)));
  }
  RecoveryReport Recover(const DecisionSource& decide) {
    const Result<RecoveryReport> report = resource().Recover(connection.get(), decide);
    INFO(report.status());
    REQUIRE(report.ok());
    return *report;
  }
  Call CallOf(Operation operation, const std::string& gid) {
    Call call;
    call.gid = Gid(gid);
    call.branch = BranchId("room");
    call.operation = operation;
    call.epoch = Epoch(1);
    call.coordinator = coordinator;
    return call;
  }
  static Answer Ok(const Result<Answer>& answer) {
    INFO(answer.status());
    REQUIRE(answer.ok());
    return *answer;
  }

  std::string Name(const std::string& gid) {
    return resource().NameOf(CallOf(Operation::kPrepare, gid), PQdb(connection.get()));
  }
  std::string Ledger() { return Query(connection.get(), "SELECT count(*) FROM ledger"); }
  size_t Prepared() { return resource().Prepared(connection.get())->count; }

  std::string node;
  PgHandle connection;
  Duration lock_timeout = std::chrono::seconds(30);
  std::string coordinator = {};
  Instant now = InstantFromMicros(1'700'000'000'000'000);

 private:
  std::optional<PostgresResource> resource_;
};

std::string RefusalOf(const Answer& answer) {
  const auto* refused = std::get_if<RefusedAnswer>(&answer);
  return refused == nullptr ? "" : refused->code;
}
std::optional<HeuristicOutcome> HeuristicOf(const Answer& answer) {
  const auto* heuristic = std::get_if<HeuristicAnswer>(&answer);
  return heuristic == nullptr ? std::nullopt : std::optional(heuristic->outcome);
}

PostgresResource::Work Executing(const std::string& sql) {
  return [sql](PGconn* tx) -> Result<Answer> {
    PQclear(PQexec(tx, sql.c_str()));
    return Done();
  };
}

DecisionSource Deciding(Decision decision) {
  return [decision](const Gid&) -> Result<DecisionReply> { return DecisionReply{decision}; };
}

// The cluster's tool: stop, kill, start.
void Cluster(const std::string& verb, bool may_fail = false) {
  const std::string command = std::string(std::getenv("ENTENTE_TEST_POSTGRES_TOOL")) + " " + verb +
                              (may_fail ? " >/dev/null 2>&1" : "");
  const int status = std::system(command.c_str());
  if (!may_fail) {
    REQUIRE(status == 0);
  }
}

TEST_CASE("prepare, commit: the write is seen after the commit only") {
  Desk desk;
  CHECK(desk.Prepare("g") == Done());
  CHECK(desk.Ledger() == "0");
  CHECK(desk.Prepared() == 1);
  CHECK(desk.Commit("g") == Done());
  CHECK(desk.Ledger() == "1");
  CHECK(desk.Prepared() == 0);
}

TEST_CASE("prepare, rollback: nothing stays and no late prepare comes in") {
  Desk desk;
  CHECK(desk.Prepare("g") == Done());
  CHECK(desk.Rollback("g") == Done());
  CHECK(desk.Rollback("g") == Done());
  CHECK(RefusalOf(desk.Prepare("g")) == "barrier.suspended");
  CHECK(desk.Ledger() == "0");
  CHECK(desk.Prepared() == 0);
}

TEST_CASE("a rollback before its prepare is recorded") {
  Desk desk;
  CHECK(desk.Rollback("g") == Done());
  CHECK(RefusalOf(desk.Prepare("g")) == "barrier.suspended");
}

TEST_CASE("repeats do not run again, before and after the decision") {
  Desk desk;
  CHECK(desk.Prepare("g") == Done());
  CHECK(desk.Prepare("g") == Done());
  CHECK(desk.Prepared() == 1);
  CHECK(desk.Commit("g") == Done());
  CHECK(desk.Commit("g") == Done());
  CHECK(desk.Prepare("g") == Done());
  CHECK(desk.Ledger() == "1");
  CHECK(desk.Prepared() == 0);
}

TEST_CASE("two connections racing to prepare one branch prepare it once, both vote yes") {
  Desk desk;
  for (int round = 0; round < 10; ++round) {
    const std::string gid = "g" + std::to_string(round);
    std::barrier start(2);
    std::array<Result<Answer>, 2> votes{Retry("", ""), Retry("", "")};
    desk.lock_timeout = std::chrono::milliseconds(300);
    desk.Restart();
    PostgresResource& resource = desk.resource();
    const std::array<PgHandle, 2> connections{desk.Connect(), desk.Connect()};
    const auto vote = [&](size_t which) {
      start.arrive_and_wait();
      votes.at(which) =
          resource.Prepare(connections.at(which).get(), desk.CallOf(Operation::kPrepare, gid),
                           Executing("INSERT INTO ledger VALUES ('x')"));
    };
    std::thread other([&] { vote(0); });
    vote(1);
    other.join();
    CHECK(Desk::Ok(votes[0]) == Done());
    CHECK(Desk::Ok(votes[1]) == Done());
    CHECK(desk.Prepared() == 1);
    CHECK(desk.Commit(gid) == Done());
    CHECK(desk.Ledger() == std::to_string(round + 1));
  }
}

TEST_CASE("a rollback racing a prepare leaves nothing prepared") {
  Desk desk;
  PostgresResource& resource = desk.resource();
  for (int round = 0; round < 10; ++round) {
    const std::string gid = "g" + std::to_string(round);
    std::barrier start(2);
    const PgHandle connection = desk.Connect();
    Result<Answer> voted = Retry("", "");
    std::thread other([&] {
      start.arrive_and_wait();
      voted = resource.Prepare(connection.get(), desk.CallOf(Operation::kPrepare, gid),
                               Executing("INSERT INTO ledger VALUES ('x')"));
    });
    start.arrive_and_wait();
    const Result<Answer> undone =
        resource.Rollback(desk.connection.get(), desk.CallOf(Operation::kRollback, gid));
    other.join();
    CHECK(Desk::Ok(undone) == Done());
    const Answer vote = Desk::Ok(voted);
    CHECK((vote == Done() || RefusalOf(vote) == "barrier.suspended"));
    CHECK(desk.Prepared() == 0);
    CHECK(RefusalOf(desk.Prepare(gid)) == "barrier.suspended");
  }
  CHECK(desk.Ledger() == "0");
}

TEST_CASE("trap: what is prepared holds locks, and a service can start all the same") {
  Desk desk;
  REQUIRE(desk.Prepare("g") == Done());
  desk.Restart();
  const PgHandle starting = desk.Connect("options='-c lock_timeout=300ms'");
  CHECK(desk.resource().CreateSchema(starting.get()).ok());
  CHECK(desk.Commit("g") == Done());
}

TEST_CASE("trap: PREPARE in a failed transaction raises no error, and is no yes") {
  Desk desk;
  const Answer vote = desk.Prepare("g", Executing("SELECT nonsense"));
  CHECK(RefusalOf(vote) == "resource.failed_transaction");
  CHECK(desk.Prepared() == 0);
  // A copy that comes late is not prepared either.
  CHECK(RefusalOf(desk.Prepare("g")) == "resource.failed_transaction");
  CHECK(desk.Prepared() == 0);
  CHECK(desk.Prepare("h") == Done());  // Nothing stood in the way.
  CHECK(desk.Rollback("h") == Done());
}

TEST_CASE("trap: an unknown name does not tell committed from rolled back") {
  Desk desk;
  // Committed here by somebody's hand, as after a lost answer: done.
  CHECK(desk.Prepare("committed") == Done());
  Query(desk.connection.get(), "COMMIT PREPARED '" + desk.Name("committed") + "'");
  CHECK(desk.Commit("committed") == Done());
  // Rolled back by hand: reported, never taken for done.
  CHECK(desk.Prepare("undone") == Done());
  Query(desk.connection.get(), "ROLLBACK PREPARED '" + desk.Name("undone") + "'");
  CHECK(HeuristicOf(desk.Commit("undone")) == HeuristicOutcome::kRolledBack);
  // Never prepared.
  CHECK(HeuristicOf(desk.Commit("never")) == HeuristicOutcome::kRolledBack);
  // Committed by hand though it is to be rolled back.
  CHECK(HeuristicOf(desk.Rollback("committed")) == HeuristicOutcome::kCommitted);
}

TEST_CASE("trap: names have at most 199 bytes") {
  Desk desk;
  const std::string longest(limits::kMaxGidBytes, 'g');
  CHECK(desk.Prepare(longest) == Done());
  CHECK(desk.Commit(longest) == Done());
  const std::string overhead = desk.Name("");
  const std::string exact(199 - overhead.size(), 'g');
  CHECK(desk.Prepare(exact) == Done());
  CHECK(desk.Commit(exact) == Done());
  const Answer vote = desk.Prepare(exact + "g");
  CHECK(RefusalOf(vote) == "resource.name_too_long");
  CHECK_THAT(std::get<RefusedAnswer>(vote).message, Catch::Contains("199"));
  // What is really too long for the server is what is refused.
  Query(desk.connection.get(), "BEGIN; INSERT INTO ledger VALUES ('x')");
  PGresult* result = PQexec(desk.connection.get(),
                            ("PREPARE TRANSACTION '" + std::string(200, 'g') + "'").c_str());
  CHECK(std::string(PQresultErrorField(result, PG_DIAG_SQLSTATE)) == "22023");
  PQclear(result);
}

TEST_CASE("trap: a name that somebody else prepared is not taken for a vote") {
  Desk desk;
  const PgHandle elsewhere = ConnectPostgres("dbname=postgres");
  Query(elsewhere.get(), "CREATE TABLE IF NOT EXISTS t (a int)");
  Query(elsewhere.get(), "BEGIN; INSERT INTO t VALUES (1)");
  Query(elsewhere.get(), "PREPARE TRANSACTION '" + desk.Name("g") + "'");
  CHECK(RefusalOf(desk.Prepare("g")) == "resource.duplicate_name");
  CHECK(desk.Ledger() == "0");
  // And finishing it from here is refused, clearly.
  CHECK(RefusalOf(desk.Commit("g")) == "resource.other_database");
  CHECK(RefusalOf(desk.Rollback("g")) == "resource.other_database");
  // Recovery and the report see only their own database.
  CHECK(desk.Recover(Deciding(Decision::kCommitted)).committed == 0);
  CHECK(desk.Prepared() == 0);
  Query(elsewhere.get(), "ROLLBACK PREPARED '" + desk.Name("g") + "'");
}

TEST_CASE("trap: one branch in two databases of a cluster has two names") {
  Desk desk;
  const Call call = desk.CallOf(Operation::kPrepare, "g");
  CHECK(desk.resource().NameOf(call, "one") != desk.resource().NameOf(call, "two"));
  Call other = call;
  other.branch = BranchId("car");
  CHECK(desk.resource().NameOf(call, "one") != desk.resource().NameOf(other, "one"));
  other = call;
  other.alternative = 1;
  CHECK(desk.resource().NameOf(call, "one") != desk.resource().NameOf(other, "one"));
}

TEST_CASE("trap: only the user who prepared may finish") {
  Desk desk;
  Query(desk.connection.get(), "CREATE ROLE other_" + desk.node + " LOGIN");
  Query(desk.connection.get(), "GRANT ALL ON SCHEMA " + desk.node + " TO other_" + desk.node);
  Query(desk.connection.get(),
        "GRANT ALL ON ALL TABLES IN SCHEMA " + desk.node + " TO other_" + desk.node);
  CHECK(desk.Prepare("g") == Done());
  const PgHandle other = desk.Connect("user=other_" + desk.node);
  const Answer commit =
      Desk::Ok(desk.resource().Commit(other.get(), desk.CallOf(Operation::kCommit, "g")));
  CHECK(RefusalOf(commit) == "resource.not_owner");
  CHECK_THAT(std::get<RefusedAnswer>(commit).message, Catch::Contains("42501"));
  const Result<RecoveryReport> report =
      desk.resource().Recover(other.get(), Deciding(Decision::kCommitted));
  REQUIRE(report.ok());
  REQUIRE(report->unknown.size() == 1);
  CHECK_THAT(report->unknown[0], Catch::Contains("superuser"));
  CHECK(desk.Commit("g") == Done());
}

TEST_CASE("trap: what can not be prepared is a clear no") {
  Desk desk;
  const std::vector<std::string> works{
      "CREATE TEMP TABLE scratch (a int)", "INSERT INTO ledger VALUES ('x'); LISTEN news",
      "INSERT INTO ledger VALUES ('x'); NOTIFY news",
      "INSERT INTO ledger VALUES ('x'); DECLARE c CURSOR WITH HOLD FOR SELECT 1",
      "INSERT INTO ledger VALUES ('x'); SELECT pg_advisory_lock(1), pg_advisory_xact_lock(1)"};
  for (const std::string& sql : works) {
    CAPTURE(sql);
    CHECK(RefusalOf(desk.Prepare(sql, Executing(sql))) == "resource.not_preparable");
    desk.Reconnect();
  }
  CHECK(desk.Prepared() == 0);
  CHECK(desk.Ledger() == "0");
}

TEST_CASE("trap: what fails only at the prepare, and would again, is a clear no") {
  Desk desk;
  Query(desk.connection.get(),
        "CREATE TABLE room (number int UNIQUE DEFERRABLE INITIALLY DEFERRED); "
        "CREATE FUNCTION complain() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the hotel is closed'; END $$; "
        "CREATE CONSTRAINT TRIGGER closed AFTER INSERT ON ledger DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION complain()");
  const auto refusal = [&](const std::string& gid, const std::string& sql) {
    const Answer vote = desk.Prepare(gid, Executing(sql));
    CHECK(RefusalOf(vote) == "resource.rejected");
    return std::get<RefusedAnswer>(vote).message;
  };
  CHECK_THAT(refusal("twice", "INSERT INTO room VALUES (1), (1)"), Catch::Contains("23505"));
  CHECK_THAT(refusal("closed", "INSERT INTO ledger VALUES ('x')"),
             Catch::Contains("the hotel is closed") && Catch::Contains("P0001"));
  CHECK(desk.Prepared() == 0);
}

TEST_CASE("trap: a connection inside a transaction is turned away") {
  Desk desk;
  CHECK(desk.Prepare("g") == Done());
  Query(desk.connection.get(), "BEGIN");
  CHECK(desk.resource()
            .Commit(desk.connection.get(), desk.CallOf(Operation::kCommit, "g"))
            .status()
            .reason() == "barrier.in_transaction");
  CHECK(desk.resource()
            .Recover(desk.connection.get(), Deciding(Decision::kCommitted))
            .status()
            .reason() == "barrier.in_transaction");
  Query(desk.connection.get(), "ROLLBACK");
  CHECK(desk.Commit("g") == Done());
}

TEST_CASE("trap: a read-only transaction takes no slot; it is committed and votes read-only") {
  Desk desk;
  CHECK(desk.Prepare("g", Executing("SELECT count(*) FROM ledger")) == ReadOnly());
  CHECK(desk.Prepared() == 0);
  CHECK(desk.Prepare("g", Executing("SELECT count(*) FROM ledger")) == ReadOnly());
  // A lock is worth keeping.
  Query(desk.connection.get(), "INSERT INTO ledger VALUES ('seed')");
  CHECK(desk.Prepare("h", Executing("SELECT * FROM ledger FOR UPDATE")) == Done());
  CHECK(desk.Prepared() == 1);
  CHECK(desk.Rollback("h") == Done());
  // A whole table's lock is not seen, unless the work insists.
  CHECK(desk.Prepare("i", Executing("LOCK TABLE ledger IN SHARE MODE")) == ReadOnly());
  CHECK(desk.Prepare("j",
                     Executing("LOCK TABLE ledger IN SHARE MODE; SELECT pg_current_xact_id()")) ==
        Done());
  CHECK(desk.Rollback("j") == Done());
}

TEST_CASE("a refusal, an error and an exception leave nothing behind") {
  Desk desk;
  const auto writing = [](const Result<Answer>& answer) -> PostgresResource::Work {
    return [answer](PGconn* tx) {
      PQclear(PQexec(tx, "INSERT INTO ledger VALUES ('x')"));
      return answer;
    };
  };
  CHECK(desk.Prepare("no", writing(Refused("full", "no room"))) == Refused("full", "no room"));
  PostgresResource& resource = desk.resource();
  const Call call = desk.CallOf(Operation::kPrepare, "g");
  PGconn* connection = desk.connection.get();
  CHECK(resource.Prepare(connection, call, writing(Unavailable("a", "b"))).status() ==
        Unavailable("a", "b"));
  CHECK(resource.Prepare(connection, call, writing(Done({{"seat", 1}}))).status().reason() ==
        "resource.bad_answer");
  CHECK(resource.Prepare(connection, call, Executing("COMMIT")).status().reason() ==
        "barrier.work_ended_transaction");
  CHECK(resource
            .Prepare(connection, call,
                     [](PGconn*) -> Result<Answer> { throw std::runtime_error("boom"); })
            .status()
            .reason() == "barrier.work_threw");
  CHECK(PQtransactionStatus(connection) == PQTRANS_IDLE);
  CHECK(desk.Prepared() == 0);
  CHECK(desk.Ledger() == "0");
}

TEST_CASE("a refused prepare is not prepared by a copy of it that comes late") {
  Desk desk;
  const auto refuse = [](PGconn*) -> Result<Answer> { return Refused("full", "no room"); };
  CHECK(desk.Prepare("g", refuse) == Refused("full", "no room"));
  CHECK(desk.Prepare("g") == Refused("full", "no room"));
  CHECK(desk.Prepared() == 0);
  CHECK(desk.Rollback("g") == Done());
  CHECK(desk.Prepare("g") == Refused("full", "no room"));
  CHECK(HeuristicOf(desk.Commit("g")) == HeuristicOutcome::kRolledBack);
}

TEST_CASE("a one-phase commit prepares nothing, runs once and keeps its decision") {
  Desk desk;
  Call call = desk.CallOf(Operation::kCommit, "g");
  call.one_phase = true;
  const auto run = [&](const PostgresResource::Work& work) {
    return Desk::Ok(desk.resource().Commit(desk.connection.get(), call, work));
  };
  CHECK(run(Executing("INSERT INTO ledger VALUES ('x')")) == Done());
  CHECK(run(Executing("INSERT INTO ledger VALUES ('x')")) == Done());
  CHECK(desk.Ledger() == "1");
  CHECK(HeuristicOf(desk.Rollback("g")) == HeuristicOutcome::kCommitted);
  call.gid = Gid("no");
  const auto refuse = [](PGconn*) -> Result<Answer> { return Refused("full", "no room"); };
  CHECK(run(refuse) == Refused("full", "no room"));
  CHECK(HeuristicOf(run(Executing("INSERT INTO ledger VALUES ('x')"))) ==
        HeuristicOutcome::kRolledBack);
  CHECK(desk.Rollback("no") == Done());
  CHECK(RefusalOf(Desk::Ok(desk.resource().Commit(desk.connection.get(), call))) ==
        "resource.no_one_phase");
  CHECK(desk.Ledger() == "1");
}

TEST_CASE("a one-phase commit that the database rejects is a no, and stays one") {
  Desk desk;
  Query(desk.connection.get(),
        "CREATE TABLE room (number int UNIQUE DEFERRABLE INITIALLY DEFERRED)");
  Call call = desk.CallOf(Operation::kCommit, "g");
  call.one_phase = true;
  const auto run = [&](const std::string& sql) {
    return Desk::Ok(desk.resource().Commit(desk.connection.get(), call, Executing(sql)));
  };
  CHECK(RefusalOf(run("INSERT INTO room VALUES (1), (1)")) == "barrier.rejected");
  CHECK(HeuristicOf(run("INSERT INTO room VALUES (1)")) == HeuristicOutcome::kRolledBack);
  call.gid = Gid("h");
  CHECK(RefusalOf(run("SELECT nonsense")) == "barrier.work_failed");
  CHECK(HeuristicOf(run("INSERT INTO room VALUES (1)")) == HeuristicOutcome::kRolledBack);
  CHECK(desk.Rollback("g") == Done());
  CHECK(Query(desk.connection.get(), "SELECT count(*) FROM room") == "0");
}

TEST_CASE("a prepare whose work began another transaction is told so") {
  Desk desk;
  for (const char* ending : {"COMMIT AND CHAIN", "ROLLBACK AND CHAIN", "COMMIT; BEGIN"}) {
    CHECK(desk.resource()
              .Prepare(desk.connection.get(), desk.CallOf(Operation::kPrepare, ending),
                       Executing(std::string(ending) + "; INSERT INTO ledger VALUES ('x')"))
              .status()
              .reason() == "barrier.work_ended_transaction");
  }
  CHECK(desk.Prepared() == 0);
  CHECK(desk.Ledger() == "0");
}

TEST_CASE("the default lock time-out leaves time to say busy within a call") {
  const PostgresResourceOptions options;
  CHECK(2 * options.lock_timeout <= limits::kDefaultCallTimeout / 2);
}

TEST_CASE("recovery commits what was decided and leaves alone what was not") {
  Desk desk;
  for (const char* gid : {"committed", "undecided", "unreadable"}) {
    CHECK(desk.Prepare(gid, gid) == Done());
  }
  const auto decide = [](const Gid& gid) -> Result<DecisionReply> {
    if (gid.str() == "unreadable") {
      return Unavailable("client.unreachable", "nobody there");
    }
    return DecisionReply{gid.str() == "committed" ? Decision::kCommitted : Decision::kUndecided};
  };
  RecoveryReport report = desk.Recover(decide);
  CHECK(report.committed == 1);
  CHECK(report.waiting == 1);
  REQUIRE(report.unknown.size() == 1);
  CHECK_THAT(report.unknown[0], Catch::Contains("unreadable") && Catch::Contains("nobody there"));
  desk.now += std::chrono::hours(1);
  CHECK(desk.Recover(decide).rolled_back == 0);
  CHECK(desk.Prepared() == 2);
  CHECK(desk.Ledger() == "1");
  // What recovery committed, a late commit finds done.
  CHECK(desk.Commit("committed") == Done());
}

TEST_CASE("an orphan is rolled back once it was seen for the safety interval") {
  Desk desk;
  CHECK(desk.Prepare("orphan") == Done());
  CHECK(desk.Recover(Deciding(Decision::kAborted)).waiting == 1);
  desk.now += std::chrono::seconds(19);
  CHECK(desk.Recover(Deciding(Decision::kAborted)).waiting == 1);
  // A process that has just started has not seen it for long.
  desk.Restart();
  desk.now += std::chrono::seconds(19);
  CHECK(desk.Recover(Deciding(Decision::kAborted)).waiting == 1);
  desk.now += std::chrono::seconds(20);
  CHECK(desk.Recover(Deciding(Decision::kAborted)).rolled_back == 1);
  CHECK(desk.Prepared() == 0);
  CHECK(HeuristicOf(desk.Commit("orphan")) == HeuristicOutcome::kRolledBack);
  // A copy of its prepare that comes late is kept out, and a rollback still finds all done.
  CHECK(RefusalOf(desk.Prepare("orphan")) == "barrier.suspended");
  desk.coordinator = "00000000000000aa";
  CHECK(RefusalOf(desk.Prepare("orphan")) == "barrier.suspended");
  CHECK(desk.Rollback("orphan") == Done());
  CHECK(desk.Prepared() == 0);
}

TEST_CASE("rows of what was rolled back are purged, but of what may still come they are not") {
  Desk desk;
  CHECK(desk.Prepare("undone") == Done());
  CHECK(desk.Rollback("undone") == Done());
  CHECK(desk.Prepare("orphan") == Done());
  CHECK(desk.Recover(Deciding(Decision::kAborted)).waiting == 1);
  desk.now += std::chrono::hours(1);
  CHECK(desk.Recover(Deciding(Decision::kAborted)).rolled_back == 1);
  CHECK(desk.Rollback("never came") == Done());
  desk.now += std::chrono::hours(24 * 31);
  const PostgresBarrier barrier({.now = [&desk] { return desk.now; }});
  PurgeOptions options;
  CHECK(barrier.Purge(desk.connection.get(), options)->answers_dropped == 2);
  CHECK(RefusalOf(desk.Prepare("undone")) == "barrier.suspended");
  CHECK(desk.Rollback("undone") == Done());
  options.rows_after = std::chrono::hours(24 * 30);
  CHECK(barrier.Purge(desk.connection.get(), options)->rows_removed == 2);
  CHECK(RefusalOf(desk.Prepare("never came")) == "barrier.suspended");
}

TEST_CASE("recovery leaves alone what was prepared for another coordinator") {
  Desk desk;
  const std::string here = "00000000000000aa";
  const std::string elsewhere = "00000000000000bb";
  CHECK(desk.Prepare("anonymous") == Done());
  desk.coordinator = elsewhere;
  CHECK(desk.Prepare("elsewhere") == Done());
  CHECK_THAT(desk.Name("elsewhere"), Catch::EndsWith("@" + elsewhere + ":elsewhere"));
  desk.coordinator = here;
  CHECK(desk.Prepare("here") == Done());
  const auto recover = [&](const std::string& asked) {
    const RecoveryReport first = desk.Recover([&](const Gid&) {
      return DecisionReply{Decision::kAborted, false, asked};
    });
    desk.now += std::chrono::hours(1);
    RecoveryReport report = desk.Recover([&](const Gid&) {
      return DecisionReply{Decision::kAborted, false, asked};
    });
    CHECK(first.foreign == report.foreign);
    return report;
  };
  const RecoveryReport report = recover(here);
  CHECK(report.rolled_back == 2);
  REQUIRE(report.foreign.size() == 1);
  CHECK_THAT(report.foreign[0], Catch::Contains(elsewhere) && Catch::Contains(here));
  // Nor is one that does not say who it is taken for the right one.
  CHECK(recover("").foreign.size() == 1);
  CHECK(desk.Prepared() == 1);
  // Its own coordinator finds it as it was.
  desk.coordinator = elsewhere;
  CHECK(desk.Commit("elsewhere") == Done());
  CHECK(desk.Ledger() == "1");
}

TEST_CASE("what was prepared for a coordinator that was not named, a named one finishes") {
  Desk desk;
  CHECK(desk.Prepare("a") == Done());
  CHECK(desk.Prepare("b") == Done());
  desk.coordinator = "00000000000000aa";
  CHECK(desk.Prepare("a") == Done());
  CHECK(desk.Prepared() == 2);
  CHECK(desk.Commit("a") == Done());
  CHECK(desk.Rollback("b") == Done());
  CHECK(desk.Prepared() == 0);
  CHECK(desk.Ledger() == "1");
}

TEST_CASE("another coordinator that uses a gid again neither votes nor ends the first one's") {
  Desk desk;
  const std::string a = "00000000000000aa";
  const std::string b = "00000000000000bb";
  const std::string refused = "barrier.other_coordinator";
  const auto all_refused = [&](const std::string& gid) {
    desk.coordinator = b;
    CHECK(RefusalOf(desk.Prepare(gid)) == refused);
    CHECK(RefusalOf(desk.Commit(gid)) == refused);
    CHECK(RefusalOf(desk.Rollback(gid)) == refused);
    Call one_phase = desk.CallOf(Operation::kCommit, gid);
    one_phase.one_phase = true;
    CHECK(RefusalOf(Desk::Ok(desk.resource().Commit(desk.connection.get(), one_phase,
                                                    Executing("SELECT 1")))) == refused);
    desk.coordinator = a;
  };
  desk.coordinator = a;
  CHECK(desk.Prepare("committed") == Done());
  CHECK(desk.Commit("committed") == Done());
  all_refused("committed");
  CHECK(desk.Prepare("committed") == Done());
  CHECK(desk.Commit("committed") == Done());
  CHECK(desk.Prepare("undone") == Done());
  CHECK(desk.Rollback("undone") == Done());
  all_refused("undone");
  CHECK(desk.Rollback("undone") == Done());
  const auto refuse = [](PGconn*) -> Result<Answer> { return Refused("full", "no room"); };
  CHECK(RefusalOf(desk.Prepare("no", refuse)) == "full");
  all_refused("no");
  CHECK(RefusalOf(desk.Prepare("no")) == "full");
  CHECK(desk.Prepared() == 0);
  CHECK(desk.Ledger() == "1");
}

TEST_CASE("what was committed for no coordinator is adopted by the first that names itself") {
  Desk desk;
  for (const char* gid : {"committed here", "committed before", "rolled back", "refused"}) {
    const bool no = std::string(gid) == "refused";
    desk.Prepare(gid, [no](PGconn* tx) -> Result<Answer> {
      Query(tx, "INSERT INTO ledger VALUES ('x')");
      return no ? Refused("full", "no room") : Done();
    });
  }
  CHECK(desk.Commit("committed before") == Done());
  desk.coordinator = "00000000000000aa";
  CHECK(desk.Commit("committed here") == Done());
  CHECK(desk.Commit("committed before") == Done());
  CHECK(desk.Rollback("rolled back") == Done());
  CHECK(RefusalOf(desk.Prepare("refused")) == "full");
  desk.coordinator = "00000000000000bb";
  for (const char* gid : {"committed here", "committed before", "rolled back", "refused"}) {
    CHECK(RefusalOf(desk.Prepare(gid)) == "barrier.other_coordinator");
  }
  CHECK(desk.Ledger() == "2");
}

TEST_CASE("recovery touches no names but its own") {
  Desk desk;
  Desk other;
  CHECK(other.Prepare("g") == Done());
  const auto prepare = [&](const std::string& name) {
    Query(desk.connection.get(), "BEGIN; INSERT INTO ledger VALUES ('x')");
    Query(desk.connection.get(), "PREPARE TRANSACTION '" + name + "'");
  };
  const std::vector<std::string> foreign{"somebody",
                                         "entente:" + desk.node + "x:0123456789abcdef:g",
                                         "entente_" + desk.node + ":0123456789abcdef:g"};
  for (const std::string& name : foreign) {
    prepare(name);
  }
  const std::string odd = "entente:" + desk.node + ":by-hand";
  prepare(odd);
  CHECK(desk.Recover(Deciding(Decision::kAborted)).unknown.size() == 1);
  desk.now += std::chrono::hours(1);
  const RecoveryReport report = desk.Recover(Deciding(Decision::kAborted));
  CHECK(report.rolled_back == 0);
  CHECK(report.waiting == 0);
  CHECK_THAT(report.unknown.at(0), Catch::Contains(odd));
  for (const std::string& name : foreign) {
    Query(desk.connection.get(), "ROLLBACK PREPARED '" + name + "'");
  }
  Query(desk.connection.get(), "ROLLBACK PREPARED '" + odd + "'");
  CHECK(other.Prepared() == 1);
}

TEST_CASE("the age of the oldest prepared transaction is reported") {
  Desk desk;
  CHECK(desk.Prepared() == 0);
  CHECK(desk.Prepare("first") == Done());
  CHECK(desk.Prepare("second") == Done());
  const Result<PreparedReport> report = desk.resource().Prepared(desk.connection.get());
  REQUIRE(report.ok());
  CHECK(report->count == 2);
  CHECK(report->oldest_name == desk.Name("first"));
  const Result<PreparedReport> later = desk.resource().Prepared(desk.connection.get());
  CHECK(later->oldest_age > report->oldest_age);
}

TEST_CASE("a lock that somebody holds is waited for so long and no longer") {
  Desk desk;
  desk.lock_timeout = std::chrono::milliseconds(50);
  desk.Restart();
  const PgHandle holder = desk.Connect();
  Query(holder.get(), "BEGIN; LOCK TABLE ledger");
  const Result<Answer> vote = desk.resource().Prepare(
      desk.connection.get(), desk.CallOf(Operation::kPrepare, "g"),
      [](PGconn* tx) -> Result<Answer> {
        PGresult* result = PQexec(tx, "INSERT INTO ledger VALUES ('x')");
        const bool busy = std::string(PQresultErrorField(result, PG_DIAG_SQLSTATE)) == "55P03";
        PQclear(result);
        return busy ? Retry("locked", "the ledger is locked") : Done();
      });
  CHECK(Desk::Ok(vote) == Retry("locked", "the ledger is locked"));
}

TEST_CASE("a lock time-out is rounded up, and kept within what the server takes") {
  Desk desk;
  const auto setting = [&](Duration timeout) {
    desk.lock_timeout = timeout;
    desk.Restart();
    std::string seen;
    CHECK(desk.Prepare(std::to_string(timeout.count()), [&](PGconn* tx) -> Result<Answer> {
      seen = Query(tx, "SHOW lock_timeout");
      return Done();
    }) == ReadOnly());
    return seen;
  };
  CHECK(setting(std::chrono::microseconds(1)) == "1ms");
  CHECK(setting(std::chrono::microseconds(1500)) == "2ms");
  CHECK(setting(std::chrono::hours(24 * 365)) == "2147483647ms");
  CHECK(setting(Duration::zero()) == "0");
}

TEST_CASE("settings that can not work are reported at start") {
  Desk desk;
  CHECK(desk.resource().Check(desk.connection.get()).ok());
  PostgresResourceOptions options;
  options.node = "a:b";
  CHECK(PostgresResource(options).Check(desk.connection.get()).reason() == "resource.bad_name");
  options.node = std::string(33, 'n');
  CHECK(PostgresResource(options).Check(desk.connection.get()).reason() == "resource.bad_name");
  options.node = "n";
  options.barrier.table = "nowhere";
  CHECK(PostgresResource(options).Check(desk.connection.get()).reason() == "barrier.no_schema");
}

TEST_CASE("a user who may not do what the resource does is reported at start") {
  Desk desk;
  const std::string user = "reader_" + desk.node;
  Query(desk.connection.get(), "CREATE ROLE " + user + " LOGIN");
  Query(desk.connection.get(), "GRANT USAGE ON SCHEMA " + desk.node + " TO " + user);
  Query(desk.connection.get(), "GRANT SELECT ON entente_barrier TO " + user);
  const PgHandle reader = desk.Connect("user=" + user);
  const Status lacking = desk.resource().Check(reader.get());
  CHECK(lacking.reason() == "resource.no_privilege");
  CHECK_THAT(lacking.message(), Catch::Contains("lacks INSERT, UPDATE on"));
  Query(desk.connection.get(), "GRANT INSERT, UPDATE ON entente_barrier TO " + user);
  CHECK(desk.resource().Check(reader.get()).ok());
}

// From here on the server is stopped and started; the cases are in one, since others run beside it.
TEST_CASE("a server that is killed, limited or disabled") {
  Desk desk;
  SECTION("what was prepared survives a kill -9 and is finished by recovery or by the calls") {
    CHECK(desk.Prepare("recovered") == Done());
    CHECK(desk.Prepare("called") == Done());
    CHECK(desk.Prepare("undone") == Done());
    Cluster("kill");
    const Result<Answer> broken =
        desk.resource().Commit(desk.connection.get(), desk.CallOf(Operation::kCommit, "called"));
    CHECK(broken.status().code() == StatusCode::kUnknownOutcome);
    CHECK(desk.resource()
              .Commit(desk.connection.get(), desk.CallOf(Operation::kCommit, "called"))
              .status()
              .reason() == "barrier.no_connection");
    Cluster("start");
    desk.Reconnect();
    CHECK(desk.Prepared() == 3);
    CHECK(desk.Prepare("called") == Done());
    CHECK(desk.Commit("called") == Done());
    CHECK(desk.Rollback("undone") == Done());
    CHECK(desk.Recover(Deciding(Decision::kCommitted)).committed == 1);
    CHECK(desk.Prepared() == 0);
    CHECK(desk.Ledger() == "2");
  }
  SECTION("a server that dies during the work leaves nothing prepared") {
    const Result<Answer> vote =
        desk.resource().Prepare(desk.connection.get(), desk.CallOf(Operation::kPrepare, "g"),
                                [](PGconn* tx) -> Result<Answer> {
                                  PQclear(PQexec(tx, "INSERT INTO ledger VALUES ('x')"));
                                  Cluster("kill");
                                  return Done();
                                });
    CHECK_FALSE(vote.ok());
    Cluster("start");
    desk.Reconnect();
    CHECK(desk.Prepared() == 0);
    CHECK(desk.Prepare("g") == Done());
    CHECK(desk.Commit("g") == Done());
    CHECK(desk.Ledger() == "1");
  }
  SECTION("no slot left: nothing happened, ask again") {
    Cluster("stop");
    Cluster("start --set max_prepared_transactions=1");
    desk.Reconnect();
    CHECK(desk.Prepare("first") == Done());
    const Result<Answer> vote =
        desk.resource().Prepare(desk.connection.get(), desk.CallOf(Operation::kPrepare, "second"),
                                Executing("INSERT INTO ledger VALUES ('x')"));
    CHECK(vote.status().code() == StatusCode::kUnavailable);
    CHECK(vote.status().reason() == "resource.no_slot");
    CHECK_THAT(vote.status().message(), Catch::Contains("max_prepared_transactions"));
    CHECK(desk.Commit("first") == Done());
    CHECK(desk.Prepare("second") == Done());
    CHECK(desk.Commit("second") == Done());
    Cluster("stop");
    Cluster("start");
  }
  SECTION("prepared transactions disabled: a clear no, and a clear error at start") {
    Cluster("stop");
    Cluster("start --set max_prepared_transactions=0");
    desk.Reconnect();
    const Answer vote = desk.Prepare("g");
    CHECK(RefusalOf(vote) == "resource.not_enabled");
    CHECK_THAT(std::get<RefusedAnswer>(vote).message,
               Catch::Contains("max_prepared_transactions") && Catch::Contains("restart"));
    CHECK(desk.resource().Check(desk.connection.get()).reason() == "resource.not_enabled");
    CHECK(desk.Ledger() == "0");
    Cluster("stop");
    Cluster("start");
  }
  SECTION("a limit lowered below what is prepared keeps the server from starting") {
    CHECK(desk.Prepare("one") == Done());
    CHECK(desk.Prepare("two") == Done());
    Cluster("stop");
    Cluster("start --set max_prepared_transactions=1", /*may_fail=*/true);
    CHECK(PQping(std::getenv("ENTENTE_TEST_POSTGRES")) != PQPING_OK);
    Cluster("start");
    desk.Reconnect();
    CHECK(desk.Prepared() == 2);
    CHECK(desk.Commit("one") == Done());
    CHECK(desk.Commit("two") == Done());
  }
  desk.Reconnect();
}

}  // namespace
}  // namespace entente::sdk
