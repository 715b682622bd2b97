#include "explore/scenario.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/utf8.h"

namespace entente::explore {
namespace {

constexpr size_t kMaxValueBytes = 200;

std::string Shown(const Json& value) {
  const std::string text = DumpJson(value);
  return text.size() <= kMaxValueBytes ? text : ToUtf8(text, kMaxValueBytes) + "...";
}

class Teller {
 public:
  Teller(const Rules& rules, const Values& values) : rules_(rules), values_(values) {}

  [[nodiscard]] std::string Tell(const Move& move) const {
    using Kind = Move::Kind;
    const std::string call = CallName(move);
    switch (move.kind) {
      case Kind::kSubmit: return "it is submitted with " + Shown(values_.inputs[move.value]);
      case Kind::kDone: return call + ": done" + OutputOf(move);
      case Kind::kRefused: return call + ": refused" + CodeOf(move);
      case Kind::kRefusedThoughDone:
        return call + ": done, but answered with a status that failOn takes for a refusal";
      case Kind::kDoneThoughNot:
        return call + ": nothing done, but answered with a status that succeedOn takes for done";
      case Kind::kLost: return call + ": done, but the answer is lost";
      case Kind::kLostBefore: return call + ": lost on the way, nothing is done";
      case Kind::kSilent: return call + ": done, but no attempt is ever answered";
      case Kind::kSilentBefore: return call + ": nothing is done, and no attempt is answered";
      case Kind::kUnreached: return call + ": no attempt reaches the service";
      case Kind::kLate: return call + ": no attempt is answered; the call is still on its way";
      case Kind::kNever: return call + ": refused at every attempt, or never answered";
      case Kind::kNotFound: return call + ": answered 404 at every attempt";
      case Kind::kStopped: return "the coordinator stops and starts again; what was out is done";
      case Kind::kStoppedBefore:
        return "the coordinator stops and starts again; nothing of what was out is done";
      case Kind::kDeadline: return "the transaction's deadline passes";
      case Kind::kCancelled: return "somebody cancels";
      case Kind::kDecided: return "the person who is asked cancels";
      case Kind::kSignal: return "the signal for " + move.branch.str() + " comes" + OutputOf(move);
      case Kind::kNobody: return "nobody sends a signal";
      case Kind::kTimer: return move.branch.empty() ? "the transaction's deadline passes" : "";
    }
    return "";
  }

 private:
  [[nodiscard]] std::string CallName(const Move& move) const {
    if (move.branch.empty()) {
      return "";
    }
    return move.branch.str() + "." +
           std::string(dsl::OperationName(rules_.plan().mode, move.role)) +
           (move.alternative == 0 ? "" : " (alternative " + std::to_string(move.alternative) + ")");
  }

  // Where it matters.
  [[nodiscard]] std::string CodeOf(const Move& refused) const {
    const auto* work = std::get_if<dsl::CallWork>(&rules_.StepOf(refused.branch).work);
    const bool matters =
        work != nullptr && std::any_of(work->alternatives.begin(), work->alternatives.end(),
                                       [](const dsl::CallWay& way) { return !way.on.empty(); });
    return matters ? " (" + rules_.CodeOf(refused) + ")" : "";
  }

  [[nodiscard]] std::string OutputOf(const Move& move) const {
    if (move.role != engine::Role::kForward) {
      return "";
    }
    const auto outputs = values_.outputs.find(rules_.StepOf(move.branch).id);
    if (outputs == values_.outputs.end() || move.value >= outputs->second.size()) {
      return "";
    }
    const Json& output = outputs->second[move.value];
    return output.empty() ? "" : ", answering " + Shown(output);
  }

  const Rules& rules_;
  const Values& values_;
};

// What people want to know of a record; empty of most.
struct RecordTeller {
  const dsl::Plan& plan;
  const Node& before;

