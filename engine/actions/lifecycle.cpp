#include <algorithm>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "engine/actions/actions.h"

namespace entente::engine {
namespace {

using Labels = std::vector<std::pair<std::string, std::string>>;

void SetLabel(Labels& labels, const std::string& key, std::string value) {
  const auto found = std::find_if(labels.begin(), labels.end(),
                                  [&](const auto& label) { return label.first == key; });
  if (found == labels.end()) {
    labels.emplace_back(key, std::move(value));
  } else {
    found->second = std::move(value);
  }
}

// The definition's labels, rendered with the input, then the submitter's.
// What expressions may read of a transaction that is not there yet.
TxnState PreviewOf(const Submitted& submitted) {
  TxnState preview;
  preview.gid = submitted.gid;
  preview.input = submitted.input;
  return preview;
}

Result<std::optional<Duration>> DeadlineOf(const Draft& draft, const Submitted& submitted) {
  if (submitted.deadline || !draft.plan().computed_deadline) {
    return submitted.deadline ? submitted.deadline : draft.plan().deadline;
  }
  const TxnState preview = PreviewOf(submitted);
  return EvaluateDeadline(Draft(draft.plan(), preview, draft.now(), 0));
}

Result<Labels> LabelsOf(const Draft& draft, const Submitted& submitted) {
  Labels labels;
  if (!draft.plan().labels.empty()) {
    const TxnState preview = PreviewOf(submitted);
    const Draft scope(draft.plan(), preview, draft.now(), 0);
    for (const auto& [key, value] : draft.plan().labels) {
      auto text = RenderLabel(scope, value);
      if (!text.ok()) {
        return InvalidArgument("label.invalid", "label '" + key + "' of definition '" +
                                                    draft.plan().name +
                                                    "': " + text.status().message());
      }
      SetLabel(labels, key, std::move(text).value());
    }
  }
  for (const auto& [key, value] : submitted.labels) {
    SetLabel(labels, key, value);
  }
  if (labels.size() > limits::kMaxLabels) {
    return InvalidArgument("label.too_many",
                           "the transaction would have " + std::to_string(labels.size()) +
                               " labels, the definition's included; the limit is " +
                               std::to_string(limits::kMaxLabels));
  }
  for (const auto& [key, value] : labels) {
    if (key.size() > limits::kMaxLabelBytes || value.size() > limits::kMaxLabelBytes) {
      return InvalidArgument("label.too_long",
                             "label '" + key.substr(0, limits::kMaxLabelBytes) +
                                 "' is too long: its key and its value may have " +
                                 std::to_string(limits::kMaxLabelBytes) + " bytes each");
    }
    // No filter could name it.
    if ((key + value).find('\0') != std::string::npos) {
      return InvalidArgument("label.bad_text",
                             "label '" + key.substr(0, key.find('\0')) +
                                 "' holds the character U+0000, which no label may");
    }
  }
  return labels;
}

// What is being finished was done before: whoever says so was not told that it arrived.
bool ProvesNothingNew(const BranchFacts& branch, const CompletionReceived& received) {
  return received.role == Role::kForward && RoleOf(branch.phase) == Role::kFinish &&
         !branch.one_phase && received.alternative == branch.alternative &&
         std::holds_alternative<ReplyDone>(received.outcome);
}

// How the branch ended is just what the completion says.
bool IsWhatEnded(const BranchFacts& branch, const CompletionReceived& received) {
  using P = BranchPhase;
  if (received.role != RoleOf(branch.phase) || received.alternative != branch.alternative) {
    return false;
  }
  return std::holds_alternative<ReplyDone>(received.outcome)
             ? branch.phase == P::kDone || branch.phase == P::kUndone ||
                   branch.phase == P::kFinished
             : branch.phase == P::kRefused;
}

// The forward operation was done, with another output: of the two answers one is a mistake, and
// later steps have read the first.
bool ContradictsOutput(const Draft& draft, BranchRef ref, const CompletionReceived& received) {
  const BranchFacts& branch = draft.branch(ref);
  const auto* done = std::get_if<ReplyDone>(&received.outcome);
  if (done == nullptr || received.role != Role::kForward) {
    return false;
  }
  if (!ProvesNothingNew(branch, received) && !IsWhatEnded(branch, received)) {
    return false;
  }
  // One for which there was no room was not kept.
  const JsonText& kept = draft.output(ref);
  return done->output != kept && (!kept.is_null() || draft.HasRoomFor(done->output.bytes()));
}

// The call did what it was to do, which is to hand on how it is completed: that it is under way is
// all that its own answer says. What a poll was answered is an end, as of any other call.
bool IsCompletedElsewhere(const Draft& draft, BranchRef ref, const BranchReplied& replied) {
  const BranchFacts& branch = draft.branch(ref);
  return replied.role == Role::kForward && replied.alternative == branch.alternative &&
         branch.phase != BranchPhase::kForwardPending &&
         std::holds_alternative<ReplyDone>(replied.reply) &&
         CompletionRuleOf(draft, ref) != nullptr;
}

// What a completion comes to, where the call says how what is sent is read. Nothing: there is
// nothing to be done, and whoever sent it is answered.
std::optional<Event> Understood(Turn& turn, BranchRef ref) {
  const auto& received = std::get<CompletionReceived>(turn.event);
  const auto* done = std::get_if<ReplyDone>(&received.outcome);
  if (done == nullptr || received.role != Role::kForward ||
      received.alternative != turn.draft.branch(ref).alternative ||
      CompletionRuleOf(turn.draft, ref) == nullptr) {
    return turn.event;
  }
  auto output = EvaluateCompletion(turn.draft, ref, done->output);
  if (!output.ok()) {
    turn.draft.Reject(InvalidArgument("completion.not_understood", output.status().message()));
    return std::nullopt;
  }
  if (!*output) {
    turn.draft.Force();
    return std::nullopt;
  }
  return CompletionReceived{received.branch, received.role, received.alternative,
                            ReplyDone{**std::move(output)}, received.run};
}

// A branch that waits until an instant that the definition or its data names.
bool WaitsForInstant(const Draft& draft, BranchRef ref) {
  const auto* wait = std::get_if<dsl::WaitWork>(&draft.plan_step(ref).work);
  return wait != nullptr && std::holds_alternative<dsl::WaitUntil>(*wait) &&
         draft.branch(ref).phase == BranchPhase::kWaiting;
}

// The clock that stamped the last record was ahead of the one there is now. By how much it was is
// not known, only that it was by so much at least; all that was counted from it ends by that much
// earlier, and so no later than if it were counted anew.
void FollowClock(Turn& turn) {
  Draft& draft = turn.draft;
  const Duration ahead = draft.base().updated_at - draft.now();
  if (ahead <= Duration::zero()) {
    return;
  }
  std::vector<WaitStarted> kept;
  for (size_t step = 0; step < draft.base().steps.size(); ++step) {
    for (size_t i = 0; i < draft.step(step).size; ++i) {
      if (WaitsForInstant(draft, {step, i})) {
        const BranchFacts& branch = draft.branch({step, i});
        kept.push_back({branch.id, branch.wake_at, branch.signal});
      }
    }
  }
  draft.Record(ClockSetBack{ahead});
  for (WaitStarted& wait : kept) {
    draft.Record(std::move(wait));
  }
}

}  // namespace

void Accept(Turn& turn) {
  Draft& draft = turn.draft;
  const auto& submitted = std::get<Submitted>(turn.event);
  auto labels = LabelsOf(draft, submitted);
  if (!labels.ok()) {
    draft.Reject(labels.status());
    return;
  }
  const auto deadline = DeadlineOf(draft, submitted);
  if (!deadline.ok()) {
    draft.Reject(deadline.status());
    return;
  }
  Accepted accepted;
  accepted.gid = submitted.gid;
  accepted.definition = draft.plan().name;
  accepted.version = draft.plan().version;
  accepted.mode = draft.plan().mode;
  accepted.input = submitted.input;
  accepted.labels = std::move(labels).value();
  if (*deadline) {
    accepted.deadline = draft.now() + **deadline;
    draft.Emit(ArmTimer{std::nullopt, *accepted.deadline});
  }
  accepted.parent = submitted.parent;
  accepted.request_digest = submitted.request_digest;
  accepted.traceparent = submitted.traceparent;
  accepted.client_driven = draft.plan().client_driven;
  draft.Accept(std::move(accepted));
}

void RearmDeadline(Turn& turn) {
  const auto& deadline = turn.draft.base().deadline;
  if (deadline && !turn.draft.deadline_missed() && !turn.draft.held()) {
    turn.draft.Emit(ArmTimer{std::nullopt, *deadline});
  }
}

void DeliverReply(Turn& turn) {
  const auto& replied = std::get<BranchReplied>(turn.event);
  const auto ref = turn.draft.Locate(replied.branch);
  if (!ref) {
    return;
  }
  if (IsCompletedElsewhere(turn.draft, *ref, replied)) {
    const Event event = BranchReplied{replied.branch, replied.role, replied.alternative,
                                      replied.attempt, ReplyPending{}};
    Turn pending{turn.table, turn.draft, event};
    Dispatch(pending, *ref,
             Classify(turn.draft.branch(*ref), std::get<BranchReplied>(pending.event)));
    return;
  }
  Dispatch(turn, *ref, Classify(turn.draft.branch(*ref), replied));
}

namespace {

void TakeCompletion(Turn& turn, BranchRef ref) {
  const auto& received = std::get<CompletionReceived>(turn.event);
  if (ContradictsOutput(turn.draft, ref, received)) {
    turn.draft.Reject(Refusal("completion.content_differs", turn.draft.gid(), received.branch));
  } else if (ProvesNothingNew(turn.draft.branch(ref), received)) {
    turn.draft.Force();
  } else {
    Dispatch(turn, ref, Classify(turn.draft.branch(ref), received));
  }
}

void TakeCompletionAgain(Turn& turn, BranchRef ref) {
  const auto& received = std::get<CompletionReceived>(turn.event);
  if (ContradictsOutput(turn.draft, ref, received)) {
    turn.draft.Reject(Refusal("completion.content_differs", turn.draft.gid(), received.branch));
  } else if (ProvesNothingNew(turn.draft.branch(ref), received) ||
             IsWhatEnded(turn.draft.branch(ref), received)) {
    turn.draft.Force();
  } else {
    turn.draft.Reject(Refusal("completion.too_late", turn.draft.gid(), received.branch));
  }
}

// What an operator vouches for counts as the participant's own word on the call that is pending.
void TakeOperatorsWord(Turn& turn, BranchRef ref) {
  Draft& draft = turn.draft;
  const auto& received = std::get<CompletionReceived>(turn.event);
  const BranchFacts& branch = draft.branch(ref);
  const Role role = RoleOf(branch.phase);
  if (!IsPending(branch.phase) || IsChildOperation(draft, ref, role)) {
    draft.Reject(Refusal("branch.not_pending", draft.gid(), received.branch));
    return;
  }
  const auto* done = std::get_if<ReplyDone>(&received.outcome);
  if (done != nullptr && !draft.HasRoomFor(done->output.bytes())) {
    draft.Reject(Refusal("transaction.too_large", draft.gid()));
    return;
  }
  const Event event = CompletionReceived{received.branch, role, branch.alternative,
                                         received.outcome, branch.refusals + branch.rounds};
  draft.Record(OperatorCompleted{received.branch, *received.actor});
  Turn completed{turn.table, draft, event};
  Dispatch(completed, ref, Classify(draft.branch(ref), std::get<CompletionReceived>(event)));
}

void WithCompletion(Turn& turn, void (*take)(Turn& turn, BranchRef ref)) {
  const auto& received = std::get<CompletionReceived>(turn.event);
  const auto ref = turn.draft.Locate(received.branch);
  if (!ref) {
    turn.draft.Reject(Refusal("branch.not_found", turn.draft.gid(), received.branch));
  } else if (received.actor) {
    TakeOperatorsWord(turn, *ref);
  } else if (const auto event = Understood(turn, *ref)) {
    Turn understood{turn.table, turn.draft, *event};
    take(understood, *ref);
  }
}

}  // namespace

void DeliverCompletion(Turn& turn) {
  WithCompletion(turn, &TakeCompletion);
}

void CompletionAgain(Turn& turn) {
  if (std::get<CompletionReceived>(turn.event).actor) {
    turn.draft.Reject(Refusal("transaction.finished", turn.draft.gid()));
    return;
  }
  WithCompletion(turn, &TakeCompletionAgain);
}

void DeliverTimer(Turn& turn) {
  const auto ref = turn.draft.Locate(*std::get<TimerFired>(turn.event).branch);
  // While paused no timer acts: Resume looks at all of them.
  if (ref && !turn.draft.paused()) {
    FireTimer(turn, *ref);
  }
}

void FireTimer(Turn& turn, BranchRef ref) {
  const bool due = IsPast(turn.draft.branch(ref).wake_at, turn.draft.now());
  Dispatch(turn, ref, due ? BranchEvent::kTimerDue : BranchEvent::kTimerEarly);
}

void Rearm(Turn& turn, BranchRef ref) {
  if (const auto wake_at = turn.draft.branch(ref).wake_at) {
    turn.draft.Arm(ref, *wake_at);
  }
}

void Recover(Turn& turn) {
  FollowClock(turn);
  Draft& draft = turn.draft;
  const std::vector<StepState>& steps = draft.base().steps;
  for (size_t step = 0; step < steps.size(); ++step) {
    using P = BranchPhase;
    if (steps[step].phases.of(P::kForward, P::kUndo, P::kFinish) == 0) {
      continue;
    }
    for (size_t i = 0; i < steps[step].size; ++i) {
      if (IsCalling(draft.branch({step, i}).phase)) {
        Dispatch(turn, {step, i}, BranchEvent::kInterrupted);
      }
    }
  }
}

}  // namespace entente::engine
