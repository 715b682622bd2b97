#include "tests/sim/spec.h"

#include <algorithm>
#include <utility>

#include "base/json.h"

namespace entente::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Kind = StepSpec::Kind;
using Undo = StepSpec::Undo;

constexpr uint32_t kSettleAttempts = 6;

std::string Text(Duration span) {
  return std::to_string(std::chrono::duration_cast<milliseconds>(span).count()) + "ms";
}

// The words of a protocol for doing, undoing and making final.
struct Words {
  const char* apply;
  const char* undo;
  const char* finish;
  const char* settle_retry;
};
Words WordsOf(Protocol protocol) {
  switch (protocol) {
    case Protocol::kSaga: return {"action", "compensate", "", "compensateRetry"};
    case Protocol::kTcc: return {"try", "cancel", "confirm", "settleRetry"};
    case Protocol::kTwoPhase: return {"prepare", "rollback", "commit", "settleRetry"};
  }
  return {};
}

const char* FieldOf(StepSpec::Stage stage) {
  switch (stage) {
    case StepSpec::Stage::kMain: return "steps";
    case StepSpec::Stage::kCommitted: return "onCommitted";
    case StepSpec::Stage::kAborted: return "onAborted";
  }
  return "";
}

Json Retry(uint32_t attempts) {
  return {{"initial", "10ms"}, {"factor", 2}, {"max", "100ms"}, {"attempts", attempts}};
}

std::string Path(const std::string& root, const std::string& step, size_t way, const char* verb,
                 const std::string& key = "${key}") {
  return "/" + root + "/" + step + "/" + std::to_string(way) + "/" + verb + "/" + key;
}

Json UndoOf(const std::string& root, const StepSpec& step, size_t way) {
  const std::string output = "${steps." + step.id + ".output.id}";
  switch (step.undo) {
    case Undo::kByKey: return {{"delete", Path(root, step.id, way, "undo")}};
    case Undo::kByOutput:
      return {{"delete", Path(root, step.id, way, "undo", output)},
              {"whenUnknown", {{"delete", Path(root, step.id, way, "undo")}}}};
    case Undo::kAsk:
      return {{"delete", Path(root, step.id, way, "undo", output)}, {"whenUnknown", "incident"}};
    case Undo::kByChild:
      return {{"transaction", {{"definition", "payback"}, {"input", {{"items", Json::array()}}}}}};
    case Undo::kChild: return "child";
    case Undo::kNone: break;
  }
  return nullptr;
}

void AddSettling(Json& to, Protocol protocol, const StepSpec& step, size_t way) {
  const Words words = WordsOf(protocol);
  if (!step.after_pivot && step.stage == StepSpec::Stage::kMain) {
    to[words.undo] = UndoOf(NameOf(protocol), step, way);
  }
  if (protocol != Protocol::kSaga) {
    to[words.finish] = {{"put", Path(NameOf(protocol), step.id, way, "finish")}};
  }
}

Json Alternatives(Protocol protocol, const StepSpec& step) {
  Json all = Json::array();
  for (size_t n = 1; n <= step.alternatives; ++n) {
    const bool elsewhere = step.elsewhere && n == step.alternatives;
    const size_t way = elsewhere ? n : 0;
    Json one = {{"post", Path(NameOf(protocol), step.id, way, "do")}};
    if (step.by_code) {
      one["on"] = {CodeFor(n)};
    }
    if (step.after_undo && n == step.alternatives) {
      one["on"] = "given-up";
      one["after"] = "undo";
    }
    if (elsewhere) {
      AddSettling(one, protocol, step, way);
    }
    all.push_back(std::move(one));
  }
  return all;
}

// The same duration, which is known only when it is asked for.
std::string Computed(Duration duration) {
  return "${gid == '' ? '1ms' : '" + Text(duration) + "'}";
}

Json WaitOf(const StepSpec& step) {
  if (step.kind == Kind::kSleep) {
    return {{"for", Text(step.wait.value())}};
  }
  Json wait = {{"signal", "go"}, {"payload", {{"type", "integer"}}}};
  if (step.wait) {
    wait["timeout"] = Computed(*step.wait);
    wait["onTimeout"] = step.fails_late ? "fail" : "continue";
    if (step.fails_late) {
      wait.erase("onTimeout");
    }
  }
  return wait;
}

