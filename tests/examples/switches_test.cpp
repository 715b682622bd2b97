// The switches that make a service misbehave, and the bounds of what it reads.
#include <catch2/catch.hpp>

#include "examples/travel/common/http_server.h"
#include "examples/travel/common/rest_front.h"
#include "examples/travel/common/switches.h"

namespace travel {
namespace {

TEST_CASE("a count is used up by as many calls") {
  Switches switches(10, 1, /*rest=*/true);
  REQUIRE_FALSE(switches.Apply({{"fail-next", 2}, {"hang_next", 1}}));
  CHECK(switches.Draw(Direction::kForward).fault == Fault::kFail);
  CHECK(switches.Draw(Direction::kUndo).fault == Fault::kFail);
  CHECK(switches.Draw(Direction::kForward).fault == Fault::kHang);
  CHECK(switches.Draw(Direction::kForward).fault == Fault::kNone);
  CHECK(switches.Show().at("fail-next") == 0);
}

TEST_CASE("faults meant for forward calls spare the undo") {
  Switches switches(10, 1, /*rest=*/true);
  REQUIRE_FALSE(switches.Apply({{"only", "forward"}, {"refuse-next", 1}}));
  CHECK(switches.Draw(Direction::kUndo).fault == Fault::kNone);
  CHECK(switches.Draw(Direction::kForward).fault == Fault::kRefuse);
}

TEST_CASE("a rate of one hits every call and a rate of nothing hits none") {
  Switches switches(10, 1, /*rest=*/true);
  REQUIRE_FALSE(switches.Apply({{"fail-after-rate", 1.0}}));
  for (int i = 0; i < 20; ++i) {
    CHECK(switches.Draw(Direction::kForward).fault == Fault::kFailAfter);
  }
  REQUIRE_FALSE(switches.Apply({{"fail-after-rate", 0}}));
  CHECK(switches.Draw(Direction::kForward).fault == Fault::kNone);
}

TEST_CASE("the same seed throws the same dice") {
  Switches one(10, 42, /*rest=*/true);
  Switches two(10, 42, /*rest=*/true);
  REQUIRE_FALSE(one.Apply({{"fail-rate", 0.5}}));
  REQUIRE_FALSE(two.Apply({{"fail-rate", 0.5}}));
  int failed = 0;
  for (int i = 0; i < 200; ++i) {
    const Fault fault = one.Draw(Direction::kForward).fault;
    failed += fault == Fault::kFail ? 1 : 0;
    CHECK(fault == two.Draw(Direction::kForward).fault);
  }
  CHECK(failed > 50);
  CHECK(failed < 150);
}

TEST_CASE("one wrong switch leaves all of them as they were") {
  Switches switches(10, 1, /*rest=*/true);
  const Json before = switches.Show();
  for (const char* members :
       {R"("fail-next": -1)", R"("fail-next": 1.5)", R"("fail-next": 18446744073709551615)",
        R"("fail-rate": 1.1)", R"("fail-rate": "often")", R"("delay": "soon")", R"("delay": "25h")",
        R"("hang-for": -1)", R"("only": "both")", R"("capacity-of": 3)",
        R"("capacity-of": {"a": -1})", R"("speed": 1)"}) {
    CAPTURE(members);
    const auto changes = ParseJson(std::string("{\"capacity\": 3, ") + members + "}");
    REQUIRE(changes);
    CHECK(switches.Apply(*changes));
    CHECK(switches.Show() == before);
  }
  CHECK(switches.Apply(Json::array()));
}

TEST_CASE("the message about an unknown switch names those there are") {
  Switches switches(10, 1, /*rest=*/false);
  const auto problem = switches.Apply({{"garbage-next", 1}});
  REQUIRE(problem);
  CHECK(problem->find("'garbage-next'") != std::string::npos);
  CHECK(problem->find("fail-next") != std::string::npos);
}

TEST_CASE("a single pool's capacity goes before that of all") {
  Switches switches(10, 1, /*rest=*/true);
  REQUIRE_FALSE(switches.Apply({{"capacity-of", {{"Lisbon/4", 0}}}}));
  CHECK(switches.CapacityOf("Lisbon/4") == 0);
  CHECK(switches.CapacityOf("Lisbon/3") == 10);
  REQUIRE_FALSE(switches.Apply({{"capacity-of", {{"Lisbon/4", nullptr}}}}));
  CHECK(switches.CapacityOf("Lisbon/4") == 10);
}

TEST_CASE("durations are read with their units") {
  CHECK(ParseDuration("200ms") == Millis(200));
  CHECK(ParseDuration("1.5s") == Millis(1'500));
  CHECK(ParseDuration("2m") == Millis(120'000));
  CHECK(ParseDuration("250") == Millis(250));
  CHECK(ParseDuration("0") == Millis(0));
  for (const char* wrong : {"", "s", "-1s", "nan", "inf", "1x", "1 s", "2d"}) {
    CHECK_FALSE(ParseDuration(wrong));
  }
}

TEST_CASE("JSON that is broken, no UTF-8 or too deep is refused") {
  CHECK(ParseJson("{\"a\":[1,2,{\"b\":null}]}"));
  CHECK_FALSE(ParseJson("{"));
  CHECK_FALSE(ParseJson(""));
  CHECK_FALSE(ParseJson("{} {}"));
  CHECK_FALSE(ParseJson("\"\xff\""));
  CHECK_FALSE(ParseJson(std::string(60'000, '[')));
  CHECK_FALSE(ParseJson(std::string(40, '[') + std::string(40, ']')));
}

TEST_CASE("an address to listen on is checked") {
  CHECK(ParseEndpoint("127.0.0.1:0").port() == 0);
  CHECK(ParseEndpoint("localhost:80").address().is_loopback());
  CHECK(ParseEndpoint("[::1]:8080").port() == 8080);
  for (const char* wrong : {"", "127.0.0.1", ":80", "127.0.0.1:", "127.0.0.1:70000", "host:x"}) {
    CHECK_THROWS_AS(ParseEndpoint(wrong), std::invalid_argument);
  }
}

TEST_CASE("a header is shown without control characters") {
  CHECK(CleanHeader("g\n1\xff") == "g?1?");
  CHECK(CleanHeader(std::string(5'000, 'x')).size() == 1'024);
}

TEST_CASE("a pending operation's location is safe in a URL") {
  CHECK(OperationLocation(Direction::kForward, "g1/pay:1") == "/operations/g1/pay:1");
  CHECK(OperationLocation(Direction::kUndo, "a b?%") == "/operations/a%20b%3F%25?of=undo");
}

}  // namespace
}  // namespace travel
