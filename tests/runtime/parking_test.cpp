// Transactions that only wait are parked, and nobody can tell.
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/runtime/test_node.h"

namespace entente::runtime {
namespace {

using engine::TxnStatus;

constexpr auto kRest = std::chrono::seconds(10);  // More than it takes to be parked.

constexpr const char* kApproval = R"({"name": "approval", "mode": "saga",
  "participants": {"p": {"http": "http://p"}},
  "steps": [{"id": "ask", "participant": "p", "action": {"post": "/a"}, "compensate": {"delete": "/a"}},
            {"id": "answer", "wait": {"signal": "go", "timeout": "2h", "onTimeout": "continue"}, "after": ["ask"]},
            {"id": "book", "participant": "p", "action": {"post": "/b"}, "compensate": {"delete": "/b"},
             "after": ["answer"]}]})";

// Whose transactions are parked as soon as they rest.
class ParkingNode : public TestNode {
 public:
  ParkingNode() {
    SetKeptWaiting(0);
    Restart();
    Define(kApproval);
  }
  // Until it waits for its signal.
  void BringToWait(const std::string& gid) {
    Submit("approval", gid);
    caller.Answer("ask", engine::ReplyDone{});
    Run();
  }
  [[nodiscard]] uint64_t parked() const { return shards->counters().parked; }
  [[nodiscard]] uint64_t open() const { return shards->counters().open; }
  void EndWithBooking(const std::string& gid) {
    caller.Answer("book", engine::ReplyDone{});
    Run();
    CHECK(Look(gid).status == TxnStatus::kCommitted);
    CHECK(open() == 0);
    CHECK(parked() == 0);
  }
};

TEST_CASE("what waits for a signal is parked, and goes on when it comes") {
  ParkingNode node;
  node.BringToWait("g");
  CHECK(node.parked() == 0);
  node.Run(kRest);
  REQUIRE(node.parked() == 1);
  CHECK(node.open() == 1);
  CHECK(node.Look("g").status == TxnStatus::kActive);  // Which wakes nobody.
  CHECK(node.parked() == 1);
  CHECK(node.Deliver("g", engine::SignalSent{"go", JsonText()}).ok());
  CHECK(node.parked() == 0);
  node.EndWithBooking("g");
}

TEST_CASE("what waits for an instant is woken by it, in time") {
  ParkingNode node;
  node.BringToWait("g");
  node.Run(kRest);
  REQUIRE(node.parked() == 1);
  node.Run(std::chrono::minutes(119));
  CHECK(node.parked() == 1);
  CHECK(node.caller.waiting.empty());
  node.Run(std::chrono::minutes(1));
  node.EndWithBooking("g");
}

TEST_CASE("an instant that is near, a call that is out and a client that waits keep it in memory") {
  ParkingNode node;
  node.Submit("approval", "g");
  node.Run(kRest);
  CHECK(node.parked() == 0);  // A call is out.
  node.caller.Answer("ask", engine::ReplyDone{});
  std::optional<TxnStatus> told;
  node.shards->Get(Gid("g"), Wait(std::chrono::minutes(1), nullptr),
                   [&told](const Result<TxnView>& view) { told = view->state->status; });
  node.Run(kRest);
  CHECK(node.parked() == 0);
  node.Run(std::chrono::minutes(1));
  CHECK(told == TxnStatus::kActive);
  node.Run(kRest);
  CHECK(node.parked() == 1);
}

TEST_CASE("whoever waits for the end of a parked transaction is told of it") {
  ParkingNode node;
  node.BringToWait("g");
  node.Run(kRest);
  REQUIRE(node.parked() == 1);
  std::optional<TxnStatus> told;
  node.shards->Get(Gid("g"), Wait(std::chrono::minutes(5), nullptr),
                   [&told](const Result<TxnView>& view) { told = view->state->status; });
  node.Run();
  CHECK(node.Deliver("g", engine::SignalSent{"go", JsonText()}).ok());
  node.EndWithBooking("g");
  CHECK(told == TxnStatus::kCommitted);
}

