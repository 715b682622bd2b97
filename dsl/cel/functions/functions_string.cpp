// Methods of strings: the standard ones and the usual extensions. Positions count code points.

#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <vector>

#include "dsl/cel/error.h"
#include "dsl/cel/functions/functions.h"
#include "dsl/cel/functions/text_search.h"
#include "dsl/cel/utf8.h"

namespace entente::dsl::cel {
namespace {

using Arguments = std::span<const Value>;

// Whether the arguments are strings, up to the first `ints` from the end, which are ints.
bool AreStrings(Arguments arguments, size_t ints) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    const Kind wanted = i + ints < arguments.size() ? Kind::kString : Kind::kInt;
    if (arguments[i].kind() != wanted) {
      return false;
    }
  }
  return true;
}

// Pays for reading all the strings among the arguments.
bool ChargeStrings(EvalContext& context, Arguments arguments) {
  size_t bytes = 0;
  for (const Value& argument : arguments) {
    bytes += argument.kind() == Kind::kString ? argument.string_value().size() : 0;
  }
  return context.ChargeBytes(bytes);
}

// What every method below starts with.
bool Admit(EvalContext& context, std::string_view name, Arguments arguments, size_t ints) {
  if (!AreStrings(arguments, ints)) {
    return context.FailOverload(name, arguments, true);
  }
  return ChargeStrings(context, arguments);
}

bool FailIndex(EvalContext& context, int64_t index) {
  return context.Fail("index out of range: " + std::to_string(index));
}

bool Contains(EvalContext& context, Arguments arguments, Value* out) {
  if (!Admit(context, "contains", arguments, 0)) {
    return false;
  }
  const std::string_view text = arguments[0].string_value();
  const TextSearch search(arguments[1].string_value());
  *out = Value::Bool(search.Find(text, 0) != std::string_view::npos);
  return true;
}

bool StartsWith(EvalContext& context, Arguments arguments, Value* out) {
  if (!Admit(context, "startsWith", arguments, 0)) {
    return false;
  }
  *out = Value::Bool(arguments[0].string_value().starts_with(arguments[1].string_value()));
  return true;
}

bool EndsWith(EvalContext& context, Arguments arguments, Value* out) {
  if (!Admit(context, "endsWith", arguments, 0)) {
    return false;
  }
  *out = Value::Bool(arguments[0].string_value().ends_with(arguments[1].string_value()));
  return true;
}

bool Matches(EvalContext& context, Arguments arguments, Value* out, bool is_method) {
  if (!AreStrings(arguments, 0)) {
    return context.FailOverload("matches", arguments, is_method);
  }
  if (!ChargeStrings(context, arguments)) {
    return false;
  }
  const RE2* regex = context.Regex(arguments[1].string_value());
  if (regex == nullptr) {
    return false;
  }
  return context.Search(*regex, arguments[0].string_value(), out);
}

bool MatchesFunction(EvalContext& context, Arguments arguments, Value* out) {
  return Matches(context, arguments, out, false);
}

bool MatchesMethod(EvalContext& context, Arguments arguments, Value* out) {
  return Matches(context, arguments, out, true);
}

// Every ASCII letter shifted by the case distance when it lies from `first` to `last`.
bool ShiftCase(EvalContext& context, std::string_view name, Arguments arguments, char first,
               char last, Value* out) {
  if (!Admit(context, name, arguments, 0)) {
    return false;
  }
  constexpr char kCaseBit = 0x20;
  std::string text = arguments[0].string_value();
  for (char& c : text) {
    c = c >= first && c <= last ? static_cast<char>(c ^ kCaseBit) : c;
  }
  *out = Value::String(std::move(text));
  return true;
}

bool LowerAscii(EvalContext& context, Arguments arguments, Value* out) {
  return ShiftCase(context, "lowerAscii", arguments, 'A', 'Z', out);
}

bool UpperAscii(EvalContext& context, Arguments arguments, Value* out) {
  return ShiftCase(context, "upperAscii", arguments, 'a', 'z', out);
}

// Unicode's White_Space.
bool IsSpace(uint32_t code_point) {
  return (code_point >= 0x09 && code_point <= 0x0D) || code_point == 0x20 || code_point == 0x85 ||
         code_point == 0xA0 || code_point == 0x1680 ||
         (code_point >= 0x2000 && code_point <= 0x200A) || code_point == 0x2028 ||
         code_point == 0x2029 || code_point == 0x202F || code_point == 0x205F ||
         code_point == 0x3000;
}

