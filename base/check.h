// Assertions for our own errors. Always on; never for input, network or disk contents.
#pragma once

#include <string_view>

namespace entente {

// Prints the failed condition with its place to stderr and aborts the process.
[[noreturn]] void CheckFailed(std::string_view condition, std::string_view file, int line);

}  // namespace entente

// One condition per check, so that the report names the one that failed.
#define ENTENTE_CHECK(condition)                              \
  do {                                                        \
    if (!(condition)) {                                       \
      ::entente::CheckFailed(#condition, __FILE__, __LINE__); \
    }                                                         \
  } while (false)
