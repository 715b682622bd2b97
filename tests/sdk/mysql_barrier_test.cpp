// What the barrier promises on MariaDB beside what it promises on each database.
#include "entente/mysql_barrier.h"

#include <future>
#include <thread>

#include <catch2/catch.hpp>

#include "tests/sdk/mysql_connection.h"

namespace entente::sdk::test {
namespace {

using Work = MysqlBarrier::Work;

Call CallOf(Operation operation, const std::string& gid = "g") {
  Call call;
  call.gid = Gid(gid);
  call.branch = BranchId("b");
  call.operation = operation;
  return call;
}

Work Executing(const std::string& sql, Json output = nullptr) {
  return [sql, output](MYSQL* connection) -> Result<Answer> {
    QueryMysql(connection, sql);
    return Done(output);
  };
}

const std::string kEffect = "INSERT INTO ledger VALUES ('x')";

// A database with the barrier's table, and a connection to it.
struct Desk {
  explicit Desk(BarrierOptions options = {}) : barrier(std::move(options)) {
    REQUIRE(barrier.CreateSchema(connection.get()).ok());
  }
  Result<Answer> Run(const Call& call, const Work& work) const {
    return barrier.Run(connection.get(), call, work);
  }
  [[nodiscard]] std::string Ask(const std::string& sql) const {
    return QueryMysql(ConnectMysql(database).get(), sql);
  }
  [[nodiscard]] std::string Effects() const { return Ask("SELECT count(*) FROM ledger"); }

