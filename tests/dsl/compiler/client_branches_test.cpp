// Branches that clients enlist.
#include <catch2/catch.hpp>

#include "base/limits.h"
#include "dsl/client_branches.h"
#include "tests/dsl/compiler/compile_support.h"

namespace entente::dsl {
namespace {

constexpr const char* kFlight = R"({
  "id": "flight-1", "participant": {"http": "http://flights:8080/", "timeout": "3s"},
  "confirm": {"post": "/holds/${key}/confirm"}, "cancel": {"delete": "/holds/${key}"},
  "expires": "10m", "settleRetry": {"attempts": 7}})";

Problems BranchProblems(Mode mode, std::string_view source) {
  auto result = CompileClientBranch(mode, source);
  const auto* problems = std::get_if<Problems>(&result);
  return problems == nullptr ? Problems() : *problems;
}

ClientBranch BranchOf(Mode mode, std::string_view source) {
  auto result = CompileClientBranch(mode, source);
  if (const auto* problems = std::get_if<Problems>(&result)) {
    FAIL(Describe(*problems));
  }
  return std::get<ClientBranch>(std::move(result));
}

TEST_CASE("a branch becomes a step whose forward part is the client's own") {
  const ClientBranch branch = BranchOf(Mode::kTcc, kFlight);
  CHECK(branch.step.id == "flight-1");
  CHECK(branch.participant.name == "http://flights:8080");
  CHECK(branch.step.timeout == std::chrono::seconds(3));
  CHECK(branch.step.settle_retry.attempts == 7);
  CHECK(branch.step.expires->margin == std::chrono::seconds(6));
  const auto& work = std::get<CallWork>(branch.step.work);
  CHECK_FALSE(work.forward);
  CHECK(work.finish);
  CHECK(work.undo);
}

TEST_CASE("equal descriptions have equal sources, however they are written") {
  const std::string other = R"({"participant":{"timeout":"3s","http":"http://flights:8080/"},
    "settleRetry":{"attempts":7}, "id":"flight-1","expires":"10m",
    "cancel":{"delete":"/holds/${key}"},"confirm":{"post":"/holds/${key}/confirm"}})";
  CHECK(BranchOf(Mode::kTcc, kFlight).source == BranchOf(Mode::kTcc, other).source);
}

TEST_CASE("a branch's mistakes are all reported, each in its place") {
  const auto codes = [](Mode mode, std::string_view source) {
    std::string text;
    for (const Problem& problem : BranchProblems(mode, source)) {
      text += problem.pointer + ' ' + problem.code.substr(sizeof("definition.") - 1) + '\n';
    }
    return text;
  };
  CHECK(codes(Mode::kTcc, "[]") == " wrong_type\n");
  CHECK(BranchProblems(Mode::kTcc, "{")[0].code == "json.syntax");
  CHECK(
      codes(Mode::kTcc, R"({"id": "a b", "participant": {"http": "ftp://x"}, "confirm": null})") ==
      " missing_field\n/id bad_name\n/participant/http bad_address\n");
  CHECK(codes(Mode::kTcc, R"({"id": "a", "participant": {"http": "http://x"}, "cancel": null,
    "confirm": {"post": "/${input.x}/${env.HOME}"}, "try": {"post": "/"}})") ==
        "/confirm/post unknown_name\n/confirm/post unknown_name\n/try unknown_field\n");
  CHECK(codes(Mode::kTwoPhaseCommit,
              R"({"id": "a", "participant": {"http": "http://x"}, "prepare": {"post": "/p"},
    "commit": null, "rollback": {"rpc": "Rollback"}})") ==
        "/commit wrong_type\n/rollback/rpc wrong_protocol\n");
  CHECK(codes(Mode::kSaga, R"({"id": "a", "participant": "flights", "compensate": null})") ==
        "/participant wrong_type\n");
}

