// What befalls the nodes, who drives what, and whether whoever acts may.
#include <algorithm>
#include <utility>

#include "tests/sim/world.h"

namespace entente::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Status StoreAway(const char* why) {
  return Unavailable("store.unavailable", std::string("injected: ") + why);
}

}  // namespace

// ---- trouble ------------------------------------------------------------------------------------

const std::vector<std::string>& TroubleKinds() {
  static const std::vector<std::string> all = {
      "crashes",        "failed-appends", "crashes-at-appends",
      "clock-jumps",    "drift",          "pauses",
      "pauses-in-turn", "cuts",           "partitions",
      "stumbles",       "operators",      "lost-answers",
      "waits",          "slow-store",     "network"};
  return all;
}

// After everything was drawn, so that the rest of the run stays what it is as far as it can.
void World::DropUnwanted(Faults& network) {
  const auto drop = [this](const char* kind, auto& what) {
    if (options_.without.contains(kind)) {
      what = {};
    }
  };
  drop("crashes", mood_.crashes);
  drop("failed-appends", mood_.failed_append);
  drop("crashes-at-appends", mood_.crash_at_append);
  drop("clock-jumps", mood_.clock_jump);
  drop("drift", mood_.drift_ppm);
  drop("pauses", mood_.pauses);
  drop("pauses-in-turn", mood_.pause_in_turn);
  drop("cuts", mood_.cuts);
  drop("partitions", mood_.partitions);
  drop("stumbles", mood_.stumble);
  drop("lost-answers", mood_.lost_answer);
  drop("waits", mood_.waits);
  drop("slow-store", mood_.slow_store);
  drop("operators", mood_.operators);
  drop("network", network);
}

void World::DrawTrouble() {
  if (dice_.Chance(250)) {
    return;  // A calm run, of which more is promised.
  }
  const auto chance = [this](uint64_t at_most) {
    return dice_.Chance(400) ? 0 : static_cast<uint32_t>(dice_.Below(at_most + 1));
  };
  mood_.crashes = dice_.Below(7);
  mood_.failed_append = chance(12);
  mood_.crash_at_append = chance(12);
  mood_.clock_jump = dice_.Chance(200) ? 400 : 0;
  mood_.drift_ppm = dice_.Chance(150) ? 80'000 : 0;
  mood_.pauses = dice_.Chance(400) ? 0 : dice_.Below(7);
  mood_.pause_in_turn = chance(25);
  mood_.cuts = chance(4);
  mood_.partitions = chance(4);
  mood_.stumble = chance(80);
  mood_.lost_answer = chance(20);
  mood_.waits = chance(4);
  mood_.slow_store = chance(10);
}

void World::PlanTrouble() {
  const auto within_storm = [this](uint64_t times, auto act) {
    for (; times > 0; --times) {
      scheduler_.After(dice_.Between(Duration(0), options_.storm), act);
    }
  };
  within_storm(mood_.crashes, [this] {
    const size_t node = dice_.Below(kNodes);
    if (dice_.Chance(300)) {
      Drain(node);
    } else {
      Crash(node, "at a random instant");
    }
  });
  within_storm(mood_.pauses, [this] { PauseNode(dice_.Below(kNodes)); });
  within_storm(mood_.cuts, [this] { CutOff(dice_.Below(kNodes)); });
  within_storm(mood_.partitions, [this] { SetApart(); });
}

NodeSurroundings World::SurroundingsOf(size_t index) {
  return {scheduler_,
          network_,
          store_,
          table_,
          [this](Node& node) { return Reach(node); },
          [this](Node& node) { return Hear(node); },
          [this](storage::ShardBatch late) { ArriveLater(std::move(late)); },
          [this](const Node& node) { return Read(node); },
          [this](Node& node) { MayStop(node); },
          [this](const Node& node, ShardId shard, Epoch epoch) { OnAcquired(node, shard, epoch); },
          [this](ShardId shard, Epoch epoch) { OnHandedIn(shard, epoch); },
          [this](const Written& written, const Status& status) { OnWritten(written, status); },
          [this, index](ShardId shard, const Status& why) {
            ++history_.disturbed;
            if (why.reason() == "lease.ended") {
              history_.Probe("a lease ended");
            }
            Trace("node " + std::to_string(index) + " lost shard " + std::to_string(shard.value()) +
                  ": " + why.ToString());
          },
          [this](const Node& node) { OnReleased(node); },
          [this](const char* probe) { history_.Probe(probe); }};
}

