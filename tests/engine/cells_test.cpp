// Every cell of the transition tables: a legal one has to be reached by a golden scenario, any
// other one has to leave no trace.
#include <array>
#include <iomanip>
#include <iostream>
#include <map>
#include <sstream>
#include <tuple>

#include <catch2/catch.hpp>

#include "engine/table.h"
#include "tests/engine/scenario.h"
#include "tests/engine/world.h"

namespace entente::engine::test {
namespace {

constexpr std::array kAllCourses = {Course::kDriving, Course::kUndoing};

class Counter final : public CellObserver {
 public:
  void OnCell(Mode, TxnRow row, TxnEvent event) override { ++txn[{row, event}]; }
  void OnCell(Mode, Course course, BranchPhase phase, BranchEvent event) override {
    ++branch[{course, phase, event}];
  }

  std::map<std::pair<TxnRow, TxnEvent>, size_t> txn;
  std::map<std::tuple<Course, BranchPhase, BranchEvent>, size_t> branch;
};

Counter CountScenarios() {
  Counter counter;
  CellObserver* before = SetCellObserver(&counter);
  for (const auto& file : ScenarioFiles()) {
    static_cast<void>(RunScenario(ReadFile(file)));
  }
  SetCellObserver(before);
  return counter;
}

// Prints one cell; false if it is legal and was never reached.
template <class Action>
bool Report(std::ostream& out, const std::string& place, const Cell<Action>& cell, size_t hits) {
  static constexpr std::array<std::string_view, 3> kKinds = {"", "no-op", "rejected "};
  out << "  " << std::left << std::setw(54) << place
      << (cell.kind == CellKind::kAct
              ? std::string(cell.name)
              : std::string(kKinds[static_cast<size_t>(cell.kind)]) + std::string(cell.name))
      << " (" << hits << ")\n";
  if (cell.kind == CellKind::kAct && hits == 0) {
    out << "  ^^^ never reached\n";
    return false;
  }
  return true;
}

PlanPtr OneStep() {
  return CompilePlan(R"({
    "name": "one", "mode": "saga", "participants": {"p": {"http": "http://p"}},
    "steps": [
      {"id": "a", "participant": "p", "action": {"post": "/a"}, "compensate": {"delete": "/a"}},
      {"id": "s", "wait": {"signal": "go"}}
    ]})");
}

// A state with one branch put into `phase` by hand: many of them no journal leads to.
TxnState StateIn(const dsl::Plan& plan, Course course, BranchPhase phase) {
  TxnState state;
  REQUIRE(Evolve(state, {kOrigin, Accepted{Gid("t1"),
                                           plan.name,
                                           0,
                                           Mode::kSaga,
                                           Json::object(),
                                           {},
                                           std::nullopt,
                                           std::nullopt,
                                           "",
                                           ""}})
              .ok());
  REQUIRE(Evolve(state, {kOrigin, StepExpanded{0, "a", false, {}}}).ok());
  if (course == Course::kUndoing) {
    REQUIRE(Evolve(state, {kOrigin, AbortDecided{}}).ok());
  }
  BranchState& branch = state.steps[0].branches[0];
  state.steps[0].phases.Move(branch.phase, phase);
  branch.phase = phase;
  branch.attempt = 1;
  branch.budget_used = 1;
  branch.wake_at = kOrigin + std::chrono::seconds(5);
  return state;
}

// An input that Decide classifies as `event` in the state of StateIn; nothing for events that only
// arise inside a decision.
std::optional<Input> InputFor(const BranchState& branch, BranchEvent event) {
  const Failure failure{"http.409", ""};
  const auto reply = [&](Reply answer, uint32_t attempt) {
    const Role role = branch.phase >= BranchPhase::kFinish ? Role::kFinish
                      : branch.phase >= BranchPhase::kUndo ? Role::kUndo
                                                           : Role::kForward;
    return Event(BranchReplied{branch.id, role, 0, attempt, std::move(answer)});
  };
  const auto completion = [&](std::variant<ReplyDone, ReplyRefused> outcome, uint32_t alternative) {
    const auto replied = std::get<BranchReplied>(reply(ReplyDone{}, 1));
    return Event(CompletionReceived{branch.id, replied.role, alternative, std::move(outcome)});
  };
  const Instant early = kOrigin;
  const Instant late = kOrigin + std::chrono::seconds(10);
  switch (event) {
    case BranchEvent::kDone: return Input{late, 0, reply(ReplyDone{}, 1)};
    case BranchEvent::kRefused: return Input{late, 0, reply(ReplyRefused{failure}, 1)};
    case BranchEvent::kUnknown: return Input{late, 0, reply(ReplyUnknown{failure, {}}, 1)};
    case BranchEvent::kNotSent: return Input{late, 0, reply(ReplyNotSent{failure, {}}, 1)};
    case BranchEvent::kPending: return Input{late, 0, reply(ReplyPending{}, 1)};
    case BranchEvent::kStray: return Input{late, 0, reply(ReplyDone{}, 9)};
    case BranchEvent::kTimerDue: return Input{late, 0, TimerFired{branch.id}};
    case BranchEvent::kTimerEarly: return Input{early, 0, TimerFired{branch.id}};
    case BranchEvent::kCompletionDone: return Input{late, 0, completion(ReplyDone{}, 0)};
    case BranchEvent::kCompletionRefused:
      return Input{late, 0, completion(ReplyRefused{failure}, 0)};
    case BranchEvent::kCompletionStray: return Input{late, 0, completion(ReplyDone{}, 7)};
    case BranchEvent::kOperatorRetry: return Input{late, 0, RetryRequested{branch.id, {}}};
    case BranchEvent::kOperatorSkip: return Input{late, 0, SkipRequested{branch.id, {}, {}}};
    case BranchEvent::kSignal:
    case BranchEvent::kInterrupted:
    case BranchEvent::kAbortDecided: return std::nullopt;
  }
  return std::nullopt;
}

TxnState StateIn(const dsl::Plan& plan, TxnRow row) {
  if (row == TxnRow::kNone) {
    return {};
  }
  TxnState state = StateIn(plan, Course::kDriving, BranchPhase::kForward);
  state.deadline = kOrigin + std::chrono::seconds(5);
  state.status = static_cast<TxnStatus>(static_cast<uint8_t>(row));
  return state;
}

Input InputFor(TxnEvent event) {
  const BranchId a("a");
  const Instant late = kOrigin + std::chrono::seconds(10);
  switch (event) {
    case TxnEvent::kSubmitted: {
      Submitted submitted;
      submitted.gid = Gid("t1");
      return {late, 0, std::move(submitted)};
    }
    case TxnEvent::kReply: return {late, 0, BranchReplied{a, Role::kForward, 0, 1, ReplyDone{}}};
    case TxnEvent::kCompletion:
      return {late, 0, CompletionReceived{a, Role::kForward, 0, ReplyDone{}}};
    case TxnEvent::kBranchTimer: return {late, 0, TimerFired{a}};
    case TxnEvent::kDeadlineDue: return {late, 0, TimerFired{}};
    case TxnEvent::kDeadlineEarly: return {kOrigin, 0, TimerFired{}};
    case TxnEvent::kAbort: return {late, 0, AbortRequested{}};
    case TxnEvent::kSignal: return {late, 0, SignalSent{"go", {}}};
    case TxnEvent::kPause: return {late, 0, PauseRequested{}};
    case TxnEvent::kResume: return {late, 0, ResumeRequested{}};
    case TxnEvent::kRetry: return {late, 0, RetryRequested{a, {}}};
    case TxnEvent::kSkip: return {late, 0, SkipRequested{a, {}, {}}};
    case TxnEvent::kResolve: return {late, 0, ResolveRequested{}};
    case TxnEvent::kRecovered: return {late, 0, Recovered{}};
  }
  return {late, 0, Recovered{}};
}

}  // namespace

