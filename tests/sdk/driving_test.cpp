// A client that drives its transaction itself.
#include <catch2/catch.hpp>

#include "entente/global_transaction.h"
#include "tests/sdk/canned_server.h"

namespace entente::sdk {
namespace {

using test::Canned;
using test::CannedServer;
using test::Problem;

const std::string kActive = R"({"gid":"g1","status":"ACTIVE"})";

TEST_CASE("a transaction is begun, its branches enlisted, and committed") {
  CannedServer server({{.status = 201, .body = kActive, .headers = "Entente-Created: true\r\n"},
                       {.status = 201, .body = kActive},
                       {.body = R"({"gid":"g1","status":"COMMITTED"})"}});
  Client client({.server = server.url()});
  Result<GlobalTransaction> transaction =
      GlobalTransaction::Begin(client, {.mode = "tcc",
                                        .gid = "g1",
                                        .time_limit = std::chrono::seconds(30),
                                        .labels = {{"team", "blue"}}});
  REQUIRE(transaction.ok());
  CHECK(transaction->gid() == "g1");
  CHECK(transaction->Enlist({{"id", "flight"}}).ok());
  const Result<Transaction> committed = transaction->Commit(std::chrono::seconds(10));
  REQUIRE(committed.ok());
  CHECK(committed->committed());
  const auto seen = server.seen();
  REQUIRE(seen.size() == 3);
  CHECK(seen[0].target == "/v1/transactions:begin");
  CHECK(seen[0].body == R"({"gid":"g1","labels":{"team":"blue"},"mode":"tcc","timeLimit":"30s"})");
  CHECK(seen[1].target == "/v1/transactions/g1/branches");
  CHECK(seen[1].body == R"({"id":"flight"})");
  CHECK(seen[2].target == "/v1/transactions/g1:commit");
  CHECK(seen[2].body == R"({"wait":"10s"})");
}

TEST_CASE("every step is repeated as it was, whatever is lost") {
  CannedServer server({{.hang_up = true},
                       {.body = kActive, .headers = "Entente-Created: false\r\n"},
                       {.hang_up = true},
                       {.body = kActive},
                       Problem(503, "draining", "shutting down"),
                       {.status = 202, .body = R"({"gid":"g1","status":"COMMITTING"})"},
                       {.hang_up = true},
                       {.body = R"({"gid":"g1","status":"ABORTED"})"}});
  Client client({.server = server.url()});
  const Result<SubmitResult> begun = client.Begin({.mode = "2pc"});
  REQUIRE(begun.ok());
  CHECK_FALSE(begun->created);
  CHECK(client.Enlist("g1", R"({"id":"a"})").ok());
  CHECK(client.Commit("g1")->status() == "COMMITTING");
  CHECK(client.Abort("g1", "no more", std::chrono::seconds(1))->status() == "ABORTED");
  const auto seen = server.seen();
  REQUIRE(seen.size() == 8);
  for (size_t i = 0; i < seen.size(); i += 2) {
    CHECK(seen[i].target == seen[i + 1].target);
    CHECK(seen[i].body == seen[i + 1].body);
  }
  // The name was made before the first attempt.
  CHECK(ValidateGid(Json::parse(seen[0].body)["gid"].get<std::string>()).ok());
  CHECK(seen[6].body == R"({"reason":"no more","wait":"1s"})");
}

TEST_CASE("a coordinator that was there is waited for, one that never was is not") {
  auto server = std::make_unique<CannedServer>(
      std::vector<Canned>{{.status = 201, .body = kActive, .close_after = true}});
  const ClientOptions options{.server = server->url(), .retry_for = std::chrono::milliseconds(20)};
  Client client(options);
  CHECK(client.Enlist("g1", R"({"id":"a"})").ok());
  server.reset();
  const Status waited = client.Commit("g1").status();
  CHECK(waited.reason() == "client.unreachable");
  CHECK_THAT(waited.message(), Catch::Contains("given up after 2 attempts"));
  const Status not_waited = Client(options).Commit("g1").status();
  CHECK(not_waited.reason() == "client.unreachable");
  CHECK_THAT(not_waited.message(), !Catch::Contains("given up"));
}

TEST_CASE("a commit that is given up says how to find out") {
  CannedServer server(std::vector<Canned>{{.hang_up = true}});
  Client client({.server = server.url(), .retry_for = Duration::zero()});
  const Status status = client.Commit("g1").status();
  CHECK(status.code() == StatusCode::kUnknownOutcome);
  CHECK_THAT(status.message(), Catch::Contains("ask for the decision on transaction g1"));
}

TEST_CASE("what was decided otherwise is not repeated") {
  CannedServer server({Problem(409, "transaction.aborted", "it was aborted")});
  Client client({.server = server.url()});
  CHECK(client.Commit("g1").status() ==
        FailedPrecondition("transaction.aborted", "it was aborted"));
  CHECK(server.seen().size() == 1);
}

TEST_CASE("a decision is read, and only what it says") {
  const auto ask = [](const std::string& body) {
    CannedServer server(std::vector<Canned>{{.body = body}});
    const Result<DecisionReply> decision = AskCoordinator({.server = server.url()})(Gid("g 1"));
    CHECK(server.seen()[0].target == "/v1/transactions/g%201/decision");
    return decision;
  };
  const Result<DecisionReply> committed =
      ask(R"({"decision":"committed","known":true,"coordinator":"00000000000000ab"})");
  CHECK(committed->decision == Decision::kCommitted);
  CHECK(committed->known);
  CHECK(committed->coordinator == "00000000000000ab");
  const Result<DecisionReply> unknown = ask(R"({"decision":"aborted","known":false})");
  CHECK(unknown->decision == Decision::kAborted);
  CHECK_FALSE(unknown->known);
  CHECK(unknown->coordinator.empty());
  CHECK(ask(R"({"decision":"undecided"})")->decision == Decision::kUndecided);
  CHECK(ask(R"({"decision":"perhaps"})").status().reason() == "client.bad_answer");
  CHECK(ask(R"({})").status().reason() == "client.bad_answer");
  // Nothing is known of what can not be asked for.
  CannedServer server({Problem(503, "draining", "shutting down"), Problem(404, "x", "y")});
  const DecisionSource source = AskCoordinator({.server = server.url()});
  CHECK_FALSE(source(Gid("g")).ok());
  CHECK_FALSE(source(Gid("g")).ok());
}

TEST_CASE("what a client sends to a participant names the call as the coordinator would") {
  Client client;
  const GlobalTransaction transaction(client, "g1");
  CHECK(transaction.HeadersFor("flight", Operation::kTry) ==
        std::vector<std::pair<std::string, std::string>>{{"Idempotency-Key", "g1:flight"},
                                                         {"Entente-Gid", "g1"},
                                                         {"Entente-Branch", "flight"},
                                                         {"Entente-Operation", "try"}});
}

TEST_CASE("a client passes on which coordinator it drives the transaction with") {
  CannedServer server(
      {{.status = 201,
        .body = R"({"gid":"g1","status":"ACTIVE","coordinator":"00000000000000ab"})",
        .headers = "Entente-Created: true\r\n"}});
  Client client({.server = server.url()});
  const Result<GlobalTransaction> transaction =
      GlobalTransaction::Begin(client, {.mode = "2pc", .gid = "g1"});
  REQUIRE(transaction.ok());
  CHECK(transaction->HeadersFor("room", Operation::kPrepare).back() ==
        std::pair<std::string, std::string>("Entente-Coordinator", "00000000000000ab"));
}

}  // namespace
}  // namespace entente::sdk
