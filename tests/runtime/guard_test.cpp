// What goes wrong with one transaction stays with it; and what memory there is for them all.
#include <new>
#include <stdexcept>
#include <string>

#include <catch2/catch.hpp>

#include "base/limits.h"
#include "tests/runtime/one_shard.h"

namespace entente::runtime {
namespace {

using engine::TxnStatus;

constexpr const char* kDouble = R"({"name": "double", "mode": "saga",
  "participants": {"p": {"http": "http://p"}},
  "steps": [{"id": "a", "participant": "p", "action": {"post": "/a"}, "compensate": null},
            {"id": "b", "participant": "p", "action": {"post": "/b"}, "compensate": null}]})";

void ThrowDefect() {
  throw std::runtime_error("planted");
}
void ThrowShortage() {
  throw std::bad_alloc();
}

TEST_CASE("a turn that throws is repeated from the journal, and others go on meanwhile") {
  Shard shard;
  shard.Define(kDouble);
  shard.Submit("double", "good");
  shard.caller.Answer("a", engine::ReplyDone{});
  shard.Run();
  const auto good = std::move(shard.caller.waiting.front());
  shard.caller.waiting.clear();

  shard.Submit("double", "bad");
  shard.caller.fails_at = Gid("bad");
  shard.caller.fails = ThrowDefect;
  shard.caller.Answer("a", engine::ReplyDone{});  // The call of "b" throws.
  shard.Run();
  CHECK(shard.Deliver("bad", engine::AbortRequested{{"ann", ""}}).reason() ==
        "transaction.reloading");
  good.done(engine::ReplyDone{});
  shard.Run();
  CHECK(shard.Look("good").status == TxnStatus::kCommitted);

  shard.caller.fails = nullptr;
  shard.Run(std::chrono::seconds(2));
  shard.caller.Answer("b", engine::ReplyDone{});
  shard.Run();
  CHECK(shard.Look("bad").status == TxnStatus::kCommitted);
  CHECK(shard.driver->counters().held_back == 1);
}

TEST_CASE("a submit whose first turn throws after it was accepted is tried again") {
  Shard shard;
  shard.Define(kDouble);
  shard.caller.fails_at = Gid("bad");
  shard.caller.fails = ThrowShortage;
  CHECK(shard.TrySubmit("double", "bad").ok());  // It is durable; its first call failed.
  shard.caller.fails = nullptr;
  shard.Run(std::chrono::seconds(2));
  REQUIRE(shard.caller.waiting.size() == 1);
}

TEST_CASE("whoever waits for the end of a transaction waits through its repetition") {
  Shard shard;
  shard.Define(kDouble);
  shard.Submit("double", "bad");
  TxnStatus seen = TxnStatus::kActive;
  shard.driver->Get(Gid("bad"), std::chrono::minutes(5), [&seen](const Result<TxnView>& view) {
    REQUIRE(view.ok());
    seen = view->state->status;
  });
  shard.caller.fails_at = Gid("bad");
  shard.caller.fails = ThrowDefect;
  shard.caller.Answer("a", engine::ReplyDone{});
  shard.Run();
  shard.caller.fails = nullptr;
  shard.Run(std::chrono::seconds(2));
  shard.caller.Answer("b", engine::ReplyDone{});
  shard.Run();
  CHECK(seen == TxnStatus::kCommitted);
}

