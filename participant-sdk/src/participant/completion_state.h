// The inner side of Completion. Internal to the SDK.
#pragma once

#include <atomic>
#include <utility>

#include "entente/completion.h"

namespace entente::sdk {

// What a status that a handler answered with says.
[[nodiscard]] Outcome FailedOutcome(const Status& status);
// What an answer to `operation` says; `has_token`: it can be completed later.
[[nodiscard]] Outcome OutcomeOf(Result<Answer> answer, Operation operation, bool has_token);

// Thread-safe.
class Completion::State {
 public:
  State(const Call& call, OutcomeWaiter waiter)
      : operation_(call.operation),
        has_token_(!call.completion_token.empty()),
        waiter_(std::move(waiter)) {}

  void Finish(Result<Answer> answer) {
    if (!finished_.exchange(true)) {
      waiter_.done(OutcomeOf(std::move(answer), operation_, has_token_));
    }
  }
  [[nodiscard]] bool wanted() const {
    return !finished_.load() && (!waiter_.wanted || waiter_.wanted());
  }

 private:
  const Operation operation_;
  const bool has_token_;
  const OutcomeWaiter waiter_;
  std::atomic<bool> finished_{false};
};

}  // namespace entente::sdk
