// Seeded random walks: random plans, random events, truthful but unreliable participants, crashes
// that lose what may be lost. World checks every step; here the participants' side is checked.
//
// One seed: ENTENTE_WALK_SEED=123 test_engine "random*".
#include <cstdlib>
#include <map>
#include <random>
#include <set>
#include <stdexcept>

#include <catch2/catch.hpp>

#include "engine/state_lookup.h"
#include "tests/engine/world.h"

namespace entente::engine::test {
namespace {

class Dice {
 public:
  explicit Dice(uint64_t seed) : engine_(seed) {}
  size_t Below(size_t bound) { return engine_() % bound; }
  bool Chance(size_t percent) { return Below(100) < percent; }

 private:
  std::mt19937_64 engine_;
};

Json RandomRetry(Dice& dice) {
  return {{"initial", "1s"}, {"factor", 2}, {"max", "5s"}, {"attempts", 1 + dice.Below(3)}};
}

Json RandomWait(Dice& dice, bool past_pivot) {
  if (dice.Chance(40)) {
    return {{"for", "2s"}};
  }
  Json wait = {{"signal", "go"}, {"timeout", "30s"}};
  if (past_pivot || dice.Chance(50)) {
    wait["onTimeout"] = "continue";
  }
  return wait;
}

Json RandomUndo(Dice& dice, const std::string& id) {
  switch (dice.Below(4)) {
    case 0:
      return {{"delete", "/" + id + "/${steps." + id + ".output.n}"},
              {"whenUnknown", {{"delete", "/" + id + "/${key}"}}}};
    case 1: return {{"transaction", {{"definition", "undo-child"}, {"input", Json::object()}}}};
    default: return {{"delete", "/" + id + "/${key}"}};
  }
}

Json RandomCall(Dice& dice, const std::string& id) {
  if (dice.Chance(15)) {
    return {{"transaction", {{"definition", "child"}, {"input", {{"key", "${key}"}}}}}};
  }
  return {{"post", "/" + id}, {"body", {{"key", "${key}"}}}};
}

Json RandomStep(Dice& dice, size_t index, bool past_pivot, bool pivot) {
  const std::string id = "s" + std::to_string(index);
  Json step = {{"id", id}};
  if (dice.Chance(15)) {
    step["when"] = "${input.yes" + std::string(dice.Chance(50) ? "" : " && input.no") + "}";
  }
  if (!pivot && dice.Chance(15)) {
    step["wait"] = RandomWait(dice, past_pivot);
    return step;
  }
  step["participant"] = "p";
  step["action"] = RandomCall(dice, id);
  if (dice.Chance(25)) {
    step["alternatives"] = Json::array({RandomCall(dice, id)});
  }
  if (!pivot && dice.Chance(20)) {
    step["forEach"] = {{"items", "${input.list}"}, {"maxParallel", 2}};
  }
  if (!past_pivot && !(pivot && dice.Chance(60))) {
    step["compensate"] = RandomUndo(dice, id);
  }
  if (pivot) {
    step["pivot"] = true;
  }
  if (dice.Chance(20)) {
    step["deadline"] = "6s";
  }
  return step;
}

std::string RandomDefinition(Dice& dice) {
  const size_t count = 1 + dice.Below(6);
  const bool graph = dice.Chance(50);
  const std::optional<size_t> pivot =
      !graph && dice.Chance(50) ? std::optional(dice.Below(count)) : std::nullopt;
  Json steps = Json::array();
  for (size_t i = 0; i < count; ++i) {
    Json step = RandomStep(dice, i, pivot && i > *pivot, pivot == i);
    if (graph) {
      step["after"] = Json::array();
      for (size_t before = 0; before < i; ++before) {
        if (dice.Chance(40)) {
          step["after"].push_back("s" + std::to_string(before));
        }
      }
    }
    steps.push_back(std::move(step));
  }
  Json definition = {{"name", "walk"},
                     {"mode", "saga"},
                     {"participants", {{"p", {{"http", "http://p"}}}}},
                     {"retry", RandomRetry(dice)},
                     {"compensateRetry", RandomRetry(dice)},
                     {"steps", std::move(steps)}};
  if (dice.Chance(30)) {
    definition["deadline"] = "40s";
  }
  return definition.dump();
}

// The participants: they tell the truth, but their answers may be lost.
class Participants {
 public:
  explicit Participants(Dice& dice) : dice_(dice) {}

  using Name = std::pair<std::string, uint32_t>;  // Branch and alternative.

  // What an attempt does, and what is answered.
  Reply Carry(const World::CallKey& key, const Effect& effect, bool healthy) {
    if (const auto* child = std::get_if<StartChild>(&effect)) {
      return CarryChild(key, *child, healthy);
    }
    const Name name{std::get<0>(key), std::get<2>(key)};
    const bool forward = std::get<1>(key) == Role::kForward;
    if (healthy || dice_.Chance(60)) {
      const bool repeated = forward && !applied_.insert(name).second;
      if (!forward) {
        applied_.erase(name);
      }
      if (healthy || dice_.Chance(70)) {
        // A repeat may be told apart by a service that does not know its own answer any more.
        return repeated && dice_.Chance(30) ? Reply(ReplyRefused{{"http.409", "duplicate"}})
                                            : Reply(ReplyDone{{{"n", 1}}});
      }
      return ReplyUnknown{{"timeout", ""}, std::nullopt};
    }
    const bool stands = applied_.contains(name);
    switch (dice_.Below(4)) {
      case 0: return ReplyNotSent{{"connect.refused", ""}, std::nullopt};
      case 1: return ReplyUnknown{{"http.503", ""}, std::chrono::seconds(1)};
      case 2:
        return stands && forward ? Reply(ReplyPending{"/poll", std::nullopt})
                                 : Reply(ReplyRefused{{"http.409", ""}});
      default:
        if (forward) {
          applied_.insert(name);  // It works on it by itself from now on.
        } else {
          applied_.erase(name);
        }
        return ReplyPending{dice_.Chance(50) ? "/poll" : "", std::nullopt};
    }
  }

