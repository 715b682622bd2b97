#include <sqlite3.h>
#include <stdlib.h>

#include <filesystem>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/sdk/outbox_world.h"

namespace entente::sdk::test {
namespace {

class SqliteOutboxWorld final : public OutboxWorld {
 public:
  SqliteOutboxWorld() {
    std::string name = (std::filesystem::temp_directory_path() / "outbox-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    directory_ = name;
    OutboxOptions options;
    options.now = [this] { return now; };
    outbox_ = SqliteOutbox(options);
    writer_ = Connect();
    REQUIRE(outbox_.CreateSchema(writer_).ok());
    REQUIRE(outbox_.CreateSchema(writer_).ok());
  }
  ~SqliteOutboxWorld() override {
    for (sqlite3* connection : connections_) {
      sqlite3_close(connection);
    }
    std::filesystem::remove_all(directory_);
  }
  void Transact(const std::function<void()>& work, bool commit) override {
    sqlite3_exec(writer_, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr);
    work();
    REQUIRE(sqlite3_exec(writer_, commit ? "COMMIT" : "ROLLBACK", nullptr, nullptr, nullptr) ==
            SQLITE_OK);
  }
  Result<std::string> Put(const SubmitRequest& request) override {
    return outbox_.Put(writer_, request);
  }
  std::unique_ptr<OutboxStore> Open() override { return outbox_.Open(Connect()); }

 private:
  sqlite3* Connect() {
    sqlite3* connection = nullptr;
    REQUIRE(sqlite3_open((directory_ / "db").c_str(), &connection) == SQLITE_OK);
    sqlite3_busy_timeout(connection, 60'000);
    sqlite3_exec(connection, "PRAGMA journal_mode = WAL", nullptr, nullptr, nullptr);
    connections_.push_back(connection);
    return connection;
  }

  std::filesystem::path directory_;
  SqliteOutbox outbox_;
  sqlite3* writer_ = nullptr;
  std::vector<sqlite3*> connections_;
};

}  // namespace

std::unique_ptr<OutboxWorld> MakeOutboxWorld() {
  return std::make_unique<SqliteOutboxWorld>();
}

}  // namespace entente::sdk::test
