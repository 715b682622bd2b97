// Group commit: what is acknowledged is on disk, all of a batch or nothing of it.
#include <atomic>
#include <future>
#include <vector>

#include <catch2/catch.hpp>

#include "examples/travel/common/writer.h"
#include "examples/travel/services.h"
#include "tests/examples/scratch.h"

namespace travel {
namespace {

Call Charge(const std::string& key) {
  Call call;
  call.key = key;
  call.body = {{"amount", 10}};
  return call;
}

Terms Unlimited() {
  Terms terms;
  terms.capacity = [](const std::string&) { return int64_t{1'000'000}; };
  return terms;
}

int64_t Net(const std::string& path) {
  Database database(path, Database::Access::kReadOnly);
  Statement statement(database, "SELECT COALESCE(SUM(amount), 0) FROM ledger");
  REQUIRE(statement.Step());
  return statement.Integer(0);
}

TEST_CASE("jobs queued before a stop are written and acknowledged") {
  test::Scratch scratch;
  const auto payments = MakePayments();
  std::atomic<int> committed{0};
  {
    Writer writer(scratch.File("p.db"), *payments);
    for (int i = 0; i < 200; ++i) {
      REQUIRE(writer.Submit(
          {[i](Book& book) { book.Apply(Charge("k" + std::to_string(i)), Unlimited()); },
           [&](bool ok) { committed += ok ? 1 : 0; }}));
    }
    writer.Stop();
    CHECK_FALSE(writer.Submit({[](Book&) {}, [](bool) {}}));
  }
  CHECK(committed == 200);
  CHECK(Net(scratch.File("p.db")) == 2'000);
}

TEST_CASE("a batch that fails leaves nothing behind, and the next one is written") {
  test::Scratch scratch;
  const auto payments = MakePayments();
  Writer writer(scratch.File("p.db"), *payments);
  std::promise<bool> failed;
  REQUIRE(writer.Submit({[](Book& book) {
                           book.Apply(Charge("k1"), Unlimited());
                           throw SqliteError("the disk is full");
                         },
                         [&](bool ok) { failed.set_value(ok); }}));
  CHECK_FALSE(failed.get_future().get());
  CHECK(Net(scratch.File("p.db")) == 0);

  std::promise<bool> written;
  REQUIRE(writer.Submit({[](Book& book) { book.Apply(Charge("k1"), Unlimited()); },
                         [&](bool ok) { written.set_value(ok); }}));
  CHECK(written.get_future().get());
  CHECK(Net(scratch.File("p.db")) == 10);
}

TEST_CASE("a file that a service has open is refused to a second one") {
  test::Scratch scratch;
  const auto payments = MakePayments();
  {
    Writer writer(scratch.File("p.db"), *payments);
    CHECK_THROWS_AS(Writer(scratch.File("p.db"), *payments), SqliteError);
  }
  CHECK_NOTHROW(Writer(scratch.File("p.db"), *payments));
}

}  // namespace
}  // namespace travel
