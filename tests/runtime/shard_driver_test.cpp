// One shard driver, step by step: what happens between two of its tasks, and over a restart.
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/runtime/one_shard.h"

namespace entente::runtime {
namespace {

using engine::BranchPhase;
using engine::TxnStatus;

constexpr const char* kTrip = R"({"name": "trip", "mode": "saga",
  "participants": {"p": {"http": "http://p"}},
  "steps": [{"id": "flight", "participant": "p", "action": {"post": "/f"},
             "compensate": {"delete": "/f"}},
            {"id": "hotel", "participant": "p", "action": {"post": "/h"},
             "compensate": {"delete": "/h"}}]})";
constexpr const char* kParent = R"({"name": "parent", "mode": "saga",
  "steps": [{"id": "kid", "action": {"transaction": {"definition": "trip", "input": {}}},
             "compensate": null}]})";

TEST_CASE("a wait ends when its client hangs up, and only that one") {
  Shard shard;
  shard.Define(kTrip);
  shard.Submit("trip", "g");
  const auto wait_with = [&shard](std::shared_ptr<Hangup> hangup, int& answers) {
    shard.driver->Get(Gid("g"), Wait(std::chrono::minutes(5), std::move(hangup)),
                      [&answers](const Result<TxnView>& view) {
                        CHECK((view.ok() && !view->state->finished()));
                        ++answers;
                      });
    shard.Run();
  };
  int left = 0;
  int patient = 0;
  const auto hangup = std::make_shared<Hangup>();
  wait_with(hangup, left);
  wait_with(std::make_shared<Hangup>(), patient);
  CHECK(left == 0);
  hangup->Happen();
  shard.Run();
  CHECK(left == 1);
  CHECK(patient == 0);
  hangup->Happen();
  shard.Run(std::chrono::minutes(5));
  CHECK(left == 1);  // Its time passed too, which is nobody's business any more.
  CHECK(patient == 1);
  // Whose client left before the wait began is not kept either.
  int early = 0;
  wait_with(hangup, early);
  CHECK(early == 1);
}

TEST_CASE("a submit whose client hangs up is answered when it is durable") {
  Shard shard;
  shard.Define(kTrip);
  auto plan = shard.definitions->Get("trip", std::nullopt);
  REQUIRE(plan.ok());
  engine::Submitted submitted;
  submitted.gid = Gid("g");
  const auto hangup = std::make_shared<Hangup>();
  int answers = 0;
  shard.driver->Submit({*plan, true, std::move(submitted), Wait(std::chrono::minutes(5), hangup)},
                       [&answers](const Result<SubmitReply>& reply) {
                         CHECK((reply.ok() && reply->created));
                         ++answers;
                       });
  hangup->Happen();
  Duration none(0);
  constexpr int kMostTasks = 1'000;
  int tasks = 0;
  while (shard.host->RunOne(none) && ++tasks < kMostTasks) {
  }
  CHECK(tasks < kMostTasks);
  CHECK(answers == 0);  // Nothing has been written.
  shard.Run();
  CHECK(answers == 1);
}

TEST_CASE("a call that a stopping coordinator did not make is not taken for one that may have") {
  Shard shard;
  shard.Define(kTrip);
  shard.Submit("trip", "t1");
  bool drained = false;
  shard.driver->Drain([&drained] { drained = true; });
  shard.caller.Answer("flight", engine::ReplyDone{});
  shard.Run(std::chrono::seconds(1));
  CHECK(drained);
  CHECK(shard.caller.waiting.empty());

  shard.Restart();
  shard.Run(std::chrono::seconds(30));
  shard.caller.Answer("hotel", engine::ReplyRefused{{"http.409", "full"}});
  shard.Run();
  // It was refused without effect, so only the flight is given back.
  CHECK(shard.Look("t1").steps[1].branches[0].phase == BranchPhase::kRefused);
  shard.caller.Answer("flight", engine::ReplyDone{});
  shard.Run();
  CHECK(shard.Look("t1").status == TxnStatus::kAborted);
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
  Shard shard;
  shard.Define(TripWith(R"({"attempts": 1})"));
  shard.Submit("trip", "t1");
  bool drained = false;
  shard.driver->Drain([&drained] { drained = true; });
  shard.caller.Answer("flight", engine::ReplyDone{});
  shard.Run(std::chrono::seconds(1));
  CHECK(drained);
  CHECK(shard.Look("t1").status == TxnStatus::kActive);
  shard.Restart();
  shard.caller.Answer("hotel", engine::ReplyDone{});
  shard.Run();
  CHECK(shard.Look("t1").status == TxnStatus::kCommitted);
}

