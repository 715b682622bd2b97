// A node of one worker under a virtual clock, with a journal in memory and participants in the
// test's hands.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "runtime/node/ownership.h"
#include "runtime/node/worker_shards.h"
#include "storage/memory/memory_journal.h"
#include "tests/sim/scheduler.h"

namespace entente::runtime {

// A virtual clock; what is offloaded can be held back.
class TestHost final : public Host {
 public:
  Instant Now() override { return scheduler_.now(); }
  uint64_t Entropy() override { return 7; }
  void Post(std::function<void()> task) override { scheduler_.After(Duration(0), std::move(task)); }
  void WakeAt(std::optional<Instant> at) override {
    const uint64_t wish = ++wish_;
    if (at) {
      scheduler_.At(*at, [this, wish] {
        if (wish == wish_) {
          on_wake_();
        }
      });
    }
  }
  void SetWakeHandler(std::function<void()> handler) override { on_wake_ = std::move(handler); }
  void Offload(std::function<void()> work, std::function<void()> done) override {
    offloaded_.push_back([work = std::move(work), done = std::move(done)] {
      work();
      done();
    });
    if (!hold_offloads_) {
      ReleaseOffloads();
    }
  }
  // What is worked out lies there until then; its outcome comes back right after.
  void Compute(std::function<void()> work, std::function<void()> done) override {
    computed_.push_back([work = std::move(work), done = std::move(done)] {
      work();
      done();
    });
    if (!hold_computes_) {
      ReleaseComputes();
    }
  }

  void HoldComputes() { hold_computes_ = true; }
  void ReleaseComputes() {
    hold_computes_ = false;
    for (auto& one : std::exchange(computed_, {})) {
      Post(std::move(one));
    }
  }
  [[nodiscard]] size_t computing() const { return computed_.size(); }
  void HoldOffloads() { hold_offloads_ = true; }
  void ReleaseOffloads() {
    hold_offloads_ = false;
    for (auto& one : std::exchange(offloaded_, {})) {
      Post(std::move(one));
    }
  }
  void CallAt(Instant at, std::function<void()> task) { scheduler_.At(at, std::move(task)); }
  // Time passes in which nothing is run.
  void Sleep(Duration span) { scheduler_.Sleep(span); }
  // Runs the next task that is due within what is left of `span`, which it takes its time from.
  bool RunOne(Duration& span) {
    if (scheduler_.idle() || scheduler_.next() > scheduler_.now() + span) {
      return false;
    }
    const Instant before = scheduler_.now();
    scheduler_.Step();
    span = std::max(span - (scheduler_.now() - before), Duration(0));  // A task may sleep.
    return true;
  }

 private:
  sim::Scheduler scheduler_;
  std::function<void()> on_wake_;
  uint64_t wish_ = 0;
  bool hold_offloads_ = false;
  bool hold_computes_ = false;
  std::vector<std::function<void()>> offloaded_;
  std::vector<std::function<void()>> computed_;
};

// Keeps every call until the test answers it.
class Participants final : public ParticipantCaller {
 public:
  struct Waiting {
    engine::CallBranch call;
    ReplyCallback done;
  };
  void Call(const CallContext& /*context*/, engine::CallBranch call, ReplyCallback done) override {
    if (fails && call.command.gid == fails_at) {
      fails();
    }
    waiting.push_back({std::move(call), std::move(done)});
  }
  void Poll(const CallContext& /*context*/, engine::PollBranch /*poll*/,
            ReplyCallback done) override {
    if (on_poll) {
      on_poll(std::move(done));
    }
  }

  void WithdrawWaiting(const Gid& gid, Withdrawal which) override {
    withdrawals.push_back(which);
    std::erase_if(waiting, [&](Waiting& one) {
      const bool taken = at_gate && one.call.command.gid == gid;
      if (taken) {
        withdrawn.push_back(std::move(one));
      }
      return taken;
    });
  }
  void SayWithdrawn() {
    for (const Waiting& one : std::exchange(withdrawn, {})) {
      one.done(engine::ReplyNotSent{{"participant.blocked", "it waited"}, std::nullopt, true});
    }
  }

  // Answers the only call that waits, which must be for `branch`.
  void Answer(const std::string& branch, engine::Reply reply) {
    REQUIRE(waiting.size() == 1);
    REQUIRE(waiting[0].call.command.branch == BranchId(branch));
    const Waiting one = std::move(waiting[0]);
    waiting.clear();
    one.done(std::move(reply));
  }

