#include "runtime/node/worker_shards.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "runtime/exceptions.h"

namespace entente::runtime {

// One commit may answer what was handed in at several times: the first outcome wakes the host,
// which finds the others beside it.
class WorkerShards::Answers {
 public:
  struct Outcome {
    std::weak_ptr<Shard> shard;  // Looked at on the host's thread, where the shard ends.
    Status status;
  };

  explicit Answers(Host& host) : host_(&host) {}

  // Any thread. Has `tell` run on the host's, to Take this and what comes in until then.
  void Put(const std::vector<std::weak_ptr<Shard>>& shards, std::vector<Status> statuses,
           std::function<void()> tell) {
    const std::lock_guard lock(mutex_);
    if (host_ == nullptr) {
      return;
    }
    const bool first = outcomes_.empty();
    for (size_t i = 0; i < shards.size(); ++i) {
      outcomes_.push_back({shards[i], std::move(statuses[i])});
    }
    if (first) {
      host_->Post(std::move(tell));
    }
  }

  // Any thread. Runs `task` on the host's.
  void Post(std::function<void()> task) {
    const std::lock_guard lock(mutex_);
    if (host_ != nullptr) {
      host_->Post(std::move(task));
    }
  }

  [[nodiscard]] std::vector<Outcome> Take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(outcomes_, {});
  }

  void Close() {
    const std::lock_guard lock(mutex_);
    host_ = nullptr;
  }

 private:
  std::mutex mutex_;
  Host* host_;  // Null once nobody listens.
  std::vector<Outcome> outcomes_;
};

WorkerShards::WorkerShards(ShardOptions options, WorkerShardsSurroundings surroundings)
    : options_(std::move(options)),
      surroundings_(std::move(surroundings)),
      answers_(std::make_shared<Answers>(surroundings_.host)) {
  surroundings_.host.SetWakeHandler([this] { OnWake(); });
}

WorkerShards::~WorkerShards() {
  answers_->Close();
}

void WorkerShards::Start(std::shared_ptr<const Lease> lease, std::function<bool()> go_on) {
  const ShardId id = lease->shard();
  auto shard = std::make_shared<Shard>(
      std::move(lease),
      ShardSurroundings{options_, surroundings_.host, *this, surroundings_.journal,
                        surroundings_.caller, surroundings_.definitions, surroundings_.events,
                        counters_});
  const bool first = driven_.emplace(id, Driven{shard, std::nullopt}).second;
  ENTENTE_CHECK(first);
  surroundings_.load([this, shard = std::move(shard), go_on = std::move(go_on)]() mutable {
    Status read;
    try {
      read = shard->ReadOpen(go_on);
    } catch (...) {
      read = DescribeException();
    }
    // Not kept by what is posted: a task that is never run goes after this does.
    surroundings_.host.Post([this, weak = std::weak_ptr(shard), read] {
      if (const ShardPtr still = weak.lock()) {
        OnRead(still, read);
      }
    });
  });
}

void WorkerShards::OnRead(const ShardPtr& shard, const Status& read) {
  const Shard::Turn turn(*shard);
  if (!turn) {
    return;
  }
  if (!read.ok()) {
    OnLost(shard->lease().shard(), read);
    shard->Drop();
    return;
  }
  shard->ResumeOpen([this, raw = shard.get()] { surroundings_.on_serving(raw->lease()); });
}

void WorkerShards::Drop(const Lease& lease) {
  const auto found = driven_.find(lease.shard());
  if (found == driven_.end() || found->second.shard->lease().epoch() != lease.epoch()) {
    return;
  }
  const ShardPtr shard = found->second.shard;
  Remove(lease.shard());
  shard->Drop();
}

void WorkerShards::HandOver(const Lease& lease, std::function<void()> done) {
  const auto found = driven_.find(lease.shard());
  if (found == driven_.end() || found->second.shard->lease().epoch() != lease.epoch()) {
    return;
  }
  const ShardPtr shard = found->second.shard;
  if (const Shard::Turn turn(*shard); turn) {
    // In a task of its own: the shard calls this from within its turn, also when it is dropped.
    shard->Drain([this, weak = std::weak_ptr(shard), done = std::move(done)] {
      surroundings_.host.Post([this, weak, done] {
        if (const ShardPtr drained = weak.lock()) {
          Drop(drained->lease());
        }
        done();
      });
    });
  }
}