TEST_CASE("every legal cell of the saga's tables is reached by a golden scenario") {
  const Counter counter = CountScenarios();
  const ModeTable& table = *TableOf(Mode::kSaga);
  std::ostringstream matrix;
  size_t missed = 0;
  size_t legal = 0;
  size_t cells = 0;
  const auto count = [&](bool reached, CellKind kind) {
    ++cells;
    legal += kind == CellKind::kAct ? 1 : 0;
    missed += reached ? 0 : 1;
  };
  matrix << "saga: transaction\n";
  for (size_t row = 0; row < kTxnRows; ++row) {
    for (size_t event = 0; event < kTxnEvents; ++event) {
      const std::pair key(static_cast<TxnRow>(row), static_cast<TxnEvent>(event));
      const TxnCell& cell = table.at(key.first, key.second);
      const auto hits = counter.txn.find(key);
      const std::string place =
          std::string(TxnRowName(key.first)) + " x " + std::string(TxnEventName(key.second));
      count(Report(matrix, place, cell, hits == counter.txn.end() ? 0 : hits->second), cell.kind);
    }
  }
  matrix << "saga: branch\n";
  for (const Course course : kAllCourses) {
    for (size_t phase = 1; phase <= kBranchPhases; ++phase) {
      for (size_t event = 0; event < kBranchEvents; ++event) {
        const std::tuple key(course, static_cast<BranchPhase>(phase),
                             static_cast<BranchEvent>(event));
        const BranchCell& cell = table.at(course, std::get<1>(key), std::get<2>(key));
        const auto hits = counter.branch.find(key);
        const std::string place = std::string(CourseName(course)) + ' ' +
                                  std::string(BranchPhaseName(std::get<1>(key))) + " x " +
                                  std::string(BranchEventName(std::get<2>(key)));
        count(Report(matrix, place, cell, hits == counter.branch.end() ? 0 : hits->second),
              cell.kind);
      }
    }
  }
  std::cout << matrix.str() << "saga: " << cells << " cells, " << legal << " legal, "
            << legal - missed << " of them reached\n";
  CHECK(missed == 0);
}

