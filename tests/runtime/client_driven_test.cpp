// Transactions that a client drives, through the coordinator and over a restart.
#include <future>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "engine/sensitive.h"
#include "runtime/node/local_coordinator.h"
#include "storage/memory/memory_journal.h"
#include "tests/runtime/ask.h"

namespace entente::runtime {
namespace {

using engine::Mode;
using engine::TxnStatus;

// Participants that do whatever they are asked, and answer with the headers that they got.
class Obliging final : public ParticipantCaller {
 public:
  explicit Obliging(Worker& worker) : worker_(worker) {}
  void Call(const CallContext& /*context*/, engine::CallBranch call, ReplyCallback done) override {
    Json headers = Json::object();
    for (const auto& [name, value] : std::get<engine::RenderedHttp>(call.request).headers) {
      headers[name] = value;
    }
    worker_.Post([done = std::move(done), headers = JsonText(headers)] {
      done(engine::ReplyDone{.output = headers});
    });
  }
  void Poll(const CallContext& /*context*/, engine::PollBranch /*poll*/,
            ReplyCallback done) override {
    worker_.Post([done = std::move(done)] { done(engine::ReplyDone{}); });
  }

 private:
  Worker& worker_;
};

// One process after another over one store.
class Process {
 public:
  explicit Process(const std::shared_ptr<storage::MemoryStore>& store) : journal_(store) {
    auto started = LocalCoordinator::Start(
        {}, journal_,
        [](Worker& worker, const CompletionTokens&) { return std::make_unique<Obliging>(worker); },
        [] { return std::vector<ParticipantStats>(); });
    REQUIRE(started.ok());
    coordinator_ = std::move(started).value();
  }
  ~Process() { coordinator_->Stop(); }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  Result<SubmitReply> Begin(const std::string& gid, Mode mode,
                            std::optional<Duration> limit = std::nullopt) {
    BeginRequest request;
    request.gid = Gid(gid);
    request.mode = mode;
    request.time_limit = limit;
    return Ask<SubmitReply>(
        [&](Callback<SubmitReply> done) { coordinator_->Begin(request, std::move(done)); });
  }
  Result<EnlistReply> Enlist(const std::string& gid, const std::string& branch) {
    return Ask<EnlistReply>([&](Callback<EnlistReply> done) {
      coordinator_->Enlist(Gid(gid), branch,
                           [this, done](Result<EnlistReply> reply, std::vector<dsl::Problem> all) {
                             problems_ = std::move(all);
                             done(std::move(reply));
                           });
    });
  }
  Result<TxnView> Commit(const std::string& gid) {
    return Ask<TxnView>([&](Callback<TxnView> done) {
      coordinator_->Commit(Gid(gid), std::chrono::seconds(60), std::move(done));
    });
  }
  Result<TxnView> Abort(const std::string& gid) {
    return Ask<TxnView>([&](Callback<TxnView> done) {
      coordinator_->Abort(Gid(gid), {"ann", "no"}, std::chrono::seconds(60), std::move(done));
    });
  }
  Result<TxnView> Get(const std::string& gid) {
    return Ask<TxnView>([&](Callback<TxnView> done) {
      coordinator_->Get(Gid(gid), std::nullopt, std::move(done));
    });
  }
  [[nodiscard]] std::unique_ptr<Subscription> Subscribe(EventSink sink) {
    return coordinator_->Subscribe(std::nullopt, std::move(sink));
  }
  [[nodiscard]] const std::vector<dsl::Problem>& problems() const { return problems_; }

 private:
  std::vector<dsl::Problem> problems_;
  std::unique_ptr<LocalCoordinator> coordinator_;
  // Ends first: it still tells the coordinator of what was handed in.
  storage::MemoryJournal journal_;
};

const std::string kTccBranch =
    R"({"id": "flight", "participant": {"http": "http://127.0.0.1:1"},
        "confirm": {"post": "/${key}"}, "cancel": {"delete": "/${key}"}})";
const std::string kSameBranch =
    R"({"cancel": {"delete": "/${key}"}, "participant": {"http": "http://127.0.0.1:1"},
        "confirm": {"post": "/${key}"}, "id": "flight"})";
const std::string kOtherBranch =
    R"({"id": "flight", "participant": {"http": "http://127.0.0.1:1"}, "confirm": null,
        "cancel": null})";

}  // namespace

