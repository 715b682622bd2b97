// Errand: one thing that a client asked, until it is done by the node that has the shard.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "base/ids.h"
#include "base/status.h"
#include "base/time.h"
#include "coordinator/cluster/members.h"
#include "coordinator/cluster/peer_client.h"

namespace entente::cluster {

// Whether the same may be asked again although it may have been done. What only reads does nothing.
enum class Repeatable : uint8_t { kNo, kYes, kReads };

// Where errands are run: one worker.
struct Desk {
  PeerClient client;
  Members& members;
  std::function<bool(ShardId)> serves;  // Whether this node drives the shard.
};

// Whether `failure` says that nothing was done because the shard is on its way from one node to
// another, or not read yet: another try, there or elsewhere, may do.
[[nodiscard]] bool IsOnTheMove(const Status& failure);

// What an errand comes to is kept by whoever made it: it only tells whether it was done.
struct ErrandSteps {
  // Does it by this node, and calls back with how that went.
  std::function<void(std::function<void(Status)>)> here;
  // What to ask the other node, at most for as long as given, and what to make of its answer.
  std::function<pb::Ask(Duration left)> ask;
  std::function<void(const pb::Answer&, std::function<void(Status)>)> take;
  // Sees what a refusal says beside its status. May be empty.
  std::function<void(const pb::Answer&)> refused = {};
  // Once, with how it went at last.
  std::function<void(Status)> done;
};

// Runs on the desk's worker. Finds out who has the shard and has it done there; where that
// changes meanwhile, or the node does not answer, finds out anew, until `until`. What may have been
// done is done again only if it may be: a node that was asked may have died after it did.
void RunErrand(Desk& desk, ShardId shard, Repeatable repeatable, Instant until, ErrandSteps steps);

}  // namespace entente::cluster
