// Which of the planted bugs is alive: the one that ENTENTE_PLANT names, if any.
#pragma once

#include <cstdlib>
#include <cstring>

namespace entente {

inline bool IsPlanted(const char* bug) {
  static const char* const chosen = std::getenv("ENTENTE_PLANT");
  return chosen != nullptr && std::strcmp(chosen, bug) == 0;
}

}  // namespace entente

#define PLANTED(bug) ::entente::IsPlanted(bug)