void AddCall(Json& to, Protocol protocol, const StepSpec& step) {
  const Words words = WordsOf(protocol);
  to["participant"] = "p";
  to[words.apply] = {{"post", Path(NameOf(protocol), step.id, 0, "do")}};
  if (step.rounds > 0) {
    to[words.apply]["repeat"] = {
        {"until", "${output.asked >= " + std::to_string(step.rounds) + "}"},
        {"every", "20ms"},
        {"backoff", 2},
        {"times", 6}};
  }
  if (step.busy) {
    to[words.apply]["retryOn"] = {423};
  }
  if (!step.tag_of.empty()) {
    to[words.apply]["headers"] = {{"If-Match", "${steps." + step.tag_of + ".headers.etag}"}};
  }
  if (step.alternatives > 0) {
    to["alternatives"] = Alternatives(protocol, step);
  }
  AddSettling(to, protocol, step, 0);
  if (step.each_parallel > 0 && !step.in_block) {
    to["forEach"] = {{"items", "${all}"}, {"maxParallel", step.each_parallel}};
  }
  if (step.deadline) {
    to["deadline"] = Computed(*step.deadline);
  }
  if (step.hold) {
    to["expires"] = {{"at", Text(step.hold->lasts)}};
    if (step.hold->margin) {
      to["expires"]["margin"] = Text(*step.hold->margin);
    }
  }
  if (step.one_phase) {
    to["onePhase"] = true;
  }
  if (step.optional || step.stage != StepSpec::Stage::kMain) {
    to["optional"] = step.optional;
  }
}

Json StepJson(const PlanSpec& plan, const StepSpec& step) {
  Json json = {{"id", step.id}, {"after", Json::array()}};
  for (const size_t before : step.after) {
    json["after"].push_back(plan.steps[before].id);
  }
  if (step.after_any) {
    json["after"] = {{"any", json["after"]}};
  }
  if (step.when_over) {
    json["when"] = "${size(all) > " + std::to_string(*step.when_over) + "}";
  }
  switch (step.kind) {
    case Kind::kCall: AddCall(json, plan.protocol, step); break;
    case Kind::kSleep:
    case Kind::kSignal: json["wait"] = WaitOf(step); return json;
    case Kind::kChild:
      json["action"] = {
          {"transaction", {{"definition", step.child}, {"input", {{"items", {1, 2}}}}}}};
      if (!step.after_pivot) {
        json["compensate"] = UndoOf("saga", step, 0);
      }
      break;
  }
  if (step.pivot) {
    json["pivot"] = true;
  }
  if (step.kind == Kind::kCall) {
    json["retry"] = Retry(step.attempts);
  }
  return json;
}

StepSpec Call(std::string id, std::vector<size_t> after) {
  StepSpec step{.id = std::move(id)};
  step.after = std::move(after);
  return step;
}

template <class Change>
StepSpec With(StepSpec step, Change change) {
  change(step);
  return step;
}

StepSpec Pivot(std::string id, std::vector<size_t> after) {
  return With(Call(std::move(id), std::move(after)), [](StepSpec& step) {
    step.pivot = true;
    step.undo = Undo::kNone;
  });
}

StepSpec Later(std::string id, std::vector<size_t> after) {
  return With(Call(std::move(id), std::move(after)), [](StepSpec& step) {
    step.after_pivot = true;
    step.undo = Undo::kNone;
    step.attempts = 8;
  });
}

StepSpec Each(std::string id, std::vector<size_t> after, size_t parallel) {
  return With(Call(std::move(id), std::move(after)),
              [parallel](StepSpec& step) { step.each_parallel = parallel; });
}

StepSpec InBlock(StepSpec step, size_t parallel) {
  step.in_block = true;
  step.each_parallel = parallel;
  return step;
}

StepSpec Child(std::string id, std::vector<size_t> after, std::string definition, Undo undo) {
  return With(Call(std::move(id), std::move(after)), [&](StepSpec& step) {
    step.kind = Kind::kChild;
    step.child = std::move(definition);
    step.undo = undo;
  });
}

