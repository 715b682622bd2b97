// The head of an HTTP answer as bytes. Internal to net.
#pragma once

#include <cstddef>
#include <ctime>
#include <string>
#include <string_view>

#include "net/http/http_server.h"

namespace entente::net {

// Whether a handler's fields may go out: valid, and none that is the server's own.
[[nodiscard]] bool MayBeSent(const HttpHeaders& headers);

void AppendNumber(std::string& text, size_t number, int base = 10);
void AppendStatusLine(std::string& text, int status);

// The Date field that every answer carries (RFC 9110, 6.6.1), made once a second. Not thread-safe.
class DateField {
 public:
  void AppendTo(std::string& text);

 private:
  std::time_t at_ = 0;
  std::string field_;
};

// Whether answers of this status have no body by definition (RFC 9110, 6.4.1).
[[nodiscard]] bool IsBodiless(int status);

// A problem document (RFC 9457). `target` is the request's, as far as it is known.
[[nodiscard]] HttpServerResponse Problem(int status, std::string_view code,
                                         const std::string& detail, std::string_view target = {});

}  // namespace entente::net
