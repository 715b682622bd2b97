#include "tests/sim/services.h"

#include <functional>

namespace entente::sim {
namespace {

engine::Reply No(const char* why) {
  return engine::ReplyRefused{{"http.409", why}};
}

engine::Reply Yes(const std::string& key) {
  return engine::ReplyDone{Json{{"id", key}, {"price", 100}}};
}

}  // namespace

bool Services::Refuses(const std::string& key) const {
  return std::hash<std::string>()(key + std::to_string(seed_)) % 1000 < refusals_;
}

void Services::Write(const Call& call, const std::string& key, Instant now) {
  ledger_.push_back({call.command.gid, call.command.branch, call.command.role, key, now});
}

engine::Reply Services::Handle(const Call& call, Instant now, const Faults& faults, Dice& dice) {
  const bool settles = call.command.role != dsl::Role::kForward;
  if (dice.Chance(faults.fail_before)) {
    return engine::ReplyUnknown{{"http.503", "nothing done"}, std::nullopt};
  }
  if (settles && !call.one_phase && dice.Chance(faults.refuse_settling)) {
    return dice.Chance(faults.heuristic)
               ? engine::Reply(engine::ReplyHeuristic{engine::HeuristicOutcome::kMixed,
                                                      {"http.409", "look at me"}})
               : No("not now");
  }
  engine::Reply reply;
  switch (call.command.role) {
    case dsl::Role::kForward: reply = Forward(call, now); break;
    case dsl::Role::kUndo: reply = Undo(call, now); break;
    case dsl::Role::kFinish:
      reply = call.one_phase ? CommitInOnePhase(call, now) : Finish(call, now);
      break;
  }
  if (dice.Chance(faults.fail_after)) {
    return engine::ReplyUnknown{{"http.500", "done, but who knows"}, std::nullopt};
  }
  if (settles && std::holds_alternative<engine::ReplyDone>(reply) &&
      dice.Chance(faults.heuristic)) {
    return engine::ReplyHeuristic{call.command.role == dsl::Role::kUndo
                                      ? engine::HeuristicOutcome::kRolledBack
                                      : engine::HeuristicOutcome::kCommitted,
                                  {"http.409", "done already"}};
  }
  return reply;
}

engine::Reply Services::Forward(const Call& call, Instant now) {
  const std::string key = engine::StepKey(call.command);
  Entry& entry = entries_[key];
  const bool saga = call.mode == dsl::Mode::kSaga;
  switch (entry) {
    case Entry::kUndone: return No("it was undone before");
    case Entry::kRefused: return No("no room");
    case Entry::kReserved:
    case Entry::kDone: return Yes(key);
    case Entry::kReadOnly: break;
    case Entry::kNone:
      if (call.client_driven && call.mode == dsl::Mode::kTwoPhaseCommit) {
        entry = Entry::kRefused;
        return No("there is nothing to prepare");
      }
      [[fallthrough]];
    case Entry::kWorked:
      if (Refuses(key)) {
        // A saga's service may change its mind; what is reserved or prepared is asked for once.
        entry = saga ? entry : Entry::kRefused;
        return No("no room");
      }
      if (call.mode == dsl::Mode::kTwoPhaseCommit && std::hash<std::string>()(key) % 5 == 0) {
        entry = Entry::kReadOnly;
        break;
      }
      entry = saga ? Entry::kDone : Entry::kReserved;
      if (saga) {
        Write(call, key, now);
      }
      return Yes(key);
  }
  engine::ReplyDone done;
  done.output = Json{{"id", key}, {"price", 100}};
  done.read_only = true;
  return done;
}

bool Services::Work(const Call& call, Instant now) {
  if (call.mode != dsl::Mode::kTwoPhaseCommit) {
    return std::holds_alternative<engine::ReplyDone>(Forward(call, now));
  }
  Entry& entry = entries_[engine::StepKey(call.command)];
  if (entry == Entry::kNone) {
    entry = Entry::kWorked;
  }
  return entry == Entry::kWorked;
}

engine::Reply Services::Undo(const Call& call, Instant now) {
  const std::string key = engine::StepKey(call.command);
  Entry& entry = entries_[key];
  if (entry == Entry::kDone && call.mode != dsl::Mode::kSaga) {
    violations_.push_back("I3: " + key + " was made final and is to be undone");
    return No("it is final");
  }
  if (entry == Entry::kDone) {
    Write(call, key, now);
  }
  entry = Entry::kUndone;
  return engine::ReplyDone{};
}

engine::Reply Services::Finish(const Call& call, Instant now) {
  const std::string key = engine::StepKey(call.command);
  Entry& entry = entries_[key];
  if (entry == Entry::kReserved) {
    entry = Entry::kDone;
    Write(call, key, now);
  } else if (entry != Entry::kDone) {
    violations_.push_back("I3: " + key + " is to be made final, but nothing is held for it");
    return No("there is nothing to make final");
  }
  return engine::ReplyDone{};
}

engine::Reply Services::CommitInOnePhase(const Call& call, Instant now) {
  const std::string key = engine::StepKey(call.command);
  Entry& entry = entries_[key];
  switch (entry) {
    case Entry::kDone: return Yes(key);
    case Entry::kUndone:
    case Entry::kRefused:
      // It knows its own decision, so a repeat gets a definite answer too.
      return engine::ReplyHeuristic{engine::HeuristicOutcome::kRolledBack,
                                    {"http.409", "rolled back"}};
    case Entry::kReadOnly:
    case Entry::kReserved:
      violations_.push_back("G2: " + key + " is prepared and is to be committed in one phase");
      return No("it is prepared");
    case Entry::kNone:
    case Entry::kWorked: break;
  }
  if (Refuses(key) || (call.client_driven && entry == Entry::kNone)) {
    entry = Entry::kRefused;
    return No("no");
  }
  entry = Entry::kDone;
  Write(call, key, now);
  return Yes(key);
}

}  // namespace entente::sim
