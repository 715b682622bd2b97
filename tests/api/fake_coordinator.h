// A Coordinator that answers what a test told it to, at once, and remembers what it was asked.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "runtime/coordinator.h"

namespace entente::api::test {

// Thread-safe: tests look at it while servers call it.
class FakeCoordinator : public runtime::Coordinator {
 public:
  FakeCoordinator();

  [[nodiscard]] const std::string& id() const override { return id_; }

  // What the methods answer from now on. The view is that of every method that returns one.
  void AnswerWithView(runtime::TxnView view, bool created = true);
  void AnswerWithFailure(Status status, std::vector<dsl::Problem> problems = {});
  void AnswerWithHistory(runtime::History history);
  void SetHealth(runtime::Health health);
  // GetHistory keeps its callbacks until Release.
  void HoldHistory();
  // Get with a wait answers when its client hangs up, and never else.
  void HoldWaits();
  // The callbacks that were held; each is to be called with the answer on the thread it belongs to.
  [[nodiscard]] std::vector<runtime::Callback<runtime::History>> TakeHeld();
  [[nodiscard]] Result<runtime::History> HistoryAnswer();

  // Tells every subscriber, with a lock held that Subscription's end also takes, as the runtime
  // does.
  void Publish(const runtime::TxnEvent& event);
  [[nodiscard]] size_t subscriptions();

  // What was asked last.
  [[nodiscard]] std::optional<runtime::SubmitRequest> last_submit();
  [[nodiscard]] std::optional<runtime::BeginRequest> last_begin();
  [[nodiscard]] std::optional<runtime::OperatorRequest> last_operate();
  [[nodiscard]] std::optional<storage::Filter> last_filter();
  [[nodiscard]] storage::Page last_page();
  [[nodiscard]] std::string last_text();  // Gids, names, tokens and payloads, joined by '|'.
  [[nodiscard]] std::optional<Duration> last_wait();
  [[nodiscard]] std::optional<std::variant<engine::ReplyDone, engine::ReplyRefused>> last_outcome();
  // How many calls could have changed something.
  [[nodiscard]] size_t mutations();

  void Submit(runtime::SubmitRequest request,
              runtime::Callback<runtime::SubmitReply> done) override;
  void Begin(runtime::BeginRequest request, runtime::Callback<runtime::SubmitReply> done) override;
  void Enlist(
      const Gid& gid, std::string branch,
      std::function<void(Result<runtime::EnlistReply>, std::vector<dsl::Problem>)> done) override;
  void Commit(const Gid& gid, std::optional<runtime::Wait> wait,
              runtime::Callback<runtime::TxnView> done) override;
  void Abort(const Gid& gid, engine::Actor actor, std::optional<runtime::Wait> wait,
             runtime::Callback<runtime::TxnView> done) override;
  void Get(const Gid& gid, std::optional<runtime::Wait> wait,
           runtime::Callback<runtime::TxnView> done) override;
  void GetHistory(const Gid& gid, runtime::Callback<runtime::History> done) override;
  void List(storage::Filter filter, storage::Page page,
            runtime::Callback<storage::SummaryPage> done) override;
  void Operate(runtime::OperatorRequest request, runtime::Callback<runtime::TxnView> done) override;
  void Signal(const Gid& gid, runtime::SignalRequest request,
              runtime::Callback<runtime::TxnView> done) override;
  void Complete(std::string token, std::variant<engine::ReplyDone, engine::ReplyRefused> outcome,
                runtime::Callback<runtime::TxnView> done) override;
  void PutDefinition(
      std::string name, std::string source,
      std::function<void(Result<storage::DefinitionRow>, std::vector<dsl::Problem>)> done) override;
  void ValidateDefinition(std::string source,
                          std::function<void(std::vector<dsl::Problem>)> done) override;
  void GetDefinition(std::string name, std::optional<uint32_t> version,
                     runtime::Callback<storage::DefinitionRow> done) override;
  void ListDefinitions(std::optional<std::string> name,
                       runtime::Callback<std::vector<storage::DefinitionRow>> done) override;
  [[nodiscard]] std::unique_ptr<runtime::Subscription> Subscribe(std::optional<Gid> gid,
                                                                 runtime::EventSink sink) override;
  // A token of the fake is "token-of-<gid>".
  [[nodiscard]] std::optional<Gid> TransactionOf(const std::string& token) override {
    constexpr std::string_view kOf = "token-of-";
    return token.starts_with(kOf) ? std::optional(Gid(token.substr(kOf.size()))) : std::nullopt;
  }
  void Offload(std::function<void()> work, std::function<void()> done) override {
    work();
    done();
  }
  [[nodiscard]] std::vector<runtime::ParticipantStats> Participants() override;
  [[nodiscard]] runtime::Health GetHealth() override;
  [[nodiscard]] runtime::Metrics GetMetrics() override;

 private:
  struct Sink {
    std::optional<Gid> gid;
    runtime::EventSink deliver;
  };
  class Registration;

  template <class T>
  Result<T> Either(T value) {
    return failure_.ok() ? Result<T>(std::move(value)) : Result<T>(failure_);
  }

  std::mutex mutex_;
  runtime::TxnView view_;
  bool created_ = true;
  Status failure_;
  std::vector<dsl::Problem> problems_;
  runtime::History history_;
  bool hold_history_ = false;
  bool hold_waits_ = false;
  std::vector<runtime::Callback<runtime::History>> held_;
  runtime::Health health_;
  std::optional<runtime::SubmitRequest> last_submit_;
  std::optional<runtime::BeginRequest> last_begin_;
  std::optional<runtime::OperatorRequest> last_operate_;
  std::optional<storage::Filter> last_filter_;
  storage::Page last_page_;
  std::string last_text_;
  std::optional<Duration> last_wait_;
  std::optional<std::variant<engine::ReplyDone, engine::ReplyRefused>> last_outcome_;
  size_t mutations_ = 0;

  std::mutex sinks_mutex_;
  std::map<uint64_t, Sink> sinks_;
  uint64_t next_sink_ = 1;
  const std::string id_ = "00112233445566ff";
};

}  // namespace entente::api::test