  std::string operator()(const engine::CommitDecided&) const {
    return "from here on there is no way back";
  }
  std::string operator()(const engine::AbortDecided& decided) const {
    return "it is aborted: " + std::string(engine::AbortCauseName(decided.cause)) +
           (decided.failure.message.empty() || decided.failure.message == "explored"
                ? ""
                : ", " + decided.failure.message);
  }
  std::string operator()(const engine::IncidentRaised& raised) const {
    return raised.branch.str() + " waits for a person: " + raised.failure.code +
           (raised.failure.message.empty() || raised.failure.message == "explored"
                ? ""
                : ", " + raised.failure.message);
  }
  std::string operator()(const engine::OperationRefused& refused) const {
    return refused.tolerated ? GoesOnWithout(refused.branch) : "";
  }
  std::string operator()(const engine::OperationGaveUp& given_up) const {
    return given_up.tolerated ? GoesOnWithout(given_up.branch) : "";
  }
  std::string operator()(const engine::StepSkipped& skipped) const {
    const bool lost = skipped.step < before.state.steps.size() &&
                      before.state.steps[skipped.step].expanded && !skipped.branch;
    return (skipped.branch ? skipped.branch->str() : plan.steps[skipped.step].id) +
           (lost ? " has lost its race" : " is skipped");
  }
  std::string operator()(const engine::WaitStarted& waiting) const {
    const bool again =
        engine::FindBranch(before.state, waiting.branch) != nullptr &&
        engine::FindBranch(before.state, waiting.branch)->phase == engine::BranchPhase::kWaiting;
    return again ? ""
                 : waiting.branch.str() + (waiting.signal.empty()
                                               ? " waits for its time"
                                               : " waits for the signal '" + waiting.signal + "'");
  }
  std::string operator()(const engine::Ended& ended) const {
    return "it ends " + std::string(engine::TxnStatusName(ended.status));
  }
  std::string operator()(const auto& /*other*/) const { return ""; }

  static std::string GoesOnWithout(const BranchId& branch) {
    return branch.str() + " failed, and the rest goes on without it";
  }
};

std::string TellRecord(const engine::Record& record, const dsl::Plan& plan, const Node& before) {
  return std::visit(RecordTeller{plan, before}, record.body);
}

}  // namespace

std::string NameOf(const BranchId& branch, uint32_t alternative) {
  return branch.str() +
         (alternative == 0 ? "" : " (alternative " + std::to_string(alternative) + ")");
}

std::vector<std::string> DescribeEffects(const Node& node) {
  std::vector<std::string> effects;
  for (const Held& held : node.world) {
    const bool stands = held.effect == Effect::kStands || held.effect == Effect::kFinal;
    if (stands && held.made != nullptr && held.made->acts) {
      effects.push_back(NameOf(held.branch, held.alternative));
    } else if (held.effect == Effect::kFinal && held.made == nullptr) {
      effects.push_back(NameOf(held.branch, held.alternative));
    }
  }
  return effects;
}

std::vector<std::string> DescribePath(const Rules& rules, const Values& values,
                                      const WalkResult& walk, size_t node) {
  std::vector<Move> moves;
  for (size_t at = node; at != 0; at = walk.nodes[at].from) {
    moves.push_back(walk.nodes[at].move);
  }
  std::reverse(moves.begin(), moves.end());
  const Teller teller(rules, values);
  std::vector<std::string> lines;
  Node now;
  now.now = InstantFromMicros(1'800'000'000'000'000);
  for (const Move& move : moves) {
    Turn turn = rules.Make(now, move);
    if (std::string line = teller.Tell(move); !line.empty()) {
      lines.push_back(std::move(line));
    }
    for (const engine::Record& record : turn.records) {
      if (std::string line = TellRecord(record, rules.plan(), now); !line.empty()) {
        lines.push_back("  " + line);
      }
    }
    now = std::move(turn.node);
  }
  return lines;
}

}  // namespace entente::explore
