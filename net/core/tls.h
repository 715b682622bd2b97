// TLS settings of clients and servers, loaded once and shared by every worker.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "base/status.h"

struct ssl_ctx_st;

namespace entente::net {

struct TlsClientOptions {
  // PEM file of the authorities to trust; empty: the system's.
  std::string ca_file;
  // PEM files of this client's own certificate chain and key, for servers that ask; both or none.
  std::string certificate_file;
  std::string key_file;
};

// What is spoken inside, as a client that offers several is told (RFC 7301).
enum class TlsProtocol : uint8_t { kHttp11, kHttp2 };

struct TlsServerOptions {
  std::string certificate_file;  // PEM, chain included.
  std::string key_file;          // PEM.
  // PEM file of the authorities whose certificates clients must show; empty: clients need none.
  std::string client_ca_file;
  TlsProtocol protocol = TlsProtocol::kHttp11;
};

// Loaded keys and trust. Immutable once made, hence safe to share between threads; shared
// because each worker's clients and servers use it and any may end last. TLS 1.2 is the oldest
// version spoken. A client always verifies the chain and the name.
class TlsContext {
 public:
  // Read the files named, blocking. Fail with kInvalidArgument, reason tls.invalid, naming the
  // file that can not be used.
  [[nodiscard]] static Result<std::shared_ptr<const TlsContext>> ForClients(
      const TlsClientOptions& options);
  [[nodiscard]] static Result<std::shared_ptr<const TlsContext>> ForServers(
      const TlsServerOptions& options);

  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  ~TlsContext();

  [[nodiscard]] ssl_ctx_st* native() const { return context_; }

 private:
  explicit TlsContext(ssl_ctx_st* context) : context_(context) {}

  ssl_ctx_st* context_;
};

// What the next connection is made with; asked for each, on the thread that makes it. It never
// blocks, and never gives null.
using TlsSource = std::function<std::shared_ptr<const TlsContext>()>;

// Always the same one.
[[nodiscard]] inline TlsSource Always(std::shared_ptr<const TlsContext> context) {
  return [context = std::move(context)] { return context; };
}

}  // namespace entente::net
