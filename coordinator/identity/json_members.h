// What members of JSON objects say. Internal to identity.
#pragma once

#include <string>

#include "base/json.h"

namespace entente::identity {

// The text of a member; empty if it is not there, or no text.
[[nodiscard]] inline std::string TextIn(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace entente::identity
