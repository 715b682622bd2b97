// A small gRPC server for a participant that has none, with server reflection, by which the
// coordinator learns the messages' shapes.
//
// Its library turns reflection on for every gRPC server of the process: that is how gRPC's plug-in
// works. A service that does not want that uses participant_grpc.h and its own server.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "entente/base/limits.h"
#include "entente/base/status.h"
#include "entente/base/time.h"
#include "entente/participant.h"
#include "entente/tls.h"

namespace entente::sdk {

struct GrpcServerOptions {
  std::string address = "127.0.0.1";  // A literal IPv4 address, or IPv6 in brackets.
  uint16_t port = 0;                  // 0: any free one.
  int threads = 20;                   // At most; handlers that run at once are a few fewer.
  // So many of the threads no action, try or prepare gets, but at least one it does; as
  // ServerOptions::reserved_threads. One that finds no thread is told to come again.
  int reserved_threads = 4;
  size_t max_message_bytes = limits::kMaxUndoBytes;
  // gRPC looks at the files each second, and says on its own log what is wrong with them.
  ServerTlsOptions tls = {};
};

// Thread-safe. `participant` must outlive it.
class GrpcServer {
 public:
  // Listens and serves. Fails with kInvalidArgument (server.bad_tls: a file can not be used) or
  // kUnavailable (server.cannot_listen).
  [[nodiscard]] static Result<std::unique_ptr<GrpcServer>> Start(
      const Participant& participant, const GrpcServerOptions& options = {});
  // As Stop, with five seconds.
  ~GrpcServer();
  GrpcServer(const GrpcServer&) = delete;
  GrpcServer& operator=(const GrpcServer&) = delete;

  [[nodiscard]] uint16_t port() const;
  [[nodiscard]] std::string target() const;  // "127.0.0.1:9091"

  // Accepts nothing more and lets calls under way end, at most for `grace`; then cancels them. A
  // handler that still runs is waited for: it can not be interrupted. May be called again.
  void Stop(Duration grace = std::chrono::seconds(5));

 private:
  class Impl;
  explicit GrpcServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace entente::sdk
