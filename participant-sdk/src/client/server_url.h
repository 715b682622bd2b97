// Where the coordinator is, and how request targets are written.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "net/core/url.h"

namespace entente::sdk {

// Reads "http://host[:port][/]" or "https://...". Fails with client.bad_server, saying what is
// allowed.
[[nodiscard]] Result<net::Origin> ParseServer(std::string_view url);

// `text` as one path segment or query value (RFC 3986, 2.1): all but unreserved characters escaped.
[[nodiscard]] std::string PercentEncode(std::string_view text);

// Collects "?a=b&c=d".
class Query {
 public:
  // Left out if `value` is empty.
  Query& Add(std::string_view name, std::string_view value);
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace entente::sdk
