#include "coordinator/log/operations_log.h"

#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "base/json.h"
#include "runtime/event_hub.h"

namespace entente::coordinator {
namespace {

using Lines = std::vector<std::string>;

struct Logged {
  Lines lines;
  std::chrono::steady_clock::time_point now;
  OperationsLog log{
      [this](OperationsLog::Level level, const LogLine& line) {
        lines.push_back((level == OperationsLog::Level::kInfo ? "I " : "W ") + line.AsText());
      },
      [this] { return now; }};
};

runtime::TxnEvent EventOf(engine::RecordBody body, bool incident = false) {
  return {Gid("t1"),
          "trip",
          engine::TxnStatus::kActive,
          incident,
          {Sequence(7), {InstantFromMicros(0), std::move(body)}},
          nullptr,
          "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"};
}

const engine::Actor kAnn{"ann", "called \"them\"\nevent=forged"};

TEST_CASE("an incident and its end are a line each") {
  Logged logged;
  logged.log.OnTransaction(EventOf(
      engine::IncidentRaised{BranchId("flight"), {"http.500", "it broke"}}, /*incident=*/true));
  logged.log.OnTransaction(EventOf(engine::OperatorRetried{BranchId("flight"), {"ann", ""}}));
  CHECK(logged.lines ==
        Lines{"W event=incident_raised gid=t1 trace_id=4bf92f3577b34da6a3ce929d0e0e4736 "
              "definition=trip branch=flight code=\"http.500\" "
              "message=\"it broke\"",
              "I event=operator_action action=retry gid=t1 "
              "trace_id=4bf92f3577b34da6a3ce929d0e0e4736 branch=flight actor=\"ann\"",
              "I event=incident_ended gid=t1 trace_id=4bf92f3577b34da6a3ce929d0e0e4736 by=retry"});
}

TEST_CASE("what an operator does is logged with who and why, and cannot forge a line") {
  Logged logged;
  logged.log.OnTransaction(EventOf(engine::Paused{kAnn}));
  engine::Ended ended;
  ended.status = engine::TxnStatus::kMixed;
  ended.forced = engine::TxnStatus::kAborted;
  ended.actor = engine::Actor{"ann", "ticket 42"};
  logged.log.OnTransaction(EventOf(ended, /*incident=*/true));
  CHECK(logged.lines ==
        Lines{"I event=operator_action action=pause gid=t1 "
              "trace_id=4bf92f3577b34da6a3ce929d0e0e4736 actor=\"ann\" reason=\"called 'them' "
              "event=forged\"",
              "I event=operator_action action=resolve gid=t1 "
              "trace_id=4bf92f3577b34da6a3ce929d0e0e4736 actor=\"ann\" reason=\"ticket 42\"",
              "W event=transaction_mixed gid=t1 trace_id=4bf92f3577b34da6a3ce929d0e0e4736 "
              "definition=trip forced=ABORTED"});
}

TEST_CASE("as JSON a line is one object, whatever others wrote") {
  const LogLine line = LogLine("incident_raised")
                           .Word("gid", "t1")
                           .Word("branch", "")
                           .Text("message", "a \"quote\"\n{}\xff")
                           .Number("count", 3);
  CHECK(line.AsText() == "event=incident_raised gid=t1 message=\"a 'quote' {}\uFFFD\" count=3");
  const auto object = ParseJson(line.AsJson(), JsonLimits{1000, 3});
  REQUIRE(object.ok());
  CHECK(*object == Json{{"event", "incident_raised"},
                        {"gid", "t1"},
                        {"message", "a \"quote\"\n{}\uFFFD"},
                        {"count", 3}});
}

TEST_CASE("breakers, batches and definitions have their lines") {
  Logged logged;
  logged.log.OnBreaker("flights", "http://f:1", true);
  logged.log.OnBreaker("flights", "http://f:1", false);
  logged.log.OnRolledBack(Unavailable("store.unavailable", "disk full"), 3);
  logged.log.OnDefinition({"trip", 4, "{}", "{}", "0123456789abcdef", InstantFromMicros(0)});
  CHECK(logged.lines ==
        Lines{"W event=breaker_opened participant=flights address=\"http://f:1\"",
              "I event=breaker_closed participant=flights address=\"http://f:1\"",
              "W event=batch_rolled_back transactions=3 reason=store.unavailable "
              "message=\"disk full\"",
              "I event=definition_registered name=trip version=4 digest=0123456789ab"});
}

TEST_CASE("who was refused is told, and never with what was shown") {
  Logged logged;
  logged.log.OnRefused({StatusCode::kPermissionDenied, "access.denied", "'eve' may not pause"},
                       "pause", "10.0.0.7");
  logged.log.OnRefused({StatusCode::kUnauthenticated, "token.missing", "send a token"},
                       "ListTokens", "");
  REQUIRE(logged.lines.size() == 2);
  CHECK(logged.lines[0] ==
        "W event=refused code=access.denied method=pause peer=10.0.0.7 message=\"'eve' may not "
        "pause\"");
  CHECK(logged.lines[1] ==
        "W event=refused code=token.missing method=ListTokens message=\"send a token\"");
}

TEST_CASE("a storm is cut short and counted") {
  Logged logged;
  for (int i = 0; i < 1000; ++i) {
    logged.log.OnTransaction(EventOf(engine::IncidentRaised{BranchId("b"), {}}, true));
  }
  CHECK(logged.lines.size() == OperationsLog::kLinesPerSecond);
  // Another event is not held back by it.
  logged.log.OnBreaker("flights", "http://f:1", true);
  CHECK(logged.lines.size() == OperationsLog::kLinesPerSecond + 1);
  logged.lines.clear();
  logged.now += std::chrono::seconds(1);
  logged.log.OnTransaction(EventOf(engine::IncidentRaised{BranchId("b"), {}}, true));
  REQUIRE(logged.lines.size() == 2);
  CHECK(logged.lines[0] == "W event=lines_left_out of=incident_raised count=980");
}

TEST_CASE("notable records are told of though nobody subscribes, and no others") {
  Lines noted;
  runtime::EventHub hub;
  hub.NoteWith([&noted](const runtime::TxnEvent& event) {
    noted.emplace_back(engine::RecordName(event.entry.record));
  });
  engine::Ended committed;
  committed.status = engine::TxnStatus::kCommitted;
  engine::AbortDecided refused{engine::AbortCause::kRefused, BranchId("b"), {}, std::nullopt};
  engine::AbortDecided cancelled{engine::AbortCause::kCancelled, std::nullopt, {}, kAnn};
  for (const engine::RecordBody& body :
       {engine::RecordBody(engine::IncidentRaised{BranchId("b"), {}}),
        engine::RecordBody(committed), engine::RecordBody(refused),
        engine::RecordBody(cancelled)}) {
    hub.Publish(EventOf(body));
  }
  CHECK(noted == Lines{"incident-raised", "abort-decided"});
  // What the client of a transaction that it drives decides is its daily work.
  CHECK_FALSE(hub.IsNoted({InstantFromMicros(0), cancelled}, /*client_driven=*/true));
}

}  // namespace
}  // namespace entente::coordinator