TEST_CASE("a transaction that fails again and again is quarantined until it is released") {
  const auto [fails, times] = GENERATE(table<void (*)(), int>(
      {{ThrowDefect, limits::kMaxDefects}, {ThrowShortage, limits::kMaxShortages}}));
  Shard shard;
  shard.Define(kDouble);
  shard.Submit("double", "bad");
  shard.caller.fails_at = Gid("bad");
  shard.caller.fails = fails;
  shard.caller.Answer("a", engine::ReplyDone{});
  shard.Run(std::chrono::minutes(10));
  CHECK(shard.driver->counters().held_back == static_cast<uint64_t>(times));
  CHECK(shard.driver->counters().quarantined == 1);
  CHECK(shard.driver->counters().open_incidents == 1);
  CHECK_FALSE(shard.View("bad").quarantine.empty());

  // It is in the store: the next process holds it back without a look at it.
  shard.Restart();
  CHECK(shard.driver->counters().held_back == 0);
  const TxnView held = shard.View("bad");
  CHECK_FALSE(held.quarantine.empty());
  CHECK(held.state->paused);
  CHECK(held.state->definition == "double");
  CHECK(shard.caller.waiting.empty());
  for (engine::Event event : {engine::Event(engine::AbortRequested{{"ann", ""}}),
                              engine::Event(engine::PauseRequested{{"ann", ""}}),
                              engine::Event(engine::CommitRequested{})}) {
    CHECK(shard.Deliver("bad", std::move(event)).reason() == "transaction.quarantined");
  }
  CHECK(shard.TrySubmit("double", "bad").reason() == "transaction.quarantined");

  shard.caller.fails = nullptr;
  SECTION("by a retry") {
    CHECK(shard.Deliver("bad", engine::RetryRequested{std::nullopt, {"ann", "mended"}}).ok());
  }
  SECTION("by a resume") {
    CHECK(shard.Deliver("bad", engine::ResumeRequested{{"ann", "mended"}}).ok());
  }
  CHECK(shard.View("bad").quarantine.empty());
  CHECK(shard.driver->counters().quarantined == 0);
  CHECK(shard.driver->counters().open_incidents == 0);
  shard.Run(std::chrono::minutes(1));
  shard.caller.Answer("b", engine::ReplyDone{});
  shard.Run();
  CHECK(shard.Look("bad").status == TxnStatus::kCommitted);
  shard.Restart();
  CHECK(shard.View("bad").quarantine.empty());
}

TEST_CASE("a quarantined transaction can be resolved without being driven") {
  Shard shard;
  shard.Define(kDouble);
  shard.Submit("double", "bad");
  shard.caller.fails_at = Gid("bad");
  shard.caller.fails = ThrowDefect;
  shard.caller.Answer("a", engine::ReplyDone{});
  shard.Run(std::chrono::minutes(1));
  REQUIRE_FALSE(shard.View("bad").quarantine.empty());
  CHECK(shard.Deliver("bad", engine::ResolveRequested{TxnStatus::kAborted, {"ann", ""}}).ok());
  CHECK(shard.Look("bad").status == TxnStatus::kMixed);
}

TEST_CASE("above the memory for payloads new transactions are refused and accepted ones go on") {
  Shard shard(/*max_open=*/100, 2 * MemoryCharge::kTransactionBytes - 1);
  shard.Define(kDouble);
  shard.Submit("double", "t1");
  CHECK(shard.TrySubmit("double", "t2").reason() == "coordinator.memory_budget");
  shard.caller.Answer("a", engine::ReplyDone{Json(std::string(10'000, 'x'))});
  shard.Run();
  CHECK(shard.memory->used() > 11'000);
  CHECK(shard.TrySubmit("double", "t2").reason() == "coordinator.memory_budget");
  CHECK(shard.TrySubmit("double", "t1").ok());  // Which is known.
  shard.caller.Answer("b", engine::ReplyDone{});
  shard.Run();
  CHECK(shard.Look("t1").status == TxnStatus::kCommitted);
  CHECK(shard.memory->used() == 0);
  CHECK(shard.TrySubmit("double", "t2").ok());
}

TEST_CASE(
    "a start with less memory than the open transactions need drives them one after another") {
  Shard shard;
  shard.Define(kDouble);
  for (const char* gid : {"t1", "t2", "t3", "t4"}) {
    shard.Submit("double", gid);
  }
  shard.SetMemory(MemoryCharge::kTransactionBytes + 1);  // Room for one more while it is empty.
  shard.Restart();
  CHECK(shard.driver->counters().waiting_for_memory == 3);
  for (const char* gid : {"t1", "t2", "t3", "t4"}) {
    CHECK(shard.Look(gid).status == TxnStatus::kActive);
  }
  CHECK(shard.TrySubmit("double", "t5").reason() == "coordinator.memory_budget");
  for (int i = 0; i < 4; ++i) {
    shard.Run(std::chrono::minutes(1));
    shard.caller.Answer("a", engine::ReplyDone{});
    shard.Run();
    shard.caller.Answer("b", engine::ReplyDone{});
    shard.Run();
  }
  CHECK(shard.driver->counters().waiting_for_memory == 0);
  for (const char* gid : {"t1", "t2", "t3", "t4"}) {
    CHECK(shard.Look(gid).status == TxnStatus::kCommitted);
  }
}

}  // namespace
}  // namespace entente::runtime
