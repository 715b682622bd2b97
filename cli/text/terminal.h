// Where a command reads and writes, and what the other end can show.
#pragma once

#include <cstddef>
#include <istream>
#include <ostream>
#include <string>
#include <string_view>

namespace entente::cli {

enum class Style { kPlain, kBold, kDim, kGood, kBad, kWarning };

// The streams are borrowed and must outlive it. Not thread-safe.
struct Terminal {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  bool color = false;  // `out` shows colours.
  bool live = false;   // `out` can be drawn over: a terminal.

  // `text` in `style`, if colours are shown.
  [[nodiscard]] std::string Paint(Style style, std::string_view text) const;

  // How many lines `out` shows at this moment; 24 if that is not known.
  [[nodiscard]] size_t Height() const;
};

// The process's own streams. Colours only on a terminal, and not if NO_COLOR is set (no-color.org)
// or TERM is "dumb".
[[nodiscard]] Terminal SystemTerminal();

// The style in which a transaction's status or a branch's phase is shown.
[[nodiscard]] Style StyleOfStatus(std::string_view status);
[[nodiscard]] Style StyleOfPhase(std::string_view phase);

}  // namespace entente::cli
