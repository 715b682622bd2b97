#include "cli/text/table.h"

#include "base/utf8.h"

#include <algorithm>

namespace entente::cli {
namespace {

constexpr std::string_view kGap = "  ";

bool StartsCharacter(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
}

}  // namespace

size_t DisplayWidth(std::string_view utf8) {
  return static_cast<size_t>(std::count_if(utf8.begin(), utf8.end(), StartsCharacter));
}

std::string Shorten(std::string_view utf8, size_t width) {
  if (width == 0 || DisplayWidth(utf8) <= width) {
    return std::string(utf8);
  }
  size_t end = 0;
  for (size_t characters = 0; end < utf8.size(); ++end) {
    if (StartsCharacter(utf8[end]) && ++characters == width) {
      break;
    }
  }
  return std::string(utf8.substr(0, end)) + "…";
}

void Table::Add(std::vector<Cell> row) {
  for (Cell& cell : row) {
    cell.text = ShowText(cell.text);
  }
  rows_.push_back(std::move(row));
}

std::string Table::Render(const Terminal& terminal, size_t indent) const {
  std::vector<size_t> widths;
  for (const std::vector<Cell>& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()), 0);
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], DisplayWidth(row[i].text));
    }
  }
  for (size_t i = 0; i < std::min(headers_.size(), widths.size()); ++i) {
    if (widths[i] > 0) {
      widths[i] = std::max(widths[i], DisplayWidth(headers_[i]));
    }
  }
  std::string text;
  const auto line = [&](const std::vector<Cell>& row) {
    std::string out(indent, ' ');
    std::string pending;  // Padding, written only before something that follows.
    for (size_t i = 0; i < row.size(); ++i) {
      if (widths[i] == 0) {
        continue;
      }
      if (!row[i].text.empty()) {
        out += pending + terminal.Paint(row[i].style, row[i].text);
        pending.clear();
      }
      pending.append(widths[i] - DisplayWidth(row[i].text), ' ');
      pending += kGap;
    }
    text += out + "\n";
  };
  if (!headers_.empty() && !rows_.empty()) {
    std::vector<Cell> titles;
    for (size_t i = 0; i < std::min(headers_.size(), widths.size()); ++i) {
      titles.emplace_back(headers_[i], Style::kBold);
    }
    line(titles);
  }
  for (const std::vector<Cell>& row : rows_) {
    line(row);
  }
  return text;
}

}  // namespace entente::cli
