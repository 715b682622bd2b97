// The functions and methods an expression may call. Private to dsl/cel.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "dsl/cel/eval_context.h"
#include "dsl/cel/value.h"

namespace entente::dsl::cel {

// Computes `*out`, or tells `context` why not and returns false. For a method, arguments[0] is
// the receiver. The number of arguments has been checked, their kinds have not.
using FunctionBody = bool (*)(EvalContext& context, std::span<const Value> arguments, Value* out);

struct Function {
  std::string_view name;
  bool is_method;        // x.f(...) as opposed to f(...).
  size_t min_arguments;  // Without the receiver.
  size_t max_arguments;
  FunctionBody body;
};

// No function takes more, the receiver included.
inline constexpr size_t kMaxArguments = 8;

// The tables, by theme; each sorted for reading, searched once per parsed call.
[[nodiscard]] std::span<const Function> ConversionFunctions();
[[nodiscard]] std::span<const Function> StringFunctions();
[[nodiscard]] std::span<const Function> TimeFunctions();
// Those with a namespace in their name, as in math.abs(x), are found by all of it.
[[nodiscard]] std::span<const Function> MathFunctions();
[[nodiscard]] std::span<const Function> ListFunctions();
[[nodiscard]] std::span<const Function> FormatFunctions();
[[nodiscard]] std::span<const Function> OptionalFunctions();

// Null when there is none.
[[nodiscard]] const Function* FindFunction(std::string_view name, bool is_method);

// A hint for the author who called what does not exist: "; did you mean 'startsWith'?", or "".
[[nodiscard]] std::string SuggestFunction(std::string_view name, bool is_method);

}  // namespace entente::dsl::cel
