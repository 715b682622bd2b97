#include "tests/api/http_client.h"

#include <future>
#include <limits>

#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include "net/core/http_headers.h"

namespace entente::api::test {
namespace {

namespace http = boost::beast::http;
using boost::asio::ip::tcp;

tcp::endpoint Loopback(uint16_t port) {
  return {boost::asio::ip::address_v4::loopback(), port};
}

void OnThreadOf(boost::asio::io_context& io, const std::function<void()>& task) {
  std::promise<void> done;
  boost::asio::post(io, [&] {
    task();
    done.set_value();
  });
  done.get_future().wait();
}

bool Has(const Fields& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (net::EqualsIgnoringCase(key, name)) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::string Answer::Header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (net::EqualsIgnoringCase(key, name)) {
      return value;
    }
  }
  return "";
}

Json Answer::Document() const {
  Json json = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  return json.is_discarded() ? Json() : json;
}

RestServer::RestServer(RestOptions options)
    : stream_work_(boost::asio::make_work_guard(stream_io_)),
      work_(boost::asio::make_work_guard(io_)),
      rest_(coordinator, std::move(options)) {
  net::HttpServerOptions server_options;
  server_options.load = std::make_shared<net::ServerLoad>();
  stream_handler_ = rest_.HandlerFor(stream_io_);
  stream_server_ = std::make_unique<net::HttpServer>(stream_io_, *stream_handler_, server_options);
  handler_ = rest_.HandlerFor(io_, stream_server_->entrance());
  server_ = std::make_unique<net::HttpServer>(io_, *handler_, server_options);
  Result<uint16_t> port = server_->Listen("127.0.0.1", 0, /*share_port=*/false);
  ENTENTE_CHECK(port.ok());
  port_ = port.value();
  stream_thread_ = std::thread([this] { stream_io_.run(); });
  thread_ = std::thread([this] { io_.run(); });
}

RestServer::~RestServer() {
  Close();
}

void RestServer::Close() {
  if (!thread_.joinable()) {
    return;
  }
  OnServerThread([this] {
    server_.reset();
    handler_.reset();
  });
  OnThreadOf(stream_io_, [this] {
    stream_server_.reset();
    stream_handler_.reset();
  });
  for (auto* work : {&stream_work_, &work_}) {
    work->reset();
  }
  stream_thread_.join();
  thread_.join();
}

void RestServer::OnServerThread(const std::function<void()>& task) {
  OnThreadOf(io_, task);
}

Answer RestServer::Send(const std::string& method, const std::string& target,
                        const std::string& body, const Fields& headers) {
  boost::asio::io_context io;
  tcp::socket socket(io);
  socket.connect(Loopback(port_));
  std::string request = method + " " + target + " HTTP/1.1\r\nConnection: close\r\n";
  if (!Has(headers, "Host")) {
    request += "Host: 127.0.0.1:" + std::to_string(port_) + "\r\n";
  }
  if (!body.empty()) {
    request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    if (!Has(headers, "Content-Type")) {
      request += "Content-Type: application/json\r\n";
    }
  }
  for (const auto& [name, value] : headers) {
    if (!value.empty()) {
      request += name + ": " + value + "\r\n";
    }
  }
  request += "\r\n" + body;
  boost::system::error_code ignored;  // A server that refuses may stop reading.
  boost::asio::write(socket, boost::asio::buffer(request), ignored);

  http::response_parser<http::string_body> parser;
  // Not without one: Beast 1.74 then refuses a body that comes apart from its header.
  parser.body_limit(std::numeric_limits<uint64_t>::max());
  parser.skip(method == "HEAD");
  boost::beast::flat_buffer buffer;
  http::read(socket, buffer, parser);
  Answer answer;
  answer.status = static_cast<int>(parser.get().result_int());
  answer.body = parser.get().body();
  for (const auto& field : parser.get()) {
    answer.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
  }
  return answer;
}

EventClient::EventClient(const RestServer& server, const std::string& target, const Fields& headers,
                         bool half_close)
    : socket_(io_) {
  socket_.connect(Loopback(server.port()));
  std::string request = "GET " + target +
                        " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(server.port()) +
                        "\r\nAccept: text/event-stream\r\n";
  for (const auto& [name, value] : headers) {
    request += name + ": " + value + "\r\n";
  }
  boost::asio::write(socket_, boost::asio::buffer(request + "\r\n"));
  if (half_close) {
    socket_.shutdown(tcp::socket::shutdown_send);
  }
  const size_t size =
      boost::asio::read_until(socket_, boost::asio::dynamic_buffer(raw_), "\r\n\r\n");
  head_ = raw_.substr(0, size);
  raw_.erase(0, size);
  status_ = std::stoi(head_.substr(9, 3));
}

bool EventClient::Fill() {
  std::string piece(16 * 1024, '\0');
  boost::system::error_code error;
  const size_t size = socket_.read_some(boost::asio::buffer(piece), error);
  raw_.append(piece, 0, size);
  return !error;
}

bool EventClient::TakeChunk() {
  const size_t line = raw_.find("\r\n");
  if (line == std::string::npos) {
    return false;
  }
  const size_t size = std::stoul(raw_.substr(0, line), nullptr, 16);
  if (raw_.size() < line + 2 + size + 2) {
    return false;
  }
  text_.append(raw_, line + 2, size);
  raw_.erase(0, line + 2 + size + 2);
  ended_ = size == 0;
  return true;
}

std::string EventClient::Next() {
  while (true) {
    if (const size_t end = text_.find("\n\n"); end != std::string::npos) {
      std::string event = text_.substr(0, end);
      text_.erase(0, end + 2);
      return event;
    }
    if (ended_) {
      return "";
    }
    if (!TakeChunk() && !Fill()) {
      ended_ = true;
    }
  }
}

std::string EventClient::NextEvent() {
  std::string event = Next();
  while (event.starts_with(':')) {
    event = Next();
  }
  return event;
}

Json EventClient::NextDocument() {
  const std::string event = NextEvent();
  const size_t data = event.find("data: ");
  return data == std::string::npos ? Json() : Json::parse(event.substr(data + 6));
}

void EventClient::Close() {
  socket_.close();
}

}  // namespace entente::api::test
