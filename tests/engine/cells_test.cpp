// Every cell of the transition tables: a legal one has to be reached by a golden scenario, any
// other one has to leave no trace.
#include <array>
#include <iomanip>
#include <iostream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <tuple>

#include <catch2/catch.hpp>

#include "engine/core/table.h"
#include "engine/state_lookup.h"
#include "tests/engine/scenario.h"
#include "tests/engine/world.h"

namespace entente::engine::test {
namespace {

constexpr std::array kAllCourses = {Course::kDriving, Course::kFinishing, Course::kUndoing};
constexpr std::array kAllModes = {Mode::kSaga, Mode::kTcc, Mode::kTwoPhaseCommit};

class Counter final : public CellObserver {
 public:
  void OnCell(Mode mode, TxnRow row, TxnEvent event) override { ++txn[{mode, row, event}]; }
  void OnCell(Mode mode, Course course, BranchPhase phase, BranchEvent event) override {
    ++branch[{mode, course, phase, event}];
  }
  void OnCell(ChildStanding child, ParentStanding parent) override { ++family[{child, parent}]; }

  std::map<std::tuple<Mode, TxnRow, TxnEvent>, size_t> txn;
  std::map<std::tuple<Mode, Course, BranchPhase, BranchEvent>, size_t> branch;
  std::map<std::pair<ChildStanding, ParentStanding>, size_t> family;
};

// Observes until it goes, also when a scenario throws: what looks cells up afterwards must not tell
// a counter that is gone.
class Watch {
 public:
  explicit Watch(CellObserver& observer) : before_(SetCellObserver(&observer)) {}
  ~Watch() { SetCellObserver(before_); }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

