#include <atomic>

#include "entente/mysql_barrier.h"
#include "tests/sdk/barrier_world.h"
#include "tests/sdk/mysql_connection.h"

namespace entente::sdk::test {
namespace {

class MysqlBusiness final : public Business {
 public:
  explicit MysqlBusiness(MYSQL* connection) : connection_(connection) {}
  void Write(const std::string& effect) override {
    mysql_query(connection_, ("INSERT INTO ledger VALUES ('" + effect + "')").c_str());
  }
  void Fail() override { mysql_query(connection_, "SELECT nonsense"); }
  void Commit() override { QueryMysql(connection_, "COMMIT"); }
  void Begin() override { QueryMysql(connection_, "BEGIN"); }
  void Execute(const std::string& sql) override { QueryMysql(connection_, sql); }

 private:
  MYSQL* connection_;
};

class MysqlConnection final : public Connection {
 public:
  MysqlConnection(const std::string& database, unsigned long flags, BarrierOptions options)
      : barrier_(std::move(options)), connection_(ConnectMysql(database, flags)) {}
  Result<Answer> Run(const Call& call, const Work& work) override {
    return barrier_.Run(connection_.get(), call, [&](MYSQL* connection) {
      MysqlBusiness business(connection);
      return work(business);
    });
  }
  Result<PurgeReport> Purge(const PurgeOptions& options) override {
    return barrier_.Purge(connection_.get(), options);
  }
  Status CreateSchema() override { return barrier_.CreateSchema(connection_.get()); }
  std::vector<std::string> Ledger() override {
    std::vector<std::string> effects;
    mysql_query(connection_.get(), "SELECT effect FROM ledger ORDER BY effect");
    MYSQL_RES* result = mysql_store_result(connection_.get());
    while (const MYSQL_ROW row = mysql_fetch_row(result)) {
      effects.emplace_back(row[0]);
    }
    mysql_free_result(result);
    return effects;
  }
  void Execute(const std::string& sql) override { QueryMysql(connection_.get(), sql); }
  std::string Ask(const std::string& sql) override { return QueryMysql(connection_.get(), sql); }
  bool InTransaction() override {
    return QueryMysql(connection_.get(), "SELECT @@in_transaction") == "1" ||
           QueryMysql(connection_.get(), "SELECT @@autocommit") == "0";
  }

 private:
  MysqlBarrier barrier_;
  MysqlHandle connection_;
};

class MysqlWorld final : public World {
 public:
  MysqlWorld() : database_(MakeMysqlDatabase()) { REQUIRE(Connect()->CreateSchema().ok()); }

  // Every other one counts the rows that a statement found, not those that it changed.
  std::unique_ptr<Connection> Connect() override {
    BarrierOptions options;
    options.now = [this] { return now; };
    return std::make_unique<MysqlConnection>(
        database_, connections_++ % 2 == 0 ? 0UL : CLIENT_FOUND_ROWS, options);
  }

 private:
  const std::string database_;
  std::atomic<unsigned> connections_{0};
};

}  // namespace

std::string MakeMysqlDatabase() {
  static std::atomic<int> count{0};
  const std::string database = "barrier_" + std::to_string(count++);
  const MysqlHandle connection = ConnectMysql("");
  QueryMysql(connection.get(), "CREATE DATABASE " + database + "; CREATE TABLE " + database +
                                   ".ledger (effect VARCHAR(100)) ENGINE = InnoDB");
  return database;
}

std::unique_ptr<World> MakeWorld() {
  return std::make_unique<MysqlWorld>();
}

}  // namespace entente::sdk::test
