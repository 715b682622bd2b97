// Serves HTTP/1.1 on one worker's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/limits.h"
#include "base/status.h"
#include "base/time.h"
#include "base/unique_function.h"
#include "net/core/http_headers.h"
#include "net/core/peer_names.h"
#include "net/core/tls.h"
#include "net/http/server_load.h"

namespace boost::asio {
class io_context;
}

namespace entente::net {

class ServerConnection;
struct MovedConnection;

struct HttpServerRequest {
  std::string method;
  std::string
      target;        // Path and query, still percent-encoded but for unreserved characters; or "*".
  std::string host;  // Which host and port is asked, as the Host field or the target itself says.
  HttpHeaders headers;
  std::string body;
  std::string peer;  // The client's address, without its port.
  bool tls = false;
  PeerNames client_names = nullptr;  // Of its certificate; null: it was asked for none.
};

struct HttpServerResponse {
  int status = 200;
  // Without Content-Length, Transfer-Encoding, Connection and Date, which are the server's own.
  HttpHeaders headers;
  std::string body;
};

// An answer whose end is not known when it starts: server-sent events. Move-only; used on the
// server's thread. Letting go of it ends the answer properly.
class ResponseStream {
 public:
  ResponseStream() = default;
  ResponseStream(ResponseStream&& other) noexcept;
  ResponseStream& operator=(ResponseStream&& other) noexcept;
  ~ResponseStream();

  // Sends a piece, or keeps it until the client reads on. Returns false if the stream is closed,
  // because the client left or because it read so slowly that more than
  // HttpServerOptions::max_stream_buffer_bytes would wait for it, which closes it.
  bool Write(std::string_view piece);

  // Ends the answer. No-op if closed.
  void End();

  // Whether the client is still there, as far as is known.
  [[nodiscard]] bool open() const;

  // Bytes accepted by Write that the client has not taken yet.
  [[nodiscard]] size_t buffered_bytes() const;

  // Calls `closed` once when the client leaves or is cut off, not after End and not from inside
  // Write. At once is never: it is called from the server's thread later, if at all.
  void OnClosed(UniqueFunction<void()> closed);

 private:
  friend class Responder;
  explicit ResponseStream(ServerConnection* connection) : connection_(connection) {}

  ServerConnection* connection_ = nullptr;  // Counted: keeps the connection object alive.
};

// The way into a server for connections that another one took. Any thread; may be kept for longer
// than the server, after whose end what comes is closed.
class HttpEntrance {
 public:
  virtual ~HttpEntrance() = default;

 private:
  friend class ServerConnection;
  virtual void Take(MovedConnection moved) = 0;
};

// The duty to answer one request, once. Move-only; used on the server's thread, at once or later.
// Letting go of it unanswered answers 500. It stays valid when the client or the server goes away:
// an answer then goes nowhere.
class Responder {
 public:
  Responder(Responder&& other) noexcept;
  Responder& operator=(Responder&& other) noexcept;
  ~Responder();

  // Sends the whole answer. A field that may not be sent (see HttpHeaders::FirstInvalid) makes it a
  // 500. The answer to HEAD goes without its body.
  void Respond(HttpServerResponse response) &&;

  // Sends the head of an answer whose body follows piece by piece.
  [[nodiscard]] ResponseStream Stream(int status, const HttpHeaders& headers) &&;

  // Has the handler behind `to` answer instead, on its own server's thread, so that what the answer
  // costs is spent there. The connection goes with it, and ends with that answer. Both servers have
  // the same HttpServerOptions::load.
  void MoveTo(std::shared_ptr<HttpEntrance> to, HttpServerRequest request) &&;

  // Whether the client has closed its side. An answer is still attempted, since a client may close
  // its sending half and wait; but one that holds the request to wait for something may stop.
  [[nodiscard]] bool peer_gone() const;

  // Calls `gone` at most once, when peer_gone becomes true before the answer. Not called from
  // inside this call: ask peer_gone first.
  void OnPeerGone(UniqueFunction<void()> gone);

 private:
  friend class ServerConnection;
  explicit Responder(ServerConnection* connection) : connection_(connection) {}

  ServerConnection* connection_;  // Counted: keeps the connection object alive.
};

// What the server calls for each well-formed request within its limits.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  // On the server's thread; must not block and must not throw. Requests of one connection come one
  // at a time: the next when the one before is answered.
  virtual void Handle(HttpServerRequest request, Responder responder) = 0;
};

struct HttpServerOptions {
  size_t max_body_bytes = limits::kMaxRequestBytes;
  size_t max_header_bytes = limits::kMaxHeaderBytes;
  size_t max_stream_buffer_bytes = size_t{1} << 20;
  Duration read_timeout = limits::kRequestReadTimeout;  // First byte to last of one request.
  Duration idle_timeout = limits::kIdleConnectionTimeout;
  // A client that takes no byte of its answer for this long is cut off.
  Duration write_timeout = limits::kRequestReadTimeout;
  // The certificate of each new connection, asked for on the server's thread, so that it can be
  // replaced; must not block. Empty: plain text.
  std::function<std::shared_ptr<const TlsContext>()> tls;
  // Shared by all servers of the process, whose limits it holds. Null: one of its own.
  std::shared_ptr<ServerLoad> load;
  // At the limit of connections, whether the one that has been idle for longest makes room: who
  // keeps connections without a word then shuts nobody out. One that has just come, or has sent
  // what was not read yet, is not closed: the newcomer waits for a moment, and those behind it with
  // the kernel. Else, and where none is idle, the newcomer is refused.
  bool close_idlest = false;
  // Of a crowd that comes at one instant, those who have a request send it within this time: a
  // connection is not closed before, unless a newcomer has waited as long.
  Duration least_idle = std::chrono::milliseconds(100);
};

// Purpose: accepts and serves the connections of one worker. What is not HTTP/1.1 as
// base/http_head.h has it gets 400 (other versions 505, other expectations than 100-continue 417),
// slow requests 408, large bodies 413, large headers 431, connections past the
// limit, and bodies for which there is no room beside those of others, 503, each a
// problem document (RFC 9457), and then the connection is closed.
//
// Ownership: `io` and `handler` must outlive the server. Thread-safety: everything on the thread
// that runs `io`. Blocking: never, but for the name resolution of Listen.
class HttpServer {
 public:
  HttpServer(boost::asio::io_context& io, HttpHandler& handler, HttpServerOptions options);
  // Closes everything at once. Responders left over become no-ops.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Starts to accept on `host` (an address or a name) and `port` (0: any free one) and returns the
  // port. With `share_port` other servers of this process may listen on the same port, and the
  // kernel spreads the connections over them. Fails with kUnavailable, reason listen.failed, naming
  // the address and why (in use, not permitted, no such address).
  [[nodiscard]] Result<uint16_t> Listen(const std::string& host, uint16_t port, bool share_port);

  // Stops accepting, closes idle connections, lets requests in flight end (their answers say
  // "Connection: close"; streams are closed) and then calls `drained` on the io thread, once.
  void Drain(UniqueFunction<void()> drained);

  [[nodiscard]] size_t connections() const;

  // For Responder::MoveTo of other servers.
  [[nodiscard]] std::shared_ptr<HttpEntrance> entrance() const;

 private:
  class Impl;
  class Entrance;
  std::unique_ptr<Impl> impl_;
};

}  // namespace entente::net
