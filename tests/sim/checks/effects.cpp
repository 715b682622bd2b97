#include <map>
#include <set>
#include <utility>

#include "tests/sim/checks/evidence.h"

namespace entente::sim {
namespace {

using Branch = std::pair<std::string, std::string>;  // gid, branch

using Passed = TxnEvidence::Passed;

// The step has its part in how the transaction ended.
bool IsOfTheEnd(const TxnEvidence& txn, const StepSpec& step) {
  return step.stage == StepSpec::Stage::kAborted ? txn.aborted() : txn.committed();
}

// What the plan says that has to stand after the end, whatever way it was done. What was passed
// over does not; of what was given up it is not known.
std::set<std::string> Wanted(const TxnEvidence& txn, const History& history) {
  std::set<std::string> wanted;
  const auto add = [&](const std::string& branch) {
    if (!history.read_only.contains({txn.gid, branch})) {
      wanted.insert(branch);
    }
  };
  for (const StepSpec& step : txn.branches) {
    if (txn.committed()) {
      add(step.id);
    }
  }
  if (txn.plan != nullptr) {
    for (const StepSpec& step : txn.plan->steps) {
      if (!IsOfTheEnd(txn, step)) {
        continue;
      }
      for (const std::string& branch : BranchesOf(step, txn.items)) {
        if (Calls(step) && txn.PassedOver(branch) == Passed::kNot && !txn.HasLost(branch)) {
          add(branch);
        }
      }
    }
  }
  return wanted;
}

// What stands, by branch; each effect by itself is judged on the way.
std::map<Branch, int> ReadLedger(const Evidence& evidence, Violations& violations) {
  std::map<Branch, int> net;
  std::map<std::string, int> at_place;
  std::set<std::pair<std::string, bool>> seen;
  for (const Effect& effect : evidence.history.ledger) {
    const std::string name = effect.place + "/" + effect.key;
    if (!seen.emplace(name, effect.undo).second) {
      violations.push_back("I5: " + name + " took effect twice");
    }
    net[{effect.gid, effect.branch}] += effect.undo ? -1 : 1;
    const int here = at_place[name] += effect.undo ? -1 : 1;
    if (here < 0) {
      violations.push_back("I5: " + name + " was undone before it was done");
    }
    if (!evidence.txns.contains(effect.gid)) {
      violations.push_back("I1: an effect of " + effect.gid + ", which nobody accepted");
    }
  }
  return net;
}

bool IsJudged(const Evidence& evidence, const std::string& gid) {
  const auto txn = evidence.txns.find(gid);
  return txn != evidence.txns.end() && (txn->second.committed() || txn->second.aborted());
}

}  // namespace

void CheckEffects(const Evidence& evidence, Violations& violations) {
  const std::map<Branch, int> net = ReadLedger(evidence, violations);
  for (const auto& [branch, sum] : net) {
    if (!IsJudged(evidence, branch.first)) {
      continue;
    }
    const TxnEvidence& txn = evidence.txns.at(branch.first);
    const StepSpec* step = txn.plan == nullptr ? nullptr : StepOf(*txn.plan, branch.second);
    const bool unknown = step != nullptr && IsOfTheEnd(txn, *step) && !txn.HasLost(branch.second) &&
                         txn.PassedOver(branch.second) == Passed::kGivenUp && sum == 1;
    const bool wanted = Wanted(txn, evidence.history).contains(branch.second);
    if (!unknown && sum != (wanted ? 1 : 0)) {
      violations.push_back("I1: " + branch.first + " is " + txn.status + ", but branch " +
                           branch.second + " holds " + std::to_string(sum));
    }
  }
  for (const auto& [gid, txn] : evidence.txns) {
    if (!txn.committed() && !txn.aborted()) {
      continue;
    }
    for (const std::string& branch : Wanted(txn, evidence.history)) {
      if (!net.contains({gid, branch})) {
        violations.push_back("I1: " + gid + " is " + txn.status + " without the effect of " +
                             branch);
      }
    }
  }
  for (const auto& [gid, name] : evidence.services.Holding()) {
    if (IsJudged(evidence, gid)) {
      violations.push_back("I1: " + gid + " is " + evidence.txns.at(gid).status + ", and " + name +
                           " is still held for it");
    }
  }
}

}  // namespace entente::sim
