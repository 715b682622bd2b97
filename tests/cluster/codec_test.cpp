// What one node tells another comes out as it went in.
#include <string>
#include <variant>

#include <catch2/catch.hpp>

#include "coordinator/cluster/peer_codec.h"

namespace entente::cluster::codec {
namespace {

using runtime::OperatorRequest;

pb::Ask Sent(const pb::Ask& ask) {
  pb::Ask received;
  REQUIRE(received.ParseFromString(ask.SerializeAsString()));
  return received;
}

TEST_CASE("a submit keeps all that is said, and what is not said") {
  runtime::SubmitRequest full;
  full.definition = "d";
  full.version = 0;
  full.inline_definition = "{}";
  full.gid = Gid("g");
  full.input = Json{{"n", 1}};
  full.labels = {{"a", "1"}, {"b", ""}};
  full.deadline = Duration(0);
  full.traceparent = "t";
  const auto read = SubmitOf(Sent(AskOf(full))).value();
  CHECK(read.definition == "d");
  CHECK(read.version == 0U);
  CHECK(read.inline_definition == "{}");
  CHECK(read.gid == Gid("g"));
  CHECK(read.input == full.input);
  CHECK(read.labels == full.labels);
  CHECK(read.deadline == Duration(0));
  CHECK(read.traceparent == "t");
  CHECK_FALSE(read.wait.has_value());

  runtime::SubmitRequest bare;
  bare.gid = Gid("g");
  const auto least = SubmitOf(Sent(AskOf(bare))).value();
  CHECK_FALSE(least.version.has_value());
  CHECK_FALSE(least.inline_definition.has_value());
  CHECK_FALSE(least.deadline.has_value());
  CHECK(least.input.is_null());
}

TEST_CASE("numbers of a payload keep their digits") {
  runtime::SignalRequest signal{"go", JsonText::FromStored("1.50").value(), "id"};
  const pb::Ask ask = Sent(AskOf(Gid("g"), signal));
  CHECK(ask.gid() == "g");
  const auto read = SignalOf(ask).value();
  CHECK(read.name == "go");
  CHECK(read.payload.text() == "1.50");
  CHECK(read.id == "id");
}

TEST_CASE("an operator's action keeps all that it says") {
  OperatorRequest request;
  request.gid = Gid("g");
  request.verb = OperatorRequest::Verb::kEdit;
  request.actor = {"ann", "why"};
  request.expected_revision = Sequence(0);
  request.branch = BranchId("b:1");
  request.edit.body = JsonText();
  request.edit.retry = dsl::RetryOverrides{Duration(5), 1.5, std::nullopt, 7, std::nullopt};
  request.output = Json("out");
  request.forced_outcome = engine::TxnStatus::kAborted;
  request.refusal = engine::Failure{"full", "no room"};
  const auto read = OperateOf(Sent(AskOf(request))).value();
  CHECK(read.gid == request.gid);
  CHECK(read.verb == request.verb);
  CHECK(read.actor == request.actor);
  CHECK(read.expected_revision == request.expected_revision);
  CHECK(read.branch == request.branch);
  REQUIRE(read.edit.body.has_value());
  CHECK(read.edit.body->is_null());
  REQUIRE(read.edit.retry.has_value());
  CHECK(read.edit.retry->initial == Duration(5));
  CHECK(read.edit.retry->factor == 1.5);
  CHECK_FALSE(read.edit.retry->max.has_value());
  CHECK(read.edit.retry->attempts == 7U);
  CHECK(read.output == request.output);
  CHECK(read.forced_outcome == request.forced_outcome);
  CHECK(read.refusal == request.refusal);

  OperatorRequest bare;
  const auto least = OperateOf(Sent(AskOf(bare))).value();
  CHECK_FALSE(least.expected_revision.has_value());
  CHECK_FALSE(least.branch.has_value());
  CHECK_FALSE(least.edit.body.has_value());
  CHECK_FALSE(least.edit.retry.has_value());
  CHECK_FALSE(least.forced_outcome.has_value());
  CHECK_FALSE(least.refusal.has_value());
}

TEST_CASE("a completion keeps how it went") {
  engine::ReplyDone done;
  done.output = Json{{"ok", true}};
  done.read_only = true;
  done.expires = InstantFromMicros(7);
  const auto read = OutcomeOf(Sent(AskOf("token", done))).value();
  const auto& reply = std::get<engine::ReplyDone>(read);
  CHECK(reply.output == done.output);
  CHECK(reply.read_only);
  CHECK(reply.expires == done.expires);
  const auto refused = OutcomeOf(Sent(AskOf("token", engine::ReplyRefused{{"full", "no room"}})));
  CHECK(std::get<engine::ReplyRefused>(refused.value()).failure ==
        engine::Failure{"full", "no room"});
}

TEST_CASE("a begin keeps its mode and its limit") {
  for (const engine::Mode mode :
       {engine::Mode::kSaga, engine::Mode::kTcc, engine::Mode::kTwoPhaseCommit}) {
    runtime::BeginRequest request;
    request.mode = mode;
    request.gid = Gid("g");
    request.time_limit = Duration(9);
    request.labels = {{"a", "1"}};
    const auto read = BeginOf(Sent(AskOf(request))).value();
    CHECK(read.mode == mode);
    CHECK(read.gid == request.gid);
    CHECK(read.time_limit == request.time_limit);
    CHECK(read.labels == request.labels);
  }
}

TEST_CASE("a failure keeps its code, and the mistakes it was for") {
  pb::Answer answer;
  SetStatus(UnknownOutcome("a.b", "c"), answer);
  SetProblems({{"/x", 1, 2, "code", "message", "suggestion", true}}, answer);
  CHECK(StatusOf(answer) == UnknownOutcome("a.b", "c"));
  CHECK(ProblemsOf(answer) ==
        std::vector<dsl::Problem>{{"/x", 1, 2, "code", "message", "suggestion", true}});
  CHECK(StatusOf(pb::Answer()).ok());
  answer.set_code(99);
  CHECK(StatusOf(answer).code() == StatusCode::kInternal);
}

TEST_CASE("what no node of ours sends is refused in words") {
  pb::Ask ask;
  ask.mutable_operate()->set_verb(99);
  CHECK(OperateOf(ask).status().reason() == "cluster.bad_message");
  ask.mutable_operate()->set_verb(0);
  ask.mutable_operate()->set_forced_outcome(0);
  CHECK(OperateOf(ask).status().reason() == "cluster.bad_message");
  ask.mutable_begin()->set_mode(99);
  CHECK(BeginOf(ask).status().reason() == "cluster.bad_message");
  ask.mutable_submit()->set_input("{");
  CHECK_FALSE(SubmitOf(ask).ok());
}

}  // namespace
}  // namespace entente::cluster::codec
