#include "dashboard/assets.h"

#include <algorithm>

namespace entente::dashboard {

const Asset* Find(std::string_view path) {
  const std::span<const Asset> all = Assets();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Asset& asset) { return asset.path == path; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace entente::dashboard
