// The math extension, as the specification's tests have it: math.abs(-1), math.greatest(a, b).

#include <array>
#include <cmath>
#include <limits>
#include <string>

#include "dsl/cel/functions/functions.h"
#include "dsl/cel/numbers.h"
#include "dsl/cel/operators.h"

namespace entente::dsl::cel {
namespace {

using Arguments = std::span<const Value>;

constexpr uint64_t kWordBits = 64;

// The first of the numbers that no other one is beyond, by `op`.
bool Extreme(EvalContext& context, std::string_view name, Arguments numbers, RelationOp op,
             Value* out) {
  for (const Value& number : numbers) {
    if (!IsNumber(number)) {
      return context.FailOverload(name, numbers, false);
    }
  }
  *out = numbers[0];
  for (const Value& number : numbers.subspan(1)) {
    bool beyond = false;
    if (!context.Charge(1) || !Relate(context, op, number, *out, &beyond)) {
      return false;
    }
    *out = beyond ? number : *out;
  }
  return true;
}

// Of the arguments, or of the elements of the one list.
bool ExtremeOf(EvalContext& context, std::string_view name, Arguments arguments, RelationOp op,
               Value* out) {
  if (arguments.size() > 1 || arguments[0].kind() != Kind::kList) {
    return Extreme(context, name, arguments, op, out);
  }
  if (arguments[0].size() == 0) {
    return context.Fail(std::string(name) + " of an empty list");
  }
  if (!context.Charge(arguments[0].size())) {
    return false;
  }
  std::vector<Value> elements;
  for (size_t i = 0; i < arguments[0].size(); ++i) {
    elements.push_back(arguments[0].ElementAt(i));
  }
  return Extreme(context, name, elements, op, out);
}

bool Greatest(EvalContext& context, Arguments arguments, Value* out) {
  return ExtremeOf(context, "math.greatest", arguments, RelationOp::kGreater, out);
}

bool Least(EvalContext& context, Arguments arguments, Value* out) {
  return ExtremeOf(context, "math.least", arguments, RelationOp::kLess, out);
}

bool Abs(EvalContext& context, Arguments arguments, Value* out) {
  const Value& number = arguments[0];
  switch (number.kind()) {
    case Kind::kInt:
      return number.int_value() < 0 ? NegateNumber(context, number, out) : (*out = number, true);
    case Kind::kUint: *out = number; return true;
    case Kind::kDouble: *out = Value::Double(std::abs(number.double_value())); return true;
    default: return context.FailOverload("math.abs", arguments, false);
  }
}

bool Sign(EvalContext& context, Arguments arguments, Value* out) {
  const Value& number = arguments[0];
  switch (number.kind()) {
    case Kind::kInt:
      *out = Value::Int((number.int_value() > 0 ? 1 : 0) - (number.int_value() < 0 ? 1 : 0));
      return true;
    case Kind::kUint: *out = Value::Uint(number.uint_value() > 0 ? 1 : 0); return true;
    case Kind::kDouble: {
      const double value = number.double_value();
      const double sign = value > 0 ? 1.0 : -1.0;
      *out = Value::Double(value == 0 || std::isnan(value) ? value : sign);
      return true;
    }
    default: return context.FailOverload("math.sign", arguments, false);
  }
}

// A whole number stays what it is, though the specification's functions take doubles only: a price
// may happen to be whole.
bool Rounded(EvalContext& context, std::string_view name, Arguments arguments,
             double (*round)(double), Value* out) {
  const Value& number = arguments[0];
  if (number.kind() == Kind::kInt || number.kind() == Kind::kUint) {
    *out = number;
    return true;
  }
  if (number.kind() != Kind::kDouble) {
    return context.FailOverload(name, arguments, false);
  }
  *out = Value::Double(round(number.double_value()));
  return true;
}

bool Ceil(EvalContext& context, Arguments arguments, Value* out) {
  return Rounded(context, "math.ceil", arguments, &std::ceil, out);
}
bool Floor(EvalContext& context, Arguments arguments, Value* out) {
  return Rounded(context, "math.floor", arguments, &std::floor, out);
}
bool Round(EvalContext& context, Arguments arguments, Value* out) {
  return Rounded(context, "math.round", arguments, &std::round, out);
}
bool Trunc(EvalContext& context, Arguments arguments, Value* out) {
  return Rounded(context, "math.trunc", arguments, &std::trunc, out);
}

bool Sqrt(EvalContext& context, Arguments arguments, Value* out) {
  const Value& number = arguments[0];
  switch (number.kind()) {
    case Kind::kInt:
      *out = Value::Double(std::sqrt(static_cast<double>(number.int_value())));
      return true;
    case Kind::kUint:
      *out = Value::Double(std::sqrt(static_cast<double>(number.uint_value())));
      return true;
    case Kind::kDouble: *out = Value::Double(std::sqrt(number.double_value())); return true;
    default: return context.FailOverload("math.sqrt", arguments, false);
  }
}

bool Asks(EvalContext& context, std::string_view name, Arguments arguments, bool (*asks)(double),
          Value* out) {
  if (arguments[0].kind() != Kind::kDouble) {
    return context.FailOverload(name, arguments, false);
  }
  *out = Value::Bool(asks(arguments[0].double_value()));
  return true;
}

bool IsNan(EvalContext& context, Arguments arguments, Value* out) {
  return Asks(
      context, "math.isNaN", arguments, [](double x) { return std::isnan(x); }, out);
}
bool IsInf(EvalContext& context, Arguments arguments, Value* out) {
  return Asks(
      context, "math.isInf", arguments, [](double x) { return std::isinf(x); }, out);
}
bool IsFinite(EvalContext& context, Arguments arguments, Value* out) {
  return Asks(
      context, "math.isFinite", arguments, [](double x) { return std::isfinite(x); }, out);
}

using BitOperation = uint64_t (*)(uint64_t, uint64_t);

bool Bits(EvalContext& context, std::string_view name, Arguments arguments, BitOperation operation,
          Value* out) {
  const Value& left = arguments[0];
  const Value& right = arguments[arguments.size() - 1];
  if (left.kind() == Kind::kInt && right.kind() == Kind::kInt) {
    *out = Value::Int(static_cast<int64_t>(operation(static_cast<uint64_t>(left.int_value()),
                                                     static_cast<uint64_t>(right.int_value()))));
    return true;
  }
  if (left.kind() == Kind::kUint && right.kind() == Kind::kUint) {
    *out = Value::Uint(operation(left.uint_value(), right.uint_value()));
    return true;
  }
  return context.FailOverload(name, arguments, false);
}

bool BitAnd(EvalContext& context, Arguments arguments, Value* out) {
  return Bits(
      context, "math.bitAnd", arguments, [](uint64_t a, uint64_t b) { return a & b; }, out);
}
bool BitOr(EvalContext& context, Arguments arguments, Value* out) {
  return Bits(
      context, "math.bitOr", arguments, [](uint64_t a, uint64_t b) { return a | b; }, out);
}
bool BitXor(EvalContext& context, Arguments arguments, Value* out) {
  return Bits(
      context, "math.bitXor", arguments, [](uint64_t a, uint64_t b) { return a ^ b; }, out);
}
bool BitNot(EvalContext& context, Arguments arguments, Value* out) {
  return Bits(
      context, "math.bitNot", arguments, [](uint64_t a, uint64_t) { return ~a; }, out);
}

// By an int of any size: all bits are gone after 64.
bool Shift(EvalContext& context, std::string_view name, Arguments arguments, BitOperation shift,
           Value* out) {
  if (arguments[1].kind() != Kind::kInt) {
    return context.FailOverload(name, arguments, false);
  }
  const int64_t places = arguments[1].int_value();
  if (places < 0) {
    return context.Fail(std::string(name) + "() negative offset: " + std::to_string(places));
  }
  const bool gone = static_cast<uint64_t>(places) >= kWordBits;
  const auto move = [&](uint64_t bits) {
    return gone ? 0 : shift(bits, static_cast<uint64_t>(places));
  };
  if (arguments[0].kind() == Kind::kInt) {
    *out = Value::Int(static_cast<int64_t>(move(static_cast<uint64_t>(arguments[0].int_value()))));
    return true;
  }
  if (arguments[0].kind() == Kind::kUint) {
    *out = Value::Uint(move(arguments[0].uint_value()));
    return true;
  }
  return context.FailOverload(name, arguments, false);
}

bool ShiftLeft(EvalContext& context, Arguments arguments, Value* out) {
  return Shift(
      context, "math.bitShiftLeft", arguments, [](uint64_t a, uint64_t b) { return a << b; }, out);
}
bool ShiftRight(EvalContext& context, Arguments arguments, Value* out) {
  return Shift(
      context, "math.bitShiftRight", arguments, [](uint64_t a, uint64_t b) { return a >> b; }, out);
}

constexpr size_t kMost = kMaxArguments;
constexpr std::array<Function, 18> kMathFunctions = {{
    {"math.abs", false, 1, 1, Abs},
    {"math.bitAnd", false, 2, 2, BitAnd},
    {"math.bitNot", false, 1, 1, BitNot},
    {"math.bitOr", false, 2, 2, BitOr},
    {"math.bitShiftLeft", false, 2, 2, ShiftLeft},
    {"math.bitShiftRight", false, 2, 2, ShiftRight},
    {"math.bitXor", false, 2, 2, BitXor},
    {"math.ceil", false, 1, 1, Ceil},
    {"math.floor", false, 1, 1, Floor},
    {"math.greatest", false, 1, kMost, Greatest},
    {"math.isFinite", false, 1, 1, IsFinite},
    {"math.isInf", false, 1, 1, IsInf},
    {"math.isNaN", false, 1, 1, IsNan},
    {"math.least", false, 1, kMost, Least},
    {"math.round", false, 1, 1, Round},
    {"math.sign", false, 1, 1, Sign},
    {"math.sqrt", false, 1, 1, Sqrt},
    {"math.trunc", false, 1, 1, Trunc},
}};

}  // namespace

std::span<const Function> MathFunctions() {
  return kMathFunctions;
}

}  // namespace entente::dsl::cel
