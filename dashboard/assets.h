// The files of the dashboard, as they were when the program was built.
#pragma once

#include <span>
#include <string_view>

namespace entente::dashboard {

// One file. All views are of static storage: they live as long as the program.
struct Asset {
  std::string_view path;  // As requested: "/", "/assets/app.js".
  std::string_view content_type;
  std::string_view body;
  std::string_view gzip;  // The same, compressed; never empty.
  std::string_view etag;  // Quoted, of the content.
};

// All of them. There is always one for "/": without npm at build time it says how to get the page.
[[nodiscard]] std::span<const Asset> Assets();

// The one for `path`, without a query; null if there is none. Thread-safe, does not allocate.
[[nodiscard]] const Asset* Find(std::string_view path);

// The Content-Security-Policy that every one of them is served with: nothing inline, no other host,
// no frame around it (W3C CSP Level 3).
inline constexpr std::string_view kContentSecurityPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

}  // namespace entente::dashboard
