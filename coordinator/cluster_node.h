// ClusterNode: what a coordinator is made of beside the rest when others share its store.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "coordinator/api/commands.h"
#include "coordinator/cluster/cluster_coordinator.h"
#include "coordinator/cluster/members.h"
#include "coordinator/cluster/peer_server.h"
#include "coordinator/cluster_bulk.h"
#include "coordinator/config.h"
#include "coordinator/servers.h"
#include "net/core/own_listeners.h"
#include "runtime/node/local_coordinator.h"
#include "storage/journal.h"
#include "storage/membership.h"

namespace entente::coordinator {

// Used by one thread, but for OnReleased, which may come from any. What is given outlives it.
class ClusterNode {
 public:
  // Listens for other nodes. Fails as Listen, or where the secret can not be read. Blocks.
  [[nodiscard]] static Result<std::unique_ptr<ClusterNode>> Open(const Config& config,
                                                                 runtime::LocalCoordinator& local,
                                                                 storage::Journal& journal,
                                                                 storage::Membership& table,
                                                                 net::OwnListeners& own);
  ~ClusterNode();
  ClusterNode(const ClusterNode&) = delete;
  ClusterNode& operator=(const ClusterNode&) = delete;

  [[nodiscard]] cluster::ClusterCoordinator& coordinator() { return *coordinator_; }

  // For what clients ask of bulk actions; `options` as of BulkActions. Before Join.
  [[nodiscard]] api::BulkDesk& OpenBulk(storage::Journal& journal, api::BulkOptions options);

  // Joins the others: this node gets its share. Blocks.
  [[nodiscard]] Status Join(const std::string& http_address);
  // Hands everything over, for at most `grace`. Blocks.
  void Leave(Duration grace);
  // The workers still run. Nothing is asked any more.
  void Close();

  // What clients are told of the nodes. Any thread; never blocks.
  [[nodiscard]] std::vector<api::NodeInfo> Nodes() const;

  // See LocalCoordinatorOptions::on_released.
  void OnReleased();

 private:
  ClusterNode(runtime::LocalCoordinator& local, storage::Membership& table,
              const std::string& secret);

  runtime::LocalCoordinator& local_;
  std::string id_;
  cluster::PeerSeals seals_;
  std::unique_ptr<cluster::PeerServer> peers_;
  std::unique_ptr<Servers> servers_;
  std::unique_ptr<cluster::Members> members_;
  std::unique_ptr<cluster::ClusterCoordinator> coordinator_;
  std::unique_ptr<ClusterBulk> bulk_;
};

}  // namespace entente::coordinator
