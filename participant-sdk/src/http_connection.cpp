#include "participant-sdk/src/http_connection.h"

#include <charconv>
#include <optional>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include "base/http_head.h"
#include "base/limits.h"

namespace entente::sdk {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using Parser = http::response_parser<http::string_body>;

std::string Asked(const Server& server, const OutgoingRequest& request) {
  return request.method + " " + server.ToString() + request.target;
}

http::request<http::string_body> ToBeast(const Server& server, const OutgoingRequest& request) {
  http::request<http::string_body> message;
  message.version(11);
  message.method_string(request.method);
  message.target(request.target);
  message.set(http::field::host, server.authority);
  message.set(http::field::user_agent, "entente-client");
  message.set(http::field::accept, request.accept.empty() ? "application/json" : request.accept);
  if (!request.last_event_id.empty()) {
    message.set("Last-Event-ID", request.last_event_id);
  }
  if (!request.body.empty()) {
    message.set(http::field::content_type, "application/json");
    message.body() = request.body;
  }
  if (request.method != "GET") {
    message.prepare_payload();
  }
  return message;
}

HttpAnswer HeadOf(const Parser& parser) {
  const auto& message = parser.get();
  HttpAnswer answer;
  answer.status = static_cast<int>(message.result_int());
  answer.content_type = std::string(message[http::field::content_type]);
  answer.created = message["Entente-Created"] == "true";
  const auto after = message[http::field::retry_after];
  int seconds = 0;
  const auto parsed = std::from_chars(after.data(), after.data() + after.size(), seconds);
  if (parsed.ec == std::errc() && seconds > 0) {
    answer.retry_after = std::chrono::seconds(seconds);
  }
  return answer;
}

}  // namespace

class HttpConnection::Impl {
 public:
  Impl(Server server, Duration connect_timeout, size_t max_answer_bytes)
      : server_(std::move(server)),
        connect_timeout_(connect_timeout),
        max_answer_bytes_(max_answer_bytes) {}

  [[nodiscard]] const Server& server() const { return server_; }

  Result<HttpAnswer> Call(const OutgoingRequest& request, Duration timeout) {
    const bool kept = DropIfClosed();
    Result<HttpAnswer> answer = CallOnce(request, timeout);
    const bool closed_on_us = !answer.ok() && answer.status().reason() == "client.broken";
    if (kept && closed_on_us && request.method == "GET") {
      return CallOnce(request, timeout);
    }
    return answer;
  }

  Result<HttpAnswer> Open(const OutgoingRequest& request, Duration timeout) {
    Close();
    ENTENTE_RETURN_IF_ERROR(Send(request, timeout));
    ENTENTE_RETURN_IF_ERROR(ReceiveHead(request));
    if (const error_code failed = Await([this](auto done) {
          http::async_read_header(*stream_, buffer_, *parser_, std::move(done));
        })) {
      return Broken(request, failed);
    }
    if (parser_->get().result_int() != 200) {
      return ReceiveRest(request);
    }
    // Not eager: that would withhold a chunk until the next one begins.
    return HeadOf(*parser_);
  }

  Result<std::string> Read(Duration timeout) {
    if (!stream_ || !parser_) {
      return UnknownOutcome("client.broken", "the stream is not open");
    }
    stream_->expires_after(timeout);
    while (true) {
      std::string& body = parser_->get().body();
      if (!body.empty()) {
        return std::exchange(body, std::string());
      }
      if (parser_->is_done()) {
        Close();
        return std::string();
      }
      if (const error_code failed = Await([this](auto done) {
            http::async_read_some(*stream_, buffer_, *parser_, std::move(done));
          })) {
        return Broken(OutgoingRequest{"reading", "", "", "", ""}, failed);
      }
    }
  }

  void Close() {
    if (stream_) {
      error_code ignored;
      stream_->socket().close(ignored);
    }
    stream_.reset();
    parser_.reset();
    buffer_.clear();
  }

 private:
  // Runs one asynchronous operation to its end: only those know time-outs.
  template <class Start>
  error_code Await(Start start) {
    error_code result;
    start([&result](const error_code& error, const auto&...) { result = error; });
    io_.restart();
    io_.run();
    return result;
  }

  // Whether a connection is there to be used again. One that the server has closed since would
  // leave open whether a request sent on it was carried out.
  bool DropIfClosed() {
    if (!stream_) {
      return false;
    }
    error_code error;
    char byte = 0;
    stream_->socket().non_blocking(true, error);
    stream_->socket().receive(asio::buffer(&byte, 1), asio::socket_base::message_peek, error);
    if (error != asio::error::would_block) {
      Close();
    }
    return stream_.has_value();
  }

  Status Connect() {
    if (stream_) {
      return {};
    }
    error_code error;
    asio::ip::tcp::resolver resolver(io_);
    const auto found = resolver.resolve(server_.host, server_.port, error);
    if (error) {
      return Unreachable("the name can not be looked up: " + error.message());
    }
    stream_.emplace(io_);
    stream_->expires_after(connect_timeout_);
    error = Await([&](auto done) { stream_->async_connect(found, std::move(done)); });
    if (error) {
      Close();
      return Unreachable(error == beast::error::timeout
                             ? "no answer within " + FormatDuration(connect_timeout_)
                             : error.message());
    }
    stream_->socket().set_option(asio::ip::tcp::no_delay(true), error);
    return {};
  }

