// Evolve: the only way a state changes, and what it refuses.
#include <catch2/catch.hpp>

#include "engine/state_lookup.h"
#include "tests/engine/world.h"

namespace entente::engine::test {
namespace {

Record At(RecordBody body) {
  return {kOrigin, std::move(body)};
}

TxnState Accept() {
  TxnState state;
  Accepted accepted;
  accepted.gid = Gid("t1");
  REQUIRE(Evolve(state, At(accepted)).ok());
  return state;
}

void Apply(TxnState& state, RecordBody body) {
  REQUIRE(Evolve(state, At(std::move(body))).ok());
}

void RefusedAfter(TxnState state, RecordBody body) {
  const Status status = Evolve(state, At(std::move(body)));
  CHECK(status.code() == StatusCode::kDataLoss);
  CHECK(status.reason() == "journal.impossible_record");
}

}  // namespace

TEST_CASE("a journal that can not be is refused, not guessed at") {
  const BranchId a("a");
  RefusedAfter(TxnState(), CommitDecided{});
  RefusedAfter(Accept(), Accepted{});
  RefusedAfter(Accept(), OperationStarted{a, Role::kForward, 0, std::nullopt});
  RefusedAfter(Accept(), StepExpanded{1'000'000, "a", false, {}});
  RefusedAfter(Accept(), StepSkipped{1'000'000});
  RefusedAfter(Accept(), Ended{TxnStatus::kAborted, {}, {}, {}, {}});
  RefusedAfter(Accept(), Ended{TxnStatus::kMixed, {}, {}, {}, {}});

  TxnState state = Accept();
  Apply(state, StepExpanded{0, "a", false, {}});
  RefusedAfter(state, StepExpanded{0, "a", false, {}});
  RefusedAfter(state, OperationSucceeded{a, {}});
  RefusedAfter(state, AttemptStarted{a});
  RefusedAfter(state, OperationStarted{a, Role::kUndo, 0, std::nullopt});
  RefusedAfter(state, OperationStarted{a, Role::kForward, 1, std::nullopt});
  Apply(state, OperationStarted{a, Role::kForward, 0, std::nullopt});
  RefusedAfter(state, PollScheduled{a, kOrigin});
  RefusedAfter(state, OperatorRetried{a, {}});
  RefusedAfter(state, OperatorSkipped{a, {}, {}});
  TxnState lost = state;
  Apply(lost, StepSkipped{0});
  RefusedAfter(lost, StepSkipped{0});
  Apply(state, OperationSucceeded{a, {}});
  RefusedAfter(state, StepSkipped{0});
  RefusedAfter(state, CallInterrupted{a});
  RefusedAfter(state, OperationGaveUp{a, {}});
  Apply(state, AbortDecided{});
  RefusedAfter(state, AbortDecided{});
  RefusedAfter(state, CommitDecided{});
  RefusedAfter(state, Ended{TxnStatus::kCommitted, {}, {}, {}, {}});
  Apply(state, Ended{TxnStatus::kAborted, {}, {}, {}, {}});
  RefusedAfter(state, Paused{});
}

TEST_CASE("what only some modes write is refused where it can not follow") {
  const BranchId a("a");
  TxnState state = Accept();
  RefusedAfter(state, HeuristicReported{a, HeuristicOutcome::kMixed, {}});
  RefusedAfter(state, ReservationExpires{a, kOrigin, kOrigin});
  RefusedAfter(state, BranchEnlisted{1'000'000, a, "{}"});
  Apply(state, BranchEnlisted{0, a, "{}"});
  RefusedAfter(state, BranchEnlisted{0, a, "{}"});
  Apply(state, ReservationExpires{a, kOrigin, kOrigin});
  RefusedAfter(state, HeuristicReported{a, HeuristicOutcome::kMixed, {}});
  Apply(state, EnlistmentClosed{});
  Apply(state, CommitDecided{});
  RefusedAfter(state, EnlistmentClosed{});
  RefusedAfter(state, BranchEnlisted{1, BranchId("b"), "{}"});
  RefusedAfter(state, OperationRefused{a, {}});
  Apply(state, OperationStarted{a, Role::kFinish, 0, std::nullopt});
  RefusedAfter(state, OperationRefused{a, {}});
  RefusedAfter(state, OperationGaveUp{a, {}});
  RefusedAfter(state, ReservationExpires{a, kOrigin, kOrigin});
  Apply(state, HeuristicReported{a, HeuristicOutcome::kRolledBack, {}});
  Apply(state, IncidentRaised{a, {}});
  RefusedAfter(state, IncidentRaised{a, {}});
  Apply(state, OperatorSkipped{a, {}, {}});
  CHECK(FindBranch(state, a)->phase == BranchPhase::kFinished);
  RefusedAfter(state, OperationStarted{a, Role::kUndo, 0, std::nullopt});
}

TEST_CASE("a finish before the decision is the participant's own, or an impossible record") {
  const BranchId a("a");
  TxnState state = Accept();
  Apply(state, StepExpanded{0, "a", false, {}});
  RefusedAfter(state, OperationStarted{a, Role::kFinish, 0, std::nullopt});
  Apply(state, OperationStarted{a, Role::kFinish, 0, std::nullopt, true});
  Apply(state, AttemptFailed{a, AttemptOutcome::kUnknown, {}, kOrigin});
  CHECK(FindBranch(state, a)->may_have_happened);
  Apply(state, OperationRefused{a, {}});
  CHECK(FindBranch(state, a)->phase == BranchPhase::kRefused);
}

TEST_CASE("an interrupted forward call may have happened and costs no budget") {
  const BranchId a("a");
  TxnState state = Accept();
  Apply(state, StepExpanded{0, "a", false, {}});
  Apply(state, OperationStarted{a, Role::kForward, 0, std::nullopt});
  Apply(state, CallInterrupted{a});
  const BranchState& branch = *FindBranch(state, a);
  CHECK(branch.may_have_happened);
  CHECK(branch.attempt == 2);
  CHECK(branch.budget_used == 1);
}

TEST_CASE("a call that was held back costs no budget and may not have happened") {
  const BranchId a("a");
  TxnState state = Accept();
  Apply(state, StepExpanded{0, "a", false, {}});
  Apply(state, OperationStarted{a, Role::kForward, 0, std::nullopt});
  const BranchState& branch = *FindBranch(state, a);
  for (uint32_t times = 1; times < 4; ++times) {
    Apply(state, AttemptFailed{a, AttemptOutcome::kHeldBack, {}, kOrigin});
    CHECK(branch.budget_used == 0);
    CHECK_FALSE(branch.may_have_happened);
    Apply(state, AttemptStarted{a});
    CHECK(branch.attempt == times + 1);
    CHECK(branch.budget_used == 1);
  }
}

TEST_CASE("an operator's word counts for the operation that it was given for") {
  const BranchId a("a");
  TxnState state = Accept();
  Apply(state, StepExpanded{0, "a", false, {}});
  Apply(state, OperationStarted{a, Role::kForward, 0, std::nullopt});
  Apply(state, AttemptFailed{a, AttemptOutcome::kUnknown, {}, kOrigin});
  Apply(state, OperatorSkipped{a, {}, {}});
  CHECK(FindBranch(state, a)->by_operator);
  Apply(state, CommitDecided{});
  Apply(state, OperationStarted{a, Role::kFinish, 0, std::nullopt});
  CHECK_FALSE(FindBranch(state, a)->by_operator);
  RefusedAfter(state, OperatorCompleted{a, {}});
  Apply(state, OperationPending{a, "", {}, {}});
  Apply(state, OperatorCompleted{a, {}});
  CHECK(FindBranch(state, a)->by_operator);
  Apply(state, AttemptFailed{a, AttemptOutcome::kRefused, {}, kOrigin});
  CHECK_FALSE(FindBranch(state, a)->by_operator);
}

TEST_CASE("branches are found by the very names they are given") {
  TxnState state = Accept();
  Apply(state, StepExpanded{0, "a", false, {}});
  Apply(state, StepExpanded{1, "b", true, {Json(1), Json(2)}});
  CHECK(FindBranch(state, BranchId("a"))->id == BranchId("a"));
  CHECK(FindBranch(state, BranchId("b:1"))->item == Json(2));
  for (const char* name :
       {"", "b", "a:0", "b:2", "b:01", "b:", "b:x", "b:-1", "c", ":", "b:99999999999999999999"}) {
    INFO(name);
    CHECK(FindBranch(state, BranchId(name)) == nullptr);
  }
}

TEST_CASE("keys name the transaction, the branch and the alternative, never the attempt") {
  const CommandId command{Gid("t1"), BranchId("a:3"), Role::kUndo, 2};
  CHECK(StepKey(command) == "t1:a:3:alt2");
  CHECK(IdempotencyKey(command, Mode::kSaga) == "t1:a:3:alt2:compensate");
  // A participant may file a call under the header and look it up under the `key` of an undo.
  const CommandId forward{Gid("t1"), BranchId("a"), Role::kForward, 0};
  CHECK(IdempotencyKey(forward, Mode::kSaga) == "t1:a");
  CHECK(IdempotencyKey(forward, Mode::kSaga) == StepKey(forward));
}

TEST_CASE("a violated invariant is named") {
  const PlanPtr plan = CompilePlan(R"({"name": "x", "mode": "saga",
    "participants": {"p": {"http": "http://p"}},
    "steps": [{"id": "a", "participant": "p", "action": {"post": "/a"}, "compensate": null},
              {"id": "b", "participant": "p", "action": {"post": "/b"}, "compensate": null}]})");
  World world(plan);
  world.Submit();
  TxnState state = world.state();
  REQUIRE_FALSE(CheckInvariants(*plan, state));
  state.steps[0].branches[0].wake_at = kOrigin;
  CHECK(CheckInvariants(*plan, state)->find("a timer without a reason") != std::string::npos);
  state = world.state();
  state.status = TxnStatus::kCommitted;
  state.ended_at = kOrigin;
  CHECK(CheckInvariants(*plan, state)->find("is not done") != std::string::npos);
  state = world.state();
  state.steps[0].branches[0].phase = BranchPhase::kDone;
  CHECK(CheckInvariants(*plan, state)->find("counts") != std::string::npos);
  state.steps[0].phases.Move(BranchPhase::kForward, BranchPhase::kDone);
  CHECK(CheckInvariants(*plan, state)->find("waits for nothing") != std::string::npos);
}

