// The certificate that the listeners show.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "base/status.h"
#include "coordinator/config.h"
#include "coordinator/process/every.h"
#include "net/core/tls_files.h"

namespace entente::coordinator {

// Reads the files that the config names, and again every other second if they changed, on a thread
// of its own; what can not be read then is said on the log, and what there was stays in use.
class ListenTls {
 public:
  // Fails as net::TlsFiles does.
  [[nodiscard]] static Result<std::unique_ptr<ListenTls>> Open(const Config& config);
  ListenTls(const ListenTls&) = delete;
  ListenTls& operator=(const ListenTls&) = delete;

  // For each new connection. Empty: plain text. May outlive this.
  using Source = std::function<std::shared_ptr<const net::TlsContext>()>;
  [[nodiscard]] Source http() const { return SourceOf(http_); }
  [[nodiscard]] Source grpc() const { return SourceOf(grpc_); }

 private:
  using Files = std::shared_ptr<net::TlsFiles>;  // Shared with the servers.

  ListenTls(Files http, Files grpc);
  [[nodiscard]] static Source SourceOf(const Files& files);
  void Refresh();

  const Files http_;
  const Files grpc_;
  bool failing_ = false;          // Used by refresh_ alone.
  std::optional<Every> refresh_;  // After what it uses.
};

}  // namespace entente::coordinator