  Status Unreachable(const std::string& why) const {
    std::string text = why;
    if (!text.empty() && text.front() >= 'A' && text.front() <= 'Z') {
      text.front() = static_cast<char>(text.front() - 'A' + 'a');
    }
    return Unavailable("client.unreachable",
                       "cannot connect to " + server_.ToString() + ": " + text);
  }

  // Closes; what was sent may have arrived.
  Status Broken(const OutgoingRequest& request, const error_code& error) {
    const std::string asked = Asked(server_, request);
    Close();
    if (error == beast::error::timeout) {
      return UnknownOutcome("client.timeout",
                            "no answer in time to " + asked + "; it may have been carried out");
    }
    if (error == http::error::body_limit) {
      return Internal("client.bad_answer", "the answer to " + asked +
                                               " is larger than the limit of " +
                                               std::to_string(max_answer_bytes_) + " bytes");
    }
    if (error.category() == make_error_code(http::error::bad_version).category() &&
        error != http::error::end_of_stream && error != http::error::partial_message) {
      return Internal("client.bad_answer", "what " + server_.ToString() +
                                               " answers is not HTTP: " + error.message() +
                                               "; is it the coordinator's HTTP address?");
    }
    const bool hung_up =
        error == http::error::end_of_stream || error == http::error::partial_message;
    return UnknownOutcome("client.broken",
                          "the connection broke during " + asked + " (" +
                              (hung_up ? "closed by the other side" : error.message()) +
                              "); it may have been carried out");
  }

  // Connects, sends, and makes ready to receive. `timeout` runs from here until the answer is in.
  Status Send(const OutgoingRequest& request, Duration timeout) {
    ENTENTE_RETURN_IF_ERROR(Connect());
    auto message = ToBeast(server_, request);
    stream_->expires_after(timeout);
    if (const error_code failed =
            Await([&](auto done) { http::async_write(*stream_, message, std::move(done)); })) {
      return Broken(request, failed);
    }
    parser_.emplace();
    parser_->header_limit(static_cast<uint32_t>(limits::kMaxHeaderBytes));
    parser_->body_limit(max_answer_bytes_);
    return {};
  }

  // The answer's head is judged before the parser sees it: where it ends must not be in doubt.
  Status ReceiveHead(const OutgoingRequest& request) {
    HttpHeadReader head(HttpSide::kAnswer);
    while (true) {
      const auto data = buffer_.cdata();
      const std::string_view received(static_cast<const char*>(data.data()), data.size());
      const Status judged = head.Read(received);
      if (head.complete() && judged.ok()) {
        return {};
      }
      if (!judged.ok() || received.size() > limits::kMaxHeaderBytes) {
        const std::string why = judged.ok() ? "its header is larger than the limit of " +
                                                  std::to_string(limits::kMaxHeaderBytes) + " bytes"
                                            : judged.message();
        Close();
        return Internal("client.bad_answer", "what " + server_.ToString() +
                                                 " answers is not HTTP: " + why +
                                                 "; is it the coordinator's HTTP address?");
      }
      size_t bytes = 0;
      const error_code failed = Await([&](auto done) {
        stream_->async_read_some(buffer_.prepare(4096),
                                 [&bytes, done](const error_code& error, size_t size) {
                                   bytes = size;
                                   done(error);
                                 });
      });
      if (failed) {
        return Broken(request,
                      failed == asio::error::eof ? error_code(http::error::end_of_stream) : failed);
      }
      buffer_.commit(bytes);
    }
  }

  Result<HttpAnswer> ReceiveRest(const OutgoingRequest& request) {
    if (const error_code failed = Await([this](auto done) {
          http::async_read(*stream_, buffer_, *parser_, std::move(done));
        })) {
      return Broken(request, failed);
    }
    HttpAnswer answer = HeadOf(*parser_);
    answer.body = std::move(parser_->get().body());
    if (!parser_->get().keep_alive()) {
      Close();
    }
    return answer;
  }

  Result<HttpAnswer> CallOnce(const OutgoingRequest& request, Duration timeout) {
    ENTENTE_RETURN_IF_ERROR(Send(request, timeout));
    ENTENTE_RETURN_IF_ERROR(ReceiveHead(request));
    return ReceiveRest(request);
  }

  const Server server_;
  const Duration connect_timeout_;
  const size_t max_answer_bytes_;
  asio::io_context io_;
  std::optional<beast::tcp_stream> stream_;
  std::optional<Parser> parser_;
  beast::flat_buffer buffer_;
};

HttpConnection::HttpConnection(Server server, Duration connect_timeout, size_t max_answer_bytes)
    : impl_(std::make_unique<Impl>(std::move(server), connect_timeout, max_answer_bytes)) {}
HttpConnection::~HttpConnection() = default;

Result<HttpAnswer> HttpConnection::Call(const OutgoingRequest& request, Duration timeout) {
  return impl_->Call(request, timeout);
}
Result<HttpAnswer> HttpConnection::Open(const OutgoingRequest& request, Duration timeout) {
  return impl_->Open(request, timeout);
}
Result<std::string> HttpConnection::Read(Duration timeout) {
  return impl_->Read(timeout);
}
void HttpConnection::Close() {
  impl_->Close();
}
const Server& HttpConnection::server() const {
  return impl_->server();
}

}  // namespace entente::sdk