StepSpec Signal(std::string id, std::vector<size_t> after, std::optional<Duration> at_most,
                bool fails_late = false) {
  return With(Call(std::move(id), std::move(after)), [&](StepSpec& step) {
    step.kind = Kind::kSignal;
    step.undo = Undo::kNone;
    step.wait = at_most;
    step.fails_late = fails_late;
  });
}

StepSpec Sleep(std::string id, std::vector<size_t> after, Duration span) {
  return With(Call(std::move(id), std::move(after)), [&](StepSpec& step) {
    step.kind = Kind::kSleep;
    step.undo = Undo::kNone;
    step.wait = span;
  });
}

StepSpec Undone(StepSpec step, Undo undo) {
  step.undo = undo;
  return step;
}

StepSpec Alternatives(StepSpec step, size_t count, bool elsewhere) {
  step.alternatives = count;
  step.elsewhere = elsewhere;
  return step;
}

// Given up soon, so that the last of its alternatives has its turn.
StepSpec OnceUndone(StepSpec step) {
  step.after_undo = true;
  step.attempts = 2;
  return step;
}

StepSpec Held(StepSpec step, Duration lasts, std::optional<Duration> margin = std::nullopt) {
  step.hold = HoldSpec{lasts, margin};
  return step;
}

StepSpec OnePhase(StepSpec step, std::optional<size_t> when_over = std::nullopt) {
  step.one_phase = true;
  step.when_over = when_over;
  return step;
}

StepSpec Once(StepSpec::Stage stage, StepSpec step) {
  step.stage = stage;
  step.undo = Undo::kNone;
  step.attempts = 8;
  return step;
}

StepSpec Rounds(StepSpec step, uint32_t rounds) {
  step.rounds = rounds;
  return step;
}

StepSpec ByCode(StepSpec step) {
  step.by_code = true;
  return step;
}

StepSpec Busy(StepSpec step) {
  step.busy = true;
  return step;
}

StepSpec Tagged(StepSpec step, std::string of) {
  step.tag_of = std::move(of);
  return step;
}

StepSpec First(StepSpec step) {
  step.after_any = true;
  return step;
}

StepSpec Optional(StepSpec step) {
  step.optional = true;
  return step;
}

StepSpec When(StepSpec step, size_t over) {
  step.when_over = over;
  return step;
}

