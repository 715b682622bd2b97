// The tables of the pages in docs/, for tests that hold the program to them.
#pragma once

#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

namespace entente::test {

using Cells = std::vector<std::string>;

inline std::string Trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(' ');
  return begin == std::string::npos ? ""
                                    : text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

// The rows of a table below the line `heading` of a page ("docs/api.md"), the `number`th from 0,
// without the two at its top. A test that finds none fails.
inline std::vector<Cells> TableBelow(const std::string& page_path, const std::string& heading,
                                     size_t number = 0) {
  std::ifstream page(std::string(ENTENTE_SOURCE_DIR) + "/" + page_path);
  std::vector<Cells> rows;
  bool below = false;
  for (std::string line; std::getline(page, line);) {
    below = below || line == heading;
    const bool in_table = below && line.starts_with("|");
    if (!in_table && !rows.empty()) {
      if (number-- == 0) {
        break;
      }
      rows.clear();
    }
    if (in_table) {
      Cells cells;
      std::istringstream rest(line.substr(1));
      for (std::string cell; std::getline(rest, cell, '|');) {
        cells.push_back(Trimmed(cell));
      }
      rows.push_back(std::move(cells));
    }
  }
  INFO(page_path << ", " << heading);
  REQUIRE(rows.size() > 2);
  return {rows.begin() + 2, rows.end()};
}

}  // namespace entente::test
