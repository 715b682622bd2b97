// Seeded random walks: random plans, random events, truthful but unreliable participants, crashes
// that lose what may be lost. World checks every step; here the participants' side is checked.
//
// One seed: ENTENTE_WALK_SEED=123 test_engine "random*".
#include <cstdlib>
#include <map>
#include <stdexcept>

#include <catch2/catch.hpp>

#include "dsl/client_branches.h"
#include "engine/state_lookup.h"
#include "tests/engine/participants.h"
#include "tests/engine/random_plan.h"
#include "tests/engine/world.h"

namespace entente::engine::test {
namespace {

class Walk {
 public:
  Walk(uint64_t seed, Mode mode, bool client_driven)
      : dice_(seed),
        world_(client_driven ? dsl::BeginClientDriven(mode)
                             : CompilePlan(RandomDefinition(dice_, mode))),
        participants_(dice_, mode) {
    world_.set_entropy(seed);
  }

  void Run() {
    if (world_.plan().client_driven) {
      world_.Submit({}, std::chrono::seconds(40));
    } else {
      world_.Submit({{"yes", true}, {"no", false}, {"list", Json::array({1, 2, 3})}});
    }
    const size_t steps = dice_.Below(60);
    for (size_t i = 0; i < steps && !world_.state().finished(); ++i) {
      Disturb();
    }
    if (world_.state().paused) {
      world_.Feed(ResumeRequested{});
    }
    for (size_t i = 0; i < 2'000 && !world_.state().finished(); ++i) {
      Heal();
    }
    CheckEnd();
  }

 private:
  [[nodiscard]] std::vector<const BranchState*> Branches() const {
    std::vector<const BranchState*> branches;
    for (const StepState& step : world_.state().steps) {
      for (const BranchState& branch : step.branches) {
        branches.push_back(&branch);
      }
    }
    return branches;
  }

  const BranchState* AnyBranch() {
    const auto branches = Branches();
    return branches.empty() ? nullptr : branches[dice_.Below(branches.size())];
  }

  bool AnswerOne(bool healthy) {
    if (world_.calls().empty()) {
      return false;
    }
    auto call = world_.calls().begin();
    std::advance(call, static_cast<std::ptrdiff_t>(dice_.Below(world_.calls().size())));
    const auto [key, effect] = *call;
    const Reply reply = participants_.Carry(key, effect, healthy);
    world_.Feed(BranchReplied{BranchId(std::get<0>(key)), std::get<1>(key), std::get<2>(key),
                              std::get<3>(key), reply});
    if (dice_.Chance(10)) {  // The network delivers it twice.
      world_.Feed(BranchReplied{BranchId(std::get<0>(key)), std::get<1>(key), std::get<2>(key),
                                std::get<3>(key), reply});
    }
    return true;
  }

  bool PollOne() {
    if (world_.polls().empty()) {
      return false;
    }
    const BranchState* branch = FindBranch(world_.state(), *world_.polls().begin());
    const bool answer = dice_.Chance(70);
    world_.Answer(branch->id.str(), answer ? participants_.Poll(*branch)
                                           : Reply(ReplyUnknown{{"timeout", ""}, std::nullopt}));
    return true;
  }

  bool FireOne(Duration within) {
    const auto timer = world_.NextTimer(world_.now() + within);
    if (timer) {
      world_.Fire(*timer);
    }
    return timer.has_value();
  }

  void Complete() {
    const BranchState* branch = AnyBranch();
    if (branch == nullptr || !IsPending(branch->phase)) {
      return;
    }
    const Reply reply = participants_.Poll(*branch);
    CompletionReceived received{branch->id, RoleOf(branch->phase), branch->alternative,
                                ReplyDone{}};
    if (const auto* refused = std::get_if<ReplyRefused>(&reply)) {
      received.outcome = *refused;
    } else {
      received.outcome = std::get<ReplyDone>(reply);
    }
    world_.Feed(std::move(received));
  }

  void Skip() {
    const BranchState* branch = AnyBranch();
    if (branch == nullptr) {
      return;
    }
    const bool calls = branch->phase != BranchPhase::kWaiting;
    const BranchState before = *branch;
    const bool taken = world_.Feed(SkipRequested{before.id, Json{{"n", 1}}, {}}).status.ok();
    if (taken && calls) {
      participants_.Vouch(before);
    }
  }

  // What a client does: announce a branch, then work with its participant.
  void Enlist() {
    const std::string id = "b" + std::to_string(dice_.Below(4));
    const std::string source = RandomBranch(dice_, world_.plan().mode, id);
    const size_t before = world_.state().steps.size();
    const bool taken = world_.EnlistBranch(source).status.ok();
    if (taken && world_.state().steps.size() > before && dice_.Chance(80)) {
      participants_.Work(*FindBranch(world_.state(), BranchId(id)));
    }
  }

  // A client commits when all its work is done, and may say so twice.
  void Commit() {
    const TxnState& state = world_.state();
    if (state.status == TxnStatus::kActive && !state.closed) {
      for (const BranchState* branch : Branches()) {
        participants_.Work(*branch);
      }
    }
    world_.Feed(CommitRequested{});
  }

  void Drive() {
    if (!world_.plan().client_driven) {
      AnswerOne(false);
    } else if (dice_.Chance(12)) {
      Commit();
    } else {
      Enlist();
    }
  }

  void Crash(bool lose_lazy) {
    participants_.Crash(world_);
    world_.Crash(lose_lazy);
  }

