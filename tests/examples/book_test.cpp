// The rules of the four services, on their files but without a server.
#include <memory>
#include <utility>

#include <catch2/catch.hpp>

#include "examples/travel/common/book.h"
#include "examples/travel/services.h"
#include "tests/examples/scratch.h"

namespace travel {
namespace {

// A book whose capacity and time the test sets. Each call is a transaction of its own.
class Fixture {
 public:
  explicit Fixture(std::unique_ptr<Business> business)
      : business_(std::move(business)),
        database_(scratch_.File("book.db"), Database::Access::kReadWrite),
        book_(database_, *business_) {}

  Answer Forward(const std::string& key, const Json& body) {
    return Apply(Direction::kForward, key, body);
  }
  Answer Undo(const std::string& key) { return Apply(Direction::kUndo, key, Json::object()); }

  int64_t Number(const std::string& sql) {
    Statement statement(database_, sql);
    REQUIRE(statement.Step());
    return statement.Integer(0);
  }
  std::string Text(const std::string& sql) {
    Statement statement(database_, sql);
    REQUIRE(statement.Step());
    return statement.Text(0);
  }

  int64_t capacity = 1'000'000;
  int64_t now_ms = 1'753'970'706'123;
  std::optional<int64_t> pending_ms;
  Caller caller{"g1", "b1", "action", "1", "7"};
  Database& database() { return database_; }

 private:
  Answer Apply(Direction direction, const std::string& key, const Json& body) {
    Call call;
    call.direction = direction;
    call.key = key;
    call.body = body;
    call.request = "TEST " + key;
    call.caller = caller;
    Terms terms;
    terms.now_ms = now_ms;
    terms.capacity = [this](const std::string&) { return capacity; };
    terms.pending_ms = pending_ms;
    database_.Execute("BEGIN IMMEDIATE");
    Answer answer = book_.Apply(call, terms);
    book_.Log(call, answer, "", now_ms);
    database_.Execute("COMMIT");
    return answer;
  }

