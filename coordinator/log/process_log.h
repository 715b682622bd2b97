// The process's log on stderr: a line for each thing that people on call may need.
#pragma once

#include <cstdint>

#include "coordinator/config.h"
#include "coordinator/log/log_line.h"

namespace entente::coordinator {

enum class LogLevel : uint8_t { kInfo, kWarning, kError, kCritical };

// Once per process, before anything logs.
void SetUpLog(const Config& config);

// Writes the line in the form that the configuration asks for: the time, the level, and the line as
// text; or one JSON object, with "time" and "level" before the line's own members. Thread-safe.
void Log(LogLevel level, const LogLine& line);

// Nothing is logged any more, and all that was is written.
void EndLog();

// From here on a file that is mapped into memory and loses what it held there (the index of the
// store's log, cut by somebody: SIGBUS) ends the process with `exit_code` and this line, which has
// the time of this call. Once per process, after SetUpLog, before others set handlers for SIGBUS
// that pass it on.
void EndOnLostMapping(const LogLine& line, int exit_code);

}  // namespace entente::coordinator