TEST_CASE("a call that waits at its gate when the coordinator stops is none") {
  Shard shard;
  shard.Define(TripWith(R"({"attempts": 1})"));
  shard.Submit("trip", "t1");
  shard.caller.at_gate = true;
  bool drained = false;
  shard.driver->Drain([&drained] { drained = true; });
  shard.caller.SayWithdrawn();
  shard.Run(std::chrono::seconds(1));
  CHECK(drained);
  shard.caller.at_gate = false;
  shard.Restart();
  shard.caller.Answer("flight", engine::ReplyRefused{{"http.422", "no"}});
  shard.Run();
  // Refused without effect: there is nothing to give back.
  CHECK(shard.Look("t1").status == TxnStatus::kAborted);
  CHECK(shard.Look("t1").steps[0].branches[0].phase == BranchPhase::kRefused);
}

TEST_CASE("a compensation that is a child spends no attempt on a stop") {
  Shard shard;
  shard.Define(kTrip);
  shard.Define(R"({"name": "top", "mode": "saga", "participants": {"p": {"http": "http://p"}},
    "compensateRetry": {"attempts": 1},
    "steps": [{"id": "a", "participant": "p", "action": {"post": "/a"}, "compensate":
                 {"transaction": {"definition": "trip", "input": {}}}},
              {"id": "b", "participant": "p", "action": {"post": "/b"}, "compensate": null}]})");
  shard.Submit("top", "p1");
  shard.caller.Answer("a", engine::ReplyDone{});
  shard.Run();
  shard.host->HoldOffloads();
  shard.caller.Answer("b", engine::ReplyRefused{{"http.409", ""}});
  shard.Run();
  shard.driver->Drain([] {});
  shard.host->ReleaseOffloads();
  shard.Run(std::chrono::seconds(1));
  CHECK_FALSE(shard.Look("p1").has_incident());
  shard.Restart();
  shard.caller.Answer("flight", engine::ReplyDone{});
  shard.Run();
  shard.caller.Answer("hotel", engine::ReplyDone{});
  shard.Run();
  CHECK(shard.Look("p1").status == TxnStatus::kAborted);
}

TEST_CASE("a back-off that ends while the coordinator stops is over when it is back") {
  Shard shard;
  shard.Define(TripWith(R"({"initial": "1ms", "max": "1ms", "attempts": 5})"));
  shard.Submit("trip", "t1");
  shard.Submit("trip", "t2");
  REQUIRE(shard.caller.waiting.size() == 2);
  const auto second = std::move(shard.caller.waiting[1]);
  shard.caller.waiting.pop_back();
  bool drained = false;
  shard.driver->Drain([&drained] { drained = true; });
  shard.caller.Answer("flight", engine::ReplyUnknown{{"timeout", ""}, std::nullopt});
  // The other call keeps the coordinator up for a while.
  shard.Run(std::chrono::seconds(10));
  CHECK_FALSE(drained);
  CHECK(shard.Look("t1").steps[0].branches[0].attempt == 1);
  second.done(engine::ReplyUnknown{{"timeout", ""}, std::nullopt});
  shard.Run(std::chrono::seconds(1));
  CHECK(drained);
  shard.Restart();
  shard.Run(std::chrono::seconds(1));
  CHECK(shard.caller.waiting.size() == 2);
  CHECK(shard.Look("t1").steps[0].branches[0].attempt == 2);
}

