// A blocking HTTP client, one connection kept alive.
#pragma once

#include <map>
#include <string>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include "examples/travel/common/http_server.h"
#include "examples/travel/common/json.h"

namespace travel::test {

struct HttpAnswer {
  int status = 0;
  std::string text;
  std::string location;

  Json json() const { return ParseJson(text).value_or(Json()); }
};

class HttpClient {
 public:
  using Headers = std::map<std::string, std::string>;

  explicit HttpClient(const std::string& address) : socket_(io_) {
    socket_.connect(ParseEndpoint(address));
  }

  void Send(const std::string& method, const std::string& target, const std::string& body = "",
            const Headers& headers = {}) {
    HttpRequest request;
    request.method_string(method);
    request.target(target);
    request.version(11);
    request.set("Host", "localhost");
    for (const auto& [name, value] : headers) {
      request.set(name, value);
    }
    request.body() = body;
    request.prepare_payload();
    boost::beast::http::write(socket_, request);
  }

  HttpAnswer Receive() {
    boost::beast::http::response<boost::beast::http::string_body> response;
    boost::beast::http::read(socket_, buffer_, response);
    return {static_cast<int>(response.result_int()), response.body(),
            std::string(response["Location"])};
  }

  HttpAnswer Call(const std::string& method, const std::string& target,
                  const std::string& body = "", const Headers& headers = {}) {
    Send(method, target, body, headers);
    return Receive();
  }

  // Sends bytes as they are.
  HttpAnswer CallRaw(const std::string& bytes) {
    boost::asio::write(socket_, boost::asio::buffer(bytes));
    return Receive();
  }

 private:
  boost::asio::io_context io_;
  boost::asio::ip::tcp::socket socket_;
  boost::beast::flat_buffer buffer_;
};

}  // namespace travel::test
