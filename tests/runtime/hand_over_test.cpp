// A shard that goes to another node, because it is not of this one's share any more.
#include <optional>
#include <string>

#include <catch2/catch.hpp>

#include "tests/runtime/test_node.h"

namespace entente::runtime::hand_over {
namespace {

using engine::TxnStatus;

const Gid kOurs("t1");
const Gid kOther("t2");
constexpr Duration kLease = std::chrono::seconds(5);

ShardSet AllBut(const Gid& gid) {
  ShardSet share = ShardSet().set();
  share[ShardOf(gid).value()] = false;
  return share;
}

bool CanBeTaken(TestNode& node, const Gid& gid) {
  storage::MemoryJournal other(node.store, storage::MemoryDelivery::kManual);
  const auto epoch = other.Acquire(ShardOf(gid));
  return epoch.ok() && other.Release(ShardOf(gid), *epoch).ok();
}

TEST_CASE("a shard without calls in flight goes at once, and all others stay") {
  TestNode node(kLease);
  node.Define(kTrip);
  node.Submit("trip", "t2");
  node.ownership->SetShare(AllBut(kOurs), {});
  node.Run();
  CHECK_FALSE(node.ownership->Serves(ShardOf(kOurs)));
  CHECK(node.ownership->Held().count() == kShardCount - 1);
  CHECK(node.releases == 1);
  CHECK(CanBeTaken(node, kOurs));
  CHECK(node.TrySubmit("trip", "t1").reason() == "shard.lost");
  CHECK(node.Look("t2").status == TxnStatus::kActive);
}

TEST_CASE("a call that returns soon is recorded before its shard goes") {
  TestNode node(kLease);
  node.Define(kTrip);
  node.Submit("trip", "t1");
  node.ownership->SetShare(AllBut(kOurs), {});
  node.Run();
  CHECK_FALSE(node.ownership->Serves(ShardOf(kOurs)));
  CHECK_FALSE(CanBeTaken(node, kOurs));
  node.caller.Answer("flight", engine::ReplyDone{});
  node.Run();
  CHECK(CanBeTaken(node, kOurs));
  CHECK(node.caller.waiting.empty());

  // Whoever has it next finds the answer, and goes on with what comes after it.
  node.ownership->SetShare(ShardSet().set(), ShardSet().set());
  node.Run();
  node.caller.Answer("hotel", engine::ReplyDone{});
  node.Run();
  CHECK(node.Look("t1").status == TxnStatus::kCommitted);
}

TEST_CASE("a call that does not return is not waited for") {
  TestNode node(kLease);
  node.Define(kTrip);
  node.Submit("trip", "t1");
  const auto call = node.caller.waiting.at(0);
  node.ownership->SetShare(AllBut(kOurs), {});
  node.Run(std::chrono::milliseconds(99));
  CHECK_FALSE(CanBeTaken(node, kOurs));
  node.Run(std::chrono::milliseconds(1));
  CHECK(CanBeTaken(node, kOurs));
  call.done(engine::ReplyDone{});
  node.Run(std::chrono::seconds(1));
  CHECK(node.caller.waiting.size() == 1);
}

TEST_CASE("whoever waits for the end when a shard goes is told how far it is") {
  TestNode node(kLease);
  node.Define(kTrip);
  node.Submit("trip", "t1");
  std::optional<Result<TxnView>> answer;
  node.shards->Get(kOurs, std::chrono::minutes(1),
                   [&answer](const Result<TxnView>& view) { answer = view; });
  node.ownership->SetShare(AllBut(kOurs), {});
  node.Run();
  REQUIRE(answer.has_value());
  REQUIRE(answer->ok());
  CHECK((*answer)->state->status == TxnStatus::kActive);
}

TEST_CASE("a shard that comes back into the share while it goes is taken again") {
  TestNode node(kLease);
  node.Define(kTrip);
  node.Submit("trip", "t1");
  const auto call = node.caller.waiting.at(0);
  node.ownership->SetShare(AllBut(kOurs), {});
  node.ownership->SetShare(ShardSet().set(), {});
  node.Run(std::chrono::seconds(1));
  CHECK(node.ownership->Serves(ShardOf(kOurs)));
  call.done(engine::ReplyDone{});
  node.Run();
  // Called again under the same key, by the tenure that followed.
  REQUIRE(node.caller.waiting.size() == 2);
  CHECK(node.caller.waiting[1].call.command == call.call.command);
}

TEST_CASE("a shard that is none of the share is left alone") {
  TestNode node(kLease);
  storage::MemoryJournal other(node.store, storage::MemoryDelivery::kManual);
  node.ownership->SetShare(AllBut(kOurs), {});
  node.Run();
  REQUIRE(other.Acquire(ShardOf(kOurs)).ok());
  node.Run(std::chrono::minutes(1));
  CHECK(node.ownership->Held().count() == kShardCount - 1);
  // Its lease is over by now: it is the share that says whose it is.
  node.ownership->SetShare(ShardSet().set(), ShardSet().set());
  node.Run();
  CHECK(node.ownership->Serves(ShardOf(kOurs)));
}

TEST_CASE("a lease that was lost is given back when the share has changed since") {
  // Nobody else gets it before: it lasts for longer than the test.
  TestNode node(std::chrono::hours(1));
  const ShardId shard = ShardOf(kOurs);
  const LeasePtr held = node.leases.at(shard.value());
  node.shards->Drop(*held);
  node.ownership->OnLost(*held);
  node.ownership->SetShare(AllBut(kOurs), {});
  node.Run();
  CHECK(node.ownership->Held().count() == kShardCount - 1);
  CHECK(CanBeTaken(node, kOurs));
}

}  // namespace
}  // namespace entente::runtime::hand_over
