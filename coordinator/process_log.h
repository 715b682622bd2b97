// The process's log on stderr: a line for each thing that people on call may need.
#pragma once

#include <cstdint>

#include "coordinator/config.h"
#include "coordinator/log_line.h"

namespace entente::coordinator {

enum class LogLevel : uint8_t { kInfo, kWarning, kError, kCritical };

// Once per process, before anything logs.
void SetUpLog(const Config& config);

// Writes the line in the form that the configuration asks for: the time, the level, and the line as
// text; or one JSON object, with "time" and "level" before the line's own members. Thread-safe.
void Log(LogLevel level, const LogLine& line);

// Nothing is logged any more, and all that was is written.
void EndLog();

}  // namespace entente::coordinator
