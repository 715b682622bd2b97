// A whole service in one object: file, writer, desk and HTTP server.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "examples/travel/common/desk.h"
#include "examples/travel/common/http_server.h"
#include "examples/travel/common/options.h"
#include "examples/travel/common/reports.h"
#include "examples/travel/common/rest_front.h"

namespace travel {

// Thread-safe once started.
class Host {
 public:
  // Opens the file and listens, but serves nothing yet. `http_listen` is where the HTTP server
  // goes: the service itself, or its control endpoint. Throws SqliteError, std::invalid_argument or
  // boost::system::system_error, each with a message for people. `business` must outlive the host.
  Host(const Business& business, const Options& options, const std::string& http_listen, bool rest);
  ~Host();  // Stops.

  void Start();
  void Stop();  // Answers what is under way, then ends. Blocks; may be called more than once.

  // The two halves of Stop, for a service with another server beside: nothing is accepted or held
  // back any more; then, once that server has drained, the end.
  void StopAccepting();

  std::string http_address() const;  // "127.0.0.1:40123"
  Desk& desk() { return desk_; }
  Reports& reports() { return reports_; }

 private:
  Switches switches_;
  Writer writer_;
  Reports reports_;
  // After the file: what still hangs on a socket is destroyed before what it would use.
  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> keep_running_;
  Desk desk_;
  RestFront front_;
  HttpServer server_;
  std::thread thread_;
};

// Writes "listen=...\ncontrol=...\n" to `path`, all or nothing; does nothing when `path` is empty.
// Throws std::runtime_error.
void WritePortFile(const std::string& path, const std::string& listen, const std::string& control);

// Blocks until SIGTERM or SIGINT. Call BlockStopSignals first, before any thread is started, or a
// signal may end the process before it is waited for.
void BlockStopSignals();
void AwaitStopSignal();

// main() of a service that speaks REST.
int RunRestService(int argc, const char* const* argv, const Business& business);

// Runs `body`, prints what it throws as one line starting with the program's name, and returns the
// exit code: what body returned, or 1.
int Guarded(const std::string& program, const std::function<int()>& body);

}  // namespace travel
