// REST and gRPC are written apart, for speed. Here every REST document is read by Protobuf's own
// strict JSON parser and must be the very message that gRPC sends.
#include <catch2/catch.hpp>

#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>

#include "coordinator/api/grpc/proto_codec.h"
#include "coordinator/api/json/json_decode.h"
#include "coordinator/api/json/json_encode.h"
#include "tests/api/fixtures.h"

namespace entente::api::test {
namespace {

using google::protobuf::util::JsonParseOptions;
using google::protobuf::util::JsonStringToMessage;
using google::protobuf::util::MessageDifferencer;

template <class Message>
Message Parse(const std::string& json) {
  JsonParseOptions strict;
  strict.ignore_unknown_fields = false;
  Message message;
  const auto status = JsonStringToMessage(json, &message, strict);
  INFO(json);
  INFO(status.ToString());
  REQUIRE(status.ok());
  return message;
}

template <class Message, class Result>
void CheckSame(const Result& result, const std::string& json) {
  const Message from_rest = Parse<Message>(json);
  Message from_grpc;
  ToProto(result, &from_grpc);
  MessageDifferencer differencer;
  std::string difference;
  differencer.ReportDifferencesToString(&difference);
  const bool equal = differencer.Compare(from_grpc, from_rest);
  INFO(json);
  INFO(difference);
  CHECK(equal);
}

TEST_CASE("a transaction is the same over REST and gRPC, in whatever state it is") {
  for (const Story& story : AllStories()) {
    const TxnDetail detail{story.View(), {"breaker", "rate"}};
    CheckSame<pb::Transaction>(detail, TransactionJson(detail));
  }
}

TEST_CASE("a history is the same over REST and gRPC, whatever happened") {
  for (const Story& story : AllStories()) {
    CheckSame<pb::History>(story.History(), HistoryJson(story.History()));
  }
}

TEST_CASE("an event is the same over REST and gRPC") {
  const Story story = ResolvedStory();
  for (uint64_t revision = 1; revision <= story.size(); ++revision) {
    CheckSame<pb::TransactionEvent>(story.Event(revision), EventJson(story.Event(revision)));
  }
}

TEST_CASE("lists are the same over REST and gRPC") {
  const storage::SummaryPage page = SomeSummaries();
  CheckSame<pb::ListTransactionsResponse>(page, TransactionListJson(page));
  CheckSame<pb::ListIncidentsResponse>(page, IncidentListJson(page));
  const ParticipantPage participants{SomeParticipants(), 0, SomeParticipants().size(), "n"};
  CheckSame<pb::ListParticipantsResponse>(participants, ParticipantListJson(participants));
  const DefinitionPage definitions{{SomeDefinition()}, "n"};
  CheckSame<pb::ListDefinitionsResponse>(definitions, DefinitionListJson(definitions));
  for (const Story& story : AllStories()) {
    const BranchPage branches{{story.View(), {"breaker", "rate"}}, {0, 0}, 2, "1.1"};
    CheckSame<pb::ListBranchesResponse>(branches, BranchListJson(branches));
  }
  CheckSame<pb::ListNodesResponse>(SomeNodes(), NodeListJson(SomeNodes()));
  const DeadLetterPage letters{SomeDeadLetters(), "n"};
  CheckSame<pb::ListDeadLettersResponse>(letters, DeadLetterListJson(letters));
  CheckSame<pb::SendDeadLettersResponse>(uint32_t{3}, SentDeadLettersJson(3));
}

TEST_CASE("the other answers are the same over REST and gRPC") {
  CheckSame<pb::Definition>(SomeDefinition(), DefinitionJson(SomeDefinition()));
  const std::vector<dsl::Problem> problems{
      {"/steps/0/when", 3, 9, "definition.wrong_type", "must be a string", "write \"true\""}};
  CheckSame<pb::ValidateDefinitionResponse>(problems, ValidationJson(problems));
  const std::vector<dsl::Problem> warnings{
      {"/steps/0", 3, 9, "definition.child_not_found", "there is none", "register it", true}};
  CheckSame<pb::ValidateDefinitionResponse>(warnings, ValidationJson(warnings));
  const StoredDefinition stored{SomeDefinition(), warnings};
  CheckSame<pb::Definition>(stored, StoredDefinitionJson(stored));
  CheckSame<pb::ValidateDefinitionResponse>(std::vector<dsl::Problem>{}, ValidationJson({}));
  const CompleteResult completed{Gid("t1"), engine::TxnStatus::kActive, Sequence(5)};
  CheckSame<pb::CompleteOperationResponse>(completed, CompletionJson(completed));

  for (const bool known : {true, false}) {
    const DecisionResult decision{Gid("t1"), "aborted", known, "00112233445566ff"};
    CheckSame<pb::Decision>(decision, DecisionJson(decision));
  }

  HealthReport report;
  report.health.reason = "draining";
  report.health.open = 12;
  report.health.oldest_overdue = std::chrono::microseconds(1'000'001);
  report.health.store_lag = std::chrono::milliseconds(20);
  report.health.exhausted = "no descriptor left";
  report.stalled = true;
  CheckSame<pb::Health>(report, HealthJson(report));
  CheckSame<pb::Health>(HealthReport{}, HealthJson(HealthReport{}));
}

TEST_CASE("a problem is the same over REST and gRPC") {
  const Error error{InvalidArgument("definition.invalid", "2 problems"),
                    {{"/a", 1, 2, "definition.unknown_field", "unknown field", "b"}},
                    {{"gid", "must not be empty", ""}}};
  CheckSame<pb::Problem>(error, ProblemJson(error, ""));
}

// ---- Requests: the same JSON, read by each side, is the same command.

constexpr const char* kSubmit = R"({
    "inline": {"name": "x", "steps": []}, "version": 2, "gid": "g1",
    "input": {"n": 3, "negative": -4, "x": 1.5, "s": "text", "list": [true, null, {"a": 0}]},
    "labels": {"z": "1", "a": "2"}, "deadline": "10m", "wait": "1s"})";

