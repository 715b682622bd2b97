#include "tests/sim/services.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "tests/sim/spec.h"

namespace entente::sim {
namespace {

engine::Reply No(const char* why, std::string code = "http.409") {
  return engine::ReplyRefused{{std::move(code), why}};
}

}  // namespace

std::string RefusalCode(const std::string& key) {
  switch (std::hash<std::string>()(key + "?") % 3) {
    case 0: return CodeFor(1);
    case 1: return CodeFor(2);
    default: return "http.409";
  }
}

std::optional<Target> ParseTarget(const std::string& target) {
  std::vector<std::string> parts;
  size_t at = 1;
  while (parts.size() < 4) {
    const size_t slash = target.find('/', at);
    if (slash == std::string::npos) {
      return std::nullopt;
    }
    parts.push_back(target.substr(at, slash - at));
    at = slash + 1;
  }
  Target parsed{parts[0], parts[1], parts[2], Verb::kDo, target.substr(at)};
  if (parts[3] == "undo") {
    parsed.verb = Verb::kUndo;
  } else if (parts[3] == "finish") {
    parsed.verb = Verb::kFinish;
  } else if (parts[3] != "do") {
    return std::nullopt;
  }
  return parsed;
}

bool Services::Refuses(const std::string& key) const {
  return std::hash<std::string>()(key + std::to_string(seed_)) % 1000 < refusals_;
}

bool Services::IsStale(const Request& request, const Target& target) {
  if (std::hash<std::string>()(target.place() + std::to_string(seed_)) % 2 == 0) {
    return false;
  }
  Entry& entry = EntryOf(request, target);
  const bool stale = request.epoch < entry.epoch;
  entry.epoch = std::max(entry.epoch, request.epoch);
  return stale;
}

Services::Entry& Services::EntryOf(const Request& request, const Target& target) {
  Entry& entry = entries_[target.place() + "/" + target.key];
  entry.gid = request.gid;
  return entry;
}

void Services::Write(const Request& request, const Target& target, bool undo, Instant now) {
  history_.ledger.push_back(
      {request.gid, request.branch, target.place(), target.key, undo, by_hand_, now});
}

// I11: what is asked for in one transaction's name is that transaction's own.
void Services::CheckName(const Request& request, const Target& target) {
  const std::string name = request.gid + ":" + request.branch;
  if (target.key != name && !target.key.starts_with(name + ":alt")) {
    history_.Violation("I11: " + name + " calls " + request.target);
  }
}

engine::Reply Services::Done(const std::string& key, const Entry& entry) const {
  engine::ReplyDone done;
  done.output = Json{{"id", key}, {"price", 100}, {"asked", entry.asked}};
  done.answer = Json{{"headers", {{"etag", key}}}};
  done.read_only = entry.state == State::kReadOnly;
  done.expires = entry.until;
  return done;
}

engine::Reply Services::Handle(const Request& request, Instant now, const Faults& faults,
                               Dice& dice) {
  const auto target = ParseTarget(request.target);
  if (!target) {
    history_.Violation("a call to nowhere: " + request.target);
    return No("nowhere");
  }
  CheckName(request, *target);
  if (IsStale(request, *target)) {
    history_.Probe("a call of an earlier owner is refused");
    return No("another owner has called since", "barrier.stale_epoch");
  }
  const bool settles = target->verb != Verb::kDo;
  std::optional<Duration> retry_after;
  if (dice.Chance(faults.retry_after)) {
    retry_after = std::chrono::milliseconds(150 + dice.Below(250));
  }
  if (dice.Chance(faults.fail_before)) {
    return engine::ReplyUnknown{{"http.503", "nothing done"}, retry_after};
  }
  if (settles && !request.one_phase && dice.Chance(faults.refuse_settling)) {
    return dice.Chance(faults.heuristic)
               ? engine::Reply(engine::ReplyHeuristic{engine::HeuristicOutcome::kMixed,
                                                      {"http.409", "look at me"}})
               : No("not now");
  }
  engine::Reply reply;
  switch (target->verb) {
    case Verb::kDo: reply = Forward(request, now, faults, dice); break;
    case Verb::kUndo: reply = Undo(request, *target, now); break;
    case Verb::kFinish:
      reply = request.one_phase ? CommitInOnePhase(request, *target, now, faults, dice)
                                : Finish(request, *target, now);
      break;
  }
  if (dice.Chance(faults.fail_after)) {
    return engine::ReplyUnknown{{"http.500", "done, but who knows"}, retry_after};
  }
  if (settles && std::holds_alternative<engine::ReplyDone>(reply) &&
      dice.Chance(faults.heuristic)) {
    return engine::ReplyHeuristic{target->verb == Verb::kUndo
                                      ? engine::HeuristicOutcome::kRolledBack
                                      : engine::HeuristicOutcome::kCommitted,
                                  {"http.409", "done already"}};
  }
  return reply;
}

// What was done before is answered as it was then; or by a service that only knows that it is
// there, once it is asked anew.
engine::Reply Services::Repeated(const Request& request, const Target& target, Entry& entry,
                                 const Faults& faults, Dice& dice) {
  const bool anew = std::pair(request.epoch, request.attempt) != entry.by;
  if (anew && dice.Chance(faults.refuse_repeat)) {
    history_.Probe("a repeat of what had worked is refused");
    return No("there is one already", RefusalCode(target.key));
  }
  ++entry.asked;
  return Done(target.key, entry);
}

engine::Reply Services::Forward(const Request& request, Instant now, const Faults& faults,
                                Dice& dice) {
  const Target target = ParseTarget(request.target).value();
  Entry& entry = EntryOf(request, target);
  switch (entry.state) {
    case State::kUndone:
      history_.Probe("a late action is refused");
      return No("it was undone before", RefusalCode(target.key));
    case State::kRefused: return No("no room", RefusalCode(target.key));
    case State::kReserved:
    case State::kReadOnly:
    case State::kDone: return Repeated(request, target, entry, faults, dice);
    case State::kNone:
      if (target.client() && target.two_phase()) {
        entry.state = State::kRefused;
        return No("there is nothing to prepare");
      }
      [[fallthrough]];
    case State::kWorked: break;
  }
  if (Refuses(target.key) || request.attempt <= entry.refused) {
    // A saga's service may change its mind; what is reserved or prepared is asked for once.
    entry.state = target.saga() ? entry.state : State::kRefused;
    entry.refused = std::max(entry.refused, request.attempt);
    return No("no room", RefusalCode(target.key));
  }
  if (target.saga() && dice.Chance(faults.busy)) {
    entry.refused = std::max(entry.refused, request.attempt);
    return No("not now", "http.423");
  }
  entry.by = {request.epoch, request.attempt};
  if (!target.saga() && !target.two_phase() && dice.Chance(200)) {
    entry.until = now + std::chrono::milliseconds(400 + dice.Below(800));
    const std::pair name(request.gid, request.branch);
    const auto held = held_.try_emplace(name, *entry.until).first;
    held->second = std::min(held->second, *entry.until);
  }
  if (target.saga()) {
    entry.state = State::kDone;
    Write(request, target, false, now);
  } else {
    const bool read_only = target.two_phase() && std::hash<std::string>()(target.key) % 5 == 0;
    entry.state = read_only ? State::kReadOnly : State::kReserved;
    if (read_only) {
      history_.read_only.emplace(request.gid, request.branch);
    }
  }
  history_.work.push_back({request.gid, request.branch, now});
  ++entry.asked;
  return Done(target.key, entry);
}

bool Services::Work(const Request& request, Instant now) {
  const Target target = ParseTarget(request.target).value();
  Entry& entry = EntryOf(request, target);
  if (target.two_phase()) {
    if (entry.state == State::kNone) {
      entry.state = State::kWorked;
    }
    return entry.state == State::kWorked;
  }
  Dice none(1);
  return std::holds_alternative<engine::ReplyDone>(Forward(request, now, Faults{}, none));
}

engine::Reply Services::Status(const Request& request, Instant now) {
  const Target target = ParseTarget(request.target).value();
  const Entry& entry = EntryOf(request, target);
  static_cast<void>(now);
  switch (entry.state) {
    case State::kReserved:
    case State::kReadOnly:
    case State::kDone: return Done(target.key, entry);
    case State::kUndone: return No("it was undone before", RefusalCode(target.key));
    case State::kRefused: return No("no room", RefusalCode(target.key));
    case State::kNone:
    case State::kWorked: break;
  }
  return engine::ReplyPending{"/poll", std::nullopt};
}

engine::Reply Services::Undo(const Request& request, const Target& target, Instant now) {
  Entry& entry = EntryOf(request, target);
  if (entry.state == State::kDone && !target.saga()) {
    history_.Violation("I3: " + target.key + " was made final and is to be undone");
    return No("it is final");
  }
  if (entry.state == State::kDone) {
    Write(request, target, true, now);
  } else if (entry.state == State::kNone) {
    history_.Probe("an undo of what never happened");
  }
  entry.state = State::kUndone;
  return engine::ReplyDone{};
}

engine::Reply Services::Finish(const Request& request, const Target& target, Instant now) {
  Entry& entry = EntryOf(request, target);
  if (entry.state == State::kReserved) {
    entry.state = State::kDone;
    Write(request, target, false, now);
  } else if (entry.state != State::kDone) {
    history_.Violation("I3: " + target.key + " is to be made final, but nothing is held for it");
    return No("there is nothing to make final");
  }
  return engine::ReplyDone{};
}

engine::Reply Services::CommitInOnePhase(const Request& request, const Target& target, Instant now,
                                         const Faults& faults, Dice& dice) {
  Entry& entry = EntryOf(request, target);
  switch (entry.state) {
    case State::kDone: return Repeated(request, target, entry, faults, dice);
    case State::kUndone:
    case State::kRefused:
      // It knows its own decision, so a repeat gets a definite answer too.
      return engine::ReplyHeuristic{engine::HeuristicOutcome::kRolledBack,
                                    {"http.409", "rolled back"}};
    case State::kReadOnly:
    case State::kReserved:
      history_.Violation("G2: " + target.key + " is prepared and is to be committed in one phase");
      return No("it is prepared");
    case State::kNone:
    case State::kWorked: break;
  }
  if (Refuses(target.key) || (target.client() && entry.state == State::kNone)) {
    entry.state = State::kRefused;
    return No("no");
  }
  entry.state = State::kDone;
  entry.by = {request.epoch, request.attempt};
  Write(request, target, false, now);
  history_.work.push_back({request.gid, request.branch, now});
  return Done(target.key, entry);
}

void Services::ByHand(const Request& request, Instant now) {
  const Target target = ParseTarget(request.target).value();
  by_hand_ = true;
  Entry& entry = EntryOf(request, target);
  switch (target.verb) {
    case Verb::kUndo: static_cast<void>(Undo(request, target, now)); break;
    case Verb::kFinish:
      if (entry.state != State::kDone) {
        entry.state = State::kDone;
        Write(request, target, false, now);
      }
      break;
    case Verb::kDo:
      if (entry.state != State::kDone && target.saga()) {
        Write(request, target, false, now);
      }
      if (entry.state != State::kDone) {
        entry.state = target.saga() ? State::kDone : State::kReserved;
        history_.work.push_back({request.gid, request.branch, now});
      }
      break;
  }
  by_hand_ = false;
}

std::optional<Instant> Services::HeldUntil(const std::string& gid,
                                           const std::string& branch) const {
  const auto found = held_.find({gid, branch});
  return found == held_.end() ? std::nullopt : std::optional(found->second);
}

std::vector<std::pair<std::string, std::string>> Services::Holding() const {
  std::vector<std::pair<std::string, std::string>> holding;
  for (const auto& [name, entry] : entries_) {
    if (entry.state == State::kReserved || entry.state == State::kWorked) {
      holding.emplace_back(entry.gid, name);
    }
  }
  return holding;
}

}  // namespace entente::sim
