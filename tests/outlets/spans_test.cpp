#include "coordinator/outlets/spans.h"

#include <map>
#include <set>

#include <catch2/catch.hpp>

#include "base/json.h"
#include "coordinator/outlets/otlp_json.h"
#include "coordinator/outlets/poster.h"
#include "observe/trace_ids.h"

namespace entente::outlets::test {
namespace {

using namespace engine;  // NOLINT: records by their names.

Instant At(int64_t seconds) {
  return InstantFromMicros(seconds * 1'000'000);
}

// A history written down record by record; each is a second after the one before.
class Story {
 public:
  explicit Story(Accepted accepted) {
    history_.gid = accepted.gid;
    Add(std::move(accepted));
  }
  Story& Add(RecordBody body) {
    const auto number = static_cast<uint64_t>(history_.entries.size() + 1);
    history_.entries.push_back(
        {Sequence(number), {At(static_cast<int64_t>(number)), std::move(body)}});
    return *this;
  }
  [[nodiscard]] const runtime::History& history() const { return history_; }

 private:
  runtime::History history_;
};

Accepted AcceptedAs(const std::string& gid, const std::string& traceparent = "") {
  Accepted accepted;
  accepted.gid = Gid(gid);
  accepted.definition = "trip";
  accepted.version = 1;
  accepted.traceparent = traceparent;
  return accepted;
}

// A retry, an alternative and a compensation.
Story Trip() {
  const BranchId flight("flight");
  const BranchId hotel("hotel");
  Story story(AcceptedAs("g"));
  story.Add(StepExpanded{0, "flight"})
      .Add(OperationStarted{flight, Role::kForward})
      .Add(AttemptFailed{flight, AttemptOutcome::kUnknown, {"http.503", "busy"}, At(5)})
      .Add(AttemptStarted{flight})
      .Add(OperationSucceeded{flight, Json{{"id", 1}}})
      .Add(StepExpanded{1, "hotel"})
      .Add(OperationStarted{hotel, Role::kForward})
      .Add(OperationRefused{hotel, {"http.409", "full"}})
      .Add(OperationStarted{hotel, Role::kForward, 1})
      .Add(OperationRefused{hotel, {"http.409", "full too"}})
      .Add(AbortDecided{AbortCause::kRefused, hotel, {"http.409", "full too"}})
      .Add(OperationStarted{flight, Role::kUndo})
      .Add(OperationSucceeded{flight, {}})
      .Add(Ended{TxnStatus::kAborted});
  return story;
}

std::map<std::string, Span> ById(const std::vector<Span>& spans) {
  std::map<std::string, Span> found;
  for (const Span& span : spans) {
    CHECK(found.emplace(span.span_id, span).second);
  }
  return found;
}

std::string AttemptOf(const std::string& branch, const std::string& operation, uint32_t alternative,
                      uint32_t attempt) {
  return observe::AttemptSpanId(Gid("g"), BranchId(branch), operation, alternative, attempt);
}

TEST_CASE("a transaction is a span, its branches below it, their attempts below those") {
  const auto spans = SpansOf(Trip().history());
  REQUIRE(spans.ok());
  const auto found = ById(*spans);
  CHECK(found.size() == 1 + 2 + 5);
  const std::string root = observe::TransactionSpanId(Gid("g"));
  const std::string flight = observe::BranchSpanId(Gid("g"), BranchId("flight"));
  const std::string hotel = observe::BranchSpanId(Gid("g"), BranchId("hotel"));
  CHECK(spans->front().span_id == root);
  CHECK(spans->front().parent_span_id.empty());
  CHECK(found.at(flight).parent_span_id == root);
  for (const auto& [branch, id] : {std::pair(flight, AttemptOf("flight", "action", 0, 1)),
                                   std::pair(flight, AttemptOf("flight", "action", 0, 2)),
                                   std::pair(flight, AttemptOf("flight", "compensate", 0, 1)),
                                   std::pair(hotel, AttemptOf("hotel", "action", 0, 1)),
                                   std::pair(hotel, AttemptOf("hotel", "action", 1, 1))}) {
    REQUIRE(found.contains(id));
    CHECK(found.at(id).parent_span_id == branch);
    CHECK(found.at(id).kind == Span::Kind::kClient);
    CHECK(found.at(id).trace_id == observe::TraceIdOf(Gid("g"), ""));
  }
}

TEST_CASE("spans begin and end when what they stand for did, and say how") {
  const auto spans = SpansOf(Trip().history());
  REQUIRE(spans.ok());
  const auto found = ById(*spans);
  const Span& failed = found.at(AttemptOf("flight", "action", 0, 1));
  CHECK(failed.start == At(3));
  CHECK(failed.end == At(4));
  CHECK(failed.failed);
  CHECK(failed.message == "busy");
  const Span& repeated = found.at(AttemptOf("flight", "action", 0, 2));
  CHECK(repeated.start == At(5));
  CHECK(repeated.end == At(6));
  CHECK_FALSE(repeated.failed);
  const Span& whole = spans->front();
  CHECK(whole.start == At(1));
  CHECK(whole.end == At(15));
  CHECK(whole.failed);
  CHECK(whole.events.size() == 1);
  CHECK(whole.events[0].name == "abort-decided");
  const Span& branch = found.at(observe::BranchSpanId(Gid("g"), BranchId("flight")));
  CHECK(branch.end == At(14));
}

TEST_CASE("the same history without its documents is the same trace") {
  const Story trip = Trip();
  runtime::History bare = trip.history();
  for (runtime::HistoryEntry& entry : bare.entries) {
    entry.record = WithoutPayloads(entry.record);
  }
  const auto whole = SpansOf(trip.history());
  const auto stripped = SpansOf(bare);
  REQUIRE(whole.ok());
  REQUIRE(stripped.ok());
  CHECK(EncodeSpans(*whole, "c") == EncodeSpans(*stripped, "c"));
}

TEST_CASE("a submitter's trace goes on, and a child hangs below its parent's branch") {
  const std::string traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  const auto parent =
      SpansOf(Story(AcceptedAs("g", traceparent)).Add(Ended{TxnStatus::kCommitted}).history());
  REQUIRE(parent.ok());
  CHECK(parent->front().trace_id == "4bf92f3577b34da6a3ce929d0e0e4736");
  CHECK(parent->front().parent_span_id == "00f067aa0ba902b7");
  Accepted accepted = AcceptedAs("g~pay", traceparent);
  accepted.parent = ParentLink{Gid("g"), BranchId("pay")};
  const auto child =
      SpansOf(Story(std::move(accepted)).Add(Ended{TxnStatus::kCommitted}).history());
  REQUIRE(child.ok());
  CHECK(child->front().trace_id == parent->front().trace_id);
  CHECK(child->front().parent_span_id == observe::BranchSpanId(Gid("g"), BranchId("pay")));
  CHECK(child->front().links == std::vector{parent->front().span_id});
}

TEST_CASE("a call that the coordinator's end interrupted is an attempt that failed") {
  const BranchId b("b");
  Story story(AcceptedAs("g"));
  story.Add(StepExpanded{0, "b"})
      .Add(OperationStarted{b, Role::kForward})
      .Add(CallInterrupted{b})
      .Add(OperationSucceeded{b, {}})
      .Add(Ended{TxnStatus::kCommitted});
  const auto spans = SpansOf(story.history());
  REQUIRE(spans.ok());
  const auto found = ById(*spans);
  CHECK(found.at(AttemptOf("b", "action", 0, 1)).failed);
  CHECK_FALSE(found.at(AttemptOf("b", "action", 0, 2)).failed);
}

TEST_CASE("what is no history is refused") {
  CHECK_FALSE(SpansOf({}).ok());
  runtime::History tail = Trip().history();
  tail.entries.erase(tail.entries.begin());
  CHECK_FALSE(SpansOf(tail).ok());
}

TEST_CASE("spans are encoded as collectors read them") {
  const auto spans = SpansOf(Trip().history());
  REQUIRE(spans.ok());
  const auto json = ParseJson(EncodeSpans(*spans, "0011223344556677"), {1 << 20, 20});
  REQUIRE(json.ok());
  const Json& resource = json->at("resourceSpans").at(0);
  CHECK(resource.at("resource").at("attributes").at(0) ==
        Json{{"key", "service.name"}, {"value", {{"stringValue", "entente"}}}});
  const Json& encoded = resource.at("scopeSpans").at(0).at("spans");
  REQUIRE(encoded.size() == spans->size());
  const Json& root = encoded.at(0);
  CHECK(root.at("startTimeUnixNano") == "1000000000");
  CHECK(root.at("endTimeUnixNano") == "15000000000");
  CHECK(root.at("kind") == 2);
  CHECK(root.at("status") == Json{{"code", 2}, {"message", "full too"}});
  CHECK_FALSE(root.contains("parentSpanId"));
  CHECK(root.at("traceId") == observe::TraceIdOf(Gid("g"), ""));
}

TEST_CASE("what a collector rejects is read, whatever it answers") {
  CHECK(RejectedSpans("{}") == 0);
  CHECK(RejectedSpans("") == 0);
  CHECK(RejectedSpans("not JSON") == 0);
  CHECK(RejectedSpans(R"({"partialSuccess":{}})") == 0);
  CHECK(RejectedSpans(R"({"partialSuccess":{"rejectedSpans":"3","errorMessage":"x"}})") == 3);
  CHECK(RejectedSpans(R"({"partialSuccess":{"rejectedSpans":4}})") == 4);
  CHECK(RejectedSpans(R"({"partialSuccess":[]})") == 0);
}

TEST_CASE("pauses double, and follow what was asked for within the same bound") {
  const Duration longest = std::chrono::seconds(30);
  CHECK(PauseAfter(1, {}, longest) == std::chrono::seconds(1));
  CHECK(PauseAfter(4, {}, longest) == std::chrono::seconds(8));
  CHECK(PauseAfter(100, {}, longest) == longest);
  PostResult busy;
  busy.retry_after = std::chrono::seconds(7);
  CHECK(PauseAfter(1, busy, longest) == std::chrono::seconds(7));
  busy.retry_after = std::chrono::hours(7);
  CHECK(PauseAfter(1, busy, longest) == longest);
}

}  // namespace
}  // namespace entente::outlets::test
