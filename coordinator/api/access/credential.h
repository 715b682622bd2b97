// Where a request carries its token.
#pragma once

#include <string_view>

#include "net/core/http_headers.h"

namespace entente::api {

// The text after "Bearer " (RFC 6750, 2.1; the scheme has no case), or nothing.
[[nodiscard]] std::string_view BearerOf(std::string_view authorization);

// That of the Authorization field, or nothing: also for a field of another scheme, or two of them.
// No token is guessed, and none is taken from a cookie, which browsers send along for any page.
[[nodiscard]] std::string_view CredentialOf(const net::HttpHeaders& headers);

}  // namespace entente::api