TEST_CASE("while the store has no room, calls are repeated less and less often") {
  Shard shard;
  shard.Define(kTrip);
  shard.Submit("trip", "t1");
  constexpr int kFailures = 6;
  for (int i = 0; i < kFailures; ++i) {
    shard.journal->Fail(storage::MemoryFault::kUnavailable);
  }
  const Instant begun = shard.host->Now();
  for (int repeats = 0; repeats <= kFailures; ++repeats) {
    REQUIRE(shard.Look("t1").steps[0].branches[0].phase != BranchPhase::kDone);
    shard.caller.Answer("flight", engine::ReplyDone{});
    shard.Run(std::chrono::seconds(16));
  }
  CHECK(shard.Look("t1").steps[0].branches[0].phase == BranchPhase::kDone);
  CHECK(shard.host->Now() - begun >= std::chrono::seconds(1 + 2 + 4 + 8 + 16 + 16));
}

TEST_CASE("calls that wait are withdrawn when they are not wanted any more") {
  Shard shard;
  shard.Define(kTrip);
  shard.Submit("trip", "t1");
  const auto deliver = [&shard](engine::Event event) {
    shard.driver->Deliver(Gid("t1"), std::move(event), std::nullopt,
                          [](const Result<TxnView>& view) { CHECK(view.ok()); });
    shard.Run();
    return std::exchange(shard.caller.withdrawals, {});
  };
  using Seen = std::vector<Withdrawal>;
  CHECK(deliver(engine::PauseRequested{{"ann", ""}}) == Seen{Withdrawal::kAllCalls});
  CHECK(deliver(engine::ResumeRequested{{"ann", ""}}).empty());
  CHECK(deliver(engine::AbortRequested{{"ann", ""}}) == Seen{Withdrawal::kForwardCalls});
  CHECK(deliver(engine::ResolveRequested{TxnStatus::kAborted, {"ann", ""}}) ==
        Seen{Withdrawal::kAllCalls});
  CHECK(shard.Look("t1").status == TxnStatus::kMixed);
}

TEST_CASE("a child that is looked for when its parent is ended by an operator is not begun") {
  Shard shard;
  shard.Define(kTrip);
  shard.Define(kParent);
  auto plan = shard.definitions->Get("parent", std::nullopt);
  shard.host->HoldOffloads();
  engine::Submitted submitted;
  submitted.gid = Gid("p1");
  shard.driver->Submit({*plan, false, std::move(submitted), std::nullopt},
                       [](const Result<SubmitReply>& reply) { CHECK(reply.ok()); });
  shard.Run();
  shard.driver->Deliver(Gid("p1"), engine::ResolveRequested{TxnStatus::kAborted, {"ann", ""}},
                        std::nullopt, [](const Result<TxnView>& view) { CHECK(view.ok()); });
  shard.Run();
  shard.host->ReleaseOffloads();
  shard.Run();
  CHECK(shard.caller.waiting.empty());
  CHECK_FALSE(shard.IsKnown("p1~kid"));
}

TEST_CASE("a child that is looked for while its parent aborts is not begun") {
  Shard shard;
  shard.Define(kTrip);
  shard.Define(kParent);
  shard.host->HoldOffloads();
  auto plan = shard.definitions->Get("parent", std::nullopt);
  engine::Submitted submitted;
  submitted.gid = Gid("p1");
  shard.driver->Submit({*plan, false, std::move(submitted), std::nullopt},
                       [](const Result<SubmitReply>& reply) { CHECK(reply.ok()); });
  shard.Run();
  shard.driver->Deliver(Gid("p1"), engine::AbortRequested{{"ann", ""}}, std::nullopt,
                        [](const Result<TxnView>& view) { CHECK(view.ok()); });
  shard.Run();
  shard.host->ReleaseOffloads();
  shard.Run();
  CHECK(shard.caller.waiting.empty());
  CHECK_FALSE(shard.IsKnown("p1~kid"));
  CHECK(shard.Look("p1").status == TxnStatus::kAborted);
}

