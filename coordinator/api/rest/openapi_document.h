// The OpenAPI 3.1 document of the REST API: openapi.json, embedded when the program is built.
#pragma once

#include <string_view>

namespace entente::api {

[[nodiscard]] std::string_view OpenApiDocument();

}  // namespace entente::api
