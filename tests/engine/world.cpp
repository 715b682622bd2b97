#include "tests/engine/world.h"

#include <stdexcept>

#include "dsl/client_branches.h"
#include "dsl/compiler.h"
#include "engine/core/text.h"
#include "engine/state_lookup.h"

namespace entente::engine::test {
namespace {

[[noreturn]] void Fail(const std::string& what) {
  throw std::runtime_error(what);
}

World::CallKey KeyOf(const CommandId& command, uint32_t attempt) {
  return {command.branch.str(), command.role, command.alternative, attempt};
}

std::string Text(const std::optional<Instant>& instant) {
  return instant ? std::to_string(ToMicros(*instant)) : "-";
}

std::string Text(const std::optional<Failure>& failure) {
  return failure ? failure->code + '/' + failure->message : "-";
}

std::string Dump(const BranchState& branch) {
  std::string text = "  " + branch.id.str();
  text += ' ' + std::string(BranchPhaseName(branch.phase));
  for (const uint32_t number : {branch.alternative, branch.attempt, branch.budget_used,
                                branch.refusals, branch.run, branch.forward_run, branch.polls}) {
    text += ' ' + std::to_string(number);
  }
  text += branch.may_have_happened ? " may" : " -";
  text += branch.undo_without_output ? " blind" : " -";
  text += branch.enlisted ? " enlisted" : " -";
  text += branch.one_phase ? " one-phase" : " -";
  text += branch.heuristic ? ' ' + std::string(HeuristicOutcomeName(*branch.heuristic)) : " -";
  for (const auto& instant :
       {branch.wake_at, branch.deadline, branch.forward_deadline, branch.stuck_since,
        branch.started_at, branch.ended_at, branch.expires_at}) {
    text += ' ' + Text(instant);
  }
  return text + ' ' + branch.poll_url + ' ' + branch.signal + ' ' + Text(branch.failure) + ' ' +
         branch.item.text() + ' ' + branch.output.text() + '\n';
}

}  // namespace

std::string Dump(const TxnState& state) {
  std::string text =
      state.gid.str() + ' ' + state.definition + ' ' + std::to_string(state.version) + ' ' +
      std::to_string(state.revision.value()) + ' ' + std::string(TxnStatusName(state.status)) +
      (state.paused ? " paused" : "") + (state.deadline_missed ? " missed" : "") +
      (state.client_driven ? " client-driven" : "") + (state.closed ? " closed" : "") +
      (state.commit_decided ? " commit" : "") + ' ' + state.input.text() + ' ' +
      Text(state.deadline) + ' ' + Text(state.ended_at) + ' ' + state.output.text() + ' ' +
      Text(state.output_failure) + ' ' +
      (state.forced ? std::string(TxnStatusName(*state.forced)) : "-") + '\n';
  for (const auto& [name, payloads] : state.signals) {
    for (const JsonText& payload : payloads) {
      text += "signal " + name + ' ' + payload.text() + '\n';
    }
  }
  for (const auto& [id, digest] : state.signal_ids) {
    text += "signal id " + id + ' ' + digest + '\n';
  }
  if (state.abort) {
    text += "abort " + std::string(AbortCauseName(state.abort->cause)) + ' ' +
            Text(std::optional(state.abort->failure)) + '\n';
  }
  for (const StepState& step : state.steps) {
    text += "step " + step.id + (step.expanded ? " expanded" : "") +
            (step.skipped ? " skipped" : "") + (step.for_each ? " each" : "") + ' ' + step.source +
            '\n';
    for (const BranchState& branch : step.branches) {
      text += Dump(branch);
    }
  }
  return text;
}

PlanPtr CompilePlan(std::string_view definition) {
  auto result = dsl::Compile(definition, dsl::CompileOptions{});
  if (const auto* problems = std::get_if<dsl::Problems>(&result)) {
    std::string text = "the definition does not compile:";
    for (const dsl::Problem& problem : *problems) {
      text += "\n  " + dsl::FormatProblem(problem);
    }
    Fail(text);
  }
  return std::get<PlanPtr>(std::move(result));
}

const Decision& World::Feed(Event event) {
  const Input input{now_, entropy_++, std::move(event)};
  const bool enlists = std::holds_alternative<EnlistRequested>(input.event);
  last_ = Decide(enlists ? *enlisting_ : *plan_, state_, input);
  if (enlists && last_.status.ok()) {
    plan_ = enlisting_;
  }
  CheckDecision(input, last_);
  const TxnStatus before = state_.status;
  for (const Record& record : last_.records) {
    if (const Status status = Evolve(state_, record); !status.ok()) {
      Fail("can not be folded: " + status.ToString());
    }
    journal_.push_back(record);
  }
  if (last_.durability == Durability::kForced) {
    durable_ = journal_.size();
  }
  // I3: a decision never flips.
  const bool flipped =
      (before == TxnStatus::kCommitting && state_.status != before &&
       state_.status != TxnStatus::kCommitted && state_.status != TxnStatus::kMixed) ||
      (before == TxnStatus::kAborting && state_.status != before &&
       state_.status != TxnStatus::kAborted && state_.status != TxnStatus::kMixed) ||
      (IsFinished(before) && state_.status != before);
  if (flipped) {
    Fail("the decision flipped");
  }
  if (const auto violation = CheckInvariants(*plan_, state_)) {
    Fail("invariant violated: " + *violation);
  }
  Forget(input.event);
  for (const Effect& effect : last_.effects) {
    Track(effect);
  }
  if (std::holds_alternative<Recovered>(input.event)) {
    for (const Effect& effect : Outstanding(*plan_, state_)) {
      Track(effect);
    }
  }
  CheckOutstanding();
  return last_;
}

void World::Submit(Json input, std::optional<Duration> deadline) {
  Submitted submitted;
  submitted.gid = Gid("t1");
  submitted.input = std::move(input);
  submitted.deadline = deadline;
  const Decision& decision = Feed(std::move(submitted));
  if (!decision.status.ok()) {
    Fail("not accepted: " + decision.status.ToString());
  }
}

const Decision& World::EnlistBranch(const std::string& source) {
  auto compiled = dsl::CompileClientBranch(plan_->mode, source);
  if (const auto* problems = std::get_if<dsl::Problems>(&compiled)) {
    Fail("the branch does not compile: " + dsl::FormatProblem(problems->front()));
  }
  auto branch = std::get<dsl::ClientBranch>(std::move(compiled));
  EnlistRequested request{BranchId(branch.step.id), branch.source};
  enlisting_ = plan_;
  if (FindBranch(state_, request.branch) == nullptr) {
    enlisting_ = dsl::WithBranch(*plan_, std::move(branch)).value();
  }
  return Feed(std::move(request));
}

const Decision& World::Answer(const std::string& name, Reply reply) {
  const BranchState* branch = FindBranch(state_, BranchId(name));
  if (branch == nullptr) {
    Fail("there is no branch '" + name + "'");
  }
  return Feed(BranchReplied{branch->id, RoleOf(branch->phase), branch->alternative, branch->attempt,
                            std::move(reply)});
}

const Decision& World::Crash(bool lose_lazy) {
  const bool lost = lose_lazy && durable_ < journal_.size();
  if (lost) {
    journal_.resize(durable_);
  }
  TxnState folded;
  for (const Record& record : journal_) {
    if (const Status status = Evolve(folded, record); !status.ok()) {
      Fail("the journal can not be folded: " + status.ToString());
    }
  }
  if (!lost && Dump(folded) != Dump(state_)) {
    Fail("the folded journal differs from the live state:\n" + Dump(folded) + Dump(state_));
  }
  state_ = std::move(folded);
  if (state_.client_driven) {
    std::vector<std::string> sources;
    for (const StepState& step : state_.steps) {
      sources.push_back(step.source);
    }
    plan_ = dsl::ClientDrivenPlan(state_.mode, sources).value();
  }
  calls_.clear();
  polls_.clear();
  cancelled_children_.clear();
  timers_.clear();
  return Feed(Recovered{});
}

std::optional<World::DueTimer> World::NextTimer(Instant until) const {
  std::optional<DueTimer> next;
  for (const auto& [branch, at] : timers_) {
    if (at <= until && (!next || at < next->at)) {
      next = DueTimer{branch, at};
    }
  }
  return next;
}

void World::Fire(const DueTimer& timer) {
  now_ = std::max(now_, timer.at);
  Feed(TimerFired{timer.branch});
}

void World::Track(const Effect& effect) {
  effects_.push_back(effect);
  if (const auto* call = std::get_if<CallBranch>(&effect)) {
    if (!calls_.emplace(KeyOf(call->command, call->attempt), effect).second) {
      Fail("a call went out twice: " + Describe(effect, *plan_, kOrigin));
    }
  } else if (const auto* child = std::get_if<StartChild>(&effect)) {
    calls_.insert_or_assign(KeyOf(child->command, child->attempt), effect);
  } else if (const auto* poll = std::get_if<PollBranch>(&effect)) {
    polls_.insert(poll->command.branch);
  } else if (const auto* cancel = std::get_if<CancelChild>(&effect)) {
    cancelled_children_.insert(cancel->child);
  } else if (const auto* arm = std::get_if<ArmTimer>(&effect)) {
    timers_.insert_or_assign(arm->branch, arm->at);
  }
}

void World::Forget(const Event& event) {
  if (const auto* replied = std::get_if<BranchReplied>(&event)) {
    calls_.erase({replied->branch.str(), replied->role, replied->alternative, replied->attempt});
    polls_.erase(replied->branch);
  } else if (const auto* fired = std::get_if<TimerFired>(&event)) {
    timers_.erase(fired->branch);
  }
}

void World::CheckDecision(const Input& input, const Decision& decision) const {
  if (!decision.status.ok() && (!decision.records.empty() || !decision.effects.empty())) {
    Fail("a refused input left a trace");
  }
  const bool decided =
      state_.status == TxnStatus::kCommitting || state_.status == TxnStatus::kAborting;
  const bool settling = decided && state_.mode != dsl::Mode::kSaga;
  // The decision and the accept are never allowed to be lost. What follows the decision in a TCC or
  // two-phase commit need not be durable, or every answer would cost a sync.
  for (const Record& record : decision.records) {
    const bool decisive = std::holds_alternative<Accepted>(record.body) ||
                          std::holds_alternative<AbortDecided>(record.body) ||
                          std::holds_alternative<CommitDecided>(record.body) ||
                          std::holds_alternative<BranchEnlisted>(record.body);
    const bool follows = std::holds_alternative<OperationStarted>(record.body) ||
                         std::holds_alternative<Ended>(record.body);
    if ((decisive || (follows && !settling)) && decision.durability != Durability::kForced) {
      Fail("not forced: " + std::string(RecordName(record)));
    }
    const bool answered = std::holds_alternative<BranchReplied>(input.event);
    if (follows && settling && answered && decision.records.size() <= 2 &&
        std::holds_alternative<OperationSucceeded>(decision.records.front().body) &&
        decision.durability != Durability::kLazy) {
      Fail("forced for nothing: " + std::string(RecordName(record)));
    }
  }
  for (const Record& record : decision.records) {
    if (std::holds_alternative<CommitDecided>(record.body)) {
      CheckReservations(record.at);
    }
  }
}

// No reservation that a commit relies on may be about to run out.
void World::CheckReservations(Instant decided_at) const {
  for (const StepState& step : state_.steps) {
    for (const BranchState& branch : step.branches) {
      if (branch.expires_at && branch.wake_at && *branch.wake_at <= decided_at) {
        Fail("a commit was decided though '" + branch.id.str() + "' expires too soon");
      }
    }
  }
}

void World::CheckOutstanding() const {
  std::set<std::optional<BranchId>> expected_timers;
  std::set<CallKey> expected_calls;
  std::set<Gid> children;
  std::set<Gid> cancelled;
  for (const Effect& effect : Outstanding(*plan_, state_)) {
    const std::string text = Describe(effect, *plan_, kOrigin);
    if (const auto* arm = std::get_if<ArmTimer>(&effect)) {
      expected_timers.insert(arm->branch);
      const bool polled = arm->branch && polls_.contains(*arm->branch);
      const auto armed = timers_.find(arm->branch);
      if (!polled && (armed == timers_.end() || armed->second != arm->at)) {
        Fail("recovery would re-issue what was never emitted: " + text);
      }
    } else if (const auto* cancel = std::get_if<CancelChild>(&effect)) {
      if (!cancelled_children_.contains(cancel->child)) {
        Fail("recovery would re-issue what was never emitted: " + text);
      }
      cancelled.insert(cancel->child);
    } else {
      const auto* call = std::get_if<CallBranch>(&effect);
      const auto* child = std::get_if<StartChild>(&effect);
      const CallKey key = call != nullptr ? KeyOf(call->command, call->attempt)
                                          : KeyOf(child->command, child->attempt);
      expected_calls.insert(key);
      if (child != nullptr && !child->undoes) {  // That call stops it by itself.
        children.insert(child->child);
      }
      const auto out = calls_.find(key);
      if (out == calls_.end() || Describe(out->second, *plan_, kOrigin) != text) {
        Fail("recovery would re-issue what was never emitted: " + text);
      }
    }
  }
  for (const Gid& child : children) {
    if (cancelled_children_.contains(child) && !cancelled.contains(child)) {
      Fail("recovery would forget to cancel " + child.str());
    }
  }
  for (const auto& [key, effect] : calls_) {
    const BranchState* branch = FindBranch(state_, BranchId(std::get<0>(key)));
    const bool current = !state_.finished() && branch != nullptr && IsCalling(branch->phase) &&
                         key == CallKey{branch->id.str(), RoleOf(branch->phase),
                                        branch->alternative, branch->attempt};
    if (current && !expected_calls.contains(key)) {
      Fail("recovery would forget " + Describe(effect, *plan_, kOrigin));
    }
  }
  for (const auto& [branch, at] : timers_) {
    if (expected_timers.contains(branch)) {
      continue;
    }
    const Decision stale = Decide(*plan_, state_, Input{std::max(now_, at), 0, TimerFired{branch}});
    if (!stale.status.ok() || !stale.records.empty()) {
      Fail("recovery would forget the timer of " + (branch ? branch->str() : "the deadline"));
    }
  }
}

}  // namespace entente::engine::test
