#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "base/limits.h"
#include "tests/api/http_client.h"

namespace entente::api::test {
namespace {

Json FirstViolation(const Answer& answer) {
  const Json problem = answer.Document();
  REQUIRE(problem.contains("violations"));
  return problem["violations"][0];
}

TEST_CASE("an unknown field is refused with the name that was probably meant") {
  RestServer server;
  const Answer answer = server.Post("/v1/transactions", R"({"defintion":"trip"})");
  CHECK(answer.status == 400);
  const Json violation = FirstViolation(answer);
  CHECK(violation["field"] == "defintion");
  CHECK(violation["message"] == "unknown field 'defintion'");
  CHECK(violation["suggestion"] == "did you mean 'definition'?");

  CHECK(server.Post("/v1/transactions", R"({"definition":"trip","request_id":1})").status == 400);
  CHECK(server.Post("/v1/transactions/t:cancel", R"({"branch":"b"})").status == 400);
  CHECK(server.coordinator.mutations() == 0);
}

TEST_CASE("a field of the wrong type is refused, saying what it is and what it must be") {
  RestServer server;
  const Answer answer =
      server.Post("/v1/transactions", R"({"definition":["trip"],"version":"3","labels":{"a":1}})");
  CHECK(answer.status == 400);
  const Json violations = answer.Document()["violations"];
  REQUIRE(violations.size() == 3);
  CHECK(violations[0]["message"] == "must be a string, not an array");
  CHECK(violations[1]["message"] == "must be a number, not a string");
  CHECK(violations[2]["field"] == "labels.a");
  CHECK(violations[2]["message"] == "must be a string, not a number");

  for (const char* version :
       {"-1", "1.5", "4294967296", "4294967296.0", "1e10", "1e400", "15e-1", "-7.0"}) {
    CAPTURE(version);
    const Answer refused = server.Post(
        "/v1/transactions", R"({"definition":"trip","version":)" + std::string(version) + "}");
    CHECK(refused.status == 400);
    CHECK(FirstViolation(refused)["message"] == "must be a whole number from 0 to 4294967295");
  }
  CHECK(FirstViolation(server.Post("/v1/transactions",
                                   R"({"definition":"trip","version":true})"))["message"] ==
        "must be a number, not a boolean");
  for (const char* number : {"1.5", "1e400", "18446744073709551616"}) {
    CAPTURE(number);
    const Answer refused =
        server.Post("/v1/transactions", R"({"definition":)" + std::string(number) + "}");
    CHECK(FirstViolation(refused)["message"] == "must be a string, not a number");
  }
}

TEST_CASE("a whole number is taken however it is written") {
  RestServer server;
  for (const auto& [text, number] :
       std::vector<std::pair<const char*, uint32_t>>{{"7", 7},
                                                     {"7.0", 7},
                                                     {"7.00", 7},
                                                     {"70e-1", 7},
                                                     {"0.7E+1", 7},
                                                     {"7e2", 700},
                                                     {"4294967295.0", 4294967295}}) {
    CAPTURE(text);
    REQUIRE(server
                .Post("/v1/transactions",
                      R"({"definition":"trip","version":)" + std::string(text) + "}")
                .status < 300);
    CHECK(server.coordinator.last_submit()->version == number);
  }
  for (const char* zero : {"0", "-0", "0.0", "-0.0", "0e5"}) {
    CAPTURE(zero);
    CHECK(
        server
            .Post("/v1/transactions/t:cancel", R"({"expectedRevision":)" + std::string(zero) + "}")
            .status < 300);
  }
}

TEST_CASE("a body that is not a JSON object is refused, saying where") {
  RestServer server;
  CHECK(FirstViolation(server.Post("/v1/transactions", "[1]"))["message"] ==
        "the body must be a JSON object, not an array");

  const Answer syntax = server.Post("/v1/transactions", "{\n  \"definition\": trip\n}");
  CHECK(syntax.status == 400);
  CHECK(syntax.Document()["code"] == "json.syntax");
  CHECK(syntax.body.find("line 2") != std::string::npos);

  CHECK(server.Post("/v1/transactions", R"({"gid":"a","gid":"b"})").Document()["code"] ==
        "json.duplicate_key");
  CHECK(server.Post("/v1/transactions", "{\"gid\":\"\xFF\"}").Document()["code"] ==
        "json.bad_utf8");
  CHECK(server.Post("/v1/transactions", std::string(100'000, '[')).Document()["code"] ==
        "json.too_deep");
  const Json nested =
      server
          .Post("/v1/transactions", R"({"definition":"trip","input":)" + std::string(65, '[') +
                                        std::string(65, ']') + "}")
          .Document();
  CHECK(nested["code"] == "json.too_deep");
  CHECK(nested["detail"].get<std::string>().find("64 of a payload") != std::string::npos);
  CHECK(server.coordinator.mutations() == 0);
}

TEST_CASE("a body must be there and be declared as JSON") {
  RestServer server;
  CHECK(server.Send("POST", "/v1/transactions").Document()["code"] == "request.no_body");
  for (const char* type :
       {"text/plain", "application/x-www-form-urlencoded", "application/jsonx"}) {
    CAPTURE(type);
    const Answer answer = server.Send("POST", "/v1/transactions", "{}", {{"Content-Type", type}});
    CHECK(answer.status == 415);
    CHECK(answer.Document()["code"] == "request.media_type");
  }
  // None at all: an empty value is not sent.
  CHECK(server.Send("POST", "/v1/transactions", "{}", {{"Content-Type", ""}}).status == 415);
  CHECK(server.Send("POST", "/v1/transactions", "{}", {{"Content-Encoding", "gzip"}}).status ==
        415);
  CHECK(server
            .Send("POST", "/v1/transactions", R"({"definition":"trip"})",
                  {{"Content-Type", "Application/JSON ; charset=utf-8"}})
            .status == 201);
  CHECK(server.Send("GET", "/v1/transactions", "{}").Document()["code"] == "request.body");
  // An operator's action may go without.
  CHECK(server.Send("POST", "/v1/transactions/t:cancel").status == 200);
}

TEST_CASE("the query is as strict as the body") {
  RestServer server;
  const Json violation = FirstViolation(server.Get("/v1/transactions?stauts=ACTIVE"));
  CHECK(violation["field"] == "stauts");
  CHECK(violation["suggestion"] == "did you mean 'status'?");
  for (const char* query : {"status=ACTIVE&status=ABORTED", "status=DONE", "mode=sagas", "limit=0",
                            "limit=-1", "limit=1001", "limit=x", "incident=yes", "label=team",
                            "label=%3Dx", "since=yesterday", "q=%FF", "q=%4"}) {
    CAPTURE(query);
    CHECK(server.Get("/v1/transactions?" + std::string(query)).status == 400);
  }
  for (const char* path :
       {"/healthz?x=1", "/metrics?x", "/v1/participants?x=1", "/v1/definitions/a?version=1",
        "/v1/transactions/t/history?limit=1", "/v1/events?gid=x", "/v1/events?status=DONE"}) {
    CAPTURE(path);
    CHECK(server.Get(path).status == 400);
  }
  CHECK(server.Post("/v1/transactions?wait=1s", R"({"definition":"trip"})").status == 400);
  CHECK(server.coordinator.mutations() == 0);
}

}  // namespace
}  // namespace entente::api::test
