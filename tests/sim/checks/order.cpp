#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <utility>

#include "tests/sim/checks/evidence.h"

namespace entente::sim {
namespace {

using SentCalls = std::vector<const Sent*>;

bool Does(const Sent& sent) {
  return sent.verb == Verb::kDo || sent.one_phase;
}

// The calls of one transaction, in the order in which they were sent.
class OrderJudge {
 public:
  OrderJudge(const Evidence& evidence, const TxnEvidence& txn, const SentCalls& calls,
             Violations& violations)
      : evidence_(evidence), txn_(txn), calls_(calls), violations_(violations) {
    if (txn.plan != nullptr) {
      closure_ = Closure(*txn.plan);
    }
  }

  void Run() {
    CheckDirection();
    CheckAlone();
    CheckOvertaking();
    CheckBeaten();
    if (txn_.plan != nullptr) {
      CheckParallel();
      CheckPrecedence();
      CheckUndoOrder();
    }
  }

 private:
  void Add(const std::string& what) { violations_.push_back(what + " (" + txn_.gid + ")"); }

  // Nothing goes forward once anything was taken back, and nothing is taken back once anything was
  // made final.
  void CheckDirection() {
    const Sent* undone = nullptr;
    const Sent* final = nullptr;
    for (const Sent* sent : calls_) {
      CheckStage(*sent);
      if (sent->verb == Verb::kUndo && MayLeadOn(*sent)) {
        continue;
      }
      if (sent->verb == Verb::kUndo) {
        undone = undone == nullptr ? sent : undone;
        if (final != nullptr) {
          Add("I3: " + sent->branch + " is undone after " + final->branch + " was made final");
        }
      } else if (undone != nullptr && StageOf(*sent) != StepSpec::Stage::kAborted) {
        Add("I3: " + sent->branch + " goes forward after " + undone->branch + " was undone");
      }
      if (final == nullptr && IsFinal(*sent)) {
        final = sent;
      }
    }
  }

  // What was given up is undone so that an alternative can follow, and what lost its race, before
  // anything was decided.
  [[nodiscard]] bool MayLeadOn(const Sent& undo) const {
    const StepSpec* step = txn_.plan == nullptr ? nullptr : StepOf(*txn_.plan, undo.branch);
    const bool for_another =
        step != nullptr && step->after_undo && undo.alternative < step->alternatives;
    return (for_another || HadLost(undo.branch, undo.at)) &&
           (!IsAborting(undo.at) || BeganBeforeAbort(undo));
  }

  // A call leaves once the decision that made it is written: by then an abort may have been
  // decided.
  [[nodiscard]] bool BeganBeforeAbort(const Sent& undo) const {
    for (const engine::Record& record : txn_.journal) {
      if (std::holds_alternative<engine::AbortDecided>(record.body)) {
        return false;
      }
      const auto* began = std::get_if<engine::OperationStarted>(&record.body);
      if (began != nullptr && began->role == dsl::Role::kUndo &&
          began->branch.str() == undo.branch && began->alternative == undo.alternative) {
        return true;
      }
    }
    return false;
  }

  // Another one was first in its race by then.
  [[nodiscard]] bool HadLost(const std::string& branch, Instant by) const {
    const auto lost = txn_.LostAt(branch);
    return lost && (*lost <= by || evidence_.history.clock_jumped);
  }

  // As far as the clocks tell.
  [[nodiscard]] bool IsAborting(Instant at) const {
    const auto aborted = txn_.When<engine::AbortDecided>();
    return aborted && *aborted < at && !evidence_.history.clock_jumped;
  }

  [[nodiscard]] StepSpec::Stage StageOf(const Sent& sent) const {
    const StepSpec* step = txn_.plan == nullptr ? nullptr : StepOf(*txn_.plan, sent.branch);
    return step == nullptr ? StepSpec::Stage::kMain : step->stage;
  }

  // What is called once the outcome is decided waits for it, and once it is undone for that.
  void CheckStage(const Sent& sent) {
    const StepSpec::Stage stage = StageOf(sent);
    const auto decided = stage == StepSpec::Stage::kCommitted ? txn_.When<engine::CommitDecided>()
                                                              : txn_.When<engine::AbortDecided>();
    const bool later = decided && *decided > sent.at && !evidence_.history.clock_jumped;
    if (stage != StepSpec::Stage::kMain && (!decided || later)) {
      Add("I3: " + sent.branch + " is called before the outcome that it follows");
    }
    for (const Effect& effect : evidence_.history.ledger) {
      if (stage == StepSpec::Stage::kAborted && effect.gid == txn_.gid && effect.undo &&
          effect.at > sent.at && !effect.by_hand && !evidence_.history.clock_jumped) {
        Add("I8: " + sent.branch + " is called before " + effect.branch + " was undone");
      }
    }
  }