// As a stop by SIGTERM: what it has is handed over, or that takes too long; when all is written
// what is left is given up and the process goes; or it is killed because that took too long.
void World::Drain(size_t index) {
  if (nodes_[index] == nullptr) {
    return;
  }
  Node& node = *nodes_[index];
  Trace("node " + std::to_string(index) + " stops");
  const auto go = [this, index, process = node.process()](const char* why) {
    if (nodes_[index] != nullptr && nodes_[index]->process() == process) {
      Crash(index, why);
    }
  };
  const auto stop = [this, go, &node] {
    history_.Probe("a stop that was in time");
    node.Post([this, go, &node] {
      node.ReleaseAll([this, go] { scheduler_.After(Duration(0), [go] { go("stopped"); }); });
    });
  };
  const auto drain = [this, stop, &node,
                      drained = std::make_shared<bool>(false)](bool handed_over) {
    if (std::exchange(*drained, true)) {
      return;
    }
    if (handed_over) {
      history_.Probe("a node that stops has handed everything over");
    } else if (node.shards().counters().calls_in_flight.load() != 0) {
      history_.Probe("a stop while calls are out");
    }
    node.shards().Drain(stop);
  };
  node.Post([drain, &node] { node.Leave([drain] { drain(true); }); });
  scheduler_.After(dice_.Between(milliseconds(5), milliseconds(300)),
                   [drain, &node, alive = node.alive()] {
                     if (*alive) {
                       node.Post([drain] { drain(false); });
                     }
                   });
  scheduler_.After(dice_.Between(milliseconds(20), seconds(1)),
                   [go] { go("stopping for too long"); });
}

// Stopped, as by a signal or a hypervisor: what it is due to do it does when it goes on.
void World::PauseNode(size_t node) {
  if (nodes_[node] == nullptr) {
    return;
  }
  ++history_.disturbed;
  const Duration span = dice_.Between(Duration(0), 3 * kLeaseTime);
  Trace("node " + std::to_string(node) + " is stopped for " + FormatDuration(span));
  nodes_[node]->PauseUntil(scheduler_.now() + span);
}

void World::CutOff(size_t node) {
  ++history_.disturbed;
  const Duration span = dice_.Between(Duration(0), 3 * kLeaseTime);
  Trace("node " + std::to_string(node) + " is cut off from the store for " + FormatDuration(span));
  history_.Probe("a node is cut off from the store");
  cut_off_until_[node] = std::max(cut_off_until_[node], scheduler_.now() + span);
}

void World::SetApart() {
  const size_t one = dice_.Below(kNodes);
  const size_t other = (one + 1 + dice_.Below(kNodes - 1)) % kNodes;
  Trace("nodes " + std::to_string(one) + " and " + std::to_string(other) + " are set apart");
  apart_until_[std::minmax(one, other)] = scheduler_.now() + dice_.Between(Duration(0), seconds(1));
}

bool World::IsCutOff(size_t node) const {
  return scheduler_.now() < cut_off_until_[node];
}

bool World::IsApart(size_t one, size_t other) const {
  const auto found = apart_until_.find(std::minmax(one, other));
  return found != apart_until_.end() && scheduler_.now() < found->second;
}

// ---- waiting ------------------------------------------------------------------------------------

Status World::Reach(Node& node) {
  if (!healed_ && dice_.Chance(mood_.waits)) {
    LetPass(node,
            dice_.Between(Duration(0), dice_.Chance(300) ? 2 * kLeaseTime : milliseconds(60)));
  }
  if (IsCutOff(node.index())) {
    return StoreAway("cut off, nothing was done");
  }
  return !healed_ && dice_.Chance(mood_.stumble) ? StoreAway("nothing was done") : Status();
}

Status World::Hear(Node& node) {
  if (!healed_ && dice_.Chance(mood_.waits)) {
    LetPass(node,
            dice_.Between(Duration(0), dice_.Chance(300) ? 2 * kLeaseTime : milliseconds(60)));
  }
  if (!healed_ && dice_.Chance(mood_.lost_answer)) {
    history_.Probe("the store's answer is lost");
    return StoreAway("it was done, and the answer was lost");
  }
  return {};
}

Status World::Read(const Node& node) const {
  return IsCutOff(node.index()) ? StoreAway("cut off, nothing can be read") : Status();
}

