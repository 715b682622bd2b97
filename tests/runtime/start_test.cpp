// A coordinator answers while it reads back what was open.
#include <condition_variable>
#include <functional>
#include <future>
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

// Whose open transactions can not be read before Open was called, or at all.
class SlowJournal final : public storage::MemoryJournal {
 public:
  using MemoryJournal::MemoryJournal;

  void Open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    opened_.notify_all();
  }
  Status LoadOpen(ShardId shard, const std::function<Status(storage::StoredTxn)>& sink) override {
    std::unique_lock lock(mutex_);
    opened_.wait(lock, [this] { return open_; });
    return fails ? DataLoss("store.corrupt", "damaged") : MemoryJournal::LoadOpen(shard, sink);
  }

  bool fails = false;

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
};

class Silent final : public ParticipantCaller {
 public:
  void Call(const CallContext& /*context*/, engine::CallBranch /*call*/,
            ReplyCallback /*done*/) override {}
  void Poll(const CallContext& /*context*/, engine::PollBranch /*poll*/,
            ReplyCallback /*done*/) override {}
};

class Starting {
 public:
  explicit Starting(storage::Journal& journal, size_t max_open = 100, uint32_t workers = 1) {
    LocalCoordinatorOptions options;
    options.max_open = max_open;
    options.workers = workers;
    options.on_recovered = [this](const Status& status) { ended_.set_value(status); };
    auto started = LocalCoordinator::Start(
        std::move(options), journal,
        [](Worker&, const CompletionTokens&) { return std::make_unique<Silent>(); },
        [] { return std::vector<ParticipantStats>(); });
    REQUIRE(started.ok());
    coordinator = std::move(started).value();
  }

  Status AwaitRecovery() { return ended_.get_future().get(); }
  Status Submit(const std::string& gid, const std::string& name = "d") {
    SubmitRequest request;
    request.gid = Gid(gid);
    request.inline_definition =
        R"({"name": ")" + name +
        R"(", "mode": "saga", "participants": {"p": {"http": "http://127.0.0.1:1"}},
            "steps": [{"id": "s", "participant": "p", "action": {"post": "/s"}, "compensate": null}]})";
    return Ask<SubmitReply>(
               [&](Callback<SubmitReply> done) { coordinator->Submit(request, std::move(done)); })
        .status();
  }
  Result<TxnView> Get(const std::string& gid) {
    return Ask<TxnView>(
        [&](Callback<TxnView> done) { coordinator->Get(Gid(gid), std::nullopt, std::move(done)); });
  }

 private:
  std::promise<Status> ended_;

 public:
  std::unique_ptr<LocalCoordinator> coordinator;
};

TEST_CASE("clients are answered while open transactions are read back") {
  const auto store = std::make_shared<storage::MemoryStore>();
  {
    SlowJournal journal(store);
    journal.Open();
    Starting process(journal);
    REQUIRE(process.AwaitRecovery().ok());
    REQUIRE(process.Submit("t1").ok());
  }
  SlowJournal journal(store);
  Starting process(journal);
  CHECK_FALSE(process.coordinator->GetHealth().ready);
  CHECK(process.coordinator->GetHealth().reason.starts_with("recovering"));
  CHECK(process.Submit("t2").reason() == "coordinator.recovering");
  CHECK(process.Get("t1").ok());
  CHECK(process.Get("t2").status().reason() == "transaction.not_found");
  OperatorRequest pause;
  pause.gid = Gid("t1");
  pause.verb = OperatorRequest::Verb::kPause;
  CHECK(Ask<TxnView>(
            [&](Callback<TxnView> done) { process.coordinator->Operate(pause, std::move(done)); })
            .status()
            .code() == StatusCode::kUnavailable);
  journal.Open();
  REQUIRE(process.AwaitRecovery().ok());
  CHECK(process.coordinator->GetHealth().ready);
  CHECK(process.coordinator->GetHealth().open == 1);
  CHECK(process.Submit("t2").ok());
}

TEST_CASE("a coordinator that can not read its transactions says why") {
  SlowJournal journal;
  journal.fails = true;
  Starting process(journal);
  journal.Open();
  CHECK(process.AwaitRecovery().reason() == "store.corrupt");
  CHECK_FALSE(process.coordinator->GetHealth().ready);
}

TEST_CASE("a coordinator can be stopped while it reads") {
  SlowJournal journal;
  Starting process(journal);
  process.coordinator->Drain(std::chrono::seconds(0));
  journal.Open();
  process.coordinator->Stop();
}

TEST_CASE("a definition that comes with a refused transaction is not stored") {
  SlowJournal journal;
  journal.Open();
  Starting process(journal, /*max_open=*/1);
  REQUIRE(process.AwaitRecovery().ok());
  std::vector<std::string> refused;
  for (int i = 0; i < 8; ++i) {
    const std::string gid = "t" + std::to_string(i);
    if (!process.Submit(gid, "name-" + gid).ok()) {
      refused.push_back(gid);
    }
  }
  REQUIRE_FALSE(refused.empty());
  const auto stored = journal.ListDefinitions(std::nullopt);
  REQUIRE(stored.ok());
  CHECK(stored->size() == 8 - refused.size());
}

TEST_CASE("the limit of open transactions is that of all workers together, whoever comes first") {
  const size_t max_open = GENERATE(1, 3, 8);
  storage::MemoryJournal journal(std::make_shared<storage::MemoryStore>());
  Starting process(journal, max_open, /*workers=*/4);
  REQUIRE(process.AwaitRecovery().ok());
  std::vector<std::future<Status>> submits;
  for (size_t i = 0; i < 4 * max_open; ++i) {
    submits.push_back(std::async(
        std::launch::async, [&process, i] { return process.Submit("t" + std::to_string(i)); }));
  }
  size_t accepted = 0;
  for (std::future<Status>& submit : submits) {
    const Status status = submit.get();
    accepted += status.ok() ? 1 : 0;
    CHECK((status.ok() || status.reason() == "coordinator.too_many_open"));
  }
  CHECK(accepted <= max_open);
  // Who met others at the last place may have been refused with them.
  for (int i = 0; accepted < max_open; ++i) {
    const Status status = process.Submit("late" + std::to_string(i));
    REQUIRE(status.ok());
    ++accepted;
  }
  CHECK(process.Submit("more").reason() == "coordinator.too_many_open");
}

}  // namespace
}  // namespace entente::runtime
