// What of the methods is in the audit, over both protocols.
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/api/access_fixture.h"

namespace entente::api::test {
namespace {

using identity::Role;

const std::string kCommitted = "/v1/transactions/committed-1";

// A server that has one transaction, and what its audit says.
struct Audited {
  TokenBox tokens;
  RestServer server{Asking(tokens)};

  Audited() { server.coordinator.AnswerWithView(CommittedStory().View()); }
  Answer Post(const std::string& target, const std::string& body, const std::string& token) {
    return server.Send("POST", target, body, Bearing(token));
  }
  Json Entries(const std::string& query = "") {
    const Answer answer =
        server.Send("GET", "/v1/audit" + query, "", Bearing(tokens.Make(Role::kAdmin)));
    REQUIRE(answer.status == 200);
    return answer.Document()["entries"];
  }
};

TEST_CASE("what an operator does is in the audit when it is answered, with what was before") {
  Audited audited;
  const std::string token = audited.tokens.Make(Role::kOperator);
  REQUIRE(audited
              .Post(kCommitted + ":skip",
                    R"({"actor":"ceo","reason":"by hand","expectedRevision":1,"branch":"b"})",
                    token)
              .status == 200);
  const Json entries = audited.Entries("?action=skip");
  REQUIRE(entries.size() == 1);
  const Json& entry = entries[0];
  CHECK(entry["actor"] == "operator");
  CHECK(entry["token"].get<std::string>().size() == identity::kTokenIdDigits);
  CHECK(entry["subject"] == "transaction/committed-1");
  CHECK(entry["reason"] == "by hand");
  CHECK(entry["outcome"] == "done");
  CHECK(entry["peer"] == "127.0.0.1");
  CHECK(entry["before"]["status"] == "COMMITTED");
  CHECK(entry["after"]["branch"] == "b");
  CHECK(entry["after"].contains("revision"));
  CHECK_FALSE(entry.contains("times"));
}

TEST_CASE("what was tried and failed is in the audit, and what was refused is once") {
  Audited audited;
  const std::string outside = audited.tokens.Make(Role::kOperator, Bearer::kOutside);
  CHECK(audited.Post(kCommitted + ":pause", R"({"reason":"r"})", outside).status == 404);
  const Json failed = audited.Entries("?outcome=failed");
  REQUIRE(failed.size() == 1);
  CHECK(failed[0]["code"] == "transaction.not_found");
  CHECK(audited.server.coordinator.mutations() == 0);
  // Its definition is outside: a refusal, which who counts those is told.
  CHECK(audited.server
            .Send("PUT", "/v1/definitions/trip", R"({"name":"trip"})",
                  Bearing(audited.tokens.Make(Role::kDeployer, Bearer::kOutside)))
            .status == 403);
  CHECK(audited.Entries().size() == 1);
}

TEST_CASE("definitions, bulk actions and tokens are in the audit, and no token is") {
  Audited audited;
  const std::string admin = audited.tokens.Make(Role::kAdmin);
  REQUIRE(audited.server.Send("PUT", "/v1/definitions/trip", R"({"name":"trip"})", Bearing(admin))
              .status == 200);
  const Answer made =
      audited.Post("/v1/tokens", R"({"name":"ci","role":"viewer","definitions":["t*"]})", admin);
  REQUIRE(made.status == 201);
  const std::string id = made.Document()["id"];
  REQUIRE(audited.Post("/v1/tokens/" + id + ":revoke", "{}", admin).status == 200);
  CHECK(audited.Post("/v1/bulk", R"({"verb":"retry","filter":"incident=true","reason":"r"})", admin)
            .status == 409);
  const Json entries = audited.Entries();
  REQUIRE(entries.size() == 4);
  CHECK(entries[0]["action"] == "bulk");
  CHECK(entries[0]["outcome"] == "failed");
  CHECK(entries[0]["after"]["filter"] == "incident=true");
  CHECK(entries[1]["action"] == "revoke-token");
  CHECK(entries[1]["subject"] == "token/" + id);
  CHECK(entries[2]["action"] == "create-token");
  CHECK(entries[2]["after"]["role"] == "viewer");
  CHECK(entries[2]["after"]["definitions"] == Json::array({"t*"}));
  CHECK(entries[3]["subject"] == "definition/trip");
  CHECK(entries[3]["after"].contains("version"));
  const std::string secret = made.Document()["token"].get<std::string>().substr(20);
  CHECK(entries.dump().find(secret) == std::string::npos);
}

TEST_CASE("dead letters that are sent again are in the audit, over both protocols") {
  TokenBox tokens;
  const auto send = [](const std::vector<std::string>& ids) {
    return ids.empty() ? size_t{7} : ids.size();
  };
  RestOptions options = Asking(tokens);
  options.service.send_dead_letters = send;
  RestServer server(std::move(options));
  const Fields bearer = Bearing(tokens.Make(Role::kOperator));
  REQUIRE(server.Send("POST", "/v1/dead-letters:send", R"({"ids":["a","b"]})", bearer).status ==
          200);
  GrpcOptions grpc_options = AskingOverGrpc(tokens);
  grpc_options.service.send_dead_letters = send;
  Grpc grpc(std::move(grpc_options));
  grpc::ClientContext context;
  context.AddMetadata("authorization", "Bearer " + tokens.Make(Role::kOperator));
  pb::SendDeadLettersResponse sent;
  REQUIRE(grpc.stub->SendDeadLetters(&context, {}, &sent).ok());
  const Json entries =
      server
          .Send("GET", "/v1/audit?action=send-dead-letters", "", Bearing(tokens.Make(Role::kAdmin)))
          .Document()["entries"];
  REQUIRE(entries.size() == 2);
  CHECK(entries[0]["actor"] == "operator");
  CHECK(entries[0]["subject"] == "dead-letters");
  CHECK(entries[0]["after"] == Json{{"sent", 7}});
  CHECK(entries[1]["outcome"] == "done");
  CHECK(entries[1]["peer"] == "127.0.0.1");
  CHECK(entries[1]["after"] == Json{{"ids", Json::array({"a", "b"})}, {"sent", 2}});
}

TEST_CASE("keys that are rotated are in the audit, over both protocols") {
  const KeyList keys{{"id-0", "x-0", InstantFromMicros(0), true}};
  const KeyStore store{[&keys] { return keys; },
                       [](std::optional<Duration> notice, bool) {
                         return notice ? Status() : FailedPrecondition("keys.in_files", "in files");
                       }};
  TokenBox tokens;
  RestOptions options = Asking(tokens);
  options.service.keys = &store;
  RestServer server(std::move(options));
  const Fields admin = Bearing(tokens.Make(Role::kAdmin));
  const std::string target = "/v1/keys:rotate";
  REQUIRE(server.Send("POST", target, R"({"notice":"1s","revoke":true})", admin).status == 200);
  CHECK(server.Send("POST", target, "{}", admin).status == 409);
  GrpcOptions grpc_options = AskingOverGrpc(tokens);
  grpc_options.service.keys = &store;
  Grpc grpc(std::move(grpc_options));
  grpc::ClientContext context;
  context.AddMetadata("authorization", "Bearer " + tokens.Make(Role::kAdmin));
  pb::RotateKeysRequest request;
  request.set_notice("1s");
  pb::KeySet set;
  REQUIRE(grpc.stub->RotateKeys(&context, request, &set).ok());
  const Json entries =
      server.Send("GET", "/v1/audit?action=rotate-keys", "", admin).Document()["entries"];
  REQUIRE(entries.size() == 3);
  const Json standing{{"keys", Json::array({"id-0"})}, {"signing", "id-0"}};
  CHECK(entries[0]["actor"] == "admin");
  CHECK(entries[0]["outcome"] == "done");
  CHECK(entries[0]["after"] == standing);
  CHECK(entries[1]["outcome"] == "failed");
  CHECK(entries[1]["code"] == "keys.in_files");
  CHECK(entries[2]["subject"] == "keys");
  CHECK(entries[2]["peer"] == "127.0.0.1");
  CHECK(entries[2]["before"] == standing);
  CHECK(entries[2]["after"]["revoke"] == true);
}

TEST_CASE("what only looks, and what programs do, is not in the audit") {
  Audited audited;
  const std::string admin = audited.tokens.Make(Role::kAdmin);
  CHECK(audited.server.Send("GET", kCommitted, "", Bearing(admin)).status == 200);
  CHECK(audited.Post("/v1/transactions", R"({"definition":"trip"})", admin).status == 201);
  CHECK(audited.Entries().empty());
}

TEST_CASE("a page of the audit that can not be asked for says why") {
  Audited audited;
  const std::string admin = audited.tokens.Make(Role::kAdmin);
  for (const char* query : {"?limit=1001", "?cursor=x", "?since=now", "?color=red"}) {
    CAPTURE(query);
    CHECK(audited.server.Send("GET", std::string("/v1/audit") + query, "", Bearing(admin)).status ==
          400);
  }
}

TEST_CASE("over gRPC the audit is the same") {
  TokenBox tokens;
  Grpc grpc(AskingOverGrpc(tokens));
  grpc.coordinator.AnswerWithView(CommittedStory().View());
  const auto bear = [&tokens](Role role, grpc::ClientContext& context) {
    context.AddMetadata("authorization", "Bearer " + tokens.Make(role));
  };
  {
    grpc::ClientContext context;
    bear(Role::kOperator, context);
    pb::PauseTransactionRequest request;
    request.set_gid("committed-1");
    request.set_reason("by hand");
    pb::Transaction transaction;
    REQUIRE(grpc.stub->PauseTransaction(&context, request, &transaction).ok());
  }
  grpc::ClientContext context;
  bear(Role::kAdmin, context);
  pb::ListAuditResponse page;
  REQUIRE(grpc.stub->ListAudit(&context, {}, &page).ok());
  REQUIRE(page.entries_size() == 1);
  const pb::AuditEntry& entry = page.entries(0);
  CHECK(entry.actor() == "operator");
  CHECK(entry.action() == "pause");
  CHECK(entry.subject() == "transaction/committed-1");
  CHECK(entry.reason() == "by hand");
  CHECK(entry.outcome() == "done");
  CHECK(entry.times() == 1);
  CHECK(entry.before().fields().at("status").string_value() == "COMMITTED");
}

}  // namespace
}  // namespace entente::api::test
