// ClusterBulk: bulk actions where several nodes share a store. The node that has the first shard
// keeps them and works on them; the others ask it.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "coordinator/api/bulk_actions.h"
#include "coordinator/cluster/cluster_coordinator.h"
#include "runtime/node/local_coordinator.h"
#include "storage/journal.h"

namespace entente::coordinator {

// A thread of its own begins and ends them as the shard comes and goes, within a second or so. When
// it moves, an action may be done twice to the transactions of one page of a list, as after a
// crash; see BulkActions.
//
// Thread-safe. What is given outlives it.
class ClusterBulk final : public api::BulkDesk {
 public:
  ClusterBulk(runtime::LocalCoordinator& local, cluster::ClusterCoordinator& cluster,
              storage::Journal& journal, api::BulkOptions options);
  ~ClusterBulk() override;
  ClusterBulk(const ClusterBulk&) = delete;
  ClusterBulk& operator=(const ClusterBulk&) = delete;

  // Ends the thread, and what it began.
  void End();

  void Handle(api::BulkCall call, api::BulkDone done) override;
  // What another node asks.
  void Answer(const cluster::pb::Bulk& asked, std::function<void(cluster::pb::Answer)> done);

 private:
  void Run();

  runtime::LocalCoordinator& local_;
  cluster::ClusterCoordinator& cluster_;
  storage::Journal& journal_;
  const api::BulkOptions options_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::shared_ptr<api::BulkActions> actions_;  // Null: another node's. Shared by those who ask.
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace entente::coordinator
