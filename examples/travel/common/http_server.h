// A small HTTP/1.1 server: keep-alive, bounded, one request at a time per connection.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/http.hpp>

#include "examples/travel/common/desk.h"

namespace travel {

using HttpRequest = boost::beast::http::request<boost::beast::http::string_body>;

// Must call the ReplyFn exactly once, on the io thread, at once or later.
using HttpHandler = std::function<void(const HttpRequest&, ReplyFn)>;

// "127.0.0.1:8080" or "[::1]:0". `localhost` means 127.0.0.1. Throws std::invalid_argument with a
// message for people.
boost::asio::ip::tcp::endpoint ParseEndpoint(const std::string& text);

class HttpServer {
 public:
  // Listens on `endpoint` (port 0: any free one). Throws boost::system::system_error when it
  // cannot. `io` runs on one thread and must outlive the server.
  HttpServer(boost::asio::io_context& io, const boost::asio::ip::tcp::endpoint& endpoint,
             HttpHandler handler);

  boost::asio::ip::tcp::endpoint endpoint() const { return endpoint_; }  // With the actual port.

  void Start();          // Begins to accept.
  void StopAccepting();  // Thread-safe. Connections that are open stay open.

 private:
  void Accept();

  boost::asio::io_context& io_;
  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::ip::tcp::endpoint endpoint_;
  HttpHandler handler_;
};

}  // namespace travel
