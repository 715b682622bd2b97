// Signals: each is taken by one step that waits, at most once, and none is accepted that no step
// could take any more: of one name no more are kept than there are steps that may still take one.
#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "engine/actions/actions.h"

namespace entente::engine {
namespace {

using P = BranchPhase;

const dsl::WaitSignal* SignalOf(const dsl::Step& step) {
  const auto* wait = std::get_if<dsl::WaitWork>(&step.work);
  return wait != nullptr ? std::get_if<dsl::WaitSignal>(wait) : nullptr;
}

// The signals that steps of the plan wait for.
std::set<std::string> AwaitedSignals(const dsl::Plan& plan) {
  std::set<std::string> names;
  for (const dsl::Step& step : plan.steps) {
    if (const dsl::WaitSignal* signal = SignalOf(step)) {
      names.insert(signal->name);
    }
  }
  return names;
}

Status NotAwaited(const dsl::Plan& plan, const std::string& name,
                  const std::set<std::string>& awaited) {
  std::string others;
  for (const std::string& other : awaited) {
    others += (others.empty() ? "; waited for: '" : "', '") + other;
  }
  return NotFound("signal.not_found", "no step of definition '" + plan.name +
                                          "' waits for a signal '" + name + "'" +
                                          (others.empty() ? "; none waits for any" : others + "'"));
}

// The steps that wait for it, or may yet begin to.
size_t CountTakers(const Draft& draft, const std::string& name) {
  size_t takers = 0;
  for (size_t step = 0; step < draft.plan().steps.size(); ++step) {
    const dsl::WaitSignal* signal = SignalOf(draft.plan().steps[step]);
    const StepFacts& facts = draft.step(step);
    if (signal == nullptr || signal->name != name || facts.skipped) {
      continue;
    }
    takers +=
        facts.expanded ? facts.phases.of(P::kBlocked, P::kWaiting, P::kForwardStuck) : size_t{1};
  }
  return takers;
}

// What is wrong with the payload, by the schema of the signals of that name.
Status CheckPayload(const dsl::Plan& plan, const SignalSent& sent) {
  for (const dsl::Step& step : plan.steps) {
    const dsl::WaitSignal* signal = SignalOf(step);
    if (signal == nullptr || signal->name != sent.name || !signal->payload) {
      continue;
    }
    std::string wrong;
    for (const dsl::Violation& violation : signal->payload->Validate(sent.payload.Read())) {
      wrong += (wrong.empty() ? "" : "; ") +
               (violation.pointer.empty() ? std::string("the payload") : violation.pointer) + ": " +
               violation.message;
    }
    if (!wrong.empty()) {
      return InvalidArgument("signal.payload_invalid",
                             "the payload of signal '" + sent.name +
                                 "' does not match the schema that step '" + step.id +
                                 "' of definition '" + plan.name + "' has for it: " + wrong);
    }
  }
  return {};
}

// It came before, by its id: whatever became of it since, the answer is the same.
bool AnswerRepeat(Turn& turn) {
  const auto& sent = std::get<SignalSent>(turn.event);
  const auto& known = turn.draft.base().signal_ids;
  const auto found = sent.id.empty() ? known.end() : known.find(sent.id);
  if (found == known.end()) {
    return false;
  }
  if (found->second == sent.digest) {
    turn.draft.Force();
  } else {
    turn.draft.Reject(Refusal("signal.content_differs", turn.draft.gid()));
  }
  return true;
}

void RefuseUnlessRepeat(Turn& turn, std::string_view code) {
  if (!AnswerRepeat(turn)) {
    turn.draft.Reject(Refusal(code, turn.draft.gid()));
  }
}

// One signal wakes one branch: of those that wait the first in the order of the plan.
void WakeWaiting(Turn& turn, const std::string& name) {
  Draft& draft = turn.draft;
  for (size_t step = 0; step < draft.plan().steps.size(); ++step) {
    const size_t size = draft.step(step).phases.of(P::kWaiting) == 0 ? 0 : draft.step(step).size;
    for (size_t i = 0; i < size; ++i) {
      const BranchFacts& branch = draft.branch({step, i});
      if (branch.phase == P::kWaiting && branch.signal == name) {
        Dispatch(turn, {step, i}, BranchEvent::kSignal);
        return;
      }
    }
  }
}

}  // namespace

void StoreSignal(Turn& turn) {
  Draft& draft = turn.draft;
  if (AnswerRepeat(turn)) {
    return;
  }
  const auto& sent = std::get<SignalSent>(turn.event);
  if (const auto awaited = AwaitedSignals(draft.plan()); !awaited.contains(sent.name)) {
    draft.Reject(NotAwaited(draft.plan(), sent.name, awaited));
    return;
  }
  const std::vector<const JsonText*> kept = draft.signals(sent.name);
  const bool same_is_kept = std::any_of(kept.begin(), kept.end(), [&sent](const JsonText* payload) {
    return *payload == sent.payload;
  });
  const size_t takers = CountTakers(draft, sent.name);
  if (sent.id.empty() && same_is_kept) {
    // The same again is the same signal, sent by somebody who was not told that it arrived.
    draft.Force();
  } else if (takers == 0) {
    draft.Reject(Refusal("signal.too_late", draft.gid()));
  } else if (takers <= kept.size()) {
    draft.Reject(Refusal("signal.not_taken_yet", draft.gid()));
  } else if (Status fits = CheckPayload(draft.plan(), sent); !fits.ok()) {
    draft.Reject(std::move(fits));
  } else if (!draft.HasRoomFor(sent.payload.bytes())) {
    draft.Reject(Refusal("transaction.too_large", draft.gid()));
  } else {
    draft.Record(SignalReceived{sent.name, sent.payload, sent.id, sent.digest});
    WakeWaiting(turn, sent.name);
  }
}

void SignalCommitting(Turn& turn) {
  RefuseUnlessRepeat(turn, "transaction.committing");
}

void SignalAborting(Turn& turn) {
  RefuseUnlessRepeat(turn, "transaction.aborting");
}

void SignalEnded(Turn& turn) {
  RefuseUnlessRepeat(turn, "transaction.finished");
}

}  // namespace entente::engine
