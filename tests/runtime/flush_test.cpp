// The shards of a worker write together; each keeps its own outcome, and its own order.
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/runtime/test_node.h"

namespace entente::runtime::flush {
namespace {

using engine::TxnStatus;

// Of three shards.
const Gid kFirst("t1");
const Gid kSecond("t2");
const Gid kThird("t3");

// A transaction in each of three shards, whose calls are out.
struct AtWork : TestNode {
  AtWork() {
    REQUIRE(ShardOf(kFirst) != ShardOf(kSecond));
    REQUIRE(ShardOf(kFirst) != ShardOf(kThird));
    REQUIRE(ShardOf(kSecond) != ShardOf(kThird));
    Define(kTrip);
    Submit("trip", "t1");
    Submit("trip", "t2");
    Submit("trip", "t3");
    calls = std::exchange(caller.waiting, {});
    REQUIRE(calls.size() == 3);
  }
  // What is ready to run runs; nothing becomes durable.
  void RunHost() {
    Duration none(0);
    while (host->RunOne(none)) {
    }
  }
  void Ask(const Gid& gid, engine::Event event, Callback<TxnView> done) {
    shards->Deliver(gid, std::move(event), std::nullopt, std::move(done));
  }
  static engine::Event Pause() { return engine::PauseRequested{{"ann", ""}}; }

  std::vector<Participants::Waiting> calls;
};

TEST_CASE("what shards have to write goes to the journal together") {
  AtWork node;
  node.calls[0].done(engine::ReplyDone{});
  node.calls[1].done(engine::ReplyDone{});
  node.RunHost();
  CHECK(node.journal->pending() == 2);

  // What comes meanwhile: of another shard it goes behind these; of one of them it goes when these
  // are written, and before anything that they lead to is done.
  node.Ask(kThird, AtWork::Pause(), [](const Result<TxnView>&) {});
  node.Ask(kFirst, AtWork::Pause(), [](const Result<TxnView>&) {});
  node.RunHost();
  CHECK(node.journal->pending() == 3);
  std::vector<size_t> pending_at_call;
  node.caller.fails_at = kSecond;
  node.caller.fails = [&] { pending_at_call.push_back(node.journal->pending()); };
  CHECK(node.journal->Deliver());
  CHECK(node.journal->Deliver());
  node.RunHost();
  CHECK(pending_at_call == std::vector<size_t>{2});
  node.Run();
  CHECK(node.Look("t1").paused);
  CHECK(node.Look("t3").paused);
}

TEST_CASE("a batch that can not be written takes its own shard's transactions along, no others") {
  AtWork node;
  node.calls[0].done(engine::ReplyDone{});
  node.calls[1].done(engine::ReplyDone{});
  node.RunHost();
  node.journal->Fail(storage::MemoryFault::kUnavailable);
  node.Run();
  REQUIRE(node.caller.waiting.size() == 1);
  CHECK(node.caller.waiting[0].call.command.gid == kSecond);
  CHECK(node.caller.waiting[0].call.command.branch == BranchId("hotel"));
  CHECK(node.lost.empty());
  node.caller.waiting.clear();
  node.Run(std::chrono::seconds(1));
  REQUIRE(node.caller.waiting.size() == 1);
  CHECK(node.caller.waiting[0].call.command.gid == kFirst);
  CHECK(node.caller.waiting[0].call.command.branch == BranchId("flight"));
}

TEST_CASE("nobody sees a decision before what it leads to was carried out") {
  AtWork node;
  std::optional<size_t> withdrawn;
  node.Ask(kFirst, AtWork::Pause(), [](const Result<TxnView>&) {});
  // Is told that it failed while the pause is durable, and looks at once.
  node.Ask(kSecond, AtWork::Pause(), [&](const Result<TxnView>& second) {
    CHECK(second.status().code() == StatusCode::kUnavailable);
    node.shards->Get(kFirst, std::nullopt, [&](const Result<TxnView>& first) {
      REQUIRE(first.ok());
      CHECK(first->state->paused);
      withdrawn = node.caller.withdrawals.size();
    });
  });
  node.RunHost();
  REQUIRE(node.journal->pending() == 2);
  CHECK(node.journal->Deliver());
  node.journal->Fail(storage::MemoryFault::kUnavailable);
  node.Run();
  REQUIRE(withdrawn.has_value());
  CHECK(*withdrawn == 1);
}

TEST_CASE("a shard that throws is read anew, and the others hear their outcome") {
  AtWork node;
  node.KeepLeases(false);
  bool thrown = false;
  node.Ask(kFirst, AtWork::Pause(), [&](const Result<TxnView>&) {
    if (!std::exchange(thrown, true)) {
      throw std::runtime_error("a client's callback");
    }
  });
  node.calls[1].done(engine::ReplyDone{});
  node.RunHost();
  node.journal->Fail(storage::MemoryFault::kUnavailable);
  node.Run();
  CHECK(thrown);
  REQUIRE(node.caller.waiting.size() == 1);
  CHECK(node.caller.waiting[0].call.command.gid == kSecond);
  REQUIRE(node.lost.size() == 1);
  CHECK(node.lost[0] == std::pair(ShardOf(kFirst), std::string(kDefect)));
  node.KeepLeases(true);
  node.Run(std::chrono::seconds(2));
  CHECK(node.Look("t1").status == TxnStatus::kActive);
}

TEST_CASE("a shard that was lost while its batch is written does not hold up the next owner") {
  AtWork node;
  node.calls[0].done(engine::ReplyDone{});
  node.RunHost();
  REQUIRE(node.journal->pending() == 1);
  const LeasePtr lease = node.leases.at(ShardOf(kFirst).value());
  node.shards->Drop(*lease);
  node.ownership->OnLost(*lease);
  node.Run(std::chrono::seconds(2));
  // Durable all the same: the outcome was nobody's to hear, and is read.
  CHECK(node.ownership->Serves(ShardOf(kFirst)));
  CHECK(node.Look("t1").steps[0].branches[0].phase == engine::BranchPhase::kDone);
  node.caller.Answer("hotel", engine::ReplyDone{});
  node.Run();
  CHECK(node.Look("t1").status == TxnStatus::kCommitted);
}

}  // namespace
}  // namespace entente::runtime::flush
