// Values that may be absent: optional.of(x), x.hasValue(), x.value(). What is made of an absent one
// (orValue, or, optMap) is evaluated only then, so the parser knows those.

#include <array>

#include "dsl/cel/functions/functions.h"

namespace entente::dsl::cel {
namespace {

using Arguments = std::span<const Value>;

bool IsZero(const Value& value) {
  switch (value.kind()) {
    case Kind::kNull: return true;
    case Kind::kBool: return !value.bool_value();
    case Kind::kInt: return value.int_value() == 0;
    case Kind::kUint: return value.uint_value() == 0;
    case Kind::kDouble: return value.double_value() == 0;
    case Kind::kString: return value.string_value().empty();
    case Kind::kBytes: return value.bytes_value().empty();
    case Kind::kList:
    case Kind::kMap: return value.size() == 0;
    case Kind::kDuration: return value.duration_value().nanos == 0;
    default: return false;
  }
}

bool Of(EvalContext&, Arguments arguments, Value* out) {
  *out = Value::Optional(arguments[0]);
  return true;
}

bool None(EvalContext&, Arguments, Value* out) {
  *out = Value::None();
  return true;
}

bool OfNonZero(EvalContext&, Arguments arguments, Value* out) {
  *out = IsZero(arguments[0]) ? Value::None() : Value::Optional(arguments[0]);
  return true;
}

bool HasValue(EvalContext& context, Arguments arguments, Value* out) {
  if (arguments[0].kind() != Kind::kOptional) {
    return context.FailOverload("hasValue", arguments, true);
  }
  *out = Value::Bool(arguments[0].optional_value() != nullptr);
  return true;
}

bool Unwrap(EvalContext& context, Arguments arguments, Value* out) {
  if (arguments[0].kind() != Kind::kOptional) {
    return context.FailOverload("value", arguments, true);
  }
  const Value* value = arguments[0].optional_value();
  if (value == nullptr) {
    return context.Fail("optional.none() dereference: there is no value; use orValue(...)");
  }
  *out = *value;
  return true;
}

constexpr std::array<Function, 5> kOptionalFunctions = {{
    {"hasValue", true, 0, 0, HasValue},
    {"optional.none", false, 0, 0, None},
    {"optional.of", false, 1, 1, Of},
    {"optional.ofNonZeroValue", false, 1, 1, OfNonZero},
    {"value", true, 0, 0, Unwrap},
}};

}  // namespace

std::span<const Function> OptionalFunctions() {
  return kOptionalFunctions;
}

}  // namespace entente::dsl::cel
