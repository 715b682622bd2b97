// Shards, step by step: what happens between two of its tasks, and over a restart.
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/runtime/test_node.h"

namespace entente::runtime {
namespace {

using engine::BranchPhase;
using engine::TxnStatus;

constexpr const char* kParent = R"({"name": "parent", "mode": "saga",
  "steps": [{"id": "kid", "action": {"transaction": {"definition": "trip", "input": {}}},
             "compensate": null}]})";

TEST_CASE("a wait ends when its client hangs up, and only that one") {
  TestNode node;
  node.Define(kTrip);
  node.Submit("trip", "g");
  const auto wait_with = [&node](std::shared_ptr<Hangup> hangup, int& answers) {
    node.shards->Get(Gid("g"), Wait(std::chrono::minutes(5), std::move(hangup)),
                     [&answers](const Result<TxnView>& view) {
                       CHECK((view.ok() && !view->state->finished()));
                       ++answers;
                     });
    node.Run();
  };
  int left = 0;
  int patient = 0;
  const auto hangup = std::make_shared<Hangup>();
  wait_with(hangup, left);
  wait_with(std::make_shared<Hangup>(), patient);
  CHECK(left == 0);
  hangup->Happen();
  node.Run();
  CHECK(left == 1);
  CHECK(patient == 0);
  hangup->Happen();
  node.Run(std::chrono::minutes(5));
  CHECK(left == 1);  // Its time passed too, which is nobody's business any more.
  CHECK(patient == 1);
  // Whose client left before the wait began is not kept either.
  int early = 0;
  wait_with(hangup, early);
  CHECK(early == 1);
}

TEST_CASE("a submit whose client hangs up is answered when it is durable") {
  TestNode node;
  node.Define(kTrip);
  auto plan = node.definitions->Get("trip", std::nullopt);
  REQUIRE(plan.ok());
  engine::Submitted submitted;
  submitted.gid = Gid("g");
  const auto hangup = std::make_shared<Hangup>();
  int answers = 0;
  node.shards->Submit({*plan, true, std::move(submitted), Wait(std::chrono::minutes(5), hangup)},
                      [&answers](const Result<SubmitReply>& reply) {
                        CHECK((reply.ok() && reply->created));
                        ++answers;
                      });
  hangup->Happen();
  Duration none(0);
  while (node.host->RunOne(none)) {
  }
  CHECK(answers == 0);  // Nothing has been written.
  node.Run();
  CHECK(answers == 1);
}

TEST_CASE("a call that a stopping coordinator did not make is not taken for one that may have") {
  TestNode node;
  node.Define(kTrip);
  node.Submit("trip", "t1");
  bool drained = false;
  node.shards->Drain([&drained] { drained = true; });
  node.caller.Answer("flight", engine::ReplyDone{});
  node.Run(std::chrono::seconds(1));
  CHECK(drained);
  CHECK(node.caller.waiting.empty());

  node.Restart();
  node.Run(std::chrono::seconds(30));
  node.caller.Answer("hotel", engine::ReplyRefused{{"http.409", "full"}});
  node.Run();
  // It was refused without effect, so only the flight is given back.
  CHECK(node.Look("t1").steps[1].branches[0].phase == BranchPhase::kRefused);
  node.caller.Answer("flight", engine::ReplyDone{});
  node.Run();
  CHECK(node.Look("t1").status == TxnStatus::kAborted);
}

// Every step may be tried once, or many times in no time.
std::string TripWith(const std::string& retry) {
  return R"({"name": "trip", "mode": "saga", "retry": )" + retry +
         R"(, "participants": {"p": {"http": "http://p"}},
  "steps": [{"id": "flight", "participant": "p", "action": {"post": "/f"},
             "compensate": {"delete": "/f"}},
            {"id": "hotel", "participant": "p", "action": {"post": "/h"},
             "compensate": {"delete": "/h"}}]})";
}

TEST_CASE("a stop spends no attempt and gives nothing up") {
  TestNode node;
  node.Define(TripWith(R"({"attempts": 1})"));
  node.Submit("trip", "t1");
  bool drained = false;
  node.shards->Drain([&drained] { drained = true; });
  node.caller.Answer("flight", engine::ReplyDone{});
  node.Run(std::chrono::seconds(1));
  CHECK(drained);
  CHECK(node.Look("t1").status == TxnStatus::kActive);
  node.Restart();
  node.caller.Answer("hotel", engine::ReplyDone{});
  node.Run();
  CHECK(node.Look("t1").status == TxnStatus::kCommitted);
}

