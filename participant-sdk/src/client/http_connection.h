// A blocking HTTP/1.1 client on net's.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "entente/tls.h"
#include "net/core/url.h"

namespace entente::sdk {

using HeaderFields = std::vector<std::pair<std::string, std::string>>;

struct OutgoingRequest {
  std::string method;
  std::string target;
  std::string body = {};           // JSON, or empty.
  std::string accept = {};         // Empty: "application/json".
  std::string last_event_id = {};  // Empty: none.
  HeaderFields headers = {};       // Beside those of every request.
};

struct HttpAnswer {
  int status = 0;
  std::string body;
  HeaderFields headers = {};

  // Empty: there is none. The first of several; names have no case.
  [[nodiscard]] std::string_view Header(std::string_view name) const;
  // Retry-After in seconds. Zero: not stated so.
  [[nodiscard]] Duration retry_after() const;
};

struct ConnectionOptions {
  Duration connect_timeout{};  // For the name, the connection and TLS.
  size_t max_answer_bytes = 0;
  HeaderFields headers = {};  // Sent with every request.
  TlsOptions tls = {};
};

// Thread-compatible. Connects when it has to, and keeps a connection open after a call. Failures
// are those that client.h lists as coming without an answer.
class HttpConnection {
 public:
  // Reads the files of `options.tls` if `origin` needs TLS. Fails with kInvalidArgument
  // (client.bad_tls). Later calls take what was replaced, on a connection of their own.
  [[nodiscard]] static Result<std::unique_ptr<HttpConnection>> Make(net::Origin origin,
                                                                    ConnectionOptions options);
  ~HttpConnection();
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  // Connects if it has to, and then sends and receives within `timeout`, or as much of it as
  // connecting took longer than ConnectionOptions says.
  [[nodiscard]] Result<HttpAnswer> Call(const OutgoingRequest& request, Duration timeout);

  // Sends, and receives the head of an endless answer. An answer that is another is received whole.
  [[nodiscard]] Result<HttpAnswer> Open(const OutgoingRequest& request, Duration timeout);
  // The next bytes of the opened answer. Empty: it has ended. client.broken or client.timeout: it
  // was cut off, or nothing came within `timeout`.
  [[nodiscard]] Result<std::string> Read(Duration timeout);

  [[nodiscard]] const net::Origin& origin() const;

 private:
  class Impl;
  explicit HttpConnection(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace entente::sdk