std::vector<PlanSpec> Sagas() {
  return {
      {"line",
       Protocol::kSaga,
       {Call("a", {}), Alternatives(Call("b", {0}), 1, false), Call("c", {1})}},
      {"diamond",
       Protocol::kSaga,
       {Call("a", {}), Call("b", {0}), Undone(Call("c", {0}), Undo::kByOutput), Call("d", {1, 2})}},
      {"elsewhere",
       Protocol::kSaga,
       {Alternatives(Call("a", {}), 2, true),
        Alternatives(Undone(Call("b", {0}), Undo::kByOutput), 1, true), Call("c", {1})}},
      {"asks", Protocol::kSaga, {Undone(Call("a", {}), Undo::kAsk), Call("b", {0})}},
      {"in-a-hurry",
       Protocol::kSaga,
       {Call("a", {}),
        With(Call("b", {}), [](StepSpec& step) { step.deadline = milliseconds(300); }),
        Call("c", {0, 1})}},
      {"pivot", Protocol::kSaga, {Call("a", {}), Pivot("p", {0}), Later("z", {1})}},
      // The way to the pivot and the way from it both fork.
      {"pivot-graph",
       Protocol::kSaga,
       {Call("a", {}), Call("b", {}), Call("c", {0}), Pivot("p", {1, 2}), Later("x", {3}),
        Alternatives(Later("y", {3}), 1, false), Later("z", {4, 5})}},
      {"pivot-first",
       Protocol::kSaga,
       {Pivot("p", {}), Each("x", {0}, 2), Signal("s", {0}, seconds(1)), Later("z", {1, 2})}},
      {"pivot-last",
       Protocol::kSaga,
       {Each("a", {}, 3), When(Call("b", {}), 1), Alternatives(Pivot("p", {0, 1}), 1, false)}},
      {"pivot-with-undo",
       Protocol::kSaga,
       {Call("a", {}), Undone(Pivot("p", {0}), Undo::kByKey), Later("z", {1})}},
      {"pivot-of-a-child",
       Protocol::kSaga,
       {Call("a", {}),
        With(Child("p", {0}, "line", Undo::kNone), [](StepSpec& step) { step.pivot = true; }),
        Later("z", {1})}},
      {"pivot-then-child",
       Protocol::kSaga,
       {Pivot("p", {}), Child("kid", {0}, "line", Undo::kNone), Later("z", {1})}},
      {"fan", Protocol::kSaga, {Call("a", {}), Each("f", {0}, 2), When(Call("c", {1}), 1)}},
      {"without",
       Protocol::kSaga,
       {Optional(Call("a", {})), Optional(Each("f", {0}, 2)),
        Alternatives(Optional(Call("b", {})), 1, true), Call("c", {1, 2}), Pivot("p", {3}),
        Optional(Later("z", {4}))}},
      {"again",
       Protocol::kSaga,
       {Call("a", {}), Rounds(Call("b", {0}), 3), Rounds(Each("f", {1}, 2), 2),
        Rounds(Pivot("p", {2}), 2)}},
      {"by-error",
       Protocol::kSaga,
       {Busy(Call("a", {})), ByCode(Alternatives(Call("b", {0}), 2, true)),
        ByCode(Alternatives(Busy(Each("f", {1}, 2)), 1, false)), Tagged(Call("c", {1}), "a"),
        ByCode(Alternatives(Tagged(Pivot("p", {2, 3}), "c"), 1, false))}},
      {"given-up",
       Protocol::kSaga,
       {Call("a", {}), OnceUndone(Alternatives(Call("b", {0}), 1, true)),
        OnceUndone(Alternatives(Undone(Each("f", {1}, 2), Undo::kByOutput), 2, false)),
        OnceUndone(Alternatives(Optional(Undone(Call("c", {1}), Undo::kAsk)), 1, false)),
        OnceUndone(Alternatives(Undone(Pivot("p", {2, 3}), Undo::kByKey), 1, true)),
        Later("z", {4})}},
      {"race",
       Protocol::kSaga,
       {Call("a", {}), Alternatives(Call("b", {0}), 1, true),
        Undone(Call("c", {0}), Undo::kByOutput), Call("d", {}), First(Call("e", {1, 2})),
        Pivot("p", {3, 4}), Later("z", {5})}},
      {"race-for-the-pivot",
       Protocol::kSaga,
       {Undone(Call("a", {}), Undo::kByOutput), Call("b", {}), Undone(Call("c", {}), Undo::kAsk),
        First(Pivot("p", {0, 1, 2})), Later("z", {3}),
        Once(StepSpec::Stage::kCommitted, Call("t", {}))}},
      {"race-of-a-child",
       Protocol::kSaga,
       {OnceUndone(Alternatives(Call("a", {}), 1, false)), Child("kid", {}, "line", Undo::kByChild),
        First(Call("b", {0, 1})), Call("c", {2})}},
      {"race-of-holders",
       Protocol::kSaga,
       {Child("kid", {}, "line", Undo::kChild), Child("other", {}, "fan", Undo::kChild),
        First(Call("b", {0, 1})), Call("c", {2})}},
      {"told",
       Protocol::kSaga,
       {Call("a", {}), Call("b", {0}), Optional(Once(StepSpec::Stage::kCommitted, Call("c", {}))),
        Once(StepSpec::Stage::kCommitted, Each("f", {2}, 2)),
        Optional(Once(StepSpec::Stage::kAborted, Alternatives(Call("x", {}), 1, false))),
        Once(StepSpec::Stage::kAborted, Call("y", {4}))}},
      {"one-by-one", Protocol::kSaga, {Each("f", {}, 1), Call("c", {0})}},
      {"block",
       Protocol::kSaga,
       {Call("a", {}), InBlock(Call("b", {0}), 2),
        InBlock(Alternatives(Undone(Call("c", {1}), Undo::kByOutput), 1, true), 2),
        InBlock(Optional(When(Call("d", {1}), 1)), 2), InBlock(Call("e", {2, 3}), 2),
        Pivot("p", {4})}},
      {"block-one-by-one",
       Protocol::kSaga,
       {InBlock(Call("a", {}), 1), InBlock(Rounds(Call("b", {0}), 2), 1), Call("c", {1})}},
      {"pivot-then-block",
       Protocol::kSaga,
       {Pivot("p", {}), InBlock(Later("x", {0}), 2), InBlock(Later("y", {1}), 2)}},
      {"waits",
       Protocol::kSaga,
       {Call("a", {}), Sleep("w", {0}, milliseconds(50)), Signal("s", {1}, seconds(2)),
        Call("b", {2})}},
      {"two-signals",
       Protocol::kSaga,
       {Call("a", {}), Signal("s", {0}, seconds(1)), Signal("t", {1}, milliseconds(700), true),
        Call("b", {2})}},
      {"both-signals",
       Protocol::kSaga,
       {Signal("s", {}, std::nullopt), Signal("t", {}, std::nullopt), Call("b", {0, 1})}},
      {"hopeless",
       Protocol::kSaga,
       {Call("a", {}), Signal("s", {0}, std::nullopt), Call("b", {1})},
       seconds(2),
       true},
      {"parent",
       Protocol::kSaga,
       {Call("a", {}), Child("kid", {0}, "line", Undo::kNone), Call("c", {1})}},
      {"parent-of-tcc",
       Protocol::kSaga,
       {Call("a", {}), Child("kid", {0}, "hold-fan", Undo::kByChild), Call("c", {1})}},
      {"parent-of-2pc",
       Protocol::kSaga,
       {Call("a", {}), Child("kid", {0}, "vote", Undo::kByChild), Call("c", {1})}},
      {"holder",
       Protocol::kSaga,
       {Call("a", {}), Child("kid", {0}, "line", Undo::kChild), Call("c", {1})}},
      {"holder-of-two",
       Protocol::kSaga,
       {Child("kid", {}, "told", Undo::kChild), Child("other", {}, "fan", Undo::kChild),
        Signal("s", {0}, milliseconds(500)), Pivot("p", {1, 2}), Later("z", {3})}},
      {"holder-of-holders",
       Protocol::kSaga,
       {Child("kid", {}, "holder", Undo::kChild), Call("b", {}), Call("c", {0, 1})}},
      {"grandparent",
       Protocol::kSaga,
       {Child("kid", {}, "parent", Undo::kNone), Call("b", {}), Call("c", {0, 1})}},
      {"payback", Protocol::kSaga, {Pivot("a", {})}},
  };
}

