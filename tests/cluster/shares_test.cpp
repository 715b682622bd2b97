// Who is to have which shard.
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "coordinator/cluster/shares.h"

namespace entente::cluster::shares {
namespace {

std::vector<std::string> Nodes(size_t count) {
  std::vector<std::string> nodes;
  for (size_t i = 0; i < count; ++i) {
    nodes.push_back("node-" + std::to_string(i * 7919));
  }
  return nodes;
}

TEST_CASE("nobody has anything where there is nobody") {
  for (const std::string& owner : SharesOf({})) {
    CHECK(owner.empty());
  }
}

TEST_CASE("every shard is somebody's, and no two nodes differ by more than one") {
  for (size_t count = 1; count <= kShardCount + 3; ++count) {
    std::map<std::string, size_t> has;
    for (const std::string& node : Nodes(count)) {
      has[node] = 0;
    }
    for (const std::string& owner : SharesOf(Nodes(count))) {
      REQUIRE(has.contains(owner));
      ++has[owner];
    }
    const auto [least, most] = std::ranges::minmax_element(
        has, [](const auto& a, const auto& b) { return a.second < b.second; });
    CHECK(most->second - least->second <= 1);
  }
}

TEST_CASE("all who know the same nodes agree, in whatever order they know them") {
  auto nodes = Nodes(5);
  const auto first = SharesOf(nodes);
  std::ranges::reverse(nodes);
  nodes.push_back(nodes.front());
  CHECK(SharesOf(nodes) == first);
}

TEST_CASE("few shards change hands beside those that have to") {
  for (size_t count = 1; count < 12; ++count) {
    const auto before = SharesOf(Nodes(count));
    const auto after = SharesOf(Nodes(count + 1));
    size_t moved = 0;
    for (size_t i = 0; i < kShardCount; ++i) {
      moved += before[i] != after[i] ? 1 : 0;
    }
    const size_t have_to = kShardCount / (count + 1);
    INFO(count);
    CHECK(moved <= have_to + kShardCount / 4);
  }
}

}  // namespace
}  // namespace entente::cluster::shares