TEST_CASE("all who ask while it is read back are answered, in turn") {
  ParkingNode node;
  node.BringToWait("g");
  node.Run(kRest);
  REQUIRE(node.parked() == 1);
  node.host->HoldOffloads();
  std::vector<std::string> answers;
  const auto keep = [&answers](const Result<TxnView>& view) {
    answers.push_back(view.ok() ? "ok" : view.status().reason());
  };
  node.shards->Deliver(Gid("g"), engine::PauseRequested{{"ann", ""}}, std::nullopt, keep);
  node.shards->Deliver(Gid("g"), engine::PauseRequested{{"ann", ""}}, Sequence(1), keep);
  node.shards->Deliver(Gid("g"), engine::ResumeRequested{{"ann", ""}}, std::nullopt, keep);
  CHECK(answers.empty());
  node.host->ReleaseOffloads();
  node.Run();
  CHECK(answers == std::vector<std::string>{"transaction.revision_mismatch", "ok", "ok"});
}

TEST_CASE("a submit under the gid of a parked transaction is the same submit") {
  ParkingNode node;
  node.BringToWait("g");
  node.Run(kRest);
  REQUIRE(node.parked() == 1);
  CHECK(node.TrySubmit("approval", "g").ok());
  CHECK(node.open() == 1);
  CHECK(node.Deliver("g", engine::SignalSent{"go", JsonText()}).ok());
  node.EndWithBooking("g");
}

TEST_CASE("a start leaves at rest what rests, and its incidents are counted") {
  ParkingNode node;
  for (const char* gid : {"a", "b", "c"}) {
    node.BringToWait(gid);
  }
  node.Submit("approval", "stuck");
  node.caller.Answer("ask", engine::ReplyDone{});
  node.Run();
  CHECK(node.Deliver("stuck", engine::AbortRequested{{"ann", ""}}).ok());
  node.Run();
  // A refused undo is tried again, for as long as its policy says.
  for (int i = 0; i < 200 && node.shards->counters().open_incidents == 0; ++i) {
    if (!node.caller.waiting.empty()) {
      node.caller.Answer("ask", engine::ReplyRefused{{"no", "it can not be undone"}});
    }
    node.Run(std::chrono::minutes(1));
  }
  REQUIRE(node.shards->counters().open_incidents == 1);
  node.Restart();
  CHECK(node.open() == 4);
  CHECK(node.parked() >= 3);
  CHECK(node.shards->counters().open_incidents == 1);
  CHECK(node.Deliver("stuck", engine::RetryRequested{std::nullopt, {"ann", ""}}).ok());
  node.caller.Answer("ask", engine::ReplyDone{});
  node.Run();
  CHECK(node.Look("stuck").status == TxnStatus::kAborted);
  CHECK(node.shards->counters().open_incidents == 0);
  for (const char* gid : {"a", "b", "c"}) {
    CHECK(node.Deliver(gid, engine::SignalSent{"go", JsonText()}).ok());
    node.caller.Answer("book", engine::ReplyDone{});
    node.Run();
    CHECK(node.Look(gid).status == TxnStatus::kCommitted);
  }
  CHECK(node.open() == 0);
}

TEST_CASE("more than are read at a time come due at one instant, and all go on") {
  ParkingNode node;
  constexpr int kCount = 90;
  for (int i = 0; i < kCount; ++i) {
    node.BringToWait("g" + std::to_string(i));
  }
  node.Run(kRest);
  REQUIRE(node.parked() == kCount);
  node.Run(std::chrono::hours(2));
  CHECK(node.parked() == 0);
  CHECK(node.caller.waiting.size() == kCount);
}

TEST_CASE("a shard that is dropped forgets what it parked") {
  ParkingNode node;
  node.BringToWait("g");
  node.Run(kRest);
  REQUIRE(node.parked() == 1);
  std::optional<std::string> answer;
  node.host->HoldOffloads();
  node.shards->Deliver(Gid("g"), engine::SignalSent{"go", JsonText()}, std::nullopt,
                       [&answer](const Result<TxnView>& view) { answer = view.status().reason(); });
  // Somebody else takes the shard: the next append is fenced.
  storage::MemoryJournal other(node.store, storage::MemoryDelivery::kManual);
  REQUIRE(other.Acquire(ShardOf(Gid("g"))).ok());
  node.KeepLeases(false);
  node.Run(kRest);
  CHECK(node.shards->counters().parked == 0);
  node.host->ReleaseOffloads();
  node.Run();
  CHECK(answer.has_value());
}

}  // namespace
}  // namespace entente::runtime
