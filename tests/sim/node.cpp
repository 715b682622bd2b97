#include "tests/sim/node.h"

#include <algorithm>
#include <utility>

#include "coordinator/cluster/shares.h"

namespace entente::sim {
namespace {

using std::chrono::milliseconds;

constexpr size_t kMaxOpen = 100'000;
constexpr int kBeats = 5;  // In the course of a lease.
constexpr Duration kShortestPause = milliseconds(20);
constexpr int64_t kMillion = 1'000'000;

Status Gone() {
  return Unavailable("store.unavailable", "nobody waits for the answer");
}

bool IsDecided(const storage::Batch& batch) {
  return std::any_of(batch.appends.begin(), batch.appends.end(), [](const auto& append) {
    return append.summary && append.summary->status != "ACTIVE";
  });
}

// Some decide everything at once, some only what hardly reads anything, some nothing that does.
runtime::ShardOptions ShardOptionsFor(const Node::Options& options) {
  runtime::ShardOptions shards;
  shards.places = std::make_shared<runtime::OpenPlaces>(kMaxOpen);
  constexpr uint64_t kHardlyAnything = 6;
  const uint64_t kind = options.seed % 3;
  shards.most_at_once = kind == 0 ? 0 : kind == 1 ? kHardlyAnything : shards.most_at_once;
  return shards;
}

}  // namespace

// ---- its thread and its clock -------------------------------------------------------------------

Instant Node::Host::Now() {
  const Duration ran = scheduler_.now() - started_at_;
  return scheduler_.now() + offset_ + Duration(ran.count() * drift_ppm_ / kMillion);
}

void Node::Host::LaterAt(Instant at, std::function<void()> task) {
  const Duration span = std::max(at - Now(), Duration(0));
  // Not earlier than its own clock shows, whatever is rounded.
  const Duration delay =
      drift_ppm_ == 0 ? span : Duration(span.count() * kMillion / (kMillion + drift_ppm_) + 1);
  Later(delay, std::move(task));
}

void Node::Host::WakeAt(std::optional<Instant> at) {
  const uint64_t wish = ++wake_wish_;
  if (at) {
    LaterAt(*at, [this, wish] {
      if (wish == wake_wish_) {
        on_wake_();
      }
    });
  }
}

void Node::Host::Offload(std::function<void()> work, std::function<void()> done) {
  Later(dice_.Between(Duration(10), Duration(3000)),
        [this, work = std::move(work), done = std::move(done)]() mutable {
          work();
          Later(dice_.Between(Duration(10), Duration(3000)), std::move(done));
        });
}

void Node::Host::Later(Duration delay, std::function<void()> task) {
  scheduler_.After(delay, [this, alive = alive_, task = std::move(task)]() mutable {
    if (!*alive) {
      return;
    }
    if (!paused() && waiting_.empty()) {
      task();
      return;
    }
    waiting_.push_back(std::move(task));
    if (waiting_.size() == 1) {
      GoOnLater();
    }
  });
}

// One after the other, in the order in which they were due, and before whatever comes then.
void Node::Host::GoOnLater() {
  const Duration delay =
      std::max<Duration>(goes_on_at_ - scheduler_.now(), paused() ? milliseconds(1) : Duration(0));
  scheduler_.After(delay, [this, alive = alive_] {
    if (!*alive) {
      return;
    }
    if (paused()) {
      GoOnLater();
      return;
    }
    const std::function<void()> task = std::move(waiting_.front());
    waiting_.pop_front();
    if (!waiting_.empty()) {
      GoOnLater();
    }
    task();
  });
}

// ---- its store ----------------------------------------------------------------------------------

Status Node::Journal::Reach() {
  return *node_.alive() ? node_.surroundings_.reach(node_) : Gone();
}

Status Node::Journal::Hear() {
  const Status heard = node_.surroundings_.hear(node_);
  return *node_.alive() ? heard : Gone();
}

Result<Epoch> Node::Journal::AcquireHere(ShardId shard) {
  auto epoch = MemoryJournal::Acquire(shard);
  if (epoch.ok()) {
    node_.surroundings_.table.Acquired(shard, id_, *epoch, node_.surroundings_.scheduler.now());
    node_.surroundings_.on_acquired(node_, shard, *epoch);
  }
  return epoch;
}

Status Node::Journal::ReleaseHere(ShardId shard, Epoch epoch) {
  const Status released = MemoryJournal::Release(shard, epoch);
  if (released.ok()) {
    node_.surroundings_.table.Released(shard);
  }
  return released;
}

Result<Epoch> Node::Journal::Acquire(ShardId shard) {
  ENTENTE_RETURN_IF_ERROR(Reach());
  auto epoch = AcquireHere(shard);
  ENTENTE_RETURN_IF_ERROR(Hear());
  return epoch;
}

Status Node::Journal::Renew(ShardId shard, Epoch epoch) {
  ENTENTE_RETURN_IF_ERROR(Reach());
  const Status renewed = MemoryJournal::Renew(shard, epoch);
  if (renewed.ok()) {
    node_.surroundings_.table.Renewed(shard, node_.surroundings_.scheduler.now());
  }
  ENTENTE_RETURN_IF_ERROR(Hear());
  return renewed;
}

Status Node::Journal::Release(ShardId shard, Epoch epoch) {
  ENTENTE_RETURN_IF_ERROR(Reach());
  const Status released = ReleaseHere(shard, epoch);
  ENTENTE_RETURN_IF_ERROR(Hear());
  return released;
}

std::vector<Result<Epoch>> Node::Journal::AcquireShards(const std::vector<ShardId>& shards) {
  using Epochs = std::vector<Result<Epoch>>;
  Epochs epochs;
  if (const Status reached = Reach(); !reached.ok()) {
    return Epochs(shards.size(), reached);
  }
  for (const ShardId shard : shards) {
    epochs.push_back(AcquireHere(shard));
  }
  if (const Status heard = Hear(); !heard.ok()) {
    return Epochs(shards.size(), heard);
  }
  return epochs;
}

std::vector<Status> Node::Journal::ReleaseShards(const std::vector<storage::OwnedShard>& shards) {
  std::vector<Status> released;
  if (const Status reached = Reach(); !reached.ok()) {
    return std::vector<Status>(shards.size(), reached);
  }
  for (const storage::OwnedShard& one : shards) {
    released.push_back(ReleaseHere(one.shard, one.epoch));
  }
  if (const Status heard = Hear(); !heard.ok()) {
    return std::vector<Status>(shards.size(), heard);
  }
  return released;
}

Result<storage::ClusterView> Node::Journal::Beat(const storage::NodeFacts& facts) {
  ENTENTE_RETURN_IF_ERROR(Reach());
  const Instant now = node_.surroundings_.scheduler.now();
  node_.surroundings_.table.Beat(id_, facts, now);
  storage::ClusterView view = node_.surroundings_.table.Look(now);
  ENTENTE_RETURN_IF_ERROR(Hear());
  return view;
}

Status Node::Journal::Leave() {
  ENTENTE_RETURN_IF_ERROR(Reach());
  node_.surroundings_.table.Leave(id_);
  return Hear();
}

Status Node::Journal::LoadOpen(ShardId shard,
                               const std::function<Status(storage::StoredTxn)>& sink) {
  ENTENTE_RETURN_IF_ERROR(node_.surroundings_.read(node_));
  return MemoryJournal::LoadOpen(shard, sink);
}

Result<storage::StoredTxn> Node::Journal::Load(const Gid& gid) {
  ENTENTE_RETURN_IF_ERROR(node_.surroundings_.read(node_));
  return MemoryJournal::Load(gid);
}

void Node::Journal::Append(ShardId shard, Epoch epoch, storage::Batch batch,
                           storage::AppendCallback on_durable) {
  node_.surroundings_.on_handed_in(shard, epoch);
  const Written written{shard, epoch, IsDecided(batch)};
  handed_in_.push_back({shard, epoch, batch});
  MemoryJournal::Append(shard, epoch, std::move(batch),
                        [this, written, on_durable = std::move(on_durable)](const Status& status) {
                          OnDelivered(written, status);
                          on_durable(status);
                        });
}

void Node::Journal::OnDelivered(const Written& written, const Status& status) {
  storage::ShardBatch delivered = std::move(handed_in_.front());
  handed_in_.pop_front();
  node_.surroundings_.on_written(written, status);
  if (std::exchange(is_late_, false) && status.code() == StatusCode::kUnknownOutcome) {
    node_.surroundings_.on_late(std::move(delivered));
  }
}

// ---- its calls ----------------------------------------------------------------------------------

void Node::Caller::Call(const runtime::CallContext& context, engine::CallBranch call,
                        runtime::ReplyCallback done) {
  if (!*node_.alive()) {
    return;  // It died in the middle of this turn.
  }
  node_.surroundings_.network.Call(Poster(), context, call, std::move(done));
  const Busy busy(node_);
  node_.surroundings_.after_call(node_);
}

void Node::Caller::Poll(const runtime::CallContext& /*context*/, engine::PollBranch poll,
                        runtime::ReplyCallback done) {
  if (*node_.alive()) {
    node_.surroundings_.network.Poll(Poster(), poll, std::move(done));
  }
}

// Outlives the node, and does nothing then.
Network::Post Node::Caller::Poster() {
  return [&host = node_.host_, alive = node_.alive()](std::function<void()> task) {
    if (*alive) {
      host.Post(std::move(task));
    }
  };
}

// ---- the node -----------------------------------------------------------------------------------

runtime::OwnershipEvents Node::MakeEvents() {
  runtime::OwnershipEvents events;
  events.start = [this](const runtime::LeasePtr& lease) {
    host_.Post([this, lease] { shards_.Start(lease, [] { return true; }); });
  };
  events.drop = [this](const runtime::LeasePtr& lease, const Status&) {
    host_.Post([this, lease] { shards_.Drop(*lease); });
  };
  events.hand_over = [this](const runtime::LeasePtr& lease) {
    host_.Post([this, lease] {
      if (shards_.counters().calls_in_flight.load() != 0) {
        surroundings_.on_probe("a shard is handed over while calls are out");
      }
      shards_.HandOver(*lease, [this, lease] { ownership_.OnHandedOver(*lease); });
    });
  };
  events.cut_short = [this](const runtime::LeasePtr& lease) {
    surroundings_.on_probe("a hand-over is cut short");
    host_.Post([this, lease] {
      shards_.Drop(*lease);
      ownership_.OnHandedOver(*lease);
    });
  };
  events.released = [this] {
    surroundings_.on_released(*this);
    CheckLeft();
  };
  events.wake = [this] { KeepLeasesSoon(); };
  return events;
}

Node::Node(Options options, NodeSurroundings surroundings)
    : options_(options),
      surroundings_(std::move(surroundings)),
      journal_(*this),
      host_(options_, surroundings_.scheduler),
      caller_(*this),
      definitions_(journal_, {}),
      ownership_(
          journal_, [this] { return host_.Now(); }, MakeEvents(), &journal_),
      shards_(ShardOptionsFor(options_),
              {host_, journal_, caller_, definitions_, events_,
               [this](std::function<void()> work) { Load(std::move(work)); },
               [this](const runtime::Lease& lease) { ownership_.OnServing(lease); },
               [this](const runtime::Lease& lease, const Status& why) {
                 surroundings_.on_lost(lease.shard(), why);
                 ownership_.OnLost(lease);
               }}) {}

Node::~Node() = default;

// A process that ends has no loader left before its shards go: what was not done goes with the
// node, not when its time comes.
void Node::Load(std::function<void()> work) {
  const auto load = loads_.insert(loads_.end(), std::move(work));
  host_.Offload(
      [this, load] {
        const std::function<void()> due = std::move(*load);
        loads_.erase(load);
        due();
      },
      [] {});
}

void Node::Die() {
  journal_.Crash();
  *host_.alive() = false;
}

void Node::Join() {
  surroundings_.table.Beat(id(), facts_, surroundings_.scheduler.now());
}

void Node::Look() {
  BeatAfter(std::max(beaten_at_ + kShortestPause - surroundings_.scheduler.now(), Duration(0)));
}

void Node::Leave(std::function<void()> left) {
  left_ = std::move(left);
  facts_.leaving = true;
  BeatAfter(Duration(0));
}

void Node::CheckLeft() {
  if (left_ && share_.none() && ownership_.Held().none()) {
    host_.Post(std::exchange(left_, nullptr));
  }
}

void Node::ReleaseAll(std::function<void()> released) {
  if (keeping_) {
    host_.Later(milliseconds(1), [this, released = std::move(released)] { ReleaseAll(released); });
    return;
  }
  const Busy busy(*this);
  keeping_ = true;
  ownership_.ReleaseAll();
  static_cast<void>(journal_.Leave().ok());
  released();
}

void Node::KeepLeases() {
  if (keeping_) {
    keep_again_ = true;
    return;
  }
  const Busy busy(*this);
  keeping_ = true;
  keep_again_ = false;
  const Result<Instant> next = ownership_.Keep();
  keeping_ = false;
  if (!next.ok()) {
    failure_ = next.status().message();
  } else if (keep_again_) {
    KeepLeasesSoon();
  } else {
    KeepLeasesAt(*next);
  }
}

void Node::KeepLeasesAt(Instant at) {
  host_.LaterAt(at, [this, wish = ++keep_wish_] {
    if (wish == keep_wish_) {
      KeepLeases();
    }
  });
}

void Node::KeepLeasesSoon() {
  KeepLeasesAt(host_.Now());
}

void Node::Beat() {
  if (beating_) {
    return;
  }
  const Busy busy(*this);
  beating_ = true;
  beaten_at_ = surroundings_.scheduler.now();
  Result<storage::ClusterView> view = journal_.Beat(facts_);
  beating_ = false;
  if (view.ok()) {
    TakeIn(std::move(*view));
  }
  BeatAfter(*surroundings_.store->lease_time() / kBeats);
}

void Node::BeatAfter(Duration delay) {
  host_.Later(delay, [this, wish = ++beat_wish_] {
    if (wish == beat_wish_) {
      Beat();
    }
  });
}

// Leases are taken from the first look on, and nothing but the share is.
void Node::TakeIn(storage::ClusterView&& view) {
  view_ = std::move(view);
  std::vector<std::string> takers;
  for (const storage::NodeRow& node : view_.nodes) {
    if (node.alive && !node.facts.leaving) {
      takers.push_back(node.id);
    }
  }
  const bool changed = takers != takers_;
  if (changed) {
    takers_ = std::move(takers);
    const auto shares = cluster::SharesOf(takers_);
    for (size_t i = 0; i < kShardCount; ++i) {
      share_[i] = shares.at(i) == id();
    }
  }
  runtime::ShardSet free;
  for (size_t i = 0; i < kShardCount; ++i) {
    free[i] = share_[i] && view_.shards.at(i).is_free();
  }
  if (changed || free.any()) {  // Otherwise it is as it was.
    ownership_.SetShare(share_, free);
  }
  CheckLeft();
}

std::string Node::OwnerOf(ShardId shard) const {
  const std::string& owner = view_.shards.at(shard.value()).owner;
  const auto found = std::find_if(view_.nodes.begin(), view_.nodes.end(),
                                  [&owner](const auto& node) { return node.id == owner; });
  return found != view_.nodes.end() && found->alive ? owner : std::string();
}

}  // namespace entente::sim
