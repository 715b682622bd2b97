// RequestReader: an HTTP/1.1 request, from the bytes that have come so far.
#pragma once

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include "examples/travel/common/http_server.h"

namespace travel {

// One request; made afresh for each. Not thread-safe.
class RequestReader {
 public:
  RequestReader();

  // Takes what it can from the front of `input`. What is left comes again with what follows; it is
  // never more than a header may have. `error` is set when the request is not acceptable.
  void Read(boost::beast::flat_buffer& input, boost::beast::error_code& error);

  [[nodiscard]] bool done() const { return parser_.is_done(); }
  [[nodiscard]] const HttpRequest& request() const { return parser_.get(); }

 private:
  boost::beast::http::request_parser<boost::beast::http::string_body> parser_;
  bool awaits_chunk_ = false;  // The head of a chunk has begun and is not whole.
};

}  // namespace travel
