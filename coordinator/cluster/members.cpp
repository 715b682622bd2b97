#include "coordinator/cluster/members.h"

#include <algorithm>
#include <utility>

#include <pthread.h>

#include "coordinator/cluster/shares.h"
#include "runtime/wall_clock.h"

namespace entente::cluster {
namespace {

constexpr int kBeats = 5;  // In the course of a lease.
constexpr Duration kLongestPause = std::chrono::seconds(1);
constexpr Duration kShortestPause = std::chrono::milliseconds(20);

std::vector<std::string> Takers(const storage::ClusterView& table) {
  std::vector<std::string> takers;
  for (const storage::NodeRow& node : table.nodes) {
    if (node.alive && !node.facts.leaving) {
      takers.push_back(node.id);
    }
  }
  return takers;
}

runtime::ShardSet ShareOf(const std::string& id, const std::vector<std::string>& takers) {
  runtime::ShardSet share;
  const auto shares = SharesOf(takers);
  for (size_t i = 0; i < kShardCount; ++i) {
    share[i] = shares[i] == id;
  }
  return share;
}

// When the next lease ends that nobody renews: its shard can be had then.
Duration NextEnd(const storage::ClusterView& table) {
  Duration next = kLongestPause;
  for (const storage::ShardRow& shard : table.shards) {
    if (!shard.is_free()) {
      next = std::min(next, shard.left);
    }
  }
  return next;
}

}  // namespace

Members::Members(storage::Membership& table, storage::NodeFacts facts, Duration lease,
                 MembersHooks hooks)
    : table_(table),
      id_(table.node_id()),
      lease_(lease),
      hooks_(std::move(hooks)),
      facts_(std::move(facts)) {}

Members::~Members() {
  Stop();
}

Status Members::Start(const std::string& http_address) {
  {
    const std::lock_guard lock(mutex_);
    facts_.http_address = http_address;
  }
  ENTENTE_RETURN_IF_ERROR(Beat());
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "members");
    Run();
  });
  return {};
}

void Members::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) {
    thread_.join();
  }
}

void Members::BeginLeaving() {
  {
    const std::lock_guard lock(mutex_);
    facts_.leaving = true;
    beat_at_ = Instant();  // At once, however short the time since the last beat.
    wanted_ = true;
  }
  wake_.notify_all();
}

void Members::Leave() {
  Stop();
  static_cast<void>(table_.Leave().ok());  // Otherwise it is not heard of any more.
}

void Members::Look() {
  {
    const std::lock_guard lock(mutex_);
    wanted_ = true;
  }
  wake_.notify_all();
}

Status Members::Beat() {
  storage::NodeFacts facts;
  {
    const std::lock_guard lock(mutex_);
    facts = facts_;
    beat_at_ = runtime::WallNow();
    wanted_ = false;
  }
  ENTENTE_ASSIGN_OR_RETURN(storage::ClusterView table, table_.Beat(facts));
  std::vector<std::string> takers = Takers(table);
  runtime::ShardSet free;
  for (size_t i = 0; i < kShardCount; ++i) {
    free[i] = table.shards[i].is_free();
  }
  const bool stored = std::exchange(definitions_, table.definitions) != table.definitions;
  auto view = std::make_shared<const View>(View{std::move(table), ShareOf(id_, takers)});
  {
    const std::lock_guard lock(mutex_);
    view_ = view;
    viewed_at_ = runtime::WallNow();
  }
  hooks_.set_share(view->share, free);
  if (stored) {
    hooks_.definitions_changed();
  }
  if (takers != alive_) {
    alive_ = std::move(takers);
    hooks_.nodes_changed(alive_);
  }
  return {};
}

void Members::Run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const Duration regular = std::min({kLongestPause, lease_ / kBeats, NextEnd(view_->table)});
    const Instant by = beat_at_ + std::max(regular, kShortestPause);
    // Who asks again and again is served once in a while.
    const Instant not_before = beat_at_ + kShortestPause;
    wake_.wait_for(lock, std::max(by - runtime::WallNow(), Duration(0)),
                   [this] { return stopping_ || wanted_; });
    wake_.wait_for(lock, std::max(not_before - runtime::WallNow(), Duration(0)),
                   [this] { return stopping_ || beat_at_ == Instant(); });
    if (stopping_) {
      return;
    }
    lock.unlock();
    const Status beaten = Beat();
    lock.lock();
    if (!beaten.ok()) {
      // Asked again after a pause: the store is away.
      wake_.wait_for(lock, std::min(lease_ / kBeats, kLongestPause), [this] { return stopping_; });
    }
  }
}

ViewPtr Members::view() const {
  const std::lock_guard lock(mutex_);
  return view_;
}

Duration Members::age() const {
  const std::lock_guard lock(mutex_);
  return runtime::WallNow() - viewed_at_;
}

std::optional<Peer> Members::OwnerOf(ShardId shard) const {
  const ViewPtr seen = view();
  const storage::ShardRow& row = seen->table.shards[shard.value()];
  for (const storage::NodeRow& node : seen->table.nodes) {
    if (node.id == row.owner && node.alive) {
      return Peer{node.id, node.facts.peer_address};
    }
  }
  return std::nullopt;
}

std::vector<Peer> Members::Others() const {
  std::vector<Peer> others;
  for (const storage::NodeRow& node : view()->table.nodes) {
    if (node.id != id_ && node.alive) {
      others.push_back({node.id, node.facts.peer_address});
    }
  }
  return others;
}

}  // namespace entente::cluster