TEST_CASE("a call that waits at its gate when the coordinator stops is none") {
  TestNode node;
  node.Define(TripWith(R"({"attempts": 1})"));
  node.Submit("trip", "t1");
  node.caller.at_gate = true;
  bool drained = false;
  node.shards->Drain([&drained] { drained = true; });
  node.caller.SayWithdrawn();
  node.Run(std::chrono::seconds(1));
  CHECK(drained);
  node.caller.at_gate = false;
  node.Restart();
  node.caller.Answer("flight", engine::ReplyRefused{{"http.422", "no"}});
  node.Run();
  // Refused without effect: there is nothing to give back.
  CHECK(node.Look("t1").status == TxnStatus::kAborted);
  CHECK(node.Look("t1").steps[0].branches[0].phase == BranchPhase::kRefused);
}

TEST_CASE("a compensation that is a child spends no attempt on a stop") {
  TestNode node;
  node.Define(kTrip);
  node.Define(R"({"name": "top", "mode": "saga", "participants": {"p": {"http": "http://p"}},
    "compensateRetry": {"attempts": 1},
    "steps": [{"id": "a", "participant": "p", "action": {"post": "/a"}, "compensate":
                 {"transaction": {"definition": "trip", "input": {}}}},
              {"id": "b", "participant": "p", "action": {"post": "/b"}, "compensate": null}]})");
  node.Submit("top", "p1");
  node.caller.Answer("a", engine::ReplyDone{});
  node.Run();
  node.host->HoldOffloads();
  node.caller.Answer("b", engine::ReplyRefused{{"http.409", ""}});
  node.Run();
  node.shards->Drain([] {});
  node.host->ReleaseOffloads();
  node.Run(std::chrono::seconds(1));
  CHECK_FALSE(node.Look("p1").has_incident());
  node.Restart();
  node.caller.Answer("flight", engine::ReplyDone{});
  node.Run();
  node.caller.Answer("hotel", engine::ReplyDone{});
  node.Run();
  CHECK(node.Look("p1").status == TxnStatus::kAborted);
}

TEST_CASE("a child that a stop keeps from starting is no reason to abort its parent") {
  TestNode node;
  node.Define(kTrip);
  node.Define(R"({"name": "top", "mode": "saga", "participants": {"p": {"http": "http://p"}},
    "steps": [{"id": "a", "participant": "p", "action": {"post": "/a"}, "compensate": null},
              {"id": "kid", "action": {"transaction": {"definition": "trip", "input": {}}},
               "compensate": null}]})");
  node.Submit("top", "p1");
  node.host->HoldOffloads();
  node.caller.Answer("a", engine::ReplyDone{});
  node.Run();  // Whether the child exists is being looked up.
  bool drained = false;
  node.shards->Drain([&drained] { drained = true; });
  node.host->ReleaseOffloads();
  node.Run(std::chrono::seconds(1));
  CHECK(drained);
  CHECK(node.Look("p1").status == TxnStatus::kActive);
  CHECK_FALSE(node.IsKnown("p1~kid"));

  node.Restart();
  node.Run(std::chrono::seconds(30));
  node.caller.Answer("flight", engine::ReplyDone{});
  node.Run();
  node.caller.Answer("hotel", engine::ReplyDone{});
  node.Run();
  CHECK(node.Look("p1").status == TxnStatus::kCommitted);
}

TEST_CASE("whoever waits for the end of a transaction waits through a write that failed") {
  TestNode node;
  node.Define(kTrip);
  node.Submit("trip", "t1");
  std::vector<TxnStatus> seen;
  for (int i = 0; i < 2; ++i) {
    node.shards->Get(Gid("t1"), std::chrono::minutes(5), [&seen](const Result<TxnView>& view) {
      REQUIRE(view.ok());
      seen.push_back(view->state->status);
    });
  }
  node.journal->Fail(storage::MemoryFault::kUnavailable);
  node.caller.Answer("flight", engine::ReplyDone{});
  node.Run(std::chrono::seconds(5));  // It is read back, and calls again.
  CHECK(seen.empty());
  node.caller.Answer("flight", engine::ReplyDone{});
  node.Run();
  node.caller.Answer("hotel", engine::ReplyDone{});
  node.Run();
  CHECK(seen == std::vector<TxnStatus>(2, TxnStatus::kCommitted));
}

