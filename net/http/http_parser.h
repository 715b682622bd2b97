// Beast's HTTP/1 parser, filling this library's messages. Internal to net.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

#include "base/http_head.h"
#include "net/http/http_client.h"
#include "net/http/http_server.h"

namespace entente::net {

struct ParseLimits {
  size_t max_header_bytes;
  size_t max_body_bytes;
};

// Parses one message; made afresh for each. Its head is judged by HttpHeadReader before the parser
// sees a byte of it. The limits are enforced while reading: a body is never held past its cap,
// whether its length was announced, chunked or unknown.
template <bool kIsRequest, class Message>
class MessageParser : public boost::beast::http::basic_parser<kIsRequest> {
 public:
  explicit MessageParser(const ParseLimits& limits);

  // Takes what it can from the front of `input`; returns how much that was. `error` is set when the
  // message is not acceptable; "need more" is not an error. What is left is never more than the
  // header limit.
  size_t Parse(std::string_view input, boost::system::error_code& error);

  // From here on the body may be of any length: whoever takes its bytes away bounds what is held.
  void LiftBodyLimit();

  [[nodiscard]] Message& message() { return message_; }
  // Why the head was refused, after an error of Parse; else ok.
  [[nodiscard]] const Status& refusal() const { return refusal_; }

 protected:
  using error_code = boost::system::error_code;
  using string_view = boost::beast::string_view;

  void on_field_impl(boost::beast::http::field name, string_view name_string, string_view value,
                     error_code& error) override;
  void on_header_impl(error_code& error) override;
  void on_body_init_impl(boost::optional<std::uint64_t> const& content_length,
                         error_code& error) override;
  std::size_t on_body_impl(string_view body, error_code& error) override;
  void on_chunk_header_impl(std::uint64_t size, string_view extensions, error_code& error) override;
  std::size_t on_chunk_body_impl(std::uint64_t remain, string_view body,
                                 error_code& error) override;
  void on_finish_impl(error_code& error) override;

  Message message_;

 private:
  // Whether the head is whole and acceptable; sets `error` where it is not acceptable.
  bool ReadHead(std::string_view input, boost::system::error_code& error);

  // For a body of `bytes` so far.
  void MakeRoom(size_t bytes);

  HttpHeadReader head_;
  Status refusal_;
  size_t max_header_bytes_;
  size_t max_body_bytes_;
  bool in_body_ = false;
  size_t trailer_bytes_ = 0;
  size_t trailer_fields_ = 0;
  bool awaits_chunk_ = false;  // The head of a chunk has begun and is not whole.
  size_t announced_bytes_ = std::numeric_limits<size_t>::max();  // Of the body, so far.
};

class RequestParser final : public MessageParser<true, HttpServerRequest> {
 public:
  using MessageParser::MessageParser;
  // Whether the client waits for a go-ahead before it sends the body. One that speaks HTTP/1.0
  // knows of none, whatever a proxy has left in its head (RFC 9110, 10.1.1).
  [[nodiscard]] bool expects_continue() const { return expects_continue_ && is_http11_; }
  [[nodiscard]] bool is_http11() const { return is_http11_; }

 private:
  void on_request_impl(boost::beast::http::verb method, string_view method_string,
                       string_view target, int version, error_code& error) override;
  void on_response_impl(int code, string_view reason, int version, error_code& error) override;
  void on_field_impl(boost::beast::http::field name, string_view name_string, string_view value,
                     error_code& error) override;

  bool expects_continue_ = false;
  bool is_http11_ = true;
};

class ResponseParser final : public MessageParser<false, HttpResponse> {
 public:
  using MessageParser::MessageParser;
  // Whether the answer carries a content coding, which was not asked for.
  [[nodiscard]] bool encoded() const { return encoded_; }
  // A 1xx, which precedes the answer proper.
  [[nodiscard]] bool interim() const { return message_.status >= 100 && message_.status < 200; }
  // Whether the head announces a body. One of a status that has none may still be on its way, and
  // would be read as the next answer.
  [[nodiscard]] bool announces_body() const { return announces_body_; }

 private:
  void on_request_impl(boost::beast::http::verb method, string_view method_string,
                       string_view target, int version, error_code& error) override;
  void on_response_impl(int code, string_view reason, int version, error_code& error) override;
  void on_field_impl(boost::beast::http::field name, string_view name_string, string_view value,
                     error_code& error) override;

  bool encoded_ = false;
  bool announces_body_ = false;
};

}  // namespace entente::net
