// What goes wrong with one transaction stays with it; and what memory there is for them all.
#include <new>
#include <stdexcept>
#include <string>

#include <catch2/catch.hpp>

#include "base/limits.h"
#include "tests/runtime/test_node.h"

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
  TestNode node;
  node.Define(kDouble);
  node.Submit("double", "good");
  node.caller.Answer("a", engine::ReplyDone{});
  node.Run();
  const auto good = std::move(node.caller.waiting.front());
  node.caller.waiting.clear();

  node.Submit("double", "bad");
  node.caller.fails_at = Gid("bad");
  node.caller.fails = ThrowDefect;
  node.caller.Answer("a", engine::ReplyDone{});  // The call of "b" throws.
  node.Run();
  CHECK(node.Deliver("bad", engine::AbortRequested{{"ann", ""}}).reason() ==
        "transaction.reloading");
  good.done(engine::ReplyDone{});
  node.Run();
  CHECK(node.Look("good").status == TxnStatus::kCommitted);

  node.caller.fails = nullptr;
  node.Run(std::chrono::seconds(2));
  node.caller.Answer("b", engine::ReplyDone{});
  node.Run();
  CHECK(node.Look("bad").status == TxnStatus::kCommitted);
  CHECK(node.shards->counters().held_back == 1);
}

TEST_CASE("a submit whose first turn throws after it was accepted is tried again") {
  TestNode node;
  node.Define(kDouble);
  node.caller.fails_at = Gid("bad");
  node.caller.fails = ThrowShortage;
  CHECK(node.TrySubmit("double", "bad").ok());  // It is durable; its first call failed.
  node.caller.fails = nullptr;
  node.Run(std::chrono::seconds(2));
  REQUIRE(node.caller.waiting.size() == 1);
}

TEST_CASE("whoever waits for the end of a transaction waits through its repetition") {
  TestNode node;
  node.Define(kDouble);
  node.Submit("double", "bad");
  TxnStatus seen = TxnStatus::kActive;
  node.shards->Get(Gid("bad"), std::chrono::minutes(5), [&seen](const Result<TxnView>& view) {
    REQUIRE(view.ok());
    seen = view->state->status;
  });
  node.caller.fails_at = Gid("bad");
  node.caller.fails = ThrowDefect;
  node.caller.Answer("a", engine::ReplyDone{});
  node.Run();
  node.caller.fails = nullptr;
  node.Run(std::chrono::seconds(2));
  node.caller.Answer("b", engine::ReplyDone{});
  node.Run();
  CHECK(seen == TxnStatus::kCommitted);
}

TEST_CASE("a transaction that fails again and again is quarantined until it is released") {
  const auto [fails, times] = GENERATE(table<void (*)(), int>(
      {{ThrowDefect, limits::kMaxDefects}, {ThrowShortage, limits::kMaxShortages}}));
  TestNode node;
  node.Define(kDouble);
  node.Submit("double", "bad");
  node.caller.fails_at = Gid("bad");
  node.caller.fails = fails;
  node.caller.Answer("a", engine::ReplyDone{});
  node.Run(std::chrono::minutes(10));
  CHECK(node.shards->counters().held_back == static_cast<uint64_t>(times));
  CHECK(node.shards->counters().quarantined == 1);
  CHECK(node.shards->counters().open_incidents == 1);
  CHECK_FALSE(node.View("bad").quarantine.empty());

  // It is in the store: the next process holds it back without a look at it.
  node.Restart();
  CHECK(node.shards->counters().held_back == 0);
  const TxnView held = node.View("bad");
  CHECK_FALSE(held.quarantine.empty());
  CHECK(held.state->paused);
  CHECK(held.state->definition == "double");
  CHECK(node.caller.waiting.empty());
  for (engine::Event event : {engine::Event(engine::AbortRequested{{"ann", ""}}),
                              engine::Event(engine::PauseRequested{{"ann", ""}}),
                              engine::Event(engine::CommitRequested{})}) {
    CHECK(node.Deliver("bad", std::move(event)).reason() == "transaction.quarantined");
  }
  CHECK(node.TrySubmit("double", "bad").reason() == "transaction.quarantined");

  node.caller.fails = nullptr;
  SECTION("by a retry") {
    CHECK(node.Deliver("bad", engine::RetryRequested{std::nullopt, {"ann", "mended"}}).ok());
  }
  SECTION("by a resume") {
    CHECK(node.Deliver("bad", engine::ResumeRequested{{"ann", "mended"}}).ok());
  }
  CHECK(node.View("bad").quarantine.empty());
  CHECK(node.shards->counters().quarantined == 0);
  CHECK(node.shards->counters().open_incidents == 0);
  node.Run(std::chrono::minutes(1));
  node.caller.Answer("b", engine::ReplyDone{});
  node.Run();
  CHECK(node.Look("bad").status == TxnStatus::kCommitted);
  node.Restart();
  CHECK(node.View("bad").quarantine.empty());
}

