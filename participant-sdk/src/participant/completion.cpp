#include "entente/completion.h"

#include <utility>

#include "participant-sdk/src/participant/completion_state.h"

namespace entente::sdk {
namespace {

// Whether an answer has a meaning for an operation.
bool Fits(const Answer& answer, Operation operation, bool has_token) {
  if (std::holds_alternative<ReadOnlyAnswer>(answer)) {
    return operation == Operation::kPrepare;
  }
  if (const auto* done = std::get_if<DoneAnswer>(&answer); done != nullptr && done->expires) {
    return operation == Operation::kTry;
  }
  if (std::holds_alternative<HeuristicAnswer>(answer)) {
    return PurposeOf(operation) != Purpose::kForward;
  }
  if (const auto* pending = std::get_if<PendingAnswer>(&answer)) {
    return !pending->location.empty() || has_token;
  }
  return true;
}

}  // namespace

Outcome FailedOutcome(const Status& status) {
  const StatusCode code = status.code();
  const bool defect = code == StatusCode::kInternal || code == StatusCode::kDataLoss;
  return {defect ? Outcome::Fault::kHandler : Outcome::Fault::kNone, AnswerOf(status)};
}

Outcome OutcomeOf(Result<Answer> answer, Operation operation, bool has_token) {
  if (!answer.ok()) {
    return FailedOutcome(answer.status());
  }
  if (!Fits(*answer, operation, has_token)) {
    return {Outcome::Fault::kHandler,
            Retry("handler.bad_answer", "the handler's answer has no meaning for the operation '" +
                                            std::string(OperationName(operation)) + "'")};
  }
  return {Outcome::Fault::kNone, std::move(answer).value()};
}

Completion::Completion(std::shared_ptr<State> state) : state_(std::move(state)) {}
Completion::Completion(Completion&& other) noexcept = default;

Completion& Completion::operator=(Completion&& other) noexcept {
  std::swap(state_, other.state_);  // What this one owed is answered when `other` goes.
  return *this;
}

Completion::~Completion() {
  if (state_ != nullptr) {
    state_->Finish(Internal("handler.no_answer", "the handler let go of the call unanswered"));
  }
}

void Completion::Finish(Result<Answer> answer) {
  state_->Finish(std::move(answer));
}

bool Completion::wanted() const {
  return state_->wanted();
}

}  // namespace entente::sdk
