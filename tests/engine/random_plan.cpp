#include "tests/engine/random_plan.h"

#include <optional>

#include "base/json.h"

namespace entente::engine::test {
namespace {

using dsl::Mode;
using dsl::Role;

std::string Name(Mode mode, Role role) {
  return std::string(dsl::OperationName(mode, role));
}

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

Json RandomUndo(Dice& dice, Mode mode, const std::string& id) {
  switch (dice.Below(4)) {
    case 0:
      return {{"delete", "/" + id + "/${steps." + id + ".output.n}"},
              {"whenUnknown", {{"delete", "/" + id + "/${key}"}}}};
    case 1:
      if (mode == Mode::kSaga) {
        return {{"transaction", {{"definition", "undo-child"}, {"input", Json::object()}}}};
      }
      [[fallthrough]];
    default: return {{"delete", "/" + id + "/${key}"}};
  }
}

Json RandomCall(Dice& dice, Mode mode, const std::string& id) {
  if (mode == Mode::kSaga && dice.Chance(15)) {
    return {{"transaction", {{"definition", "child"}, {"input", {{"key", "${key}"}}}}}};
  }
  return {{"post", "/" + id}, {"body", {{"key", "${key}"}}}};
}

void AddSettling(Dice& dice, Mode mode, const std::string& id, Json& step) {
  step[Name(mode, Role::kUndo)] = RandomUndo(dice, mode, id);
  if (mode != Mode::kSaga) {
    step[Name(mode, Role::kFinish)] = {{"post", "/" + id + "/${key}"}};
  }
  if (mode == Mode::kTcc && dice.Chance(30)) {
    step["expires"] = {{"at", "20s"}, {"margin", "1s"}};
  }
  if (mode == Mode::kTwoPhaseCommit && !step.contains("alternatives") && dice.Chance(50)) {
    step["onePhase"] = true;
  }
}

void SettleAlternative(Dice& dice, Mode mode, const std::string& id, Json& alternative) {
  alternative[Name(mode, Role::kUndo)] = RandomUndo(dice, mode, id);
  if (mode != Mode::kSaga) {
    alternative[Name(mode, Role::kFinish)] = {{"post", "/" + id + "/other/${key}"}};
  }
}

// An alternative that goes elsewhere, and does not say how it is settled.
bool MixesWays(Mode mode, const Json& step) {
  return step.contains("alternatives") &&
         step["alternatives"][0].contains("transaction") !=
             step[Name(mode, Role::kForward)].contains("transaction");
}

// A step that only runs child transactions may not.
bool MayHaveDeadline(Mode mode, const Json& step) {
  return !step[Name(mode, Role::kForward)].contains("transaction") ||
         (step.contains("alternatives") && !step["alternatives"][0].contains("transaction"));
}

Json RandomStep(Dice& dice, Mode mode, const std::string& id, bool past_pivot, bool pivot) {
  Json step = {{"id", id}};
  if (dice.Chance(15)) {
    step["when"] = "${sure" + std::string(dice.Chance(50) ? "" : " && input.no") + "}";
  }
  if (!pivot && dice.Chance(15)) {
    step["wait"] = RandomWait(dice, past_pivot);
    return step;
  }
  if (!pivot && !past_pivot && dice.Chance(3)) {
    step["refuse"] = {{"code", "no"}, {"message", "${string(input.no)}"}};
    return step;
  }
  step["participant"] = "p";
  step[Name(mode, Role::kForward)] = RandomCall(dice, mode, id);
  if (dice.Chance(25)) {
    step["alternatives"] = Json::array({RandomCall(dice, mode, id)});
    // One that goes elsewhere has to say how it is settled.
    const bool elsewhere = step["alternatives"][0].contains("transaction") !=
                           step[Name(mode, Role::kForward)].contains("transaction");
    if (!past_pivot && !pivot && (elsewhere || dice.Chance(40))) {
      SettleAlternative(dice, mode, id, step["alternatives"][0]);
    }
  }
  if (!pivot && dice.Chance(20)) {
    step["forEach"] = {{"items", "${all}"}, {"maxParallel", 2}};
  }
  if (!past_pivot && !(pivot && (MixesWays(mode, step) || dice.Chance(60)))) {
    AddSettling(dice, mode, id, step);
    if (step[Name(mode, Role::kForward)].contains("transaction") && dice.Chance(50)) {
      step["compensate"] = "child";
    }
  }
  if (pivot) {
    step["pivot"] = true;
  } else if (mode == Mode::kSaga && dice.Chance(12)) {
    step["optional"] = true;
  } else if (mode == Mode::kSaga && dice.Chance(8)) {
    step["onGiveUp"] = "incident";
  }
  if (step.contains("alternatives") && dice.Chance(40)) {
    step["alternatives"][0]["on"] = Json::array({409, "SOLD_OUT"});
  }
  Json& forward = step[Name(mode, Role::kForward)];
  if (mode == Mode::kSaga && step.contains("alternatives") && step.contains("compensate") &&
      !forward.contains("transaction") && dice.Chance(50)) {
    Json& alternative = step["alternatives"][0];
    alternative["after"] = "undo";
    alternative["on"] = dice.Chance(50) ? Json("given-up") : Json::array({409, "given-up"});
  }
  if (!past_pivot && !forward.contains("transaction") && !step.value("onePhase", false) &&
      !step.contains("optional") && dice.Chance(10)) {
    // The participants did what they were asked for, so what is refused has to be undone.
    forward["refuseWhen"] = dice.Chance(50) ? "${output.n == 1}" : "${output.n.m}";
    forward["effect"] = "kept";
  }
  if (!forward.contains("transaction") && !step.value("onePhase", false) && dice.Chance(8)) {
    // What the participants answer is the end, or never is.
    forward["repeat"] = {{"until", "${output.n == " + std::to_string(1 + dice.Below(2)) + "}"},
                         {"every", "1s"},
                         {"times", 3}};
  }
  if (dice.Chance(20) && MayHaveDeadline(mode, step)) {
    step["deadline"] = "6s";
  }
  return step;
}

// Two that race for a third.
Json RandomRace(Dice& dice) {
  Json steps = Json::array();
  for (const char* id : {"ra", "rb"}) {
    Json step = RandomStep(dice, Mode::kSaga, id, false, false);
    if (!step.contains("action")) {
      step = {{"id", id}, {"participant", "p"}, {"action", {{"post", "/r"}}}};
      AddSettling(dice, Mode::kSaga, id, step);
    }
    for (const char* field : {"forEach", "when", "optional", "onGiveUp"}) {
      step.erase(field);
    }
    for (const char* field : {"refuseWhen", "effect"}) {
      step["action"].erase(field);
    }
    step["after"] = Json::array();
    steps.push_back(std::move(step));
  }
  Json goal = RandomStep(dice, Mode::kSaga, "goal", false, false);
  goal["after"] = {{"any", {"ra", "rb"}}};
  steps.push_back(std::move(goal));
  return steps;
}

bool HasPivot(const Json& block) {
  return block.dump().find("\"pivot\"") != std::string::npos;
}

// One of a block: it can not be there for each element of a list of its own, and no signal says
// which element it is for.
Json RandomStepOfBlock(Dice& dice, const std::string& id, bool past_pivot) {
  Json step = RandomStep(dice, Mode::kSaga, id, past_pivot, false);
  step.erase("forEach");
  if (step.contains("wait") && step["wait"].contains("signal")) {
    step["wait"] = {{"for", "2s"}};
  }
  return step;
}

Json RandomEach(Dice& dice, const std::string& id, bool past_pivot) {
  Json steps = Json::array();
  for (const char* name : {"a", "b", "c"}) {
    steps.push_back(RandomStepOfBlock(dice, id + name, past_pivot));
  }
  if (dice.Chance(30)) {
    steps.push_back(
        {{"id", id + "d"},
         {"choose", Json::array({{{"when", "${index == 1}"},
                                  {"steps", {RandomStepOfBlock(dice, id + "e", past_pivot)}}}})}});
  }
  if (dice.Chance(30)) {
    steps[2]["after"] = Json::array({id + "a"});
  }
  return {{"id", id},
          {"forEach",
           {{"items", "${all}"}, {"maxParallel", 1 + dice.Below(3)}, {"steps", std::move(steps)}}}};
}

// Where another way has a pivot, nothing waits for an undo: what follows that pivot may commit.
void FollowRefusalsAlone(Json& steps) {
  for (Json& step : steps) {
    if (step.contains("alternatives")) {
      step["alternatives"][0].erase("after");
      step["alternatives"][0].erase("on");
    }
  }
}

// A step, or a choice between several, one of which may be the pivot.
Json RandomBlock(Dice& dice, Mode mode, size_t index, bool past_pivot, bool pivot) {
  const std::string id = "s" + std::to_string(index);
  if (mode == Mode::kSaga && !pivot && dice.Chance(15)) {
    return RandomEach(dice, id, past_pivot);
  }
  if (!dice.Chance(15)) {
    return RandomStep(dice, mode, id, past_pivot, pivot);
  }
  Json ways = Json::array();
  for (const char* name : {"a", "b"}) {
    Json steps = Json::array({RandomStep(dice, mode, id + name, past_pivot, false)});
    if (pivot && dice.Chance(60)) {
      steps.push_back(RandomStep(dice, mode, id + name + "p", past_pivot, true));
    }
    if (pivot) {
      FollowRefusalsAlone(steps);
    }
    ways.push_back({{"steps", std::move(steps)}});
  }
  ways[0]["when"] = dice.Chance(50) ? "${input.yes}" : "${input.no}";
  if (dice.Chance(50)) {
    ways[1]["when"] = "${input.yes}";
  }
  return {{"id", id}, {"choose", std::move(ways)}};
}

// What is called once the outcome is decided.
Json RandomAfterwards(Dice& dice, const std::string& id, bool aborted) {
  Json steps = Json::array();
  for (size_t i = 0; i < 1 + dice.Below(2); ++i) {
    Json step = RandomStep(dice, Mode::kSaga, id + std::to_string(i), true, false);
    if (step.contains("wait") ||
        (aborted && step.dump().find("transaction") != std::string::npos)) {
      step = {
          {"id", step["id"]},
          {"participant", "p"},
          {"action",
           {{"post", "/told"}, {"body", aborted ? "${failure.step} ${failure.code}" : "${key}"}}}};
    }
    step["optional"] = dice.Chance(70);
    if (step["optional"] == true) {
      step.erase("onGiveUp");
    }
    if (dice.Chance(30)) {
      step["after"] = Json::array();
    }
    steps.push_back(std::move(step));
  }
  return steps;
}

std::string SettleRetryName(Mode mode) {
  return mode == Mode::kSaga ? "compensateRetry" : "settleRetry";
}

}  // namespace

std::string RandomDefinition(Dice& dice, Mode mode) {
  const size_t count = 1 + dice.Below(mode == Mode::kTwoPhaseCommit ? 4 : 6);
  const bool graph = dice.Chance(50);
  const std::optional<size_t> pivot = mode == Mode::kSaga && !graph && dice.Chance(50)
                                          ? std::optional(dice.Below(count))
                                          : std::nullopt;
  Json race = mode == Mode::kSaga && dice.Chance(20) ? RandomRace(dice) : Json::array();
  Json steps = Json::array();
  for (size_t i = 0; i < count; ++i) {
    Json step =
        RandomBlock(dice, mode, i, pivot && i > *pivot && HasPivot(steps[*pivot]), pivot == i);
    if (graph) {
      step["after"] = Json::array();
      for (size_t before = 0; before < i; ++before) {
        if (dice.Chance(40)) {
          step["after"].push_back("s" + std::to_string(before));
        }
      }
    }
    if (!race.empty() && !graph && i == 0) {
      step["after"] = {"goal"};
    }
    steps.push_back(std::move(step));
  }
  race.insert(race.end(), steps.begin(), steps.end());
  Json definition = {
      {"name", "walk"},
      {"mode", std::string(dsl::ModeName(mode))},
      {"participants", {{"p", {{"http", "http://p"}}}}},
      {"let", {{"all", "${input.list}"}, {"sure", "${input.yes && size(all) >= 0}"}}},
      {"retry", RandomRetry(dice)},
      {SettleRetryName(mode), RandomRetry(dice)},
      {"steps", std::move(race)}};
  if (dice.Chance(30)) {
    definition["deadline"] = "40s";
  }
  if (mode == Mode::kSaga && dice.Chance(25)) {
    definition["onCommitted"] = RandomAfterwards(dice, "c", false);
  }
  if (mode == Mode::kSaga && dice.Chance(25)) {
    definition["onAborted"] = RandomAfterwards(dice, "x", true);
  }
  return definition.dump();
}

std::string RandomBranch(Dice& dice, Mode mode, const std::string& id) {
  Json branch = {{"id", id},
                 {"participant", {{"http", "http://p"}}},
                 {SettleRetryName(mode), RandomRetry(dice)},
                 {Name(mode, Role::kUndo), {{"delete", "/" + id + "/${key}"}}}};
  if (mode != Mode::kSaga) {
    branch[Name(mode, Role::kFinish)] = {{"post", "/" + id + "/${key}"}};
  }
  if (mode == Mode::kTcc && dice.Chance(40)) {
    branch["expires"] = {{"at", "20s"}, {"margin", "1s"}};
  }
  if (mode == Mode::kTwoPhaseCommit) {
    branch[Name(mode, Role::kForward)] = {{"post", "/" + id}};
    branch["retry"] = RandomRetry(dice);
    branch["onePhase"] = dice.Chance(60);
  }
  return branch.dump();
}

}  // namespace entente::engine::test