  const std::string database = MakeMysqlDatabase();
  MysqlBarrier barrier;
  MysqlHandle connection = ConnectMysql(database);
};

TEST_CASE("a call waits for a lock only so long, and leaves shorter bounds of the session alone") {
  const Desk desk({.lock_timeout = std::chrono::milliseconds(300)});
  QueryMysql(
      desk.connection.get(),
      "CREATE TABLE seats (seat INT PRIMARY KEY) ENGINE = InnoDB; INSERT INTO seats VALUES (1)");
  const MysqlHandle holder = ConnectMysql(desk.database);
  QueryMysql(holder.get(), "BEGIN; SELECT * FROM seats WHERE seat = 1 FOR UPDATE");
  const auto take = [](MYSQL* connection) -> Result<Answer> {
    if (mysql_query(connection, "UPDATE seats SET seat = 2 WHERE seat = 1") != 0) {
      return Retry("locked", mysql_error(connection));
    }
    return Done();
  };
  const Result<Answer> locked = desk.Run(CallOf(Operation::kTry), take);
  REQUIRE(locked.ok());
  CHECK(std::get<RetryAnswer>(*locked).code == "locked");
  QueryMysql(holder.get(), "COMMIT");
  CHECK(*desk.Run(CallOf(Operation::kTry), take) == Done());
  CHECK(QueryMysql(desk.connection.get(), "SELECT @@innodb_lock_wait_timeout") == "1");

  // The barrier's own row, held by another call.
  QueryMysql(holder.get(), "BEGIN; SELECT * FROM entente_barrier FOR UPDATE");
  CHECK(desk.Run(CallOf(Operation::kConfirm), take).status().reason() == "barrier.busy");
  QueryMysql(holder.get(), "COMMIT");
  QueryMysql(desk.connection.get(), "SET SESSION innodb_lock_wait_timeout = 0");
  CHECK(*desk.Run(CallOf(Operation::kConfirm), Executing("SELECT 1")) == Done());
  CHECK(QueryMysql(desk.connection.get(), "SELECT @@innodb_lock_wait_timeout") == "0");
}

TEST_CASE("a business write that uses another database moves no call to another table") {
  const Desk desk;
  const std::string other = MakeMysqlDatabase();
  REQUIRE(MysqlBarrier().CreateSchema(ConnectMysql(other).get()).ok());
  CHECK(*desk.Run(CallOf(Operation::kTry), Executing("USE " + other)) == Done());
  CHECK(*desk.Run(CallOf(Operation::kConfirm), Executing(kEffect)) == Done());
  CHECK(*desk.Run(CallOf(Operation::kConfirm), Executing(kEffect)) == Done());
  CHECK(QueryMysql(ConnectMysql(other).get(), "SELECT count(*) FROM ledger") == "1");
  CHECK(QueryMysql(ConnectMysql(other).get(), "SELECT count(*) FROM entente_barrier") == "0");
  CHECK(desk.Ask("SELECT state FROM entente_barrier") == "2");
  // One object is for one database, and finds it also for connections that use none.
  CHECK(desk.barrier.CreateSchema(ConnectMysql(other).get()).reason() == "sdk.other_schema");
  CHECK(*desk.barrier.Run(ConnectMysql("").get(), CallOf(Operation::kConfirm), Executing("x")) ==
        Done());
  CHECK(MysqlBarrier()
            .Run(ConnectMysql("").get(), CallOf(Operation::kTry), Executing("x"))
            .status()
            .reason() == "barrier.no_schema");
  const MysqlBarrier named({.schema = other});
  CHECK(*named.Run(ConnectMysql("").get(), CallOf(Operation::kTry), Executing("SELECT 1")) ==
        Done());
  CHECK(QueryMysql(ConnectMysql(other).get(), "SELECT count(*) FROM entente_barrier") == "1");
}

TEST_CASE("DDL in a business write, which commits, is told") {
  const Desk desk;
  const Status ended =
      desk.Run(CallOf(Operation::kAction), Executing(kEffect + "; CREATE TABLE t (x INT)"))
          .status();
  CHECK(ended.reason() == "barrier.work_ended_transaction");
  // What ran once does not run again.
  const Result<Answer> again = desk.Run(CallOf(Operation::kAction), Executing(kEffect));
  REQUIRE(again.ok());
  CHECK(std::get<RefusedAnswer>(*again).code == "barrier.purged");
  CHECK(desk.Effects() == "1");
}

TEST_CASE("nothing is committed of a write that goes on after a deadlock") {
  const Desk desk;
  QueryMysql(desk.connection.get(),
             "CREATE TABLE seats (seat INT PRIMARY KEY, n INT NOT NULL) ENGINE = InnoDB; "
             "INSERT INTO seats VALUES (1, 0), (2, 0); CREATE TABLE many (x INT) ENGINE = InnoDB");
  // The one that has changed less is the victim.
  const MysqlHandle heavy = ConnectMysql(desk.database);
  QueryMysql(heavy.get(),
             "BEGIN; INSERT INTO many SELECT seq FROM seq_1_to_1000; UPDATE seats SET n = 1 WHERE "
             "seat = 2");
  std::future<void> other;
  const auto work = [&](MYSQL* connection) -> Result<Answer> {
    QueryMysql(connection, "UPDATE seats SET n = 2 WHERE seat = 1");
    other = std::async(std::launch::async,
                       [&] { mysql_query(heavy.get(), "UPDATE seats SET n = 1 WHERE seat = 1"); });
    const std::string waiting =
        "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = "
        "'INNODB_ROW_LOCK_CURRENT_WAITS'";
    while (desk.Ask(waiting) == "0") {
      std::this_thread::yield();
    }
    CHECK(mysql_query(connection, "UPDATE seats SET n = 2 WHERE seat = 2") != 0);
    CHECK(mysql_errno(connection) == 1213);
    QueryMysql(connection, kEffect);  // Goes on as if nothing had happened.
    return Done();
  };
  CHECK(desk.Run(CallOf(Operation::kAction), work).status().reason() ==
        "barrier.work_ended_transaction");
  other.get();
  QueryMysql(heavy.get(), "COMMIT");
  CHECK(desk.Effects() == "0");
  CHECK(QueryMysql(desk.connection.get(), "SELECT @@autocommit") == "1");
  CHECK(*desk.Run(CallOf(Operation::kAction), Executing(kEffect)) == Done());
  CHECK(desk.Effects() == "1");
}

TEST_CASE("names are told apart byte by byte, whatever the session's character set is") {
  const Desk desk;
  QueryMysql(desk.connection.get(), "SET NAMES gbk; SET SESSION sql_mode = 'NO_BACKSLASH_ESCAPES'");
  int number = 0;
  for (const std::string gid : {"g", "G", "g ", "\xc3\xa4", "\xe4", "\xbf\x27", "a\\", "a\\'"}) {
    const Json output(std::to_string(number++) + " \xe2\x82\xac \\ '");
    CHECK(*desk.Run(CallOf(Operation::kTry, gid), Executing(kEffect, output)) == Done(output));
    CHECK(*desk.Run(CallOf(Operation::kTry, gid), Executing(kEffect)) == Done(output));
  }
  CHECK(desk.Effects() == std::to_string(number));
  CHECK(
      desk.Run(CallOf(Operation::kTry, std::string(1025, 'g')), Executing("x")).status().reason() ==
      "barrier.no_name");
  CHECK(*desk.Run(CallOf(Operation::kTry, std::string(1024, 'g')), Executing("SELECT 1")) ==
        Done());
}

TEST_CASE("a server or a table that does not keep what was acknowledged is turned away") {
  const std::string database = MakeMysqlDatabase();
  const MysqlHandle connection = ConnectMysql(database);
  QueryMysql(connection.get(), "SET GLOBAL innodb_flush_log_at_trx_commit = 2");
  const Status refused = MysqlBarrier().CreateSchema(connection.get());
  const Status accepted = MysqlBarrier({.allow_lost_writes = true}).CreateSchema(connection.get());
  QueryMysql(connection.get(), "SET GLOBAL innodb_flush_log_at_trx_commit = 1");
  CHECK(refused.reason() == "barrier.not_durable");
  CHECK_THAT(refused.message(), Catch::Contains("innodb_flush_log_at_trx_commit = 2"));
  CHECK(accepted.ok());
  CHECK(MysqlBarrier().CreateSchema(connection.get()).ok());
  QueryMysql(connection.get(), "ALTER TABLE entente_barrier ENGINE = Aria");
  CHECK(MysqlBarrier()
            .Run(connection.get(), CallOf(Operation::kTry), Executing("x"))
            .status()
            .reason() == "barrier.not_durable");
}

TEST_CASE("a connection that breaks says whether anything can have been done") {
  const Desk desk;
  const auto kill = [&](const MysqlHandle& connection) {
    QueryMysql(desk.connection.get(),
               "KILL CONNECTION " + std::to_string(mysql_thread_id(connection.get())));
  };
  const MysqlHandle before = ConnectMysql(desk.database);
  kill(before);
  CHECK(desk.barrier.Run(before.get(), CallOf(Operation::kTry), Executing(kEffect))
            .status()
            .reason() == "barrier.no_connection");
  const MysqlHandle during = ConnectMysql(desk.database);
  const Status lost = desk.barrier
                          .Run(during.get(), CallOf(Operation::kTry),
                               [&](MYSQL* connection) -> Result<Answer> {
                                 QueryMysql(connection, kEffect);
                                 kill(during);
                                 return Done();
                               })
                          .status();
  CHECK(lost.reason() == "barrier.commit_lost");
  CHECK(lost.code() == StatusCode::kUnknownOutcome);
  CHECK(*desk.Run(CallOf(Operation::kTry), Executing(kEffect)) == Done());
  CHECK(desk.Effects() == "1");
}

TEST_CASE("a session without autocommit, and one with unread results, are left as they were") {
  const Desk desk;
  QueryMysql(desk.connection.get(), "SET SESSION autocommit = 0");
  CHECK(*desk.Run(CallOf(Operation::kTry), Executing(kEffect)) == Done());
  CHECK(QueryMysql(desk.connection.get(), "SELECT @@autocommit") == "0");
  CHECK(desk.Effects() == "1");
  QueryMysql(desk.connection.get(), "SET SESSION autocommit = 1");
  const auto sloppy = [](const std::string& sql) -> Work {
    return [sql](MYSQL* connection) -> Result<Answer> {
      mysql_query(connection, sql.c_str());
      return Done();
    };
  };
  CHECK(desk.Run(CallOf(Operation::kConfirm), sloppy(kEffect + "; SELECT 1; SELECT nonsense"))
            .status()
            .reason() == "mysql.error");
  CHECK(QueryMysql(desk.connection.get(), "SELECT @@in_transaction") == "0");
  CHECK(desk.Effects() == "1");
  CHECK(*desk.Run(CallOf(Operation::kConfirm), sloppy("SELECT 1; " + kEffect + "; SELECT 2")) ==
        Done());
  CHECK(QueryMysql(desk.connection.get(), "SELECT @@autocommit") == "1");
  CHECK(desk.Effects() == "2");
}

}  // namespace
}  // namespace entente::sdk::test
