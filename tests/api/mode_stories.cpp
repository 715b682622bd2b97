// Stories of TCC and two-phase commit.
#include "base/check.h"
#include "dsl/client_branches.h"
#include "dsl/compiler.h"
#include "tests/api/fixtures.h"

namespace entente::api::test {
namespace {

using engine::Failure;
using engine::Role;
using engine::TxnStatus;

BranchId Branch(const char* id) {
  return BranchId(id);
}

std::shared_ptr<const dsl::Plan> PlanOf(const char* source) {
  auto compiled = dsl::Compile(source, {});
  ENTENTE_CHECK(std::holds_alternative<std::shared_ptr<const dsl::Plan>>(compiled));
  return std::get<std::shared_ptr<const dsl::Plan>>(std::move(compiled));
}

std::shared_ptr<const dsl::Plan> ClientPlan(dsl::Mode mode, const std::vector<std::string>& ids) {
  std::vector<std::string> sources;
  for (const std::string& id : ids) {
    sources.push_back(BranchSource(mode, id));
  }
  return dsl::ClientDrivenPlan(mode, sources).value();
}

}  // namespace

std::shared_ptr<const dsl::Plan> ReservePlan() {
  return PlanOf(R"({
    "name": "reserve", "mode": "tcc",
    "participants": { "flights": { "http": "http://127.0.0.1:7001" },
                      "hotels": { "http": "http://127.0.0.1:7002" } },
    "steps": [
      { "id": "flight", "participant": "flights", "try": { "post": "/holds/${key}" },
        "confirm": { "post": "/holds/${key}/confirm" }, "cancel": { "delete": "/holds/${key}" } },
      { "id": "hotel", "after": [], "participant": "hotels", "try": { "post": "/holds/${key}" },
        "confirm": { "post": "/holds/${key}/confirm" }, "cancel": { "delete": "/holds/${key}" } }
    ] })");
}

std::shared_ptr<const dsl::Plan> TransferPlan() {
  return PlanOf(R"({
    "name": "transfer", "mode": "2pc",
    "participants": { "banks": { "http": "http://127.0.0.1:7001" } },
    "steps": [
      { "id": "from", "after": [], "participant": "banks", "prepare": { "post": "/p/${key}" },
        "commit": { "post": "/c/${key}" }, "rollback": { "post": "/r/${key}" } },
      { "id": "rates", "after": [], "participant": "banks", "prepare": { "post": "/p/${key}" },
        "commit": { "post": "/c/${key}" }, "rollback": { "post": "/r/${key}" } },
      { "id": "to", "after": [], "participant": "banks", "prepare": { "post": "/p/${key}" },
        "commit": { "post": "/c/${key}" }, "rollback": { "post": "/r/${key}" } }
    ] })");
}

std::string BranchSource(dsl::Mode mode, const std::string& id) {
  Json branch{{"id", id}, {"participant", {{"http", "http://127.0.0.1:7001"}}}};
  if (mode == dsl::Mode::kTcc) {
    branch["confirm"] = {{"post", "/holds/${key}/confirm"}};
    branch["cancel"] = {{"delete", "/holds/${key}"}};
  } else if (mode == dsl::Mode::kTwoPhaseCommit) {
    branch["prepare"] = {{"post", "/p/${key}"}};
    branch["commit"] = {{"post", "/c/${key}"}};
    branch["rollback"] = {{"post", "/r/${key}"}};
  } else {
    branch["compensate"] = {{"delete", "/bookings/${key}"}};
  }
  return DumpJson(branch);
}

Story ReservedStory() {
  Story story("reserved-1", ReservePlan());
  story.Then(engine::StepExpanded{0, "flight", false, {}})
      .Then(engine::StepExpanded{1, "hotel", false, {}})
      .Then(engine::OperationStarted{Branch("flight"), Role::kForward, 0, std::nullopt})
      .Then(engine::OperationStarted{Branch("hotel"), Role::kForward, 0, std::nullopt})
      .Then(engine::OperationSucceeded{Branch("flight"), Json{{"hold", 7}}})
      .Then(engine::ReservationExpires{Branch("flight"), At(600), At(580)})
      .Then(engine::OperationSucceeded{Branch("hotel"), {}});
  return story;
}

Story HeuristicStory() {
  Story story = ReservedStory();
  story.Then(engine::CommitDecided{})
      .Then(engine::OperationStarted{Branch("flight"), Role::kFinish, 0, std::nullopt})
      .Then(engine::OperationStarted{Branch("hotel"), Role::kFinish, 0, std::nullopt})
      .Then(engine::OperationSucceeded{Branch("flight"), {}})
      .Then(engine::HeuristicReported{Branch("hotel"), engine::HeuristicOutcome::kRolledBack,
                                      Failure{"heuristic.rolled-back", "the hold was gone"}})
      .Then(engine::IncidentRaised{Branch("hotel"),
                                   Failure{"heuristic.rolled-back", "the hold was gone"}});
  return story;
}

Story VotedStory() {
  Story story("voted-1", TransferPlan());
  story.Then(engine::StepExpanded{0, "from", false, {}})
      .Then(engine::StepExpanded{1, "rates", false, {}})
      .Then(engine::StepExpanded{2, "to", false, {}})
      .Then(engine::OperationStarted{Branch("from"), Role::kForward, 0, std::nullopt})
      .Then(engine::OperationStarted{Branch("rates"), Role::kForward, 0, std::nullopt})
      .Then(engine::OperationStarted{Branch("to"), Role::kForward, 0, std::nullopt})
      .Then(engine::OperationSucceeded{Branch("from"), {}})
      .Then(engine::OperationSucceeded{Branch("rates"), Json{{"rate", 2}}, /*read_only=*/true})
      .Then(engine::OperationRefused{Branch("to"), Failure{"http.409", "no such account"}})
      .Then(engine::AbortDecided{engine::AbortCause::kRefused, Branch("to"),
                                 Failure{"http.409", "no such account"}, std::nullopt})
      .Then(engine::OperationStarted{Branch("from"), Role::kUndo, 0, std::nullopt});
  return story;
}

Story OnePhaseStory() {
  const auto mode = dsl::Mode::kTwoPhaseCommit;
  Story story("one-phase-1", ClientPlan(mode, {"ledger"}));
  story.Then(engine::BranchEnlisted{0, Branch("ledger"), BranchSource(mode, "ledger")})
      .Then(engine::EnlistmentClosed{})
      .Then(engine::OperationStarted{Branch("ledger"), Role::kFinish, 0, std::nullopt,
                                     /*one_phase=*/true});
  return story;
}

Story EnlistedStory() {
  const auto mode = dsl::Mode::kTcc;
  Story story("enlisted-1", ClientPlan(mode, {"flight", "hotel"}));
  story.Then(engine::BranchEnlisted{0, Branch("flight"), BranchSource(mode, "flight")})
      .Then(engine::ReservationExpires{Branch("flight"), At(600), At(580)})
      .Then(engine::BranchEnlisted{1, Branch("hotel"), BranchSource(mode, "hotel")});
  return story;
}

Story ForcedStory() {
  Story story = HeuristicStory();
  story.Then(engine::ClockSetBack{std::chrono::hours(1)});
  engine::Ended ended;
  ended.status = TxnStatus::kMixed;
  ended.forced = TxnStatus::kAborted;
  ended.actor = engine::Actor{"ann", "the hotel paid us back"};
  story.Then(ended);
  return story;
}

}  // namespace entente::api::test