  [[nodiscard]] bool IsFinal(const Sent& sent) const {
    if (sent.verb == Verb::kFinish) {
      return !sent.one_phase;
    }
    const StepSpec* step = txn_.plan == nullptr ? nullptr : StepOf(*txn_.plan, sent.branch);
    return sent.verb == Verb::kDo && step != nullptr &&
           (step->after_pivot || step->stage == StepSpec::Stage::kCommitted);
  }

  // Only who is alone, or beside others who have nothing to commit, decides by itself.
  void CheckAlone() {
    for (const Sent* sent : calls_) {
      for (const Work& work : evidence_.history.work) {
        if (sent->one_phase && work.gid == txn_.gid && work.branch != sent->branch &&
            !evidence_.history.read_only.contains({txn_.gid, work.branch})) {
          Add("G2: " + sent->branch + " decides by itself beside " + work.branch);
          return;
        }
      }
    }
  }

  // An undo waits until nothing that it is to undo, or that was built upon that, can still happen.
  void CheckOvertaking() {
    std::map<std::string, const Sent*> latest;  // Forward call, by branch.
    for (const Sent* sent : calls_) {
      if (sent->verb == Verb::kDo) {
        latest[sent->branch] = sent;
      }
      if (sent->verb != Verb::kUndo) {
        continue;
      }
      for (const auto& [branch, call] : latest) {
        if (IsKnownOut(*call, *sent) && !IsCompleted(*call, sent->at) && call->over() > sent->at &&
            DependsOn(branch, sent->branch)) {
          Add("I8: " + sent->branch + " is undone while " + branch + " is under way");
        }
      }
    }
  }

  // Its participant has said what became of it, though not by its answer; a completion may be on
  // its way, or lie before a node that stands still, for longer than it takes to be called again.
  [[nodiscard]] bool IsCompleted(const Sent& call, Instant by) const {
    const std::vector<Work>& all = evidence_.history.completions;
    return std::any_of(all.begin(), all.end(), [&](const Work& one) {
      return one.gid == call.gid && one.branch == call.branch && one.at <= by;
    });
  }

  // Whether the owner who sends the undo knows of the call: it made it, or found it under way when
  // it took over an abort, or a race that was over. Otherwise the record of the attempt may be
  // lost, and the barrier has to see to it.
  [[nodiscard]] bool IsKnownOut(const Sent& call, const Sent& undo) const {
    if (call.epoch == undo.epoch) {
      return evidence_.history.failed_appends == 0;
    }
    const std::pair owner(ShardOf(Gid(undo.gid)).value(), undo.epoch);
    const Instant acquired = evidence_.history.acquired.at(owner);
    const auto before = [acquired](std::optional<Instant> at) { return at && *at < acquired; };
    return !evidence_.history.clock_jumped && evidence_.history.failed_appends == 0 &&
           (before(txn_.When<engine::AbortDecided>()) || before(txn_.LostAt(call.branch)));
  }

  // What has lost its race begins nothing more. What was decided before may be under way for a
  // while to where it is sent from, and calls of an owner that stood still go out when it goes on.
  void CheckBeaten() {
    constexpr Duration kSlack = std::chrono::milliseconds(100);
    for (const Sent* sent : calls_) {
      const auto lost = sent->verb == Verb::kDo ? txn_.LostAt(sent->branch) : std::nullopt;
      if (lost && evidence_.history.calm() && sent->at > *lost + kSlack) {
        Add("I8: " + sent->branch + " is called after another was first in its race");
      }
    }
  }

  // `branch` is `base`, or was built upon it.
  [[nodiscard]] bool DependsOn(const std::string& branch, const std::string& base) const {
    if (branch == base || txn_.plan == nullptr || txn_.protocol != Protocol::kSaga) {
      return branch == base;  // What another mode holds was never visible to others.
    }
    return ComesBefore(base, branch);
  }

  // No more of a step at a time than it allows, unless an operator asks for what is stuck.
  void CheckParallel() {
    if (txn_.client->retried) {
      return;
    }
    for (const Sent* sent : calls_) {
      const StepSpec* step = StepOf(*txn_.plan, sent->branch);
      if (step == nullptr || step->each_parallel == 0) {
        continue;
      }
      const auto under_way = std::count_if(calls_.begin(), calls_.end(), [&](const Sent* other) {
        return other->epoch == sent->epoch && other->verb == sent->verb &&
               StepName(other->branch) == step->id && other->at <= sent->at &&
               (other == sent || !IsCompleted(*other, sent->at)) &&
               (other->answer == Sent::Answer::kNone || other->answered > sent->at);
      });
      if (static_cast<size_t>(under_way) > step->each_parallel) {
        Add("G9: " + std::to_string(under_way) + " calls of " + step->id + " at once");
      }
    }
  }