void WorkerShards::Drain(const std::function<void()>& drained) {
  const auto left = std::make_shared<size_t>(1);
  const auto one_less = [left, drained] {
    if (--*left == 0) {
      drained();
    }
  };
  std::vector<ShardPtr> shards;
  for (const auto& [id, driven] : driven_) {
    shards.push_back(driven.shard);
  }
  for (const ShardPtr& shard : shards) {
    if (const Shard::Turn turn(*shard); turn) {
      ++*left;
      shard->Drain(one_less);
    }
  }
  one_less();
}

// A shard that is lost meanwhile is gone from the table, not from this turn.
template <class Ask, class Done>
void WorkerShards::With(const Gid& gid, const Done& done, const Ask& ask) {
  const ShardId id = ShardOf(gid);
  if (const auto found = driven_.find(id); found != driven_.end()) {
    const ShardPtr shard = found->second.shard;
    if (const Shard::Turn turn(*shard); turn) {
      ask(*shard);
      return;
    }
  }
  done(ShardLost(id));
}

void WorkerShards::Submit(Shard::SubmitCommand command, Callback<SubmitReply> done) {
  const Gid gid = command.submitted.gid;
  With(gid, done, [&](Shard& shard) { shard.Submit(std::move(command), std::move(done)); });
}

void WorkerShards::Get(const Gid& gid, std::optional<Wait> wait, Callback<TxnView> done) {
  With(gid, done, [&](Shard& shard) { shard.Get(gid, std::move(wait), std::move(done)); });
}

void WorkerShards::GetHistory(const Gid& gid, Callback<History> done) {
  With(gid, done, [&](Shard& shard) { shard.GetHistory(gid, std::move(done)); });
}

void WorkerShards::Deliver(const Gid& gid, engine::Event event,
                           std::optional<Sequence> expected_revision, Callback<TxnView> done) {
  With(gid, done, [&](Shard& shard) {
    shard.Deliver(gid, std::move(event), expected_revision, std::move(done));
  });
}

void WorkerShards::Enlist(const Gid& gid, const std::string& branch,
                          const std::shared_ptr<std::vector<dsl::Problem>>& problems,
                          Callback<EnlistReply> done) {
  With(gid, done, [&](Shard& shard) { shard.Enlist(gid, branch, problems, std::move(done)); });
}

Status WorkerShards::RefusalNow() const {
  ENTENTE_RETURN_IF_ERROR(HasMemoryForOne(options_));
  return options_.places->HasRoom();
}

// Posted, not called: what is already ready to run joins the batches first.
void WorkerShards::FlushSoon(ShardId shard) {
  flushes_.push_back(shard);
  if (!std::exchange(flush_posted_, true)) {
    surroundings_.host.Post([this] {
      flush_posted_ = false;
      Flush();
    });
  }
}

// What one shard throws is the end of that shard's tenure, not of what the others wait for: what
// memory holds of it is not known to be what the journal holds.
template <class Work>
void WorkerShards::InTurnOf(const ShardPtr& shard, const Work& work) {
  const Shard::Turn turn(*shard);
  if (!turn) {
    return;
  }
  try {
    work(*shard);
  } catch (...) {
    Lose(shard, DescribeException());
  }
}

void WorkerShards::Lose(const ShardPtr& shard, const Status& why) {
  const ShardId id = shard->lease().shard();
  if (const auto found = driven_.find(id); found != driven_.end() && found->second.shard == shard) {
    OnLost(id, why);
    shard->Drop();
  }
}