TEST_CASE("a refusal is answered when what it rests on is durable, and not if that is lost") {
  TestNode node;
  node.Define(R"({"name": "once", "mode": "saga", "participants": {"p": {"http": "http://p"}},
    "steps": [{"id": "a", "participant": "p", "pivot": true, "action": {"post": "/a"},
               "compensate": null},
              {"id": "b", "participant": "p", "action": {"post": "/b"}}]})");
  node.Submit("once", "t1");
  const auto cancel = [&node](std::optional<Status>& answer) {
    node.shards->Deliver(Gid("t1"), engine::AbortRequested{{"ann", ""}}, std::nullopt,
                         [&answer](const Result<TxnView>& view) { answer = view.status(); });
  };
  // The pivot is done, and nothing is written so far.
  node.caller.Answer("a", engine::ReplyDone{});
  std::optional<Status> lost;
  cancel(lost);
  CHECK_FALSE(lost.has_value());
  node.journal->Fail(storage::MemoryFault::kUnavailable);
  node.Run();
  REQUIRE(lost.has_value());
  CHECK(lost->code() == StatusCode::kUnavailable);

  node.Run(std::chrono::seconds(5));  // Read back, it calls again.
  node.caller.Answer("a", engine::ReplyDone{});
  std::optional<Status> kept;
  cancel(kept);
  CHECK_FALSE(kept.has_value());
  node.Run();
  REQUIRE(kept.has_value());
  CHECK(kept->reason() == "transaction.past_pivot");
}

TEST_CASE("a back-off that ends while the coordinator stops is over when it is back") {
  TestNode node;
  node.Define(TripWith(R"({"initial": "1ms", "max": "1ms", "attempts": 5})"));
  node.Submit("trip", "t1");
  node.Submit("trip", "t2");
  REQUIRE(node.caller.waiting.size() == 2);
  const auto second = std::move(node.caller.waiting[1]);
  node.caller.waiting.pop_back();
  bool drained = false;
  node.shards->Drain([&drained] { drained = true; });
  node.caller.Answer("flight", engine::ReplyUnknown{{"timeout", ""}, std::nullopt});
  // The other call keeps the coordinator up for a while.
  node.Run(std::chrono::seconds(10));
  CHECK_FALSE(drained);
  CHECK(node.Look("t1").steps[0].branches[0].attempt == 1);
  second.done(engine::ReplyUnknown{{"timeout", ""}, std::nullopt});
  node.Run(std::chrono::seconds(1));
  CHECK(drained);
  node.Restart();
  node.Run(std::chrono::seconds(1));
  CHECK(node.caller.waiting.size() == 2);
  CHECK(node.Look("t1").steps[0].branches[0].attempt == 2);
}

TEST_CASE("while the store has no room, calls are repeated less and less often") {
  TestNode node;
  node.Define(kTrip);
  node.Submit("trip", "t1");
  constexpr int kFailures = 6;
  for (int i = 0; i < kFailures; ++i) {
    node.journal->Fail(storage::MemoryFault::kUnavailable);
  }
  const Instant begun = node.host->Now();
  for (int repeats = 0; repeats <= kFailures; ++repeats) {
    REQUIRE(node.Look("t1").steps[0].branches[0].phase != BranchPhase::kDone);
    node.caller.Answer("flight", engine::ReplyDone{});
    node.Run(std::chrono::seconds(16));
  }
  CHECK(node.Look("t1").steps[0].branches[0].phase == BranchPhase::kDone);
  CHECK(node.host->Now() - begun >= std::chrono::seconds(1 + 2 + 4 + 8 + 16 + 16));
}

