#include "cli/terminal.h"

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

std::string Sanitize(std::string_view text) {
  std::string clean;
  clean.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool line_break = byte == '\n' || byte == '\t' || byte == '\r';
    // C1 controls, as UTF-8 writes them.
    const bool c1 = byte == 0xC2 && i + 1 < text.size() &&
                    static_cast<unsigned char>(text[i + 1]) >= 0x80 &&
                    static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (line_break) {
      clean += ' ';
    } else if (c1) {
      clean += '?';
      ++i;
    } else {
      clean += byte < 0x20 || byte == 0x7F ? '?' : text[i];
    }
  }
  return clean;
}

}  // namespace entente::cli
