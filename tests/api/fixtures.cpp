#include "tests/api/fixtures.h"

#include "base/check.h"
#include "engine/engine.h"

namespace entente::api::test {
namespace {

using engine::Failure;
using engine::Role;
using engine::TxnStatus;

dsl::cel::Template TemplateOf(const Json& json) {
  auto compiled = dsl::cel::Template::Compile(json);
  ENTENTE_CHECK(std::holds_alternative<dsl::cel::Template>(compiled));
  return std::get<dsl::cel::Template>(std::move(compiled));
}

dsl::OperationTemplate Call(size_t participant, std::string method, const std::string& path) {
  return dsl::CallTemplate{
      participant,
      dsl::HttpRequestTemplate{std::move(method), TemplateOf(path), {}, std::nullopt},
      {}};
}

// With nothing to settle it.
dsl::CallWork OneWay(dsl::OperationTemplate forward) {
  dsl::CallWork work;
  work.forward = std::move(forward);
  return work;
}

dsl::CallWork Bookable(size_t participant) {
  dsl::CallWork work = OneWay(Call(participant, "PUT", "/bookings/x"));
  work.undo = dsl::UndoTemplate{Call(participant, "DELETE", "/bookings/x"),
                                dsl::UndoTemplate::WhenUnknown::kSameCall, std::nullopt};
  work.alternatives.push_back({Call(participant, "PUT", "/bookings/y"), work.undo, std::nullopt});
  return work;
}

dsl::Step StepOf(std::string id, decltype(dsl::Step::work) work) {
  dsl::Step step;
  step.id = std::move(id);
  step.work = std::move(work);
  step.retry.attempts = 8;
  step.settle_retry.attempts = 40;
  return step;
}

BranchId B(const char* id) {
  return BranchId(id);
}

}  // namespace

std::shared_ptr<const dsl::Plan> TripPlan() {
  auto plan = std::make_shared<dsl::Plan>();
  plan->name = "trip";
  plan->version = 3;
  plan->participants = {
      {"flights", dsl::HttpAddress{"http://127.0.0.1:7001", {}}, {}, {}, {}},
      {"hotels", dsl::GrpcAddress{"127.0.0.1:7002", "travel.v1.Hotels", false, "", {}}, {}, {}, {}},
  };
  plan->steps.push_back(StepOf("flight", Bookable(0)));
  plan->steps.push_back(StepOf("rooms", Bookable(1)));
  auto items = dsl::cel::Expression::Parse("input.rooms");
  plan->steps[1].for_each = dsl::ForEach{std::get<dsl::cel::Expression>(std::move(items)), 2};
  plan->steps.push_back(StepOf("approval", dsl::WaitWork(dsl::WaitSignal{.name = "approved"})));
  plan->steps.push_back(StepOf("pause", dsl::WaitWork(dsl::WaitFor{TemplateOf("1h")})));
  plan->steps.push_back(
      StepOf("insurance",
             OneWay(dsl::ChildTemplate{{"insure"}, std::nullopt, std::nullopt, TemplateOf({})})));
  plan->steps.push_back(StepOf("pay", OneWay(Call(0, "POST", "/charges"))));
  plan->steps[5].pivot = true;
  return plan;
}

Instant At(int64_t offset_seconds) {
  return InstantFromMicros((1'795'000'000 + offset_seconds) * 1'000'000 + 250'000);
}

Story::Story(std::string gid, std::shared_ptr<const dsl::Plan> plan)
    : gid_(std::move(gid)), plan_(std::move(plan)) {
  engine::Accepted accepted;
  accepted.gid = Gid(gid_);
  accepted.definition = plan_->name;
  accepted.mode = plan_->mode;
  accepted.client_driven = plan_->client_driven;
  accepted.deadline = At(60);
  Then(std::move(accepted));
}

Story::Story(std::string gid) : gid_(std::move(gid)), plan_(TripPlan()) {
  engine::Accepted accepted;
  accepted.gid = Gid(gid_);
  accepted.definition = "trip";
  accepted.version = 3;
  accepted.input = Json{{"traveller", "Zoë \"Z\" O'Hara\n"}, {"rooms", {1, 2}}, {"budget", 12.5}};
  accepted.labels = {{"team", "travel"}, {"tier", "gold"}};
  accepted.deadline = At(600);
  accepted.parent = engine::ParentLink{Gid("parent-1"), B("trip")};
  Then(std::move(accepted));
}

Story& Story::Then(engine::RecordBody body) {
  records_.push_back({At(static_cast<int64_t>(records_.size())), std::move(body)});
  return *this;
}

runtime::TxnView Story::View() const {
  engine::TxnState state;
  for (const engine::Record& record : records_) {
    const Status folded = engine::Evolve(state, record);
    ENTENTE_CHECK(folded.ok());
  }
  return {plan_, std::make_shared<const engine::TxnState>(std::move(state))};
}

runtime::History Story::History() const {
  runtime::History history;
  history.gid = Gid(gid_);
  history.mode = plan_->mode;
  history.plan = plan_;
  for (size_t i = 0; i < records_.size(); ++i) {
    history.entries.push_back({Sequence(i + 1), records_[i]});
  }
  return history;
}

runtime::TxnEvent Story::Event(uint64_t revision) const {
  Story until(*this);
  until.records_.resize(revision);
  const runtime::TxnView view = until.View();
  return {view.state->gid,
          view.state->definition,
          view.state->status,
          view.state->has_incident(),
          {Sequence(revision), records_[revision - 1]},
          view.plan};
}

Story CommittedStory() {
  Story story("committed-1");
  story.Then(engine::StepExpanded{0, "flight", false, {}})
      .Then(engine::OperationStarted{B("flight"), Role::kForward, 0, At(100)})
      .Then(engine::AttemptFailed{B("flight"), engine::AttemptOutcome::kNotSent,
                                  Failure{"connect.refused", "no answer from 127.0.0.1:7001"},
                                  At(5)})
      .Then(engine::AttemptStarted{B("flight")})
      .Then(engine::OperationSucceeded{B("flight"), Json{{"id", 7}, {"price", 99.5}}})
      .Then(engine::StepExpanded{1, "rooms", true, {Json(1), Json{{"beds", 2}}}})
      .Then(engine::OperationStarted{B("rooms:0"), Role::kForward, 0, std::nullopt})
      .Then(engine::OperationStarted{B("rooms:1"), Role::kForward, 0, std::nullopt})
      .Then(engine::OperationPending{B("rooms:0"), "", At(50), At(90)})
      .Then(engine::PollScheduled{B("rooms:0"), At(60)})
      .Then(engine::OperationSucceeded{B("rooms:0"), {}})
      .Then(engine::OperationSucceeded{B("rooms:1"), Json("ok")})
      .Then(engine::StepSkipped{2})
      .Then(engine::StepSkipped{3})
      .Then(engine::StepExpanded{4, "insurance", false, {}})
      .Then(engine::OperationStarted{B("insurance"), Role::kForward, 0, std::nullopt})
      .Then(engine::OperationSucceeded{B("insurance"), Json::array({1, -2, 3.5, nullptr, true})})
      .Then(engine::CommitDecided{})
      .Then(engine::DeadlineMissed{})
      .Then(engine::StepExpanded{5, "pay", false, {}})
      .Then(engine::OperationStarted{B("pay"), Role::kForward, 0, std::nullopt})
      .Then(engine::CallInterrupted{B("pay")})
      .Then(engine::OperationSucceeded{B("pay"), Json{{"amount", 120}}});
  engine::Ended ended;
  ended.status = TxnStatus::kCommitted;
  ended.output_failure = Failure{"expression.error", "no such key: total"};
  story.Then(ended);
  return story;
}

Story AbortedStory() {
  Story story("aborted-1");
  story.Then(engine::StepExpanded{0, "flight", false, {}})
      .Then(engine::OperationStarted{B("flight"), Role::kForward, 0, std::nullopt})
      .Then(engine::OperationRefused{B("flight"), Failure{"http.409", "sold out"}})
      .Then(engine::OperationStarted{B("flight"), Role::kForward, 1, std::nullopt})
      .Then(engine::AttemptFailed{B("flight"), engine::AttemptOutcome::kUnknown,
                                  Failure{"timeout", "no answer within 2s"}, At(9)})
      .Then(engine::OperationGaveUp{B("flight"), Failure{"timeout", "no answer within 2s"}})
      .Then(engine::AbortDecided{engine::AbortCause::kGaveUp, B("flight"),
                                 Failure{"timeout", "no answer within 2s"},
                                 engine::Actor{"ann", "too late anyway"}})
      .Then(engine::OperationStarted{B("flight"), Role::kUndo, 1, std::nullopt})
      .Then(engine::OperationSucceeded{B("flight"), {}});
  engine::Ended ended;
  ended.status = TxnStatus::kAborted;
  story.Then(ended);
  return story;
}

Story StuckStory() {
  Story story("stuck-1");
  story.Then(engine::StepExpanded{0, "flight", false, {}})
      .Then(engine::OperationStarted{B("flight"), Role::kForward, 0, std::nullopt})
      .Then(engine::OperationSucceeded{B("flight"), Json{{"id", 7}}})
      .Then(engine::StepExpanded{1, "rooms", true, {Json(1), Json(2), Json(3)}})
      .Then(engine::OperationStarted{B("rooms:0"), Role::kForward, 0, At(300)})
      .Then(engine::OperationPending{B("rooms:0"), "http://127.0.0.1:7002/p/1", At(50), At(90)})
      .Then(engine::OperationStarted{B("rooms:1"), Role::kForward, 0, At(300)})
      .Then(engine::AttemptFailed{B("rooms:1"), engine::AttemptOutcome::kUnknown,
                                  Failure{"grpc.UNAVAILABLE", "broken \xFF bytes"}, At(40)})
      .Then(engine::OperationStarted{B("rooms:2"), Role::kForward, 0, At(300)})
      .Then(engine::StepExpanded{2, "approval", false, {}})
      .Then(engine::WaitStarted{B("approval"), std::nullopt, "approved"})
      .Then(engine::StepExpanded{3, "pause", false, {}})
      .Then(engine::WaitStarted{B("pause"), At(3600), ""})
      .Then(engine::SignalReceived{"other", Json{{"by", "bob"}}})
      .Then(engine::StepExpanded{4, "insurance", false, {}})
      .Then(engine::OperationStarted{B("insurance"), Role::kForward, 0, std::nullopt})
      .Then(engine::Paused{engine::Actor{"ann", "a look"}})
      .Then(engine::Resumed{engine::Actor{"ann", ""}})
      .Then(engine::AbortDecided{engine::AbortCause::kCancelled, std::nullopt, Failure{},
                                 engine::Actor{"ann", "changed plans"}})
      .Then(engine::OperationStarted{B("flight"), Role::kUndo, 0, std::nullopt})
      .Then(engine::IncidentRaised{B("flight"), Failure{"http.500", "it broke"}});
  return story;
}

Story ResolvedStory() {
  Story story = StuckStory();
  story.Then(engine::OperatorRetried{B("flight"), engine::Actor{"ann", "fixed it"}})
      .Then(engine::OperationPending{B("flight"), "", At(80), At(90)})
      .Then(engine::OperatorCompleted{B("flight"), engine::Actor{"bob", "rang them"}})
      .Then(engine::IncidentRaised{B("flight"), Failure{"http.500", "it broke again"}})
      .Then(engine::OperatorEdited{B("flight"), Json{{"n", 1}}, Json{{"n", 2}},
                                   dsl::RetryPolicy{.attempts = 3}, engine::Actor{"ann", "typo"}})
      .Then(engine::OperatorSkipped{B("flight"), Json{{"cancelled", true}},
                                    engine::Actor{"ann", "ticket 42"}});
  engine::Ended ended;
  ended.status = TxnStatus::kMixed;
  ended.forced = TxnStatus::kAborted;
  ended.actor = engine::Actor{"ann", "ticket 42"};
  story.Then(ended);
  return story;
}

// A child that is done, and whose end is its parent's.
Story HeldStory() {
  Story story("held-1");
  for (size_t step = 0; step < 6; ++step) {
    story.Then(engine::StepSkipped{step});
  }
  story.Then(engine::Held{Json{{"total", 7}}, std::nullopt});
  return story;
}

std::vector<Story> AllStories() {
  return {HeldStory(),  Story(),         CommittedStory(), AbortedStory(),
          StuckStory(), ResolvedStory(), ReservedStory(),  HeuristicStory(),
          VotedStory(), OnePhaseStory(), EnlistedStory(),  ForcedStory()};
}

storage::SummaryPage SomeSummaries() {
  storage::Summary plain;
  plain.definition = "trip";
  plain.version = 3;
  plain.mode = "saga";
  plain.status = "COMMITTED";
  plain.open = false;
  plain.created_at = At(0);
  plain.updated_at = At(9);
  storage::Summary stuck = plain;
  stuck.status = "ABORTING";
  stuck.open = true;
  stuck.paused = true;
  stuck.labels = {{"team", "travel"}};
  stuck.parent = Gid("parent-1");
  stuck.attempts = 40;
  stuck.error = "http.500: it broke";
  stuck.incidents = {{BranchId("flight"), "flights", "compensate", "http.500", "it broke", At(5)},
                     {BranchId("insurance"), "", "compensate", "child.mixed", "forced", At(6)}};
  return {{{Gid("stuck-1"), stuck}, {Gid("committed-1"), plain}}, "next-page"};
}

storage::DefinitionRow SomeDefinition() {
  return {"trip", 3, "{\n  \"name\": \"trip\"\n}", "{}", "0123abcd", At(0)};
}

std::vector<runtime::ParticipantStats> SomeParticipants() {
  runtime::ParticipantStats open;
  open.name = "flights";
  open.definition = "trip";
  open.address = "http://127.0.0.1:7001";
  open.breaker = "open";
  open.blocked_by = "breaker";
  open.blocked_until = At(5);
  open.max_in_flight = 64;
  open.calls_per_second = 2.5;
  open.waiting = {Gid("t1"), Gid("t2")};
  open.in_flight = 3;
  open.queued = 12;
  open.calls = 5'000'000'000;
  open.failures = 17;
  open.error_rate = 0.25;
  open.latency_millis = 12.5;
  runtime::ParticipantStats limited;
  limited.name = "hotels";
  limited.address = "grpc://127.0.0.1:7002/travel.v1.Hotels";
  limited.breaker = "closed";
  limited.blocked_by = "concurrency";
  return {open, limited};
}

std::vector<NodeInfo> SomeNodes() {
  return {{"a1", "ready", true, "127.0.0.1:8080", "10.0.0.1:7070", "1.2", At(0), Duration(0), 32},
          {"b2", "lost", false, "", "10.0.0.2:7070", "1.1", At(1), std::chrono::seconds(9), 0}};
}

std::vector<DeadLetter> SomeDeadLetters() {
  return {{"t1:4", "incident", "t1", 4, "trip", "pay", At(1), "HTTP 500", At(9), true},
          {"t2:9", "ended", "t2", 9, "", "", At(2), "", At(2), false}};
}

}  // namespace entente::api::test