TEST_CASE("whatever a client says twice changes nothing the second time") {
  Process process(std::make_shared<storage::MemoryStore>());
  CHECK(process.Begin("t1", Mode::kTcc)->created);
  CHECK_FALSE(process.Begin("t1", Mode::kTcc)->created);
  CHECK(process.Begin("t1", Mode::kTwoPhaseCommit).status().reason() ==
        "transaction.content_differs");
  CHECK(process.Enlist("t1", kTccBranch)->created);
  CHECK_FALSE(process.Enlist("t1", kSameBranch)->created);
  CHECK(process.Enlist("t1", kOtherBranch).status().reason() == "branch.content_differs");

  const auto committed = process.Commit("t1");
  CHECK(committed->state->status == TxnStatus::kCommitted);
  CHECK(process.Commit("t1")->state->revision == committed->state->revision);
  CHECK(process.Abort("t1").status().reason() == "transaction.finished");
  CHECK(process.Enlist("t1", kTccBranch).status().reason() == "transaction.finished");
  CHECK(engine::OutcomeOf(*process.Get("t1")->state) == "committed");
}

TEST_CASE("an abort is as final as a commit") {
  Process process(std::make_shared<storage::MemoryStore>());
  REQUIRE(process.Begin("t1", Mode::kSaga).ok());
  CHECK(process.Abort("t1")->state->status == TxnStatus::kAborted);
  CHECK(process.Abort("t1")->state->status == TxnStatus::kAborted);
  CHECK(process.Commit("t1").status().reason() == "transaction.aborted");
  CHECK(engine::OutcomeOf(*process.Get("t1")->state) == "aborted");
}

TEST_CASE("what was enlisted is known after a restart") {
  const auto store = std::make_shared<storage::MemoryStore>();
  {
    Process process(store);
    REQUIRE(process.Begin("t1", Mode::kTcc).ok());
    REQUIRE(process.Enlist("t1", kTccBranch).ok());
  }
  {
    Process process(store);
    CHECK_FALSE(process.Enlist("t1", kSameBranch)->created);
    const auto committed = process.Commit("t1");
    CHECK(committed->state->status == TxnStatus::kCommitted);
    CHECK(committed->state->steps.at(0).branches.at(0).phase == engine::BranchPhase::kFinished);
  }
  Process process(store);
  CHECK(process.Commit("t1")->state->status == TxnStatus::kCommitted);
  CHECK(process.Get("t1")->plan->steps.at(0).id == "flight");
}

TEST_CASE("what can not be is refused with its reason") {
  Process process(std::make_shared<storage::MemoryStore>());
  CHECK(process.Commit("nobody").status().reason() == "transaction.not_found");
  CHECK(process.Enlist("nobody", kTccBranch).status().reason() == "transaction.not_found");
  CHECK(process.Begin("t1", Mode::kTcc, std::chrono::hours(25)).status().reason() ==
        "transaction.bad_time_limit");
  CHECK(process.Begin("a b", Mode::kTcc).status().reason() == "gid.invalid");
  REQUIRE(process.Begin("t1", Mode::kTwoPhaseCommit).ok());
  CHECK(process.Enlist("t1", kTccBranch).status().reason() == "branch.invalid");
  CHECK(process.problems().size() == 5);
}

TEST_CASE("a watcher is not shown the headers of a branch that was enlisted while it watched") {
  // What the branches' participants were sent, as it is shown.
  std::map<std::string, Json> shown;
  std::promise<void> ended;
  Process process(std::make_shared<storage::MemoryStore>());
  const auto watching = process.Subscribe([&](const SharedEventPtr& event) {
    const engine::RecordBody& body = event->event.entry.record.body;
    if (const auto* done = std::get_if<engine::OperationSucceeded>(&body)) {
      shown.emplace(done->branch.str(), done->output.Read());
    } else if (std::holds_alternative<engine::Ended>(body)) {
      ended.set_value();
    }
  });
  REQUIRE(process.Begin("t1", Mode::kTwoPhaseCommit).ok());
  for (const std::string branch : {"first", "second"}) {
    CHECK(process
              .Enlist("t1", R"({"id": ")" + branch + R"(", "participant": {
                  "http": "http://127.0.0.1:1", "sensitiveHeaders": ["x-key"]},
                "prepare": {"post": "/", "headers": {"x-key": "key-of-)" +
                                branch + R"("}},
                "commit": {"post": "/"}, "rollback": {"post": "/"}})")
              .ok());
  }
  REQUIRE(process.Commit("t1")->state->status == TxnStatus::kCommitted);
  ended.get_future().wait();
  CHECK(shown.at("first") == Json{{"x-key", engine::kSensitiveShown}});
  CHECK(shown.at("second") == Json{{"x-key", engine::kSensitiveShown}});
}

TEST_CASE("a time limit ends what its client forgot") {
  Process process(std::make_shared<storage::MemoryStore>());
  REQUIRE(process.Begin("t1", Mode::kTcc, std::chrono::milliseconds(1)).ok());
  const auto ended = process.Abort("t1");  // By whom does not matter: it waits for the end.
  REQUIRE(ended.ok());
  CHECK(ended->state->status == TxnStatus::kAborted);
}

}  // namespace entente::runtime
