// JsonText: a JSON value that is kept, not worked with.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/status.h"

namespace entente {

// One JSON value as compact text, read strictly when it entered. Payloads are held like this from
// the door to the next call: as a tree of Json a MiB of "[[],[],..." takes 17 MiB, as text it takes
// one, it goes into a record, an answer or a call as it is, and its numbers keep their digits.
//
// Immutable, hence the shared text: a state, its copies, a record and an event share one. As safe
// to share between threads as any const object. Equal are values with the same text: keys are in
// order and there is no space, but numbers compare by their digits, so 1.0 is not 1.
class JsonText {
 public:
  // null, which takes no memory.
  JsonText() = default;
  // Writes `value` out. On purpose not explicit: wherever a payload is asked for, a value will do.
  JsonText(const Json& value);  // NOLINT(google-explicit-constructor)

  // Fails as ParseExactJson does.
  [[nodiscard]] static Result<JsonText> Parse(std::string_view text, const JsonLimits& limits);
  // What text() gave earlier, as it is; "" is null. Fails as ParseExactJson does for a text that is
  // damaged.
  [[nodiscard]] static Result<JsonText> FromStored(std::string text);
  // The array of `elements`.
  [[nodiscard]] static JsonText ArrayOf(std::span<const JsonText> elements);

  [[nodiscard]] bool is_null() const { return text_ == nullptr; }
  // Compact, without a line break. Valid as long as a copy of this value lives.
  [[nodiscard]] const std::string& text() const;
  // Of the text, which is most of what the value takes in memory; 0 for null.
  [[nodiscard]] size_t bytes() const { return text_ == nullptr ? 0 : text_->size(); }

  // The value as a tree with exact numbers, for as short a time as possible: it may take many times
  // the memory of the text.
  [[nodiscard]] Json Read() const;

  // A value inside of this one.
  struct Part {
    std::string_view text;  // Of this value's text().
    size_t depth = 0;       // How many names of the path led to it.
  };
  // Follows `names` through objects as far as they are there. Reads the text before the part, and
  // builds nothing.
  [[nodiscard]] Part Select(std::span<const std::string> names) const;

  friend bool operator==(const JsonText& a, const JsonText& b) { return a.text() == b.text(); }

 private:
  static JsonText Checked(std::string text);

  std::shared_ptr<const std::string> text_;  // Null: the value is null.
};

}  // namespace entente