bool Trim(EvalContext& context, Arguments arguments, Value* out) {
  if (!Admit(context, "trim", arguments, 0)) {
    return false;
  }
  const std::string_view text = arguments[0].string_value();
  size_t begin = text.size();
  size_t end = text.size();
  for (size_t position = 0; position < text.size();) {
    const size_t start = position;
    if (!IsSpace(NextCodePoint(text, &position))) {
      begin = std::min(begin, start);
      end = position;
    }
  }
  *out = Value::String(std::string(text.substr(begin, end - begin)));
  return true;
}

bool CharAt(EvalContext& context, Arguments arguments, Value* out) {
  if (!Admit(context, "charAt", arguments, 1)) {
    return false;
  }
  const std::string_view text = arguments[0].string_value();
  const int64_t index = arguments[1].int_value();
  if (index < 0 || static_cast<uint64_t>(index) > CountCodePoints(text)) {
    return FailIndex(context, index);
  }
  const size_t begin = ByteOffset(text, static_cast<size_t>(index));
  const size_t length = ByteOffset(text.substr(begin), 1);
  *out = Value::String(std::string(text.substr(begin, length)));
  return true;
}

bool Substring(EvalContext& context, Arguments arguments, Value* out) {
  if (!Admit(context, "substring", arguments, arguments.size() - 1)) {
    return false;
  }
  const std::string_view text = arguments[0].string_value();
  const auto length = static_cast<int64_t>(CountCodePoints(text));
  const int64_t start = arguments[1].int_value();
  const int64_t end = arguments.size() > 2 ? arguments[2].int_value() : length;
  for (const int64_t index : {start, end}) {
    if (index < 0 || index > length) {
      return FailIndex(context, index);
    }
  }
  if (start > end) {
    return context.Fail("invalid substring range. start: " + std::to_string(start) +
                        ", end: " + std::to_string(end));
  }
  const size_t begin = ByteOffset(text, static_cast<size_t>(start));
  const size_t size = ByteOffset(text.substr(begin), static_cast<size_t>(end - start));
  *out = Value::String(std::string(text.substr(begin, size)));
  return true;
}

// The searches agree on their arguments: text, what to find and, optionally, a position.
bool AdmitSearch(EvalContext& context, std::string_view name, Arguments arguments) {
  if (!Admit(context, name, arguments, arguments.size() - 2)) {
    return false;
  }
  if (arguments.size() > 2) {
    const int64_t position = arguments[2].int_value();
    if (position < 0 ||
        static_cast<uint64_t>(position) > CountCodePoints(arguments[0].string_value())) {
      return FailIndex(context, position);
    }
  }
  return true;
}

Value PositionFound(std::string_view text, size_t byte_offset) {
  if (byte_offset == std::string_view::npos) {
    return Value::Int(-1);
  }
  return Value::Int(static_cast<int64_t>(CountCodePoints(text.substr(0, byte_offset))));
}

bool IndexOf(EvalContext& context, Arguments arguments, Value* out) {
  if (!AdmitSearch(context, "indexOf", arguments)) {
    return false;
  }
  const std::string_view text = arguments[0].string_value();
  const int64_t from = arguments.size() > 2 ? arguments[2].int_value() : 0;
  const size_t start = ByteOffset(text, static_cast<size_t>(from));
  *out = PositionFound(text, TextSearch(arguments[1].string_value()).Find(text, start));
  return true;
}

bool LastIndexOf(EvalContext& context, Arguments arguments, Value* out) {
  if (!AdmitSearch(context, "lastIndexOf", arguments)) {
    return false;
  }
  const std::string_view text = arguments[0].string_value();
  const size_t last = arguments.size() > 2
                          ? ByteOffset(text, static_cast<size_t>(arguments[2].int_value()))
                          : std::string_view::npos;
  *out = PositionFound(text, TextSearch(arguments[1].string_value()).FindLast(text, last));
  return true;
}

// How many times an optional count allows; a negative one means all.
size_t LimitOf(Arguments arguments, size_t position) {
  if (arguments.size() <= position || arguments[position].int_value() < 0) {
    return std::numeric_limits<size_t>::max();
  }
  return static_cast<size_t>(arguments[position].int_value());
}

bool Replace(EvalContext& context, Arguments arguments, Value* out) {
  if (!Admit(context, "replace", arguments, arguments.size() - 3)) {
    return false;
  }
  const std::string& text = arguments[0].string_value();
  const std::string& from = arguments[1].string_value();
  const std::string& to = arguments[2].string_value();
  const TextSearch search(from);
  std::string result;
  size_t position = 0;
  for (size_t left = LimitOf(arguments, 3); left > 0; --left) {
    const size_t found = search.Find(text, position);
    // Paid as it grows, before it does.
    if (found == std::string::npos || !context.ChargeBytes(to.size() + found - position)) {
      break;
    }
    result.append(text, position, found - position).append(to);
    position = found + from.size();
    if (from.empty()) {
      // An empty string is found before every code point and at the end.
      if (position >= text.size()) {
        break;
      }
      const size_t length = ByteOffset(std::string_view(text).substr(position), 1);
      result.append(text, position, length);
      position += length;
    }
  }
  if (context.fatal()) {
    return false;
  }
  result.append(text, std::min(position, text.size()), std::string::npos);
  *out = Value::String(std::move(result));
  return true;
}