  void Disturb() {
    switch (dice_.Below(24)) {
      case 0: world_.Feed(AbortRequested{{"ann", ""}}); break;
      case 1: world_.Feed(PauseRequested{}); break;
      case 2:
      case 3: world_.Feed(ResumeRequested{}); break;
      case 4: world_.Feed(RetryRequested{}); break;
      case 5: world_.Feed(SignalSent{"go", Json(1)}); break;
      case 6:
        if (dice_.Chance(20)) {
          Skip();
        }
        break;
      case 7: Crash(false); break;
      case 8:
      case 9: Crash(true); break;
      case 10: Complete(); break;
      case 11:
        if (const BranchState* branch = AnyBranch()) {
          world_.Feed(TimerFired{branch->id});
        }
        break;
      case 12:
      case 13:
      case 14:
      case 15: FireOne(std::chrono::seconds(30)); break;
      case 16: PollOne(); break;
      case 17:
      case 18: Drive(); break;
      default: AnswerOne(false); break;
    }
  }

  void Heal() {
    if (AnswerOne(true) || PollOne() || FireOne(std::chrono::hours(1))) {
      return;
    }
    if (world_.state().has_incident()) {
      // A child with its end in doubt, or an undo that needs to know: an operator looks.
      for (const BranchState* branch : Branches()) {
        if (IsStuck(branch->phase)) {
          const BranchState before = *branch;
          participants_.Vouch(before);
          world_.Feed(SkipRequested{before.id, Json{{"n", 1}}, {}});
          return;
        }
      }
    }
    for (const BranchState* branch : Branches()) {
      if (IsPending(branch->phase)) {
        const BranchState before = *branch;
        participants_.Vouch(before);
        world_.Feed(CompletionReceived{before.id, RoleOf(before.phase), before.alternative,
                                       ReplyDone{Json{{"n", 1}}}});
        return;
      }
    }
    if (world_.plan().client_driven) {
      Commit();
    } else {
      world_.Feed(SignalSent{"go", Json(1)});
    }
  }

  // What the participants hold if the transaction ended as it says.
  [[nodiscard]] std::map<Participants::Name, Participants::Hold> Expected() const {
    std::map<Participants::Name, Participants::Hold> expected;
    const TxnState& state = world_.state();
    for (size_t step = 0; step < state.steps.size(); ++step) {
      const dsl::Step& plan = world_.plan().steps[step];
      const bool calls = std::holds_alternative<dsl::CallWork>(plan.work);
      const bool of_this_end = plan.stage == dsl::Stage::kAborted
                                   ? state.status == TxnStatus::kAborted
                                   : state.status == TxnStatus::kCommitted;
      if (state.steps[step].lost()) {
        continue;
      }
      for (const BranchState& branch : state.steps[step].branches) {
        const Participants::Name name{branch.id.str(), branch.alternative};
        if (of_this_end && branch.phase == BranchPhase::kGaveUp) {
          // It was passed over, and what became of it nobody knows.
          if (const auto held = participants_.holds().find(name);
              held != participants_.holds().end()) {
            expected.insert(*held);
          }
        } else if (of_this_end && calls && branch.phase != BranchPhase::kReadOnly &&
                   branch.phase != BranchPhase::kRefused && branch.phase != BranchPhase::kSkipped) {
          expected[name] = Participants::Hold::kFinal;
        }
      }
    }
    return expected;
  }

  void CheckEnd() {
    const TxnState& state = world_.state();
    if (!state.finished()) {
      throw std::runtime_error("it does not end though everything works:\n" + Dump(state));
    }
    // I1: every effect, or none.
    if (participants_.holds() != Expected()) {
      std::string text = "effects differ from the outcome; standing:";
      for (const auto& [name, hold] : participants_.holds()) {
        text += ' ' + name.first + '#' + std::to_string(name.second) +
                (hold == Participants::Hold::kFinal ? " final" : " reserved");
      }
      throw std::runtime_error(text + '\n' + Dump(state));
    }
  }

  Dice dice_;
  World world_;
  Participants participants_;
};

void RunWalks(Mode mode, bool client_driven, uint64_t seeds) {
  uint64_t first = 1;
  uint64_t last = seeds;
  if (const char* seed = std::getenv("ENTENTE_WALK_SEED")) {
    first = last = std::stoull(seed);
  }
  size_t failed = 0;
  for (uint64_t seed = first; seed <= last && failed < 5; ++seed) {
    try {
      Walk(seed, mode, client_driven).Run();
    } catch (const std::exception& error) {
      ++failed;
      FAIL_CHECK("ENTENTE_WALK_SEED=" << seed << ": " << error.what());
    }
  }
}

}  // namespace

TEST_CASE("random sagas end all or nothing, whatever happens on the way") {
  RunWalks(Mode::kSaga, false, 3'000);
}

TEST_CASE("random TCCs end all or nothing, whatever happens on the way") {
  RunWalks(Mode::kTcc, false, 3'000);
}

TEST_CASE("random two-phase commits end all or nothing, whatever happens on the way") {
  RunWalks(Mode::kTwoPhaseCommit, false, 3'000);
}

TEST_CASE("random client-driven transactions end all or nothing, whatever happens on the way") {
  for (const Mode mode : {Mode::kSaga, Mode::kTcc, Mode::kTwoPhaseCommit}) {
    INFO(dsl::ModeName(mode));
    RunWalks(mode, true, 2'000);
  }
}

}  // namespace entente::engine::test
