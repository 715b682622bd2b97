#include "runtime/node/local_coordinator.h"

#include <algorithm>
#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>
#include <utility>

#include "base/limits.h"
#include "dsl/client_branches.h"
#include "runtime/digest.h"
#include "runtime/exceptions.h"
#include "runtime/node/lag_probe.h"
#include "runtime/node/pulse.h"
#include "runtime/shard/stored_view.h"
#include "runtime/wall_clock.h"

namespace entente::runtime {
namespace {

constexpr size_t kBlockingThreads = 2;
// What takes long to decide holds up what else does, and leaves the other processors to the rest.
constexpr size_t kComputingThreads = 1;
constexpr size_t kPurgeBatch = 500;
constexpr size_t kIdDigits = 16;
// A store that has not answered an append for this long gets no new transactions.
constexpr Duration kStoreStalled = std::chrono::seconds(5);
// So long after the last call that this machine could not make, health tells of it.
constexpr Duration kExhaustionShown = std::chrono::seconds(10);
// A store that failed so many times in a row does not merely stumble.
constexpr uint64_t kFailuresInRow = 3;

bool IsFailing(const storage::StoreHealth& store) {
  return !store.fatal.ok() || store.failed_writes_in_row >= kFailuresInRow ||
         store.failed_reads_in_row >= kFailuresInRow;
}

// Brings the answer back to the worker that asked, if one did. The answer of a transaction's turn
// leaves the process from within that turn.
template <class T>
Callback<T> ReturnTo(Worker* origin, Callback<T> done) {
  return [origin, done = std::move(done)](Result<T> result) {
    marks::LetOut();
    if (origin == nullptr || Worker::Current() == origin) {
      done(std::move(result));
      return;
    }
    auto held = std::make_shared<Result<T>>(std::move(result));
    origin->Post([done, held] { done(std::move(*held)); });
  };
}

Wait Bounded(Wait wait) {
  wait.at_most = std::min(wait.at_most, limits::kMaxWait);
  return wait;
}

// What throws fails with what it threw.
template <class T, class Work>
Result<T> Caught(const Work& work) {
  try {
    return work();
  } catch (...) {
    return DescribeException();
  }
}

Status CheckLabels(const storage::Labels& labels) {
  if (labels.size() > limits::kMaxLabels) {
    return InvalidArgument("labels.too_many", "a transaction may have at most " +
                                                  std::to_string(limits::kMaxLabels) + " labels");
  }
  for (const auto& [key, value] : labels) {
    if (key.empty() || key.size() > limits::kMaxLabelBytes ||
        value.size() > limits::kMaxLabelBytes) {
      return InvalidArgument("labels.too_long", "a label's key and value may have at most " +
                                                    std::to_string(limits::kMaxLabelBytes) +
                                                    " bytes, and the key at least one");
    }
    if (key.find('\0') != std::string::npos || value.find('\0') != std::string::npos) {
      return InvalidArgument("labels.bad_character",
                             "a label holds U+0000, which nothing could search for");
    }
    if (key.find('=') != std::string::npos) {
      return InvalidArgument("labels.bad_key",
                             "the label key '" + key +
                                 "' has a '=', which ends the key where labels are searched for");
    }
  }
  return {};
}

// Tells a resubmission of the same content from a conflict. Numbers are the same if they are
// written the same.
std::string RequestDigest(const SubmitRequest& request) {
  std::string content;
  const auto add = [&content](std::string_view name, const std::string& json) {
    content.append(content.empty() ? "{\"" : ",\"").append(name).append("\":").append(json);
  };
  // In the order of their names: the digests of stored transactions were made from such a document.
  if (request.deadline) {
    add("deadline", std::to_string(request.deadline->count()));
  }
  add("definition", DumpJson(request.definition));
  if (request.inline_definition) {
    add("inline", DumpJson(*request.inline_definition));
  }
  add("input", request.input.text());
  if (!request.labels.empty()) {
    Json labels = Json::object();
    for (const auto& [key, value] : request.labels) {
      labels[key] = value;
    }
    add("labels", DumpJson(labels));
  }
  if (request.version) {
    add("version", std::to_string(*request.version));
  }
  return Sha256Hex(content + '}').substr(0, 32);
}

// Tells a repeat of a signal from another one under the same id; empty without an id.
std::string SignalDigest(const SignalRequest& request) {
  return request.id.empty() ? std::string()
                            : Sha256Hex(request.name + '\n' + request.payload.text()).substr(0, 32);
}

}  // namespace

// Looks after the store: how it does, and what is to be purged. Another thread, which waits for
// nothing else, beats the pulse.
struct LocalCoordinator::Housekeeper {
  std::mutex mutex;
  std::condition_variable wake;
  bool stop = false;
  storage::StoreHealth store;  // At the latest look.
  std::thread thread;
  Pulse pulse{WallNow()};
  std::thread beat;
  std::unique_ptr<LagProbe> lag;  // Null: nobody measures.

