#include "entente/participant_grpc_server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <utility>

#include "entente/participant_grpc.h"
#include "net/core/tls.h"

namespace entente::sdk {
namespace {

// gRPC itself needs a few to poll its sockets.
constexpr int kMinThreads = 4;
constexpr int kPollers = 2;

// How many threads forward calls may hold.
size_t MaxForward(const GrpcServerOptions& options) {
  const int threads = std::max(kMinThreads, options.threads) - kPollers;
  return static_cast<size_t>(std::max(1, threads - std::max(0, options.reserved_threads)));
}

Result<std::shared_ptr<grpc::ServerCredentials>> Credentials(const ServerTlsOptions& tls) {
  if (tls.certificate_file.empty() && tls.key_file.empty() && tls.client_ca_file.empty()) {
    return grpc::InsecureServerCredentials();
  }
  // gRPC would only note on its log what it can not use, and serve nobody.
  const auto usable = net::TlsContext::ForServers(
      {tls.certificate_file, tls.key_file, tls.client_ca_file, net::TlsProtocol::kHttp2});
  if (!usable.ok()) {
    return InvalidArgument("server.bad_tls", usable.status().message());
  }
  constexpr unsigned kLookAgainSeconds = 1;
  grpc::experimental::TlsServerCredentialsOptions options(
      std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
          tls.key_file, tls.certificate_file, tls.client_ca_file, kLookAgainSeconds));
  options.watch_identity_key_cert_pairs();
  if (!tls.client_ca_file.empty()) {
    options.watch_root_certs();
    options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  }
  return grpc::experimental::TlsServerCredentials(options);
}

}  // namespace

class GrpcServer::Impl {
 public:
  Impl(const Participant& participant, GrpcServerOptions options)
      : options_(std::move(options)),
        service_(MakeGrpcService(participant, MaxForward(options_))) {}

  Status Listen() {
    static std::once_flag reflection;
    std::call_once(reflection, [] { grpc::reflection::InitProtoReflectionServerBuilderPlugin(); });
    ENTENTE_ASSIGN_OR_RETURN(const auto credentials, Credentials(options_.tls));
    grpc::ServerBuilder builder;
    int port = 0;
    const std::string wanted = options_.address + ":" + std::to_string(options_.port);
    builder.AddListeningPort(wanted, credentials, &port);
    builder.RegisterService(service_.get());
    builder.SetMaxReceiveMessageSize(static_cast<int>(options_.max_message_bytes));
    grpc::ResourceQuota quota("entente-participant");
    quota.SetMaxThreads(std::max(kMinThreads, options_.threads));
    builder.SetResourceQuota(quota);
    // Otherwise several processes could share the port without a word.
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    server_ = builder.BuildAndStart();
    if (server_ == nullptr || port == 0) {
      return Unavailable("server.cannot_listen", "cannot listen on " + wanted);
    }
    port_ = static_cast<uint16_t>(port);
    return Status();
  }

  void Stop(Duration grace) {
    const std::lock_guard lock(mutex_);
    if (server_ != nullptr) {
      server_->Shutdown(std::chrono::system_clock::now() + grace);
      server_->Wait();
      server_.reset();
    }
  }

  uint16_t port() const { return port_; }
  std::string target() const { return options_.address + ":" + std::to_string(port_); }

 private:
  const GrpcServerOptions options_;
  const std::shared_ptr<grpc::Service> service_;
  std::mutex mutex_;
  std::unique_ptr<grpc::Server> server_;
  uint16_t port_ = 0;
};

GrpcServer::GrpcServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<GrpcServer>> GrpcServer::Start(const Participant& participant,
                                                      const GrpcServerOptions& options) {
  auto impl = std::make_unique<Impl>(participant, options);
  ENTENTE_RETURN_IF_ERROR(impl->Listen());
  return std::unique_ptr<GrpcServer>(new GrpcServer(std::move(impl)));
}

GrpcServer::~GrpcServer() {
  impl_->Stop(std::chrono::seconds(5));
}

uint16_t GrpcServer::port() const {
  return impl_->port();
}
std::string GrpcServer::target() const {
  return impl_->target();
}
void GrpcServer::Stop(Duration grace) {
  impl_->Stop(grace);
}

}  // namespace entente::sdk
