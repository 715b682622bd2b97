// What a coordinator that asks for tokens shows and believes, beside who may call what.
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "runtime/wall_clock.h"
#include "tests/api/access_fixture.h"

namespace entente::api::test {
namespace {

using identity::Role;

const std::string kOne = "/v1/transactions/committed-1";

// A server that has one transaction.
struct Asked {
  TokenBox tokens;
  RestServer server{Asking(tokens)};

  Asked() {
    server.coordinator.AnswerWithView(StuckStory().View());
    server.coordinator.AnswerWithHistory(StuckStory().History());
  }
  Answer Get(const std::string& target, const std::string& token) {
    return server.Send("GET", target, "", Bearing(token));
  }
  Answer Post(const std::string& target, const std::string& body, const std::string& token) {
    return server.Send("POST", target, body, Bearing(token));
  }
  std::string Code(const Answer& answer) { return answer.Document().value("code", ""); }
};

TEST_CASE("a request without a token is told so, as a problem, and nothing is done") {
  Asked asked;
  const Answer answer = asked.server.Post(kOne + ":cancel", "{}");
  CHECK(answer.status == 401);
  CHECK(answer.Header("Content-Type") == "application/problem+json");
  CHECK(answer.Header("WWW-Authenticate") == "Bearer realm=\"entente\"");
  CHECK(asked.Code(answer) == "token.missing");
  CHECK(asked.server.coordinator.mutations() == 0);
  // Not before it is known who asks: what is wrong with a body tells what there is.
  CHECK(asked.server.Post(kOne + ":cancel", "{").status == 401);
}

TEST_CASE("only an Authorization that says one thing is believed") {
  Asked asked;
  const std::string token = asked.tokens.Make(Role::kAdmin);
  const auto status = [&](const Fields& headers) {
    return asked.server.Send("GET", kOne, "", headers).status;
  };
  CHECK(status({{"Authorization", "Bearer " + token}}) == 200);
  CHECK(status({{"authorization", "bearer   " + token + " "}}) == 200);
  CHECK(status({{"Authorization", token}}) == 401);
  CHECK(status({{"Authorization", "Basic " + token}}) == 401);
  CHECK(status({{"Authorization", "Bearer"}}) == 401);
  CHECK(status({{"Authorization", "Bearer " + token + " " + token}}) == 401);
  CHECK(status({{"Authorization", "Bearer " + token}, {"Authorization", "Bearer x"}}) == 401);
  // Neither a cookie, nor a proxy's word, nor the query.
  CHECK(status({{"Cookie", "entente-token=" + token}}) == 401);
  CHECK(status({{"X-Forwarded-User", "admin"}, {"X-Remote-User", "admin"}}) == 401);
  CHECK(asked.server.Get(kOne + "?access_token=" + token).status == 401);
}

TEST_CASE("whoever acts is named by the token, whatever the body says") {
  Asked asked;
  const std::string token = asked.tokens.Make(Role::kOperator);
  REQUIRE(asked.Post(kOne + ":cancel", R"({"actor":"ceo","reason":"r"})", token).status == 200);
  CHECK(asked.server.coordinator.last_operate()->actor.name == "operator");
  CHECK(asked.server.coordinator.last_operate()->actor.reason == "r");

  TokenBox tokens;
  Grpc grpc(AskingOverGrpc(tokens));
  grpc::ClientContext context;
  context.AddMetadata("authorization", "Bearer " + tokens.Make(Role::kAdmin));
  pb::CancelTransactionRequest request;
  request.set_gid("t");
  request.set_actor("ceo");
  request.set_reason("r");
  pb::Transaction transaction;
  REQUIRE(grpc.stub->CancelTransaction(&context, request, &transaction).ok());
  CHECK(grpc.coordinator.last_operate()->actor.name == "admin");
}

TEST_CASE("whoever acts for others says why, over both protocols") {
  Asked asked;
  Grpc grpc(AskingOverGrpc(asked.tokens));
  const auto cancel = [&grpc](const std::string& token, const std::string& reason) {
    grpc::ClientContext context;
    context.AddMetadata("authorization", "Bearer " + token);
    pb::CancelTransactionRequest request;
    request.set_gid("t");
    request.set_reason(reason);
    pb::Transaction transaction;
    return grpc.stub->CancelTransaction(&context, request, &transaction).error_code();
  };
  for (const Role role : {Role::kOperator, Role::kAdmin}) {
    const std::string token = asked.tokens.Make(role);
    for (const std::string verb : {":cancel", ":pause", ":resume", ":retry"}) {
      CAPTURE(verb);
      const Answer answer = asked.Post(kOne + verb, "{}", token);
      CHECK(answer.status == 400);
      CHECK(answer.body.find(R"("field":"reason")") != std::string::npos);
      CHECK(asked.Post(kOne + verb, R"({"reason":""})", token).status == 400);
    }
    CHECK(cancel(token, "") == grpc::StatusCode::INVALID_ARGUMENT);
  }
  CHECK(asked.server.coordinator.mutations() == 0);
  CHECK(grpc.coordinator.mutations() == 0);
  CHECK(asked
            .Post(kOne + ":pause", R"({"reason":"r","expectedRevision":7})",
                  asked.tokens.Make(Role::kOperator))
            .status == 200);
  CHECK(asked.server.coordinator.last_operate()->expected_revision == Sequence(7));
  // Programs that change their mind about what is their own.
  for (const Role role : {Role::kSubmitter, Role::kDeployer}) {
    CHECK(asked.Post(kOne + ":cancel", "{}", asked.tokens.Make(role)).status == 200);
    CHECK(cancel(asked.tokens.Make(role), "") == grpc::StatusCode::OK);
  }
}

TEST_CASE("a viewer sees no payload and nothing that a participant said, unless it may") {
  Asked asked;
  const std::string plain = asked.tokens.Make(Role::kViewer, {}, false);
  const std::string granted = asked.tokens.Make(Role::kViewer, {}, true);
  for (const std::string& target :
       {kOne, kOne + "/history", std::string("/v1/transactions"), std::string("/v1/incidents")}) {
    CAPTURE(target);
    const std::string shown = asked.Get(target, granted).body;
    const Answer hidden = asked.Get(target, plain);
    CHECK(hidden.status == 200);
    CHECK(hidden.body.size() < shown.size());
    for (const char* secret : {"Zo\xC3\xAB", "budget", "it broke"}) {
      CAPTURE(secret);
      CHECK(hidden.body.find(secret) == std::string::npos);
    }
  }
  CHECK(asked.Get(kOne, granted).body.find("budget") != std::string::npos);
  CHECK(asked.Get("/v1/transactions", granted).body.find("it broke") != std::string::npos);
  // What went wrong is still told.
  CHECK(asked.Get("/v1/incidents", plain).body.find("http.500") != std::string::npos);
  CHECK(asked.Code(asked.Get(kOne + "/branches/flight/call", plain)) == "access.payloads");
}

TEST_CASE("events of the past and live ones come without payloads to who may not see them") {
  Asked asked;
  const Story story = StuckStory();
  for (const bool payloads : {true, false}) {
    CAPTURE(payloads);
    const std::string token = asked.tokens.Make(Role::kViewer, {}, payloads);
    EventClient past(asked.server, kOne + "/events", Bearing(token));
    REQUIRE(past.status() == 200);
    CHECK((past.NextEvent().find("budget") != std::string::npos) == payloads);
    past.Close();

    EventClient live(asked.server, "/v1/events", Bearing(token));
    REQUIRE(live.status() == 200);
    asked.server.coordinator.Publish(story.Event(1));
    CHECK((live.NextEvent().find("budget") != std::string::npos) == payloads);
    live.Close();
  }
}

TEST_CASE("events of all are those of the definitions that a token can reach") {
  Asked asked;
  EventClient all(asked.server, "/v1/events",
                  Bearing(asked.tokens.Make(Role::kOperator, {{"other-*"}, {}})));
  REQUIRE(all.status() == 200);
  runtime::TxnEvent event = StuckStory().Event(1);
  asked.server.coordinator.Publish(event);
  event.definition = "other-one";
  asked.server.coordinator.Publish(event);
  CHECK(all.NextDocument()["definition"] == "other-one");
  CHECK(asked.Code(asked.Get("/v1/events",
                             asked.tokens.Make(Role::kOperator, {{}, {{"team", "travel"}}}))) ==
        "access.scope");
}

TEST_CASE("labels narrow a token, and what is submitted under it must have them") {
  Asked asked;
  const std::string mine = asked.tokens.Make(Role::kSubmitter, {{}, {{"team", "travel"}}});
  const std::string theirs = asked.tokens.Make(Role::kSubmitter, {{}, {{"team", "freight"}}});
  CHECK(asked.Get(kOne, mine).status == 200);
  const Answer unseen = asked.Get(kOne, theirs);
  CHECK(unseen.status == 404);
  CHECK(asked.Get("/v1/transactions", theirs).Document()["transactions"].empty());
  CHECK(asked.Get("/v1/transactions", mine).Document()["transactions"].size() == 1);
  const size_t before = asked.server.coordinator.mutations();
  CHECK(asked.Code(asked.Post("/v1/transactions", R"({"definition":"trip"})", mine)) ==
        "access.scope");
  CHECK(asked.Code(asked.Post("/v1/transactions",
                              R"({"definition":"trip","labels":{"team":"freight"}})", mine)) ==
        "access.scope");
  CHECK(asked.server.coordinator.mutations() == before);
  CHECK(asked.Post("/v1/transactions", R"({"definition":"trip","labels":{"team":"travel"}})", mine)
            .status < 300);
}

TEST_CASE("who may not choose what is called submits no definition of its own") {
  Asked asked;
  const std::string body = R"({"inline":{"name":"trip"}})";
  CHECK(asked.Code(asked.Post("/v1/transactions", body, asked.tokens.Make(Role::kSubmitter))) ==
        "access.inline_definition");
  CHECK(asked.Code(asked.Post("/v1/transactions", body,
                              asked.tokens.Make(Role::kDeployer, {{"other"}, {}}))) ==
        "access.scope");
  CHECK(asked.server.coordinator.mutations() == 0);
  CHECK(asked.Post("/v1/transactions", body, asked.tokens.Make(Role::kDeployer)).status < 300);
}

TEST_CASE("a participant that can not reach a transaction is not told that it was aborted") {
  Asked asked;
  const std::string outside = asked.tokens.Make(Role::kParticipant, {{"other"}, {}});
  const Answer refused = asked.Get(kOne + "/decision", outside);
  CHECK(refused.status == 404);
  CHECK(refused.body.find("aborted") == std::string::npos);
  // One that is not there was never committed, for whoever asks.
  asked.server.coordinator.AnswerWithFailure(NotFound("transaction.not_found", "none"));
  const Answer presumed = asked.Get("/v1/transactions/never/decision", outside);
  CHECK(presumed.status == 200);
  CHECK(presumed.Document()["decision"] == "aborted");
}

TEST_CASE("what is outside and what is not there are told in the same words") {
  Asked asked;
  const std::string outside = asked.tokens.Make(Role::kOperator, {{"other"}, {}});
  const Answer there = asked.Get("/v1/transactions/gid-1", outside);
  const Answer definition = asked.Get("/v1/definitions/trip", outside);
  CHECK(there.status == 404);
  CHECK(there.Document()["detail"] == "there is no transaction 'gid-1'");
  CHECK(definition.Document()["detail"] ==
        "no definition 'trip'; put it first, or list what there is");
}

TEST_CASE("tokens are made, shown once, used, listed and revoked over REST") {
  Asked asked;
  const std::string admin = asked.tokens.Make(Role::kAdmin);
  const Answer made = asked.Post(
      "/v1/tokens",
      R"({"name":"ci","role":"viewer","payloads":true,"definitions":["tr*"],"labels":{"team":"travel"},"expiresIn":"1h"})",
      admin);
  REQUIRE(made.status == 201);
  CHECK(made.Header("Cache-Control") == "no-store");
  const Json token = made.Document();
  CHECK(token["createdBy"] == "admin");
  CHECK(token["definitions"] == Json{"tr*"});
  CHECK(token["labels"] == Json{{"team", "travel"}});
  CHECK(token.contains("expiresAt"));
  const std::string text = token["token"];
  CHECK(asked.Get(kOne, text).status == 200);

  const Answer list = asked.Get("/v1/tokens", admin);
  CHECK(list.body.find(text) == std::string::npos);
  CHECK(list.Document()["tokens"].size() == 2);
  const std::string id = token["id"];
  CHECK(asked.Post("/v1/tokens/" + id + ":revoke", "", admin).Document()["revokedBy"] == "admin");
  CHECK(asked.Code(asked.Get(kOne, text)) == "token.rejected");
  CHECK(asked.Post("/v1/tokens/none:revoke", "{}", admin).status == 404);
  for (const char* wrong : {R"({"name":"a","role":"owner"})", R"({"name":"","role":"viewer"})",
                            R"({"name":"a"})", R"({"name":"a","role":"viewer","expiresIn":"soon"})",
                            R"({"name":"a","role":"viewer","definitions":["*x"]})",
                            R"({"name":"a","role":"viewer","definitions":"x"})"}) {
    CAPTURE(wrong);
    CHECK(asked.Post("/v1/tokens", wrong, admin).status == 400);
  }
}

TEST_CASE("tokens are made and revoked over gRPC") {
  TokenBox tokens;
  Grpc grpc(AskingOverGrpc(tokens));
  const std::string admin = tokens.Make(Role::kAdmin);
  pb::CreateTokenRequest request;
  request.set_name("ci");
  request.set_role("deployer");
  request.add_definitions("trip");
  request.set_expires_in("1h");
  pb::Token token;
  grpc::ClientContext create;
  create.AddMetadata("authorization", "Bearer " + admin);
  REQUIRE(grpc.stub->CreateToken(&create, request, &token).ok());
  CHECK(token.definitions(0) == "trip");
  CHECK(tokens.book()->Authenticate(token.token(), runtime::WallNow()).ok());
  pb::RevokeTokenRequest revoke;
  revoke.set_id(token.id());
  pb::Token revoked;
  grpc::ClientContext second;
  second.AddMetadata("authorization", "Bearer " + admin);
  REQUIRE(grpc.stub->RevokeToken(&second, revoke, &revoked).ok());
  CHECK(revoked.token().empty());
  CHECK(revoked.revoked_by() == "admin");
  CHECK_FALSE(tokens.book()->Authenticate(token.token(), runtime::WallNow()).ok());
  // Two credentials are none.
  grpc::ClientContext twice;
  twice.AddMetadata("authorization", "Bearer " + admin);
  twice.AddMetadata("authorization", "Bearer " + admin);
  pb::ListTokensResponse list;
  CHECK(grpc.stub->ListTokens(&twice, {}, &list).error_code() == grpc::StatusCode::UNAUTHENTICATED);
}

TEST_CASE("while nobody is asked who he is there are no tokens, and the body may name an actor") {
  RestServer server;
  server.coordinator.AnswerWithView(StuckStory().View());
  CHECK(server.Get("/v1/tokens").Document()["code"] == "token.auth_off");
  CHECK(server.Post("/v1/tokens", R"({"name":"a","role":"admin"})").status == 409);
  REQUIRE(server.Post(kOne + ":cancel", R"({"actor":"ann"})").status == 200);
  CHECK(server.coordinator.last_operate()->actor.name == "ann");
}

TEST_CASE("who is refused is reported by the method's name, over both protocols") {
  std::vector<std::string> told;
  TokenBox tokens;
  RestOptions options = Asking(tokens);
  const auto tell = [&told](const Refusal& refusal) {
    told.push_back(refusal.status.reason() + " " + std::string(refusal.method) + " " +
                   (refusal.principal == nullptr ? "?" : refusal.principal->name) + " " +
                   refusal.peer);
  };
  options.on_refused = tell;
  {
    RestServer server(std::move(options));
    static_cast<void>(server.Post("/v1/completions/secret", "{}"));
    static_cast<void>(server.Send("POST", "/v1/transactions", R"({"inline":{}})",
                                  Bearing(tokens.Make(Role::kSubmitter))));
    static_cast<void>(server.Get("/healthz"));
  }
  CHECK(told == std::vector<std::string>{"token.missing complete ? 127.0.0.1",
                                         "access.inline_definition submit submitter 127.0.0.1"});
  told.clear();
  GrpcOptions grpc_options = AskingOverGrpc(tokens);
  grpc_options.on_refused = tell;
  {
    Grpc grpc(std::move(grpc_options));
    grpc::ClientContext context;
    pb::ListTokensResponse list;
    CHECK_FALSE(grpc.stub->ListTokens(&context, {}, &list).ok());
    grpc::ClientContext viewing;
    viewing.AddMetadata("authorization", "Bearer " + tokens.Make(Role::kViewer));
    CHECK_FALSE(grpc.stub->ListTokens(&viewing, {}, &list).ok());
  }
  CHECK(told == std::vector<std::string>{"token.missing list-tokens ? ",
                                         "access.denied list-tokens viewer "});
}

}  // namespace
}  // namespace entente::api::test
