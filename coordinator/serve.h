// `entente serve`: the coordinator as a process.
#pragma once

#include "coordinator/config.h"

namespace entente::coordinator {

// Runs until SIGTERM or SIGINT, then drains. Returns the exit code: 0 after a drain, 1 when it
// could not start (said on stderr), 3 after the store failed. Blocks; once per process, from main.
[[nodiscard]] int Serve(const Config& config);

}  // namespace entente::coordinator
