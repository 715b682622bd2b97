// The head of an HTTP answer as bytes. Internal to transport.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "coordinator/transport/http_server.h"

namespace entente::transport {

// Whether a handler's fields may go out: valid, and none that frames the message.
[[nodiscard]] bool MayBeSent(const HttpHeaders& headers);

void AppendNumber(std::string& text, size_t number, int base = 10);
void AppendStatusLine(std::string& text, int status);

// Whether answers of this status have no body by definition (RFC 9110, 6.4.1).
[[nodiscard]] bool IsBodiless(int status);

// A problem document (RFC 9457). `target` is the request's, as far as it is known.
[[nodiscard]] HttpServerResponse Problem(int status, std::string_view code,
                                         const std::string& detail, std::string_view target = {});

}  // namespace entente::transport
