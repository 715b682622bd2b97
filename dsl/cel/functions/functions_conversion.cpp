// size(), type(), dyn() and the conversions between types.

#include <array>
#include <cmath>
#include <limits>
#include <string>

#include "base/json_number.h"
#include "base/utf8.h"
#include "dsl/cel/error.h"
#include "dsl/cel/functions/functions.h"
#include "dsl/cel/numbers.h"
#include "dsl/cel/timestamp.h"
#include "dsl/cel/utf8.h"

namespace entente::dsl::cel {
namespace {

using Arguments = std::span<const Value>;

constexpr double kTwo63 = 9223372036854775808.0;
constexpr double kTwo64 = 18446744073709551616.0;

bool FailRange(EvalContext& context, const Value& value, std::string_view type) {
  const std::string text = *ToText(value);
  constexpr size_t kMaxShownBytes = 60;  // A number that was written out may have any length.
  return context.Fail("range error: " + text.substr(0, kMaxShownBytes) +
                      (text.size() > kMaxShownBytes ? "..." : "") + " does not fit the type " +
                      std::string(type));
}

bool Size(EvalContext& context, Arguments arguments, Value* out, bool is_method) {
  const Value& value = arguments[0];
  switch (value.kind()) {
    case Kind::kString:
      if (!context.ChargeContent(value)) {
        return false;
      }
      *out = Value::Int(static_cast<int64_t>(CountCodePoints(value.string_value())));
      return true;
    case Kind::kBytes:
      *out = Value::Int(static_cast<int64_t>(value.bytes_value().size()));
      return true;
    case Kind::kList:
    case Kind::kMap: *out = Value::Int(static_cast<int64_t>(value.size())); return true;
    default: return context.FailOverload("size", arguments, is_method);
  }
}

bool SizeFunction(EvalContext& context, Arguments arguments, Value* out) {
  return Size(context, arguments, out, false);
}

bool SizeMethod(EvalContext& context, Arguments arguments, Value* out) {
  return Size(context, arguments, out, true);
}

bool Type(EvalContext&, Arguments arguments, Value* out) {
  *out = Value::Type(arguments[0].kind());
  return true;
}

bool Dyn(EvalContext&, Arguments arguments, Value* out) {
  *out = arguments[0];
  return true;
}

bool ToBool(EvalContext& context, Arguments arguments, Value* out) {
  const Value& value = arguments[0];
  if (value.kind() == Kind::kBool) {
    *out = value;
    return true;
  }
  if (value.kind() != Kind::kString) {
    return context.FailOverload("bool", arguments, false);
  }
  const std::string& text = value.string_value();
  for (const std::string_view word : {"1", "t", "true", "TRUE", "True"}) {
    if (text == word) {
      *out = Value::Bool(true);
      return true;
    }
  }
  for (const std::string_view word : {"0", "f", "false", "FALSE", "False"}) {
    if (text == word) {
      *out = Value::Bool(false);
      return true;
    }
  }
  return context.Fail(
      ConversionError(Kind::kString, Kind::kBool, Quote(text) + " is neither true nor false"));
}

// The whole part of a number that no 64 bits hold as it is, as int() and uint() take it: towards
// zero.
template <class Integer>
std::optional<Integer> WholePart(std::string_view written) {
  const Decimal decimal(written);
  const std::optional<std::string> digits =
      decimal.WholeDigits(std::numeric_limits<uint64_t>::digits10 + 1);
  if (!digits || digits->empty()) {
    return digits ? std::optional<Integer>(0) : std::nullopt;
  }
  const std::string text = (decimal.negative() ? "-" : "") + *digits;
  if constexpr (std::numeric_limits<Integer>::is_signed) {
    return ParseInt(text);
  } else {
    return ParseUint(text);
  }
}

bool ToInt(EvalContext& context, Arguments arguments, Value* out) {
  const Value& value = arguments[0];
  if (!context.ChargeContent(value)) {
    return false;
  }
  switch (value.kind()) {
    case Kind::kDecimal: {
      const std::optional<int64_t> number = WholePart<int64_t>(*value.written());
      *out = Value::Int(number.value_or(0));
      return number.has_value() || FailRange(context, value, "int");
    }
    case Kind::kInt: *out = value; return true;
    case Kind::kUint:
      if (value.uint_value() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
        return FailRange(context, value, "int");
      }
      *out = Value::Int(static_cast<int64_t>(value.uint_value()));
      return true;
    case Kind::kDouble:
      // Exclusive at both ends, as the specification has it; also false for NaN.
      if (!(value.double_value() > -kTwo63 && value.double_value() < kTwo63)) {
        return FailRange(context, value, "int");
      }
      *out = Value::Int(static_cast<int64_t>(value.double_value()));
      return true;
    case Kind::kString: {
      const std::optional<int64_t> number = ParseInt(value.string_value());
      if (!number) {
        return context.Fail(
            ConversionError(Kind::kString, Kind::kInt,
                            Quote(value.string_value()) + " is not a decimal number of 64 bits"));
      }
      *out = Value::Int(*number);
      return true;
    }
    case Kind::kTimestamp: *out = Value::Int(value.timestamp_value().seconds); return true;
    default: return context.FailOverload("int", arguments, false);
  }
}

bool ToUint(EvalContext& context, Arguments arguments, Value* out) {
  const Value& value = arguments[0];
  if (!context.ChargeContent(value)) {
    return false;
  }
  switch (value.kind()) {
    case Kind::kDecimal: {
      const std::optional<uint64_t> number = WholePart<uint64_t>(*value.written());
      *out = Value::Uint(number.value_or(0));
      return number.has_value() || FailRange(context, value, "uint");
    }
    case Kind::kUint: *out = value; return true;
    case Kind::kInt:
      if (value.int_value() < 0) {
        return FailRange(context, value, "uint");
      }
      *out = Value::Uint(static_cast<uint64_t>(value.int_value()));
      return true;
    case Kind::kDouble:
      if (!(value.double_value() >= 0 && value.double_value() < kTwo64)) {
        return FailRange(context, value, "uint");
      }
      *out = Value::Uint(static_cast<uint64_t>(value.double_value()));
      return true;
    case Kind::kString: {
      const std::optional<uint64_t> number = ParseUint(value.string_value());
      if (!number) {
        return context.Fail(ConversionError(
            Kind::kString, Kind::kUint,
            Quote(value.string_value()) + " is not an unsigned decimal number of 64 bits"));
      }
      *out = Value::Uint(*number);
      return true;
    }
    default: return context.FailOverload("uint", arguments, false);
  }
}

bool ToDouble(EvalContext& context, Arguments arguments, Value* out) {
  const Value& value = arguments[0];
  if (!context.ChargeContent(value)) {
    return false;
  }
  switch (value.kind()) {
    case Kind::kDecimal: {
      const std::optional<double> number = ParseDouble(*value.written());
      *out = Value::Double(number.value_or(0));
      return number.has_value() || FailRange(context, value, "double");
    }
    case Kind::kDouble: *out = value; return true;
    case Kind::kInt: *out = Value::Double(static_cast<double>(value.int_value())); return true;
    case Kind::kUint: *out = Value::Double(static_cast<double>(value.uint_value())); return true;
    case Kind::kString: {
      const std::optional<double> number = ParseDouble(value.string_value());
      if (!number) {
        return context.Fail(
            ConversionError(Kind::kString, Kind::kDouble,
                            Quote(value.string_value()) + " is not a number a double can hold"));
      }
      *out = Value::Double(*number);
      return true;
    }
    default: return context.FailOverload("double", arguments, false);
  }
}

bool ToString(EvalContext& context, Arguments arguments, Value* out) {
  const Value& value = arguments[0];
  if (!context.ChargeContent(value)) {
    return false;
  }
  switch (value.kind()) {
    case Kind::kString: *out = value; return true;
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kUint:
    case Kind::kDouble:
    case Kind::kDecimal:
    case Kind::kTimestamp:
    case Kind::kDuration: return context.Take(ToText(value), Value::String, out);
    case Kind::kBytes:
      if (ValidUtf8Prefix(value.bytes_value()) != value.bytes_value().size()) {
        return context.Fail("invalid UTF-8 in bytes, which can not become a string");
      }
      *out = Value::String(value.bytes_value());
      return true;
    default: return context.FailOverload("string", arguments, false);
  }
}

bool ToBytes(EvalContext& context, Arguments arguments, Value* out) {
  const Value& value = arguments[0];
  if (value.kind() == Kind::kBytes) {
    *out = value;
    return true;
  }
  if (value.kind() != Kind::kString) {
    return context.FailOverload("bytes", arguments, false);
  }
  if (!context.ChargeContent(value)) {
    return false;
  }
  *out = Value::Bytes(value.string_value());
  return true;
}

constexpr std::array<Function, 10> kConversionFunctions = {{
    {"bool", false, 1, 1, ToBool},
    {"bytes", false, 1, 1, ToBytes},
    {"double", false, 1, 1, ToDouble},
    {"dyn", false, 1, 1, Dyn},
    {"int", false, 1, 1, ToInt},
    {"size", false, 1, 1, SizeFunction},
    {"size", true, 0, 0, SizeMethod},
    {"string", false, 1, 1, ToString},
    {"type", false, 1, 1, Type},
    {"uint", false, 1, 1, ToUint},
}};

}  // namespace

std::span<const Function> ConversionFunctions() {
  return kConversionFunctions;
}

}  // namespace entente::dsl::cel
