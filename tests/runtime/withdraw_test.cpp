// Calls that still wait for their participant, when their transaction is paused or aborted.
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "runtime/node/local_coordinator.h"
#include "storage/memory/memory_journal.h"
#include "tests/runtime/ask.h"

namespace entente::runtime {
namespace {

using engine::TxnStatus;
using Verb = OperatorRequest::Verb;

// A participant's gate at which every call waits until it is let go or withdrawn. Shared by the
// callers of all workers and the test.
class Gate {
 public:
  struct Waiting {
    Worker* worker;
    Gid gid;
    ReplyCallback done;
  };

  void Park(Waiting waiting) {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(waiting));
    ++asked_;
    changed_.notify_all();
  }
  void Withdraw(const Gid& gid) {
    engine::ReplyNotSent blocked{{"participant.blocked", "it waited"}, std::nullopt};
    blocked.blocked = true;
    Answer(gid, blocked);
  }
  void LetGo(const Gid& gid) { Answer(gid, engine::ReplyDone{}); }
  void WaitUntilAsked(int times) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return asked_ >= times; });
  }
  [[nodiscard]] int asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }
  [[nodiscard]] size_t waiting() {
    const std::lock_guard lock(mutex_);
    return waiting_.size();
  }

 private:
  void Answer(const Gid& gid, const engine::Reply& reply) {
    const std::lock_guard lock(mutex_);
    std::erase_if(waiting_, [&](const Waiting& one) {
      if (one.gid == gid) {
        one.worker->Post([done = one.done, reply] { done(reply); });
      }
      return one.gid == gid;
    });
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Waiting> waiting_;
  int asked_ = 0;
};

class Parking final : public ParticipantCaller {
 public:
  Parking(Worker& worker, Gate& gate) : worker_(worker), gate_(gate) {}
  void Call(const CallContext& /*context*/, engine::CallBranch call, ReplyCallback done) override {
    gate_.Park({&worker_, call.command.gid, std::move(done)});
  }
  void Poll(const CallContext& /*context*/, engine::PollBranch /*poll*/,
            ReplyCallback /*done*/) override {}
  void WithdrawWaiting(const Gid& gid, Withdrawal /*which*/) override { gate_.Withdraw(gid); }

 private:
  Worker& worker_;
  Gate& gate_;
};

class GatedProcess {
 public:
  GatedProcess() {
    auto started = LocalCoordinator::Start(
        {}, journal_,
        [this](Worker& worker, const CompletionTokens&) {
          return std::make_unique<Parking>(worker, gate);
        },
        [] { return std::vector<ParticipantStats>(); });
    REQUIRE(started.ok());
    coordinator_ = std::move(started).value();
    SubmitRequest request;
    request.gid = Gid("t1");
    request.inline_definition =
        R"({"name": "d", "mode": "saga", "participants": {"p": {"http": "http://127.0.0.1:1"}},
            "steps": [{"id": "s", "participant": "p", "action": {"post": "/s"},
                       "compensate": {"delete": "/s"}, "retry": {"attempts": 1}}]})";
    REQUIRE(Ask<SubmitReply>([&](Callback<SubmitReply> done) {
              coordinator_->Submit(request, std::move(done));
            }).ok());
    gate.WaitUntilAsked(1);
  }
  ~GatedProcess() { coordinator_->Stop(); }
  GatedProcess(const GatedProcess&) = delete;
  GatedProcess& operator=(const GatedProcess&) = delete;
  Result<TxnView> Operate(Verb verb) {
    OperatorRequest request;
    request.gid = Gid("t1");
    request.verb = verb;
    request.actor = {"ann", "why"};
    return Ask<TxnView>(
        [&](Callback<TxnView> done) { coordinator_->Operate(request, std::move(done)); });
  }
  Result<TxnView> End() {
    return Ask<TxnView>([&](Callback<TxnView> done) {
      coordinator_->Get(Gid("t1"), std::chrono::seconds(60), std::move(done));
    });
  }
  Metrics metrics() { return coordinator_->GetMetrics(); }

  Gate gate;

 private:
  std::unique_ptr<LocalCoordinator> coordinator_;
  // Ends first: it still tells the coordinator of what was handed in.
  storage::MemoryJournal journal_{std::make_shared<storage::MemoryStore>()};
};

}  // namespace

TEST_CASE("a call that waits when its transaction is paused is made when it is resumed") {
  GatedProcess process;
  REQUIRE(process.Operate(Verb::kPause)->state->paused);
  CHECK(process.gate.waiting() == 0);
  CHECK(process.gate.asked() == 1);
  REQUIRE(process.Operate(Verb::kResume).ok());
  process.gate.WaitUntilAsked(2);
  process.gate.LetGo(Gid("t1"));
  CHECK(process.End()->state->status == TxnStatus::kCommitted);
  CHECK(process.metrics().calls_asked == 2);
  CHECK(process.metrics().calls == 1);
  CHECK(process.metrics().calls_failed == 0);
}

TEST_CASE("a call that waits when its transaction aborts is never made") {
  GatedProcess process;
  REQUIRE(process.Operate(Verb::kCancel).ok());
  CHECK(process.End()->state->status == TxnStatus::kAborted);
  CHECK(process.gate.asked() == 1);
  CHECK(process.metrics().calls == 0);
}

}  // namespace entente::runtime