TEST_CASE("what is wrong with a branch is told in terms of a branch") {
  const auto message = [](const char* source) {
    const auto compiled = CompileClientBranch(Mode::kTcc, source);
    REQUIRE(std::holds_alternative<Problems>(compiled));
    const Problem& problem = std::get<Problems>(compiled).front();
    return problem.message + "; " + problem.suggestion;
  };
  CHECK(message(R"({"id": "a", "participant": {"http": "${env.FL_URL}"}, "confirm": null,
                    "cancel": null})") ==
        "'env' can not be read in 'http' of a client's branch; write the value itself");
  CHECK(message(R"({"id": "a", "participant": {"http": "http://x"}, "cancel": null,
                    "confirm": {"post": "/${env.A}"}})") ==
        "'env' can not be read in a path; only 'gid' and 'key' can be read there");
  CHECK(message(R"({"id": "a", "participant": {"http": "http://x"}, "cancel": null,
                    "confirm": {"path": "/"}})")
            .starts_with("a branch's call does not say what to call: it needs one of 'get', "
                         "'put', 'post', 'patch', 'delete' or 'rpc'; "));
  CHECK(message(R"({"id": "a", "participant": {"http": "http://x"}, "cancel": null,
                    "confirm": {"transaction": {"definition": "y"}}})")
            .ends_with("; call the participant"));
  const auto two = CompileClientBranch(Mode::kTcc, R"({"id": "a", "confirm": null})");
  REQUIRE(std::holds_alternative<Problems>(two));
  const Status status = BranchProblemsToStatus(std::get<Problems>(two));
  CHECK(status.reason() == "branch.invalid");
  CHECK(status.message().starts_with("the branch's description has 2 problems, the first at "));
}

TEST_CASE("a branch's regular expressions have a small budget") {
  const auto compiled = CompileClientBranch(
      Mode::kTcc, R"({"id": "a", "participant": {"http": "http://x"}, "cancel": null,
      "confirm": {"post": "/${key.matches('[\\\\p{L}]{1,20}')}"}})");
  REQUIRE(std::holds_alternative<Problems>(compiled));
  CHECK(std::get<Problems>(compiled).front().message.find("more than the limit of 10000 instr") !=
        std::string::npos);
}

TEST_CASE("a client-driven plan grows by a branch at a time") {
  const auto empty = BeginClientDriven(Mode::kTcc);
  CHECK(empty->client_driven);
  CHECK(empty->deadline == limits::kDefaultClientDrivenLimit);
  const auto one = WithBranch(*empty, BranchOf(Mode::kTcc, kFlight));
  REQUIRE(one.ok());
  CHECK(empty->steps.empty());
  const auto two = WithBranch(**one, BranchOf(Mode::kTcc, kFlight));
  REQUIRE(two.ok());
  const auto& work = std::get<CallWork>((*two)->steps[1].work);
  CHECK(std::get<CallTemplate>(*work.finish).participant == 1);
  CHECK(std::get<CallTemplate>(work.undo->call).participant == 1);
  CHECK((*two)->steps[1].after.empty());
}

TEST_CASE("a saga's branches come one after another, so that they are undone backwards") {
  const std::string source =
      R"({"id": "a", "participant": {"http": "http://x"}, "compensate": {"delete": "/a"}})";
  const auto plan = ClientDrivenPlan(Mode::kSaga, {source, source, source});
  REQUIRE(plan.ok());
  CHECK((*plan)->steps[2].after == std::vector<size_t>{1});
  CHECK((*plan)->steps[1].before == std::vector<size_t>{2});
}

TEST_CASE("a transaction has a bounded number of branches") {
  const std::vector<std::string> most(limits::kMaxSteps, kFlight);
  const auto plan = ClientDrivenPlan(Mode::kTcc, most);
  REQUIRE(plan.ok());
  const auto more = WithBranch(**plan, BranchOf(Mode::kTcc, kFlight));
  CHECK(more.status().code() == StatusCode::kResourceExhausted);
  CHECK(more.status().reason() == "transaction.too_many_branches");
}

TEST_CASE("a stored description that does not compile is a corrupt journal") {
  CHECK(ClientDrivenPlan(Mode::kTcc, {"{}"}).status().code() == StatusCode::kDataLoss);
}

}  // namespace
}  // namespace entente::dsl
