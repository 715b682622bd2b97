// LogLine: one thing that happened, as a line for people or as a JSON object for programs.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace entente::coordinator {

// Fields stand in the order in which they are added; one without a value is left out.
class LogLine {
 public:
  static constexpr size_t kMaxTextBytes = 300;

  // `event`, and every key: lower case, digits and '_'. They outlive the line.
  explicit LogLine(std::string_view event) : event_(event) {}

  // A value of a form of its own (a gid, a code): no blank, no quote.
  LogLine& Word(std::string_view key, std::string_view value);
  // What others wrote: quoted, and no more of it than kMaxTextBytes.
  LogLine& Text(std::string_view key, std::string_view value);
  LogLine& Number(std::string_view key, std::integral auto value) {
    fields_.push_back({key, std::to_string(value), Form::kNumber});
    return *this;
  }

  [[nodiscard]] std::string_view event() const { return event_; }

  // "event=<event> key=value key="text"": text of others looks neither like further keys nor like
  // another line.
  [[nodiscard]] std::string AsText() const;
  // {"event":"<event>","key":"value"}
  [[nodiscard]] std::string AsJson() const;

 private:
  enum class Form : uint8_t { kWord, kText, kNumber };
  struct Field {
    std::string_view key;
    std::string value;
    Form form;
  };

  std::string_view event_;
  std::vector<Field> fields_;
};

}  // namespace entente::coordinator
