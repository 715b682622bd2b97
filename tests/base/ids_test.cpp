#include "base/ids.h"

#include <catch2/catch.hpp>
#include <set>
#include <string>
#include <unordered_set>

#include "base/limits.h"

namespace entente {
namespace {

TEST_CASE("a gid may hold letters, digits, dot, underscore and dash") {
  CHECK(ValidateGid("a").ok());
  CHECK(ValidateGid("0order-2026.01_x").ok());
  CHECK(ValidateGid(std::string(limits::kMaxGidBytes, 'x')).ok());
}

TEST_CASE("any other gid is refused") {
  const std::string gid =
      GENERATE(as<std::string>(), "", ".a", "-a", "_a", "a b", "a/b", "a:b", "a~b", "\u00e9", "a\n",
               std::string(limits::kMaxGidBytes + 1, 'x'));
  const Status status = ValidateGid(gid);
  CHECK(status.code() == StatusCode::kInvalidArgument);
  CHECK(status.reason() == "gid.invalid");
}

TEST_CASE("a child's gid is no caller's gid and lives in its family's shard") {
  const Gid parent("trip-1");
  const Gid child = ChildGid(parent, BranchId("rooms:3"));
  CHECK(child.str() == "trip-1~rooms.3");
  CHECK_FALSE(ValidateGid(child.str()).ok());
  const Gid grandchild = ChildGid(child, BranchId("bed"));
  CHECK(ShardOf(child) == ShardOf(parent));
  CHECK(ShardOf(grandchild) == ShardOf(parent));
}

TEST_CASE("the shard of a gid never changes, since stores keep it") {
  CHECK(ShardOf(Gid("")) == ShardId(14695981039346656037ULL % kShardCount));
  CHECK(ShardOf(Gid("a")) == ShardId(0xaf63dc4c8601ec8cULL % kShardCount));
  CHECK(ShardOf(Gid("foobar")) == ShardId(0x85944171f73967e8ULL % kShardCount));
}

TEST_CASE("gids spread over all shards") {
  std::set<ShardId> seen;
  for (int i = 0; i < 2000; ++i) {
    seen.insert(ShardOf(Gid("order-" + std::to_string(i))));
  }
  CHECK(seen.size() == kShardCount);
  CHECK(seen.rbegin()->value() == kShardCount - 1);
}

TEST_CASE("a UUIDv7 holds its time, version, variant and entropy") {
  // RFC 9562, appendix A.6.
  CHECK(FormatUuidV7(0x017F22E279B0, 0xCC3, 0x18C4DC0C0C07398F) ==
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
  CHECK(FormatUuidV7(0, ~uint64_t{0}, ~uint64_t{0}) == "00000000-0000-7fff-bfff-ffffffffffff");
  CHECK(FormatUuidV7(1, 0, 0) < FormatUuidV7(2, 0, 0));
  CHECK(ValidateGid(FormatUuidV7(1, 2, 3)).ok());
}

TEST_CASE("strong types compare, count and hash by value") {
  CHECK(Sequence(1).next() == Sequence(2));
  CHECK(Sequence(9) < Sequence(10));
  CHECK(Gid("a") < Gid("b"));
  CHECK(Gid().empty());
  const std::unordered_set<Gid> gids{Gid("a"), Gid("a"), Gid("b")};
  CHECK(gids.size() == 2);
  const std::unordered_set<Epoch> epochs{Epoch(1), Epoch(1)};
  CHECK(epochs.size() == 1);
}

}  // namespace
}  // namespace entente
