#include "entente/call.h"

#include <array>
#include <charconv>
#include <utility>

namespace entente::sdk {
namespace {

struct OperationFacts {
  Operation operation;
  std::string_view name;
  std::string_view family;
  Purpose purpose;
};
constexpr std::array kOperations{
    OperationFacts{Operation::kAction, "action", "saga", Purpose::kForward},
    OperationFacts{Operation::kCompensate, "compensate", "saga", Purpose::kUndo},
    OperationFacts{Operation::kTry, "try", "tcc", Purpose::kForward},
    OperationFacts{Operation::kConfirm, "confirm", "tcc", Purpose::kFinish},
    OperationFacts{Operation::kCancel, "cancel", "tcc", Purpose::kUndo},
    OperationFacts{Operation::kPrepare, "prepare", "2pc", Purpose::kForward},
    OperationFacts{Operation::kCommit, "commit", "2pc", Purpose::kFinish},
    OperationFacts{Operation::kRollback, "rollback", "2pc", Purpose::kUndo},
};

const OperationFacts& FactsOf(Operation operation) {
  const OperationFacts& facts = kOperations.at(static_cast<size_t>(operation));
  ENTENTE_CHECK(facts.operation == operation);
  return facts;
}

}  // namespace

std::string_view OperationName(Operation operation) {
  return FactsOf(operation).name;
}
std::string_view FamilyName(Operation operation) {
  return FactsOf(operation).family;
}
Purpose PurposeOf(Operation operation) {
  return FactsOf(operation).purpose;
}

std::optional<Operation> ParseOperation(std::string_view name) {
  for (const OperationFacts& facts : kOperations) {
    if (facts.name == name) {
      return facts.operation;
    }
  }
  return std::nullopt;
}

bool IsCoordinatorId(std::string_view text) {
  return text.size() == 16 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

uint32_t AlternativeOfKey(std::string_view key, const Call& call) {
  const std::string head = call.gid.str() + ":" + call.branch.str() + ":alt";
  if (!key.starts_with(head)) {
    return 0;
  }
  uint32_t number = 0;
  const char* const end = key.data() + key.size();
  const auto [after, error] = std::from_chars(key.data() + head.size(), end, number);
  const std::string_view rest(after, static_cast<size_t>(end - after));
  const bool is_step_key = rest.empty() && PurposeOf(call.operation) == Purpose::kForward;
  const bool names_operation = rest == ":" + std::string(OperationName(call.operation));
  return error == std::errc() && (is_step_key || names_operation) ? number : 0;
}

std::string_view HeuristicName(HeuristicOutcome outcome) {
  switch (outcome) {
    case HeuristicOutcome::kCommitted: return "committed";
    case HeuristicOutcome::kRolledBack: return "rolled-back";
    case HeuristicOutcome::kMixed: return "mixed";
  }
  return "mixed";
}

Answer Done(Json output) {
  return DoneAnswer{std::move(output)};
}
Answer DoneUntil(Instant expires, Json output) {
  return DoneAnswer{std::move(output), expires};
}
Answer Refused(std::string code, std::string message) {
  return RefusedAnswer{std::move(code), std::move(message)};
}
Answer Pending(std::string location) {
  return PendingAnswer{std::move(location)};
}
Answer Retry(std::string code, std::string message, Duration after) {
  return RetryAnswer{std::move(code), std::move(message), after, RetryScope::kCall};
}
Answer OutOfService(std::string code, std::string message, Duration after) {
  return RetryAnswer{std::move(code), std::move(message), after, RetryScope::kService};
}
Answer ReadOnly() {
  return ReadOnlyAnswer{};
}
Answer Heuristic(HeuristicOutcome outcome, std::string message) {
  return HeuristicAnswer{outcome, std::move(message)};
}
Answer AnswerOf(const Status& status) {
  const bool concerns_all =
      status.code() == StatusCode::kResourceExhausted || status.reason() == "barrier.no_connection";
  return concerns_all ? OutOfService(status.reason(), status.message())
                      : Retry(status.reason(), status.message());
}

}  // namespace entente::sdk
