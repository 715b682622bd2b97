#include "coordinator/api/json_writer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace entente::api {
namespace {

// Whether nothing in it must be escaped, or looked at because it may not be UTF-8.
bool IsPlain(std::string_view text) {
  return std::ranges::all_of(text,
                             [](char c) { return c >= 0x20 && c < 0x7F && c != '"' && c != '\\'; });
}

std::string FormatSeconds(Duration duration) {
  const int64_t micros = duration.count();
  std::string text = std::to_string(micros / 1'000'000);
  if (const int64_t fraction = micros % 1'000'000; fraction != 0) {
    std::string digits = std::to_string(1'000'000 + fraction).substr(1);
    digits.erase(digits.find_last_not_of('0') + 1);
    text += "." + digits;
  }
  return text + "s";
}

}  // namespace

void JsonWriter::Separate() {
  if (separate_) {
    out_ += ',';
  }
  separate_ = true;
}

void JsonWriter::BeginObject() {
  Separate();
  out_ += '{';
  separate_ = false;
}

void JsonWriter::EndObject() {
  out_ += '}';
  separate_ = true;
}

void JsonWriter::BeginArray() {
  Separate();
  out_ += '[';
  separate_ = false;
}

void JsonWriter::EndArray() {
  out_ += ']';
  separate_ = true;
}

void JsonWriter::Key(std::string_view key) {
  Separate();
  out_ += '"';
  out_ += key;
  out_ += "\":";
  separate_ = false;
}

void JsonWriter::AnyKey(std::string_view key) {
  String(key);
  out_ += ':';
  separate_ = false;
}

void JsonWriter::String(std::string_view text) {
  Separate();
  if (IsPlain(text)) {
    out_ += '"';
    out_ += text;
    out_ += '"';
  } else {
    out_ += DumpJson(Json(std::string(text)));
  }
}

void JsonWriter::Number(uint64_t number) {
  Separate();
  std::array<char, 20> digits;
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  out_.append(digits.data(), end);
}

void JsonWriter::Decimal(double number) {
  Separate();
  if (!std::isfinite(number)) {
    out_ += "null";
    return;
  }
  std::array<char, 32> digits;
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  out_.append(digits.data(), end);
}

void JsonWriter::Bool(bool value) {
  Separate();
  out_ += value ? "true" : "false";
}

void JsonWriter::Time(Instant instant) {
  Separate();
  out_ += '"';
  out_ += FormatInstant(instant);  // Nothing to escape.
  out_ += '"';
}

void JsonWriter::Seconds(Duration duration) {
  String(FormatSeconds(duration));
}

void JsonWriter::Value(const JsonText& value) {
  Separate();
  out_ += value.text();
}

void JsonWriter::OptionalString(std::string_view key, std::string_view text) {
  if (!text.empty()) {
    Key(key);
    String(text);
  }
}

void JsonWriter::OptionalNumber(std::string_view key, uint64_t number) {
  if (number != 0) {
    Key(key);
    Number(number);
  }
}

void JsonWriter::OptionalBool(std::string_view key, bool value) {
  if (value) {
    Key(key);
    Bool(true);
  }
}

void JsonWriter::OptionalTime(std::string_view key, const std::optional<Instant>& instant) {
  if (instant) {
    Key(key);
    Time(*instant);
  }
}

}  // namespace entente::api
