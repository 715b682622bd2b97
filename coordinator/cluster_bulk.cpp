#include "coordinator/cluster_bulk.h"

#include <utility>

#include <pthread.h>

namespace entente::coordinator {
namespace {

using api::BulkAction;
using api::BulkCall;

const ShardId kBulkShard(0);
constexpr auto kLookInterval = std::chrono::milliseconds(500);

Status NotHere() {
  return Unavailable("shard.lost",
                     "the bulk actions are on their way to another node: try again shortly");
}

// Answers that they are not here, unless something else has been answered by its end: what is asked
// of actions that end is never answered by them.
class Promise {
 public:
  explicit Promise(api::BulkDone done) : done_(std::move(done)) {}
  ~Promise() { Keep(NotHere()); }
  Promise(const Promise&) = delete;
  Promise& operator=(const Promise&) = delete;

  void Keep(Result<std::vector<BulkAction>> result) {
    if (const auto done = std::exchange(done_, nullptr)) {
      done(std::move(result));
    }
  }

 private:
  api::BulkDone done_;
};

Result<BulkCall> CallOf(const cluster::pb::Bulk& asked) {
  BulkCall call;
  call.id = asked.id();
  switch (asked.verb()) {
    case cluster::pb::Bulk::LIST: call.verb = BulkCall::Verb::kList; break;
    case cluster::pb::Bulk::GET: call.verb = BulkCall::Verb::kGet; break;
    case cluster::pb::Bulk::STOP: call.verb = BulkCall::Verb::kStop; break;
    case cluster::pb::Bulk::BEGIN: call.verb = BulkCall::Verb::kBegin; break;
    case cluster::pb::Bulk::PREVIEW: call.verb = BulkCall::Verb::kPreview; break;
    default: return FailedPrecondition("cluster.unknown_message", "an unknown bulk verb");
  }
  if (call.verb == BulkCall::Verb::kBegin || call.verb == BulkCall::Verb::kPreview) {
    ENTENTE_ASSIGN_OR_RETURN(BulkAction action, api::DecodeBulk(asked.action()));
    call.request = std::move(action.request);
  }
  return call;
}

cluster::pb::Bulk Asked(const BulkCall& call) {
  cluster::pb::Bulk asked;
  asked.set_id(call.id);
  switch (call.verb) {
    case BulkCall::Verb::kList: asked.set_verb(cluster::pb::Bulk::LIST); break;
    case BulkCall::Verb::kGet: asked.set_verb(cluster::pb::Bulk::GET); break;
    case BulkCall::Verb::kStop: asked.set_verb(cluster::pb::Bulk::STOP); break;
    case BulkCall::Verb::kBegin: asked.set_verb(cluster::pb::Bulk::BEGIN); break;
    case BulkCall::Verb::kPreview: asked.set_verb(cluster::pb::Bulk::PREVIEW); break;
  }
  if (call.request) {
    BulkAction action;
    action.request = *call.request;
    asked.set_action(api::EncodeBulk(action));
  }
  return asked;
}

cluster::pb::Answer AnswerOf(const Result<std::vector<BulkAction>>& result) {
  cluster::pb::Answer answer;
  if (!result.ok()) {
    cluster::SetStatus(result.status(), answer);
    return answer;
  }
  for (const BulkAction& action : *result) {
    answer.add_actions(api::EncodeBulk(action));
  }
  return answer;
}

Result<std::vector<BulkAction>> ActionsOf(const cluster::pb::Answer& answer) {
  std::vector<BulkAction> actions;
  for (const std::string& text : answer.actions()) {
    ENTENTE_ASSIGN_OR_RETURN(BulkAction action, api::DecodeBulk(text));
    actions.push_back(std::move(action));
  }
  return actions;
}

}  // namespace

ClusterBulk::ClusterBulk(runtime::LocalCoordinator& local, cluster::ClusterCoordinator& cluster,
                         storage::Journal& journal, api::BulkOptions options)
    : local_(local), cluster_(cluster), journal_(journal), options_([&] {
        options.is_ours = [&local] { return local.Serves(kBulkShard); };
        return std::move(options);
      }()) {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "bulk");
    Run();
  });
}

ClusterBulk::~ClusterBulk() {
  End();
}

void ClusterBulk::End() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) {
    thread_.join();
  }
}

void ClusterBulk::Run() {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    const bool ours = local_.Serves(kBulkShard);
    if (ours && actions_ == nullptr) {
      lock.unlock();
      auto actions = std::make_shared<api::BulkActions>(cluster_, journal_, options_);
      const bool started = actions->Start().ok();
      lock.lock();
      actions_ = started ? std::move(actions) : nullptr;
    } else if (!ours && actions_ != nullptr) {
      const auto gone = std::exchange(actions_, nullptr);
      lock.unlock();
      gone->End();
      lock.lock();
    }
    wake_.wait_for(lock, kLookInterval, [this] { return ending_; });
  }
  const auto gone = std::exchange(actions_, nullptr);
  lock.unlock();
  if (gone != nullptr) {
    gone->End();
  }
}

void ClusterBulk::Handle(BulkCall call, api::BulkDone done) {
  const cluster::pb::Bulk asked = Asked(call);
  cluster::pb::Ask ask;
  *ask.mutable_bulk() = asked;
  cluster_.AskOwner(
      kBulkShard, std::move(ask),
      [this, asked](std::function<void(cluster::pb::Answer)> answer) {
        Answer(asked, std::move(answer));
      },
      [done = std::move(done)](const Result<cluster::pb::Answer>& answer) {
        answer.ok() ? done(ActionsOf(*answer)) : done(answer.status());
      });
}

void ClusterBulk::Answer(const cluster::pb::Bulk& asked,
                         std::function<void(cluster::pb::Answer)> done) {
  const auto promise = std::make_shared<Promise>(
      [done = std::move(done)](Result<std::vector<BulkAction>> result) { done(AnswerOf(result)); });
  std::shared_ptr<api::BulkActions> actions;
  {
    const std::lock_guard lock(mutex_);
    actions = actions_;
  }
  auto call = CallOf(asked);
  if (!call.ok()) {
    promise->Keep(call.status());
  } else if (actions != nullptr) {
    // Kept until it has answered, or ended without an answer.
    actions->Handle(std::move(*call), [promise, actions](Result<std::vector<BulkAction>> result) {
      promise->Keep(std::move(result));
    });
  }
}

}  // namespace entente::coordinator
