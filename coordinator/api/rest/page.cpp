#include "coordinator/api/rest/page.h"

#include <string>

namespace entente::api {
namespace {

// Whether the list names gzip without refusing it; weights between codings do not matter here.
bool AcceptsGzip(std::string_view accepted) {
  const size_t at = accepted.find("gzip");
  return at != std::string_view::npos && !accepted.substr(at + 4).starts_with(";q=0");
}

}  // namespace

void AnswerPage(Exchange& exchange, const dashboard::Asset& asset) {
  const net::HttpHeaders& asked = exchange.request().headers;
  net::HttpHeaders headers{{"X-Content-Type-Options", "nosniff"},
                           {"Content-Security-Policy", dashboard::kContentSecurityPolicy},
                           {"X-Frame-Options", "DENY"},
                           {"Referrer-Policy", "no-referrer"},
                           {"Cache-Control", "no-cache"},
                           {"Vary", "Accept-Encoding"},
                           {"ETag", asset.etag}};
  if (asked.Find("If-None-Match").value_or("") == asset.etag) {
    exchange.AnswerWith(304, std::move(headers), {});
    return;
  }
  headers.Add("Content-Type", asset.content_type);
  if (AcceptsGzip(asked.Find("Accept-Encoding").value_or(""))) {
    headers.Add("Content-Encoding", "gzip");
    exchange.AnswerWith(200, std::move(headers), std::string(asset.gzip));
  } else {
    exchange.AnswerWith(200, std::move(headers), std::string(asset.body));
  }
}

}  // namespace entente::api
