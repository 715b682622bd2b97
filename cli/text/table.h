// Aligned columns of text.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "cli/text/terminal.h"

namespace entente::cli {

struct Cell {
  Cell(std::string content, Style look = Style::kPlain)  // NOLINT(google-explicit-constructor)
      : text(std::move(content)), style(look) {}

  std::string text;
  Style style;
};

// A value; not thread-safe. A column in which every cell is empty is left out.
class Table {
 public:
  // `headers` are written in bold above the columns; none: no such line.
  explicit Table(std::vector<std::string> headers) : headers_(std::move(headers)) {}

  // One cell per column; missing ones are empty.
  void Add(std::vector<Cell> row);
  [[nodiscard]] bool empty() const { return rows_.empty(); }

  // Lines, each ended; `indent` spaces before each. Cells are sanitized.
  [[nodiscard]] std::string Render(const Terminal& terminal, size_t indent = 0) const;

 private:
  std::vector<std::string> headers_;
  std::vector<std::vector<Cell>> rows_;
};

// How many columns UTF-8 text takes: one per character, which is right for most scripts.
[[nodiscard]] size_t DisplayWidth(std::string_view utf8);

// `utf8` cut to `width` columns, the last of them "…" if something was cut off.
[[nodiscard]] std::string Shorten(std::string_view utf8, size_t width);

}  // namespace entente::cli
