#include "cli/text/watch_view.h"

#include <algorithm>

#include "cli/text/transaction_text.h"

namespace entente::cli {
namespace {

// The outcome, the headers, and a line for the cursor.
constexpr size_t kOtherLines = 4;
constexpr size_t kMinBranchLines = 3;

}  // namespace

void LiveView::Draw(const Json& transaction, Instant now) {
  const size_t height = terminal_.Height();
  const size_t room = std::max(height, kOtherLines + kMinBranchLines) - kOtherLines;
  const std::string text =
      ShowOutcome(transaction, terminal_) + ShowBranches(transaction, terminal_, now, room);
  std::string frame;
  if (lines_ > 0) {
    frame = "\x1b[" + std::to_string(lines_) + "A\r";
  }
  // Long lines are cut off instead of wrapped: going up counts lines.
  frame += "\x1b[J\x1b[?7l" + text + "\x1b[?7h";
  terminal_.out << frame << std::flush;
  lines_ = static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace entente::cli
