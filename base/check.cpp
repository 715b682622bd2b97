#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace entente {

void CheckFailed(std::string_view condition, std::string_view file, int line) {
  std::fprintf(stderr, "entente: check failed: %.*s at %.*s:%d\n",
               static_cast<int>(condition.size()), condition.data(), static_cast<int>(file.size()),
               file.data(), line);
  std::abort();
}

}  // namespace entente