  test::Scratch scratch_;
  std::unique_ptr<Business> business_;
  Database database_;
  Book book_;
};

const Json kFlight = {{"who", "Ada"}, {"to", "Lisbon"}};

TEST_CASE("a repeated booking gets the same answer and one effect") {
  Fixture flights(MakeFlights());
  const Answer first = flights.Forward("k1", kFlight);
  CHECK(first.status == 200);
  CHECK(first.body.at("price").get<int64_t>() > 0);
  CHECK_FALSE(first.body.at("arrives").get<std::string>().empty());
  flights.Forward("k2", kFlight);

  const Answer repeat = flights.Forward("k1", kFlight);
  CHECK(repeat.status == 200);
  CHECK(repeat.body == first.body);
  CHECK(repeat.outcome == "repeat");
  CHECK(flights.Number("SELECT COUNT(*) FROM ledger WHERE key = 'k1'") == 1);
  CHECK(flights.Number("SELECT COUNT(*) FROM calls WHERE key = 'k1'") == 2);
}

TEST_CASE("a key used for another body is refused and changes nothing") {
  Fixture flights(MakeFlights());
  flights.Forward("k1", kFlight);
  const Answer other = flights.Forward("k1", {{"who", "Ada"}, {"to", "Porto"}});
  CHECK(other.status == 422);
  CHECK(other.outcome == "key_reused");
  CHECK(flights.Number("SELECT SUM(amount) FROM ledger") == 1);
}

TEST_CASE("an undo gives the unit back once, however often it is repeated") {
  Fixture cars(MakeCars());
  cars.Forward("k1", {{"from", "noon"}});
  const Answer undo = cars.Undo("k1");
  const Answer repeat = cars.Undo("k1");
  CHECK(undo.status == 200);
  CHECK(undo.body.at("cancelled") == true);
  CHECK(repeat.status == 200);
  CHECK(repeat.body == undo.body);
  CHECK(cars.Number("SELECT SUM(amount) FROM ledger") == 0);
  CHECK(cars.Number("SELECT COUNT(*) FROM ledger WHERE effect = 'released'") == 1);
  CHECK(cars.Number("SELECT used FROM pools WHERE name = 'cars'") == 0);
}

TEST_CASE("an undo of an unknown key succeeds and refuses the action that comes late") {
  Fixture flights(MakeFlights());
  const Answer undo = flights.Undo("k1");
  CHECK(undo.status == 200);
  CHECK(undo.body.at("cancelled") == false);
  CHECK(flights.Undo("k1").body == undo.body);

  const Answer late = flights.Forward("k1", kFlight);
  CHECK(late.status == 409);
  CHECK(late.outcome == "undone");
  CHECK(flights.Number("SELECT COUNT(*) FROM ledger") == 0);
}

TEST_CASE("a booking that was given back cannot be booked again under its key") {
  Fixture flights(MakeFlights());
  flights.Forward("k1", kFlight);
  flights.Undo("k1");
  CHECK(flights.Forward("k1", kFlight).status == 409);
  CHECK(flights.Number("SELECT SUM(amount) FROM ledger") == 0);
}

TEST_CASE("a full service refuses, leaves nothing behind, and sells what is given back") {
  Fixture flights(MakeFlights());
  flights.capacity = 1;
  CHECK(flights.Forward("k1", kFlight).status == 200);
  const Answer full = flights.Forward("k2", kFlight);
  CHECK(full.status == 409);
  CHECK(full.outcome == "full");
  CHECK(flights.Forward("k1", kFlight).status == 200);  // A repeat needs no room.
  flights.Undo("k1");
  CHECK(flights.Forward("k2", kFlight).status == 200);
  CHECK(flights.Number("SELECT used FROM pools") == 1);
}

TEST_CASE("each city and number of stars has rooms of its own") {
  Fixture hotels(MakeHotels());
  hotels.capacity = 1;
  const Answer four = hotels.Forward("k1", {{"city", "Lisbon"}, {"stars", 4}});
  CHECK(four.status == 200);
  CHECK(hotels.Forward("k2", {{"city", "Lisbon"}, {"stars", 4}}).status == 409);
  const Answer three = hotels.Forward("k2", {{"city", "Lisbon"}, {"stars", 3}});
  CHECK(three.status == 200);
  CHECK(three.body.at("price").get<int64_t>() < four.body.at("price").get<int64_t>());
  CHECK(hotels.Forward("k3", {{"city", "Porto"}, {"stars", 4}}).status == 200);
}

TEST_CASE("a charge takes its amount from the limit and a refund returns it") {
  Fixture payments(MakePayments());
  payments.capacity = 10'000;
  CHECK(payments.Forward("k1", {{"amount", 6'000}}).body.at("amount") == 6'000);
  CHECK(payments.Forward("k2", {{"amount", 4'001}}).status == 409);
  CHECK(payments.Forward("k3", {{"amount", 4'000}}).status == 200);
  CHECK(payments.Undo("k1").body.at("refunded") == 6'000);
  CHECK(payments.Undo("k9").body.at("refunded") == 0);
  CHECK(payments.Number("SELECT SUM(amount) FROM ledger") == 4'000);
  CHECK(payments.Number("SELECT used FROM pools") == 4'000);
  CHECK(payments.Number("SELECT amount FROM ledger WHERE effect = 'refunded'") == -6'000);
}

TEST_CASE("a request that makes no sense is refused without an effect") {
  Fixture payments(MakePayments());
  const Json amounts[] = {0, -5, 1.5, "many", nullptr, 1e300};
  for (const Json& amount : amounts) {
    CHECK(payments.Forward("k", {{"amount", amount}}).status == 422);
  }
  CHECK(payments.Forward("k", Json::array()).status == 422);
  CHECK(payments.Forward("k", "text").status == 422);
  CHECK(payments.Forward("", {{"amount", 1}}).status == 400);
  CHECK(payments.Forward(std::string(600, 'k'), {{"amount", 1}}).status == 400);
  CHECK(payments.Forward("new\nline", {{"amount", 1}}).status == 400);
  CHECK(payments.Number("SELECT COUNT(*) FROM ledger") == 0);

  Fixture hotels(MakeHotels());
  CHECK(hotels.Forward("k", {{"city", "Lisbon"}, {"stars", 6}}).status == 422);
  CHECK(hotels.Forward("k", {{"city", "Lisbon"}, {"stars", "4"}}).status == 422);
  CHECK(hotels.Forward("k", {{"city", ""}, {"stars", 4}}).status == 422);
}

TEST_CASE("the ledger names the caller of every effect") {
  Fixture flights(MakeFlights());
  flights.Forward("k1", kFlight);
  flights.caller = {"g1", "b1", "compensate", "3", "8"};
  flights.Undo("k1");
  CHECK(flights.Text("SELECT gid || '/' || branch || '/' || operation || '/' || attempt || '/' ||"
                     " epoch || '/' || effect || '/' || amount || '/' || at FROM ledger"
                     " WHERE sequence = 2") ==
        "g1/b1/compensate/3/8/released/-1/2025-07-31T14:05:06.123Z");
}

TEST_CASE("the ledger's rows cannot be changed or deleted") {
  Fixture flights(MakeFlights());
  flights.Forward("k1", kFlight);
  CHECK_THROWS_AS(flights.database().Execute("DELETE FROM ledger"), SqliteError);
  CHECK_THROWS_AS(flights.database().Execute("UPDATE ledger SET amount = 2"), SqliteError);
}

TEST_CASE("what is in use is always what the ledger sums to") {
  Fixture payments(MakePayments());
  payments.capacity = 50'000;
  for (int64_t round = 0; round < 400; ++round) {
    const std::string key = "k" + std::to_string(Spread("key" + std::to_string(round), 40));
    if (Spread("undo" + std::to_string(round), 3) == 0) {
      payments.Undo(key);
    } else {
      payments.Forward(key, {{"amount", 1 + Spread(key, 9'000)}});
    }
    const int64_t net = payments.Number("SELECT COALESCE(SUM(amount), 0) FROM ledger");
    REQUIRE(net == payments.Number("SELECT COALESCE(SUM(used), 0) FROM pools"));
    REQUIRE(net ==
            payments.Number("SELECT COALESCE(SUM(units), 0) FROM bookings WHERE state = 'held'"));
    REQUIRE(net <= payments.capacity);
  }
  CHECK(payments.Number("SELECT COUNT(*) FROM calls") == 400);
}

TEST_CASE("a pending operation has its effect at once and its answer when it is due") {
  Fixture payments(MakePayments());
  payments.pending_ms = 1'000;
  CHECK(payments.Forward("k1", {{"amount", 5}}).status == 202);
  payments.pending_ms.reset();
  CHECK(payments.Forward("k1", {{"amount", 5}}).status == 202);
  CHECK(payments.Number("SELECT SUM(amount) FROM ledger") == 5);
  payments.now_ms += 1'000;
  const Answer due = payments.Forward("k1", {{"amount", 5}});
  CHECK(due.status == 200);
  CHECK(due.body.at("amount") == 5);
}

TEST_CASE("a pending operation that is refused is refused at once") {
  Fixture payments(MakePayments());
  payments.pending_ms = 1'000;
  CHECK(payments.Forward("k1", {{"amount", -5}}).status == 422);
}

TEST_CASE("a file of one service is not opened by another") {
  test::Scratch scratch;
  const auto flights = MakeFlights();
  const auto cars = MakeCars();
  Database database(scratch.File("shared.db"), Database::Access::kReadWrite);
  CHECK_NOTHROW(Book(database, *flights));
  CHECK_THROWS_AS(Book(database, *cars), SqliteError);
  CHECK_NOTHROW(Book(database, *flights));
}

TEST_CASE("the same request costs the same everywhere") {
  Fixture one(MakeFlights());
  Fixture two(MakeFlights());
  two.Forward("earlier", {{"who", "Bob"}, {"to", "Porto"}});
  const Json left = one.Forward("k1", kFlight).body;
  const Json right = two.Forward("k2", kFlight).body;
  CHECK(left.at("price") == right.at("price"));
  CHECK(left.at("arrives") == right.at("arrives"));
  CHECK(left.at("id") != right.at("id"));
}

}  // namespace
}  // namespace travel
