#include <atomic>

#include "entente/postgres_barrier.h"
#include "tests/sdk/barrier_world.h"
#include "tests/sdk/postgres_connection.h"

namespace entente::sdk::test {
namespace {

class PostgresBusiness final : public Business {
 public:
  explicit PostgresBusiness(PGconn* connection) : connection_(connection) {}
  void Write(const std::string& effect) override {
    PQclear(PQexec(connection_, ("INSERT INTO ledger VALUES ('" + effect + "')").c_str()));
  }
  void Fail() override { PQclear(PQexec(connection_, "SELECT nonsense")); }
  void Commit() override { Query(connection_, "COMMIT"); }
  void Begin() override { Query(connection_, "BEGIN"); }
  void Execute(const std::string& sql) override { Query(connection_, sql); }

 private:
  PGconn* connection_;
};

class PostgresConnection final : public Connection {
 public:
  PostgresConnection(const std::string& schema, BarrierOptions options)
      : barrier_(std::move(options)), connection_(ConnectPostgres()) {
    Query(connection_.get(), "SET search_path = " + schema);
  }
  Result<Answer> Run(const Call& call, const Work& work) override {
    return barrier_.Run(connection_.get(), call, [&](PGconn* connection) {
      PostgresBusiness business(connection);
      return work(business);
    });
  }
  Result<PurgeReport> Purge(const PurgeOptions& options) override {
    return barrier_.Purge(connection_.get(), options);
  }
  Status CreateSchema() override { return barrier_.CreateSchema(connection_.get()); }
  std::vector<std::string> Ledger() override {
    std::vector<std::string> effects;
    PGresult* result = PQexec(connection_.get(), "SELECT effect FROM ledger ORDER BY effect");
    for (int i = 0; i < PQntuples(result); ++i) {
      effects.emplace_back(PQgetvalue(result, i, 0));
    }
    PQclear(result);
    return effects;
  }
  void Execute(const std::string& sql) override { Query(connection_.get(), sql); }
  std::string Ask(const std::string& sql) override { return Query(connection_.get(), sql); }
  bool InTransaction() override { return PQtransactionStatus(connection_.get()) != PQTRANS_IDLE; }

 private:
  PostgresBarrier barrier_;
  PgHandle connection_;
};

// Each in a schema of its own.
class PostgresWorld final : public World {
 public:
  PostgresWorld() {
    static std::atomic<int> count{0};
    schema_ = "barrier_" + std::to_string(count++);
    const PgHandle connection = ConnectPostgres();
    Query(connection.get(), "CREATE SCHEMA " + schema_);
    Query(connection.get(), "CREATE TABLE " + schema_ + ".ledger (effect text)");
    REQUIRE(Connect()->CreateSchema().ok());
  }
  std::unique_ptr<Connection> Connect() override {
    BarrierOptions options;
    options.now = [this] { return now; };
    return std::make_unique<PostgresConnection>(schema_, options);
  }

 private:
  std::string schema_;
};

}  // namespace

std::unique_ptr<World> MakeWorld() {
  return std::make_unique<PostgresWorld>();
}

}  // namespace entente::sdk::test
