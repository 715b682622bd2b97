#include "coordinator/call_tls.h"

#include <chrono>
#include <utility>

#include "coordinator/log/process_log.h"

namespace entente::coordinator {
namespace {

constexpr auto kReadAgainEvery = std::chrono::seconds(2);

}  // namespace

net::TlsClientOptions CallTls::FilesOf(const Config& config) {
  return {config.tls_ca_file, config.tls_certificate_file, config.tls_key_file};
}

Result<std::unique_ptr<CallTls>> CallTls::Open(const Config& config) {
  const net::TlsClientOptions named = FilesOf(config);
  ENTENTE_ASSIGN_OR_RETURN(auto files, net::TlsFiles::ForClients(named));
  const bool may_change = !named.ca_file.empty() || !named.certificate_file.empty();
  return std::unique_ptr<CallTls>(new CallTls(std::move(files), may_change));
}

CallTls::CallTls(std::shared_ptr<net::TlsFiles> files, bool may_change) : files_(std::move(files)) {
  if (may_change) {
    refresh_.emplace(kReadAgainEvery, [this] { Refresh(); });
  }
}

net::TlsSource CallTls::source() const {
  return [files = files_] { return files->current(); };
}

void CallTls::Refresh() {
  const Result<bool> refreshed = files_->Refresh();
  if (!refreshed.ok() && !failing_) {
    Log(LogLevel::kError, LogLine("call_certificate_kept")
                              .Word("reason", refreshed.status().reason())
                              .Text("message", refreshed.status().message()));
  }
  failing_ = !refreshed.ok();
  if (refreshed.ok() && *refreshed) {
    Log(LogLevel::kInfo, LogLine("call_certificate_taken"));
  }
}

}  // namespace entente::coordinator
