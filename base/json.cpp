#include "base/json.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "base/json_number.h"
#include "base/json_scanner.h"
#include "base/utf8.h"

namespace entente {
namespace {

// Where the parser stands in the text. It is a type of its own because the library copies the
// iterators it is given: the position has to live outside of them.
class TrackingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  TrackingIterator(const char* at, const char** furthest) : at_(at), furthest_(furthest) {}

  reference operator*() const { return *at_; }
  TrackingIterator& operator++() {
    ++at_;
    *furthest_ = at_;
    return *this;
  }
  TrackingIterator operator++(int) {
    TrackingIterator before = *this;
    ++*this;
    return before;
  }
  friend bool operator==(const TrackingIterator& a, const TrackingIterator& b) {
    return a.at_ == b.at_;
  }
  friend bool operator!=(const TrackingIterator& a, const TrackingIterator& b) { return !(a == b); }

 private:
  const char* at_;
  const char** furthest_;
};

struct Failure {
  const char* reason = nullptr;  // Null: no failure.
  std::string message;
  // Bytes read by the parser, when it was the parser that failed.
  size_t position = 0;
};

// Builds the value from the parser's events. The parser keeps its own stack of open containers, and
// so does this class: neither recurses.
class Builder {
 public:
  Builder(size_t max_depth, bool exact) : max_depth_(max_depth), exact_(exact) {
    open_.reserve(16);
  }

  [[nodiscard]] const Failure& failure() const { return failure_; }
  [[nodiscard]] Json&& TakeRoot() { return std::move(root_); }

  // The interface of nlohmann::json_sax; false stops the parser.
  bool null() { return Add(Json(nullptr)), true; }
  bool boolean(bool value) { return Add(Json(value)), true; }
  bool number_integer(Json::number_integer_t value) { return Add(Json(value)), true; }
  bool number_unsigned(Json::number_unsigned_t value) { return Add(Json(value)), true; }
  bool number_float(Json::number_float_t value, const std::string& text) {
    return Add(exact_ ? MakeNumberText(text) : Json(value)), true;
  }
  bool string(std::string& value) { return Add(Json(std::move(value))), true; }
  bool binary(Json::binary_t&) { return Fail("json.syntax", "binary data is not JSON"); }

  bool start_object(size_t) { return Open(Json(Json::value_t::object)); }
  bool end_object() { return open_.pop_back(), true; }
  bool start_array(size_t) { return Open(Json(Json::value_t::array)); }
  bool end_array() { return open_.pop_back(), true; }

  bool key(std::string& name) {
    auto* members = open_.back()->get_ptr<Json::object_t*>();
    const auto [member, inserted] = members->try_emplace(std::move(name), nullptr);
    if (!inserted) {
      return Fail("json.duplicate_key",
                  "the key '" + Shorten(member->first) + "' occurs twice in one object");
    }
    slot_ = &member->second;
    return true;
  }

  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception& error) {
    Fail("json.syntax", Explain(error));
    failure_.position = position;
    return false;
  }

 private:
  static constexpr size_t kMaxQuotedBytes = 64;
  static constexpr int kNumberOverflow = 406;

  bool Fail(const char* reason, std::string message) {
    failure_.reason = reason;
    failure_.message = std::move(message);
    return false;
  }

  // A key may be as long as the document; the cut must not split a character.
  static std::string Shorten(const std::string& text) {
    if (text.size() <= kMaxQuotedBytes) {
      return text;
    }
    size_t end = kMaxQuotedBytes;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) {
      --end;
    }
    return text.substr(0, end) + "...";
  }

  // The library's sentence without its own prefix, and without the quotation of what it read, which
  // is unbounded and may not be UTF-8.
  static std::string Explain(const nlohmann::detail::exception& error) {
    if (error.id == kNumberOverflow) {
      return "a number is outside the range of a double";
    }
    std::string text = error.what();
    text.resize(std::min(text.size(), text.find("; last read: ")));
    static constexpr std::string_view kColumn = ", column ";
    if (const size_t column = text.find(kColumn); column != std::string::npos) {
      if (const size_t colon = text.find(": ", column); colon != std::string::npos) {
        text.erase(0, colon + 2);
      }
    }
    return text;
  }

  Json* Add(Json&& value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    if (auto* elements = open_.back()->get_ptr<Json::array_t*>()) {
      return &elements->emplace_back(std::move(value));
    }
    *slot_ = std::move(value);
    return slot_;
  }

  bool Open(Json&& container) {
    if (open_.size() == max_depth_) {
      return Fail("json.too_deep", "arrays and objects are nested deeper than the limit of " +
                                       std::to_string(max_depth_) + " levels");
    }
    open_.push_back(Add(std::move(container)));
    return true;
  }

  size_t max_depth_;
  bool exact_;
  Json root_;
  // A container's address is stable while it is open: only the innermost one grows.
  std::vector<Json*> open_;
  Json* slot_ = nullptr;  // Where the value of the latest key goes.
  Failure failure_;
};

