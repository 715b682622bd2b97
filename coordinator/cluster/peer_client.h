// Asks other nodes.
#pragma once

#include <memory>
#include <string>

#include "base/time.h"
#include "coordinator/cluster/peer_codec.h"
#include "coordinator/cluster/peer_seal.h"
#include "net/core/connection_quota.h"

namespace boost::asio {
class io_context;
}

namespace entente::cluster {

// The path that nodes ask at, and the field that holds a message's seal.
inline constexpr const char* kPeerPath = "/cluster/v1/ask";
inline constexpr const char* kSealField = "Entente-Peer";

struct Peer {
  std::string id;       // A process's.
  std::string address;  // "host:port"
};

// One worker's. Everything on the thread that runs `io`, which outlives it, as do the seals.
class PeerClient {
 public:
  PeerClient(boost::asio::io_context& io, PeerSeals& seals);
  ~PeerClient();
  PeerClient(const PeerClient&) = delete;
  PeerClient& operator=(const PeerClient&) = delete;

  // What the peer answers, whatever its status. kUnavailable cluster.unreachable: it was not asked,
  // or is another process than meant; kUnknownOutcome cluster.no_answer: it may have done it.
  // `done` is never called from within, once, and not after the client is gone.
  void Ask(const Peer& peer, const pb::Ask& ask, Duration timeout,
           std::function<void(Result<pb::Answer>)> done);

  // Nothing is called any more. Called by the thread that runs `io`, or when nobody runs it.
  void Stop();

  // Calls `task` after `pause`, unless the client is gone.
  void After(Duration pause, std::function<void()> task);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace entente::cluster