// Between two effects of one turn: the lease that the turn began under may end.
void World::MayStop(Node& node) {
  if (healed_ || !dice_.Chance(mood_.pause_in_turn)) {
    return;
  }
  ++history_.disturbed;
  const Duration span = dice_.Between(Duration(0), 2 * kLeaseTime);
  Trace("node " + std::to_string(node.index()) + " is stopped within a turn for " +
        FormatDuration(span));
  history_.Probe("a node is stopped in the middle of its turn");
  node.PauseUntil(scheduler_.now() + span);
  node.StopInTurn();
  LetPass(node, span);
  node.GoOnInTurn();
}

// For `node`'s own thread that waits, and for as long as it is stopped beside; everything else goes
// on. Others may wait within that, so it may be longer.
void World::LetPass(Node& node, Duration span) {
  const Instant asked_until = scheduler_.now() + span;
  const auto until = [&] { return std::max(asked_until, node.goes_on_at()); };
  ++depth_;
  while (history_.violations.empty() && !scheduler_.idle() && scheduler_.next() <= until()) {
    Step();
  }
  --depth_;
  scheduler_.Sleep(std::max(until() - scheduler_.now(), Duration(0)));
}

// ---- writes -------------------------------------------------------------------------------------

void World::ScheduleDeliveries() {
  for (const auto& node : nodes_) {
    if (node == nullptr || node->journal().pending() <= node->deliveries_scheduled) {
      continue;
    }
    ++node->deliveries_scheduled;
    // What was handed in is on its way, also while the node is stopped; a store may be slow.
    const bool slow = !healed_ && dice_.Chance(mood_.slow_store);
    scheduler_.After(dice_.Between(Duration(200), slow ? 3 * kLeaseTime : Duration(4000)),
                     [this, raw = node.get(), alive = node->alive()] {
                       if (*alive) {
                         Deliver(*raw);
                       }
                     });
  }
}

void World::Deliver(Node& node) {
  const size_t index = node.index();
  --node.deliveries_scheduled;
  if (!healed_ && dice_.Chance(mood_.crash_at_append)) {
    Crash(index, "before an append was durable");
    return;
  }
  FailAppend(node);
  node.journal().Deliver();
  if (!healed_ && dice_.Chance(mood_.crash_at_append)) {
    Crash(index, "after an append was durable");
  }
}

// The next one of the node, or not.
void World::FailAppend(Node& node) {
  using Fault = storage::MemoryFault;
  if (healed_) {
    return;
  }
  std::optional<Fault> fault;
  if (IsCutOff(node.index())) {
    // The connection broke before it was sent, or after: then it may be written, at once or late.
    const Fault faults[] = {Fault::kUnavailable, Fault::kUnknownOnce, Fault::kUnknownOnceWritten};
    fault = faults[dice_.Below(std::size(faults))];
  } else if (dice_.Chance(mood_.failed_append)) {
    fault = Fault::kUnavailable;
  } else if (dice_.Chance(mood_.failed_append / 3)) {
    fault = dice_.Chance(500) ? Fault::kUnknownOutcome : Fault::kUnknownOutcomeWritten;
  } else if (dice_.Chance(mood_.failed_append)) {
    fault = dice_.Chance(600) ? Fault::kUnknownOnce : Fault::kUnknownOnceWritten;
  }
  if (!fault) {
    return;
  }
  ++history_.failed_appends;
  Trace("an append of node " + std::to_string(node.index()) + " fails, kind " +
        std::to_string(static_cast<int>(*fault)));
  node.journal().Fail(*fault);
  if (*fault == Fault::kUnknownOnce && dice_.Chance(500)) {
    node.MakeLate();
  }
}

// What was lost on its way arrives after all, also when whoever sent it is dead by then, or another
// one has the shard.
void World::ArriveLater(storage::ShardBatch batch) {
  scheduler_.After(dice_.Between(Duration(0), dice_.Chance(500) ? milliseconds(5) : 3 * kLeaseTime),
                   [this, late = std::make_shared<storage::ShardBatch>(std::move(batch))] {
                     const Status arrived =
                         store_->Apply(late->shard, late->epoch, std::move(late->batch));
                     Trace("a late append to shard " + std::to_string(late->shard.value()) + ": " +
                           arrived.ToString());
                     if (arrived.ok()) {
                       history_.Probe("an append that was late is written");
                       CheckOwner(late->shard, late->epoch, "a late write was accepted");
                     } else if (arrived.code() == StatusCode::kFenced) {
                       history_.Probe("an append that was late is fenced");
                     }
                   });
}

