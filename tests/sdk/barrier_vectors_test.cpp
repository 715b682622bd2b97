// The cases of docs/barrier.md, on a real database; linked once with each of them.
#include <fstream>
#include <sstream>

#include <catch2/catch.hpp>

#include "participant-sdk/src/core/barrier_rules.h"
#include "tests/sdk/barrier_world.h"

namespace entente::sdk {
namespace {

using test::Business;
using test::Connection;
using test::MakeWorld;

Json ReadVectors() {
  std::ifstream file(std::string(ENTENTE_SOURCE_DIR) + "/tests/sdk/vectors/barrier.json");
  std::stringstream text;
  text << file.rdbuf();
  return Json::parse(text.str()).at("vectors");
}

Call CallOf(const Json& step) {
  Call call;
  call.gid = Gid("g");
  call.branch = BranchId(step.value("branch", "b"));
  call.operation = *ParseOperation(step.at("operation").get<std::string>());
  call.attempt = step.value("attempt", uint32_t{1});
  call.alternative = step.value("alternative", uint32_t{0});
  call.coordinator = step.value("coordinator", "");
  call.one_phase = step.value("onePhase", false);
  if (step.contains("epoch")) {
    call.epoch = Epoch(step["epoch"].get<uint64_t>());
  }
  return call;
}

// In the words of the cases.
Json Describe(const Result<Answer>& answer) {
  if (!answer.ok()) {
    return {{"error", true}};
  }
  if (std::holds_alternative<RetryAnswer>(*answer)) {
    return {{"retry", true}};
  }
  if (const auto* heuristic = std::get_if<HeuristicAnswer>(&*answer)) {
    return {{"heuristic", HeuristicName(heuristic->outcome)}};
  }
  if (const auto* pending = std::get_if<PendingAnswer>(&*answer)) {
    return {{"pending", pending->location}};
  }
  if (const auto* refused = std::get_if<RefusedAnswer>(&*answer)) {
    Json said{{"code", refused->code}};
    if (!refused->code.starts_with("barrier.")) {
      said["message"] = refused->message;
    }
    return {{"refused", said}};
  }
  return Json::parse(EncodeAnswer(*answer));
}

Result<Answer> AnswerOfWork(const Json& work) {
  if (work.contains("error")) {
    return Internal("vector.error", "as the case says");
  }
  if (work.contains("retry")) {
    return Retry("vector.retry", "as the case says");
  }
  if (work.contains("heuristic")) {
    return Heuristic(HeuristicOutcome::kMixed, "as the case says");
  }
  return DecodeAnswer(work.dump());
}

void CheckRow(Connection& connection, const Call& call, const Json& wanted) {
  const std::string where = " FROM entente_barrier WHERE gid = 'g' AND branch = '" +
                            call.branch.str() + "' AND family = '" +
                            std::string(FamilyName(call.operation)) +
                            "' AND alternative = " + std::to_string(call.alternative);
  CHECK(connection.Ask("SELECT count(*)" + where) == (wanted.is_null() ? "0" : "1"));
  if (wanted.is_null()) {
    return;
  }
  CHECK(connection.Ask("SELECT state" + where) == wanted.at("state").dump());
  if (wanted.contains("epoch")) {
    CHECK(connection.Ask("SELECT epoch" + where) == wanted["epoch"].dump());
  }
  if (wanted.contains("coordinator")) {
    CHECK(connection.Ask("SELECT coordinator" + where) == wanted["coordinator"].get<std::string>());
  }
}

TEST_CASE("the barrier does what its specification says") {
  const Json vectors = ReadVectors();
  CHECK(vectors.size() > 40);
  const auto world = MakeWorld();
  const auto connection = world->Connect();
  for (const Json& vector : vectors) {
    connection->Execute("DELETE FROM entente_barrier");
    int number = 0;
    for (const Json& step : vector.at("steps")) {
      CAPTURE(vector["name"].get<std::string>(), ++number, step.dump());
      const Call call = CallOf(step);
      bool ran = false;
      const Result<Answer> answer =
          connection->Run(call, [&](Business& business) -> Result<Answer> {
            ran = true;
            business.Write("x");
            return AnswerOfWork(step.at("work"));
          });
      CHECK(ran == step.at("runs").get<bool>());
      CHECK(Describe(answer) == step.at("answer"));
      CheckRow(*connection, call, step.at("row"));
    }
  }
}

}  // namespace
}  // namespace entente::sdk