std::vector<PlanSpec> Agreements() {
  const auto tcc = Protocol::kTcc;
  const auto vote = Protocol::kTwoPhase;
  return {
      {"hold-all",
       tcc,
       {Held(Call("a", {}), seconds(1)), Call("b", {}),
        Held(Call("c", {}), milliseconds(800), milliseconds(300))}},
      {"hold-line",
       tcc,
       {Held(Call("a", {}), milliseconds(600), milliseconds(100)), Call("b", {0}),
        Alternatives(Held(Call("c", {1}), milliseconds(600), milliseconds(100)), 1, true)}},
      {"hold-fan", tcc, {Call("a", {}), Each("f", {0}, 2), Sleep("w", {0}, milliseconds(50))}},
      {"hold-and-wait",
       tcc,
       {Held(Call("a", {}), milliseconds(700), milliseconds(200)), Signal("s", {}, seconds(2))}},
      {"vote", vote, {Call("a", {}), Call("b", {}), When(Call("c", {}), 2)}},
      {"vote-fan", vote, {Each("f", {}, 2), Alternatives(Call("b", {}), 1, true)}},
      {"alone", vote, {OnePhase(Call("a", {})), OnePhase(Call("b", {}), 3)}},
      // Alone only if the first had nothing to commit.
      {"last-agent", vote, {Call("a", {}), OnePhase(Call("b", {0}))}},
      {"solo", vote, {OnePhase(Call("a", {}))}},
      {"solo-in-time", vote, {OnePhase(Call("a", {}))}, milliseconds(600)},
  };
}

