#include "entente/participant.h"

#include <charconv>
#include <exception>
#include <optional>
#include <utility>

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

// Unix milliseconds, which are far from what the type can not hold.
Result<std::optional<Instant>> ReadDeadline(const Participant::FactSource& fact) {
  const auto millis = NumberFact<uint64_t>(fact, "entente-deadline");
  if (!millis) {
    return std::optional<Instant>();
  }
  if (!*millis || **millis > uint64_t{INT64_MAX} / 1000) {
    return BadFact("Entente-Deadline", "is not a number of Unix milliseconds");
  }
  return std::optional(InstantFromMicros(static_cast<int64_t>(**millis) * 1000));
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
  ENTENTE_ASSIGN_OR_RETURN(call.deadline, ReadDeadline(fact));
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

// Whether an answer has a meaning for an operation.
bool Fits(const Answer& answer, const Call& call) {
  if (std::holds_alternative<ReadOnlyAnswer>(answer)) {
    return call.operation == Operation::kPrepare;
  }
  if (const auto* done = std::get_if<DoneAnswer>(&answer); done != nullptr && done->expires) {
    return call.operation == Operation::kTry;
  }
  if (std::holds_alternative<HeuristicAnswer>(answer)) {
    return PurposeOf(call.operation) != Purpose::kForward;
  }
  if (const auto* pending = std::get_if<PendingAnswer>(&answer)) {
    return !pending->location.empty() || !call.completion_token.empty();
  }
  return true;
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

Outcome Failed(const Status& status) {
  const StatusCode code = status.code();
  const bool defect = code == StatusCode::kInternal || code == StatusCode::kDataLoss;
  return {defect ? Outcome::Fault::kHandler : Outcome::Fault::kNone, AnswerOf(status)};
}

Outcome CallHandler(const Handler& handler, const Call& call) {
  Result<Answer> answer = Guarded([&] { return handler(call); });
  if (!answer.ok()) {
    return Failed(answer.status());
  }
  if (!Fits(*answer, call)) {
    return {Outcome::Fault::kHandler,
            Retry("handler.bad_answer", "the handler's answer has no meaning for the operation '" +
                                            std::string(OperationName(call.operation)) + "'")};
  }
  return {Outcome::Fault::kNone, std::move(answer).value()};
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
    return Failed(answer.status());
  }
  if (std::holds_alternative<ReadOnlyAnswer>(*answer) ||
      std::holds_alternative<HeuristicAnswer>(*answer)) {
    return {Outcome::Fault::kHandler,
            Retry("handler.bad_answer", "the handler's answer has no meaning for a poll")};
  }
  return {Outcome::Fault::kNone, std::move(answer).value()};
}

Outcome Participant::Dispatch(std::string_view handler, Operation operation, const FactSource& fact,
                              Json input) const {
  const auto named = handlers_.find(handler);
  if (named == handlers_.end()) {
    return Faulty(Outcome::Fault::kNotFound, "handler.unknown",
                  "no handler is registered under '" + std::string(handler.substr(0, 200)) + "'");
  }
  const auto found = named->second.find(operation);
  if (found == named->second.end()) {
    return Faulty(Outcome::Fault::kNotFound, "handler.no_operation",
                  "'" + named->first + "' has no handler for '" +
                      std::string(OperationName(operation)) + "'");
  }
  Result<Call> call = ReadCall(operation, fact);
  if (!call.ok()) {
    return Faulty(Outcome::Fault::kBadRequest, call.status().reason(), call.status().message());
  }
  call->input = std::move(input);
  return CallHandler(found->second, *call);
}

}  // namespace entente::sdk