void WorkerShards::Flush() {
  const std::vector<ShardId> wanted = std::exchange(flushes_, {});
  std::vector<storage::ShardBatch> batches;
  std::vector<ShardPtr> shards;
  batches.reserve(wanted.size());
  shards.reserve(wanted.size());
  for (const ShardId id : wanted) {
    const auto found = driven_.find(id);
    if (found == driven_.end()) {
      continue;
    }
    const ShardPtr shard = found->second.shard;
    InTurnOf(shard, [&](Shard& one) {
      if (std::optional<storage::Batch> batch = one.TakeBatch()) {
        batches.push_back({id, one.lease().epoch(), std::move(*batch)});
        shards.push_back(shard);
      }
    });
  }
  if (!batches.empty()) {
    HandIn(std::move(batches), shards);
  }
}

void WorkerShards::HandIn(std::vector<storage::ShardBatch> batches,
                          const std::vector<ShardPtr>& shards) {
  try {
    surroundings_.journal.AppendEach(
        std::move(batches), [this, answers = answers_,
                             weak = std::vector<std::weak_ptr<Shard>>(
                                 shards.begin(), shards.end())](std::vector<Status> statuses) {
          answers->Put(weak, std::move(statuses), [this] { OnWritten(); });
        });
  } catch (...) {
    // Nobody knows which of them the journal has.
    const Status why = DescribeException();
    for (const ShardPtr& shard : shards) {
      Lose(shard, why);
    }
  }
}

// The journal has the next batches before the effects of these are carried out.
void WorkerShards::OnWritten() {
  std::vector<ShardPtr> durable;
  for (const Answers::Outcome& outcome : answers_->Take()) {
    if (const ShardPtr shard = outcome.shard.lock()) {
      InTurnOf(shard, [&](Shard& one) { one.OnWritten(outcome.status); });
      if (outcome.status.ok()) {
        durable.push_back(shard);
      }
    }
  }
  Flush();
  for (const ShardPtr& shard : durable) {
    InTurnOf(shard, [](Shard& one) { one.CarryWritten(); });
  }
}

void WorkerShards::Append(const Lease& lease, storage::Batch batch,
                          std::function<void(const Status&)> done) {
  surroundings_.journal.Append(
      lease.shard(), lease.epoch(), std::move(batch),
      [answers = answers_, done = std::move(done)](Status status) {
        answers->Post([done, status = std::move(status)] { done(status); });
      });
}

void WorkerShards::OnLost(ShardId shard, const Status& why) {
  const auto found = driven_.find(shard);
  ENTENTE_CHECK(found != driven_.end());
  const ShardPtr lost = found->second.shard;
  Remove(shard);
  surroundings_.on_lost(lost->lease(), why);
}

void WorkerShards::Remove(ShardId shard) {
  WakeAt(shard, std::nullopt);
  std::erase(flushes_, shard);
  driven_.erase(shard);
}

void WorkerShards::WakeAt(ShardId shard, std::optional<Instant> at) {
  const auto found = driven_.find(shard);
  if (found == driven_.end()) {
    return;  // It is being dropped.
  }
  std::optional<Wakes::Handle>& wake = found->second.wake;
  if (wake) {
    wakes_.Remove(*wake);
    wake.reset();
  }
  if (at) {
    wake = wakes_.Insert(*at, shard);
  }
  UpdateWake();
}

void WorkerShards::UpdateWake() {
  const auto next = wakes_.Next();
  if (next != wake_wish_) {
    wake_wish_ = next;
    surroundings_.host.WakeAt(next);
  }
}

void WorkerShards::OnWake() {
  // Of all shards together, see Shard::OnWake.
  constexpr size_t kDueAtOnce = 64;
  wake_wish_.reset();
  const Instant now = surroundings_.host.Now();
  std::vector<ShardPtr> due;
  while (const auto id = wakes_.PopDue(now)) {
    Driven& driven = driven_.at(*id);
    driven.wake.reset();
    due.push_back(driven.shard);
  }
  for (const ShardPtr& shard : due) {
    if (const Shard::Turn turn(*shard); turn) {
      shard->OnWake(std::max<size_t>(1, kDueAtOnce / due.size()));
    }
  }
  UpdateWake();
}

}  // namespace entente::runtime
