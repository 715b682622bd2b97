#include "engine/dry_run/dry_run.h"

#include <map>
#include <utility>

#include "base/check.h"
#include "engine/bounded.h"
#include "engine/core/text.h"
#include "engine/dry_run/dry_run_answers.h"
#include "engine/engine.h"
#include "engine/state_lookup.h"

namespace entente::engine {
namespace {

// Any instant does; only differences are shown.
constexpr Instant kStart = InstantFromMicros(1'800'000'000'000'000);

// What is shown of a reply; empty for other events.
std::string Describe(const dsl::Plan& plan, const BranchReplied& replied) {
  struct Writer {
    std::string operator()(const ReplyDone& reply) const {
      return (reply.read_only ? "read-only " : "done ") + reply.output.text();
    }
    std::string operator()(const ReplyRefused& reply) const {
      return "refused " + reply.failure.code;
    }
    std::string operator()(const ReplyUnknown& reply) const {
      return "unknown " + reply.failure.code;
    }
    std::string operator()(const ReplyNotSent& reply) const {
      return "not sent " + reply.failure.code;
    }
    std::string operator()(const ReplyPending&) const { return "pending"; }
    std::string operator()(const ReplyHeuristic& reply) const {
      return "heuristic " + std::string(HeuristicOutcomeName(reply.outcome));
    }
  };
  return replied.branch.str() + ' ' + std::string(dsl::OperationName(plan.mode, replied.role)) +
         " #" + std::to_string(replied.attempt) + " answers " + std::visit(Writer{}, replied.reply);
}

class Player {
 public:
  Player(const dsl::Plan& plan, StatedAnswers answers, const DryRunBounds& bounds)
      : plan_(plan), answers_(std::move(answers)), bounds_(bounds) {}

  Result<DryRunReport> Play(const JsonText& input) {
    for (const StatedEvent& stated : answers_.events()) {
      Schedule(kStart + stated.at, stated.event);
    }
    Submitted submitted;
    submitted.gid = Gid("dry-run");
    submitted.input = input;
    ENTENTE_RETURN_IF_ERROR(Take(kStart, "submit " + input.text(), std::move(submitted)));
    for (size_t inputs = 0; !state_.finished() && report_.stopped.empty(); ++inputs) {
      if (queue_.empty() || inputs == kMaxDryRunInputs) {
        report_.stopped = queue_.empty() ? WhyItWaits() : "it went on for too long";
        break;
      }
      if (IsFull()) {
        report_.stopped = "it says more than is told of it here: play it with the command line";
        break;
      }
      auto next = queue_.extract(queue_.begin());
      const Instant at = next.key().first;
      Event event = std::move(next.mapped());
      std::string text = TextOf(event);
      ENTENTE_RETURN_IF_ERROR(Take(at, std::move(text), std::move(event)));
    }
    report_.status = state_.status;
    report_.output = state_.output;
    return std::move(report_);
  }

 private:
  void Schedule(Instant at, Event event) {
    queue_.emplace(std::pair(at, sequence_++), std::move(event));
  }

  [[nodiscard]] bool IsFull() const {
    return report_.lines.size() > bounds_.lines || bytes_ > bounds_.bytes;
  }

  void Say(Instant at, DryRunLine::Kind kind, std::string text) {
    bytes_ += text.size();
    report_.lines.push_back({at - kStart, kind, std::move(text)});
  }

  [[nodiscard]] std::string TextOf(const Event& event) const {
    if (const auto* replied = std::get_if<BranchReplied>(&event)) {
      return Describe(plan_, *replied);
    }
    if (const auto* received = std::get_if<CompletionReceived>(&event)) {
      return received->branch.str() + " is completed";
    }
    if (const auto* sent = std::get_if<SignalSent>(&event)) {
      return "signal " + sent->name;
    }
    return std::holds_alternative<AbortRequested>(event) ? "cancel" : "";
  }

  Status Take(Instant at, std::string text, Event event) {
    const Input input{at, 0, std::move(event)};
    const std::optional<Decision> decided = DecideWithin(bounds_.steps, plan_, state_, input);
    if (!text.empty()) {
      Say(at, DryRunLine::Kind::kInput, std::move(text));
    }
    if (!decided) {
      report_.stopped = "it evaluates more than is played here: play it with the command line";
      return {};
    }
    const Decision& decision = *decided;
    if (!decision.status.ok()) {
      if (state_.revision == Sequence()) {
        return decision.status;
      }
      Say(at, DryRunLine::Kind::kInput, "refused: " + decision.status.message());
      return {};
    }
    for (const Record& record : decision.records) {
      ENTENTE_RETURN_IF_ERROR(Evolve(state_, record));
      if (!IsFull()) {
        Say(at, DryRunLine::Kind::kRecord, Describe(record, plan_, kStart));
      }
    }
    for (const Effect& effect : decision.effects) {
      if (!IsFull()) {
        Say(at, DryRunLine::Kind::kEffect, Describe(effect, plan_, kStart));
      }
      CarryOut(at, effect);
    }
    return {};
  }

  void CarryOut(Instant at, const Effect& effect) {
    if (const auto* call = std::get_if<CallBranch>(&effect)) {
      Answer(at, call->command, call->attempt, call->timeout);
    } else if (const auto* child = std::get_if<StartChild>(&effect)) {
      Answer(at, child->command, child->attempt, Duration::zero());
    } else if (const auto* arm = std::get_if<ArmTimer>(&effect)) {
      Schedule(arm->at, TimerFired{arm->branch});
    }
  }

  void Answer(Instant at, const CommandId& command, uint32_t attempt, Duration timeout) {
    StatedAnswer answer = NextAnswer(command);
    const bool unknown = std::holds_alternative<ReplyUnknown>(answer.reply);
    const Instant when = at + answer.takes.value_or(unknown ? timeout : Duration::zero());
    const auto* done = std::get_if<ReplyDone>(&answer.reply);
    std::optional<CompletionReceived> completion;
    if (done != nullptr && IsCompletedElsewhere(command)) {
      // What is stated as its answer is what somebody sends to complete it.
      completion = CompletionReceived{command.branch, command.role, command.alternative, *done};
    }
    Schedule(when, BranchReplied{command.branch, command.role, command.alternative, attempt,
                                 std::move(answer.reply)});
    if (completion) {
      Schedule(when, std::move(*completion));
    }
    if (answer.completes_after) {
      Complete(when + *answer.completes_after, command);
    }
  }

  void Complete(Instant at, const CommandId& command) {
    StatedAnswer answer = NextAnswer(command);
    CompletionReceived received{command.branch, command.role, command.alternative,
                                ReplyDone{Json::object()}};
    if (auto* done = std::get_if<ReplyDone>(&answer.reply)) {
      received.outcome = std::move(*done);
    } else if (auto* refused = std::get_if<ReplyRefused>(&answer.reply)) {
      received.outcome = std::move(*refused);
    }
    Schedule(at, std::move(received));
  }

  [[nodiscard]] bool IsCompletedElsewhere(const CommandId& command) const {
    const std::string_view id = ParseBranchName(command.branch).step;
    for (const dsl::Step& step : plan_.steps) {
      const auto* work = step.id == id ? std::get_if<dsl::CallWork>(&step.work) : nullptr;
      if (work != nullptr && command.role == Role::kForward) {
        const auto& forward = work->way(command.alternative).forward;
        const auto* call = forward ? std::get_if<dsl::CallTemplate>(&*forward) : nullptr;
        return call != nullptr && call->completion;
      }
    }
    return false;
  }

  StatedAnswer NextAnswer(const CommandId& command) {
    const std::string step(ParseBranchName(command.branch).step);
    return answers_.Next(step, command.branch, dsl::OperationName(plan_.mode, command.role));
  }

  [[nodiscard]] std::string WhyItWaits() const {
    for (const StepState& step : state_.steps) {
      for (const BranchState& branch : step.branches) {
        if (IsStuck(branch.phase)) {
          return "waits for an operator: branch '" + branch.id.str() + "' is stuck (" +
                 branch.failure.value_or(Failure{}).code + ")";
        }
        if (branch.phase == BranchPhase::kWaiting) {
          return "waits for the signal '" + branch.signal + "'";
        }
        if (IsPending(branch.phase)) {
          return "waits for the completion of branch '" + branch.id.str() + "'";
        }
      }
    }
    return "waits for nothing";
  }

  const dsl::Plan& plan_;
  StatedAnswers answers_;
  TxnState state_;
  std::map<std::pair<Instant, uint64_t>, Event> queue_;  // By time, then in order of arrival.
  uint64_t sequence_ = 0;
  const DryRunBounds bounds_;
  size_t bytes_ = 0;  // Of the lines.
  DryRunReport report_;
};

}  // namespace

std::string_view DryRunKindName(DryRunLine::Kind kind) {
  switch (kind) {
    case DryRunLine::Kind::kInput: return "input";
    case DryRunLine::Kind::kRecord: return "record";
    case DryRunLine::Kind::kEffect: return "effect";
  }
  CheckFailed("Kind is a declared enumerator", __FILE__, __LINE__);
}

Result<DryRunReport> DryRun(const dsl::Plan& plan, const Json& input, const Json& answers,
                            const DryRunBounds& bounds) {
  if (plan.input) {
    if (const auto violations = plan.input->Validate(input, 1); !violations.empty()) {
      const std::string& pointer = violations.front().pointer;
      return InvalidArgument("input.invalid", "the input does not match the definition's schema: " +
                                                  (pointer.empty() ? "the input" : pointer) + ": " +
                                                  violations.front().message);
    }
  }
  ENTENTE_ASSIGN_OR_RETURN(StatedAnswers stated, StatedAnswers::Read(plan, answers));
  return Player(plan, std::move(stated), bounds).Play(input);
}

}  // namespace entente::engine
