#include "net/http/http_parser.h"

#include <algorithm>
#include <limits>

#include "base/limits.h"

namespace entente::net {
namespace {

namespace http = boost::beast::http;

// Of a body, before any of it has arrived.
constexpr size_t kTrustedBytes = 8 * 1024;

// "0", CRLF and the CRLF that ends the trailer. What is left of a chunked body is never less.
constexpr size_t kLastChunkBytes = 5;

std::string_view View(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

}  // namespace

template <bool kIsRequest, class Message>
MessageParser<kIsRequest, Message>::MessageParser(const ParseLimits& limits)
    : head_(kIsRequest ? HttpSide::kRequest : HttpSide::kAnswer),
      max_header_bytes_(limits.max_header_bytes),
      max_body_bytes_(limits.max_body_bytes) {
  this->eager(true);
  this->header_limit(static_cast<std::uint32_t>(limits.max_header_bytes));
  this->body_limit(limits.max_body_bytes);
}

template <bool kIsRequest, class Message>
bool MessageParser<kIsRequest, Message>::ReadHead(std::string_view input, error_code& error) {
  refusal_ = head_.Read(input.substr(0, max_header_bytes_));
  if (!refusal_.ok()) {
    error = http::error::bad_field;
  } else if (!head_.complete() && input.size() >= max_header_bytes_) {
    error = http::error::header_limit;
  }
  return head_.complete() && !error;
}

template <bool kIsRequest, class Message>
size_t MessageParser<kIsRequest, Message>::Parse(std::string_view input, error_code& error) {
  size_t used = 0;
  if (!head_.complete() && !ReadHead(input, error)) {
    return used;
  }
  while (used < input.size() && !this->is_done()) {
    // Beast's parser has seen the size of a last chunk and asserts that it is handed all of it
    // when it is called again. A body that is cut between its last bytes would end the process.
    if (awaits_chunk_ && input.size() - used < kLastChunkBytes) {
      break;
    }
    const boost::asio::const_buffer rest(input.data() + used, input.size() - used);
    const size_t taken = this->put(rest, error);
    used += taken;
    awaits_chunk_ = in_body_ && error == http::error::need_more;
    if (error == http::error::need_more) {
      error.clear();
      break;
    }
    if (error || taken == 0) {
      break;
    }
  }
  // The parser bounds the header, but neither a chunk's extensions nor the trailer.
  if (!error && !this->is_done() && input.size() - used > max_header_bytes_) {
    error = http::error::header_limit;
  }
  return used;
}

template <bool kIsRequest, class Message>
void MessageParser<kIsRequest, Message>::LiftBodyLimit() {
  max_body_bytes_ = std::numeric_limits<size_t>::max();
  this->body_limit(boost::none);
}

template <bool kIsRequest, class Message>
void MessageParser<kIsRequest, Message>::on_field_impl(http::field /*name*/,
                                                       string_view name_string, string_view value,
                                                       error_code& error) {
  if (!in_body_) {
    message_.headers.Add(View(name_string), View(value));
    return;
  }
  // Fields of a trailer are dropped: taken for header fields they could forge one (RFC
  // 9110, 6.5.1). They may not go on for ever, either.
  trailer_bytes_ += name_string.size() + value.size();
  ++trailer_fields_;
  if (trailer_bytes_ > max_header_bytes_ || trailer_fields_ > limits::kMaxHeaderFields) {
    error = http::error::header_limit;
  }
}

template <bool kIsRequest, class Message>
void MessageParser<kIsRequest, Message>::on_header_impl(error_code& /*error*/) {}

template <bool kIsRequest, class Message>
void MessageParser<kIsRequest, Message>::on_body_init_impl(
    boost::optional<std::uint64_t> const& content_length, error_code& error) {
  in_body_ = true;
  if (!content_length) {
    return;
  }
  if (*content_length > max_body_bytes_) {
    error = http::error::body_limit;
    return;
  }
  announced_bytes_ = static_cast<size_t>(*content_length);
  message_.body.reserve(std::min(announced_bytes_, kTrustedBytes));
}

// A stated length is only a claim, so memory for a large body is taken as its bytes arrive: twice
// as much each time, but no more than was announced.
template <bool kIsRequest, class Message>
void MessageParser<kIsRequest, Message>::MakeRoom(size_t bytes) {
  if (bytes <= message_.body.capacity()) {
    return;
  }
  size_t capacity = std::max(message_.body.capacity(), kTrustedBytes);
  while (capacity < bytes) {
    capacity *= 2;
  }
  std::string grown;  // One that has a capacity would double it at least.
  grown.reserve(std::min(capacity, std::max(announced_bytes_, bytes)));
  grown.append(message_.body);
  message_.body = std::move(grown);
}

template <bool kIsRequest, class Message>
std::size_t MessageParser<kIsRequest, Message>::on_body_impl(string_view body, error_code& error) {
  if (message_.body.size() + body.size() > max_body_bytes_) {
    error = http::error::body_limit;
    return 0;
  }
  MakeRoom(message_.body.size() + body.size());
  message_.body.append(body.data(), body.size());
  return body.size();
}

template <bool kIsRequest, class Message>
void MessageParser<kIsRequest, Message>::on_chunk_header_impl(std::uint64_t size,
                                                              string_view extensions,
                                                              error_code& error) {
  if (!IsHttpText(View(extensions))) {
    error = http::error::bad_chunk_extension;
  } else if (size > max_body_bytes_ - message_.body.size()) {
    error = http::error::body_limit;
  } else {
    announced_bytes_ = message_.body.size() + static_cast<size_t>(size);
  }
}

template <bool kIsRequest, class Message>
std::size_t MessageParser<kIsRequest, Message>::on_chunk_body_impl(std::uint64_t /*remain*/,
                                                                   string_view body,
                                                                   error_code& error) {
  return on_body_impl(body, error);
}

template <bool kIsRequest, class Message>
void MessageParser<kIsRequest, Message>::on_finish_impl(error_code& /*error*/) {}

template class MessageParser<true, HttpServerRequest>;
template class MessageParser<false, HttpResponse>;

void RequestParser::on_request_impl(http::verb /*method*/, string_view method_string,
                                    string_view target, int version, error_code& /*error*/) {
  message_.method.assign(method_string.data(), method_string.size());
  message_.target.assign(target.data(), target.size());
  is_http11_ = version >= 11;
}

void RequestParser::on_response_impl(int /*code*/, string_view /*reason*/, int /*version*/,
                                     error_code& /*error*/) {}

void RequestParser::on_field_impl(http::field name, string_view name_string, string_view value,
                                  error_code& error) {
  if (name == http::field::expect && EqualsIgnoringCase(View(value), "100-continue")) {
    expects_continue_ = true;
  }
  MessageParser::on_field_impl(name, name_string, value, error);
}

void ResponseParser::on_request_impl(http::verb /*method*/, string_view /*method_string*/,
                                     string_view /*target*/, int /*version*/,
                                     error_code& /*error*/) {}

void ResponseParser::on_response_impl(int code, string_view /*reason*/, int /*version*/,
                                      error_code& /*error*/) {
  message_.status = code;
}

void ResponseParser::on_field_impl(http::field name, string_view name_string, string_view value,
                                   error_code& error) {
  if (name == http::field::content_encoding && !EqualsIgnoringCase(View(value), "identity")) {
    encoded_ = true;
  }
  if (name == http::field::transfer_encoding ||
      (name == http::field::content_length && View(value) != "0")) {
    announces_body_ = true;
  }
  MessageParser::on_field_impl(name, name_string, value, error);
}

}  // namespace entente::net