TEST_CASE("a child that a recovering parent looks for is stopped if the parent aborts") {
  Shard shard;
  shard.Define(kTrip);
  shard.Define(kParent);
  shard.Submit("parent", "p1");
  REQUIRE(shard.caller.waiting.size() == 1);
  shard.driver->Deliver(Gid("p1"), engine::AbortRequested{{"ann", ""}}, std::nullopt,
                        [](const Result<TxnView>& view) { CHECK(view.ok()); });
  shard.Run();
  CHECK(shard.Look("p1~kid").status == TxnStatus::kAborting);
  shard.Restart();
  shard.Run(std::chrono::minutes(1));
  shard.caller.Answer("flight", engine::ReplyDone{});  // The undo of what may have happened.
  shard.Run();
  CHECK(shard.Look("p1~kid").status == TxnStatus::kAborted);
  CHECK(shard.Look("p1").status == TxnStatus::kAborted);
}

TEST_CASE("children count among the open transactions") {
  Shard shard(/*max_open=*/1);
  shard.Define(kTrip);
  shard.Define(kParent);
  shard.Submit("parent", "p1");
  CHECK(shard.caller.waiting.empty());
  const engine::TxnState parent = shard.Look("p1");
  CHECK(parent.status == TxnStatus::kAborted);
  REQUIRE(parent.abort.has_value());
  CHECK(parent.abort->failure.code == "coordinator.too_many_open");
}

TEST_CASE("the child of a parent that has no way back is let in above the limit") {
  Shard shard(/*max_open=*/1);
  shard.Define(kTrip);
  shard.Define(kParent);
  // Its child has a child again.
  shard.Define(R"({"name": "pay", "mode": "saga", "participants": {"p": {"http": "http://p"}},
    "steps": [{"id": "charge", "participant": "p", "action": {"post": "/c"}, "pivot": true,
               "compensate": null},
              {"id": "kid", "action": {"transaction": {"definition": "parent", "input": {}}}}]})");
  shard.Submit("pay", "p1");
  shard.caller.Answer("charge", engine::ReplyDone{});
  shard.Run();
  CHECK(shard.Look("p1").status == TxnStatus::kCommitting);
  shard.caller.Answer("flight", engine::ReplyDone{});
  shard.Run();
  shard.caller.Answer("hotel", engine::ReplyDone{});
  shard.Run();
  CHECK(shard.Look("p1").status == TxnStatus::kCommitted);
}

TEST_CASE("a participant that wants to be asked at once again is asked less and less often") {
  Shard shard;
  shard.Define(kTrip);
  shard.Submit("trip", "t1");
  const engine::ReplyPending pending{"http://p/jobs/1", Duration(0)};
  size_t asked = 0;
  shard.caller.on_poll = [&](ReplyCallback done) {
    ++asked;
    shard.host->Post([done = std::move(done), pending] { done(pending); });
  };
  shard.caller.Answer("flight", pending);
  shard.Run(std::chrono::seconds(1));
  CHECK(asked > 10);
  shard.Run(std::chrono::hours(1));
  // Each poll is a record.
  CHECK(asked < 350);
  CHECK(shard.Look("t1").revision < Sequence(350));
  shard.Run(std::chrono::hours(24 * 11));
  CHECK(asked < 1'700);
  CHECK(shard.Look("t1").status == TxnStatus::kActive);

  shard.Run(std::chrono::hours(24 * 400));
  CHECK(asked == limits::kMaxPolls + 1);
  CHECK(shard.Look("t1").status == TxnStatus::kAborting);
  const engine::BranchState* flight = engine::FindBranch(shard.Look("t1"), BranchId("flight"));
  REQUIRE(flight != nullptr);
  CHECK(shard.Look("t1").abort->failure.code == "step.too_many_polls");
}

}  // namespace
}  // namespace entente::runtime
