#include "entente/participant_client.h"

#include <catch2/catch.hpp>

#include "tests/sdk/canned_server.h"

namespace entente::sdk {
namespace {

using test::Canned;
using test::CannedServer;
using test::Problem;

// Calls a participant that answers as `script` says.
struct Caller {
  explicit Caller(std::vector<Canned> script, Duration retry_for = std::chrono::minutes(1))
      : server(std::move(script)), participants({.retry_for = retry_for}) {}

  Result<Answer> Call() {
    const GlobalTransaction transaction(coordinator, "g1");
    return participants.Call(transaction, "flight", Operation::kTry,
                             server.url() + "/flight/try?x=1", {{"seat", "12A"}});
  }

  Client coordinator;
  CannedServer server;
  ParticipantClient participants;
};

std::string ReasonOf(const Result<Answer>& answer) {
  return answer.status().reason();
}

TEST_CASE("a participant is called with what its barrier needs") {
  Caller caller({{.body = R"({"row":12})"}, {.status = 503}, {.body = "7"}});
  CHECK(*caller.Call() == Done({{"row", 12}}));
  CHECK(*caller.Call() == Done(7));
  const auto seen = caller.server.seen();
  REQUIRE(seen.size() == 3);
  CHECK(seen[0].method == "POST");
  CHECK(seen[0].target == "/flight/try?x=1");
  CHECK(seen[0].body == R"({"seat":"12A"})");
  CHECK(seen[0].content_type == "application/json");
  for (const char* field :
       {"Idempotency-Key: g1:flight\r\n", "Entente-Gid: g1\r\n", "Entente-Branch: flight\r\n",
        "Entente-Operation: try\r\n", "Entente-Deadline: 1"}) {
    CHECK_THAT(seen[0].head, Catch::Contains(field));
    CHECK_THAT(seen[2].head, Catch::Contains(field));
  }
  CHECK_THAT(seen[0].head, Catch::Contains("Entente-Attempt: 1\r\n"));
  CHECK_THAT(seen[2].head, Catch::Contains("Entente-Attempt: 2\r\n"));
  CHECK(seen[2].connection == 1);
}

TEST_CASE("what a participant answers means what it means to the coordinator") {
  struct Case {
    Canned canned;
    Result<Answer> answer;
  };
  const std::vector<Case> cases{
      {{.status = 201, .body = ""}, Done()},
      {{.status = 204, .body = ""}, Done()},
      {{.body = "12E4", .content_type = "text/plain"}, Done("12E4")},
      {{.body = "[1]", .content_type = "text/plain; charset=utf-8"}, Done(Json::array({1}))},
      {{.body = "<html>", .content_type = "text/html"}, UnknownOutcome("participant.unknown", "")},
      {{.status = 202, .body = "", .headers = "Location: /orders/7\r\n"}, Pending("/orders/7")},
      {{.status = 302, .body = ""}, UnknownOutcome("participant.unknown", "")},
      {{.status = 404, .body = "?"}, Refused("http.404", "the participant answered 404")},
      {Problem(409, "sold_out", "no seat"), Refused("sold_out", "no seat")},
      {{.status = 408}, UnknownOutcome("participant.unknown", "")},
      {{.status = 425}, UnknownOutcome("participant.unknown", "")},
      {{.status = 429}, UnknownOutcome("participant.unknown", "")},
      {{.status = 500}, UnknownOutcome("participant.unknown", "")},
      {{.hang_up = true}, UnknownOutcome("client.broken", "")},
      {{.body = "{}", .cut_off = true}, UnknownOutcome("client.broken", "")},
      {{.raw = "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n{}"},
       UnknownOutcome("client.bad_answer", "")},
  };
  for (const Case& each : cases) {
    CAPTURE(each.canned.status, each.canned.body);
    Caller caller({each.canned}, Duration::zero());
    const Result<Answer> answer = caller.Call();
    CHECK(answer.ok() == each.answer.ok());
    if (answer.ok() && each.answer.ok()) {
      CHECK(*answer == *each.answer);
    } else {
      CHECK(answer.status().code() == each.answer.status().code());
      CHECK(ReasonOf(answer) == ReasonOf(each.answer));
    }
  }
}

TEST_CASE("a refusal of a repeat proves nothing, and one of the first attempt does") {
  Caller repeated({{.hang_up = true}, Problem(409, "exists", "it is there already")});
  CHECK(ReasonOf(repeated.Call()) == "participant.unknown");
  Caller first({Problem(409, "full", "no"), {}});
  CHECK(*first.Call() == Refused("full", "no"));
  CHECK(first.server.seen().size() == 1);
}

TEST_CASE("who is not there was certainly not called, unless an attempt before was heard") {
  ParticipantClient participants({.retry_for = Duration::zero()});
  Client coordinator;
  std::string url;
  { url = CannedServer(std::vector<Canned>()).url(); }
  const GlobalTransaction transaction(coordinator, "g1");
  const auto call = [&](const std::string& where) {
    return participants.Call(transaction, "b", Operation::kAction, where, nullptr).status();
  };
  CHECK(call(url).code() == StatusCode::kUnavailable);
  CHECK(call("flights:8081").reason() == "client.bad_url");
  CHECK(call("https://127.0.0.1:1").reason() == "client.unreachable");
}

}  // namespace
}  // namespace entente::sdk
