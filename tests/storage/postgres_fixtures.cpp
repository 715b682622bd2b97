#include "tests/storage/postgres_fixtures.h"

#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <future>

namespace entente::storage {

std::string TestConninfo() {
  const char* conninfo = std::getenv("ENTENTE_TEST_POSTGRES");
  if (conninfo == nullptr) {
    FAIL("run below `tests/support/postgres.py run`");
  }
  return conninfo;
}

void RunServerTool(const std::string& arguments) {
  const char* tool = std::getenv("ENTENTE_TEST_POSTGRES_TOOL");
  REQUIRE(tool != nullptr);
  REQUIRE(std::system((std::string(tool) + " " + arguments).c_str()) == 0);
}

PostgresPlace::PostgresPlace() {
  static std::atomic<int> count{0};
  schema_ = "journal_" + std::to_string(getpid()) + "_" + std::to_string(count++);
  Query("CREATE SCHEMA " + schema_);
}

std::string PostgresPlace::conninfo(const std::string& more) const {
  return TestConninfo() + " options=-csearch_path=" + schema_ + " " + more;
}

postgres::PostgresOptions PostgresPlace::options() const {
  postgres::PostgresOptions options;
  options.conninfo = conninfo();
  return options;
}

std::unique_ptr<pg::Connection> PostgresPlace::Connect() const {
  pg::ConnectOptions options;
  options.conninfo = conninfo();
  auto connection = pg::Connection::Open(options);
  INFO(connection.status());
  REQUIRE(connection.ok());
  return std::move(*connection);
}

std::string PostgresPlace::Query(const std::string& sql) const {
  const pg::PgResult result = Connect()->Execute(sql, postgres::After(std::chrono::seconds(60)));
  INFO(sql << ": " << result.message());
  REQUIRE(result.ok());
  return result.rows() > 0 ? result.Text(0, 0) : std::string();
}

std::unique_ptr<Journal> OpenPostgres(const postgres::PostgresOptions& options) {
  auto journal = postgres::OpenPostgresJournal(options);
  INFO(journal.status());
  REQUIRE(journal.ok());
  return std::move(journal).value();
}

std::unique_ptr<Journal> PostgresFactory::OpenOther() {
  return OpenPostgres(place.options());
}

Status AppendUnder(Journal& journal, Epoch epoch, TxnAppend append) {
  std::promise<Status> done;
  std::vector<TxnAppend> appends;
  const ShardId shard = ShardOf(append.gid);
  appends.push_back(std::move(append));
  journal.Append(shard, epoch, MakeBatch(std::move(appends)),
                 [&done](Status status) { done.set_value(std::move(status)); });
  return done.get_future().get();
}

}  // namespace entente::storage