// What follows the pivot only goes forward: it has nothing that undoes it.
void MarkPivot(PlanSpec& plan) {
  const auto before = Closure(plan);
  for (size_t pivot = 0; pivot < plan.steps.size(); ++pivot) {
    for (size_t step = 0; plan.steps[pivot].pivot && step < plan.steps.size(); ++step) {
      if (before[step][pivot]) {
        plan.steps[step].after_pivot = true;
        plan.steps[step].undo = Undo::kNone;
        plan.steps[step].after_undo = false;
      }
    }
  }
}

// Any of the steps from `first` on, but at least the last one, so that the graph has no loose ends
// where it may have none.
std::vector<size_t> DrawAfter(size_t first, size_t end, Dice& dice) {
  std::vector<size_t> after;
  for (size_t before = first; before < end; ++before) {
    if (dice.Chance(400)) {
      after.push_back(before);
    }
  }
  return after;
}

StepSpec DrawStep(Protocol protocol, const std::string& id, Dice& dice) {
  StepSpec step = Call(id, {});
  if (dice.Chance(120)) {
    return dice.Chance(500) ? Sleep(id, {}, milliseconds(20 + dice.Below(100)))
                            : Signal(id, {}, milliseconds(300 + dice.Below(900)), dice.Chance(300));
  }
  if (dice.Chance(200)) {
    step.each_parallel = 1 + dice.Below(3);
  }
  if (dice.Chance(250)) {
    step = Alternatives(step, 1 + dice.Below(2), dice.Chance(500));
  }
  if (dice.Chance(200)) {
    step.when_over = dice.Below(4);
  }
  if (dice.Chance(150)) {
    step.deadline = milliseconds(200 + dice.Below(500));
  }
  step.attempts = 2 + static_cast<uint32_t>(dice.Below(4));
  if (protocol == Protocol::kSaga && dice.Chance(300)) {
    step.undo = Undo::kByOutput;
  }
  step.optional = protocol == Protocol::kSaga && dice.Chance(200);
  step.rounds = protocol == Protocol::kSaga && dice.Chance(120) ? 2 : 0;
  step.by_code = step.alternatives > 0 && dice.Chance(300);
  step.after_undo =
      protocol == Protocol::kSaga && step.alternatives > 0 && !step.by_code && dice.Chance(400);
  step.busy = dice.Chance(200);
  if (protocol == Protocol::kTcc && dice.Chance(400)) {
    step = Held(step, milliseconds(600 + dice.Below(600)), milliseconds(50 + dice.Below(300)));
  }
  if (protocol == Protocol::kTwoPhase && step.alternatives == 0 && step.each_parallel == 0) {
    step.one_phase = dice.Chance(400);
  }
  return step;
}

// The block that the step belongs to: the one that was begun last, or one more. It is begun when
// its first step could be.
Json& BlockFor(const PlanSpec& plan, const StepSpec& step, Json& list) {
  if (list.empty() || list.back()["id"] != "block") {
    Json after = StepJson(plan, step)["after"];
    list.push_back(
        {{"id", "block"},
         {"after", std::move(after)},
         {"forEach",
          {{"items", "${all}"}, {"maxParallel", step.each_parallel}, {"steps", Json::array()}}}});
  }
  return list.back();
}

// Neighbours that call become the steps of a block, unless one of them is the pivot.
void DrawBlock(PlanSpec& plan, Dice& dice) {
  const size_t first = dice.Below(plan.steps.size());
  const size_t parallel = 1 + dice.Below(3);
  for (size_t i = first; i < plan.steps.size(); ++i) {
    StepSpec& step = plan.steps[i];
    if (step.kind != Kind::kCall || step.pivot || step.stage != StepSpec::Stage::kMain ||
        step.after_pivot != plan.steps[first].after_pivot) {
      return;
    }
    step = InBlock(step, parallel);
  }
}

