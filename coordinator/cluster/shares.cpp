#include "coordinator/cluster/shares.h"

#include <algorithm>
#include <cstdint>
#include <tuple>

namespace entente::cluster {
namespace {

// FNV-1a, and a finish that spreads the last characters over all bits (from MurmurHash3).
uint64_t Rank(const std::string& node, uint64_t shard) {
  uint64_t hash = 0xCBF29CE484222325ULL ^ (shard * 0x9E3779B97F4A7C15ULL);
  for (const char c : node) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  }
  hash = (hash ^ (hash >> 33)) * 0xFF51AFD7ED558CCDULL;
  hash = (hash ^ (hash >> 33)) * 0xC4CEB9FE1A85EC53ULL;
  return hash ^ (hash >> 33);
}

}  // namespace

std::array<std::string, kShardCount> SharesOf(std::vector<std::string> nodes) {
  std::array<std::string, kShardCount> shares;
  std::ranges::sort(nodes);
  nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
  if (nodes.empty()) {
    return shares;
  }
  // All (shard, node) pairs, the highest first: each is granted if neither has what it needs yet.
  std::vector<std::tuple<uint64_t, size_t, size_t>> wishes;
  wishes.reserve(kShardCount * nodes.size());
  for (size_t shard = 0; shard < kShardCount; ++shard) {
    for (size_t node = 0; node < nodes.size(); ++node) {
      wishes.emplace_back(Rank(nodes[node], shard), shard, node);
    }
  }
  std::ranges::sort(wishes, std::greater<>());
  const size_t floor = kShardCount / nodes.size();
  size_t with_one_more = kShardCount % nodes.size();  // Of the nodes; who comes first.
  std::vector<size_t> has(nodes.size(), 0);
  for (const auto& [rank, shard, node] : wishes) {
    const bool has_room = has[node] < floor || (has[node] == floor && with_one_more > 0);
    if (!shares[shard].empty() || !has_room) {
      continue;
    }
    with_one_more -= has[node] == floor ? 1 : 0;
    ++has[node];
    shares[shard] = nodes[node];
  }
  return shares;
}

}  // namespace entente::cluster