 private:
  CellObserver* before_;
};

Counter CountScenarios() {
  Counter counter;
  const Watch watch(counter);
  for (const auto& file : ScenarioFiles()) {
    INFO(file.stem().string());
    try {
      static_cast<void>(RunScenario(ReadFile(file)));
    } catch (const std::exception& error) {
      FAIL_CHECK(error.what());
    }
  }
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

PlanPtr OneStep(Mode mode) {
  std::string calls;
  for (const Role role : {Role::kForward, Role::kUndo, Role::kFinish}) {
    if (mode != Mode::kSaga || role != Role::kFinish) {
      const std::string name(dsl::OperationName(mode, role));
      calls.append(", \"").append(name).append("\": {\"post\": \"/").append(name).append("\"}");
    }
  }
  return CompilePlan(R"({"name": "one", "mode": ")" + std::string(dsl::ModeName(mode)) +
                     R"(", "participants": {"p": {"http": "http://p"}},
    "steps": [
      {"id": "a", "participant": "p")" +
                     calls + R"(},
      {"id": "s", "wait": {"signal": "go"}}
    ]})");
}

// A state with one branch put into `phase` by hand: many of them no journal leads to.
TxnState StateIn(const dsl::Plan& plan, Course course, BranchPhase phase) {
  TxnState state;
  REQUIRE(Evolve(state, {kOrigin, Accepted{Gid("t1"),
                                           plan.name,
                                           0,
                                           plan.mode,
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
  } else if (course == Course::kFinishing) {
    REQUIRE(Evolve(state, {kOrigin, CommitDecided{}}).ok());
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
    return Event(BranchReplied{branch.id, RoleOf(branch.phase), 0, attempt, std::move(answer)});
  };
  const auto heuristic = [&](bool agrees) -> std::optional<Input> {
    const Role role = RoleOf(branch.phase);
    if (role == Role::kForward) {
      return std::nullopt;
    }
    const bool committed = (role == Role::kFinish) == agrees;
    return Input{kOrigin + std::chrono::seconds(10), 0,
                 reply(ReplyHeuristic{committed ? HeuristicOutcome::kCommitted
                                                : HeuristicOutcome::kRolledBack,
                                      failure},
                       1)};
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
    case BranchEvent::kHeuristicAgrees: return heuristic(true);
    case BranchEvent::kHeuristicDiffers: return heuristic(false);
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
    case TxnEvent::kEnlist: return {late, 0, EnlistRequested{a, "{}"}};
    case TxnEvent::kCommit: return {late, 0, CommitRequested{}};
    case TxnEvent::kLetGo: return {late, 0, LetGo{}};
  }
  return {late, 0, Recovered{}};
}

// What the matrix of one mode adds up to, and its text.
class Matrix {
 public:
  Matrix(Mode mode, const Counter& counter) : mode_(mode), counter_(counter) {}

  void AddTransaction() {
    text_ << dsl::ModeName(mode_) << ": transaction\n";
    for (size_t row = 0; row < kTxnRows; ++row) {
      for (size_t event = 0; event < kTxnEvents; ++event) {
        const std::tuple key(mode_, static_cast<TxnRow>(row), static_cast<TxnEvent>(event));
        const auto hits = counter_.txn.find(key);
        Add(std::string(TxnRowName(std::get<1>(key))) + " x " +
                std::string(TxnEventName(std::get<2>(key))),
            TableOf(mode_).at(std::get<1>(key), std::get<2>(key)),
            hits == counter_.txn.end() ? 0 : hits->second);
      }
    }
  }

  void AddBranches(Course course) {
    text_ << dsl::ModeName(mode_) << ": branch, " << CourseName(course) << "\n";
    for (size_t p = 1; p <= kBranchPhases; ++p) {
      const auto phase = static_cast<BranchPhase>(p);
      for (size_t e = 0; e < kBranchEvents; ++e) {
        const auto event = static_cast<BranchEvent>(e);
        const auto hits = counter_.branch.find({mode_, course, phase, event});
        Add(std::string(BranchPhaseName(phase)) + " x " + std::string(BranchEventName(event)),
            TableOf(mode_).at(course, phase, event),
            hits == counter_.branch.end() ? 0 : hits->second);
      }
    }
  }

  [[nodiscard]] std::string Text() const {
    return text_.str() + std::string(dsl::ModeName(mode_)) + ": " + std::to_string(cells_) +
           " cells, " + std::to_string(legal_) + " legal, " + std::to_string(legal_ - missed_) +
           " of them reached\n";
  }
  [[nodiscard]] size_t missed() const { return missed_; }

 private:
  template <class Cell>
  void Add(const std::string& place, const Cell& cell, size_t hits) {
    ++cells_;
    legal_ += cell.kind == CellKind::kAct ? 1 : 0;
    missed_ += Report(text_, place, cell, hits) ? 0 : 1;
  }

  const Mode mode_;
  const Counter& counter_;
  std::ostringstream text_;
  size_t missed_ = 0;
  size_t legal_ = 0;
  size_t cells_ = 0;
};

void CheckLeavesNoTrace(const Decision& decision, CellKind kind, std::string_view code) {
  CHECK(decision.records.empty());
  CHECK(decision.effects.empty());
  CHECK(decision.status.ok() == (kind == CellKind::kIgnore));
  CHECK((kind == CellKind::kIgnore || decision.status.reason() == code));
  CHECK(decision.status.code() != StatusCode::kInternal);
}

}  // namespace

TEST_CASE("every legal cell of the tables is reached by a golden scenario") {
  const Counter counter = CountScenarios();
  for (const Mode mode : kAllModes) {
    Matrix matrix(mode, counter);
    matrix.AddTransaction();
    for (const Course course : kAllCourses) {
      matrix.AddBranches(course);
    }
    std::cout << matrix.Text();
    INFO(dsl::ModeName(mode));
    CHECK(matrix.missed() == 0);
  }
}

TEST_CASE("every cell of the table of families is reached by a golden scenario") {
  const Counter counter = CountScenarios();
  for (size_t c = 0; c < kChildStandings; ++c) {
    for (size_t p = 0; p < kParentStandings; ++p) {
      const std::pair key(static_cast<ChildStanding>(c), static_cast<ParentStanding>(p));
      const auto hits = counter.family.find(key);
      const std::string place = "child " + std::string(ChildStandingName(key.first)) +
                                " x parent " + std::string(ParentStandingName(key.second));
      INFO(place);
      CHECK(hits != counter.family.end());
      std::cout << "  " << std::left << std::setw(54) << place
                << FamilyActionName(TableOfFamilies().at(c).at(p)) << " ("
                << (hits == counter.family.end() ? 0 : hits->second) << ")\n";
    }
  }
}

TEST_CASE("every other cell of the branch tables leaves no trace") {
  for (const Mode mode : kAllModes) {
    const PlanPtr plan = OneStep(mode);
    const ModeTable& table = TableOf(mode);
    for (const Course course : kAllCourses) {
      for (size_t p = 1; p <= kBranchPhases; ++p) {
        const auto phase = static_cast<BranchPhase>(p);
        if (mode == Mode::kSaga &&
            (course == Course::kFinishing || RoleOf(phase) == Role::kFinish)) {
          continue;  // A saga has neither, and no name for what would be called.
        }
        const TxnState state = StateIn(*plan, course, phase);
        for (size_t e = 0; e < kBranchEvents; ++e) {
          const auto event = static_cast<BranchEvent>(e);
          const BranchCell& cell = table.at(course, phase, event);
          const auto input = InputFor(state.steps[0].branches[0], event);
          if (cell.kind == CellKind::kAct || !input) {
            continue;
          }
          INFO(dsl::ModeName(mode) << ' ' << CourseName(course) << ' ' << BranchPhaseName(phase)
                                   << " x " << BranchEventName(event));
          CheckLeavesNoTrace(Decide(*plan, state, *input), cell.kind, cell.name);
        }
      }
    }
  }
}

TEST_CASE("every other cell of the transaction tables leaves no trace") {
  for (const Mode mode : kAllModes) {
    const PlanPtr plan = OneStep(mode);
    const ModeTable& table = TableOf(mode);
    for (size_t r = 0; r < kTxnRows; ++r) {
      const auto row = static_cast<TxnRow>(r);
      const TxnState state = StateIn(*plan, row);
      for (size_t e = 0; e < kTxnEvents; ++e) {
        const auto event = static_cast<TxnEvent>(e);
        const TxnCell& cell = table.at(row, event);
        if (cell.kind == CellKind::kAct) {
          continue;
        }
        INFO(dsl::ModeName(mode) << ' ' << TxnRowName(row) << " x " << TxnEventName(event));
        CheckLeavesNoTrace(Decide(*plan, state, InputFor(event)), cell.kind, cell.name);
      }
    }
  }
}

TEST_CASE("a saga takes no course that it has no operation for") {
  for (size_t p = 1; p <= kBranchPhases; ++p) {
    for (size_t e = 0; e < kBranchEvents; ++e) {
      CHECK(TableOf(Mode::kSaga)
                .at(Course::kFinishing, static_cast<BranchPhase>(p), static_cast<BranchEvent>(e))
                .kind != CellKind::kAct);
    }
  }
}

}  // namespace entente::engine::test
