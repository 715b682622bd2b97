// One blocking HTTP/1.1 connection to the coordinator. Beast stays behind it.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/time.h"
#include "participant-sdk/src/server_url.h"

namespace entente::sdk {

struct OutgoingRequest {
  std::string method;
  std::string target;
  std::string body;           // JSON, or empty.
  std::string accept;         // Empty: "application/json".
  std::string last_event_id;  // Empty: none.
};

struct HttpAnswer {
  int status = 0;
  std::string body;
  std::string content_type;
  bool created = false;                 // From the field Entente-Created.
  std::chrono::seconds retry_after{0};  // Zero: not stated.
};

// Thread-compatible. Opened by the first call, again when it was closed, and kept open after.
// Failures are those that client.h lists as coming without an answer.
class HttpConnection {
 public:
  HttpConnection(Server server, Duration connect_timeout, size_t max_answer_bytes);
  ~HttpConnection();
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  // Sends and receives within `timeout`, after connecting.
  [[nodiscard]] Result<HttpAnswer> Call(const OutgoingRequest& request, Duration timeout);

  // Sends, and receives the head of an endless answer. An answer whose status is not 200 is
  // received whole.
  [[nodiscard]] Result<HttpAnswer> Open(const OutgoingRequest& request, Duration timeout);
  // The next bytes of the opened answer. Empty: it has ended. client.broken or client.timeout: it
  // was cut off, or nothing came within `timeout`.
  [[nodiscard]] Result<std::string> Read(Duration timeout);

  void Close();

  [[nodiscard]] const Server& server() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace entente::sdk