  [[nodiscard]] std::optional<Instant> WorkOf(const std::string& branch) const {
    for (const Work& work : evidence_.history.work) {
      if (work.gid == txn_.gid && work.branch == branch) {
        return work.at;
      }
    }
    return std::nullopt;
  }

  // Whatever a step comes after was done before it is begun.
  void CheckPrecedence() {
    std::map<std::string, Instant> first;  // By branch.
    for (const Sent* sent : calls_) {
      if (Does(*sent)) {
        first.try_emplace(sent->branch, sent->at);
      }
    }
    for (const auto& [name, at] : first) {
      const StepSpec* step = StepOf(*txn_.plan, name);
      if (step == nullptr || BranchesOf(*step, txn_.items).empty()) {
        Add("a call for " + name + ", which has nothing to do");
        continue;
      }
      for (size_t before = 0; before < txn_.plan->steps.size(); ++before) {
        if (closure_[IndexOf(*txn_.plan, *step)][before]) {
          CheckDoneBefore(txn_.plan->steps[before], *step, at, name);
        }
      }
    }
  }

  void CheckDoneBefore(const StepSpec& before, const StepSpec& step, Instant at,
                       const std::string& name) {
    const bool own_item_only = before.in_block && step.in_block && step.each_parallel != 1;
    for (const std::string& branch : BranchesOf(before, txn_.items)) {
      if (before.in_block && step.in_block &&
          (ItemOf(branch) > ItemOf(name) || (own_item_only && ItemOf(branch) != ItemOf(name)))) {
        continue;
      }
      if (txn_.IsSkipped(branch) || txn_.PassedOver(branch) != TxnEvidence::Passed::kNot ||
          txn_.LostAt(branch)) {
        continue;
      }
      if (before.kind == StepSpec::Kind::kSleep) {
        CheckSlept(before, at, name);
      } else if (before.kind == StepSpec::Kind::kCall) {
        const auto done = WorkOf(branch);
        if (!done || *done > at) {
          Add("I8: " + name + " is begun before " + branch + " was done");
        }
      }
    }
  }

  void CheckSlept(const StepSpec& sleep, Instant at, const std::string& name) {
    for (const engine::Record& record : txn_.journal) {
      const auto* wait = std::get_if<engine::WaitStarted>(&record.body);
      if (wait != nullptr && wait->branch.str() == sleep.id && !evidence_.history.clock_jumped &&
          at < record.at + *sleep.wait) {
        Add(name + " is begun before " + sleep.id + " was over");
      }
    }
  }

  void CheckUndoOrder() {
    if (txn_.protocol != Protocol::kSaga) {
      return;
    }
    std::map<std::string, std::pair<Instant, Instant>> undone;  // By branch: first and last.
    for (const Effect& effect : evidence_.history.ledger) {
      const StepSpec* step = StepOf(*txn_.plan, effect.branch);
      const bool led_on = step != nullptr &&
                          (step->after_undo || HadLost(effect.branch, effect.at)) &&
                          !IsAborting(effect.at);
      if (effect.gid == txn_.gid && effect.undo && !led_on) {
        undone.try_emplace(effect.branch, effect.at, effect.at).first->second.second = effect.at;
      }
    }
    for (const auto& [later, its] : undone) {
      for (const auto& [earlier, others] : undone) {
        if (ComesBefore(earlier, later) && others.first < its.second) {
          Add("I8: " + earlier + " was undone before " + later);
        }
      }
    }
  }

  // `later` may have been built upon `earlier`.
  [[nodiscard]] bool ComesBefore(const std::string& earlier, const std::string& later) const {
    const StepSpec* step = StepOf(*txn_.plan, later);
    const StepSpec* base = StepOf(*txn_.plan, earlier);
    // Nothing was built upon what lost.
    if (step == nullptr || base == nullptr || (step != base && txn_.HasLost(earlier))) {
      return false;
    }
    const bool same = step == base || (step->in_block && base->in_block);
    if (same && ItemOf(earlier) != ItemOf(later)) {
      return step->each_parallel == 1 && ItemOf(earlier) < ItemOf(later);
    }
    return closure_[IndexOf(*txn_.plan, *step)][IndexOf(*txn_.plan, *base)];
  }

  const Evidence& evidence_;
  const TxnEvidence& txn_;
  const SentCalls& calls_;
  Violations& violations_;
  std::vector<std::vector<bool>> closure_;
};

}  // namespace

void CheckOrder(const Evidence& evidence, Violations& violations) {
  std::map<std::string, SentCalls> calls;
  for (const Sent& sent : evidence.history.sent) {
    calls[sent.gid].push_back(&sent);
  }
  for (const auto& [gid, its] : calls) {
    if (const auto txn = evidence.txns.find(gid); txn != evidence.txns.end()) {
      OrderJudge(evidence, txn->second, its, violations).Run();
    } else {
      violations.push_back("I1: a call for " + gid + ", which nobody accepted");
    }
  }
}

}  // namespace entente::sim
