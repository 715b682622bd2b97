// Certificates and trust, taken from their files again whenever these change.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/status.h"
#include "net/core/tls.h"

namespace entente::net {

// Thread-safe. Connections that were made with an earlier certificate keep it until they end.
class TlsFiles {
 public:
  // Read the files, blocking. Fail as TlsContext::ForServers and ForClients do.
  [[nodiscard]] static Result<std::shared_ptr<TlsFiles>> ForServers(TlsServerOptions options);
  [[nodiscard]] static Result<std::shared_ptr<TlsFiles>> ForClients(TlsClientOptions options);
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
  using Load = std::function<Result<std::shared_ptr<const TlsContext>>()>;

  TlsFiles(std::vector<std::string> paths, Load load)
      : paths_(std::move(paths)), load_(std::move(load)) {}
  [[nodiscard]] static Result<std::shared_ptr<TlsFiles>> Make(std::vector<std::string> paths,
                                                              Load load);
  [[nodiscard]] std::string Signature() const;

  const std::vector<std::string> paths_;
  const Load load_;
  std::string taken_;  // The signature of what is in use.
  mutable std::mutex mutex_;
  std::shared_ptr<const TlsContext> current_;  // Under mutex_.
};

}  // namespace entente::net
