// GrpcServer: the gRPC side of the API.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/limits.h"
#include "base/status.h"
#include "base/time.h"
#include "coordinator/api/grpc_stats.h"
#include "coordinator/api/service.h"
#include "coordinator/identity/token_book.h"
#include "net/core/tls.h"
#include "runtime/coordinator.h"

namespace entente::api {

struct GrpcOptions {
  ServiceOptions service;
  size_t max_receive_bytes = limits::kMaxRequestBytes;
  size_t max_header_bytes = limits::kMaxHeaderBytes;
  size_t max_connections = limits::kMaxGrpcConnections;
  size_t max_concurrent_streams = 1'000;  // Calls at a time on one connection.
  size_t max_event_streams = limits::kMaxEventStreams;
  // As RestOptions::tokens.
  identity::TokenBook* tokens = nullptr;
  // As net::HttpServerOptions::tls, asked on the thread of connections; of TlsProtocol::kHttp2.
  std::function<std::shared_ptr<const net::TlsContext>()> tls;
  // How often grpc.health.v1 looks at the coordinator's health.
  Duration health_interval = std::chrono::seconds(1);
  // For all connections together: what has been read of messages that are not complete.
  size_t max_memory_bytes = limits::kMaxGrpcMemoryBytes;
  // A connection that is silent for this long is asked whether it lives, and closed without an
  // answer.
  Duration keepalive_interval = std::chrono::minutes(1);
  Duration keepalive_timeout = std::chrono::seconds(20);
  // A client that asks more often than this is cut off.
  Duration min_client_ping_interval = std::chrono::seconds(10);
  Duration max_connection_idle = std::chrono::minutes(15);
  // Whether grpc.reflection.v1alpha and v1 tell what the API looks like.
  bool reflection = false;
  // As RestOptions::on_defect, with the method's name.
  std::function<void(const Status& status, const std::string& method)> on_defect;
  // As RestOptions::on_refused, without an address.
  std::function<void(const Refusal& refusal)> on_refused;
};

// Serves entente.v1.Coordinator and grpc.health.v1.Health on threads of gRPC's own,
// and one each for connections, for event streams and for health. Compressed messages are refused
// (UNIMPLEMENTED), and answers about transactions have what clients take (grpc_fit.h).
//
// Ownership: `coordinator` must outlive the server. Thread-safety: every method may be called from
// any thread, Shutdown once.
class GrpcServer {
 public:
  // Listens on `address`, "host:port" ("[v6]:port"; port 0: any free one). Blocks shortly. Fails
  // with kUnavailable, reason listen.failed.
  [[nodiscard]] static Result<std::unique_ptr<GrpcServer>> Start(runtime::Coordinator& coordinator,
                                                                 const std::string& address,
                                                                 GrpcOptions options);
  // Shuts down at once if that has not been done.
  ~GrpcServer();
  GrpcServer(const GrpcServer&) = delete;
  GrpcServer& operator=(const GrpcServer&) = delete;

  [[nodiscard]] int port() const;

  [[nodiscard]] GrpcStats stats() const;

  // Takes no new call, ends event streams, lets other calls end for `grace` and cancels the rest.
  // Blocks until all have ended.
  void Shutdown(Duration grace);

 private:
  class Impl;
  explicit GrpcServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace entente::api