TEST_CASE("a submit means the same over REST and gRPC") {
  Outcome<SubmitCommand> decoded = DecodeSubmit(Json::parse(kSubmit));
  REQUIRE(std::holds_alternative<SubmitCommand>(decoded));
  const SubmitCommand& rest = std::get<SubmitCommand>(decoded);
  const SubmitCommand grpc = FromProto(Parse<pb::SubmitTransactionRequest>(kSubmit));
  CHECK(rest.definition == grpc.definition);
  CHECK(rest.inline_definition == grpc.inline_definition);
  CHECK(rest.version == grpc.version);
  CHECK(rest.gid == grpc.gid);
  CHECK(rest.input == grpc.input);
  // Not only equal: a number stays whole, for expressions tell 3 from 3.0.
  CHECK(grpc.input.Read()["n"].is_number_unsigned());
  CHECK(grpc.input.Read()["negative"].is_number_integer());
  CHECK(rest.labels == grpc.labels);
  CHECK(rest.deadline == grpc.deadline);
  CHECK(rest.wait == grpc.wait);
}

TEST_CASE("a begin means the same over REST and gRPC") {
  constexpr const char* kBegin =
      R"({"mode":"2pc","gid":"g1","timeLimit":"30s","labels":{"z":"1","a":"2"}})";
  const auto rest = std::get<BeginCommand>(DecodeBegin(Json::parse(kBegin)));
  const BeginCommand grpc = FromProto(Parse<pb::BeginTransactionRequest>(kBegin));
  CHECK(rest.mode == "2pc");
  CHECK(rest.mode == grpc.mode);
  CHECK(rest.gid == grpc.gid);
  CHECK(rest.time_limit == grpc.time_limit);
  CHECK(rest.labels == grpc.labels);
}

template <class Request>
void CheckDecide(DecideCommand::Verb verb, const char* json) {
  const auto rest = std::get<DecideCommand>(DecodeDecide(verb, "", Json::parse(json)));
  const DecideCommand grpc = FromProto(Parse<Request>(json));
  CHECK(rest.verb == grpc.verb);
  CHECK(rest.reason == grpc.reason);
  CHECK(rest.actor == grpc.actor);
  CHECK(rest.wait == grpc.wait);
}

TEST_CASE("a commit and an abort mean the same over REST and gRPC") {
  using Verb = DecideCommand::Verb;
  CheckDecide<pb::CommitTransactionRequest>(Verb::kCommit, R"({"wait":"1s"})");
  CheckDecide<pb::CommitTransactionRequest>(Verb::kCommit, "{}");
  CheckDecide<pb::AbortTransactionRequest>(Verb::kAbort,
                                           R"({"actor":"a","reason":"r","wait":"1s"})");
}

