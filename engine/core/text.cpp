#include "engine/core/text.h"

#include "engine/state.h"

namespace entente::engine {
namespace {

std::string Text(const Failure& failure) {
  return failure.message.empty() ? failure.code : failure.code + " \"" + failure.message + "\"";
}

std::string Text(const Actor& actor) {
  const std::string name = actor.name.empty() ? "somebody" : actor.name;
  return actor.reason.empty() ? "by " + name : "by " + name + " \"" + actor.reason + "\"";
}

std::string OrNothing(const JsonText& value) {
  return value.is_null() ? "" : ' ' + value.text();
}

std::string Alternative(uint32_t alternative) {
  return alternative == 0 ? "" : " alternative " + std::to_string(alternative);
}

class RecordWriter {
 public:
  RecordWriter(const dsl::Plan& plan, Instant origin) : plan_(plan), origin_(origin) {}

  std::string operator()(const Accepted& record) const {
    std::string text = record.gid.str() + ' ' + record.definition + OrNothing(record.input);
    for (const auto& [key, value] : record.labels) {
      text += ' ' + key + '=' + value;
    }
    if (record.client_driven) {
      text += "driven by a client";
    }
    if (record.deadline) {
      text += " deadline " + At(*record.deadline);
    }
    if (record.parent) {
      text += " child of " + record.parent->gid.str() + ' ' + record.parent->branch.str();
      text += record.parent->holds ? " which holds it" : "";
    }
    return text;
  }
  std::string operator()(const StepExpanded& record) const {
    return record.for_each ? record.id + ' ' + JsonText::ArrayOf(record.items).text() : record.id;
  }
  std::string operator()(const StepSkipped& record) const {
    if (record.branch) {
      return record.branch->str();
    }
    return record.step < plan_.steps.size() ? plan_.steps[record.step].id
                                            : std::to_string(record.step);
  }
  std::string operator()(const OperationStarted& record) const {
    return record.branch.str() + ' ' + std::string(dsl::OperationName(plan_.mode, record.role)) +
           Alternative(record.alternative) + (record.one_phase ? " in one phase" : "") +
           (record.deadline ? " deadline " + At(*record.deadline) : "");
  }
  std::string operator()(const WaitStarted& record) const {
    return record.branch.str() + (record.signal.empty() ? "" : " for signal " + record.signal) +
           (record.until ? " until " + At(*record.until) : "");
  }
  std::string operator()(const AttemptFailed& record) const {
    return record.branch.str() + ' ' + std::string(AttemptOutcomeName(record.outcome)) + ' ' +
           Text(record.failure) + " retry " + At(record.retry_at);
  }
  std::string operator()(const AttemptStarted& record) const { return record.branch.str(); }
  std::string operator()(const CallInterrupted& record) const { return record.branch.str(); }
  std::string operator()(const OperationPending& record) const {
    return record.branch.str() + (record.poll_url.empty() ? "" : " poll " + record.poll_url) +
           (record.wake_at ? " wake " + At(*record.wake_at) : "") +
           (record.deadline ? " deadline " + At(*record.deadline) : "");
  }
  std::string operator()(const PollScheduled& record) const {
    return record.branch.str() + ' ' + At(record.wake_at) +
           (record.failure ? " " + Text(*record.failure) : "");
  }
  std::string operator()(const OperationSucceeded& record) const {
    return record.branch.str() + (record.read_only ? " read-only" : "") + OrNothing(record.output) +
           (record.answer.is_null() ? "" : " answer" + OrNothing(record.answer));
  }
  std::string operator()(const OperationRefused& record) const {
    return record.branch.str() + (record.tolerated ? " tolerated " : " ") + Text(record.failure);
  }
  std::string operator()(const OperationGaveUp& record) const {
    return record.branch.str() + (record.tolerated ? " tolerated " : " ") + Text(record.failure);
  }
  std::string operator()(const IncidentRaised& record) const {
    return record.branch.str() + ' ' + Text(record.failure);
  }
  std::string operator()(const CommitDecided&) const { return ""; }
  std::string operator()(const AbortDecided& record) const {
    return std::string(AbortCauseName(record.cause)) +
           (record.branch ? ' ' + record.branch->str() : "") + ' ' + Text(record.failure);
  }
  std::string operator()(const DeadlineMissed&) const { return ""; }
  std::string operator()(const SignalReceived& record) const {
    return record.name + (record.id.empty() ? "" : " id " + record.id) + OrNothing(record.payload);
  }
  std::string operator()(const Paused& record) const { return Text(record.actor); }
  std::string operator()(const Resumed& record) const { return Text(record.actor); }
  std::string operator()(const OperatorRetried& record) const {
    return record.branch.str() + ' ' + Text(record.actor);
  }
  std::string operator()(const OperatorEdited& record) const {
    return record.branch.str() + OrNothing(record.before) +
           (record.body ? " -> " + record.body->text() : "") +
           (record.retry ? " attempts " + std::to_string(record.retry->attempts) : "") + ' ' +
           Text(record.actor);
  }
  std::string operator()(const OperatorSkipped& record) const {
    return record.branch.str() + OrNothing(record.output) + ' ' + Text(record.actor);
  }
  std::string operator()(const OperatorCompleted& record) const {
    return record.branch.str() + ' ' + Text(record.actor);
  }
  std::string operator()(const Ended& record) const {
    return std::string(TxnStatusName(record.status)) + OrNothing(record.output) +
           (record.output_failure ? " output failed: " + Text(*record.output_failure) : "") +
           (record.forced ? " forced to " + std::string(TxnStatusName(*record.forced)) : "") +
           (record.actor ? ' ' + Text(*record.actor) : "");
  }
  std::string operator()(const Held& record) const {
    return (record.output.is_null() ? "" : record.output.text()) +
           (record.output_failure ? " output failed: " + Text(*record.output_failure) : "");
  }
  std::string operator()(const BranchEnlisted& record) const {
    return record.branch.str() + ' ' + record.source;
  }
  std::string operator()(const EnlistmentClosed&) const { return ""; }
  std::string operator()(const ClockSetBack& record) const {
    return "by " + FormatDuration(record.by);
  }
  std::string operator()(const HeuristicReported& record) const {
    return record.branch.str() + ' ' + std::string(HeuristicOutcomeName(record.outcome)) + ' ' +
           Text(record.failure);
  }
  std::string operator()(const ReservationExpires& record) const {
    return record.branch.str() + ' ' + At(record.expires) + " safe until " + At(record.safe_until);
  }

