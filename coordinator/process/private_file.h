// Files for their owner only.
#pragma once

#include <string>

#include "base/status.h"

namespace entente::coordinator {

// Writes a file of mode 0600 beside `path`, which then takes its name: a symbolic link that
// somebody put at either place is replaced, not followed. kUnavailable, reason config.file.
[[nodiscard]] Status WritePrivateFile(const std::string& path, const std::string& text);

}  // namespace entente::coordinator
