#include "participant-sdk/src/core/barrier_rules.h"

#include <catch2/catch.hpp>

namespace entente::sdk {
namespace {

Call CallOf(Operation operation) {
  Call call;
  call.gid = Gid("g");
  call.branch = BranchId("b");
  call.operation = operation;
  return call;
}

// What happens with a try, a confirm and a cancel in one state of the row.
struct Line {
  std::optional<RowState> state;
  const char* forward;
  const char* finish;
  const char* undo;
};

std::string Describe(const Verdict& verdict) {
  if (verdict.kind == Verdict::Kind::kRun) {
    return "run " + std::to_string(static_cast<int>(verdict.next));
  }
  if (verdict.kind == Verdict::Kind::kRecord) {
    return "record " + std::to_string(static_cast<int>(verdict.next));
  }
  if (const auto* refused = std::get_if<RefusedAnswer>(&verdict.answer)) {
    return refused->code;
  }
  if (const auto* done = std::get_if<DoneAnswer>(&verdict.answer)) {
    return "answer " + done->output.dump();
  }
  if (const auto* heuristic = std::get_if<HeuristicAnswer>(&verdict.answer)) {
    return "heuristic " + std::string(HeuristicName(heuristic->outcome));
  }
  return "?";
}

std::string Outcome(const std::optional<RowState>& state, Operation operation) {
  std::optional<Row> row;
  if (state) {
    const Answer forward = *state == RowState::kDeclined ? Refused("full", "") : Done("f");
    row = Row{*state, std::nullopt, EncodeAnswer(forward), EncodeAnswer(Done("s"))};
  }
  const Result<Verdict> verdict = Judge(row, CallOf(operation));
  REQUIRE(verdict.ok());
  return Describe(*verdict);
}

TEST_CASE("every state of a row meets every kind of call") {
  const std::vector<Line> lines{
      {std::nullopt, "run 1", "barrier.not_tried", "record 4"},
      {RowState::kDone, "answer \"f\"", "run 2", "run 3"},
      {RowState::kReadOnly, "answer \"f\"", "run 2", "run 3"},
      {RowState::kFinished, "answer \"f\"", "answer \"s\"", "barrier.finished"},
      {RowState::kUndone, "barrier.suspended", "barrier.undone", "answer \"s\""},
      {RowState::kSuspended, "barrier.suspended", "barrier.undone", "answer \"s\""},
      {RowState::kDeclined, "full", "barrier.not_tried", "record 4"},
      {RowState::kRefused, "barrier.suspended", "heuristic rolled-back", "answer null"},
  };
  for (const Line& line : lines) {
    CAPTURE(line.state ? static_cast<int>(*line.state) : 0);
    CHECK(Outcome(line.state, Operation::kTry) == line.forward);
    CHECK(Outcome(line.state, Operation::kConfirm) == line.finish);
    CHECK(Outcome(line.state, Operation::kCancel) == line.undo);
    CHECK(Outcome(line.state, Operation::kPrepare) == line.forward);
    CHECK(Outcome(line.state, Operation::kCommit) == line.finish);
    CHECK(Outcome(line.state, Operation::kRollback) == line.undo);
    CHECK(Outcome(line.state, Operation::kAction) == line.forward);
    CHECK(Outcome(line.state, Operation::kCompensate) == line.undo);
  }
}

TEST_CASE("only a later attempt than the refused one is carried out") {
  const Row row{RowState::kDeclined, std::nullopt, EncodeAnswer(Refused("full", ""), 3), {}};
  Call call = CallOf(Operation::kTry);
  for (const uint32_t attempt : {1u, 2u, 3u}) {
    call.attempt = attempt;
    CHECK(Describe(*Judge(row, call)) == "full");
  }
  call.attempt = 4;
  CHECK(Describe(*Judge(row, call)) == "run 1");
}

TEST_CASE("a pending answer that says no attempt is the first one's") {
  const Row row{RowState::kDone, std::nullopt, R"({"pending":"/poll"})", {}};
  Call call = CallOf(Operation::kTry);
  call.attempt = 1;
  CHECK(Describe(*Judge(row, call)) == "?");  // Told once more.
  call.attempt = 2;
  CHECK(Describe(*Judge(row, call)) == "run 1");
}

TEST_CASE(
    "an epoch that another branch has seen makes a call stale, also where there is no row yet") {
  Call call = CallOf(Operation::kTry);
  call.epoch = Epoch(4);
  CHECK(Describe(*Judge(std::nullopt, call, 5)) == "barrier.stale_epoch");
  CHECK(Describe(*Judge(std::nullopt, call, 4)) == "run 1");
  Row row{RowState::kDone, 3, EncodeAnswer(Done("f")), {}};
  row.latest = 5;
  CHECK(Describe(*Judge(row, call)) == "barrier.stale_epoch");
  call.epoch.reset();
  CHECK(Describe(*Judge(row, call)) == "answer \"f\"");
}

TEST_CASE("epochs are compared between calls of one coordinator only") {
  const std::string a = "00000000000000aa";
  const std::string b = "00000000000000bb";
  const auto judged = [](const std::string& of_row, const std::string& of_call, uint64_t epoch) {
    const Row row{RowState::kDone, 5, EncodeAnswer(Done("f")), {}, of_row};
    Call call = CallOf(Operation::kTry);
    call.coordinator = of_call;
    call.epoch = Epoch(epoch);
    const Result<Verdict> verdict = Judge(row, call);
    REQUIRE(verdict.ok());
    return Describe(*verdict) + (verdict->note_caller ? ", noted" : "");
  };
  CHECK(judged("", "", 4) == "barrier.stale_epoch");
  CHECK(judged(a, a, 4) == "barrier.stale_epoch");
  CHECK(judged(a, a, 5) == "answer \"f\"");  // A repeat writes nothing.
  CHECK(judged(a, a, 6) == "answer \"f\", noted");
  CHECK(judged(a, b, 4) == "barrier.other_coordinator");
  CHECK(judged(a, b, 6) == "barrier.other_coordinator");
  CHECK(judged("", a, 4) == "answer \"f\", noted");
  CHECK(judged(a, "", 4) == "answer \"f\"");
  CHECK(judged(a, "", 6) == "answer \"f\"");
}

TEST_CASE("answers that are kept survive being written") {
  for (const Answer& answer : {Done({{"a", Json::array({1, 2.5, "x", nullptr})}}), Done(),
                               DoneUntil(InstantFromMicros(1'700'000'000'123'456), {{"seat", 1}}),
                               Pending("/x"), Pending(), ReadOnly(), Refused("code", "message")}) {
    const Result<Answer> read = DecodeAnswer(EncodeAnswer(answer));
    REQUIRE(read.ok());
    CHECK(*read == answer);
  }
}

TEST_CASE("a row that can not be read is not guessed at") {
  CHECK(DecodeAnswer("").status().code() == StatusCode::kDataLoss);
  CHECK(DecodeAnswer("{}").status().code() == StatusCode::kDataLoss);
  CHECK(DecodeAnswer(R"({"perhaps":1})").status().code() == StatusCode::kDataLoss);
  for (const int stored : {-1, 0, 8, 10, 18, 21}) {
    CHECK_FALSE(StateOf(stored).ok());
  }
  CHECK(*StateOf(12) == RowState::kFinished);
}

TEST_CASE("table names are checked before they reach SQL") {
  CHECK(CheckTableName("entente_barrier").ok());
  for (const char* bad : {"", "a b", "a;b", "1a", "a\"b", "schema.table"}) {
    CHECK(CheckTableName(bad).reason() == "sdk.bad_table");
  }
}

TEST_CASE("an alternative's number is read from its idempotency key") {
  Call call = CallOf(Operation::kAction);
  call.branch = BranchId("room:3");
  CHECK(AlternativeOfKey("g:room:3", call) == 0);
  CHECK(AlternativeOfKey("g:room:3:alt2", call) == 2);
  CHECK(AlternativeOfKey("g:room:3:alt", call) == 0);
  CHECK(AlternativeOfKey("g:room:3:alt2x", call) == 0);
  CHECK(AlternativeOfKey("g:room:3:action", call) == 0);
  CHECK(AlternativeOfKey("g:room:3:alt2:action", call) == 2);
  CHECK(AlternativeOfKey("g:room:3:alt2:compensate", call) == 0);
  CHECK(AlternativeOfKey("g:room:3:altx:action", call) == 0);
  CHECK(AlternativeOfKey("whatever", call) == 0);
  call.operation = Operation::kCompensate;
  CHECK(AlternativeOfKey("g:room:3:compensate", call) == 0);
  CHECK(AlternativeOfKey("g:room:3:alt2:compensate", call) == 2);
  CHECK(AlternativeOfKey("g:room:3:alt2", call) == 0);
}

TEST_CASE("operations have their names and purposes") {
  for (const char* name :
       {"action", "compensate", "try", "confirm", "cancel", "prepare", "commit", "rollback"}) {
    const auto operation = ParseOperation(name);
    REQUIRE(operation);
    CHECK(OperationName(*operation) == name);
  }
  CHECK_FALSE(ParseOperation("Action"));
  CHECK(PurposeOf(Operation::kRollback) == Purpose::kUndo);
}

}  // namespace
}  // namespace entente::sdk
