#include "coordinator/listen_tls.h"

#include <chrono>
#include <utility>

#include "coordinator/log/process_log.h"

namespace entente::coordinator {
namespace {

constexpr auto kCertificateLookEvery = std::chrono::seconds(2);

}  // namespace

Result<std::unique_ptr<ListenTls>> ListenTls::Open(const Config& config) {
  Files http;
  Files grpc;
  if (!config.listen_tls_certificate_file.empty()) {
    net::TlsServerOptions options{config.listen_tls_certificate_file, config.listen_tls_key_file,
                                  config.listen_tls_client_ca_file, net::TlsProtocol::kHttp11};
    ENTENTE_ASSIGN_OR_RETURN(http, net::TlsFiles::ForServers(options));
    options.protocol = net::TlsProtocol::kHttp2;
    ENTENTE_ASSIGN_OR_RETURN(grpc, net::TlsFiles::ForServers(options));
  } else if (AsksForTokens(config)) {
    Log(LogLevel::kInfo,
        LogLine("listen_plain")
            .Text("message",
                  "tokens come in plain text: let something in front end TLS, or give "
                  "--listen-tls-certificate"));
  }
  return std::unique_ptr<ListenTls>(new ListenTls(std::move(http), std::move(grpc)));
}

ListenTls::ListenTls(Files http, Files grpc) : http_(std::move(http)), grpc_(std::move(grpc)) {
  if (http_ != nullptr) {
    refresh_.emplace(kCertificateLookEvery, [this] { Refresh(); });
  }
}

ListenTls::Source ListenTls::SourceOf(const Files& files) {
  return files == nullptr ? Source() : [files] { return files->current(); };
}

void ListenTls::Refresh() {
  bool failing = false;
  bool taken = false;
  for (const Files& files : {http_, grpc_}) {
    const Result<bool> refreshed = files->Refresh();
    if (!refreshed.ok() && !failing_ && !failing) {
      Log(LogLevel::kError, LogLine("certificate_kept")
                                .Word("reason", refreshed.status().reason())
                                .Text("message", refreshed.status().message()));
    }
    failing = failing || !refreshed.ok();
    taken = refreshed.ok() && *refreshed;  // The last one's, so that both have it.
  }
  if (taken) {
    Log(LogLevel::kInfo, LogLine("certificate_taken"));
  }
  failing_ = failing;
}

}  // namespace entente::coordinator
