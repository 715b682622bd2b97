// What a dry run tells over the API.
#include <string>

#include <catch2/catch.hpp>

#include "coordinator/api/dry_run.h"
#include "coordinator/api/json/json_encode.h"
#include "tests/api/fixtures.h"
#include "tests/api/http_client.h"

namespace entente::api {
namespace {

storage::DefinitionRow Definition(const std::string& source) {
  storage::DefinitionRow row;
  row.name = "trip";
  row.version = 2;
  row.source = source;
  row.env = R"({"KEY":"a secret of the services"})";
  return row;
}

const storage::DefinitionRow& Trip() {
  static const storage::DefinitionRow kTrip = Definition(R"({
    "name": "trip", "mode": "saga",
    "input": {"type": "object", "required": ["who"]},
    "participants": {"hotels": {"http": "http://hotels"}},
    "steps": [{"id": "room", "participant": "hotels",
               "action": {"put": "/rooms/${key}", "body": {"who": "${input.who}", "key": "${env.KEY}"}},
               "compensate": {"delete": "/rooms/${key}"}},
              {"id": "pay", "participant": "hotels", "action": {"put": "/bills/${key}"}, "compensate": null}],
    "output": {"room": "${steps.room.output.no}"}})");
  return kTrip;
}

TEST_CASE("a dry run tells how it goes and how it ends, and shows nothing of the environment") {
  const Json input{{"who", "Ann"}};
  const Json answers{{"room.action", {{{"done", {{"no", 7}}}}}}};
  const auto good = PlayDefinition(Trip(), input, answers);
  REQUIRE(good.ok());
  const Json told = Json::parse(DryRunJson(*good));
  CHECK(told["status"] == "COMMITTED");
  CHECK(told["output"] == Json{{"room", 7}});
  CHECK_FALSE(told.contains("stopped"));
  CHECK_FALSE(told.contains("leftOutCount"));
  CHECK(told.dump().find("Ann") != std::string::npos);
  CHECK(told.dump().find("${env.KEY}") != std::string::npos);
  CHECK(told.dump().find("a secret") == std::string::npos);

  const auto undone =
      PlayDefinition(Trip(), input, Json{{"pay.action", {{{"refused", "http.409"}}}}});
  REQUIRE(undone.ok());
  CHECK(Json::parse(DryRunJson(*undone))["status"] == "ABORTED");
}

TEST_CASE("what can not be played says why") {
  CHECK(PlayDefinition(Trip(), Json::object(), Json::object()).status().reason() ==
        "input.invalid");
  CHECK(PlayDefinition(Trip(), Json{{"who", 1}}, Json{{"rooom.action", Json::array()}})
            .status()
            .reason() == "dry_run.bad_answers");
  CHECK(PlayDefinition(Definition(R"({"name":"trip"})"), Json::object(), Json::object())
            .status()
            .reason() == "definition.invalid");
}

TEST_CASE("a run that is long is played up to a bound, and says so") {
  const auto wide = PlayDefinition(Definition(R"({
    "name": "wide", "mode": "saga", "participants": {"p": {"http": "http://p"}},
    "steps": [{"id": "one", "participant": "p", "forEach": {"items": "${input}", "maxParallel": 64},
               "action": {"put": "/x/${key}"}, "compensate": null}]})"),
                                   Json(std::vector<int>(2'000, 1)), Json::object());
  REQUIRE(wide.ok());
  CHECK(wide->report.lines.size() == kMaxDryRunLines);
  CHECK(wide->left_out == 1);
  CHECK_THAT(wide->report.stopped, Catch::Contains("more than is told"));
  CHECK(Json::parse(DryRunJson(*wide))["leftOutCount"] == wide->left_out);
}

TEST_CASE("a run whose calls are large stops after a MiB of them") {
  const auto large = PlayDefinition(
      Definition(R"({
    "name": "large", "mode": "saga", "participants": {"p": {"http": "http://p"}},
    "steps": [{"id": "one", "participant": "p", "forEach": {"items": "${input.of}"},
               "action": {"put": "/x/${key}", "body": "${input}"}, "compensate": null}]})"),
      Json{{"of", std::vector<int>(5'000, 1)}, {"pad", std::string(100'000, 'x')}}, Json::object());
  REQUIRE(large.ok());
  CHECK(large->report.lines.size() < 40);
  CHECK(large->report.status == engine::TxnStatus::kActive);
  CHECK_THAT(large->report.stopped, Catch::Contains("more than is told"));
}

TEST_CASE("a run whose decision is dear stops before it") {
  const auto dear = PlayDefinition(Definition(R"({
    "name": "dear", "mode": "saga", "participants": {"p": {"http": "http://p"}},
    "steps": [{"id": "one", "participant": "p", "compensate": null,
               "action": {"put": "/x", "body": "${input.map(a, input.map(b, a + b))}"}}]})"),
                                   Json(std::vector<int>(1'000, 1)), Json::object());
  REQUIRE(dear.ok());
  CHECK_THAT(dear->report.stopped, Catch::Contains("evaluates more"));
}

TEST_CASE("over REST a dry run names a definition") {
  test::RestServer server;
  const auto dry_run = [&server](const std::string& body) {
    return server.Post("/v1/definitions:dry-run", body).Document();
  };
  CHECK(dry_run("{}")["violations"][0]["field"] == "definition");
  CHECK(dry_run(R"({"definition":"trip","answer":{}})")["code"] == "request.invalid");
  CHECK(dry_run(R"({"definition":"trip","version":4})")["code"] == "definition.invalid");
  CHECK(server.coordinator.last_text() == "trip|4");
  CHECK(server.coordinator.mutations() == 0);
}

}  // namespace
}  // namespace entente::api
