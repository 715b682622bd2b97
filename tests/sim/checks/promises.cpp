#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "tests/sim/checks/evidence.h"

namespace entente::sim {
namespace {

using engine::HeuristicOutcome;

// The end of a TCC or 2PC is recorded when there is occasion to: once decided, nothing can make
// another of it, and whoever waits is told at once. But that record may go with a crash. An
// operator who then sees it open may force it, or vouch for a branch whose participant, asked once
// more, says that it has done otherwise; it is MIXED then.
bool IsForcedAfterItsEnd(const TxnEvidence& txn, const ClientFacts& client) {
  const std::string decided = txn.When<engine::CommitDecided>() ? "COMMITTED" : "ABORTED";
  const bool told_otherwise =
      txn.When<engine::HeuristicReported>() && txn.When<engine::OperatorSkipped>();
  return (client.resolved || told_otherwise) && txn.protocol != Protocol::kSaga &&
         txn.status == "MIXED" && client.ends == std::set<std::string>{decided, "MIXED"};
}

void CheckEnds(const Evidence& evidence, Violations& violations) {
  for (const std::string& gid : evidence.submitted) {
    const auto txn = evidence.txns.find(gid);
    const ClientFacts& client = evidence.history.clients.at(gid);
    if (client.acknowledged && txn == evidence.txns.end()) {
      violations.push_back("I2: " + gid + " was acknowledged and is lost");
    }
    if (client.ends.empty()) {
      violations.push_back("I9: " + gid + " has not ended");
    }
    const bool forced = txn != evidence.txns.end() && IsForcedAfterItsEnd(txn->second, client);
    if (client.ends.size() > 1 && !forced) {
      violations.push_back("I3: " + gid + " was seen to end in two ways");
    }
    if (txn == evidence.txns.end()) {
      continue;
    }
    if (!client.ends.empty() && !client.ends.contains(txn->second.status)) {
      violations.push_back("I3: " + gid + " was seen to end " + *client.ends.begin() +
                           ", the list says " + txn->second.status);
    }
    if (client.cancel_taken && txn->second.committed()) {
      violations.push_back("I3: a cancel of " + gid + " was taken, and it is COMMITTED");
    }
  }
}

// I3 in the journal itself.
void CheckDecisions(const TxnEvidence& txn, Violations& violations) {
  const bool committing = txn.When<engine::CommitDecided>().has_value();
  const bool aborting = txn.When<engine::AbortDecided>().has_value();
  if (committing && aborting) {
    violations.push_back("I3: both ways were decided for " + txn.gid);
  }
  if ((committing && txn.aborted()) || (aborting && txn.committed())) {
    violations.push_back("I3: " + txn.gid + " is " + txn.status + " against its decision");
  }
  for (const engine::Record& record : txn.journal) {
    const auto* abort = std::get_if<engine::AbortDecided>(&record.body);
    if (abort != nullptr && (abort->failure.code == "coordinator.stopping" ||
                             abort->failure.code.starts_with("store."))) {
      violations.push_back("G2: " + txn.gid +
                           " aborts for what is no fault of anybody in it: " + abort->failure.code);
    }
  }
  const auto end = std::find_if(txn.journal.begin(), txn.journal.end(), [](const auto& record) {
    return std::holds_alternative<engine::Ended>(record.body);
  });
  if (end != txn.journal.end() && end + 1 != txn.journal.end()) {
    violations.push_back("I13: the journal of " + txn.gid + " goes on after the end");
  }
}

// An operator took a branch for settled although its participant had said that it did otherwise:
// then, and only if an operator had a hand in it, the end is MIXED.
void CheckMixed(const TxnEvidence& txn, Violations& violations) {
  std::map<std::string, HeuristicOutcome> said;  // By branch.
  std::map<std::string, dsl::Role> role;
  bool contrary = false;
  bool by_operator = false;
  for (const engine::Record& record : txn.journal) {
    if (const auto* began = std::get_if<engine::OperationStarted>(&record.body)) {
      role[began->branch.str()] = began->role;
      if (began->role == dsl::Role::kForward) {
        said.erase(began->branch.str());  // Another way to do it, of another participant.
      }
    } else if (const auto* heuristic = std::get_if<engine::HeuristicReported>(&record.body)) {
      said[heuristic->branch.str()] = heuristic->outcome;
    } else if (const auto* skipped = std::get_if<engine::OperatorSkipped>(&record.body)) {
      const std::string& branch = skipped->branch.str();
      const HeuristicOutcome wanted = role[branch] == dsl::Role::kUndo
                                          ? HeuristicOutcome::kRolledBack
                                          : HeuristicOutcome::kCommitted;
      by_operator = true;
      contrary = contrary || (said.contains(branch) && said[branch] != wanted);
    } else if (const auto* ended = std::get_if<engine::Ended>(&record.body)) {
      by_operator = by_operator || ended->actor.has_value();
    }
  }
  if (contrary && txn.status != "MIXED") {
    violations.push_back("G2: " + txn.gid + " is " + txn.status +
                         " though an operator accepted that a participant did otherwise");
  }
  if (txn.status == "MIXED" && !by_operator) {
    violations.push_back("G2: " + txn.gid + " is MIXED by itself");
  }
}

// The first call of the way that each branch took last.
std::map<std::string, const Sent*> FirstCalls(const History& history, const std::string& gid) {
  std::map<std::string, const Sent*> first;
  for (const Sent& sent : history.sent) {
    if (sent.gid == gid && sent.verb == Verb::kDo) {
      const auto known = first.find(sent.branch);
      if (known == first.end() || known->second->alternative != sent.alternative) {
        first[sent.branch] = &sent;
      }
    }
  }
  return first;
}

// No commit relies on a reservation that may be gone before its confirm arrives: by the limit that
// was agreed upon, counted from the first call on, and by the participant's own word.
void CheckReservations(const Evidence& evidence, const TxnEvidence& txn, Violations& violations) {
  const auto decided = txn.When<engine::CommitDecided>();
  if (txn.protocol != Protocol::kTcc || !decided || evidence.history.clock_jumped) {
    return;
  }
  const auto check = [&](const std::string& branch, std::optional<Instant> until, Duration margin) {
    if (until && !txn.IsSkipped(branch) && *decided >= *until - margin) {
      violations.push_back("G2: " + txn.gid + " was committed though what " + branch +
                           " holds expires too soon");
    }
  };
  for (const engine::Record& record : txn.journal) {
    const auto* enlisted = std::get_if<engine::BranchEnlisted>(&record.body);
    for (const StepSpec& step : txn.branches) {
      if (enlisted != nullptr && enlisted->branch.str() == step.id && step.hold) {
        check(step.id, record.at + step.hold->lasts, step.hold->margin.value_or(2 * kCallLimit));
      }
    }
  }
  if (txn.plan == nullptr) {
    return;
  }
  for (const auto& [branch, sent] : FirstCalls(evidence.history, txn.gid)) {
    const StepSpec* step = StepOf(*txn.plan, branch);
    if (step == nullptr) {
      continue;
    }
    const Duration margin = step->hold && step->hold->margin ? *step->hold->margin : 2 * kCallLimit;
    if (step->hold) {
      check(branch, sent->at + step->hold->lasts, margin);
    }
    check(branch, evidence.services.HeldUntil(txn.gid, branch), margin);
  }
}

// What has a time limit is decided by then, or it is on record why it can not be.
void CheckDeadline(const Evidence& evidence, const TxnEvidence& txn, Violations& violations) {
  const std::optional<Duration> limit =
      txn.plan != nullptr ? txn.plan->deadline : std::optional<Duration>(kClientLimit);
  if (!limit || !evidence.history.calm()) {
    return;
  }
  constexpr Duration kSlack = std::chrono::seconds(1);
  std::optional<Instant> settled;
  for (const auto& at : {txn.When<engine::CommitDecided>(), txn.When<engine::AbortDecided>(),
                         txn.When<engine::Ended>(), txn.When<engine::DeadlineMissed>()}) {
    if (at && (!settled || *at < *settled)) {
      settled = at;
    }
  }
  if (!settled || *settled > txn.journal.front().at + *limit + kSlack) {
    violations.push_back("I9: " + txn.gid + " was not decided by its deadline");
  }
}

// Each signal is taken once: by one step that waits, however often it was sent.
void CheckSignals(const TxnEvidence& txn, Violations& violations) {
  if (txn.plan == nullptr) {
    return;
  }
  std::map<std::string, int> taken;  // By payload.
  std::set<std::string> received;
  for (const engine::Record& record : txn.journal) {
    const auto* signal = std::get_if<engine::SignalReceived>(&record.body);
    if (signal != nullptr && !received.insert(signal->id).second) {
      violations.push_back("a signal was counted twice: " + txn.gid + " " + signal->id);
    }
    const auto* done = std::get_if<engine::OperationSucceeded>(&record.body);
    const StepSpec* step = done == nullptr ? nullptr : StepOf(*txn.plan, done->branch.str());
    if (step != nullptr && step->kind == StepSpec::Kind::kSignal && done->output.text() != "null" &&
        ++taken[std::string(done->output.text())] > 1) {
      violations.push_back("a signal was taken twice: " + txn.gid + " " + done->branch.str());
    }
  }
  for (const auto& [number, at] : txn.client->signals) {
    if (txn.committed() && !taken.contains(std::to_string(number)) && txn.client->skipped.empty()) {
      violations.push_back("a signal was acknowledged and lost: " + txn.gid + " " +
                           std::to_string(number));
    }
  }
}

// How the children that ran for one step ended.
struct Children {
  int done = 0;
  int paid_back = 0;
  bool judged = true;  // None was forced.
};
Children ChildrenOf(const Evidence& evidence, const TxnEvidence& txn, const StepSpec& step) {
  Children children;
  const std::string prefix = txn.gid + "~" + step.id;
  for (auto child = evidence.txns.lower_bound(prefix);
       child != evidence.txns.end() && child->first.starts_with(prefix); ++child) {
    const std::string rest = child->first.substr(prefix.size());
    if (rest.find('~') != std::string::npos || (!rest.empty() && rest[0] != '.')) {
      continue;  // A grandchild, or another step's.
    }
    children.judged = children.judged && child->second.status != "MIXED";
    const bool undoes = rest.find(".compensate") != std::string::npos;
    (undoes ? children.paid_back : children.done) += child->second.committed() ? 1 : 0;
  }
  return children;
}

// A child stops when its parent aborts or another step is first in its race, unless it is past
// stopping.
void CheckStopped(const Evidence& evidence, const TxnEvidence& txn, Violations& violations) {
  constexpr Duration kSlack = std::chrono::milliseconds(100);
  const auto parent = evidence.txns.find(txn.gid.substr(0, txn.gid.rfind('~')));
  const bool undoes = txn.gid.find(".compensate") != std::string::npos;
  if (!evidence.history.calm() || undoes || parent == evidence.txns.end() ||
      parent->first == txn.gid) {
    return;
  }
  const std::string call = txn.gid.substr(parent->first.size() + 1);
  const auto lost = parent->second.LostAt(call.substr(0, call.find('.')));
  const auto aborted = lost ? lost : parent->second.When<engine::AbortDecided>();
  const auto decided = txn.When<engine::CommitDecided>();
  const auto ended = txn.When<engine::Ended>();
  if (txn.committed() && aborted && decided.value_or(*ended) > *aborted + kSlack) {
    violations.push_back("I9: " + txn.gid + " went on though its parent had no use for it");
  }
}

// Whoever looks at a child that has committed sees what stays: where its parent could still undo
// it, that had ended before.
void CheckHeld(const Evidence& evidence, const TxnEvidence& txn, Violations& violations) {
  const size_t last = txn.gid.rfind('~');
  const auto parent = evidence.txns.find(txn.gid.substr(0, last));
  if (last == std::string::npos || parent == evidence.txns.end() || !txn.committed() ||
      parent->second.plan == nullptr) {
    return;
  }
  const StepSpec* step = StepOf(*parent->second.plan, txn.gid.substr(last + 1));
  const auto ended = parent->second.When<engine::Ended>();
  if (step != nullptr && step->undo == StepSpec::Undo::kChild &&
      (!ended || !txn.When<engine::CommitDecided>())) {
    violations.push_back("I1: " + txn.gid + " committed before " + parent->first + " had ended");
  }
}

// G2 in families: a parent's outcome is its children's.
void CheckChildren(const Evidence& evidence, const TxnEvidence& txn, Violations& violations) {
  if (txn.plan == nullptr || !(txn.committed() || txn.aborted())) {
    return;
  }
  for (const StepSpec& step : txn.plan->steps) {
    if (step.kind != StepSpec::Kind::kChild || txn.IsSkipped(step.id)) {
      continue;
    }
    const Children children = ChildrenOf(evidence, txn, step);
    const int wanted = BranchesOf(step, txn.items).empty() ? 0 : 1;
    const bool lost = txn.HasLost(step.id) || txn.PassedOver(step.id) != TxnEvidence::Passed::kNot;
    const bool undone = step.undo == StepSpec::Undo::kByChild
                            ? children.done == children.paid_back
                            : step.undo != StepSpec::Undo::kChild || children.done == 0;
    const bool wrong =
        txn.committed() && !lost ? children.done != wanted || children.paid_back != 0 : !undone;
    if (children.judged && wrong) {
      violations.push_back("I1: " + txn.gid + " is " + txn.status + " with " +
                           std::to_string(children.done) + " children of " + step.id +
                           " done and " + std::to_string(children.paid_back) + " undone");
    }
  }
}

}  // namespace

void CheckPromises(const Evidence& evidence, Violations& violations) {
  CheckEnds(evidence, violations);
  for (const auto& [gid, txn] : evidence.txns) {
    CheckDecisions(txn, violations);
    CheckMixed(txn, violations);
    CheckReservations(evidence, txn, violations);
    CheckDeadline(evidence, txn, violations);
    CheckSignals(txn, violations);
    CheckChildren(evidence, txn, violations);
    CheckHeld(evidence, txn, violations);
    CheckStopped(evidence, txn, violations);
  }
}

}  // namespace entente::sim