// Some that race, each in its own way, and what comes after the first of them.
void DrawRace(PlanSpec& plan, Dice& dice) {
  const std::vector<size_t> after = DrawAfter(0, plan.steps.size(), dice);
  std::vector<size_t> racers;
  for (size_t n = 2 + dice.Below(2); n > 0; --n) {
    StepSpec racer = DrawStep(Protocol::kSaga, "r" + std::to_string(n), dice);
    if (racer.kind != Kind::kCall) {
      racer = Child(racer.id, {}, "line", dice.Chance(500) ? Undo::kChild : Undo::kByChild);
    }
    racer.after = after;
    racer.each_parallel = 0;
    racer.when_over.reset();
    racer.optional = false;
    racers.push_back(plan.steps.size());
    plan.steps.push_back(std::move(racer));
  }
  plan.steps.push_back(First(Call("goal", std::move(racers))));
}

// The point of no return: whatever is before it leads there, whatever is after it comes from there.
void DrawPivot(PlanSpec& plan, Dice& dice) {
  const size_t pivot = dice.Below(plan.steps.size());
  StepSpec at = Call(plan.steps[pivot].id, {});
  at.pivot = true;
  at.undo = dice.Chance(300) ? Undo::kByKey : Undo::kNone;
  at.attempts = 3;
  for (size_t before = 0; before < pivot; ++before) {
    at.after.push_back(before);
  }
  plan.steps[pivot] = at;
  for (size_t i = pivot + 1; i < plan.steps.size(); ++i) {
    StepSpec& later = plan.steps[i];
    later.deadline.reset();
    later.elsewhere = false;
    later.fails_late = false;
    later.attempts = 8;
    later.after = DrawAfter(pivot + 1, i, dice);
    later.after.insert(later.after.begin(), pivot);
  }
  MarkPivot(plan);
}

}  // namespace

const char* CodeFor(size_t alternative) {
  return alternative == 1 ? "FULL" : "CLOSED";
}

const char* NameOf(Protocol protocol) {
  switch (protocol) {
    case Protocol::kSaga: return "saga";
    case Protocol::kTcc: return "tcc";
    case Protocol::kTwoPhase: return "2pc";
  }
  return "";
}

std::string DefinitionOf(const PlanSpec& plan) {
  Json json = {{"name", plan.name},
               {"mode", NameOf(plan.protocol)},
               {"participants", {{"p", {{"http", "http://p.test"}}}}},
               {"timeout", Text(kCallLimit)},
               {"let", {{"all", "${input.items}"}}},
               {"retry", Retry(4)},
               {WordsOf(plan.protocol).settle_retry, Retry(kSettleAttempts)},
               {"steps", Json::array()}};
  if (plan.deadline) {
    json["deadline"] = Text(*plan.deadline);
  }
  for (const StepSpec& step : plan.steps) {
    Json* list = &json[FieldOf(step.stage)];
    if (step.in_block) {
      list = &BlockFor(plan, step, *list)["forEach"]["steps"];
    }
    list->push_back(StepJson(plan, step));
  }
  return json.dump();
}

std::string BranchOf(Protocol protocol, const StepSpec& step) {
  const Words words = WordsOf(protocol);
  const std::string root = std::string(NameOf(protocol)) + ".client";
  Json json = {{"id", step.id},
               {"participant", {{"http", "http://p.test"}, {"timeout", Text(kCallLimit)}}},
               {words.settle_retry, Retry(kSettleAttempts)},
               {words.undo, {{"delete", Path(root, step.id, 0, "undo")}}}};
  if (protocol != Protocol::kSaga) {
    json[words.finish] = {{"put", Path(root, step.id, 0, "finish")}};
  }
  if (protocol == Protocol::kTwoPhase) {
    json[words.apply] = {{"post", Path(root, step.id, 0, "do")}};
    json["retry"] = Retry(step.attempts);
    json["onePhase"] = step.one_phase;
  }
  if (step.hold) {
    json["expires"] = Text(step.hold->lasts);
  }
  return json.dump();
}

const std::vector<PlanSpec>& StandardPlans() {
  static const std::vector<PlanSpec> all = [] {
    std::vector<PlanSpec> plans = Sagas();
    for (PlanSpec& plan : Agreements()) {
      plans.push_back(std::move(plan));
    }
    for (PlanSpec& plan : plans) {
      MarkPivot(plan);
    }
    return plans;
  }();
  return all;
}

