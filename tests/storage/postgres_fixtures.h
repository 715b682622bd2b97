// Journals on the tests' own PostgreSQL, which `tests/support/postgres.py run` starts.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/postgres/connection.h"
#include "storage/postgres/postgres_journal.h"
#include "tests/storage/journal_fixtures.h"

namespace entente::storage {

// A place for tables of its own in the tests' database, empty at first.
class PostgresPlace {
 public:
  PostgresPlace();

  // What leads there; `more` is further key=value text.
  [[nodiscard]] std::string conninfo(const std::string& more = {}) const;
  [[nodiscard]] postgres::PostgresOptions options() const;
  // Runs statements there; a failure fails the test. The first value, or empty.
  std::string Query(const std::string& sql) const;
  [[nodiscard]] std::unique_ptr<pg::Connection> Connect() const;

 private:
  std::string schema_;
};

struct PostgresFactory {
  std::unique_ptr<Journal> OpenOther();
  std::unique_ptr<OwnedJournal> Open() { return std::make_unique<OwnedJournal>(OpenOther()); }
  PostgresPlace place;
};

[[nodiscard]] std::unique_ptr<Journal> OpenPostgres(const postgres::PostgresOptions& options);

// The tests' server.
std::string TestConninfo();
// `postgres.py start`, `stop` or `kill`, with further arguments.
void RunServerTool(const std::string& arguments);

// Appends under an epoch and waits for the callback.
[[nodiscard]] Status AppendUnder(Journal& journal, Epoch epoch, TxnAppend append);

}  // namespace entente::storage