TEST_CASE("an invariant of the modes that decide once is named") {
  const PlanPtr plan = CompilePlan(R"({"name": "x", "mode": "tcc",
    "participants": {"p": {"http": "http://p"}},
    "steps": [{"id": "a", "participant": "p", "try": {"post": "/t"}, "confirm": {"post": "/c"},
               "cancel": {"post": "/x"}}]})");
  World world(plan);
  world.Submit();
  const auto broken = [&plan](TxnState state, BranchPhase phase) {
    BranchState& branch = state.steps[0].branches[0];
    state.steps[0].phases.Move(branch.phase, phase);
    branch.phase = phase;
    return CheckInvariants(*plan, state).value_or("nothing");
  };
  CHECK_THAT(broken(world.state(), BranchPhase::kFinish), Catch::Contains("no commit was decided"));
  CHECK_THAT(broken(world.state(), BranchPhase::kUndo), Catch::Contains("no abort was decided"));
  CHECK_THAT(broken(world.state(), BranchPhase::kReadOnly), Catch::Contains("only a vote"));
  CHECK_THAT(broken(world.state(), BranchPhase::kEnlisted), Catch::Contains("only a client"));
  world.Answer("a", ReplyDone{});
  CHECK_THAT(broken(world.state(), BranchPhase::kForward), Catch::Contains("not ready for it"));
  TxnState state = world.state();
  state.status = TxnStatus::kCommitted;
  state.ended_at = kOrigin;
  CHECK_THAT(broken(state, BranchPhase::kDone), Catch::Contains("is not done"));
  state.abort = AbortState{};
  CHECK_THAT(broken(state, BranchPhase::kFinished), Catch::Contains("an abort must have a cause"));
  state.status = TxnStatus::kAborted;
  CHECK_THAT(broken(state, BranchPhase::kFinished),
             Catch::Contains("no commit was decided") || Catch::Contains("both a commit"));
}

}  // namespace entente::engine::test