PlanSpec DrawPlan(const std::string& name, Dice& dice) {
  PlanSpec plan;
  plan.name = name;
  plan.protocol = static_cast<Protocol>(dice.Below(3));
  const size_t count = 1 + dice.Below(plan.protocol == Protocol::kTwoPhase ? 3 : 5);
  for (size_t i = 0; i < count; ++i) {
    plan.steps.push_back(DrawStep(plan.protocol, "s" + std::to_string(i), dice));
    plan.steps.back().after = DrawAfter(0, i, dice);
  }
  if (plan.protocol == Protocol::kSaga && dice.Chance(400)) {
    DrawPivot(plan, dice);
  }
  if (plan.protocol == Protocol::kSaga && dice.Chance(200)) {
    DrawBlock(plan, dice);
  }
  const bool has_pivot = std::any_of(plan.steps.begin(), plan.steps.end(),
                                     [](const StepSpec& step) { return step.pivot; });
  if (plan.protocol == Protocol::kSaga && !has_pivot && dice.Chance(200)) {
    DrawRace(plan, dice);
  }
  for (const auto stage : {StepSpec::Stage::kCommitted, StepSpec::Stage::kAborted}) {
    if (plan.protocol == Protocol::kSaga && dice.Chance(200)) {
      StepSpec told = Once(stage, Call(stage == StepSpec::Stage::kAborted ? "x" : "c", {}));
      told.optional = dice.Chance(500);
      plan.steps.push_back(told);
    }
  }
  if (dice.Chance(150)) {
    plan.deadline = milliseconds(500 + dice.Below(1500));
  }
  return plan;
}

std::vector<std::string> BranchesOf(const StepSpec& step, size_t items) {
  if (step.when_over && items <= *step.when_over) {
    return {};
  }
  if (step.each_parallel == 0) {
    return {step.id};
  }
  std::vector<std::string> branches;
  for (size_t i = 0; i < items; ++i) {
    branches.push_back(step.id + ":" + std::to_string(i));
  }
  return branches;
}

bool Calls(const StepSpec& step) {
  return step.kind == Kind::kCall;
}

std::vector<std::vector<bool>> Closure(const PlanSpec& plan) {
  const size_t count = plan.steps.size();
  std::vector<std::vector<bool>> before(count, std::vector<bool>(count, false));
  for (size_t step = 0; step < count; ++step) {
    for (const size_t direct : plan.steps[step].after) {
      before[step][direct] = true;
      for (size_t i = 0; i < count; ++i) {
        before[step][i] = before[step][i] || before[direct][i];
      }
    }
    for (size_t i = 0; plan.steps[step].stage == StepSpec::Stage::kCommitted && i < step; ++i) {
      before[step][i] = before[step][i] || plan.steps[i].stage == StepSpec::Stage::kMain;
    }
  }
  return before;
}

std::string StepName(const std::string& branch) {
  return branch.substr(0, branch.find(':'));
}

size_t ItemOf(const std::string& branch) {
  const size_t colon = branch.find(':');
  return colon == std::string::npos ? 0 : std::stoul(branch.substr(colon + 1));
}

const StepSpec* GoalOf(const PlanSpec& plan, const StepSpec& step) {
  const size_t index = IndexOf(plan, step);
  const auto found = std::find_if(plan.steps.begin(), plan.steps.end(), [&](const StepSpec& goal) {
    return goal.after_any &&
           std::find(goal.after.begin(), goal.after.end(), index) != goal.after.end();
  });
  return found == plan.steps.end() ? nullptr : &*found;
}

const StepSpec* StepOf(const PlanSpec& plan, const std::string& branch) {
  const std::string name = StepName(branch);
  const auto found = std::find_if(plan.steps.begin(), plan.steps.end(),
                                  [&](const StepSpec& step) { return step.id == name; });
  return found == plan.steps.end() ? nullptr : &*found;
}

size_t IndexOf(const PlanSpec& plan, const StepSpec& step) {
  return static_cast<size_t>(&step - plan.steps.data());
}

}  // namespace entente::sim
