#include <sqlite3.h>
#include <stdlib.h>

#include <filesystem>

#include <catch2/catch.hpp>

#include "entente/sqlite_barrier.h"
#include "tests/sdk/barrier_world.h"

namespace entente::sdk::test {
namespace {

void Must(sqlite3* db, const std::string& sql) {
  char* error = nullptr;
  if (sqlite3_exec(db, sql.c_str(), nullptr, nullptr, &error) != SQLITE_OK) {
    FAIL(sql << ": " << error);
  }
}

class SqliteBusiness final : public Business {
 public:
  explicit SqliteBusiness(sqlite3* db) : db_(db) {}
  void Write(const std::string& effect) override {
    Must(db_, "INSERT INTO ledger VALUES ('" + effect + "')");
  }
  void Fail() override { sqlite3_exec(db_, "SELECT nonsense", nullptr, nullptr, nullptr); }
  void Commit() override { Must(db_, "COMMIT"); }
  void Begin() override { Must(db_, "BEGIN"); }
  void Execute(const std::string& sql) override { Must(db_, sql); }

 private:
  sqlite3* db_;
};

class SqliteConnection final : public Connection {
 public:
  SqliteConnection(const std::string& path, BarrierOptions options) : barrier_(std::move(options)) {
    REQUIRE(sqlite3_open(path.c_str(), &db_) == SQLITE_OK);
    sqlite3_busy_timeout(db_, 60'000);
  }
  ~SqliteConnection() override { sqlite3_close(db_); }

  Result<Answer> Run(const Call& call, const Work& work) override {
    return barrier_.Run(db_, call, [&](sqlite3* db) {
      SqliteBusiness business(db);
      return work(business);
    });
  }
  Result<PurgeReport> Purge(const PurgeOptions& options) override {
    return barrier_.Purge(db_, options);
  }
  Status CreateSchema() override { return barrier_.CreateSchema(db_); }
  std::vector<std::string> Ledger() override {
    std::vector<std::string> effects;
    sqlite3_exec(
        db_, "SELECT effect FROM ledger ORDER BY effect",
        [](void* out, int, char** values, char**) {
          static_cast<std::vector<std::string>*>(out)->push_back(values[0]);
          return 0;
        },
        &effects, nullptr);
    return effects;
  }
  void Execute(const std::string& sql) override { Must(db_, sql); }
  std::string Ask(const std::string& sql) override {
    std::string value;
    sqlite3_exec(
        db_, sql.c_str(),
        [](void* out, int, char** values, char**) {
          *static_cast<std::string*>(out) = values[0] == nullptr ? "" : values[0];
          return 0;
        },
        &value, nullptr);
    return value;
  }
  bool InTransaction() override { return sqlite3_get_autocommit(db_) == 0; }

 private:
  SqliteBarrier barrier_;
  sqlite3* db_ = nullptr;
};

class SqliteWorld final : public World {
 public:
  SqliteWorld() {
    std::string name = (std::filesystem::temp_directory_path() / "barrier-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    directory_ = name;
    auto connection = Connect();
    connection->Execute("PRAGMA journal_mode = WAL; CREATE TABLE ledger (effect TEXT)");
    REQUIRE(connection->CreateSchema().ok());
  }
  ~SqliteWorld() override { std::filesystem::remove_all(directory_); }

  [[nodiscard]] std::string File(const std::string& name) const {
    return (directory_ / name).string();
  }

  std::unique_ptr<Connection> Connect() override {
    BarrierOptions options;
    options.now = [this] { return now; };
    return std::make_unique<SqliteConnection>((directory_ / "db").string(), options);
  }

 private:
  std::filesystem::path directory_;
};

TEST_CASE("a connection whose commits do not wait for the disk is turned away") {
  SqliteWorld world;
  const auto connection = world.Connect();
  Call call;
  call.gid = Gid("g");
  call.branch = BranchId("b");
  const auto write = [](Business& business) -> Result<Answer> {
    business.Write("x");
    return Done();
  };
  for (const char* level : {"OFF", "NORMAL"}) {
    connection->Execute(std::string("PRAGMA synchronous = ") + level);
    const Status refused = connection->Run(call, write).status();
    CHECK(refused.reason() == "barrier.not_durable");
    CHECK_THAT(refused.message(),
               Catch::Contains("journal_mode = wal") && Catch::Contains("synchronous to FULL"));
    CHECK(connection->CreateSchema().reason() == "barrier.not_durable");
  }
  CHECK(connection->Ledger().empty());
  for (const char* level : {"FULL", "EXTRA"}) {
    connection->Execute(std::string("PRAGMA synchronous = ") + level);
    CHECK(connection->Run(call, write).ok());
  }
  // A rollback journal that is gone from its directory in memory only may come back.
  for (const char* mode : {"DELETE", "TRUNCATE", "PERSIST"}) {
    CAPTURE(mode);
    connection->Execute(std::string("PRAGMA journal_mode = ") + mode);
    connection->Execute("PRAGMA synchronous = FULL");
    const Status refused = connection->Run(call, write).status();
    CHECK(refused.reason() == "barrier.not_durable");
    CHECK_THAT(refused.message(), Catch::Contains("synchronous to EXTRA"));
    connection->Execute("PRAGMA synchronous = EXTRA");
    CHECK(connection->Run(call, write).ok());
    CHECK(connection->CreateSchema().ok());
  }
  connection->Execute("PRAGMA journal_mode = MEMORY");
  CHECK(connection->Run(call, write).status().reason() == "barrier.not_durable");
  sqlite3* db = nullptr;
  REQUIRE(sqlite3_open(":memory:", &db) == SQLITE_OK);
  Must(db, "PRAGMA synchronous = OFF");
  CHECK(SqliteBarrier({.allow_lost_writes = true}).CreateSchema(db).ok());
  sqlite3_close(db);
}

Call CallOf(Operation operation, const std::string& gid) {
  Call call;
  call.gid = Gid(gid);
  call.branch = BranchId("b");
  call.operation = operation;
  return call;
}

TEST_CASE("a lock that another connection holds is said to be one, and is to be waited for") {
  SqliteWorld world;
  const auto holder = world.Connect();
  const auto connection = world.Connect();
  connection->Execute("PRAGMA busy_timeout = 0");
  const auto write = [](Business& business) -> Result<Answer> {
    business.Write("x");
    return Done();
  };
  holder->Execute("BEGIN IMMEDIATE");
  const Status busy = connection->Run(CallOf(Operation::kTry, "g"), write).status();
  CHECK(busy.code() == StatusCode::kUnavailable);
  CHECK(busy.reason() == "barrier.busy");
  CHECK_FALSE(connection->InTransaction());
  holder->Execute("ROLLBACK");
  CHECK(connection->Run(CallOf(Operation::kTry, "g"), write).ok());
  CHECK(connection->Ledger() == std::vector<std::string>{"x"});
}

TEST_CASE("a purge within a transaction of the caller's fails and leaves that open") {
  SqliteWorld world;
  const auto connection = world.Connect();
  connection->Execute("BEGIN; INSERT INTO ledger VALUES ('mine')");
  CHECK_FALSE(connection->Purge({}).ok());
  REQUIRE(connection->InTransaction());
  connection->Execute("COMMIT");
  CHECK(connection->Ledger() == std::vector<std::string>{"mine"});
}

Work Executing(const std::string& sql) {
  return [sql](Business& business) -> Result<Answer> {
    business.Execute(sql);
    return Done();
  };
}

TEST_CASE("an effect in an attached file that is not committed as one with main is refused") {
  SqliteWorld world;
  const auto connection = world.Connect();
  const std::string other = world.File("other");
  connection->Execute("ATTACH '" + other +
                      "' AS \"my \"\"shop\"; CREATE TABLE \"my \"\"shop\".sold "
                      "(seat TEXT); ATTACH ':memory:' AS scratch; CREATE TABLE scratch.seen (x)");
  const std::string sell = "INSERT INTO \"my \"\"shop\".sold VALUES ('12A')";
  const auto sold = [&] {
    const auto reader = world.Connect();
    reader->Execute("ATTACH '" + other +
                    "' AS shop; INSERT INTO ledger SELECT seat FROM shop.sold");
    return reader->Ledger().size();
  };
  int number = 0;
  const auto run = [&](const std::string& sql) {
    return connection
        ->Run(CallOf(Operation::kAction, "g" + std::to_string(number++)), Executing(sql))
        .status()
        .reason();
  };
  for (const char* mode : {"WAL", "DELETE", "TRUNCATE"}) {
    CAPTURE(mode);
    // Main is in WAL: whatever the other file is set to, the two are committed apart.
    connection->Execute(std::string("PRAGMA \"my \"\"shop\".journal_mode = ") + mode);
    CHECK(run(sell) == "barrier.attached");
    CHECK_FALSE(connection->InTransaction());
    // What is only read, and what is in no file, is no matter.
    CHECK(run("INSERT INTO ledger SELECT seat FROM \"my \"\"shop\".sold").empty());
    CHECK(run("INSERT INTO scratch.seen VALUES (1)").empty());
  }
  CHECK(sold() == 0);
  // Attached by the business write itself.
  CHECK(run("ATTACH '" + world.File("third") + "' AS third; CREATE TABLE third.t (x)") ==
        "barrier.attached");
  // Main under a rollback journal, the other one in WAL: apart too.
  connection->Execute(
      "PRAGMA \"my \"\"shop\".journal_mode = WAL; PRAGMA main.journal_mode = DELETE; "
      "PRAGMA main.synchronous = EXTRA");
  CHECK(run(sell) == "barrier.attached");
  // With rollback journals SQLite commits both or none.
  connection->Execute("PRAGMA \"my \"\"shop\".journal_mode = DELETE");
  connection->Execute("PRAGMA \"my \"\"shop\".synchronous = OFF");
  CHECK(run(sell) == "barrier.attached");
  connection->Execute("PRAGMA \"my \"\"shop\".synchronous = FULL");
  CHECK(run(sell).empty());
  CHECK(sold() == 1);
}

TEST_CASE("a temporary table with the barrier's name is not taken for it") {
  SqliteWorld world;
  const auto connection = world.Connect();
  CHECK(connection->Run(CallOf(Operation::kTry, "g"), Executing("SELECT 1")).ok());
  const std::string shadow =
      "CREATE TEMP TABLE entente_barrier AS SELECT * FROM main.entente_barrier WHERE 0; ";
  CHECK(*connection->Run(CallOf(Operation::kConfirm, "g"),
                         Executing(shadow + "INSERT INTO ledger VALUES ('confirmed')")) == Done());
  CHECK(*connection->Run(CallOf(Operation::kConfirm, "g"),
                         Executing("INSERT INTO ledger VALUES ('twice')")) == Done());
  CHECK(world.Connect()->Ledger() == std::vector<std::string>{"confirmed"});
  CHECK(connection->CreateSchema().ok());
  CHECK(connection->Purge({}).ok());
}

TEST_CASE("what would break a deferred foreign key at the commit is a certain no") {
  SqliteWorld world;
  const auto connection = world.Connect();
  connection->Execute(
      "PRAGMA foreign_keys = ON; DROP TABLE ledger; CREATE TABLE known (name TEXT PRIMARY KEY); "
      "INSERT INTO known VALUES ('known'); CREATE TABLE ledger (effect TEXT REFERENCES known "
      "DEFERRABLE INITIALLY DEFERRED)");
  const auto writing = [](const std::string& effect) -> Work {
    return [effect](Business& business) -> Result<Answer> {
      business.Write(effect);
      return Done();
    };
  };
  Call call;
  call.gid = Gid("g");
  call.branch = BranchId("b");
  for (const char* effect : {"unknown", "known"}) {
    const Result<Answer> answer = connection->Run(call, writing(effect));
    REQUIRE(answer.ok());
    const auto* refused = std::get_if<RefusedAnswer>(&*answer);
    REQUIRE(refused != nullptr);
    CHECK(refused->code == "barrier.rejected");
  }
  CHECK(connection->Ledger().empty());
  call.attempt = 2;
  CHECK(*connection->Run(call, writing("known")) == Done());
  // What undoes has no other way to go: there it is an error.
  call.operation = Operation::kCompensate;
  CHECK_FALSE(connection->Run(call, writing("unknown")).ok());
  CHECK_FALSE(connection->InTransaction());
  CHECK(*connection->Run(call, writing("known")) == Done());
}

}  // namespace

std::unique_ptr<World> MakeWorld() {
  return std::make_unique<SqliteWorld>();
}

}  // namespace entente::sdk::test
