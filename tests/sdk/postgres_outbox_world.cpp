#include <atomic>
#include <vector>

#include "tests/sdk/outbox_world.h"
#include "tests/sdk/postgres_connection.h"

namespace entente::sdk::test {
namespace {

class PostgresOutboxWorld final : public OutboxWorld {
 public:
  PostgresOutboxWorld() {
    static std::atomic<int> count{0};
    schema_ = "outbox_" + std::to_string(count++);
    OutboxOptions options;
    options.now = [this] { return now; };
    outbox_ = PostgresOutbox(options);
    Query(ConnectPostgres().get(), "CREATE SCHEMA " + schema_);
    writer_ = Connect();
    REQUIRE(outbox_.CreateSchema(writer_).ok());
    REQUIRE(outbox_.CreateSchema(writer_).ok());
  }
  void Transact(const std::function<void()>& work, bool commit) override {
    Query(writer_, "BEGIN");
    work();
    Query(writer_, commit ? "COMMIT" : "ROLLBACK");
  }
  Result<std::string> Put(const SubmitRequest& request) override {
    return outbox_.Put(writer_, request);
  }
  std::unique_ptr<OutboxStore> Open() override {
    PGconn* connection = Connect();
    opened_.push_back(connection);
    return outbox_.Open(connection);
  }
  bool CutOff() override {
    for (PGconn* connection : opened_) {
      Query(writer_,
            "SELECT pg_terminate_backend(" + std::to_string(PQbackendPID(connection)) + ", 10000)");
    }
    return true;
  }

 private:
  PGconn* Connect() {
    connections_.push_back(ConnectPostgres("options='-c search_path=" + schema_ + "'"));
    return connections_.back().get();
  }

  std::string schema_;
  PostgresOutbox outbox_;
  PGconn* writer_ = nullptr;
  std::vector<PgHandle> connections_;
  std::vector<PGconn*> opened_;
};

}  // namespace

std::unique_ptr<OutboxWorld> MakeOutboxWorld() {
  return std::make_unique<PostgresOutboxWorld>();
}

}  // namespace entente::sdk::test
