// Text made of values: format(), strings.quote(), and base64.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>
#include <string>

#include "base/base64.h"
#include "dsl/cel/error.h"
#include "dsl/cel/functions/functions.h"
#include "dsl/cel/numbers.h"

namespace entente::dsl::cel {
namespace {

using Arguments = std::span<const Value>;

constexpr int kDefaultPrecision = 6;
constexpr int kMaxPrecision = 100;

bool AppendText(EvalContext& context, const Value& value, std::string* out);

bool AppendList(EvalContext& context, const Value& list, std::string* out) {
  *out += '[';
  for (size_t i = 0; i < list.size(); ++i) {
    *out += i == 0 ? "" : ", ";
    if (!AppendText(context, list.ElementAt(i), out)) {
      return false;
    }
  }
  *out += ']';
  return true;
}

// By the text of the keys, so that equal maps read alike.
bool AppendMap(EvalContext& context, const Value& map, std::string* out) {
  std::vector<std::pair<std::string, std::string>> entries;
  for (const auto& [key, value] : map.Entries()) {
    std::pair<std::string, std::string> entry;
    if (!AppendText(context, key, &entry.first) || !AppendText(context, value, &entry.second)) {
      return false;
    }
    entries.push_back(std::move(entry));
  }
  std::sort(entries.begin(), entries.end());
  *out += '{';
  for (size_t i = 0; i < entries.size(); ++i) {
    *out += (i == 0 ? "" : ", ") + entries[i].first + ": " + entries[i].second;
  }
  *out += '}';
  return true;
}

// %s. The recursion is bounded by the depth that a value may have.
bool AppendText(EvalContext& context, const Value& value, std::string* out) {
  if (!context.Charge(1)) {
    return false;
  }
  switch (value.kind()) {
    case Kind::kList: return AppendList(context, value, out);
    case Kind::kMap: return AppendMap(context, value, out);
    case Kind::kBytes:
      *out += value.bytes_value();
      return context.ChargeBytes(value.bytes_value().size());
    default: break;
  }
  Result<std::string> text = ToText(value);
  if (!text.ok()) {
    return context.Fail(text.status());
  }
  *out += *text;
  return context.ChargeBytes(text->size());
}

std::string Digits(uint64_t number, unsigned base, bool upper) {
  std::string digits;
  do {
    digits += (upper ? "0123456789ABCDEF" : "0123456789abcdef")[number % base];
    number /= base;
  } while (number > 0);
  std::reverse(digits.begin(), digits.end());
  return digits;
}

bool FailClause(EvalContext& context, char clause, std::string_view wanted, const Value& value) {
  return context.Fail("error during formatting: %" + std::string(1, clause) + " takes " +
                      std::string(wanted) + ", not " + std::string(KindName(value.kind())));
}

// %d, %b, %o, %x, %X of a whole number.
bool AppendWhole(EvalContext& context, char clause, const Value& value, std::string* out) {
  const unsigned base = clause == 'd' ? 10 : clause == 'b' ? 2 : clause == 'o' ? 8 : 16;
  if (value.kind() == Kind::kUint) {
    *out += Digits(value.uint_value(), base, clause == 'X');
    return true;
  }
  if (value.kind() != Kind::kInt) {
    return FailClause(context, clause, "an int or uint", value);
  }
  const int64_t number = value.int_value();
  const auto magnitude = static_cast<uint64_t>(number);
  *out +=
      (number < 0 ? "-" : "") + Digits(number < 0 ? 0 - magnitude : magnitude, base, clause == 'X');
  return true;
}

bool AppendHex(EvalContext& context, char clause, const Value& value, std::string* out) {
  if (value.kind() != Kind::kString && value.kind() != Kind::kBytes) {
    return AppendWhole(context, clause, value, out);
  }
  const std::string& octets =
      value.kind() == Kind::kString ? value.string_value() : value.bytes_value();
  if (!context.ChargeBytes(2 * octets.size())) {
    return false;
  }
  for (const char octet : octets) {
    const std::string digits = Digits(static_cast<unsigned char>(octet), 16, clause == 'X');
    *out += (digits.size() < 2 ? "0" : "") + digits;
  }
  return true;
}

// %f and %e.
bool AppendDouble(EvalContext& context, char clause, const Value& value, int precision,
                  std::string* out) {
  double number = 0;
  switch (value.kind()) {
    case Kind::kInt: number = static_cast<double>(value.int_value()); break;
    case Kind::kUint: number = static_cast<double>(value.uint_value()); break;
    case Kind::kDouble: number = value.double_value(); break;
    default: return FailClause(context, clause, "a number", value);
  }
  if (!std::isfinite(number)) {
    *out += FormatDouble(number);
    return true;
  }
  // The widest double has 309 digits before its point.
  std::array<char, 512> text{};
  const int size =
      std::snprintf(text.data(), text.size(), clause == 'f' ? "%.*f" : "%.*e", precision, number);
  out->append(text.data(), static_cast<size_t>(size));
  return context.ChargeBytes(static_cast<size_t>(size));
}

bool AppendClause(EvalContext& context, char clause, int precision, const Value& value,
                  std::string* out) {
  switch (clause) {
    case 's': return AppendText(context, value, out);
    case 'd':
      if (value.kind() == Kind::kDouble && !std::isfinite(value.double_value())) {
        *out += FormatDouble(value.double_value());
        return true;
      }
      return AppendWhole(context, clause, value, out);
    case 'b':
      if (value.kind() == Kind::kBool) {
        *out += value.bool_value() ? '1' : '0';
        return true;
      }
      return AppendWhole(context, clause, value, out);
    case 'o': return AppendWhole(context, clause, value, out);
    case 'x':
    case 'X': return AppendHex(context, clause, value, out);
    case 'e':
    case 'f': return AppendDouble(context, clause, value, precision, out);
    default:
      return context.Fail("could not parse formatting clause: unrecognized formatting clause \"" +
                          std::string(1, clause) + "\"; there are %s %d %f %e %b %o %x %X and %%");
  }
}

// ".3" in front of a clause; `at` is behind the percent sign.
bool TakePrecision(EvalContext& context, const std::string& format, size_t* at, int* precision) {
  if (*at >= format.size() || format[*at] != '.') {
    return true;
  }
  *precision = 0;
  size_t digits = 0;
  for (++*at; *at < format.size() && format[*at] >= '0' && format[*at] <= '9'; ++*at, ++digits) {
    *precision = std::min(*precision * 10 + (format[*at] - '0'), kMaxPrecision + 1);
  }
  return (digits > 0 && *precision <= kMaxPrecision) ||
         context.Fail("could not parse formatting clause: a precision is a number up to " +
                      std::to_string(kMaxPrecision));
}

bool Format(EvalContext& context, Arguments arguments, Value* out) {
  if (arguments[0].kind() != Kind::kString || arguments[1].kind() != Kind::kList) {
    return context.FailOverload("format", arguments, true);
  }
  const std::string& format = arguments[0].string_value();
  if (!context.ChargeBytes(format.size())) {
    return false;
  }
  std::string text;
  size_t used = 0;
  for (size_t at = 0; at < format.size(); ++at) {
    if (format[at] != '%') {
      text += format[at];
      continue;
    }
    int precision = kDefaultPrecision;
    ++at;
    if (at < format.size() && format[at] == '%') {
      text += '%';
      continue;
    }
    if (!TakePrecision(context, format, &at, &precision)) {
      return false;
    }
    if (at >= format.size()) {
      return context.Fail("unexpected end of format string");
    }
    if (used >= arguments[1].size()) {
      return context.Fail("index " + std::to_string(used) +
                          " out of range: the text has more "
                          "formatting clauses than there are values");
    }
    if (!AppendClause(context, format[at], precision, arguments[1].ElementAt(used++), &text)) {
      return false;
    }
  }
  *out = Value::String(std::move(text));
  return true;
}

bool QuoteText(EvalContext& context, Arguments arguments, Value* out) {
  if (arguments[0].kind() != Kind::kString) {
    return context.FailOverload("strings.quote", arguments, false);
  }
  static constexpr std::string_view kEscaped = "\a\b\f\n\r\t\v\\\"";
  static constexpr std::string_view kNames = "abfnrtv\\\"";
  if (!context.ChargeBytes(2 * arguments[0].string_value().size())) {
    return false;
  }
  std::string text = "\"";
  for (const char c : arguments[0].string_value()) {
    const size_t at = kEscaped.find(c);
    if (at == std::string_view::npos) {
      text += c;
    } else {
      text.append(1, '\\').append(1, kNames[at]);
    }
  }
  *out = Value::String(text + '"');
  return true;
}

// Of bytes, and of text as its UTF-8.
bool Encode(EvalContext& context, Arguments arguments, Value* out) {
  const Value& value = arguments[0];
  if (value.kind() != Kind::kBytes && value.kind() != Kind::kString) {
    return context.FailOverload("base64.encode", arguments, false);
  }
  const std::string& octets =
      value.kind() == Kind::kBytes ? value.bytes_value() : value.string_value();
  if (!context.ChargeBytes(2 * octets.size())) {
    return false;
  }
  *out = Value::String(EncodeBase64(octets));
  return true;
}

bool Decode(EvalContext& context, Arguments arguments, Value* out) {
  if (arguments[0].kind() != Kind::kString) {
    return context.FailOverload("base64.decode", arguments, false);
  }
  const std::string& text = arguments[0].string_value();
  if (!context.ChargeBytes(text.size())) {
    return false;
  }
  auto octets = DecodeBase64(text);
  if (!octets) {
    return context.Fail("base64.decode: " + Quote(text) + " is not base64");
  }
  *out = Value::Bytes(*std::move(octets));
  return true;
}

constexpr std::array<Function, 4> kFormatFunctions = {{
    {"base64.decode", false, 1, 1, Decode},
    {"base64.encode", false, 1, 1, Encode},
    {"format", true, 1, 1, Format},
    {"strings.quote", false, 1, 1, QuoteText},
}};

}  // namespace

std::span<const Function> FormatFunctions() {
  return kFormatFunctions;
}

}  // namespace entente::dsl::cel
