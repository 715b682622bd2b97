#include <catch2/catch.hpp>

#include "tests/api/fixtures.h"
#include "tests/api/http_client.h"

namespace entente::api::test {
namespace {

constexpr const char* kBeginPath = "/v1/transactions:begin";

std::vector<std::string> FieldsOf(const Answer& answer) {
  std::vector<std::string> fields;
  const Json document = answer.Document();
  for (const Json& violation : document["violations"]) {
    fields.push_back(violation["field"]);
  }
  return fields;
}

TEST_CASE("everything a begin says reaches the coordinator") {
  RestServer server;
  server.coordinator.AnswerWithView(EnlistedStory().View());
  const Answer answer =
      server.Send("POST", kBeginPath, R"({
      "mode": "tcc", "gid": "order-1", "timeLimit": "30s", "labels": {"z": "1", "a": "b"}})",
                  {{"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}});
  CHECK(answer.status == 201);
  CHECK(answer.Header("Location") == "/v1/transactions/enlisted-1");
  CHECK(answer.Header("Entente-Created") == "true");
  CHECK(answer.Document()["clientDriven"] == true);
  const auto request = server.coordinator.last_begin();
  REQUIRE(request);
  CHECK(request->mode == dsl::Mode::kTcc);
  CHECK(request->gid == Gid("order-1"));
  CHECK(request->time_limit == std::chrono::seconds(30));
  CHECK(request->labels == storage::Labels{{"a", "b"}, {"z", "1"}});
  CHECK(request->traceparent == "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
}

TEST_CASE("what a begin leaves out is absent, and a repetition is told apart") {
  RestServer server;
  server.coordinator.AnswerWithView(EnlistedStory().View(), /*created=*/false);
  for (const auto& [name, mode] : {std::pair("saga", dsl::Mode::kSaga),
                                   {"tcc", dsl::Mode::kTcc},
                                   {"2pc", dsl::Mode::kTwoPhaseCommit}}) {
    const Answer answer = server.Post(kBeginPath, Json{{"mode", name}}.dump());
    CHECK(answer.status == 200);
    CHECK(answer.Header("Entente-Created") == "false");
    CHECK(server.coordinator.last_begin()->mode == mode);
  }
  CHECK_FALSE(server.coordinator.last_begin()->gid);
  CHECK_FALSE(server.coordinator.last_begin()->time_limit);
}

TEST_CASE("every mistake of a begin is told at once, and nothing is begun") {
  RestServer server;
  CHECK(FieldsOf(server.Post(kBeginPath, R"({"mode":"xa","gid":"-x","timeLimit":"soon",
                                         "labels":{"":"x"}})")) ==
        std::vector<std::string>{"mode", "gid", "timeLimit", "labels."});
  CHECK(FieldsOf(server.Post(kBeginPath, "{}")) == std::vector<std::string>{"mode"});
  for (const char* limit : {"0s", "25h", "-1s"}) {
    CAPTURE(limit);
    CHECK(FieldsOf(server.Post(kBeginPath, Json{{"mode", "tcc"}, {"timeLimit", limit}}.dump())) ==
          std::vector<std::string>{"timeLimit"});
  }
  CHECK(server.Post(kBeginPath, R"({"mode":"tcc","deadline":"1m"})").status == 400);
  CHECK(server.Post(std::string(kBeginPath) + "?wait=1s", R"({"mode":"tcc"})").status == 400);
  CHECK(server.Send("POST", kBeginPath).status == 400);
  CHECK(server.coordinator.mutations() == 0);
}

TEST_CASE("a branch reaches the coordinator as it was written") {
  RestServer server;
  server.coordinator.AnswerWithView(EnlistedStory().View());
  const std::string branch = "{ \"id\":\n \"flight\" }";
  const Answer enlisted = server.Post("/v1/transactions/enlisted-1/branches", branch);
  CHECK(enlisted.status == 201);
  CHECK(enlisted.Header("Entente-Created") == "true");
  CHECK(enlisted.Document()["branches"].size() == 2);
  CHECK(server.coordinator.last_text() == "enlisted-1|" + branch);

  server.coordinator.AnswerWithView(EnlistedStory().View(), /*created=*/false);
  const Answer again = server.Post("/v1/transactions/enlisted-1/branches", branch);
  CHECK(again.status == 200);
  CHECK(again.Header("Entente-Created") == "false");
}

TEST_CASE("a branch that comes too late or differs is a conflict") {
  RestServer server;
  for (const Status& status : {AlreadyExists("branch.content_differs", "other content"),
                               FailedPrecondition("transaction.committing", "too late")}) {
    server.coordinator.AnswerWithFailure(status);
    const Answer answer = server.Post("/v1/transactions/t/branches", R"({"id":"flight"})");
    CHECK(answer.status == 409);
    CHECK(answer.Document()["code"] == status.reason());
  }
  CHECK(server.Post("/v1/transactions/" + std::string(8000, 'x') + "/branches", "{}").status ==
        404);
}

TEST_CASE("every mistake of a branch is told, with where it is and what to do") {
  RestServer server;
  server.coordinator.AnswerWithFailure(
      InvalidArgument("branch.invalid", "the branch has 2 problems"),
      {{"/confrim", 4, 3, "branch.unknown_field", "unknown field 'confrim'", "confirm"},
       {"", 1, 1, "branch.missing_field", "'confirm' is missing", ""}});
  const Answer answer = server.Post("/v1/transactions/t/branches", R"({"id":"flight"})");
  CHECK(answer.status == 400);
  const Json problem = answer.Document();
  CHECK(problem["code"] == "branch.invalid");
  REQUIRE(problem["problems"].size() == 2);
  CHECK(problem["problems"][0]["pointer"] == "/confrim");
  CHECK(problem["problems"][0]["line"] == 4);
  CHECK(problem["problems"][0]["column"] == 3);
  CHECK(problem["problems"][0]["suggestion"] == "confirm");
}

TEST_CASE("a commit and an abort say how long to wait, and an abort who and why") {
  RestServer server;
  server.coordinator.AnswerWithView(EnlistedStory().View());
  CHECK(server.Send("POST", "/v1/transactions/t1:commit").status == 202);
  CHECK(server.coordinator.last_text() == "t1|commit");
  CHECK_FALSE(server.coordinator.last_wait());
  CHECK(server.Post("/v1/transactions/t1:commit", R"({"wait":"10s"})").status == 202);
  CHECK(server.coordinator.last_wait() == std::chrono::seconds(10));

  CHECK(server.Send("POST", "/v1/transactions/t1:abort").status == 202);
  CHECK(server.coordinator.last_text() == "t1|abort|anonymous|");
  CHECK_FALSE(server.coordinator.last_wait());
  const Answer aborted = server.Post("/v1/transactions/t1:abort",
                                     R"({"reason":"sold out","actor":"shop","wait":"0s"})");
  CHECK(aborted.status == 202);
  CHECK(server.coordinator.last_text() == "t1|abort|shop|sold out");
  CHECK(server.coordinator.last_wait() == Duration::zero());
}

TEST_CASE("the answer to a commit or an abort says whether it is over") {
  RestServer server;
  server.coordinator.AnswerWithView(ForcedStory().View());
  CHECK(server.Send("POST", "/v1/transactions/t1:commit").status == 200);
  CHECK(server.Send("POST", "/v1/transactions/t1:abort").status == 200);
  server.coordinator.AnswerWithFailure(FailedPrecondition("transaction.aborted", "too late"));
  const Answer late = server.Send("POST", "/v1/transactions/t1:commit");
  CHECK(late.status == 409);
  CHECK(late.Document()["code"] == "transaction.aborted");
}

TEST_CASE("what follows a definition is not aborted by its client's word but cancelled") {
  RestServer server;
  server.coordinator.AnswerWithView(StuckStory().View());
  const Answer refused = server.Send("POST", "/v1/transactions/t1:abort");
  CHECK(refused.status == 409);
  CHECK(refused.Document()["code"] == "transaction.not_client_driven");
  CHECK(server.coordinator.mutations() == 0);
}

TEST_CASE("a wrong commit or abort decides nothing") {
  RestServer server;
  CHECK(server.Post("/v1/transactions/t:commit", R"({"reason":"x"})").status == 400);
  CHECK(server.Post("/v1/transactions/t:commit", R"({"actor":"x"})").status == 400);
  CHECK(server.Post("/v1/transactions/t:commit", R"({"wait":"6m"})").status == 400);
  CHECK(server.Post("/v1/transactions/t:abort", R"({"wait":"soon"})").status == 400);
  CHECK(server.Post("/v1/transactions/t:abort", R"({"expectedRevision":1})").status == 400);
  CHECK(FieldsOf(server.Post(
            "/v1/transactions/t:abort",
            Json{{"actor", std::string(200, 'a')}, {"reason", std::string(3000, 'r')}}.dump())) ==
        std::vector<std::string>{"reason", "actor"});
  CHECK(server.Send("POST", "/v1/transactions/" + std::string(8000, 'x') + ":commit").status ==
        404);
  CHECK(server.coordinator.mutations() == 0);
}

std::string DecisionOf(RestServer& server, const Story& story) {
  server.coordinator.AnswerWithView(story.View());
  const Answer answer = server.Get("/v1/transactions/t1/decision");
  CHECK(answer.status == 200);
  CHECK(answer.Document()["gid"] == "t1");
  CHECK(answer.Document()["known"] == true);
  return answer.Document()["decision"];
}

TEST_CASE("a participant in doubt is told what was decided") {
  RestServer server;
  CHECK(DecisionOf(server, ReservedStory()) == "undecided");
  CHECK(DecisionOf(server, OnePhaseStory()) == "undecided");
  CHECK(DecisionOf(server, HeuristicStory()) == "committed");
  CHECK(DecisionOf(server, CommittedStory()) == "committed");
  CHECK(DecisionOf(server, VotedStory()) == "aborted");
  CHECK(DecisionOf(server, AbortedStory()) == "aborted");
  // What an operator forces afterwards does not change what participants were told.
  CHECK(DecisionOf(server, ForcedStory()) == "committed");
  Story undecided = ReservedStory();
  engine::Ended forced;
  forced.status = engine::TxnStatus::kMixed;
  forced.forced = engine::TxnStatus::kAborted;
  undecided.Then(forced);
  CHECK(DecisionOf(server, undecided) == "aborted");
}

TEST_CASE("a transaction that is not known did not commit") {
  RestServer server;
  server.coordinator.AnswerWithFailure(NotFound("transaction.not_found", "no such transaction"));
  const Answer answer = server.Get("/v1/transactions/t1/decision");
  CHECK(answer.status == 200);
  CHECK(answer.Document() == Json{{"gid", "t1"},
                                  {"decision", "aborted"},
                                  {"known", false},
                                  {"coordinator", "00112233445566ff"}});
}

TEST_CASE("a transaction that can not be read is never said to be aborted") {
  RestServer server;
  for (const Status& status :
       {Unavailable("store.unavailable", "x"), UnknownOutcome("store.unknown_outcome", "x"),
        DataLoss("store.corrupt", "x"), Internal("bug", "x"),
        NotFound("definition.not_found", "the store lost it")}) {
    CAPTURE(status.ToString());
    server.coordinator.AnswerWithFailure(status);
    const Answer answer = server.Get("/v1/transactions/t1/decision");
    CHECK(answer.status >= 400);
    CHECK(answer.body.find("aborted") == std::string::npos);
  }
}

TEST_CASE("a name that no transaction can have is a mistake, not an aborted transaction") {
  RestServer server;
  server.coordinator.AnswerWithFailure(NotFound("transaction.not_found", "no such transaction"));
  for (const std::string& gid :
       {std::string("a%20b"), std::string("%C3%A9"), std::string("a:b"), std::string(8000, 'x')}) {
    CAPTURE(gid.substr(0, 20));
    const Answer answer = server.Get("/v1/transactions/" + gid + "/decision");
    CHECK(answer.status == 400);
    CHECK(answer.Document()["code"] == "gid.invalid");
  }
  CHECK(server.Get("/v1/transactions/p1~trip.3/decision").status == 200);
  CHECK(server.Get("/v1/transactions/t1/decision?wait=1s").status == 400);
}

}  // namespace
}  // namespace entente::api::test
