#include "cli/text/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>

namespace entente::cli {
namespace {

constexpr size_t kDefaultHeight = 24;

std::string_view CodeOf(Style style) {
  switch (style) {
    case Style::kPlain: return "";
    case Style::kBold: return "1";
    case Style::kDim: return "2";
    case Style::kGood: return "32";
    case Style::kBad: return "31";
    case Style::kWarning: return "33";
  }
  return "";
}

bool IsSet(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0';
}

}  // namespace

std::string Terminal::Paint(Style style, std::string_view text) const {
  if (!color || style == Style::kPlain || text.empty()) {
    return std::string(text);
  }
  return "\x1b[" + std::string(CodeOf(style)) + "m" + std::string(text) + "\x1b[0m";
}

size_t Terminal::Height() const {
  winsize size{};
  if (live && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0) {
    return size.ws_row;
  }
  return kDefaultHeight;
}

Terminal SystemTerminal() {
  const char* term = std::getenv("TERM");
  const bool capable = term != nullptr && std::string_view(term) != "dumb";
  const bool live = isatty(STDOUT_FILENO) == 1 && capable;
  return {std::cin, std::cout, std::cerr, live && !IsSet("NO_COLOR"), live};
}

Style StyleOfStatus(std::string_view status) {
  if (status == "COMMITTED" || status == "ok") {
    return Style::kGood;
  }
  if (status == "MIXED" || status == "stalled") {
    return Style::kBad;
  }
  return status == "ABORTED" || status == "ABORTING" ? Style::kWarning : Style::kBold;
}

Style StyleOfPhase(std::string_view phase) {
  if (phase == "done" || phase == "finished" || phase == "read-only") {
    return Style::kGood;
  }
  if (phase.ends_with("-stuck") || phase == "gave-up") {
    return Style::kBad;
  }
  if (phase == "refused" || phase == "undone" || phase.ends_with("-backoff")) {
    return Style::kWarning;
  }
  return phase == "blocked" || phase == "skipped" ? Style::kDim : Style::kPlain;
}

}  // namespace entente::cli