  std::vector<Waiting> waiting;
  std::vector<Waiting> withdrawn;
  std::vector<Withdrawal> withdrawals;
  bool at_gate = false;  // Whatever waits has not been sent.
  Gid fails_at;          // Whose calls end in an exception that `fails` throws.
  std::function<void()> fails;
  std::function<void(ReplyCallback)> on_poll;  // Answers later; without it no poll is answered.
};

// A journal in memory in which one transaction after another may be hard to read.
class TestJournal final : public storage::MemoryJournal {
 public:
  // `unreadable`: why, by gid. It outlives the journal.
  TestJournal(std::shared_ptr<storage::MemoryStore> store,
              const std::map<std::string, Status>& unreadable)
      : MemoryJournal(std::move(store), storage::MemoryDelivery::kManual),
        unreadable_(unreadable) {}

  Result<storage::StoredTxn> Load(const Gid& gid) override {
    const auto found = unreadable_.find(gid.str());
    return found == unreadable_.end() ? MemoryJournal::Load(gid) : found->second;
  }

 private:
  const std::map<std::string, Status>& unreadable_;
};

// Two calls after each other, each of which can be undone.
inline constexpr const char* kTrip = R"({"name": "trip", "mode": "saga",
  "participants": {"p": {"http": "http://p"}},
  "steps": [{"id": "flight", "participant": "p", "action": {"post": "/f"},
             "compensate": {"delete": "/f"}},
            {"id": "hotel", "participant": "p", "action": {"post": "/h"},
             "compensate": {"delete": "/h"}}]})";

// One process after another over one store, each of which has all shards.
class TestNode {
 public:
  explicit TestNode(size_t max_open = 100, size_t memory_bytes = SIZE_MAX)
      : max_open_(max_open), memory_bytes_(memory_bytes) {
    Restart();
  }
  // Whose leases end by themselves.
  explicit TestNode(Duration lease_time)
      : store(std::make_shared<storage::MemoryStore>(
            storage::MemoryLeases{[this] { return host->Now(); }, lease_time})),
        max_open_(100),
        memory_bytes_(SIZE_MAX) {
    Restart();
  }

  // What was in memory is gone.
  void Restart() {
    shards.reset();
    memory.reset();
    caller.waiting.clear();
    host = std::make_unique<TestHost>();
    journal = std::make_unique<TestJournal>(store, unreadable);
    definitions = std::make_unique<Definitions>(*journal);
    memory = std::make_unique<MemoryBudget>(memory_bytes_);
    ShardOptions options;
    options.places = std::make_shared<OpenPlaces>(max_open_);
    options.memory = memory.get();
    options.kept_waiting = kept_waiting_;
    options.most_at_once = most_at_once_;
    shards = std::make_unique<WorkerShards>(
        std::move(options),
        WorkerShardsSurroundings{*host, *journal, caller, *definitions, events,
                                 [](const std::function<void()>& work) { work(); },
                                 [this](const Lease& lease) { ownership->OnServing(lease); },
                                 [this](const Lease& lease, const Status& why) {
                                   lost.emplace_back(lease.shard(), why.reason());
                                   ownership->OnLost(lease);
                                 }});
    OwnershipEvents owning;
    owning.start = [this](const LeasePtr& lease) {
      leases[lease->shard().value()] = lease;
      shards->Start(lease, [] { return true; });
    };
    owning.drop = [this](const LeasePtr& lease, const Status& why) {
      lost.emplace_back(lease->shard(), why.reason());
      shards->Drop(*lease);
    };
    owning.hand_over = [this](const LeasePtr& lease) {
      shards->HandOver(*lease, [this, lease] { ownership->OnHandedOver(*lease); });
    };
    owning.cut_short = [this](const LeasePtr& lease) {
      shards->Drop(*lease);
      ownership->OnHandedOver(*lease);
    };
    owning.released = [this] { ++releases; };
    owning.wake = [this] {
      if (keeps_leases_) {
        host->Post([this] { Keep(); });
      }
    };
    ownership = std::make_unique<Ownership>(
        *journal, [this] { return host->Now(); }, std::move(owning));
    REQUIRE(ownership->AcquireAll().ok());
    KeepLeases(true);
    Run();
    REQUIRE(ownership->IsSettled());
  }