 private:
  [[nodiscard]] std::string At(Instant at) const { return DescribeInstant(at, origin_); }

  const dsl::Plan& plan_;
  Instant origin_;
};

class EffectWriter {
 public:
  EffectWriter(const dsl::Plan& plan, Instant origin) : plan_(plan), origin_(origin) {}

  std::string operator()(const CallBranch& effect) const {
    return "call " + Command(effect.command, effect.attempt) + ' ' +
           std::visit([&](const auto& request) { return Request(effect, request); },
                      effect.request) +
           " timeout " + FormatDuration(effect.timeout) + (effect.one_phase ? " one-phase" : "") +
           (effect.round == 0 ? "" : " round " + std::to_string(effect.round + 1));
  }
  std::string operator()(const PollBranch& effect) const {
    return "poll " + Command(effect.command, effect.attempt) + ' ' + effect.poll_url;
  }
  std::string operator()(const StartChild& effect) const {
    if (effect.undoes) {
      return "undo-child " + Command(effect.command, effect.attempt) + ' ' + effect.child.str();
    }
    return "start-child " + Command(effect.command, effect.attempt) + ' ' + effect.child.str() +
           (effect.holds ? " held" : "") + ' ' + effect.definition +
           (effect.version ? " v" + std::to_string(*effect.version) : "") +
           (effect.deadline ? " deadline " + FormatDuration(*effect.deadline) : "") +
           OrNothing(effect.input);
  }
  std::string operator()(const CancelChild& effect) const {
    return "cancel-child " + effect.child.str();
  }
  std::string operator()(const ArmTimer& effect) const {
    return "timer " + (effect.branch ? effect.branch->str() : "deadline") + ' ' +
           DescribeInstant(effect.at, origin_);
  }
  std::string operator()(const NotifyEnded&) const { return "notify-ended"; }
  std::string operator()(const NotifyHeld&) const { return "notify-held"; }

 private:
  [[nodiscard]] std::string Command(const CommandId& command, uint32_t attempt) const {
    return command.branch.str() + ' ' + std::string(dsl::OperationName(plan_.mode, command.role)) +
           Alternative(command.alternative) + " #" + std::to_string(attempt);
  }
  [[nodiscard]] std::string Participant(const CallBranch& effect) const {
    return effect.participant < plan_.participants.size()
               ? plan_.participants[effect.participant].name
               : "?";
  }
  [[nodiscard]] std::string Request(const CallBranch& effect, const RenderedHttp& request) const {
    std::string text = request.method + ' ' + Participant(effect) +
                       (request.base_url.empty() ? "" : " at " + request.base_url) + request.target;
    for (const auto& [name, value] : request.headers) {
      text += ' ' + name + ": " + value;
    }
    return request.body ? text + ' ' + *request.body : text;
  }
  [[nodiscard]] std::string Request(const CallBranch& effect, const RenderedGrpc& request) const {
    return Participant(effect) + '.' + request.method + ' ' + request.body.text();
  }

  const dsl::Plan& plan_;
  Instant origin_;
};

}  // namespace

std::string DescribeInstant(Instant at, Instant origin) {
  return at < origin ? '-' + FormatDuration(origin - at) : '+' + FormatDuration(at - origin);
}

std::string Describe(const Record& record, const dsl::Plan& plan, Instant origin) {
  const std::string details = std::visit(RecordWriter(plan, origin), record.body);
  std::string text(RecordName(record));
  return details.empty() ? text : text + ' ' + details;
}

std::string Describe(const Effect& effect, const dsl::Plan& plan, Instant origin) {
  return std::visit(EffectWriter(plan, origin), effect);
}

}  // namespace entente::engine
