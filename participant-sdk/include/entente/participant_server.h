// A small HTTP/1.1 server for a participant that has none, in plain text or by TLS.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "entente/base/limits.h"
#include "entente/base/status.h"
#include "entente/base/time.h"
#include "entente/participant.h"
#include "entente/tls.h"

namespace entente::sdk {

struct ServerOptions {
  std::string address = "127.0.0.1";  // A literal IPv4 or IPv6 address.
  uint16_t port = 0;                  // 0: any free one.
  size_t threads = 8;                 // Handlers that run at once.
  // So many of the threads no action, try or prepare gets, but at least one it does: else calls
  // that wait for a lock could keep out the very confirm, commit or undo that would free it.
  size_t reserved_threads = 2;
  // Requests beyond the threads that wait for one, or for the answer of an asynchronous handler;
  // one more is answered with 503 and Retry-After.
  size_t max_waiting = 1024;
  // For one more the connection that has been idle for longest is closed; where none is idle, it is
  // answered with 503 and Retry-After.
  size_t max_connections = 1024;
  size_t max_body_bytes = limits::kMaxUndoBytes;
  // GET of it answers 200 at once, also while every thread is busy. Empty: there is none.
  std::string health_path = "/healthz";
  Duration idle_timeout = limits::kIdleConnectionTimeout;  // Between two requests.
  Duration read_timeout = limits::kRequestReadTimeout;     // Of one request, once it has begun.
  ServerTlsOptions tls = {};
};

// A request that waits for a thread is dropped when its caller closes the connection, and when its
// Entente-Deadline is past, if that was still to come when it arrived: clocks may differ. What is
// answered later than that by an asynchronous handler goes nowhere.
//
// Thread-safe. `participant` must outlive it. One thread of its own for the sockets, and those of
// ServerOptions for the handlers.
class HttpServer {
 public:
  // Listens and serves. Fails with kInvalidArgument (server.bad_address; server.bad_tls: a file
  // can not be used) or kUnavailable (server.cannot_listen).
  [[nodiscard]] static Result<std::unique_ptr<HttpServer>> Start(const Participant& participant,
                                                                 const ServerOptions& options = {});
  // As Stop, with five seconds.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  [[nodiscard]] uint16_t port() const;
  [[nodiscard]] std::string url() const;  // "http://127.0.0.1:8081", or https.

  // What was wrong with the files of ServerOptions::tls when they were last looked at, for the
  // latest connection; server.bad_tls. Those of before are in use then.
  [[nodiscard]] Status tls_status() const;

  // Accepts nothing more, lets requests under way end and their answers leave, at most for `grace`,
  // then closes. A handler that still runs is waited for: it can not be interrupted. May be called
  // again.
  void Stop(Duration grace = std::chrono::seconds(5));

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace entente::sdk