  Reply CarryChild(const World::CallKey& key, const StartChild& child, bool healthy) {
    if (!healthy && dice_.Chance(20)) {
      return ReplyUnknown{{"store.unavailable", ""}, std::nullopt};
    }
    const Name name{std::get<0>(key), std::get<2>(key)};
    const bool forward = std::get<1>(key) == Role::kForward;
    const auto outcome = children_.emplace(child.child, healthy || dice_.Chance(70)).first;
    if (!outcome->second) {
      return ReplyRefused{{"child.aborted", ""}};
    }
    if (forward) {
      applied_.insert(name);
    } else {
      applied_.erase(name);
    }
    return ReplyDone{{{"n", 1}}};
  }

  // The calls that are out when the coordinator dies may still be carried out.
  void Crash(const World& world) {
    for (const auto& [key, effect] : world.calls()) {
      if (std::holds_alternative<CallBranch>(effect) && dice_.Chance(50)) {
        const Name name{std::get<0>(key), std::get<2>(key)};
        if (std::get<1>(key) == Role::kForward) {
          applied_.insert(name);
        } else {
          applied_.erase(name);
        }
      }
    }
  }

  void Vouch(const BranchState& branch) {
    const Name name{branch.id.str(), branch.alternative};
    if (RoleOf(branch.phase) == Role::kForward) {
      applied_.insert(name);
    } else {
      applied_.erase(name);
    }
  }

  [[nodiscard]] bool stands(const Name& name) const { return applied_.contains(name); }
  [[nodiscard]] const std::set<Name>& applied() const { return applied_; }

 private:
  Dice& dice_;
  std::set<Name> applied_;
  std::map<Gid, bool> children_;
};

class Walk {
 public:
  explicit Walk(uint64_t seed)
      : dice_(seed), world_(CompilePlan(RandomDefinition(dice_))), participants_(dice_) {
    world_.set_entropy(seed);
  }

  void Run() {
    world_.Submit({{"yes", true}, {"no", false}, {"list", Json::array({1, 2, 3})}});
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

  // A pending operation is done if the participant has it done.
  Reply PollReply(const BranchState& branch) {
    const bool stands = participants_.stands({branch.id.str(), branch.alternative});
    const bool forward = RoleOf(branch.phase) == Role::kForward;
    if (stands == forward) {
      return ReplyDone{{{"n", 1}}};
    }
    return ReplyRefused{{"http.410", ""}};
  }

  bool PollOne() {
    if (world_.polls().empty()) {
      return false;
    }
    const BranchState* branch = FindBranch(world_.state(), *world_.polls().begin());
    const bool answer = dice_.Chance(70);
    world_.Answer(branch->id.str(),
                  answer ? PollReply(*branch) : Reply(ReplyUnknown{{"timeout", ""}, std::nullopt}));
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
    const Reply reply = PollReply(*branch);
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
    const bool taken = world_.Feed(SkipRequested{before.id, {{"n", 1}}, {}}).status.ok();
    if (taken && calls) {
      participants_.Vouch(before);
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
      case 5: world_.Feed(SignalSent{"go", 1}); break;
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
          world_.Feed(SkipRequested{before.id, {{"n", 1}}, {}});
          return;
        }
      }
    }
    for (const BranchState* branch : Branches()) {
      if (IsPending(branch->phase)) {
        const BranchState before = *branch;
        participants_.Vouch(before);
        world_.Feed(CompletionReceived{before.id, RoleOf(before.phase), before.alternative,
                                       ReplyDone{{{"n", 1}}}});
        return;
      }
    }
    world_.Feed(SignalSent{"go", 1});
  }

  void CheckEnd() {
    const TxnState& state = world_.state();
    if (!state.finished()) {
      throw std::runtime_error("it does not end though everything works:\n" + Dump(state));
    }
    std::set<Participants::Name> expected;
    if (state.status == TxnStatus::kCommitted) {
      for (size_t step = 0; step < state.steps.size(); ++step) {
        const bool calls = std::holds_alternative<dsl::CallWork>(world_.plan().steps[step].work);
        for (const BranchState& branch : state.steps[step].branches) {
          if (calls) {
            expected.insert({branch.id.str(), branch.alternative});
          }
        }
      }
    }
    // I1: every effect, or none.
    if (participants_.applied() != expected) {
      std::string text = "effects differ from the outcome; standing:";
      for (const auto& [branch, alternative] : participants_.applied()) {
        text += ' ' + branch + '#' + std::to_string(alternative);
      }
      throw std::runtime_error(text + '\n' + Dump(state));
    }
  }

  Dice dice_;
  World world_;
  Participants participants_;
};

}  // namespace

TEST_CASE("random sagas end all or nothing, whatever happens on the way") {
  uint64_t first = 1;
  uint64_t last = 4'000;
  if (const char* seed = std::getenv("ENTENTE_WALK_SEED")) {
    first = last = std::stoull(seed);
  }
  for (uint64_t seed = first; seed <= last; ++seed) {
    try {
      Walk(seed).Run();
    } catch (const std::exception& error) {
      FAIL_CHECK("ENTENTE_WALK_SEED=" << seed << ": " << error.what());
      if (seed > first + 20) {
        break;
      }
    }
  }
}

}  // namespace entente::engine::test