TEST_CASE("calls that wait are withdrawn when they are not wanted any more") {
  TestNode node;
  node.Define(kTrip);
  node.Submit("trip", "t1");
  const auto deliver = [&node](engine::Event event) {
    node.shards->Deliver(Gid("t1"), std::move(event), std::nullopt,
                         [](const Result<TxnView>& view) { CHECK(view.ok()); });
    node.Run();
    return std::exchange(node.caller.withdrawals, {});
  };
  using Seen = std::vector<Withdrawal>;
  CHECK(deliver(engine::PauseRequested{{"ann", ""}}) == Seen{Withdrawal::kAllCalls});
  CHECK(deliver(engine::ResumeRequested{{"ann", ""}}).empty());
  CHECK(deliver(engine::AbortRequested{{"ann", ""}}) == Seen{Withdrawal::kForwardCalls});
  CHECK(deliver(engine::ResolveRequested{TxnStatus::kAborted, {"ann", ""}}) ==
        Seen{Withdrawal::kAllCalls});
  CHECK(node.Look("t1").status == TxnStatus::kMixed);
}

TEST_CASE("a child that is looked for when its parent is ended by an operator is not begun") {
  TestNode node;
  node.Define(kTrip);
  node.Define(kParent);
  auto plan = node.definitions->Get("parent", std::nullopt);
  node.host->HoldOffloads();
  engine::Submitted submitted;
  submitted.gid = Gid("p1");
  node.shards->Submit({*plan, false, std::move(submitted), std::nullopt},
                      [](const Result<SubmitReply>& reply) { CHECK(reply.ok()); });
  node.Run();
  node.shards->Deliver(Gid("p1"), engine::ResolveRequested{TxnStatus::kAborted, {"ann", ""}},
                       std::nullopt, [](const Result<TxnView>& view) { CHECK(view.ok()); });
  node.Run();
  node.host->ReleaseOffloads();
  node.Run();
  CHECK(node.caller.waiting.empty());
  CHECK_FALSE(node.IsKnown("p1~kid"));
}

TEST_CASE("a child that is looked for while its parent aborts is not begun") {
  TestNode node;
  node.Define(kTrip);
  node.Define(kParent);
  node.host->HoldOffloads();
  auto plan = node.definitions->Get("parent", std::nullopt);
  engine::Submitted submitted;
  submitted.gid = Gid("p1");
  node.shards->Submit({*plan, false, std::move(submitted), std::nullopt},
                      [](const Result<SubmitReply>& reply) { CHECK(reply.ok()); });
  node.Run();
  node.shards->Deliver(Gid("p1"), engine::AbortRequested{{"ann", ""}}, std::nullopt,
                       [](const Result<TxnView>& view) { CHECK(view.ok()); });
  node.Run();
  node.host->ReleaseOffloads();
  node.Run();
  CHECK(node.caller.waiting.empty());
  CHECK_FALSE(node.IsKnown("p1~kid"));
  CHECK(node.Look("p1").status == TxnStatus::kAborted);
}

TEST_CASE("a child that a recovering parent looks for is stopped if the parent aborts") {
  TestNode node;
  node.Define(kTrip);
  node.Define(kParent);
  node.Submit("parent", "p1");
  REQUIRE(node.caller.waiting.size() == 1);
  node.shards->Deliver(Gid("p1"), engine::AbortRequested{{"ann", ""}}, std::nullopt,
                       [](const Result<TxnView>& view) { CHECK(view.ok()); });
  node.Run();
  CHECK(node.Look("p1~kid").status == TxnStatus::kAborting);
  node.Restart();
  node.Run(std::chrono::minutes(1));
  node.caller.Answer("flight", engine::ReplyDone{});  // The undo of what may have happened.
  node.Run();
  CHECK(node.Look("p1~kid").status == TxnStatus::kAborted);
  CHECK(node.Look("p1").status == TxnStatus::kAborted);
}

TEST_CASE("children count among the open transactions") {
  TestNode node(/*max_open=*/1);
  node.Define(kTrip);
  node.Define(kParent);
  node.Submit("parent", "p1");
  CHECK(node.caller.waiting.empty());
  const engine::TxnState parent = node.Look("p1");
  CHECK(parent.status == TxnStatus::kAborted);
  REQUIRE(parent.abort.has_value());
  CHECK(parent.abort->failure.code == "coordinator.too_many_open");
}