bool Split(EvalContext& context, Arguments arguments, Value* out) {
  if (!Admit(context, "split", arguments, arguments.size() - 2)) {
    return false;
  }
  const std::string_view text = arguments[0].string_value();
  const std::string_view separator = arguments[1].string_value();
  const size_t limit = LimitOf(arguments, 2);
  const TextSearch search(separator);
  std::vector<Value> parts;
  size_t position = 0;
  while (parts.size() + 1 < limit) {
    const size_t found = separator.empty() ? position + ByteOffset(text.substr(position), 1)
                                           : search.Find(text, position);
    if (found >= text.size() && (separator.empty() || found == std::string_view::npos)) {
      break;
    }
    if (!context.Charge(1)) {
      return false;
    }
    parts.push_back(Value::String(std::string(text.substr(position, found - position))));
    position = found + separator.size();
  }
  if (limit > 0 && !(separator.empty() && text.empty())) {
    parts.push_back(Value::String(std::string(text.substr(position))));
  }
  *out = Value::List(std::move(parts));
  return true;
}

bool Join(EvalContext& context, Arguments arguments, Value* out) {
  const Value& list = arguments[0];
  if (list.kind() != Kind::kList ||
      (arguments.size() > 1 && arguments[1].kind() != Kind::kString)) {
    return context.FailOverload("join", arguments, true);
  }
  const std::string separator = arguments.size() > 1 ? arguments[1].string_value() : "";
  std::string text;
  for (size_t i = 0; i < list.size(); ++i) {
    const Value element = list.ElementAt(i);
    if (element.kind() != Kind::kString) {
      return context.Fail("no such overload: 'join' needs a list of strings, not of " +
                          std::string(KindName(element.kind())) +
                          "; convert with list.map(x, string(x))");
    }
    if (!context.ChargeBytes(separator.size() + element.string_value().size())) {
      return false;
    }
    text.append(i == 0 ? "" : separator).append(element.string_value());
  }
  *out = Value::String(std::move(text));
  return true;
}

bool ReverseList(EvalContext& context, const Value& list, Value* out) {
  if (!context.Charge(list.size())) {
    return false;
  }
  std::vector<Value> elements;
  for (size_t i = list.size(); i-- > 0;) {
    elements.push_back(list.ElementAt(i));
  }
  *out = Value::List(std::move(elements));
  return true;
}

bool Reverse(EvalContext& context, Arguments arguments, Value* out) {
  if (arguments[0].kind() == Kind::kList) {
    return ReverseList(context, arguments[0], out);
  }
  if (!Admit(context, "reverse", arguments, 0)) {
    return false;
  }
  const std::string& text = arguments[0].string_value();
  std::string reversed(text.size(), '\0');
  size_t end = text.size();
  for (size_t position = 0; position < text.size();) {
    const size_t start = position;
    static_cast<void>(NextCodePoint(text, &position));
    end -= position - start;
    text.copy(reversed.data() + end, position - start, start);
  }
  *out = Value::String(std::move(reversed));
  return true;
}

constexpr std::array<Function, 16> kStringFunctions = {{
    {"charAt", true, 1, 1, CharAt},
    {"contains", true, 1, 1, Contains},
    {"endsWith", true, 1, 1, EndsWith},
    {"indexOf", true, 1, 2, IndexOf},
    {"join", true, 0, 1, Join},
    {"lastIndexOf", true, 1, 2, LastIndexOf},
    {"lowerAscii", true, 0, 0, LowerAscii},
    {"matches", false, 2, 2, MatchesFunction},
    {"matches", true, 1, 1, MatchesMethod},
    {"replace", true, 2, 3, Replace},
    {"reverse", true, 0, 0, Reverse},
    {"split", true, 1, 2, Split},
    {"startsWith", true, 1, 1, StartsWith},
    {"substring", true, 1, 2, Substring},
    {"trim", true, 0, 0, Trim},
    {"upperAscii", true, 0, 0, UpperAscii},
}};

}  // namespace

std::span<const Function> StringFunctions() {
  return kStringFunctions;
}

}  // namespace entente::dsl::cel