// `offset` as people count: lines and characters from one.
Status FailAt(std::string_view text, size_t offset, const char* reason,
              const std::string& message) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const size_t line = 1 + static_cast<size_t>(std::count(before.begin(), before.end(), '\n'));
  const size_t line_break = before.rfind('\n');
  const std::string_view in_line =
      line_break == std::string_view::npos ? before : before.substr(line_break + 1);
  const auto starts_character = [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  };
  const size_t column =
      1 + static_cast<size_t>(std::count_if(in_line.begin(), in_line.end(), starts_character));
  return InvalidArgument(reason, "line " + std::to_string(line) + ", column " +
                                     std::to_string(column) + ": " + message);
}

// Reads the text a second time, to learn where it failed.
Status Diagnose(std::string_view text, const JsonLimits& limits, bool exact) {
  const char* furthest = text.data();
  Builder builder(limits.max_depth, exact);
  Json::sax_parse(TrackingIterator(text.data(), &furthest),
                  TrackingIterator(text.data() + text.size(), &furthest), &builder);
  const Failure& failure = builder.failure();
  ENTENTE_CHECK(failure.reason != nullptr);
  // The offset of the last byte read.
  size_t offset = failure.position > 0 ? failure.position : furthest - text.data();
  offset = offset > 0 ? offset - 1 : 0;
  // A cut-off or ill-formed character makes the lexer stop up to three bytes after its start.
  if (const size_t valid = ValidUtf8Prefix(text); valid < text.size() && valid <= offset) {
    return FailAt(text, valid, "json.bad_utf8", "the text is not valid UTF-8; send it as UTF-8");
  }
  return FailAt(text, offset, failure.reason, failure.message);
}

Result<Json> Parse(std::string_view text, const JsonLimits& limits, bool exact) {
  if (text.size() > limits.max_bytes) {
    return InvalidArgument("json.too_large", "the JSON text has " + std::to_string(text.size()) +
                                                 " bytes, more than the limit of " +
                                                 std::to_string(limits.max_bytes));
  }
  const auto numbers = exact ? JsonScanner::Numbers::kExact : JsonScanner::Numbers::kNative;
  if (Json value; JsonScanner(text, numbers).Scan(limits.max_depth, value)) {
    return Result<Json>(std::move(value));
  }
  // The library takes a NUL for the end of the text, and skips a byte order mark.
  if (const size_t nul = text.find('\0'); nul != std::string_view::npos) {
    return FailAt(text, nul, "json.syntax", "a NUL byte is not allowed");
  }
  if (text.starts_with("\xEF\xBB\xBF")) {
    return FailAt(text, 0, "json.syntax", "remove the byte order mark at the beginning");
  }
  Builder builder(limits.max_depth, exact);
  if (!Json::sax_parse(text.data(), text.data() + text.size(), &builder)) {
    return Diagnose(text, limits, exact);
  }
  return builder.TakeRoot();
}

// What must be escaped, or looked at because it may not be UTF-8.
bool IsPlain(char c) {
  return static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x80 &&
         c != '"' && c != '\\';
}

std::string DumpByLibrary(const Json& value) {
  return value.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

void WriteString(const std::string& text, std::string& out) {
  if (!std::all_of(text.begin(), text.end(), IsPlain)) {
    out += DumpByLibrary(Json(text));
    return;
  }
  out += '"';
  out += text;
  out += '"';
}

template <class Integer>
void WriteInteger(Integer number, std::string& out) {
  std::array<char, 24> digits{};
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  out.append(digits.data(), end);
}

// As deep as the value, which was read within bounds.
void Write(const Json& value, std::string& out) {
  switch (value.type()) {
    case Json::value_t::object: {
      out += '{';
      const char* separator = "";
      for (const auto& [key, member] : value.get_ref<const Json::object_t&>()) {
        out += std::exchange(separator, ",");
        WriteString(key, out);
        out += ':';
        Write(member, out);
      }
      out += '}';
      return;
    }
    case Json::value_t::array: {
      out += '[';
      const char* separator = "";
      for (const Json& element : value.get_ref<const Json::array_t&>()) {
        out += std::exchange(separator, ",");
        Write(element, out);
      }
      out += ']';
      return;
    }
    case Json::value_t::string: WriteString(value.get_ref<const std::string&>(), out); return;
    case Json::value_t::number_integer: WriteInteger(value.get<int64_t>(), out); return;
    case Json::value_t::number_unsigned: WriteInteger(value.get<uint64_t>(), out); return;
    case Json::value_t::binary:
      out += IsNumberText(value) ? NumberText(value) : std::string_view("null");
      return;
    default: out += DumpByLibrary(value);
  }
}

}  // namespace

Result<Json> ParseJson(std::string_view text, const JsonLimits& limits) {
  return Parse(text, limits, /*exact=*/false);
}

Result<Json> ParseExactJson(std::string_view text, const JsonLimits& limits) {
  return Parse(text, limits, /*exact=*/true);
}

std::string DumpJson(const Json& value) {
  std::string text;
  Write(value, text);
  return text;
}

std::string EscapePointerToken(std::string_view token) {
  std::string escaped;
  escaped.reserve(token.size());
  for (const char c : token) {
    switch (c) {
      case '~': escaped += "~0"; break;
      case '/': escaped += "~1"; break;
      default: escaped += c;
    }
  }
  return escaped;
}

}  // namespace entente