TEST_CASE("the child of a parent that has no way back is let in above the limit") {
  TestNode node(/*max_open=*/1);
  node.Define(kTrip);
  node.Define(kParent);
  // Its child has a child again.
  node.Define(R"({"name": "pay", "mode": "saga", "participants": {"p": {"http": "http://p"}},
    "steps": [{"id": "charge", "participant": "p", "action": {"post": "/c"}, "pivot": true,
               "compensate": null},
              {"id": "kid", "action": {"transaction": {"definition": "parent", "input": {}}}}]})");
  node.Submit("pay", "p1");
  node.caller.Answer("charge", engine::ReplyDone{});
  node.Run();
  CHECK(node.Look("p1").status == TxnStatus::kCommitting);
  node.caller.Answer("flight", engine::ReplyDone{});
  node.Run();
  node.caller.Answer("hotel", engine::ReplyDone{});
  node.Run();
  CHECK(node.Look("p1").status == TxnStatus::kCommitted);
}

TEST_CASE("branches that their participant's gate holds back are counted until they are called") {
  TestNode node;
  node.Define(TripWith(R"({"attempts": 1})"));
  node.Submit("trip", "t1");
  const ShardCounters& counters = node.shards->counters();
  const engine::ReplyNotSent blocked{{"participant.blocked", "it waited"}, std::nullopt, true};
  node.caller.Answer("flight", blocked);
  node.Run();
  CHECK(counters.blocked == 1);
  const int64_t since = counters.blocked_since.micros();
  CHECK(since == ToMicros(node.host->Now()));
  node.Run(std::chrono::minutes(1));
  REQUIRE(node.caller.waiting.size() == 1);
  CHECK(counters.blocked == 1);  // It waits at the gate again.
  node.caller.Answer("flight", blocked);
  node.Run();
  CHECK(counters.blocked_since.micros() == since);
  SECTION("and called") {
    node.Run(std::chrono::minutes(1));
    node.caller.Answer("flight", engine::ReplyDone{});
    node.Run();
  }
  SECTION("and not wanted any more") {
    CHECK(node.Deliver("t1", engine::PauseRequested{{"ann", ""}}).ok());
  }
  SECTION("and the transaction ends") {
    CHECK(node.Deliver("t1", engine::AbortRequested{{"ann", ""}}).ok());
  }
  CHECK(counters.blocked == 0);
  CHECK(counters.blocked_since.micros() == 0);
}

TEST_CASE("what came in while many transactions are due has its turn before they all had theirs") {
  constexpr int kDue = 1'000;
  TestNode node(/*max_open=*/2 * kDue);
  node.Define(R"({"name": "nap", "mode": "saga", "participants": {"p": {"http": "http://p"}},
    "steps": [{"id": "nap", "wait": {"for": "1m"}},
              {"id": "call", "participant": "p", "action": {"post": "/c"}, "compensate": null}]})");
  node.Define(kTrip);
  for (int i = 0; i < kDue; ++i) {
    node.Submit("nap", "nap" + std::to_string(i));
  }
  node.host->Sleep(std::chrono::minutes(2));
  std::optional<size_t> called_before;
  node.host->Post([&] {
    node.shards->Get(Gid("nap0"), std::nullopt, [&](const Result<TxnView>& view) {
      REQUIRE(view.ok());
      called_before = node.shards->counters().inputs;
    });
  });
  const size_t before = node.shards->counters().inputs;
  node.Run();
  REQUIRE(called_before.has_value());
  CHECK(*called_before - before < kDue / 2);
  CHECK(node.caller.waiting.size() == kDue);
}

TEST_CASE("a participant that wants to be asked at once again is asked less and less often") {
  TestNode node;
  node.Define(kTrip);
  node.Submit("trip", "t1");
  const engine::ReplyPending pending{"http://p/jobs/1", Duration(0)};
  size_t asked = 0;
  node.caller.on_poll = [&](ReplyCallback done) {
    ++asked;
    node.host->Post([done = std::move(done), pending] { done(pending); });
  };
  node.caller.Answer("flight", pending);
  node.Run(std::chrono::seconds(1));
  CHECK(asked > 10);
  node.Run(std::chrono::hours(1));
  // Each poll is a record.
  CHECK(asked < 450);
  CHECK(node.Look("t1").revision < Sequence(450));
}

}  // namespace
}  // namespace entente::runtime
