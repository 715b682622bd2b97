// What a failed answer means.
#pragma once

#include <string_view>

#include "base/json.h"
#include "base/status.h"

namespace entente::sdk {

// The Status of an HTTP answer that is not a success. `problem` is its body, or null if that was
// not a problem document; `asked` names the request ("GET http://host/path").
[[nodiscard]] Status StatusOfProblem(int http_status, const Json& problem, std::string_view asked);

}  // namespace entente::sdk
