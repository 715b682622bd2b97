#include "examples/travel/common/request_reader.h"

namespace travel {
namespace {

namespace http = boost::beast::http;

constexpr size_t kMaxBodyBytes = 64 * 1024;
constexpr uint32_t kMaxHeaderBytes = 16 * 1024;

// "0", CRLF and the CRLF that ends the trailer. What is left of a chunked body is never less.
constexpr size_t kLastChunkBytes = 5;

}  // namespace

RequestReader::RequestReader() {
  parser_.eager(true);
  parser_.body_limit(kMaxBodyBytes);
  parser_.header_limit(kMaxHeaderBytes);
}

void RequestReader::Read(boost::beast::flat_buffer& input, boost::beast::error_code& error) {
  error = {};
  while (input.size() > 0 && !parser_.is_done()) {
    // Beast's parser has seen the size of a last chunk and asserts that it is handed all of it when
    // it is called again. A body that is cut between its last bytes would end the process.
    if (awaits_chunk_ && input.size() < kLastChunkBytes) {
      break;
    }
    const size_t taken = parser_.put(input.data(), error);
    input.consume(taken);
    awaits_chunk_ = parser_.is_header_done() && error == http::error::need_more;
    if (error == http::error::need_more) {
      error = {};
      break;
    }
    if (error || taken == 0) {
      break;
    }
  }
  // The parser bounds the header, but neither a chunk's extensions nor the trailer.
  if (!error && !parser_.is_done() && input.size() > kMaxHeaderBytes) {
    error = http::error::header_limit;
  }
}

}  // namespace travel
