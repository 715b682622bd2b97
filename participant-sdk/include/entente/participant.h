// A participant: its handlers, registered once and served over REST and gRPC.
//
//   entente::sdk::Participant participant;
//   participant.Register("flight", entente::sdk::SagaHandlers{
//       .action = [&](const entente::sdk::Call& call) { return Book(call); },
//       .compensate = [&](const entente::sdk::Call& call) { return GiveBack(call); }});
//
// A service that has a server keeps it: hand HTTP requests to Participant::Handle, and add the
// service of participant_grpc.h to your own grpc::ServerBuilder. For one that has none,
// participant_server.h and participant_grpc_server.h have small ready-made ones.
//
// REST: POST {prefix}/{handler}/{operation} with the operation's input as a JSON body, and the
// facts of the call as headers: Idempotency-Key, Entente-Gid, Entente-Branch, Entente-Operation,
// Entente-Attempt, Entente-Epoch, Entente-Coordinator, Entente-Completion-Token, Entente-One-Phase,
// Entente-Deadline, traceparent. That is how the coordinator calls; a definition writes
// "post": "/flight/action".
//
// With RequireSigned only what the coordinator has signed is carried out (call_verifier.h).
//
// What was answered with Pending(location) is polled by GET at that location:
//
//   participant.RegisterPoll("orders", [&](const entente::sdk::Call&, std::string_view rest) {
//       return HowFarIs(rest);   // "7" of GET {prefix}/orders/7
//   });
//   ... return entente::sdk::Pending(participant.PollLocation("orders", "7"));
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "entente/base/limits.h"
#include "entente/call.h"
#include "entente/call_verifier.h"
#include "entente/completion.h"

namespace entente::sdk {

// Carries out one call. Called from several threads at once, also for one and the same branch: the
// barrier orders those. An error Status and an exception are answered with Retry.
//
// Made of anything that can be called with a `const Call&` and returns a Result<Answer>; or, for
// services with an event loop of their own, with a `const Call&` and a Completion, through which it
// answers when it likes, from any thread (the Call lives only as long as the handler runs):
//
//   .action = [&](const Call& call, Completion done) {
//     loop.Post([order = Order(call), done = std::make_shared<Completion>(std::move(done))] {
//       ... done->Finish(Done());
//     });
//   }
//
// The server's thread is free again as soon as such a handler returns; over gRPC, and for callers
// of the blocking Participant::Handle, it waits for the answer.
class Handler {
 public:
  using Blocking = std::function<Result<Answer>(const Call&)>;
  using Asynchronous = std::function<void(const Call&, Completion)>;

  // None.
  Handler() = default;
  template <class F>
  requires(std::is_constructible_v<Blocking, F> && !std::is_same_v<std::decay_t<F>, Handler>)
      Handler(F blocking)
      : blocking_(std::move(blocking)) {}  // NOLINT: a function is one.
  template <class F>
  requires(std::is_constructible_v<Asynchronous, F> && !std::is_same_v<std::decay_t<F>, Handler>)
      Handler(F asynchronous)
      : asynchronous_(std::move(asynchronous)) {}  // NOLINT: the same.

  explicit operator bool() const { return blocking_ || asynchronous_; }

 private:
  friend class Participant;

