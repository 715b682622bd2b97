#include "entente/participant.h"

#include <charconv>
#include <exception>
#include <optional>
#include <utility>

#include "participant-sdk/src/participant/await.h"
#include "participant-sdk/src/participant/completion_state.h"

namespace entente::sdk {
namespace {

Outcome Faulty(Outcome::Fault fault, std::string code, std::string message) {
  return {fault, Refused(std::move(code), std::move(message))};
}

// Absent: none was sent. A null inside: what was sent is no number.
template <class Number>
std::optional<std::optional<Number>> NumberFact(const Participant::FactSource& fact,
                                                std::string_view name) {
  const std::string text = fact(name);
  if (text.empty()) {
    return std::nullopt;
  }
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole ? std::optional<Number>(number) : std::nullopt;
}

Status BadFact(std::string_view name, std::string_view what) {
  return InvalidArgument("call.bad_fact",
                         "the header " + std::string(name) + " " + std::string(what));
}

Result<Call> ReadCall(Operation operation, const Participant::FactSource& fact) {
  Call call;
  call.operation = operation;
  call.gid = Gid(fact("entente-gid"));
  call.branch = BranchId(fact("entente-branch"));
  if (call.gid.empty() || call.branch.empty()) {
    return InvalidArgument("call.no_name",
                           "the headers Entente-Gid and Entente-Branch must name the transaction "
                           "and the branch: without them a call can not be made safe to repeat");
  }
  if (const std::string said = fact("entente-operation");
      !said.empty() && said != OperationName(operation)) {
    return InvalidArgument("call.wrong_operation",
                           "the coordinator asks for '" + said + "' but the address says '" +
                               std::string(OperationName(operation)) + "'; correct the definition");
  }
  if (const auto attempt = NumberFact<uint32_t>(fact, "entente-attempt")) {
    if (!*attempt) {
      return BadFact("Entente-Attempt", "is not a number");
    }
    call.attempt = **attempt;
  }
  if (const auto epoch = NumberFact<uint64_t>(fact, "entente-epoch")) {
    if (!*epoch || **epoch > uint64_t{INT64_MAX}) {
      return BadFact("Entente-Epoch", "is not a number below 2^63");
    }
    call.epoch = Epoch(**epoch);
  }
  if (const std::string one_phase = fact("entente-one-phase"); !one_phase.empty()) {
    if (one_phase != "true" && one_phase != "false") {
      return BadFact("Entente-One-Phase", "is neither true nor false");
    }
    call.one_phase = one_phase == "true" && operation == Operation::kCommit;
  }
  ENTENTE_ASSIGN_OR_RETURN(call.deadline, ParseDeadline(fact("entente-deadline")));
  call.coordinator = fact("entente-coordinator");
  if (!call.coordinator.empty() && !IsCoordinatorId(call.coordinator)) {
    return BadFact("Entente-Coordinator", "is not 16 lower-case hexadecimal digits");
  }
  call.idempotency_key = fact("idempotency-key");
  call.alternative = AlternativeOfKey(call.idempotency_key, call);
  call.completion_token = fact("entente-completion-token");
  call.traceparent = fact("traceparent");
  return call;
}

template <class Work>
Result<Answer> Guarded(const Work& work) {
  try {
    return work();
  } catch (const std::exception& error) {
    return Internal("handler.threw", std::string("the handler threw: ") + error.what());
  } catch (...) {
    return Internal("handler.threw", "the handler threw what is no exception");
  }
}

bool IsGoodName(std::string_view name) {
  return !name.empty() && name.size() <= limits::kMaxNameBytes &&
         name.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
             "0123456789._-") == std::string_view::npos;
}

Status CheckName(std::string_view name) {
  return IsGoodName(name)
             ? Status()
             : InvalidArgument("participant.bad_name",
                               "'" + std::string(name) +
                                   "' can not be a handler's name: use 1 to 128 letters, digits, "
                                   "'.', '_' and '-'");
}

}  // namespace

Status Participant::Add(std::string_view name, std::vector<std::pair<Operation, Handler>> set,
                        std::string_view optional) {
  ENTENTE_RETURN_IF_ERROR(CheckName(name));
  const auto known = handlers_.find(name);
  for (const auto& [operation, handler] : set) {
    const std::string what(OperationName(operation));
    if (!handler && what != optional) {
      return InvalidArgument("participant.no_handler",
                             "'" + std::string(name) + "' has no handler for '" + what + "'");
    }
    if (known != handlers_.end() && known->second.contains(operation)) {
      return AlreadyExists("participant.duplicate",
                           "'" + std::string(name) + "' already has a handler for '" + what + "'");
    }
  }
  Handlers& handlers = handlers_[std::string(name)];
  for (auto& [operation, handler] : set) {
    if (handler) {
      handlers.emplace(operation, std::move(handler));
    }
  }
  return Status();
}

Status Participant::Register(std::string_view name, SagaHandlers handlers) {
  return Add(name,
             {{Operation::kAction, std::move(handlers.action)},
              {Operation::kCompensate, std::move(handlers.compensate)}},
             "compensate");
}

