// What `watch` shows while a transaction runs.
#pragma once

#include <cstddef>
#include <string>

#include "base/json.h"
#include "base/time.h"
#include "cli/text/terminal.h"

namespace entente::cli {

// Draws a transaction over what it drew before. The terminal is borrowed. Not thread-safe.
class LiveView {
 public:
  explicit LiveView(const Terminal& terminal) : terminal_(terminal) {}

  void Draw(const Json& transaction, Instant now);

 private:
  const Terminal& terminal_;
  size_t lines_ = 0;  // Drawn by the latest Draw.
};

}  // namespace entente::cli
