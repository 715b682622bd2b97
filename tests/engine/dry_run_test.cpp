#include "engine/dry_run/dry_run.h"

#include <algorithm>

#include <catch2/catch.hpp>

#include "tests/engine/world.h"

namespace entente::engine::test {
namespace {

PlanPtr Plan() {
  return CompilePlan(R"({
    "name": "trip", "mode": "saga",
    "participants": {"p": {"http": "http://p", "timeout": "2s"}},
    "input": {"type": "object"},
    "retry": {"initial": "1s", "factor": 1, "max": "1s", "attempts": 2, "jitter": 0},
    "steps": [
      {"id": "flight", "participant": "p", "action": {"post": "/flights"},
       "compensate": {"delete": "/flights/${key}"}},
      {"id": "hotel", "participant": "p", "action": {"post": "/five"},
       "alternatives": [{"post": "/four"}], "compensate": {"delete": "/hotels/${key}"}},
      {"id": "ok", "wait": {"signal": "approved"}},
      {"id": "pay", "participant": "p", "pivot": true, "action": {"post": "/pay"}}
    ],
    "output": "${steps.hotel.output}"
  })");
}

DryRunReport Play(const char* answers) {
  auto report = DryRun(*Plan(), Json::object(), Json::parse(answers));
  INFO(report.status());
  REQUIRE(report.ok());
  return std::move(report).value();
}

bool Says(const DryRunReport& report, DryRunLine::Kind kind, const std::string& text) {
  return std::any_of(report.lines.begin(), report.lines.end(), [&](const DryRunLine& line) {
    return line.kind == kind && line.text.find(text) != std::string::npos;
  });
}

}  // namespace

TEST_CASE("a dry run takes the alternative after a stated refusal") {
  const DryRunReport report = Play(R"({
    "hotel.action": [{"refused": "http.409"}, {"done": {"stars": 4}}],
    "events": [{"at": "5s", "signal": "approved", "payload": {"by": "ann"}}]})");
  CHECK(report.status == TxnStatus::kCommitted);
  CHECK(report.output == Json{{"stars", 4}});
  CHECK(report.stopped.empty());
  CHECK(Says(report, DryRunLine::Kind::kEffect, "POST p/four"));
  CHECK(report.lines.back().at == std::chrono::seconds(5));
}

TEST_CASE("a dry run takes its time: a timeout lasts as long as the step allows") {
  const DryRunReport report = Play(R"({"flight.action": [{"unknown": "timeout"}, "unknown"]})");
  CHECK(report.status == TxnStatus::kAborted);
  CHECK(Says(report, DryRunLine::Kind::kRecord, "operation-gave-up flight"));
  CHECK(Says(report, DryRunLine::Kind::kEffect, "call flight compensate"));
  CHECK(report.lines.back().at == std::chrono::seconds(5));  // 2s, 1s of back-off, 2s.
}

TEST_CASE("a dry run undoes what was given up before it tries another way") {
  const PlanPtr plan = CompilePlan(R"({
    "name": "trip", "participants": {"p": {"http": "http://p", "timeout": "2s"}},
    "retry": {"attempts": 1},
    "steps": [{"id": "room", "participant": "p", "action": {"post": "/rooms"},
               "compensate": {"delete": "/rooms/${key}"},
               "alternatives": [{"on": "given-up", "after": "undo", "post": "/hostels"}]}]})");
  const auto report = DryRun(*plan, Json::object(), Json::parse(R"({
    "room.action": ["unknown", {"done": {"beds": 6}}], "room.compensate": [{"done": {}, "takes": "1s"}]})"));
  REQUIRE(report.ok());
  CHECK(report->status == TxnStatus::kCommitted);
  CHECK(Says(*report, DryRunLine::Kind::kEffect, "DELETE p/rooms/dry-run:room"));
  CHECK(Says(*report, DryRunLine::Kind::kEffect, "POST p/hostels"));
  CHECK(report->lines.back().at == std::chrono::seconds(3));
}

TEST_CASE("a dry run says what it waits for when the answers end") {
  CHECK(Play("{}").stopped == "waits for the signal 'approved'");
  const DryRunReport report = Play(R"({
    "pay.action": [{"unknown": "t"}, {"unknown": "t"}],
    "events": [{"at": "1s", "signal": "approved"}]})");
  CHECK(report.stopped.find("waits for an operator: branch 'pay'") == 0);
  CHECK(report.status == TxnStatus::kActive);
}

TEST_CASE("a dry run completes a pending call with the next answer, and can be cancelled") {
  const DryRunReport report = Play(R"({
    "flight.action": [{"pending": "10s"}, {"done": {"n": 1}}],
    "events": [{"at": "20s", "cancel": "enough"}]})");
  CHECK(report.status == TxnStatus::kAborted);
  CHECK(Says(report, DryRunLine::Kind::kRecord, "operation-succeeded flight {\"n\":1}"));
  CHECK(report.lines.back().at == std::chrono::seconds(20));
}

TEST_CASE("answers that fit nothing are refused, each with its place") {
  const auto refused = [](const char* answers, const std::string& what) {
    const auto report = DryRun(*Plan(), Json::object(), Json::parse(answers));
    REQUIRE_FALSE(report.ok());
    CHECK(report.status().reason() == "dry_run.bad_answers");
    INFO(report.status().message());
    CHECK(report.status().message().find(what) != std::string::npos);
  };
  refused(R"([])", "object");
  refused(R"({"fligth.action": []})", "no step 'fligth'");
  refused(R"({"flight.confirm": []})", "no operation 'confirm'");
  refused(R"({"flight": []})", "<step>.<operation>");
  refused(R"({"flight.action": {}})", "list");
  refused(R"({"flight.action": [{}]})", "one of done");
  refused(R"({"flight.action": [{"done": 1, "refused": "x"}]})", "either");
  refused(R"({"flight.action": [{"done": 1, "tkes": "1s"}]})", "tkes");
  refused(R"({"flight.action": [{"done": 1, "takes": 5}]})", "string");
  refused(R"({"flight.action": [{"refused": 409}]})", "code");
  refused(R"({"flight.action": [7]})", "object");
  refused(R"({"ok.action": ["done"]})", "the step 'ok' waits and calls nobody");
  refused(R"({"events": [{"at": "1s", "signal": "aproved"}]})",
          "no step waits for a signal 'aproved'; those waited for are 'approved'");
  refused(R"({"events": [{"at": "1s"}]})", "cancel");
  refused(R"({"events": [{"signal": "x"}]})", "at");
}

TEST_CASE("a dry run checks the input like a submit") {
  const auto report = DryRun(*Plan(), Json(5), Json());
  REQUIRE_FALSE(report.ok());
  CHECK(report.status().reason() == "input.invalid");
}

}  // namespace entente::engine::test
