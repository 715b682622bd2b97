#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "tests/sim/checks/evidence.h"

namespace entente::sim {
namespace {

using Operation = std::tuple<std::string, std::string, Verb, uint32_t>;  // gid, branch, verb, way
using SentCalls = std::vector<const Sent*>;

constexpr uint32_t kForwardAttempts = 4;
constexpr uint32_t kSettleAttempts = 6;

std::string Name(const Sent& sent) {
  return sent.gid + " " + sent.target + " #" + std::to_string(sent.attempt);
}

// Every attempt at an operation asks for the same thing under the same name, after a restart too.
void CheckSameRequest(const SentCalls& calls, Violations& violations) {
  for (const Sent* sent : calls) {
    if (sent->target != calls.front()->target) {
      violations.push_back("G5: " + Name(*sent) + ", and before " + calls.front()->target);
    }
  }
}

// Each way of a step is a participant's own.
void CheckPlace(const TxnEvidence& txn, const Sent& sent, Violations& violations) {
  const StepSpec* step = txn.plan == nullptr ? nullptr : StepOf(*txn.plan, sent.branch);
  if (step == nullptr) {
    return;
  }
  const bool elsewhere = step->elsewhere && sent.alternative == step->alternatives;
  const std::string place = std::string("/") + NameOf(txn.protocol) + "/" + step->id + "/" +
                            std::to_string(elsewhere ? sent.alternative : 0) + "/";
  if (!sent.target.starts_with(place)) {
    violations.push_back("G5: " + Name(sent) + " is not at " + place);
  }
}

uint32_t BudgetOf(const TxnEvidence& txn, const Sent& sent) {
  if (sent.verb != Verb::kDo) {
    return kSettleAttempts;
  }
  const StepSpec* step = txn.plan == nullptr ? nullptr : StepOf(*txn.plan, sent.branch);
  return step != nullptr ? step->attempts : kForwardAttempts;
}

// In a run without a crash attempts are counted from one, none is skipped or repeated, there are no
// more than the budget has, and none comes before the participant wanted it.
void CheckAttempts(const TxnEvidence& txn, const SentCalls& calls, Violations& violations) {
  const uint32_t budget = BudgetOf(txn, *calls.front());
  for (size_t i = 0; i < calls.size(); ++i) {
    const Sent& sent = *calls[i];
    if (sent.attempt != i + 1) {
      violations.push_back("G5: " + Name(sent) + " is the " + std::to_string(i + 1) + ". attempt");
    }
    if (sent.attempt > budget) {
      violations.push_back("G9: " + Name(sent) + " is more than the budget of " +
                           std::to_string(budget));
    }
    if (i == 0) {
      continue;
    }
    const Sent& before = *calls[i - 1];
    if (before.retry_after && sent.at < before.answered + *before.retry_after) {
      violations.push_back("Retry-After: " + Name(sent) + " came too early");
    }
    if (before.answer == Sent::Answer::kDone || before.answer == Sent::Answer::kNone) {
      violations.push_back("I5: " + Name(sent) + " though the one before was not given up");
    }
  }
}

// I7: a transaction's owners follow each other, each under a higher epoch.
void CheckEpochs(const SentCalls& calls, Violations& violations) {
  uint64_t epoch = 0;
  for (const Sent* sent : calls) {
    if (sent->epoch < epoch) {
      violations.push_back("I7: " + Name(*sent) + " has epoch " + std::to_string(sent->epoch) +
                           ", after " + std::to_string(epoch));
    }
    epoch = sent->epoch;
  }
}

// Nothing goes out while the transaction is paused, or after it has ended.
void CheckSilence(const TxnEvidence& txn, const SentCalls& calls, const History& history,
                  Violations& violations) {
  const auto ended = txn.When<engine::Ended>();
  for (const Sent* sent : calls) {
    for (const auto& [from, to] : txn.client->pauses) {
      if (sent->at > from && sent->at < to) {
        violations.push_back("a call while paused: " + Name(*sent));
      }
    }
    if (ended && (txn.committed() || txn.aborted()) && !history.clock_jumped && sent->at > *ended) {
      violations.push_back("a call after the end: " + Name(*sent));
    }
  }
}

// Each answer may lead to another round, which has attempts of its own.
bool IsRepeated(const TxnEvidence& txn, const Sent& sent) {
  const StepSpec* step = txn.plan == nullptr ? nullptr : StepOf(*txn.plan, sent.branch);
  return step != nullptr && step->rounds > 0 && sent.verb == Verb::kDo;
}

// An alternative that is there for one code only follows a refusal with that code, and none that
// would have been there for it is passed over.
void CheckAlternative(const TxnEvidence& txn, const std::map<Operation, SentCalls>& operations,
                      const Operation& operation, Violations& violations) {
  const auto& [gid, branch, verb, way] = operation;
  const StepSpec* step = txn.plan == nullptr ? nullptr : StepOf(*txn.plan, branch);
  if (step == nullptr || !step->by_code || verb != Verb::kDo || way == 0) {
    return;
  }
  uint32_t before = way - 1;
  while (before > 0 && !operations.contains({gid, branch, verb, before})) {
    --before;
  }
  const Sent& sent = *operations.at({gid, branch, verb, before}).front();
  const std::string code = RefusalCode(ParseTarget(sent.target)->key);
  uint32_t next = before + 1;
  while (next <= step->alternatives && code != CodeFor(next)) {
    ++next;
  }
  if (next != way) {
    violations.push_back("alternatives: " + Name(sent) + " was refused with " + code +
                         ", and alternative " + std::to_string(way) + " followed");
  }
}

// What an earlier step was answered with is that step's, unless its answer never came as one.
void CheckTag(const TxnEvidence& txn, const Sent& sent, const History& history,
              Violations& violations) {
  const StepSpec* step = txn.plan == nullptr ? nullptr : StepOf(*txn.plan, sent.branch);
  if (step == nullptr || step->tag_of.empty() || sent.verb != Verb::kDo || sent.alternative > 0) {
    return;
  }
  const bool completed = std::any_of(
      history.completions.begin(), history.completions.end(), [&](const auto& completion) {
        return completion.gid == sent.gid && completion.branch == step->tag_of;
      });
  const bool none = sent.tag == "null" && (completed || txn.IsSkipped(step->tag_of));
  if (!none && sent.tag != sent.gid + ":" + step->tag_of) {
    violations.push_back("headers: " + Name(sent) + " says If-Match: " + sent.tag);
  }
}

// No operator had a hand in it.
bool IsUntouched(const TxnEvidence& txn) {
  return !txn.client->retried && txn.client->skipped.empty() && txn.client->pauses.empty();
}

}  // namespace

void CheckCalls(const Evidence& evidence, Violations& violations) {
  std::map<Operation, SentCalls> operations;
  std::map<std::string, SentCalls> by_gid;
  for (const Sent& sent : evidence.history.sent) {
    if (evidence.txns.contains(sent.gid)) {
      operations[{sent.gid, sent.branch, sent.verb, sent.alternative}].push_back(&sent);
      by_gid[sent.gid].push_back(&sent);
    }
  }
  for (const auto& [operation, calls] : operations) {
    CheckSameRequest(calls, violations);
    const TxnEvidence& txn = evidence.txns.at(std::get<0>(operation));
    CheckPlace(txn, *calls.front(), violations);
    CheckAlternative(txn, operations, operation, violations);
    for (const Sent* sent : calls) {
      CheckTag(txn, *sent, evidence.history, violations);
    }
    if (evidence.history.calm() && IsUntouched(txn) && !IsRepeated(txn, *calls.front())) {
      CheckAttempts(txn, calls, violations);
    }
  }
  for (const auto& [gid, calls] : by_gid) {
    CheckEpochs(calls, violations);
    CheckSilence(evidence.txns.at(gid), calls, evidence.history, violations);
  }
}

}  // namespace entente::sim
