// Writes JSON text straight into a string: what an answer costs is copying its bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/json_text.h"
#include "base/time.h"

namespace entente::api {

// The caller keeps the nesting right; commas are the writer's. `out` must outlive the writer. Not
// thread-safe.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  void BeginObject();
  void EndObject();
  void BeginArray();
  void EndArray();
  void Key(std::string_view key);     // Plain ASCII, with nothing to escape.
  void AnyKey(std::string_view key);  // Whatever text.

  void String(std::string_view text);  // Bytes that are not UTF-8 become U+FFFD.
  void Number(uint64_t number);
  void Decimal(double number);  // Not finite: null.
  void Bool(bool value);
  void Time(Instant instant);
  void Seconds(Duration duration);  // "1.5s", as proto3 JSON writes a Duration.
  void Value(const JsonText& value);

  // A member, left out when the value is empty, zero, false or absent.
  void OptionalString(std::string_view key, std::string_view text);
  void OptionalNumber(std::string_view key, uint64_t number);
  void OptionalBool(std::string_view key, bool value);
  void OptionalTime(std::string_view key, const std::optional<Instant>& instant);

 private:
  void Separate();

  std::string& out_;
  bool separate_ = false;  // A comma is due before the next key or element.
};

}  // namespace entente::api