  void Beat() {
    std::unique_lock lock(mutex);
    while (!wake.wait_for(lock, Pulse::kBeat, [this] { return stop; })) {
      pulse.Beat(WallNow());
      if (lag != nullptr) {
        lag->Ask();
      }
    }
  }
};

// Renews leases and takes shards. Apart from the housekeeper, which may be held up by a purge for
// longer than a lease lasts.
struct LocalCoordinator::LeaseKeeper {
  std::mutex mutex;
  std::condition_variable wake;
  bool woken = false;
  std::thread thread;
};

LocalCoordinator::LocalCoordinator(LocalCoordinatorOptions options, storage::Journal& journal,
                                   const std::string& secret, std::string id,
                                   ParticipantStatsSource participant_stats)
    : options_(std::move(options)),
      id_(std::move(id)),
      journal_(journal),
      definitions_(journal,
                   {options_.compile, options_.crash_marks, limits::kMaxCachedDefinitionBytes,
                    inline_bytes_limit(), Hmac(secret).Of("digests of definitions")}),
      memory_(options_.payload_memory),
      tokens_(secret),
      participant_stats_(std::move(participant_stats)),
      pool_(kBlockingThreads, options_.notices.defect),
      computing_(kComputingThreads, options_.notices.defect),
      watchers_(std::nullopt, pool_, options_.notices.defect),
      ownership_(journal, WallNow, MakeOwnershipEvents(),
                 dynamic_cast<storage::Membership*>(&journal)),
      housekeeper_(std::make_unique<Housekeeper>()),
      lease_keeper_(std::make_unique<LeaseKeeper>()),
      on_start_ended_(options_.on_recovered),
      loaders_(options_.workers, options_.notices.defect) {
  events_.NoteWith(options_.notices.transaction);
}

LocalCoordinator::~LocalCoordinator() {
  Stop();
}

Result<std::unique_ptr<LocalCoordinator>> LocalCoordinator::Start(
    LocalCoordinatorOptions options, storage::Journal& journal, const CallerFactory& make_caller,
    ParticipantStatsSource participant_stats) {
  ENTENTE_CHECK(options.workers > 0);
  ENTENTE_CHECK(options.workers <= kShardCount);
  ENTENTE_ASSIGN_OR_RETURN(
      const std::string secret,
      journal.GetOrPutSetting(storage::kCompletionSecretSetting, ToBase64Url(RandomBytes(32))));
  ENTENTE_ASSIGN_OR_RETURN(
      std::string id, journal.GetOrPutSetting(storage::kIdentitySetting,
                                              Sha256Hex(RandomBytes(32)).substr(0, kIdDigits)));
  std::unique_ptr<LocalCoordinator> coordinator(new LocalCoordinator(
      std::move(options), journal, secret, std::move(id), std::move(participant_stats)));
  // Shared: whoever waits may be gone before set_value returns.
  const auto recovered = std::make_shared<std::promise<Status>>();
  const bool waits = !coordinator->on_start_ended_;
  if (waits) {
    coordinator->on_start_ended_ = [recovered](const Status& status) {
      recovered->set_value(status);
    };
  }
  coordinator->MakeWorkers(make_caller);
  if (coordinator->options_.on_made) {
    coordinator->options_.on_made(*coordinator);
  }
  if (coordinator->options_.shared) {
    coordinator->ownership_.SetShare({}, {});
  } else {
    coordinator->share_known_ = true;
  }
  ENTENTE_RETURN_IF_ERROR(coordinator->ownership_.AcquireAll());
  for (const auto& worker : coordinator->workers_) {
    worker->Start();
  }
  coordinator->watchers_.Start();
  coordinator->EndStartIfSettled();
  coordinator->housekeeper_->thread = std::thread([raw = coordinator.get()] { raw->KeepHouse(); });
  coordinator->housekeeper_->beat =
      std::thread([raw = coordinator->housekeeper_.get()] { raw->Beat(); });
  coordinator->lease_keeper_->thread =
      std::thread([raw = coordinator.get()] { raw->KeepLeases(); });
  if (waits) {
    ENTENTE_RETURN_IF_ERROR(recovered->get_future().get());
  }
  return coordinator;
}

void LocalCoordinator::MakeWorkers(const CallerFactory& make_caller) {
  const auto places = std::make_shared<OpenPlaces>(options_.max_open);
  for (size_t i = 0; i < options_.workers; ++i) {
    workers_.push_back(std::make_unique<Worker>(i, pool_, options_.notices.defect, &computing_));
    callers_.push_back(make_caller(*workers_[i], tokens_));
    ShardOptions options;
    options.coordinator_id = id_;
    options.on_rolled_back = options_.notices.rolled_back;
    options.on_held_back = options_.notices.held_back;
    options.on_quarantined = options_.notices.quarantined;
    options.crash_marks = options_.crash_marks;
    options.memory = &memory_;
    options.recorder = options_.registry == nullptr ? nullptr : &options_.registry->RecorderOf(i);
    options.places = places;
    shards_.push_back(std::make_unique<WorkerShards>(
        std::move(options),
        WorkerShardsSurroundings{
            *workers_[i], journal_, *callers_[i], definitions_, events_,
            [this](std::function<void()> work) { loaders_.Run(std::move(work)); },
            [this](const Lease& lease) { OnServing(lease); },
            [this](const Lease& lease, const Status& why) { OnLost(lease, why); }}));
  }
  if (options_.registry != nullptr) {
    housekeeper_->lag = std::make_unique<LagProbe>(workers_, *options_.registry);
  }
}

OwnershipEvents LocalCoordinator::MakeOwnershipEvents() {
  OwnershipEvents events;
  events.start = [this](const LeasePtr& lease) { StartShard(lease); };
  events.drop = [this](const LeasePtr& lease, const Status& why) {
    if (options_.notices.shard_lost) {
      options_.notices.shard_lost(lease->shard(), why);
    }
    const size_t worker = Ownership::WorkerOf(lease->shard(), workers_.size());
    workers_[worker]->Post([this, worker, lease] { shards_[worker]->Drop(*lease); });
    EndStartIfSettled();
  };
  events.hand_over = [this](const LeasePtr& lease) {
    const size_t worker = Ownership::WorkerOf(lease->shard(), workers_.size());
    workers_[worker]->Post([this, worker, lease] {
      shards_[worker]->HandOver(*lease, [this, lease] { ownership_.OnHandedOver(*lease); });
    });
    EndStartIfSettled();
  };
  events.cut_short = [this](const LeasePtr& lease) {
    const size_t worker = Ownership::WorkerOf(lease->shard(), workers_.size());
    workers_[worker]->Post([this, worker, lease] {
      shards_[worker]->Drop(*lease);
      ownership_.OnHandedOver(*lease);
    });
  };
  events.released = [this] {
    if (options_.on_released) {
      options_.on_released();
    }
  };
  events.wake = [this] {
    {
      const std::lock_guard lock(lease_keeper_->mutex);
      lease_keeper_->woken = true;
    }
    lease_keeper_->wake.notify_all();
  };
  return events;
}

// Its transactions are read by a thread of the loaders: the workers answer clients meanwhile.
void LocalCoordinator::StartShard(const LeasePtr& lease) {
  const size_t worker = Ownership::WorkerOf(lease->shard(), workers_.size());
  workers_[worker]->Post([this, worker, lease] {
    if (!draining_) {
      shards_[worker]->Start(lease, [this] { return !stopping_ && !draining_; });
    }
  });
}

void LocalCoordinator::OnServing(const Lease& lease) {
  ownership_.OnServing(lease);
  EndStartIfSettled();
}

// On the worker that drove it.
void LocalCoordinator::OnLost(const Lease& lease, const Status& why) {
  if (why.code() == StatusCode::kDataLoss) {
    Fail(why);
    return;
  }
  const bool may_be_had_again = why.code() == StatusCode::kFenced ||
                                why.code() == StatusCode::kConflict ||
                                why.code() == StatusCode::kUnknownOutcome;
  if (!may_be_had_again && !start_ended_) {
    EndStart(why);  // A start that can not read its transactions says so and ends.
    return;
  }
  if (options_.notices.shard_lost) {
    options_.notices.shard_lost(lease.shard(), why);
  }
  ownership_.OnLost(lease);
  EndStartIfSettled();
}

void LocalCoordinator::EndStartIfSettled() {
  if (!start_ended_ && share_known_ && ownership_.IsSettled()) {
    EndStart(Status());
  }
}

void LocalCoordinator::SetShare(const ShardSet& share, const ShardSet& free) {
  ownership_.SetShare(share, free);
  share_known_ = true;
  EndStartIfSettled();
}

void LocalCoordinator::EndStart(const Status& status) {
  if (start_ended_.exchange(true)) {
    return;
  }
  ready_ = status.ok();
  failed_ = !status.ok();
  on_start_ended_(status);
}

// The process has to stop.
void LocalCoordinator::Fail(const Status& status) {
  if (!start_ended_) {
    EndStart(status);
  } else if (!failed_.exchange(true) && options_.on_fatal) {
    options_.on_fatal(status);
  }
}

void LocalCoordinator::Drain(Duration grace) {
  draining_ = true;
  std::vector<std::future<void>> drained;
  for (size_t i = 0; i < shards_.size(); ++i) {
    auto done = std::make_shared<std::promise<void>>();
    drained.push_back(done->get_future());
    workers_[i]->Post(
        [shards = shards_[i].get(), done] { shards->Drain([done] { done->set_value(); }); });
  }
  const auto deadline = std::chrono::steady_clock::now() + grace;
  for (auto& one : drained) {
    one.wait_until(deadline);
  }
}

void LocalCoordinator::Stop() {
  if (!stopping_ && options_.on_stopping) {
    options_.on_stopping();
  }
  stopping_ = true;
  loaders_.Join();
  {
    const std::lock_guard lock(housekeeper_->mutex);
    housekeeper_->stop = true;
  }
  housekeeper_->wake.notify_all();
  for (std::thread* thread : {&housekeeper_->thread, &housekeeper_->beat}) {
    if (thread->joinable()) {
      thread->join();
    }
  }
  {
    const std::lock_guard lock(lease_keeper_->mutex);
    lease_keeper_->woken = true;
  }
  lease_keeper_->wake.notify_all();
  if (lease_keeper_->thread.joinable()) {
    lease_keeper_->thread.join();
  }
  for (const auto& worker : workers_) {
    worker->Stop();
  }
  watchers_.Stop();
  // What it still does reads the journal, and ends at a worker: both may be destroyed before it.
  pool_.Join();
  computing_.Join();
  ownership_.ReleaseAll();
}

void LocalCoordinator::KeepLeases() {
  while (!stopping_) {
    const Result<Instant> next = ownership_.Keep();
    if (!next.ok()) {
      Fail(next.status());
      return;
    }
    EndStartIfSettled();  // A shard that could not be had is not waited for.
    std::unique_lock lock(lease_keeper_->mutex);
    lease_keeper_->wake.wait_for(lock, std::max(*next - WallNow(), Duration(0)),
                                 [this] { return lease_keeper_->woken; });
    lease_keeper_->woken = false;
  }
}

void LocalCoordinator::KeepHouse() {
  const Duration tick = std::min(options_.store_check_interval, options_.purge_interval);
  auto purge_at = std::chrono::steady_clock::now() + options_.purge_interval;
  std::unique_lock lock(housekeeper_->mutex);
  while (!housekeeper_->wake.wait_for(lock, tick, [this] { return housekeeper_->stop; })) {
    lock.unlock();
    CheckStore();
    if (std::chrono::steady_clock::now() >= purge_at) {
      Purge();
      purge_at = std::chrono::steady_clock::now() + options_.purge_interval;
    }
    lock.lock();
  }
}

void LocalCoordinator::CheckStore() {
  const storage::StoreHealth now = journal_.CheckHealth();
  storage::StoreHealth before = now;
  {
    const std::lock_guard lock(housekeeper_->mutex);
    std::swap(before, housekeeper_->store);
  }
  if (IsFailing(now) != IsFailing(before) && options_.notices.store_failing) {
    options_.notices.store_failing(IsFailing(now), now.latest_failure);
  }
  if (!now.fatal.ok() && before.fatal.ok()) {
    Fail(now.fatal);
  }
}

// A small batch at a time.
void LocalCoordinator::Purge() {
  auto purged = journal_.Purge(WallNow() - options_.retention, kPurgeBatch);
  bool stop = false;
  while (!stop && purged.ok() && *purged == kPurgeBatch) {
    purged = journal_.Purge(WallNow() - options_.retention, kPurgeBatch);
    const std::lock_guard lock(housekeeper_->mutex);
    stop = housekeeper_->stop;
  }
}

size_t LocalCoordinator::WorkerOf(const Gid& gid) const {
  return Ownership::WorkerOf(ShardOf(gid), workers_.size());
}

// A gid of a shard that `worker` serves, so that the transaction is driven where it was asked for;
// any gid, if so many tries find none.
Gid LocalCoordinator::NewGid(size_t worker) {
  constexpr int kTries = 1'000;
  const auto millis = static_cast<uint64_t>(ToMicros(WallNow()) / 1000);
  for (int tries = 1;; ++tries) {
    uint64_t high = 0;
    uint64_t low = 0;
    if (Worker* current = Worker::Current()) {
      high = current->Entropy();
      low = current->Entropy();
    } else {
      const std::string bytes = RandomBytes(16);
      for (size_t i = 0; i < 8; ++i) {
        high = (high << 8) | static_cast<unsigned char>(bytes[i]);
        low = (low << 8) | static_cast<unsigned char>(bytes[8 + i]);
      }
    }
    Gid gid(FormatUuidV7(millis, high, low));
    const bool fits = WorkerOf(gid) == worker && ownership_.Serves(ShardOf(gid));
    if (fits || tries == kTries) {
      return gid;
    }
  }
}

void LocalCoordinator::OnWorker(const Gid& gid, std::function<void(WorkerShards&)> task) {
  const size_t index = WorkerOf(gid);
  if (Worker::Current() == workers_[index].get()) {
    task(*shards_[index]);
    return;
  }
  queued_.fetch_add(1, std::memory_order_relaxed);
  workers_[index]->Post([this, index, task = std::move(task)] {
    queued_.fetch_sub(1, std::memory_order_relaxed);
    task(*shards_[index]);
  });
}

template <class T>
void LocalCoordinator::OffloadTo(std::function<Result<T>()> work, Callback<T> done) {
  done = ReturnTo(Worker::Current(), std::move(done));
  pool_.Run([work = std::move(work), done = std::move(done)] { done(Caught<T>(work)); });
}

std::optional<Gid> LocalCoordinator::TransactionOf(const std::string& token) {
  const std::optional<CompletionRight> command = tokens_.Read(token);
  return command ? std::optional(command->gid) : std::nullopt;
}

void LocalCoordinator::Offload(std::function<void()> work, std::function<void()> done) {
  OffloadTo<bool>(
      [work = std::move(work)] {
        work();
        return Result<bool>(true);
      },
      [done = std::move(done)](const Result<bool>&) { done(); });
}

void LocalCoordinator::Submit(SubmitRequest request, Callback<SubmitReply> done) {
  done = ReturnTo(Worker::Current(), std::move(done));
  if (request.gid) {
    if (Status valid = ValidateGid(request.gid->str()); !valid.ok()) {
      done(std::move(valid));
      return;
    }
  }
  if (Status valid = CheckLabels(request.labels); !valid.ok()) {
    done(std::move(valid));
    return;
  }
  if (!request.inline_definition) {
    PlanPtr plan = definitions_.Cached(request.definition, request.version);
    if (plan != nullptr && definitions_.ChildrenChecked(*plan)) {
      SubmitWithPlan(std::move(request), std::move(plan), std::move(done));
      return;
    }
  }
  if (Status refused = RefuseInline(request); !refused.ok()) {
    done(std::move(refused));
    return;
  }
  auto held = std::make_shared<SubmitRequest>(std::move(request));
  pool_.Run([this, held, done = std::move(done)]() mutable {
    Status children;
    auto plan = Caught<PlanPtr>([&]() -> Result<PlanPtr> {
      auto found = held->inline_definition
                       ? definitions_.Inline(*held->inline_definition)
                       : definitions_.Get(held->definition, held->version, Definitions::For::kNew);
      if (found.ok()) {
        children = definitions_.CheckChildren(**found);
      }
      return found;
    });
    if (!plan.ok()) {
      done(plan.status());
    } else {
      SubmitWithPlan(std::move(*held), std::move(*plan), std::move(done), std::move(children));
    }
  });
}

// A definition that comes with a transaction which is refused anyhow is neither compiled nor
// stored.
Status LocalCoordinator::RefuseInline(const SubmitRequest& request) const {
  if (!request.inline_definition) {
    return {};
  }
  if (!ready_) {
    return Recovering();
  }
  if (request.gid) {
    return ownership_.Serves(ShardOf(*request.gid)) ? shards_[WorkerOf(*request.gid)]->RefusalNow()
                                                    : ShardLost(ShardOf(*request.gid));
  }
  Status refused;
  for (const auto& shards : shards_) {
    refused = shards->RefusalNow();
    if (refused.ok()) {
      break;
    }
  }
  return refused;
}

void LocalCoordinator::SubmitWithPlan(SubmitRequest request, PlanPtr plan,
                                      Callback<SubmitReply> done, Status children) {
  if (queued_.load(std::memory_order_relaxed) > limits::kMaxQueuedInputsPerShard) {
    done(ResourceExhausted("coordinator.overloaded",
                           "the coordinator's queues are full: try again, more slowly"));
    return;
  }
  if (const auto lag = StoreLag(); lag && *lag > kStoreStalled) {
    done(ResourceExhausted("store.stalled", "the store has not answered for " +
                                                FormatDuration(*lag) + ": try again later"));
    return;
  }
  Shard::SubmitCommand command;
  command.caller_named = request.gid.has_value();
  command.submitted.request_digest = RequestDigest(request);
  if (request.gid) {
    command.submitted.gid = std::move(*request.gid);
  } else {
    const Worker* current = Worker::Current();
    command.submitted.gid =
        NewGid(current != nullptr
                   ? current->index()
                   : next_worker_.fetch_add(1, std::memory_order_relaxed) % workers_.size());
  }
  command.plan = std::move(plan);
  command.children = std::move(children);
  command.submitted.input = std::move(request.input);
  command.submitted.labels = std::move(request.labels);
  command.submitted.deadline = request.deadline;
  command.submitted.traceparent = std::move(request.traceparent);
  if (request.wait) {
    command.wait = Bounded(std::move(*request.wait));
  }
  const size_t index = WorkerOf(command.submitted.gid);
  if (Worker::Current() == workers_[index].get()) {
    shards_[index]->Submit(std::move(command), std::move(done));
    return;
  }
  auto held = std::make_shared<Shard::SubmitCommand>(std::move(command));
  OnWorker(held->submitted.gid, [held, done = std::move(done)](WorkerShards& shards) {
    shards.Submit(std::move(*held), done);
  });
}

void LocalCoordinator::Begin(BeginRequest request, Callback<SubmitReply> done) {
  done = ReturnTo(Worker::Current(), std::move(done));
  Status valid = request.gid ? ValidateGid(request.gid->str()) : Status();
  if (valid.ok()) {
    valid = CheckLabels(request.labels);
  }
  const Duration limit = request.time_limit.value_or(limits::kDefaultClientDrivenLimit);
  if (valid.ok() && (limit <= Duration::zero() || limit > limits::kMaxClientDrivenLimit)) {
    valid = InvalidArgument("transaction.bad_time_limit",
                            "the time limit of a client-driven transaction is more than nothing "
                            "and at most " +
                                FormatDuration(limits::kMaxClientDrivenLimit));
  }
  if (!valid.ok()) {
    done(std::move(valid));
    return;
  }
  SubmitRequest submit;
  // For the digest, in place of the definition there is none of; no definition has such a name.
  submit.definition = "~begin-" + std::string(dsl::ModeName(request.mode));
  submit.gid = std::move(request.gid);
  submit.labels = std::move(request.labels);
  submit.deadline = limit;
  submit.traceparent = std::move(request.traceparent);
  SubmitWithPlan(std::move(submit), dsl::BeginClientDriven(request.mode), std::move(done));
}

void LocalCoordinator::Enlist(
    const Gid& gid, std::string branch,
    std::function<void(Result<EnlistReply>, std::vector<dsl::Problem>)> done) {
  auto problems = std::make_shared<std::vector<dsl::Problem>>();
  Callback<EnlistReply> answer = ReturnTo<EnlistReply>(
      Worker::Current(), [done = std::move(done), problems](Result<EnlistReply> reply) {
        done(std::move(reply), std::move(*problems));
      });
  OnWorker(gid, [gid, branch = std::move(branch), problems, answer = std::move(answer)](
                    WorkerShards& shards) { shards.Enlist(gid, branch, problems, answer); });
}

void LocalCoordinator::DeliverAndWait(const Gid& gid, engine::Event event, std::optional<Wait> wait,
                                      Callback<TxnView> done) {
  done = ReturnTo(Worker::Current(), std::move(done));
  OnWorker(
      gid, [gid, event = std::move(event), wait, done = std::move(done)](WorkerShards& shards) {
        shards.Deliver(gid, event, std::nullopt, [&shards, gid, wait, done](Result<TxnView> view) {
          if (view.ok() && wait && !view->state->finished()) {
            shards.Get(gid, Bounded(*wait), done);
          } else {
            done(std::move(view));
          }
        });
      });
}

void LocalCoordinator::Commit(const Gid& gid, std::optional<Wait> wait, Callback<TxnView> done) {
  DeliverAndWait(gid, engine::CommitRequested{}, wait, std::move(done));
}

void LocalCoordinator::Abort(const Gid& gid, engine::Actor actor, std::optional<Wait> wait,
                             Callback<TxnView> done) {
  DeliverAndWait(gid, engine::AbortRequested{std::move(actor)}, wait, std::move(done));
}

void LocalCoordinator::Get(const Gid& gid, std::optional<Wait> wait, Callback<TxnView> done) {
  done = ReturnTo(Worker::Current(), std::move(done));
  if (wait) {
    wait = Bounded(std::move(*wait));
  }
  OnWorker(gid, [gid, wait, done = std::move(done)](WorkerShards& shards) {
    shards.Get(gid, wait, done);
  });
}

void LocalCoordinator::GetHistory(const Gid& gid, Callback<History> done) {
  done = ReturnTo(Worker::Current(), std::move(done));
  OnWorker(gid,
           [gid, done = std::move(done)](WorkerShards& shards) { shards.GetHistory(gid, done); });
}

void LocalCoordinator::List(storage::Filter filter, storage::Page page,
                            Callback<storage::SummaryPage> done) {
  OffloadTo<storage::SummaryPage>([this, filter = std::move(filter),
                                   page = std::move(page)] { return journal_.Query(filter, page); },
                                  std::move(done));
}

namespace {

engine::Event ToEvent(OperatorRequest& request) {
  using Verb = OperatorRequest::Verb;
  switch (request.verb) {
    case Verb::kCancel: return engine::AbortRequested{std::move(request.actor)};
    case Verb::kPause: return engine::PauseRequested{std::move(request.actor)};
    case Verb::kResume: return engine::ResumeRequested{std::move(request.actor)};
    case Verb::kRetry:
      return engine::RetryRequested{std::move(request.branch), std::move(request.actor)};
    case Verb::kEdit:
      return engine::RetryRequested{std::move(request.branch), std::move(request.actor),
                                    std::move(request.edit)};
    case Verb::kSkip:
      return engine::SkipRequested{request.branch.value_or(BranchId()), std::move(request.output),
                                   std::move(request.actor)};
    case Verb::kComplete: {
      engine::CompletionReceived completion;
      completion.branch = request.branch.value_or(BranchId());
      if (request.refusal) {
        completion.outcome = engine::ReplyRefused{*std::move(request.refusal)};
      } else {
        completion.outcome = engine::ReplyDone{std::move(request.output)};
      }
      completion.actor = std::move(request.actor);
      return completion;
    }
    case Verb::kResolve:
      return engine::ResolveRequested{
          request.forced_outcome.value_or(engine::TxnStatus::kCommitted), std::move(request.actor)};
  }
  CheckFailed("Verb is a declared enumerator", __FILE__, __LINE__);
}

// What must be said before the engine is asked.
Status CheckOperatorRequest(const OperatorRequest& request) {
  using Verb = OperatorRequest::Verb;
  const bool one_branch =
      request.verb == Verb::kEdit || request.verb == Verb::kSkip || request.verb == Verb::kComplete;
  const bool decides = one_branch || request.verb == Verb::kResolve;
  if (request.actor.reason.empty() && decides) {
    return InvalidArgument("operator.reason_required",
                           "this action needs a reason, for the audit: say why");
  }
  if (decides && !request.expected_revision) {
    return InvalidArgument("operator.revision_required",
                           "this action needs the revision you saw (expectedRevision), so that it "
                           "can not hit a transaction that has moved on");
  }
  if (one_branch && !request.branch) {
    return InvalidArgument("operator.branch_required", "say which branch is meant");
  }
  if (request.verb == Verb::kResolve && !request.forced_outcome) {
    return InvalidArgument("operator.outcome_required",
                           "say which outcome to force: committed or aborted");
  }
  return {};
}

}  // namespace

void LocalCoordinator::Operate(OperatorRequest request, Callback<TxnView> done) {
  done = ReturnTo(Worker::Current(), std::move(done));
  if (Status valid = CheckOperatorRequest(request); !valid.ok()) {
    done(std::move(valid));
    return;
  }
  const Gid gid = request.gid;
  const auto revision = request.expected_revision;
  OnWorker(gid, [gid, revision, event = ToEvent(request), done = std::move(done)](
                    WorkerShards& shards) { shards.Deliver(gid, event, revision, done); });
}

void LocalCoordinator::Signal(const Gid& gid, SignalRequest request, Callback<TxnView> done) {
  done = ReturnTo(Worker::Current(), std::move(done));
  std::string digest = SignalDigest(request);
  engine::SignalSent event{std::move(request.name), std::move(request.payload),
                           std::move(request.id), std::move(digest)};
  OnWorker(gid, [gid, event = std::move(event), done = std::move(done)](WorkerShards& shards) {
    shards.Deliver(gid, event, std::nullopt, done);
  });
}

void LocalCoordinator::Complete(std::string token,
                                std::variant<engine::ReplyDone, engine::ReplyRefused> outcome,
                                Callback<TxnView> done) {
  done = ReturnTo(Worker::Current(), std::move(done));
  const auto right = tokens_.Read(token);
  if (!right) {
    done(UnknownCompletionToken());
    return;
  }
  engine::CompletionReceived completion{right->branch, right->role, right->alternative,
                                        std::move(outcome), right->run};
  OnWorker(right->gid,
           [gid = right->gid, completion = std::move(completion), done = std::move(done)](
               WorkerShards& shards) { shards.Deliver(gid, completion, std::nullopt, done); });
}

void LocalCoordinator::PutDefinition(
    std::string name, std::string source,
    std::function<void(Result<storage::DefinitionRow>, std::vector<dsl::Problem>)> done) {
  Worker* origin = Worker::Current();
  pool_.Run(
      [this, origin, name = std::move(name), source = std::move(source), done = std::move(done)] {
        const Instant before = WallNow();
        auto result = std::make_shared<Definitions::PutResult>();
        try {
          *result = definitions_.Put(name, source);
        } catch (...) {
          result->row = DescribeException();
        }
        const bool is_new = result->row.ok() && result->row->created_at >= before;
        if (is_new && options_.notices.definition_stored) {
          options_.notices.definition_stored(*result->row);
        }
        const auto answer = [done, result] {
          done(std::move(result->row), std::move(result->problems));
        };
        if (origin != nullptr) {
          origin->Post(answer);
        } else {
          answer();
        }
      });
}

void LocalCoordinator::ValidateDefinition(std::string source,
                                          std::function<void(std::vector<dsl::Problem>)> done) {
  using Problems = std::vector<dsl::Problem>;
  OffloadTo<Problems>(
      [this, source = std::move(source)] {
        return Result<Problems>(definitions_.Validate(source));
      },
      [done = std::move(done)](Result<Problems> problems) {
        if (!problems.ok()) {
          problems =
              Problems{{"", 1, 1, problems.status().reason(), problems.status().message(), ""}};
        }
        done(std::move(problems).value());
      });
}

void LocalCoordinator::GetDefinition(std::string name, std::optional<uint32_t> version,
                                     Callback<storage::DefinitionRow> done) {
  OffloadTo<storage::DefinitionRow>(
      [this, name = std::move(name), version] {
        Result<storage::DefinitionRow> row = journal_.GetDefinition(name, version);
        return row.ok() ? definitions_.Shown(std::move(row).value()) : row;
      },
      std::move(done));
}

void LocalCoordinator::ListDefinitions(std::optional<std::string> name,
                                       Callback<std::vector<storage::DefinitionRow>> done) {
  OffloadTo<std::vector<storage::DefinitionRow>>(
      [this, name = std::move(name)] {
        Result<std::vector<storage::DefinitionRow>> rows = journal_.ListDefinitions(name);
        if (rows.ok()) {
          for (storage::DefinitionRow& row : *rows) {
            row = definitions_.Shown(std::move(row));
          }
        }
        return rows;
      },
      std::move(done));
}

std::optional<Gid> LocalCoordinator::GidOf(std::string_view token) const {
  const auto command = tokens_.Read(token);
  return command ? std::optional(command->gid) : std::nullopt;
}

void LocalCoordinator::ReadStored(const Gid& gid, Sequence revision, bool quarantined,
                                  Callback<TxnView> done) {
  OffloadTo<TxnView>(
      [this, gid, revision, quarantined] {
        return ReadView(journal_, definitions_, gid, revision, quarantined);
      },
      std::move(done));
}

void LocalCoordinator::ReadStoredHistory(const Gid& gid, Sequence revision,
                                         Callback<History> done) {
  OffloadTo<History>(
      [this, gid, revision] { return ReadHistoryUpTo(journal_, definitions_, gid, revision); },
      std::move(done));
}

std::unique_ptr<Subscription> LocalCoordinator::Subscribe(std::optional<Gid> gid, EventSink sink) {
  return events_.Subscribe(std::move(gid), std::move(sink));
}

std::vector<ParticipantStats> LocalCoordinator::Participants() {
  return participant_stats_();
}

// How long the oldest append has been waiting while this process ran.
std::optional<Duration> LocalCoordinator::StoreLag() const {
  const Instant now = WallNow();
  int64_t since = ToMicros(now);
  for (const auto& shards : shards_) {
    const int64_t append = shards->counters().appends_since.micros();
    since = append != 0 ? std::min(since, append) : since;
  }
  since = std::max(since, ToMicros(housekeeper_->pulse.RunningSince(now)));
  return since < ToMicros(now) ? std::optional(Duration(ToMicros(now) - since)) : std::nullopt;
}

Health LocalCoordinator::GetHealth() {
  Health health;
  const int64_t now = ToMicros(WallNow());
  const int64_t running_since = ToMicros(housekeeper_->pulse.RunningSince(InstantFromMicros(now)));
  uint64_t recovered = 0;
  for (const auto& shards : shards_) {
    const ShardCounters& counters = shards->counters();
    recovered += counters.recovered;
    health.open += counters.open.load(std::memory_order_relaxed);
    health.blocked += counters.blocked.load(std::memory_order_relaxed);
    const int64_t blocked = counters.blocked_since.micros();
    if (blocked != 0 && blocked < now) {
      const Duration age(now - blocked);
      health.oldest_blocked = std::max(health.oldest_blocked.value_or(age), age);
    }
    const int64_t timer = counters.next_due.micros();
    if (timer != 0 && timer < now) {
      const Duration overdue(now - std::max(timer, running_since));
      health.oldest_overdue = std::max(health.oldest_overdue.value_or(overdue), overdue);
    }
  }
  health.store_lag = StoreLag();
  health.queued_inputs = queued_.load(std::memory_order_relaxed);
  if (options_.local_exhaustion) {
    const LocalExhaustion exhaustion = options_.local_exhaustion();
    if (exhaustion.last && InstantFromMicros(now) - *exhaustion.last < kExhaustionShown) {
      health.exhausted = exhaustion.what;
    }
  }
  {
    const std::lock_guard lock(housekeeper_->mutex);
    health.store = housekeeper_->store;
  }
  health.store_failing = IsFailing(health.store);
  health.ready = false;
  if (!ready_) {
    health.reason = "recovering: " + std::to_string(recovered) + " open transactions read, " +
                    std::to_string(health.open) + " of them driven";
  } else if (draining_) {
    health.reason = "draining";
  } else if (health.store_failing) {
    health.reason = "the store fails: " + (health.store.fatal.ok() ? health.store.latest_failure
                                                                   : health.store.fatal.message());
  } else if (health.store_lag && *health.store_lag > kStoreStalled) {
    health.reason = "the store has not answered for " + FormatDuration(*health.store_lag);
  } else {
    health.ready = true;
  }
  return health;
}

Metrics LocalCoordinator::GetMetrics() {
  Metrics metrics;
  metrics.payload_bytes = memory_.used();
  metrics.payload_bytes_limit = memory_.limit();
  metrics.inline_definition_bytes = definitions_.inline_bytes();
  metrics.inline_definition_bytes_limit = inline_bytes_limit();
  for (const auto& shards : shards_) {
    const ShardCounters& counters = shards->counters();
    metrics.accepted += counters.accepted;
    metrics.committed += counters.committed;
    metrics.aborted += counters.aborted;
    metrics.mixed += counters.mixed;
    metrics.rejected += counters.rejected;
    metrics.incidents_raised += counters.incidents;
    metrics.incidents_open += counters.open_incidents;
    metrics.inputs += counters.inputs;
    metrics.appends += counters.appends;
    metrics.records += counters.records;
    metrics.calls_asked += counters.calls_asked;
    metrics.calls += counters.calls;
    metrics.calls_failed += counters.calls_failed;
    metrics.held_back += counters.held_back;
    metrics.quarantined += counters.quarantined;
    metrics.parked += counters.parked;
    metrics.waiting_for_memory += counters.waiting_for_memory;
  }
  metrics.message_type_bytes = options_.message_type_bytes ? options_.message_type_bytes() : 0;
  metrics.local_exhaustions = options_.local_exhaustion ? options_.local_exhaustion().times : 0;
  return metrics;
}

}  // namespace entente::runtime
