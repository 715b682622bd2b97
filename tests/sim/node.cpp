#include "tests/sim/node.h"

#include <algorithm>
#include <utility>

namespace entente::sim {
namespace {

constexpr size_t kMaxOpen = 100'000;

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

void Node::Host::WakeAt(std::optional<Instant> at) {
  const uint64_t wish = ++wake_wish_;
  if (at) {
    Later(std::max(*at - Now(), Duration(0)), [this, wish] {
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
    if (paused()) {
      Later(goes_on_at_ - scheduler_.now(), std::move(task));
    } else {
      task();
    }
  });
}

Result<Epoch> Node::Journal::Acquire(ShardId shard) {
  ENTENTE_RETURN_IF_ERROR(surroundings_.stumble());
  auto epoch = MemoryJournal::Acquire(shard);
  if (epoch.ok()) {
    surroundings_.on_acquired(shard, *epoch);
  }
  return epoch;
}

Status Node::Journal::Renew(ShardId shard, Epoch epoch) {
  ENTENTE_RETURN_IF_ERROR(surroundings_.stumble());
  return MemoryJournal::Renew(shard, epoch);
}

void Node::Journal::Append(ShardId shard, Epoch epoch, storage::Batch batch,
                           storage::AppendCallback on_durable) {
  MemoryJournal::Append(
      shard, epoch, std::move(batch),
      [this, shard, epoch, on_durable = std::move(on_durable)](const Status& status) {
        surroundings_.on_written(shard, epoch, status);
        on_durable(status);
      });
}

runtime::OwnershipEvents Node::MakeEvents() {
  runtime::OwnershipEvents events;
  events.start = [this](const runtime::LeasePtr& lease) {
    shards_.Start(lease, [] { return true; });
  };
  events.drop = [this](const runtime::LeasePtr& lease, const Status&) { shards_.Drop(*lease); };
  events.wake = [this] { KeepLeasesSoon(Duration(0)); };
  return events;
}

Node::Node(Options options, NodeSurroundings surroundings)
    : options_(options),
      surroundings_(std::move(surroundings)),
      journal_(surroundings_),
      host_(options_, surroundings_.scheduler),
      caller_(surroundings_.network, host_),
      definitions_(journal_, {}),
      ownership_(
          journal_, [this] { return host_.Now(); }, MakeEvents()),
      shards_(ShardOptionsFor(options_),
              {host_, journal_, caller_, definitions_, events_,
               [this](const std::function<void()>& work) { host_.Offload(work, [] {}); },
               [this](const runtime::Lease& lease) { ownership_.OnServing(lease); },
               [this](const runtime::Lease& lease, const Status& why) {
                 surroundings_.on_lost(lease.shard(), why);
                 ownership_.OnLost(lease);
               }}) {}

Node::~Node() = default;

void Node::KeepLeases() {
  const Result<Instant> next = ownership_.Keep();
  if (!next.ok()) {
    failure_ = next.status().message();
    return;
  }
  KeepLeasesSoon(*next - host_.Now());
}

void Node::KeepLeasesSoon(Duration delay) {
  const uint64_t wish = ++keeping_;
  host_.Later(std::max(delay, Duration(0)), [this, wish] {
    if (wish == keeping_) {
      KeepLeases();
    }
  });
}

}  // namespace entente::sim
