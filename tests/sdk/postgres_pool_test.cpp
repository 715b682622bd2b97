#include "entente/postgres_pool.h"

#include <atomic>
#include <thread>

#include "entente/postgres_barrier.h"
#include "tests/sdk/postgres_connection.h"

namespace entente::sdk {
namespace {

using test::ConnectPostgres;
using test::Query;

PostgresPoolOptions Options() {
  return {.conninfo = std::getenv("ENTENTE_TEST_POSTGRES"), .max_connections = 2};
}

std::string Pid(const PostgresPool::Loan& loan) {
  return std::to_string(PQbackendPID(loan.get()));
}

TEST_CASE("a connection is lent again once it was given back") {
  PostgresPool pool(Options());
  std::string first;
  {
    const auto loan = pool.Borrow();
    REQUIRE(loan.ok());
    first = Pid(*loan);
    CHECK(Query(loan->get(), "SHOW lock_timeout") == "5s");
    CHECK(Query(loan->get(), "SHOW client_connection_check_interval") == "1s");
    const auto other = pool.Borrow();
    REQUIRE(other.ok());
    CHECK(Pid(*other) != first);
  }
  const auto again = pool.Borrow();
  REQUIRE(again.ok());
  CHECK(Pid(*again) == first);
}

TEST_CASE("more than there may be are waited for, and then told so") {
  PostgresPoolOptions options = Options();
  options.borrow_timeout = std::chrono::milliseconds(10);
  PostgresPool pool(options);
  auto one = pool.Borrow();
  const auto two = pool.Borrow();
  REQUIRE(two.ok());
  CHECK(pool.Borrow().status().reason() == "postgres.pool_busy");
  options.borrow_timeout = std::chrono::minutes(5);
  PostgresPool patient(options);
  auto held = std::make_unique<PostgresPool::Loan>(std::move(*patient.Borrow()));
  const auto also_held = patient.Borrow();
  std::string lent;
  std::thread waiting([&] {
    const auto loan = patient.Borrow();
    lent = loan.ok() ? Pid(*loan) : loan.status().ToString();
  });
  const std::string freed = Pid(*held);
  held.reset();
  waiting.join();
  CHECK(lent == freed);
}

TEST_CASE("what is broken or in a transaction is not lent again") {
  PostgresPool pool(Options());
  std::string left;
  {
    const auto loan = pool.Borrow();
    left = Pid(*loan);
    Query(loan->get(), "CREATE TABLE IF NOT EXISTS pooled (x int)");
    Query(loan->get(), "BEGIN");
    Query(loan->get(), "INSERT INTO pooled VALUES (1)");
  }
  const auto admin = ConnectPostgres();
  {
    const auto loan = pool.Borrow();
    REQUIRE(loan.ok());
    CHECK(Pid(*loan) != left);
    CHECK(Query(loan->get(), "SELECT count(*) FROM pooled") == "0");
    left = Pid(*loan);
  }
  // The server closes it while it is idle.
  Query(admin.get(), "SELECT pg_terminate_backend(" + left + ", 10000)");
  const auto loan = pool.Borrow();
  REQUIRE(loan.ok());
  CHECK(Pid(*loan) != left);
  CHECK(Query(loan->get(), "SELECT 1") == "1");
}

TEST_CASE("what can not be connected or made ready is reported, and takes no place") {
  PostgresPoolOptions options = Options();
  bool refuse = true;
  options.max_connections = 1;
  options.on_connect = [&](PGconn* connection) {
    Query(connection, "SET search_path = pg_catalog");
    return refuse ? Internal("mine", "not now") : Status();
  };
  PostgresPool pool(options);
  for (int i = 0; i < 3; ++i) {
    CHECK(pool.Borrow().status().reason() == "mine");
  }
  refuse = false;
  const auto loan = pool.Borrow();
  REQUIRE(loan.ok());
  CHECK(Query(loan->get(), "SHOW search_path") == "pg_catalog");
  CHECK(PostgresPool("host=127.0.0.1 port=1").Borrow().status().reason() ==
        "barrier.no_connection");
}

TEST_CASE("many threads share a few connections") {
  PostgresPoolOptions options = Options();
  options.borrow_timeout = std::chrono::minutes(5);
  PostgresPool pool(options);
  std::atomic<int> lent{0};
  std::atomic<int> most{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 10; ++round) {
        const auto loan = pool.Borrow();
        const int count = ++lent;
        for (int seen = most; seen < count && !most.compare_exchange_weak(seen, count);) {
        }
        if (loan.ok()) {
          PQclear(PQexec(loan->get(), "SELECT 1"));
        }
        --lent;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(most <= 2);
}

}  // namespace
}  // namespace entente::sdk
