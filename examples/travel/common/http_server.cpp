#include "examples/travel/common/http_server.h"

#include <chrono>
#include <optional>
#include <stdexcept>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>

#include "examples/travel/common/request_reader.h"

namespace travel {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;

constexpr size_t kReadBytes = 16 * 1024;
constexpr std::chrono::seconds kIdleTimeout{75};
constexpr std::chrono::seconds kWriteTimeout{30};

// One connection. Shared because the operation under way keeps it alive, and there is always one.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, const HttpHandler& handler)
      : stream_(std::move(socket)), handler_(handler) {}

  void ReadNext() {
    reader_.emplace();
    stream_.expires_after(kIdleTimeout);
    Take();
  }

 private:
  // What has come already may hold the whole request.
  void Take() {
    beast::error_code error;
    reader_->Read(buffer_, error);
    if (error == http::error::body_limit || error == http::error::header_limit) {
      return Answer({413, ErrorJson("too_large", "a request has at most 64 KiB"), {}, {}}, false);
    }
    if (error) {
      return Answer({400, ErrorJson("bad_http", error.message()), {}, {}}, false);
    }
    if (reader_->done()) {
      return Handle();
    }
    stream_.async_read_some(
        buffer_.prepare(kReadBytes),
        [self = shared_from_this()](beast::error_code failed, size_t count) {
          if (!failed) {  // Else the peer left or fell silent: this session ends.
            self->buffer_.commit(count);
            self->Take();
          }
        });
  }

  void Handle() {
    stream_.expires_never();  // The desk may hold the answer back for longer than any read takes.
    handler_(reader_->request(), [self = shared_from_this()](Reply reply) {
      self->Answer(std::move(reply), self->reader_->request().keep_alive());
    });
  }

  void Answer(Reply reply, bool keep_alive) {
    response_ = {};
    response_.version(11);
    response_.result(static_cast<unsigned>(reply.status));
    response_.keep_alive(keep_alive);
    response_.set(http::field::content_type,
                  reply.raw_body.empty() ? "application/json" : "text/html");
    if (!reply.location.empty()) {
      response_.set(http::field::location, reply.location);
    }
    response_.body() = reply.raw_body.empty() ? DumpJson(reply.body) + "\n" : reply.raw_body;
    response_.prepare_payload();
    stream_.expires_after(kWriteTimeout);
    http::async_write(
        stream_, response_,
        [self = shared_from_this()](beast::error_code error, size_t) { self->OnWritten(error); });
  }

  void OnWritten(beast::error_code error) {
    if (error || !response_.keep_alive()) {
      beast::error_code ignored;
      stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
      return;
    }
    ReadNext();
  }

  beast::tcp_stream stream_;
  const HttpHandler& handler_;
  beast::flat_buffer buffer_;
  std::optional<RequestReader> reader_;
  http::response<http::string_body> response_;
};

}  // namespace

tcp::endpoint ParseEndpoint(const std::string& text) {
  const size_t colon = text.rfind(':');
  std::string host = text.substr(0, colon);
  if (host == "localhost") {
    host = "127.0.0.1";
  } else if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  beast::error_code error;
  const auto address = asio::ip::make_address(host, error);
  const std::string port = colon == std::string::npos ? "" : text.substr(colon + 1);
  const bool digits = !port.empty() && port.size() <= 5 &&
                      port.find_first_not_of("0123456789") == std::string::npos;
  if (error || !digits || std::stoi(port) > 65'535) {
    throw std::invalid_argument("'" + text + "' is no address to listen on; write 127.0.0.1:8081");
  }
  return {address, static_cast<uint16_t>(std::stoi(port))};
}

HttpServer::HttpServer(asio::io_context& io, const tcp::endpoint& endpoint, HttpHandler handler)
    : io_(io), acceptor_(io, endpoint, /*reuse_addr=*/true), handler_(std::move(handler)) {
  endpoint_ = acceptor_.local_endpoint();
}

void HttpServer::Start() {
  Accept();
}

void HttpServer::Accept() {
  acceptor_.async_accept([this](beast::error_code error, tcp::socket socket) {
    if (!acceptor_.is_open()) {
      return;
    }
    if (!error) {
      beast::error_code ignored;
      socket.set_option(tcp::no_delay(true), ignored);
      std::make_shared<Session>(std::move(socket), handler_)->ReadNext();
      return Accept();
    }
    // Out of descriptors, most likely: accepting again at once would spin.
    auto pause = std::make_shared<asio::steady_timer>(io_, std::chrono::milliseconds(100));
    pause->async_wait([this, pause](beast::error_code) { Accept(); });
  });
}

void HttpServer::StopAccepting() {
  asio::post(io_, [this] {
    beast::error_code ignored;
    acceptor_.close(ignored);
  });
}

}  // namespace travel
