// One parser that bytes of strangers reach.
#pragma once

#include <span>
#include <string_view>

namespace entente::fuzz {

struct Target {
  const char* name;
  // Reads `input` and checks what must hold of whatever comes out; aborts the process if it does
  // not. May take whatever time the parser's own limits allow, and no more.
  void (*run)(std::string_view input);
  // Words of the input's language: random bytes alone rarely get past the first one.
  std::span<const std::string_view> words;
};

[[nodiscard]] std::span<const Target> Targets();

}  // namespace entente::fuzz
