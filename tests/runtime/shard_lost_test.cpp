// A shard that is lost takes nothing with it but itself, and nothing of it leaves any more.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "runtime/record_codec.h"
#include "tests/runtime/test_node.h"

namespace entente::runtime::lost {
namespace {

using engine::TxnStatus;

// Of two shards.
const Gid kOurs("t1");
const Gid kOther("t2");

Participants::Waiting TakeCall(TestNode& node, const Gid& gid) {
  for (auto call = node.caller.waiting.begin(); call != node.caller.waiting.end(); ++call) {
    if (call->call.command.gid == gid) {
      auto taken = std::move(*call);
      node.caller.waiting.erase(call);
      return taken;
    }
  }
  FAIL("no call of " << gid << " waits");
  return {};
}

// How whoever waits for the end of a transaction is answered.
struct Watch {
  Watch(TestNode& node, const Gid& gid) {
    node.shards->Get(gid, std::chrono::minutes(5), [this](const Result<TxnView>& view) {
      ++answers;
      status = view.status();
      end = view.ok() ? view->state->status : TxnStatus::kActive;
    });
    node.Run();
  }
  int answers = 0;
  Status status;
  TxnStatus end = TxnStatus::kActive;
};

// Another owner takes the shard of `gid`, and gives it up again.
void TakeAndRelease(TestNode& node, const Gid& gid) {
  storage::MemoryJournal other(node.store, storage::MemoryDelivery::kManual);
  const auto epoch = other.Acquire(ShardOf(gid));
  REQUIRE(epoch.ok());
  REQUIRE(other.Release(ShardOf(gid), *epoch).ok());
}

TEST_CASE("a fenced append drops its shard, and all others go on") {
  REQUIRE(ShardOf(kOurs) != ShardOf(kOther));
  TestNode node;
  node.KeepLeases(false);
  node.Define(kTrip);
  node.Submit("trip", "t1");
  node.Submit("trip", "t2");
  auto ours = TakeCall(node, kOurs);
  auto other = TakeCall(node, kOther);
  const Watch watch(node, kOurs);
  TakeAndRelease(node, kOurs);
  ours.done(engine::ReplyDone{});
  other.done(engine::ReplyDone{});
  node.Run();
  CHECK(watch.answers == 1);
  CHECK(watch.status.reason() == "shard.lost");
  REQUIRE(node.lost.size() == 1);
  CHECK(node.lost[0] == std::pair(ShardOf(kOurs), std::string("journal.stale_epoch")));
  CHECK(node.Deliver("t1", engine::AbortRequested{{"ann", ""}}).reason() == "shard.lost");
  CHECK(node.TrySubmit("trip", "t1").reason() == "shard.lost");
  REQUIRE(node.caller.waiting.size() == 1);
  node.caller.Answer("hotel", engine::ReplyDone{});
  node.Run();
  CHECK(node.Look("t2").status == TxnStatus::kCommitted);
  CHECK(node.shards->counters().open == 0);
  CHECK(node.shards->counters().calls_in_flight == 0);

  // As soon as it may be had, it is taken again, and its transaction goes on.
  node.KeepLeases(true);
  node.Run(std::chrono::minutes(1));
  node.caller.Answer("flight", engine::ReplyDone{});
  node.Run();
  node.caller.Answer("hotel", engine::ReplyDone{});
  node.Run();
  CHECK(node.Look("t1").status == TxnStatus::kCommitted);
}

TEST_CASE("a lease that turns out to be lost when it is renewed is taken again at once") {
  TestNode node;
  node.Define(kTrip);
  node.Submit("trip", "t1");
  TakeAndRelease(node, kOurs);
  node.Run(std::chrono::seconds(2));
  REQUIRE(node.lost.size() == 1);
  CHECK(node.Look("t1").status == TxnStatus::kActive);
  CHECK(node.ownership->Serves(ShardOf(kOurs)));
}

TEST_CASE("an append of unknown outcome is looked up before its shard goes on") {
  const auto [fault, written] = GENERATE(
      table<storage::MemoryFault, bool>({{storage::MemoryFault::kUnknownOnce, false},
                                         {storage::MemoryFault::kUnknownOnceWritten, true}}));
  TestNode node;
  node.Define(kTrip);
  node.Submit("trip", "t1");
  node.Submit("trip", "t2");
  auto ours = TakeCall(node, kOurs);
  node.journal->Fail(fault);
  std::optional<Status> answer;
  node.shards->Deliver(kOurs, engine::AbortRequested{{"ann", ""}}, std::nullopt,
                       [&answer](const Result<TxnView>& view) { answer = view.status(); });
  node.Run(std::chrono::seconds(1));
  REQUIRE(answer.has_value());
  CHECK(answer->code() == StatusCode::kUnknownOutcome);
  CHECK(node.Look("t1").status == (written ? TxnStatus::kAborting : TxnStatus::kActive));
  CHECK(node.Look("t2").status == TxnStatus::kActive);
  CHECK(node.lost.size() == 1);
  ours.done(engine::ReplyDone{});  // To the shard that was: nobody hears it.
  node.Run();
  CHECK(node.Look("t1").steps[0].branches[0].phase != engine::BranchPhase::kDone);
}

TEST_CASE("a submit of unknown outcome is answered so, with a wait or without") {
  const bool waits = GENERATE(false, true);
  TestNode node;
  node.Define(kTrip);
  auto plan = node.definitions->Get("trip", std::nullopt);
  REQUIRE(plan.ok());
  engine::Submitted submitted;
  submitted.gid = kOurs;
  node.journal->Fail(storage::MemoryFault::kUnknownOnceWritten);
  std::optional<Status> answer;
  node.shards->Submit({*plan, false, std::move(submitted),
                       waits ? std::optional<Wait>(std::chrono::minutes(1)) : std::nullopt},
                      [&answer](const Result<SubmitReply>& reply) { answer = reply.status(); });
  node.Run();
  REQUIRE(answer.has_value());
  CHECK(answer->code() == StatusCode::kUnknownOutcome);
  node.Run(std::chrono::seconds(1));
  CHECK(node.Look("t1").status == TxnStatus::kActive);
  CHECK(node.caller.waiting.size() == 1);
}

TEST_CASE("who finds that somebody else has written its shard reads it anew") {
  TestNode node;
  node.Define(kTrip);
  node.Submit("trip", "t1");
  const engine::TxnState state = node.Look("t1");
  // Under its own epoch, which no lease can prevent.
  const engine::Record paused{node.host->Now(), engine::Paused{{"ann", ""}}};
  bool written = false;
  node.journal->Append(ShardOf(kOurs), Epoch(1),
                       storage::Batch{{storage::TxnAppend{
                           kOurs, state.revision.next(), {EncodeRecord(paused)}, std::nullopt}}},
                       [&written](const Status& status) { written = status.ok(); });
  node.Run();
  REQUIRE(written);
  node.caller.Answer("flight", engine::ReplyDone{});
  node.Run(std::chrono::seconds(1));
  REQUIRE(node.lost.size() == 1);
  CHECK(node.Look("t1").paused);
}

TEST_CASE("a shard whose appends conflict again and again is taken less and less often") {
  TestNode node;
  node.Define(kTrip);
  node.Submit("trip", "t1");
  size_t before = 0;
  const Instant begun = node.host->Now();
  for (int i = 0; i < 6; ++i) {
    TakeAndRelease(node, kOurs);
    CHECK(node.Deliver("t1", engine::PauseRequested{{"ann", ""}}).reason() == "shard.lost");
    CHECK(node.lost.size() == ++before);
    while (!node.ownership->Serves(ShardOf(kOurs))) {
      node.Run(std::chrono::milliseconds(100));
    }
  }
  CHECK(node.host->Now() - begun >= std::chrono::milliseconds(100 + 200 + 400 + 800));
}

TEST_CASE("nothing leaves a shard whose lease could have ended") {
  constexpr Duration kLeaseTime = std::chrono::seconds(5);
  TestNode node(kLeaseTime);
  node.Define(kTrip);
  node.Submit("trip", "t1");
  node.KeepLeases(false);
  auto call = TakeCall(node, kOurs);
  const Watch watch(node, kOurs);
  SECTION("an answer that comes late") {
    node.host->Sleep(kLeaseTime);
    call.done(engine::ReplyDone{});
  }
  SECTION("a request that comes late") {
    node.host->Sleep(kLeaseTime);
    CHECK(node.Deliver("t1", engine::AbortRequested{{"ann", ""}}).reason() == "shard.lost");
  }
  SECTION("what is durable only when it has ended") {
    call.done(engine::ReplyDone{});
    Duration none(0);
    while (node.host->RunOne(none)) {
    }
    REQUIRE(node.journal->pending() == 1);
    node.host->Sleep(kLeaseTime);
    REQUIRE(node.journal->Deliver());
  }
  node.Run();
  CHECK(node.caller.waiting.empty());
  CHECK(watch.answers == 1);
  CHECK(watch.status.reason() == "shard.lost");
  REQUIRE(node.lost.size() == 1);
  CHECK(node.lost[0].second == "lease.ended");
}

// The turn that makes the first call takes so long that the second may not leave, and the lease is
// renewed before the shard finds out.
TEST_CASE("a call that waits for an ended lease is made under the next one") {
  constexpr Duration kLeaseTime = std::chrono::seconds(5);
  TestNode node(kLeaseTime);
  node.Define(R"({"name": "pair", "mode": "saga", "participants": {"p": {"http": "http://p"}},
    "steps": [{"id": "flight", "participant": "p", "action": {"post": "/f"},
               "compensate": {"delete": "/f"}},
              {"id": "hotel", "after": [], "participant": "p", "action": {"post": "/h"},
               "compensate": {"delete": "/h"}}]})");
  node.KeepLeases(false);
  node.caller.fails_at = kOurs;
  node.caller.fails = [&node, kLeaseTime] {
    node.caller.fails_at = Gid();  // Once.
    node.host->Sleep(kLeaseTime * 9 / 10);
    node.host->Post([&node] { node.KeepLeases(true); });
  };
  node.Submit("pair", "t1");
  node.Run(std::chrono::seconds(1));
  REQUIRE(node.lost.size() == 1);
  CHECK(node.lost[0].second == "lease.ended");
  for (const char* branch : {"flight", "hotel"}) {
    INFO(branch);
    CHECK(std::any_of(node.caller.waiting.begin(), node.caller.waiting.end(), [&](const auto& one) {
      return one.call.command.branch == BranchId(branch);
    }));
  }
}

TEST_CASE("a lease that is renewed goes on") {
  TestNode node(std::chrono::seconds(5));
  node.Define(kTrip);
  node.Submit("trip", "t1");
  node.Run(std::chrono::minutes(1));
  CHECK(node.lost.empty());
  node.caller.Answer("flight", engine::ReplyDone{});
  node.Run();
  CHECK(node.caller.waiting.size() == 1);
}

TEST_CASE("whoever waits for something that a lost shard reads is told so") {
  TestNode node;
  node.KeepLeases(false);
  node.Define(kTrip);
  node.host->HoldOffloads();
  std::vector<Status> answers;
  const auto told = [&answers](const auto& result) { answers.push_back(result.status()); };
  node.shards->Get(kOurs, std::nullopt, told);
  node.shards->GetHistory(kOurs, told);
  node.shards->Deliver(kOurs, engine::PauseRequested{{"ann", ""}}, std::nullopt, told);
  auto plan = node.definitions->Get("trip", std::nullopt);
  for (int i = 0; i < 2; ++i) {
    engine::Submitted submitted;
    submitted.gid = kOurs;
    node.shards->Submit({*plan, true, std::move(submitted), std::nullopt}, told);
  }
  node.Run();
  CHECK(answers.empty());
  TakeAndRelease(node, kOurs);
  node.Run(std::chrono::seconds(2));
  node.KeepLeases(true);
  REQUIRE(node.lost.size() == 1);
  node.host->ReleaseOffloads();
  node.Run();
  REQUIRE(answers.size() == 5);
  for (const Status& answer : answers) {
    CHECK(answer.reason() == "shard.lost");
  }
}

TEST_CASE("a client that hangs up on a shard that is gone changes nothing") {
  TestNode node;
  node.KeepLeases(false);
  node.Define(kTrip);
  node.Submit("trip", "t1");
  const auto hangup = std::make_shared<Hangup>();
  int answers = 0;
  node.shards->Get(kOurs, Wait(std::chrono::minutes(1), hangup),
                   [&answers](const Result<TxnView>&) { ++answers; });
  TakeAndRelease(node, kOurs);
  node.caller.Answer("flight", engine::ReplyDone{});
  node.Run();
  CHECK(answers == 1);
  hangup->Happen();
  node.Run(std::chrono::minutes(2));
  CHECK(answers == 1);
}

TEST_CASE("a node that is stopped in a drain of a shard that is lost is drained") {
  TestNode node;
  node.KeepLeases(false);
  node.Define(kTrip);
  node.Submit("trip", "t1");
  bool drained = false;
  node.shards->Drain([&drained] { drained = true; });
  TakeAndRelease(node, kOurs);
  node.caller.Answer("flight", engine::ReplyDone{});
  node.Run();
  CHECK(drained);
}

}  // namespace
}  // namespace entente::runtime::lost
