// What calls of participants, webhooks and traces are secured with.
#pragma once

#include <memory>
#include <optional>

#include "base/status.h"
#include "coordinator/config.h"
#include "coordinator/process/every.h"
#include "net/core/tls_files.h"

namespace entente::coordinator {

// Reads the files of --tls-ca, --tls-certificate and --tls-key, and again every other second if
// they changed, on a thread of its own; what can not be read then is said on the log, and what
// there was stays in use.
class CallTls {
 public:
  // Fails as net::TlsFiles does.
  [[nodiscard]] static Result<std::unique_ptr<CallTls>> Open(const Config& config);
  [[nodiscard]] static net::TlsClientOptions FilesOf(const Config& config);
  CallTls(const CallTls&) = delete;
  CallTls& operator=(const CallTls&) = delete;

  // For each new connection. May outlive this.
  [[nodiscard]] net::TlsSource source() const;

 private:
  CallTls(std::shared_ptr<net::TlsFiles> files, bool may_change);
  void Refresh();

  const std::shared_ptr<net::TlsFiles> files_;  // Shared with the sources.
  bool failing_ = false;                        // Used by refresh_ alone.
  std::optional<Every> refresh_;                // After what it uses.
};

}  // namespace entente::coordinator