// ---- owners -------------------------------------------------------------------------------------

void World::OnAcquired(const Node& node, ShardId shard, Epoch epoch) {
  history_.acquired[{shard.value(), epoch.value()}] = scheduler_.now();
  const auto before = had_.find(shard);
  const bool another = before != had_.end() && before->second != node.index();
  history_.disturbed += before != had_.end() ? 1 : 0;
  had_[shard] = node.index();
  if (!another) {
    return;
  }
  history_.Probe("a shard was taken over");
  for (const Client& client : clients_) {
    if (ShardOf(client.gid) != shard) {
      continue;
    }
    if (const auto stored = reader_.Load(client.gid); stored.ok() && stored->summary.open) {
      history_.Probe("taken over: " + stored->summary.mode + " " + stored->summary.status);
    }
  }
}

// After an append of unknown outcome the shard is acquired and read anew: nothing more is written
// under the same epoch, neither the same again nor what follows from it.
void World::OnHandedIn(ShardId shard, Epoch epoch) {
  if (in_doubt_.contains({shard, epoch})) {
    history_.Violation("I10: unknown outcome: shard " + std::to_string(shard.value()) +
                       " goes on writing under epoch " + std::to_string(epoch.value()) +
                       ", though it can not know what is written");
  }
}

void World::OnWritten(const Written& written, const Status& status) {
  if (status.ok()) {
    CheckOwner(written.shard, written.epoch, "a write was accepted");
  } else if (status.code() == StatusCode::kFenced) {
    history_.Probe("a write was fenced");
  } else if (status.code() == StatusCode::kUnknownOutcome) {
    in_doubt_.emplace(written.shard, written.epoch);
    history_.Probe(written.decides ? "unknown outcome of a decision" : "unknown outcome");
  }
}

void World::OnReleased(const Node& node) {
  for (const auto& other : nodes_) {
    if (other != nullptr && other.get() != &node && !IsApart(other->index(), node.index())) {
      other->Look();
    }
  }
}

// Whoever acts on a shard has acquired it last, and has not given it up.
void World::CheckOwner(ShardId shard, Epoch epoch, const std::string& what) {
  const NodeTable::Lease& lease = table_.LeaseOf(shard);
  if (lease.owner.empty() || lease.epoch != epoch) {
    history_.Violation("G6: " + what + " under epoch " + std::to_string(epoch.value()) +
                       " of shard " + std::to_string(shard.value()) + ", which " +
                       (lease.owner.empty() ? "nobody" : lease.owner) + " has under " +
                       std::to_string(lease.epoch.value()));
  }
}

// And whoever lets an effect out has a lease that no other can have ended by then: what is written
// is fenced, a call is not.
void World::CheckCaller(ShardId shard, Epoch epoch) {
  CheckOwner(shard, epoch, "a call was sent");
  if (const Instant until = table_.LeaseOf(shard).until; scheduler_.now() >= until) {
    history_.Violation("G6: a call was sent under epoch " + std::to_string(epoch.value()) +
                       " of shard " + std::to_string(shard.value()) + ", " +
                       FormatDuration(scheduler_.now() - until) + " after the lease had ended");
  }
}

Node* World::NodeFor(const Gid& gid) {
  std::vector<Node*> up;
  for (const auto& node : nodes_) {
    // Who asks one that is stopped waits for it; these ask another.
    if (node != nullptr && !node->paused()) {
      up.push_back(node.get());
    }
  }
  if (up.empty()) {
    return nullptr;
  }
  const ShardId shard = ShardOf(gid);
  Node* const asked = up[dice_.Below(up.size())];
  if (asked->ownership().Serves(shard)) {
    return asked;
  }
  const std::string owner = asked->OwnerOf(shard);
  const auto found =
      std::find_if(up.begin(), up.end(), [&owner](Node* node) { return node->id() == owner; });
  if (found == up.end() || *found == asked) {
    return asked;  // Which says that it can not.
  }
  if (IsApart(asked->index(), (*found)->index())) {
    history_.Probe("a request could not be forwarded");
    return nullptr;
  }
  history_.Probe((*found)->ownership().Serves(shard)
                     ? "a request was forwarded"
                     : "a request was forwarded to who did not have it any more");
  return *found;
}

}  // namespace entente::sim