  // Runs whatever is due within `span` of virtual time; every append is durable at once. Fails the
  // test where one thing leads to the next without end.
  void Run(Duration span = Duration(0)) {
    constexpr int kMostTasks = 1'000'000;
    for (int tasks = 0; tasks < kMostTasks; ++tasks) {
      if (!journal->Deliver() && !host->RunOne(span)) {
        host->Sleep(span);
        return;
      }
    }
    FAIL("the node does not come to rest");
  }

  // Without it leases are neither renewed nor taken again.
  void KeepLeases(bool keeps) {
    keeps_leases_ = keeps;
    ++keeping_;
    if (keeps) {
      Keep();
    }
  }

  // From the next start on: whatever is at rest is parked above so many in a shard.
  void SetKeptWaiting(size_t count) { kept_waiting_ = count; }

  // From the next start on: what takes more than so many steps is pondered.
  void SetMostAtOnce(uint64_t steps) { most_at_once_ = steps; }

  // What there is from the next start on.
  void SetMemory(size_t bytes) { memory_bytes_ = bytes; }

  void Define(const std::string& source) {
    const auto put = definitions->Put("", source);
    for (const dsl::Problem& problem : put.problems) {
      UNSCOPED_INFO(dsl::FormatProblem(problem));
    }
    REQUIRE(put.problems.empty());
    REQUIRE(put.row.ok());
  }
  void Submit(const std::string& definition, const std::string& gid) {
    CHECK(TrySubmit(definition, gid).ok());
  }
  TxnView View(const std::string& gid) {
    std::optional<TxnView> seen;
    shards->Get(Gid(gid), std::nullopt, [&seen](const Result<TxnView>& view) {
      REQUIRE(view.ok());
      seen = *view;
    });
    Run();
    REQUIRE(seen.has_value());
    return *seen;
  }
  engine::TxnState Look(const std::string& gid) { return *View(gid).state; }
  // How `event` is answered.
  Status Deliver(const std::string& gid, engine::Event event) {
    std::optional<Status> answer;
    shards->Deliver(Gid(gid), std::move(event), std::nullopt,
                    [&answer](const Result<TxnView>& view) { answer = view.status(); });
    Run();
    REQUIRE(answer.has_value());
    return *answer;
  }
  // How a submit is answered.
  Status TrySubmit(const std::string& definition, const std::string& gid) {
    auto plan = definitions->Get(definition, std::nullopt);
    REQUIRE(plan.ok());
    engine::Submitted submitted;
    submitted.gid = Gid(gid);
    std::optional<Status> answer;
    shards->Submit({*plan, true, std::move(submitted), std::nullopt},
                   [&answer](const Result<SubmitReply>& reply) { answer = reply.status(); });
    Run();
    REQUIRE(answer.has_value());
    return *answer;
  }
  bool IsKnown(const std::string& gid) {
    bool known = false;
    shards->Get(Gid(gid), std::nullopt,
                [&known](const Result<TxnView>& view) { known = view.ok(); });
    Run();
    return known;
  }

  std::shared_ptr<storage::MemoryStore> store = std::make_shared<storage::MemoryStore>();
  std::map<std::string, Status> unreadable;  // What can not be read for now, and why.

 private:
  void Keep() {
    const Result<Instant> next = ownership->Keep();
    REQUIRE(next.ok());
    host->CallAt(*next, [this, wish = ++keeping_] {
      if (wish == keeping_) {
        Keep();
      }
    });
  }

  const size_t max_open_;
  size_t memory_bytes_;
  size_t kept_waiting_ = ShardOptions().kept_waiting;
  uint64_t most_at_once_ = ShardOptions().most_at_once;
  bool keeps_leases_ = true;
  uint64_t keeping_ = 0;  // The latest wish to keep leases.

 public:
  std::vector<std::pair<ShardId, std::string>> lost;  // And why.
  std::map<uint64_t, LeasePtr> leases;                // The latest of each shard.
  int releases = 0;                                   // How often shards were given up.

  // Destroyed in the reverse order: the shards first.
  EventHub events;
  std::unique_ptr<MemoryBudget> memory;
  Participants caller;
  std::unique_ptr<TestHost> host;
  std::unique_ptr<TestJournal> journal;
  std::unique_ptr<Definitions> definitions;
  std::unique_ptr<Ownership> ownership;
  std::unique_ptr<WorkerShards> shards;
};

}  // namespace entente::runtime
