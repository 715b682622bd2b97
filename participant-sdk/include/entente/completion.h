// How a handler answers later.
#pragma once

#include <functional>
#include <memory>

#include "entente/call.h"

namespace entente::sdk {

// What became of a call, before it is written in a protocol's words.
struct Outcome {
  // What refused a call that reached no handler, or what a handler did wrong.
  enum class Fault { kNone, kBadRequest, kNotFound, kHandler };
  Fault fault = Fault::kNone;
  Answer answer = {};
};

// Who waits for it.
struct OutcomeWaiter {
  // Given the outcome, once, from whichever thread it comes from.
  std::function<void(Outcome)> done = {};
  // Whether it is still of use; asked from any thread. Empty: it is until it was given.
  std::function<bool()> wanted = {};
};

// The duty to answer one call, once. Letting go of it unanswered answers with Retry
// (handler.no_answer): the outcome is unknown, and the coordinator asks again. Move-only; may be
// used and destroyed on any thread, by one at a time, also after the server's end: what it answers
// then goes nowhere.
class Completion {
 public:
  Completion(Completion&& other) noexcept;
  Completion& operator=(Completion&& other) noexcept;
  ~Completion();

  // Answers, as a handler does by returning. A second answer, and one that nobody waits for any
  // more, is dropped.
  void Finish(Result<Answer> answer);

  // False once it was answered, the call's deadline is past or its caller has hung up, as far as is
  // known: what is not begun by then need not be.
  [[nodiscard]] bool wanted() const;

 private:
  friend class Participant;
  class State;
  explicit Completion(std::shared_ptr<State> state);

  std::shared_ptr<State> state_;  // Shared with the participant while the handler is being called.
};

}  // namespace entente::sdk
