// Shards that are acquired and released several at a time.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "runtime/node/ownership.h"
#include "storage/membership.h"
#include "storage/memory/memory_journal.h"

namespace entente::runtime::lots {
namespace {

constexpr Duration kLease = std::chrono::seconds(5);

// A store that many share, as far as Ownership knows it: how it was asked is counted.
class Table final : public storage::Membership {
 public:
  explicit Table(storage::Journal& journal) : journal_(journal) {}

  const std::string& node_id() const override { return id_; }
  Result<storage::ClusterView> Beat(const storage::NodeFacts&) override {
    return storage::ClusterView();
  }
  Status Leave() override { return {}; }
  std::vector<Result<Epoch>> AcquireShards(const std::vector<ShardId>& shards) override {
    acquired.push_back(shards.size());
    std::vector<Result<Epoch>> epochs;
    for (const ShardId shard : shards) {
      epochs.push_back(away ? Unavailable("store.unavailable", "away") : journal_.Acquire(shard));
    }
    return epochs;
  }
  std::vector<Status> ReleaseShards(const std::vector<storage::OwnedShard>& shards) override {
    released.push_back(shards.size());
    std::vector<Status> results;
    for (const storage::OwnedShard& owned : shards) {
      results.push_back(away ? Unavailable("store.unavailable", "away")
                             : journal_.Release(owned.shard, owned.epoch));
    }
    return results;
  }

  bool away = false;
  std::vector<size_t> acquired;
  std::vector<size_t> released;

 private:
  storage::Journal& journal_;
  const std::string id_ = "n";
};

struct Node {
  Node() {
    OwnershipEvents events;
    events.start = [this](const LeasePtr& lease) { started.push_back(lease); };
    events.drop = [](const LeasePtr&, const Status&) {};
    events.hand_over = [this](const LeasePtr& lease) { leaving.push_back(lease); };
    events.released = [this] { ++told; };
    ownership = std::make_unique<Ownership>(
        journal, [this] { return now; }, std::move(events), &table);
  }
  void Keep() { REQUIRE(ownership->Keep().ok()); }
  // The worker has let go of all that leave.
  void LetGo() {
    for (const LeasePtr& lease : std::exchange(leaving, {})) {
      ownership->OnHandedOver(*lease);
    }
  }

  Instant now = InstantFromMicros(1'000'000'000);
  Duration store_takes{};  // To look at its clock.
  const std::shared_ptr<storage::MemoryStore> store =
      std::make_shared<storage::MemoryStore>(storage::MemoryLeases{[this] {
                                                                     now += store_takes;
                                                                     return now;
                                                                   },
                                                                   kLease});
  storage::MemoryJournal journal{store, storage::MemoryDelivery::kManual};
  Table table{journal};
  std::unique_ptr<Ownership> ownership;
  std::vector<LeasePtr> started, leaving;
  int told = 0;
};

ShardSet Of(std::initializer_list<size_t> shards) {
  ShardSet set;
  for (const size_t shard : shards) {
    set[shard] = true;
  }
  return set;
}

TEST_CASE("a lease lasts from when it was asked for, however late the answer comes") {
  Node node;
  node.ownership->SetShare(Of({1}), ShardSet().set());
  node.Keep();
  REQUIRE(node.started.size() == 1);
  node.now += kLease / 2;
  const Instant asked_at = node.now;
  node.store_takes = kLease / 2;
  node.Keep();
  REQUIRE(node.now >= asked_at + kLease / 2);
  CHECK(node.started.size() == 1);
  const Duration safe = kLease - kLease / 5;
  CHECK(node.started[0]->HoldsAt(asked_at + safe - Duration(1)));
  CHECK_FALSE(node.started[0]->HoldsAt(asked_at + safe));
}

TEST_CASE("what becomes this node's share is acquired together, and given up together") {
  Node node;
  node.ownership->SetShare(Of({1, 2, 63}), ShardSet().set());
  node.Keep();
  CHECK(node.table.acquired == std::vector<size_t>{3});
  CHECK(node.started.size() == 3);
  CHECK(node.ownership->Held() == Of({1, 2, 63}));

  node.ownership->SetShare({}, {});
  node.Keep();
  CHECK(node.table.released.empty());
  node.LetGo();
  node.Keep();
  CHECK(node.table.released == std::vector<size_t>{3});
  CHECK(node.told == 1);
  CHECK(node.ownership->Held().none());
  storage::MemoryJournal other(node.store, storage::MemoryDelivery::kManual);
  CHECK(other.Acquire(ShardId(63)).ok());
}

TEST_CASE("what another node has is asked for again, less and less often") {
  Node node;
  storage::MemoryJournal other(node.store, storage::MemoryDelivery::kManual);
  REQUIRE(other.Acquire(ShardId(1)).ok());
  REQUIRE(other.Acquire(ShardId(2)).ok());
  node.ownership->SetShare(Of({1, 2, 3}), ShardSet().set());
  node.Keep();
  CHECK(node.ownership->Held() == Of({3}));
  for (int i = 0; i < 50; ++i) {
    node.now += std::chrono::milliseconds(10);
    node.Keep();
  }
  CHECK(node.table.acquired.size() < 8);
  node.now += kLease * 2;
  node.Keep();
  CHECK(node.ownership->Held() == Of({1, 2, 3}));
}

TEST_CASE("while the store is away nothing is had, and what was to be given up is tried again") {
  Node node;
  node.ownership->SetShare(Of({1, 2}), ShardSet().set());
  node.Keep();
  node.ownership->SetShare({}, {});
  node.LetGo();
  node.table.away = true;
  node.Keep();
  CHECK(node.ownership->Held().none());
  storage::MemoryJournal other(node.store, storage::MemoryDelivery::kManual);
  node.table.away = false;
  node.Keep();
  CHECK(other.Acquire(ShardId(1)).ok());
  CHECK(other.Acquire(ShardId(2)).ok());

  node.table.away = true;
  node.ownership->SetShare(Of({5, 6}), ShardSet().set());
  node.Keep();
  CHECK(node.ownership->Held().none());
  node.table.away = false;
  node.now += std::chrono::seconds(3);
  node.Keep();
  CHECK(node.ownership->Held() == Of({5, 6}));
}

}  // namespace
}  // namespace entente::runtime::lots