TEST_CASE("a transaction with a record that can not be decrypted is held back, and no other is") {
  TestNode node;
  node.Define(kDouble);
  node.Submit("double", "good");
  node.Submit("double", "bad");
  const Gid bad("bad");
  const Epoch epoch = node.journal->Acquire(ShardOf(bad)).value();
  storage::Batch batch;
  batch.appends.push_back({bad,
                           Sequence(node.journal->Load(bad).value().records.size() + 1),
                           {std::string("\0\1sealed", 8)},
                           std::nullopt});
  Status appended = Unavailable("test", "not yet");
  node.journal->Append(ShardOf(bad), epoch, std::move(batch),
                       [&appended](Status status) { appended = std::move(status); });
  node.Run();
  REQUIRE(appended.ok());

  node.Restart();
  CHECK(node.View("bad").quarantine.find("decrypted") != std::string::npos);
  CHECK(node.shards->counters().quarantined == 1);
  node.caller.Answer("a", engine::ReplyDone{});
  node.Run();
  node.caller.Answer("b", engine::ReplyDone{});
  node.Run();
  CHECK(node.Look("good").status == TxnStatus::kCommitted);
}

TEST_CASE("a quarantined transaction can be resolved without being driven") {
  TestNode node;
  node.Define(kDouble);
  node.Submit("double", "bad");
  node.caller.fails_at = Gid("bad");
  node.caller.fails = ThrowDefect;
  node.caller.Answer("a", engine::ReplyDone{});
  node.Run(std::chrono::minutes(1));
  REQUIRE_FALSE(node.View("bad").quarantine.empty());
  CHECK(node.Deliver("bad", engine::ResolveRequested{TxnStatus::kAborted, {"ann", ""}}).ok());
  CHECK(node.Look("bad").status == TxnStatus::kMixed);
}

TEST_CASE("above the memory for payloads new transactions are refused and accepted ones go on") {
  TestNode node(/*max_open=*/100, 2 * MemoryCharge::kTransactionBytes - 1);
  node.Define(kDouble);
  node.Submit("double", "t1");
  CHECK(node.TrySubmit("double", "t2").reason() == "coordinator.memory_budget");
  node.caller.Answer("a", engine::ReplyDone{Json(std::string(10'000, 'x'))});
  node.Run();
  CHECK(node.memory->used() > 11'000);
  CHECK(node.TrySubmit("double", "t2").reason() == "coordinator.memory_budget");
  CHECK(node.TrySubmit("double", "t1").ok());  // Which is known.
  node.caller.Answer("b", engine::ReplyDone{});
  node.Run();
  CHECK(node.Look("t1").status == TxnStatus::kCommitted);
  CHECK(node.memory->used() == 0);
  CHECK(node.TrySubmit("double", "t2").ok());
}

TEST_CASE(
    "a start with less memory than the open transactions need drives them one after another") {
  TestNode node;
  node.Define(kDouble);
  for (const char* gid : {"t1", "t2", "t3", "t4"}) {
    node.Submit("double", gid);
  }
  node.SetMemory(MemoryCharge::kTransactionBytes + 1);  // Room for one more while it is empty.
  node.Restart();
  CHECK(node.shards->counters().waiting_for_memory == 3);
  for (const char* gid : {"t1", "t2", "t3", "t4"}) {
    CHECK(node.Look(gid).status == TxnStatus::kActive);
  }
  CHECK(node.TrySubmit("double", "t5").reason() == "coordinator.memory_budget");
  for (int i = 0; i < 4; ++i) {
    node.Run(std::chrono::minutes(1));
    node.caller.Answer("a", engine::ReplyDone{});
    node.Run();
    node.caller.Answer("b", engine::ReplyDone{});
    node.Run();
  }
  CHECK(node.shards->counters().waiting_for_memory == 0);
  for (const char* gid : {"t1", "t2", "t3", "t4"}) {
    CHECK(node.Look(gid).status == TxnStatus::kCommitted);
  }
}

}  // namespace
}  // namespace entente::runtime
