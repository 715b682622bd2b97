// What a definition's schema calls sensitive is shown to nobody, over REST and gRPC.
#include <memory>
#include <string>

#include <catch2/catch.hpp>

#include "dsl/schema/schema.h"
#include "tests/api/access_fixture.h"

namespace entente::api::test::sensitive {
namespace {

const std::string kOne = "/v1/transactions/committed-1";

// The same with a plan to which the traveller is sensitive.
std::shared_ptr<const dsl::Plan> Secretive(const dsl::Plan& plan) {
  auto changed = std::make_shared<dsl::Plan>(plan);
  changed->input = std::get<dsl::Schema>(
      dsl::Schema::Compile(Json::parse(R"({"properties": {"traveller": {"sensitive": true}}})")));
  return changed;
}

void AnswerIn(FakeCoordinator& coordinator) {
  runtime::TxnView view = StuckStory().View();
  view.plan = Secretive(*view.plan);
  coordinator.AnswerWithView(std::move(view));
  runtime::History history = StuckStory().History();
  history.plan = Secretive(*history.plan);
  coordinator.AnswerWithHistory(std::move(history));
}

void CheckHidden(const std::string& text) {
  CAPTURE(text);
  CHECK(text.find("O'Hara") == std::string::npos);
  CHECK(text.find("[sensitive]") != std::string::npos);
  CHECK(text.find("12.5") != std::string::npos);  // The budget is not.
}

}  // namespace

TEST_CASE("what is sensitive is shown to no role") {
  TokenBox tokens;
  RestServer server{Asking(tokens)};
  AnswerIn(server.coordinator);
  for (const auto role : {identity::Role::kViewer, identity::Role::kAdmin}) {
    const Fields bearing = Bearing(tokens.Make(role));
    for (const std::string& target : {kOne, kOne + "/history"}) {
      CAPTURE(target);
      CheckHidden(server.Send("GET", target, "", bearing).body);
    }
    EventClient events(server, kOne + "/events", bearing);
    REQUIRE(events.status() == 200);
    CheckHidden(events.NextEvent());
    events.Close();
  }
}

TEST_CASE("who submits or acts is not shown it either") {
  RestServer server;
  AnswerIn(server.coordinator);
  CheckHidden(server.Post("/v1/transactions", R"({"definition": "trip", "wait": "1s"})").body);
  CheckHidden(server.Post(kOne + ":cancel", "{}").body);
}

TEST_CASE("what is sensitive is not shown over gRPC") {
  Grpc grpc;
  AnswerIn(grpc.coordinator);
  const auto ask = [&](auto method, auto request, auto answer) {
    request.set_gid("committed-1");
    grpc::ClientContext context;
    REQUIRE((grpc.stub.get()->*method)(&context, request, &answer).ok());
    return answer.ShortDebugString();
  };
  CheckHidden(
      ask(&pb::Coordinator::Stub::GetTransaction, pb::GetTransactionRequest(), pb::Transaction()));
  CheckHidden(ask(&pb::Coordinator::Stub::GetHistory, pb::GetHistoryRequest(), pb::History()));
  // Answers of actions leave payloads out.
  const std::string cancelled = ask(&pb::Coordinator::Stub::CancelTransaction,
                                    pb::CancelTransactionRequest(), pb::Transaction());
  CHECK(cancelled.find("O'Hara") == std::string::npos);
}

TEST_CASE("a history whose definition can not be read shows no payload") {
  RestServer server;
  runtime::History history = StuckStory().History();
  history.plan = nullptr;
  server.coordinator.AnswerWithHistory(std::move(history));
  const Answer answer = server.Get(kOne + "/history");
  CHECK(answer.status == 200);
  CHECK(answer.body.find("O'Hara") == std::string::npos);
}

}  // namespace entente::api::test::sensitive
