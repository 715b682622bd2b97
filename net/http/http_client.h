// Calls HTTP/1.1 services over kept-alive connections.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "base/limits.h"
#include "base/time.h"
#include "base/unique_function.h"
#include "net/core/address_policy.h"
#include "net/core/call_error.h"
#include "net/core/connection_quota.h"
#include "net/core/http_headers.h"
#include "net/core/tls.h"
#include "net/core/url.h"

namespace boost::asio {
class io_context;
}

namespace entente::net {

struct HttpRequest {
  std::string method = "POST";  // A token, upper case by custom.
  Url url;
  // Without Host, Content-Length, Transfer-Encoding, Connection and their like, which are the
  // client's own; naming one is a kInvalidRequest.
  HttpHeaders headers;
  std::string body;
  // Of the participant that is called: only calls with the same quota share connections. Null: no
  // limit of its own.
  std::shared_ptr<ConnectionQuota> quota = nullptr;
  // Beside the client's own policy, of an address that was computed; calls with the same quota have
  // the same one. Null: none. Shared with the connections.
  std::shared_ptr<const AddressPolicy> allowed = nullptr;
  // Whose host and port are connected to, in place of those of `url`, which stay what the Host
  // field and the certificate say; nothing: the same.
  std::optional<Origin> connect_to = std::nullopt;
};

struct HttpResponse {
  int status = 0;
  HttpHeaders headers;
  std::string body;
};

using HttpOutcome = std::variant<HttpResponse, CallError>;

struct HttpClientOptions {
  Duration connect_timeout = std::chrono::seconds(5);  // Name, connection and TLS handshake.
  Duration idle_timeout = std::chrono::seconds(60);    // A connection unused this long is closed.
  size_t max_body_bytes = limits::kMaxPayloadBytes;
  size_t max_header_bytes = limits::kMaxHeaderBytes;
  size_t max_idle_per_origin = limits::kMaxIdleConnectionsPerParticipant;
  // Empty: https calls fail as kInvalidRequest. When it gives another one, connections made with
  // the one before end with the call that they carry.
  TlsSource tls;
  std::shared_ptr<ConnectionQuota> quota;  // Of the process, shared by its clients. Null: none.
  AddressPolicy policy;
};

// Purpose: one worker's caller. Redirects are not followed and no content coding is accepted, so
// what the body cap bounds is what the caller gets. Nothing is ever sent twice: a connection lost
// after the request left is reported as kUnknown, and whether to repeat is the caller's decision.
// A kept-alive connection that the peer has closed is noticed before it is used again.
//
// Ownership: `io` must outlive the client. Thread-safety: everything on the thread that runs `io`.
// Blocking: never. A call that needs a connection and finds its quotas used up waits for a place,
// as long as its time allows, and is then kNotSent with CallFault::kLocal.
class HttpClient {
 public:
  using Done = UniqueFunction<void(HttpOutcome)>;

  HttpClient(boost::asio::io_context& io, HttpClientOptions options);
  // As CancelAll.
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Sends `request` and calls `done` exactly once, on the io thread: from inside CancelAll or the
  // destructor, else never from inside this call. `timeout` bounds the whole call, from here to
  // the last byte of the answer. Any status code is an HttpResponse, also 3xx and 5xx.
  void Call(HttpRequest request, Duration timeout, Done done);

  // Called with the head of an answer, whose body is empty, and each piece of the body as it comes;
  // the first time with the head alone. Must not use the client.
  using Piece = UniqueFunction<void(const HttpResponse& head, std::string_view piece)>;
  // As Call, for an answer that may have no end. If its status is 200 it goes to `piece`, however
  // long it becomes (a length that is announced counts against the limit), and `done` is given its
  // head at its end; `timeout` is only for the head then, and whoever waits for pieces bounds that
  // by CancelAll. Any other answer goes to `done` as a whole.
  void Stream(HttpRequest request, Duration timeout, Piece piece, Done done);

  // Ends every call in flight with reason call.cancelled (kNotSent where nothing had left yet,
  // else kUnknown) and closes every connection. The client stays usable.
  void CancelAll();

  struct Stats {
    size_t calls_in_flight;
    size_t idle_connections;
    uint64_t connections_opened;
  };
  [[nodiscard]] Stats stats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace entente::net
