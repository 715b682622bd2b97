// The same targets under libFuzzer, which is led by what it covers: one program per target,
// FUZZ_TARGET.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "tests/fuzz/target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  for (const entente::fuzz::Target& target : entente::fuzz::Targets()) {
    if (std::string_view(target.name) == FUZZ_TARGET) {
      target.run({reinterpret_cast<const char*>(data), size});
      return 0;
    }
  }
  std::abort();
}
