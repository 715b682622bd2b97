// A RestApi behind a real server on a free loopback port, and a blocking client of it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "base/json.h"
#include "coordinator/api/rest/rest.h"
#include "tests/api/fake_coordinator.h"

namespace entente::api::test {

using Fields = std::vector<std::pair<std::string, std::string>>;

struct Answer {
  int status = 0;
  Fields headers;
  std::string body;

  [[nodiscard]] std::string Header(std::string_view name) const;  // Empty: absent.
  [[nodiscard]] Json Document() const;                            // Null: not JSON.
};

class RestServer {
 public:
  explicit RestServer(RestOptions options = {});
  ~RestServer();
  RestServer(const RestServer&) = delete;
  RestServer& operator=(const RestServer&) = delete;

  FakeCoordinator coordinator;

  // One request on a connection of its own. A body goes with Content-Type application/json unless
  // `headers` has one; Host is the server's own unless `headers` has one.
  [[nodiscard]] Answer Send(const std::string& method, const std::string& target,
                            const std::string& body = "", const Fields& headers = {});
  [[nodiscard]] Answer Get(const std::string& target) { return Send("GET", target); }
  [[nodiscard]] Answer Post(const std::string& target, const std::string& body) {
    return Send("POST", target, body);
  }

  [[nodiscard]] uint16_t port() const { return port_; }
  [[nodiscard]] size_t event_streams() const { return rest_.event_streams(); }
  // Runs `task` on the server's thread, which is not that of event streams, and waits for it.
  void OnServerThread(const std::function<void()>& task);
  // Closes the server as a stopping program does. Only once.
  void Close();

 private:
  boost::asio::io_context stream_io_;
  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> stream_work_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  RestApi rest_;
  // Of event streams, then of all else.
  std::unique_ptr<net::HttpHandler> stream_handler_;
  std::unique_ptr<net::HttpServer> stream_server_;
  std::unique_ptr<net::HttpHandler> handler_;
  std::unique_ptr<net::HttpServer> server_;
  uint16_t port_ = 0;
  std::thread stream_thread_;
  std::thread thread_;
};

// A client that reads server-sent events. Reading blocks until there is something.
class EventClient {
 public:
  // With `half_close` it closes its sending half once it has asked.
  EventClient(const RestServer& server, const std::string& target, const Fields& headers = {},
              bool half_close = false);

  [[nodiscard]] int status() const { return status_; }
  [[nodiscard]] const std::string& head() const { return head_; }
  // The next event or comment as its lines, without the empty one; empty at the end of the stream.
  [[nodiscard]] std::string Next();
  // As Next, but comments are left out.
  [[nodiscard]] std::string NextEvent();
  // The data of the next event.
  [[nodiscard]] Json NextDocument();
  // Leaves without a word.
  void Close();

 private:
  [[nodiscard]] bool Fill();
  [[nodiscard]] bool TakeChunk();

  boost::asio::io_context io_;
  boost::asio::ip::tcp::socket socket_;
  int status_ = 0;
  std::string head_;
  std::string raw_;   // Received, still chunked.
  std::string text_;  // Without the chunks' frames.
  bool ended_ = false;
};

}  // namespace entente::api::test
