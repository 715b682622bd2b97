// A listener's certificate, taken from its files again whenever they change.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "base/status.h"
#include "net/core/tls.h"

namespace entente::net {

// Thread-safe. Connections that were made with an earlier certificate keep it until they end.
class TlsFiles {
 public:
  // Reads the files, blocking. Fails as TlsContext::ForServers does.
  [[nodiscard]] static Result<std::shared_ptr<TlsFiles>> ForServers(TlsServerOptions options);
  TlsFiles(const TlsFiles&) = delete;
  TlsFiles& operator=(const TlsFiles&) = delete;

  // For the next connection. Never null; never blocks on I/O.
  [[nodiscard]] std::shared_ptr<const TlsContext> current() const;

  // Looks whether the files are other ones, or were written to, since they were last read, and
  // reads them if so, blocking. True: they were taken. A failure leaves what there was in use: a
  // certificate and its key are two files, and one may be there before the other. Asked again, it
  // tries again. One thread at a time.
  [[nodiscard]] Result<bool> Refresh();

 private:
  explicit TlsFiles(TlsServerOptions options) : options_(std::move(options)) {}

  [[nodiscard]] std::string Signature() const;

  const TlsServerOptions options_;
  std::string taken_;  // The signature of what is in use.
  mutable std::mutex mutex_;
  std::shared_ptr<const TlsContext> current_;  // Under mutex_.
};

}  // namespace entente::net