TEST_CASE("every other cell of the branch table leaves no trace") {
  const PlanPtr plan = OneStep();
  const ModeTable& table = *TableOf(Mode::kSaga);
  for (const Course course : kAllCourses) {
    for (size_t p = 1; p <= kBranchPhases; ++p) {
      const auto phase = static_cast<BranchPhase>(p);
      const TxnState state = StateIn(*plan, course, phase);
      for (size_t e = 0; e < kBranchEvents; ++e) {
        const auto event = static_cast<BranchEvent>(e);
        const BranchCell& cell = table.at(course, phase, event);
        const auto input = InputFor(state.steps[0].branches[0], event);
        if (cell.kind == CellKind::kAct || !input) {
          continue;
        }
        INFO(CourseName(course) << ' ' << BranchPhaseName(phase) << " x "
                                << BranchEventName(event));
        const Decision decision = Decide(*plan, state, *input);
        CHECK(decision.records.empty());
        CHECK(decision.effects.empty());
        CHECK(decision.status.ok() == (cell.kind == CellKind::kIgnore));
        CHECK((cell.kind == CellKind::kIgnore || decision.status.reason() == cell.name));
        CHECK(decision.status.code() != StatusCode::kInternal);
      }
    }
  }
}

TEST_CASE("every other cell of the transaction table leaves no trace") {
  const PlanPtr plan = OneStep();
  const ModeTable& table = *TableOf(Mode::kSaga);
  for (size_t r = 0; r < kTxnRows; ++r) {
    const auto row = static_cast<TxnRow>(r);
    const TxnState state = StateIn(*plan, row);
    for (size_t e = 0; e < kTxnEvents; ++e) {
      const auto event = static_cast<TxnEvent>(e);
      const TxnCell& cell = table.at(row, event);
      if (cell.kind == CellKind::kAct) {
        continue;
      }
      INFO(TxnRowName(row) << " x " << TxnEventName(event));
      const Decision decision = Decide(*plan, state, InputFor(event));
      CHECK(decision.records.empty());
      CHECK(decision.effects.empty());
      CHECK(decision.status.ok() == (cell.kind == CellKind::kIgnore));
      CHECK((cell.kind == CellKind::kIgnore || decision.status.reason() == cell.name));
      CHECK(decision.status.code() != StatusCode::kInternal);
    }
  }
}

}  // namespace entente::engine::test
