// Which node is to have which shard.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "base/ids.h"

namespace entente::cluster {

// For each shard the id of the node whose share it is, or empty if there are no nodes. Depends on
// nothing but the set of `nodes`, so that all who know the same nodes agree without a word.
//
// Rendezvous hashing (Thaler, Ravishankar, 1998), bounded: a shard goes to the node that ranks
// highest for it among those that have room, and no two nodes differ by more than one shard. Where
// a node joins or leaves, few shards change hands beside those that have to.
[[nodiscard]] std::array<std::string, kShardCount> SharesOf(std::vector<std::string> nodes);

}  // namespace entente::cluster
