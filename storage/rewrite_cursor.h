// The cursors of Rewriting: which kind of row is looked at, and the key of the latest one.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace entente::storage {

struct RewriteCursor {
  char phase = 0;  // Of the journal's choice; 0: before the first.
  std::vector<int64_t> numbers = {};
  std::string name = {};

  // "p,1,2;name"
  [[nodiscard]] std::string Text() const {
    std::string text(1, phase);
    for (const int64_t number : numbers) {
      text += "," + std::to_string(number);
    }
    return text + ";" + name;
  }

  // Nothing: Text did not make it.
  [[nodiscard]] static std::optional<RewriteCursor> Of(std::string_view text) {
    RewriteCursor cursor;
    if (text.empty()) {
      return cursor;
    }
    cursor.phase = text.front();
    text.remove_prefix(1);
    while (text.starts_with(",")) {
      text.remove_prefix(1);
      int64_t number = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
      if (error != std::errc()) {
        return std::nullopt;
      }
      cursor.numbers.push_back(number);
      text.remove_prefix(static_cast<size_t>(end - text.data()));
    }
    if (!text.starts_with(";")) {
      return std::nullopt;
    }
    cursor.name = text.substr(1);
    return cursor;
  }
};

}  // namespace entente::storage
