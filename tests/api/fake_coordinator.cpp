#include "tests/api/fake_coordinator.h"

#include <utility>

#include "tests/api/fixtures.h"

namespace entente::api::test {

class FakeCoordinator::Registration final : public runtime::Subscription {
 public:
  Registration(FakeCoordinator& owner, uint64_t id) : owner_(owner), id_(id) {}
  ~Registration() override {
    const std::lock_guard lock(owner_.sinks_mutex_);
    owner_.sinks_.erase(id_);
  }

 private:
  FakeCoordinator& owner_;
  uint64_t id_;
};

FakeCoordinator::FakeCoordinator() {
  view_ = CommittedStory().View();
  history_ = CommittedStory().History();
  health_.ready = true;
}

void FakeCoordinator::AnswerWithView(runtime::TxnView view, bool created) {
  const std::lock_guard lock(mutex_);
  view_ = std::move(view);
  created_ = created;
}

void FakeCoordinator::AnswerWithFailure(Status status, std::vector<dsl::Problem> problems) {
  const std::lock_guard lock(mutex_);
  failure_ = std::move(status);
  problems_ = std::move(problems);
}

void FakeCoordinator::AnswerWithHistory(runtime::History history) {
  const std::lock_guard lock(mutex_);
  history_ = std::move(history);
}

void FakeCoordinator::SetHealth(runtime::Health health) {
  const std::lock_guard lock(mutex_);
  health_ = std::move(health);
}

void FakeCoordinator::HoldHistory() {
  const std::lock_guard lock(mutex_);
  hold_history_ = true;
}

std::vector<runtime::Callback<runtime::History>> FakeCoordinator::TakeHeld() {
  const std::lock_guard lock(mutex_);
  return std::exchange(held_, {});
}

Result<runtime::History> FakeCoordinator::HistoryAnswer() {
  const std::lock_guard lock(mutex_);
  return Either(history_);
}

void FakeCoordinator::Publish(const runtime::TxnEvent& event) {
  const auto shared = std::make_shared<const runtime::SharedEvent>(runtime::SharedEvent{event});
  const std::lock_guard lock(sinks_mutex_);
  for (const auto& [id, sink] : sinks_) {
    if (!sink.gid || *sink.gid == event.gid) {
      sink.deliver(shared);
    }
  }
}

size_t FakeCoordinator::subscriptions() {
  const std::lock_guard lock(sinks_mutex_);
  return sinks_.size();
}

std::optional<runtime::SubmitRequest> FakeCoordinator::last_submit() {
  const std::lock_guard lock(mutex_);
  return last_submit_;
}

std::optional<runtime::OperatorRequest> FakeCoordinator::last_operate() {
  const std::lock_guard lock(mutex_);
  return last_operate_;
}

std::optional<storage::Filter> FakeCoordinator::last_filter() {
  const std::lock_guard lock(mutex_);
  return last_filter_;
}

storage::Page FakeCoordinator::last_page() {
  const std::lock_guard lock(mutex_);
  return last_page_;
}

std::string FakeCoordinator::last_text() {
  const std::lock_guard lock(mutex_);
  return last_text_;
}

std::optional<Duration> FakeCoordinator::last_wait() {
  const std::lock_guard lock(mutex_);
  return last_wait_;
}

std::optional<std::variant<engine::ReplyDone, engine::ReplyRefused>>
FakeCoordinator::last_outcome() {
  const std::lock_guard lock(mutex_);
  return last_outcome_;
}

std::optional<runtime::BeginRequest> FakeCoordinator::last_begin() {
  const std::lock_guard lock(mutex_);
  return last_begin_;
}

size_t FakeCoordinator::mutations() {
  const std::lock_guard lock(mutex_);
  return mutations_;
}

void FakeCoordinator::Submit(runtime::SubmitRequest request,
                             runtime::Callback<runtime::SubmitReply> done) {
  std::unique_lock lock(mutex_);
  ++mutations_;
  last_submit_ = std::move(request);
  const Result<runtime::SubmitReply> answer = Either(runtime::SubmitReply{view_, created_});
  lock.unlock();
  done(answer);
}

void FakeCoordinator::Begin(runtime::BeginRequest request,
                            runtime::Callback<runtime::SubmitReply> done) {
  std::unique_lock lock(mutex_);
  ++mutations_;
  last_begin_ = std::move(request);
  const Result<runtime::SubmitReply> answer = Either(runtime::SubmitReply{view_, created_});
  lock.unlock();
  done(answer);
}

void FakeCoordinator::Enlist(
    const Gid& gid, std::string branch,
    std::function<void(Result<runtime::EnlistReply>, std::vector<dsl::Problem>)> done) {
  std::unique_lock lock(mutex_);
  ++mutations_;
  last_text_ = gid.str() + '|' + branch;
  const Result<runtime::EnlistReply> answer = Either(runtime::EnlistReply{view_, created_});
  const std::vector<dsl::Problem> problems = problems_;
  lock.unlock();
  done(answer, problems);
}

void FakeCoordinator::Commit(const Gid& gid, std::optional<runtime::Wait> wait,
                             runtime::Callback<runtime::TxnView> done) {
  std::unique_lock lock(mutex_);
  ++mutations_;
  last_text_ = gid.str() + "|commit";
  last_wait_ = wait ? std::optional(wait->at_most) : std::nullopt;
  const Result<runtime::TxnView> answer = Either(view_);
  lock.unlock();
  done(answer);
}

void FakeCoordinator::Abort(const Gid& gid, engine::Actor actor, std::optional<runtime::Wait> wait,
                            runtime::Callback<runtime::TxnView> done) {
  std::unique_lock lock(mutex_);
  ++mutations_;
  last_text_ = gid.str() + "|abort|" + actor.name + '|' + actor.reason;
  last_wait_ = wait ? std::optional(wait->at_most) : std::nullopt;
  const Result<runtime::TxnView> answer = Either(view_);
  lock.unlock();
  done(answer);
}

void FakeCoordinator::Get(const Gid& gid, std::optional<runtime::Wait> wait,
                          runtime::Callback<runtime::TxnView> done) {
  std::unique_lock lock(mutex_);
  last_text_ = gid.str();
  last_wait_ = wait ? std::optional(wait->at_most) : std::nullopt;
  const Result<runtime::TxnView> answer = Either(view_);
  const bool hold = hold_waits_ && wait && wait->hangup != nullptr;
  lock.unlock();
  if (hold) {
    wait->hangup->OnHappened([done, answer] { done(answer); });
  } else {
    done(answer);
  }
}

void FakeCoordinator::HoldWaits() {
  const std::lock_guard lock(mutex_);
  hold_waits_ = true;
}

void FakeCoordinator::GetHistory(const Gid& gid, runtime::Callback<runtime::History> done) {
  std::unique_lock lock(mutex_);
  last_text_ = gid.str();
  if (hold_history_) {
    held_.push_back(std::move(done));
    return;
  }
  const Result<runtime::History> answer = Either(history_);
  lock.unlock();
  done(answer);
}

void FakeCoordinator::List(storage::Filter filter, storage::Page page,
                           runtime::Callback<storage::SummaryPage> done) {
  std::unique_lock lock(mutex_);
  last_filter_ = std::move(filter);
  last_page_ = std::move(page);
  const Result<storage::SummaryPage> answer = Either(SomeSummaries());
  lock.unlock();
  done(answer);
}

void FakeCoordinator::Operate(runtime::OperatorRequest request,
                              runtime::Callback<runtime::TxnView> done) {
  std::unique_lock lock(mutex_);
  ++mutations_;
  last_operate_ = std::move(request);
  const Result<runtime::TxnView> answer = Either(view_);
  lock.unlock();
  done(answer);
}

void FakeCoordinator::Signal(const Gid& gid, runtime::SignalRequest request,
                             runtime::Callback<runtime::TxnView> done) {
  std::unique_lock lock(mutex_);
  ++mutations_;
  last_text_ = gid.str() + "|" + request.name + "|" + request.payload.text() +
               (request.id.empty() ? "" : "|" + request.id);
  const Result<runtime::TxnView> answer = Either(view_);
  lock.unlock();
  done(answer);
}

void FakeCoordinator::Complete(std::string token,
                               std::variant<engine::ReplyDone, engine::ReplyRefused> outcome,
                               runtime::Callback<runtime::TxnView> done) {
  std::unique_lock lock(mutex_);
  ++mutations_;
  last_text_ = std::move(token);
  last_outcome_ = std::move(outcome);
  const Result<runtime::TxnView> answer = Either(view_);
  lock.unlock();
  done(answer);
}

void FakeCoordinator::PutDefinition(
    std::string name, std::string source,
    std::function<void(Result<storage::DefinitionRow>, std::vector<dsl::Problem>)> done) {
  std::unique_lock lock(mutex_);
  ++mutations_;
  last_text_ = name + "|" + source;
  const Result<storage::DefinitionRow> answer = Either(SomeDefinition());
  std::vector<dsl::Problem> problems = problems_;
  lock.unlock();
  done(answer, std::move(problems));
}

void FakeCoordinator::ValidateDefinition(std::string source,
                                         std::function<void(std::vector<dsl::Problem>)> done) {
  std::unique_lock lock(mutex_);
  last_text_ = std::move(source);
  std::vector<dsl::Problem> problems = problems_;
  lock.unlock();
  done(std::move(problems));
}

void FakeCoordinator::GetDefinition(std::string name, std::optional<uint32_t> version,
                                    runtime::Callback<storage::DefinitionRow> done) {
  std::unique_lock lock(mutex_);
  last_text_ = name + "|" + (version ? std::to_string(*version) : "newest");
  const Result<storage::DefinitionRow> answer = Either(SomeDefinition());
  lock.unlock();
  done(answer);
}

void FakeCoordinator::ListDefinitions(std::optional<std::string> name,
                                      runtime::Callback<std::vector<storage::DefinitionRow>> done) {
  std::unique_lock lock(mutex_);
  last_text_ = name.value_or("all");
  const Result<std::vector<storage::DefinitionRow>> answer =
      Either(std::vector<storage::DefinitionRow>{SomeDefinition()});
  lock.unlock();
  done(answer);
}

std::unique_ptr<runtime::Subscription> FakeCoordinator::Subscribe(std::optional<Gid> gid,
                                                                  runtime::EventSink sink) {
  const std::lock_guard lock(sinks_mutex_);
  const uint64_t id = next_sink_++;
  sinks_.emplace(id, Sink{std::move(gid), std::move(sink)});
  return std::make_unique<Registration>(*this, id);
}

std::vector<runtime::ParticipantStats> FakeCoordinator::Participants() {
  return SomeParticipants();
}

runtime::Health FakeCoordinator::GetHealth() {
  const std::lock_guard lock(mutex_);
  return health_;
}

runtime::Metrics FakeCoordinator::GetMetrics() {
  runtime::Metrics metrics;
  metrics.accepted = 5;
  metrics.committed = 3;
  metrics.aborted = 1;
  return metrics;
}

}  // namespace entente::api::test
