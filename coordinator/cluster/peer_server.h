// Answers other nodes: does what they ask by this node's own coordinator, and asks nobody in turn.
// So what is asked goes from one node to another once, never in a circle.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "coordinator/cluster/event_log.h"
#include "coordinator/cluster/peer_codec.h"
#include "coordinator/cluster/peer_seal.h"
#include "net/http/http_server.h"
#include "runtime/node/local_coordinator.h"

namespace entente::cluster {

struct PeerServerHooks {
  std::function<void()> look;               // Leases or nodes have changed.
  std::function<void()> definition_stored;  // By another node.
  // Answers what is asked of the node that keeps bulk actions. On any thread.
  std::function<void(const pb::Bulk&, std::function<void(pb::Answer)>)> bulk;
};

// Thread-safe. The coordinator and the seals outlive it, and it its handlers.
class PeerServer {
 public:
  PeerServer(runtime::LocalCoordinator& coordinator, PeerSeals& seals, PeerServerHooks hooks);
  ~PeerServer();
  PeerServer(const PeerServer&) = delete;
  PeerServer& operator=(const PeerServer&) = delete;

  // Events are kept for other nodes from now on (EventLog).
  void BeginEvents();
  // Nothing happens here any more: those who ask for events are told what was last. Blocks, for at
  // most `grace`; the workers still run, and what other nodes ask is still answered.
  void EndEvents(Duration grace);

  // For the HttpServer of one worker, as RestApi::HandlerFor.
  [[nodiscard]] std::unique_ptr<net::HttpHandler> NewHandler();

 private:
  class Handler;
  runtime::LocalCoordinator& coordinator_;
  PeerSeals& seals_;
  const PeerServerHooks hooks_;
  const std::shared_ptr<EventLog> events_;  // The first worker's.
};

}  // namespace entente::cluster