template <class Request>
void CheckOperate(runtime::OperatorRequest::Verb verb, const char* json) {
  Outcome<OperateCommand> decoded = DecodeOperate(verb, "", Json::parse(json));
  INFO(json);
  REQUIRE(std::holds_alternative<OperateCommand>(decoded));
  const OperateCommand& rest = std::get<OperateCommand>(decoded);
  const OperateCommand grpc = FromProto(Parse<Request>(json));
  CHECK(rest.verb == grpc.verb);
  CHECK(rest.reason == grpc.reason);
  CHECK(rest.actor == grpc.actor);
  CHECK(rest.expected_revision == grpc.expected_revision);
  CHECK(rest.branch == grpc.branch);
  CHECK(rest.body == grpc.body);
  CHECK(rest.retry == grpc.retry);
  CHECK(rest.output == grpc.output);
  CHECK(rest.outcome == grpc.outcome);
  CHECK(rest.code == grpc.code);
  CHECK(rest.message == grpc.message);
}

TEST_CASE("an operator's action means the same over REST and gRPC") {
  using Verb = runtime::OperatorRequest::Verb;
  constexpr const char* kPlain = R"({"reason":"r","actor":"a","expectedRevision":4})";
  CheckOperate<pb::CancelTransactionRequest>(Verb::kCancel, kPlain);
  CheckOperate<pb::PauseTransactionRequest>(Verb::kPause, kPlain);
  CheckOperate<pb::ResumeTransactionRequest>(Verb::kResume, kPlain);
  CheckOperate<pb::RetryTransactionRequest>(Verb::kRetry, R"({"reason":"r","branch":"b"})");
  CheckOperate<pb::SkipBranchRequest>(Verb::kSkip,
                                      R"({"reason":"r","branch":"b","output":{"x":[1]}})");
  CheckOperate<pb::CompleteBranchRequest>(
      Verb::kComplete, R"({"reason":"r","branch":"b","outcome":"done","output":{"x":[1]}})");
  CheckOperate<pb::CompleteBranchRequest>(
      Verb::kComplete,
      R"({"reason":"r","branch":"b","outcome":"refused","code":"full","message":"no room"})");
  CheckOperate<pb::EditBranchRequest>(
      Verb::kEdit,
      R"({"reason":"r","branch":"b","body":{"x":[1]},"retry":{"attempts":3,"factor":1.5}})");
  CheckOperate<pb::EditBranchRequest>(Verb::kEdit, R"({"reason":"r","branch":"b"})");
  CheckOperate<pb::ResolveTransactionRequest>(Verb::kResolve,
                                              R"({"reason":"r","outcome":"ABORTED"})");
}

TEST_CASE("a signal and a completion mean the same over REST and gRPC") {
  constexpr const char* kSignal = R"({"name":"go","payload":{"by":"ann"},"id":"s1"})";
  const auto signal = std::get<SignalCommand>(DecodeSignal("", Json::parse(kSignal)));
  const SignalCommand signal_grpc = FromProto(Parse<pb::SignalTransactionRequest>(kSignal));
  CHECK(signal.name == signal_grpc.name);
  CHECK(signal.payload == signal_grpc.payload);
  CHECK(signal.id == "s1");
  CHECK(signal.id == signal_grpc.id);

  constexpr const char* kComplete =
      R"({"outcome":"refused","output":null,"code":"full","message":"no room"})";
  const auto complete = std::get<CompleteCommand>(DecodeComplete("", Json::parse(kComplete)));
  const CompleteCommand complete_grpc = FromProto(Parse<pb::CompleteOperationRequest>(kComplete));
  CHECK(complete.outcome == complete_grpc.outcome);
  CHECK(complete.output == complete_grpc.output);
  CHECK(complete.code == complete_grpc.code);
  CHECK(complete.message == complete_grpc.message);
}

TEST_CASE("JSON values keep their meaning through Protobuf") {
  for (const char* text : {"null", "true", "0", "-1", "9007199254740992", "1.25", "\"\"", "[]",
                           "{}", R"({"a":[1,{"b":"c"}],"d":null})"}) {
    CAPTURE(text);
    google::protobuf::Value value;
    ToValue(Json::parse(text), &value);
    CHECK(DumpJson(FromValue(value)) == text);
  }
  google::protobuf::Value infinite;
  infinite.set_number_value(std::numeric_limits<double>::infinity());
  CHECK(FromValue(infinite).is_null());
}

}  // namespace
}  // namespace entente::api::test
