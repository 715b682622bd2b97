// GrpcListener: stands between the clients of a gRPC server and gRPC. Internal to api.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <grpcpp/server_builder.h>

#include "base/status.h"
#include "net/core/peer_names.h"
#include "net/core/tls.h"

namespace entente::api {

// gRPC itself takes as many connections as the process has descriptors for, and of each a header
// block without end (HeaderGuard). So connections are accepted here, so many and no more, and gRPC
// gets one end of a socket pair for each, through which its bytes pass both ways.
//
// gRPC knows of a client only what the other end of its pair is called. So that end is given a name
// of its own where clients show certificates, by which the names in these are found.
//
// At the limit, the one that has been there for longest without a word makes room; if all have
// said something, the newcomer is closed at once, which its client takes for a server that is not
// there, and comes back later.
//
// Thread-safety: stats and NamesOf from any thread, the rest from one. Accepts and carries bytes on
// a thread of its own, between Start and Stop. Holds at most 64 KiB of a connection's bytes each
// way: who does not read, is not read from.
class GrpcListener {
 public:
  struct Limits {
    size_t max_connections = 0;
    size_t max_header_block_bytes = 0;
    // As GrpcOptions::tls. TLS ends here, so that what is inside is looked at like plain text.
    std::function<std::shared_ptr<const net::TlsContext>()> tls = {};
  };

  // "host:port", "[v6]:port"; port 0: any free one. Fails with kUnavailable, reason listen.failed.
  [[nodiscard]] static Result<std::unique_ptr<GrpcListener>> Listen(const std::string& address,
                                                                    const Limits& limits);
  // As Stop.
  ~GrpcListener();
  GrpcListener(const GrpcListener&) = delete;
  GrpcListener& operator=(const GrpcListener&) = delete;

  [[nodiscard]] int port() const;

  // Hands connections to a server that has started, until Stop.
  void Start(std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> server);
  // Takes no new ones; goes on carrying for those that are there.
  void StopAccepting();
  // After the server has ended: carries what it wrote last, for a second at most.
  void Stop();

  // Who the client of a connection is, by what gRPC calls its peer (ServerContext::peer). Null: it
  // was asked for no certificate. From any thread.
  [[nodiscard]] net::PeerNames NamesOf(const std::string& peer) const;

  struct Stats {
    uint64_t connections = 0;
    uint64_t refused = 0;  // Closed because as many as may be were open.
    uint64_t cut_off = 0;  // Closed for a header block without end.
  };
  [[nodiscard]] Stats stats() const;

 private:
  class Loop;
  explicit GrpcListener(std::unique_ptr<Loop> loop);

  std::unique_ptr<Loop> loop_;
};

}  // namespace entente::api
