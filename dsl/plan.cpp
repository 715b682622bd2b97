#include "dsl/plan.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace entente::dsl {
namespace {

// A number in [0, 1) with all the bits a double holds.
double UnitInterval(uint64_t entropy) {
  constexpr double kTwoToMinus53 = 1.0 / 9007199254740992.0;
  return static_cast<double>(entropy >> 11) * kTwoToMinus53;
}

}  // namespace

std::string_view ModeName(Mode mode) {
  switch (mode) {
    case Mode::kSaga: return "saga";
    case Mode::kTcc: return "tcc";
    case Mode::kTwoPhaseCommit: return "2pc";
  }
  ENTENTE_CHECK(false);
}

std::string_view OperationName(Mode mode, Role role) {
  switch (mode) {
    case Mode::kSaga:
      ENTENTE_CHECK(role != Role::kFinish);
      return role == Role::kForward ? "action" : "compensate";
    case Mode::kTcc:
      switch (role) {
        case Role::kForward: return "try";
        case Role::kUndo: return "cancel";
        case Role::kFinish: return "confirm";
      }
      break;
    case Mode::kTwoPhaseCommit:
      switch (role) {
        case Role::kForward: return "prepare";
        case Role::kUndo: return "rollback";
        case Role::kFinish: return "commit";
      }
      break;
  }
  ENTENTE_CHECK(false);
}

bool CallWay::HoldsChild() const {
  const auto* child = undo ? std::get_if<ChildTemplate>(&undo->call) : nullptr;
  return child != nullptr && child->aborts_forward;
}

bool CallWay::IsFor(std::string_view code) const {
  if (!after_refusal) {
    return false;
  }
  return on.empty() || std::any_of(on.begin(), on.end(), [code](std::string_view wanted) {
           // "NOT_FOUND" is meant by "grpc.NOT_FOUND", and "409" by "http.409".
           return code == wanted || (code.size() == wanted.size() + 5 && code.ends_with(wanted) &&
                                     (code.starts_with("http.") || code.starts_with("grpc.")));
         });
}

std::optional<size_t> CallWork::NextAfter(size_t number, std::string_view code,
                                          bool given_up) const {
  for (size_t next = number + 1; next <= alternatives.size(); ++next) {
    const CallWay& way = alternatives[next - 1];
    if (way.IsFor(code) || (given_up && way.after_undo)) {
      return next;
    }
  }
  return std::nullopt;
}

std::optional<size_t> CallWork::NextOnceUndone(size_t number) const {
  for (size_t next = number + 1; next <= alternatives.size(); ++next) {
    if (alternatives[next - 1].after_undo) {
      return next;
    }
  }
  return std::nullopt;
}

bool CallWork::CanBeUndone() const {
  return undo.has_value() ||
         std::any_of(alternatives.begin(), alternatives.end(),
                     [](const CallWay& alternative) { return alternative.undo.has_value(); });
}

RetryPolicy DefaultSettleRetry() {
  RetryPolicy policy;
  policy.initial = std::chrono::milliseconds(200);
  policy.factor = 2.0;
  policy.max = std::chrono::minutes(1);
  policy.attempts = 30;
  return policy;
}

Duration RetryDelay(const RetryPolicy& policy, uint32_t next_attempt, uint64_t entropy) {
  ENTENTE_CHECK(next_attempt >= 2);
  const double exponent = static_cast<double>(next_attempt - 2);
  const double limit = static_cast<double>(policy.max.count());
  // The power may be infinite; the cap makes it finite again before anything is converted.
  const double delay = std::min(
      static_cast<double>(policy.initial.count()) * std::pow(policy.factor, exponent), limit);
  const double spread = 1.0 - policy.jitter + 2.0 * policy.jitter * UnitInterval(entropy);
  return Duration(std::llround(delay * spread));
}

}  // namespace entente::dsl