Status Participant::Register(std::string_view name, TccHandlers handlers) {
  return Add(name,
             {{Operation::kTry, std::move(handlers.try_)},
              {Operation::kConfirm, std::move(handlers.confirm)},
              {Operation::kCancel, std::move(handlers.cancel)}},
             "");
}

Status Participant::Register(std::string_view name, TwoPhaseHandlers handlers) {
  return Add(name,
             {{Operation::kPrepare, std::move(handlers.prepare)},
              {Operation::kCommit, std::move(handlers.commit)},
              {Operation::kRollback, std::move(handlers.rollback)}},
             "");
}

Status Participant::RegisterPoll(std::string_view name, PollHandler handler) {
  ENTENTE_RETURN_IF_ERROR(CheckName(name));
  const std::string key(name);
  if (!handler) {
    return InvalidArgument("participant.no_handler", "'" + key + "' has no handler to poll");
  }
  if (!polls_.emplace(key, std::move(handler)).second) {
    return AlreadyExists("participant.duplicate", "'" + key + "' already has a handler to poll");
  }
  return Status();
}

std::string Participant::PollLocation(std::string_view name, std::string_view rest) const {
  return prefix_ + "/" + std::string(name) + "/" + std::string(rest);
}

Outcome Participant::DispatchPoll(std::string_view name, std::string_view rest,
                                  const FactSource& fact) const {
  const auto found = polls_.find(name);
  if (found == polls_.end()) {
    return Faulty(Outcome::Fault::kNotFound, "handler.unknown",
                  "nothing is polled under '" + std::string(name.substr(0, 200)) + "'");
  }
  const auto operation = ParseOperation(fact("entente-operation"));
  if (!operation) {
    return Faulty(Outcome::Fault::kBadRequest, "call.no_name",
                  "the header Entente-Operation must say what is polled for");
  }
  const Result<Call> call = ReadCall(*operation, fact);
  if (!call.ok()) {
    return Faulty(Outcome::Fault::kBadRequest, call.status().reason(), call.status().message());
  }
  Result<Answer> answer = Guarded([&] { return found->second(*call, rest); });
  if (!answer.ok()) {
    return FailedOutcome(answer.status());
  }
  if (std::holds_alternative<ReadOnlyAnswer>(*answer) ||
      std::holds_alternative<HeuristicAnswer>(*answer)) {
    return {Outcome::Fault::kHandler,
            Retry("handler.bad_answer", "the handler's answer has no meaning for a poll")};
  }
  return {Outcome::Fault::kNone, std::move(answer).value()};
}

// The handler is called with a Completion in any case: a blocking one is answered for.
void Participant::DispatchAsync(std::string_view handler, Operation operation,
                                const FactSource& fact, Json input, OutcomeWaiter waiter) const {
  const auto named = handlers_.find(handler);
  if (named == handlers_.end()) {
    return waiter.done(
        Faulty(Outcome::Fault::kNotFound, "handler.unknown",
               "no handler is registered under '" + std::string(handler.substr(0, 200)) + "'"));
  }
  const auto found = named->second.find(operation);
  if (found == named->second.end()) {
    return waiter.done(Faulty(Outcome::Fault::kNotFound, "handler.no_operation",
                              "'" + named->first + "' has no handler for '" +
                                  std::string(OperationName(operation)) + "'"));
  }
  Result<Call> call = ReadCall(operation, fact);
  if (!call.ok()) {
    return waiter.done(
        Faulty(Outcome::Fault::kBadRequest, call.status().reason(), call.status().message()));
  }
  call->input = std::move(input);
  const auto state = std::make_shared<Completion::State>(*call, std::move(waiter));
  const Handler& handle = found->second;
  if (handle.blocking_) {
    return state->Finish(Guarded([&] { return handle.blocking_(*call); }));
  }
  const Result<Answer> called = Guarded([&]() -> Result<Answer> {
    handle.asynchronous_(*call, Completion(state));
    return Done();
  });
  if (!called.ok()) {
    state->Finish(called.status());  // Unless the Completion that it let go of has answered.
  }
}

Outcome Participant::Dispatch(std::string_view handler, Operation operation, const FactSource& fact,
                              Json input) const {
  const auto deadline = ParseDeadline(fact("entente-deadline"));
  const auto give_up_at = GiveUpAt(deadline.ok() ? *deadline : std::nullopt);
  const auto awaited = std::make_shared<Awaited<Outcome>>();
  DispatchAsync(handler, operation, fact, std::move(input),
                {[awaited](Outcome outcome) { awaited->Give(std::move(outcome)); },
                 [awaited] { return awaited->wanted(); }});
  std::optional<Outcome> outcome = awaited->Take(give_up_at);
  return outcome ? std::move(*outcome)
                 : Outcome{Outcome::Fault::kNone,
                           Retry("call.too_late", "the call was not answered by its deadline")};
}

}  // namespace entente::sdk
