// What functions and operators share during one evaluation: its budget and its error. Private to
// dsl/cel.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <re2/re2.h>

#include "base/limits.h"
#include "base/status.h"
#include "dsl/cel/budget.h"
#include "dsl/cel/value.h"

namespace entente::dsl::cel {

// Not thread-safe: one per evaluation. Spends from the budget given, or from one of its own. The
// error is kept here and functions return false, which costs nothing on the way of success and lets
// && and || forget an error they absorb.
class EvalContext {
 public:
  // `budget` may be null, else it outlives this.
  explicit EvalContext(Budget* budget) : budget_(budget == nullptr ? &own_budget_ : budget) {}
  EvalContext(const EvalContext&) = delete;
  EvalContext& operator=(const EvalContext&) = delete;

  // Spends `units` of the budget. False, with a fatal error, when it is used up. Whatever reads,
  // compares or makes bytes pays for them before it does.
  [[nodiscard]] bool Charge(uint64_t units) { return budget_->Charge(units) || FailBudget(); }
  [[nodiscard]] bool ChargeBytes(size_t bytes) { return Charge(Budget::CostOfBytes(bytes)); }
  // For the content of a string, bytes or number that was written with many digits; nothing for
  // other kinds.
  [[nodiscard]] bool ChargeContent(const Value& value);

  // These record the error and return false, so that a body can end with `return context.Fail()`.
  bool Fail(Status error);
  bool Fail(std::string message);
  // "no such overload: 'name' applied to '(int, string)'"; a method shows as 'string.(int)'.
  bool FailOverload(std::string_view name, std::span<const Value> arguments, bool is_method);

  // Moves the value out of a Result, or fails with its Status.
  template <class T, class Convert>
  [[nodiscard]] bool Take(Result<T> result, Convert convert, Value* out) {
    if (!result.ok()) {
      return Fail(result.status());
    }
    *out = convert(*std::move(result));
    return true;
  }

  // The error last recorded. Not absorbed when fatal: the budget is spent for good.
  [[nodiscard]] const Status& error() const { return error_; }
  [[nodiscard]] Status TakeError() { return std::exchange(error_, Status()); }
  [[nodiscard]] bool fatal() const { return fatal_; }

  // The compiled form of a pattern that is only known now; null after recording why it is
  // invalid. The last one is kept, for loops. Valid until the next call.
  [[nodiscard]] const RE2* Regex(const std::string& pattern);

  // Whether `regex` is found in `text`, which costs by the size of both. False after a failure.
  [[nodiscard]] bool Search(const RE2& regex, const std::string& text, Value* found);

 private:
  bool FailBudget();

  Budget own_budget_;
  Budget* budget_;
  Status error_;
  bool fatal_ = false;
  std::unique_ptr<const RE2> regex_;
};

// Compiles a pattern quietly and with bounded memory. Check ok() on the result.
[[nodiscard]] std::unique_ptr<const RE2> CompileRegex(std::string_view pattern);

// What compiling `regex` took, in instructions of its program; one that grew too large counts as
// much as it may have grown to.
[[nodiscard]] size_t RegexInstructions(const RE2& regex);

// "invalid regular expression 'a(': missing ): a("
[[nodiscard]] std::string DescribeBadRegex(const RE2& regex);

}  // namespace entente::dsl::cel