  Blocking blocking_;
  Asynchronous asynchronous_;
};

// Says how far something pending is. `call` has the facts of the operation that was accepted, but
// no input and no token; `rest` is what follows the registered name in the path, and lives as long
// as the call of the handler. Answers Done with the output; Pending: not yet; Retry or an error: it
// can not be told now, which is "not yet" too; Refused: the wait is over and proves nothing, so
// that what is to be done is asked for again, or undone. Called from several threads at once.
using PollHandler = std::function<Result<Answer>(const Call& call, std::string_view rest)>;

struct SagaHandlers {
  Handler action = {};
  Handler compensate = {};  // May be empty: nothing to undo; a call of it is refused.
};
struct TccHandlers {
  Handler try_ = {};
  Handler confirm = {};
  Handler cancel = {};
};
struct TwoPhaseHandlers {
  Handler prepare = {};
  Handler commit = {};
  Handler rollback = {};
};

using HttpHeaderList = std::vector<std::pair<std::string, std::string>>;

// A request as any server can hand it over.
struct HttpRequest {
  std::string method = {};  // "POST"
  std::string target = {};  // Path, with the query if there is one: "/flight/action".
  HttpHeaderList headers = {};
  std::string body = {};
};
struct HttpResponse {
  int status = 200;
  HttpHeaderList headers = {};
  std::string body = {};  // JSON.
};

// Who waits for the answer to a request.
struct HttpWaiter {
  // Given the answer, once, from whichever thread it comes from.
  std::function<void(HttpResponse)> done = {};
  // Whether the answer is still of use; asked from any thread. Empty: it is until it was given.
  std::function<bool()> wanted = {};
};

// A set of handlers. Register from one thread, before the first call; Handle and Dispatch are
// thread-safe after that and block as long as the handlers do: for the answer of an asynchronous
// one until the call's deadline, if it has one, and then answer with Retry (call.too_late). Must
// outlive every server it is given to.
class Participant {
 public:
  // `prefix`: what stands before the handler's name in a path: "" or "/entente".
  explicit Participant(std::string prefix = {}) : prefix_(std::move(prefix)) {}
  Participant(const Participant&) = delete;
  Participant& operator=(const Participant&) = delete;

  // `name`: 1 to 128 letters, digits, '.', '_' and '-'. One name may have handlers of several
  // modes. Fails with kInvalidArgument (participant.bad_name, participant.no_handler) or
  // kAlreadyExists (participant.duplicate); nothing is registered then.
  [[nodiscard]] Status Register(std::string_view name, SagaHandlers handlers);
  [[nodiscard]] Status Register(std::string_view name, TccHandlers handlers);
  [[nodiscard]] Status Register(std::string_view name, TwoPhaseHandlers handlers);

  // Serves GET {prefix}/{name}/{rest}, for any rest that is not empty. `name` is as above, and may
  // be that of handlers too. Fails as Register.
  [[nodiscard]] Status RegisterPoll(std::string_view name, PollHandler handler);
  // The path at which a poll handler is asked for `rest`: what Pending takes as its location.
  [[nodiscard]] std::string PollLocation(std::string_view name, std::string_view rest) const;

  // From here on requests and gRPC calls are answered only if `verifier` knows them for the
  // coordinator's. To others nothing is done and nothing is told, also not whether there is such a
  // handler: the answer is 425 (UNKNOWN) with the header Entente-Unverified and the reason, which
  // the coordinator takes for no refusal: it calls again later, and its operator sees why.
  void RequireSigned(std::shared_ptr<const CallVerifier> verifier) {
    verifier_ = std::move(verifier);
  }
  // Null: none is required.
  [[nodiscard]] const CallVerifier* verifier() const { return verifier_.get(); }

  // Answers one request, whatever it is; never throws. A body over limits::kMaxUndoBytes is
  // refused; a server should stop reading before.
  [[nodiscard]] HttpResponse Handle(const HttpRequest& request) const;
  // The same for a server that does not wait: returns when the handler does. A Completion may
  // outlive both the participant and the server; what it answers then goes nowhere.
  void HandleAsync(const HttpRequest& request, HttpWaiter waiter) const;

  // For other protocols: finds the handler and calls it. Nothing is verified here, since that takes
  // the bytes that were sent. `fact` gives a header or metadata by its
  // lower-case name, empty if there is none.
  using FactSource = std::function<std::string(std::string_view name)>;
  [[nodiscard]] Outcome Dispatch(std::string_view handler, Operation operation,
                                 const FactSource& fact, Json input) const;
  void DispatchAsync(std::string_view handler, Operation operation, const FactSource& fact,
                     Json input, OutcomeWaiter waiter) const;

  // The same for a poll, which comes over HTTP only.
  [[nodiscard]] Outcome DispatchPoll(std::string_view name, std::string_view rest,
                                     const FactSource& fact) const;

  [[nodiscard]] const std::string& prefix() const { return prefix_; }

 private:
  using Handlers = std::map<Operation, Handler>;
  [[nodiscard]] Status Add(std::string_view name, std::vector<std::pair<Operation, Handler>> set,
                           std::string_view optional);

  const std::string prefix_;
  std::shared_ptr<const CallVerifier> verifier_;  // May be shared with other participants.
  std::map<std::string, Handlers, std::less<>> handlers_;
  std::map<std::string, PollHandler, std::less<>> polls_;
};

}  // namespace entente::sdk
