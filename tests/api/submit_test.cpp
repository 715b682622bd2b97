#include <catch2/catch.hpp>

#include "base/limits.h"
#include "tests/api/fixtures.h"
#include "tests/api/http_client.h"

namespace entente::api::test {
namespace {

constexpr const char* kPath = "/v1/transactions";

TEST_CASE("everything a submit says reaches the coordinator") {
  RestServer server;
  const Answer answer =
      server.Send("POST", kPath, R"({
      "definition": "trip", "version": 3, "gid": "trip-1", "input": {"n": 1, "x": [1.5, null]},
      "labels": {"team": "travel", "a": "b"}, "deadline": "1h30m", "wait": "2s"})",
                  {{"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}});
  REQUIRE(answer.status == 200);
  const auto request = server.coordinator.last_submit();
  REQUIRE(request);
  CHECK(request->definition == "trip");
  CHECK(request->version == 3u);
  CHECK(request->gid == Gid("trip-1"));
  CHECK(request->input == Json{{"n", 1}, {"x", {1.5, nullptr}}});
  CHECK(request->labels == storage::Labels{{"a", "b"}, {"team", "travel"}});
  CHECK(request->deadline == std::chrono::minutes(90));
  REQUIRE(request->wait.has_value());
  CHECK(request->wait->at_most == std::chrono::seconds(2));
  CHECK(request->traceparent == "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
}

TEST_CASE("what a submit leaves out is absent") {
  RestServer server;
  REQUIRE(
      server.Send("POST", kPath, R"({"definition":"trip"})", {{"traceparent", "not-a-traceparent"}})
          .status == 201);
  const auto request = server.coordinator.last_submit();
  REQUIRE(request);
  CHECK_FALSE(request->gid);
  CHECK_FALSE(request->version);
  CHECK_FALSE(request->wait.has_value());
  CHECK_FALSE(request->deadline);
  CHECK(request->input.is_null());
  CHECK(request->traceparent.empty());
}

TEST_CASE("an inline definition is passed on as JSON text") {
  RestServer server;
  REQUIRE(server.Post(kPath, R"({"inline":{"name":"x"}})").status == 201);
  CHECK(server.coordinator.last_submit()->inline_definition == R"({"name":"x"})");
}

TEST_CASE("the status says whether it was created, was there, ended or goes on") {
  RestServer server;
  const std::string plain = R"({"definition":"trip"})";
  const std::string waiting = R"({"definition":"trip","wait":"1s"})";

  server.coordinator.AnswerWithView(Story("t1").View(), /*created=*/true);
  const Answer created = server.Post(kPath, plain);
  CHECK(created.status == 201);
  CHECK(created.Header("Location") == "/v1/transactions/t1");
  CHECK(created.Header("Entente-Created") == "true");
  CHECK(created.Document()["status"] == "ACTIVE");
  CHECK(server.Post(kPath, waiting).status == 202);

  server.coordinator.AnswerWithView(Story("t1").View(), /*created=*/false);
  const Answer repeated = server.Post(kPath, plain);
  CHECK(repeated.status == 200);
  CHECK(repeated.Header("Entente-Created") == "false");
  CHECK(server.Post(kPath, waiting).status == 202);

  server.coordinator.AnswerWithView(CommittedStory().View(), /*created=*/true);
  CHECK(server.Post(kPath, waiting).status == 200);
}

TEST_CASE("every mistake of a submit is told at once, and nothing is submitted") {
  RestServer server;
  const Answer answer = server.Post(kPath, R"({
      "definition": "trip", "inline": {}, "version": 0, "gid": "-bad gid", "deadline": "soon",
      "wait": "1h", "labels": {"": "x"}})");
  CHECK(answer.status == 400);
  const Json problem = answer.Document();
  CHECK(problem["code"] == "request.invalid");
  std::vector<std::string> fields;
  for (const Json& violation : problem["violations"]) {
    fields.push_back(violation["field"]);
  }
  CHECK(fields ==
        std::vector<std::string>{"definition", "version", "gid", "deadline", "labels.", "wait"});
  CHECK(server.coordinator.mutations() == 0);
}

TEST_CASE("a submit past a limit names the limit") {
  RestServer server;
  Json labels;
  for (size_t i = 0; i <= limits::kMaxLabels; ++i) {
    labels["label" + std::to_string(i)] = "x";
  }
  const Answer many = server.Post(kPath, Json{{"definition", "trip"}, {"labels", labels}}.dump());
  CHECK(many.status == 400);
  CHECK(many.body.find("17 labels, more than the limit of 16") != std::string::npos);

  const Answer wide = server.Post(
      kPath, Json{{"definition", "trip"}, {"labels", {{"a", std::string(257, 'x')}}}}.dump());
  CHECK(wide.status == 400);
  CHECK(wide.body.find("more than the limit of 256") != std::string::npos);

  const Answer large = server.Post(
      kPath,
      Json{{"definition", "trip"}, {"input", std::string(limits::kMaxPayloadBytes, 'x')}}.dump());
  CHECK(large.status == 413);
  CHECK(large.Document()["code"] == "payload.too_large");
  CHECK(large.body.find(std::to_string(limits::kMaxPayloadBytes)) != std::string::npos);

  const Answer larger = server.Post(kPath, std::string(limits::kMaxRequestBytes + 1, ' '));
  CHECK(larger.status == 413);
  CHECK(server.coordinator.mutations() == 0);
}

TEST_CASE("a payload as large and as deep as the limit is taken") {
  RestServer server;
  const std::string text(limits::kMaxPayloadBytes - 2, 'x');
  CHECK(server.Post(kPath, Json{{"definition", "trip"}, {"input", text}}.dump()).status == 201);
  const std::string deep =
      std::string(limits::kMaxJsonDepth, '[') + std::string(limits::kMaxJsonDepth, ']');
  CHECK(server.Post(kPath, R"({"definition":"trip","input":)" + deep + "}").status == 201);
  CHECK(server.Post(kPath, R"({"definition":"trip","input":[)" + deep + "]}").status == 400);
}

TEST_CASE("a mistake in an inline definition is shown like one in a stored definition") {
  RestServer server;
  server.coordinator.AnswerWithFailure(
      InvalidArgument("definition.invalid", "the definition has a problem"),
      {{"/steps/0", 2, 5, "definition.unknown_field", "unknown field 'stps'", "steps"}});
  const Answer answer = server.Post(kPath, R"({"inline":{"stps":[]}})");
  CHECK(answer.status == 422);
  const Json problem = answer.Document();
  REQUIRE(problem["problems"].size() == 1);
  CHECK(problem["problems"][0]["pointer"] == "/steps/0");
  CHECK(problem["problems"][0]["line"] == 2);
  CHECK(problem["problems"][0]["suggestion"] == "steps");
}

}  // namespace
}  // namespace entente::api::test
