#include "tests/sim/world.h"

#include <algorithm>
#include <cstdio>
#include <set>
#include <utility>

namespace entente::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const PlanSpec* FindPlan(const std::string& name) {
  const auto& plans = StandardPlans();
  const auto found = std::find_if(plans.begin(), plans.end(),
                                  [&](const PlanSpec& plan) { return plan.name == name; });
  return found == plans.end() ? nullptr : &*found;
}

constexpr Duration kLeaseTime = milliseconds(500);

// FNV-1a.
void Mix(uint64_t& hash, const std::string& text) {
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  }
}

}  // namespace

World::World(WorldOptions options)
    : options_(options),
      dice_(options.seed),
      services_(options.seed, static_cast<uint32_t>(Dice(options.seed ^ 7).Below(3)) * 80,
                history_),
      network_(scheduler_, dice_, services_, history_),
      store_(std::make_shared<storage::MemoryStore>(
          storage::MemoryLeases{[this] { return scheduler_.now(); }, kLeaseTime})),
      reader_(store_, storage::MemoryDelivery::kManual),
      definitions_(reader_, {}) {
  network_.OnSent([this](const Sent& sent) {
    CheckOwned(ShardOf(Gid(sent.gid)), Epoch(sent.epoch), "a call was sent");
    // What undoes or finishes rests on a decision, which no crash may take back any more.
    if (sent.verb == Verb::kUndo) {
      CheckDurable(sent.gid, TxnStatus::kAborting, "an undo was sent");
    } else if (sent.verb == Verb::kFinish && !sent.one_phase) {
      CheckDurable(sent.gid, TxnStatus::kCommitting, "a finish was sent");
    }
  });
  network_.SetCompleter([this](const engine::CommandId& command, auto outcome, auto done) {
    Node* const node = NodeFor(command.gid);
    if (node == nullptr) {
      return;
    }
    node->shards().Deliver(command.gid,
                           engine::CompletionReceived{command.branch, command.role,
                                                      command.alternative, std::move(outcome)},
                           std::nullopt,
                           [done = std::move(done)](const Result<runtime::TxnView>& view) {
                             // Unavailable: it is being read back, or another node's. Unknown
                             // outcome: the node stopped over it.
                             done(view.status().code() != StatusCode::kUnavailable &&
                                  view.status().code() != StatusCode::kUnknownOutcome);
                           });
  });
}

World::~World() {
  for (const auto& node : nodes_) {
    if (node != nullptr) {
      node->journal().Crash();  // What it has in hand is nobody's business any more.
    }
  }
}

void World::Trace(const std::string& text) {
  Mix(coverage_.trace_hash, std::to_string(ToMicros(scheduler_.now())) + text);
  if (options_.trace) {
    const auto since = scheduler_.now() - InstantFromMicros(1'000'000'000'000'000);
    std::printf("%10.3f ms  %s\n", static_cast<double>(since.count()) / 1000.0, text.c_str());
  }
}

// ---- what is to be done -------------------------------------------------------------------------

void World::DrawPlans() {
  constexpr size_t kDrawn = 3;
  for (size_t i = 0; i < kDrawn; ++i) {
    drawn_.push_back(DrawPlan("drawn-" + std::to_string(i), dice_));
  }
}

void World::MakeClients() {
  for (size_t i = 0; i < options_.transactions; ++i) {
    Client client;
    client.gid = Gid("t" + std::to_string(i));
    if (dice_.Chance(250)) {
      MakeDriving(client);
    } else {
      client.plan = dice_.Chance(250) ? &drawn_[dice_.Below(drawn_.size())]
                                      : &StandardPlans()[dice_.Below(StandardPlans().size())];
      client.input = {{"items", Json::array()}};
      for (uint64_t n = dice_.Below(5); n > 0; --n) {
        client.input["items"].push_back(n);
      }
    }
    clients_.push_back(std::move(client));
  }
}

// Only what this run needs, and what that runs in turn: compiling is what a run spends most on.
void World::PutDefinitions() {
  std::vector<const PlanSpec*> wanted;
  for (const Client& client : clients_) {
    if (client.plan != nullptr) {
      wanted.push_back(client.plan);
    }
  }
  std::set<std::string> put;
  for (size_t i = 0; i < wanted.size(); ++i) {
    const PlanSpec& plan = *wanted[i];
    if (!put.insert(plan.name).second) {
      continue;
    }
    const auto result = definitions_.Put("", DefinitionOf(plan));
    if (!result.row.ok()) {
      std::string all = result.row.status().message() + "\n" + DefinitionOf(plan);
      for (const auto& problem : result.problems) {
        all += "\n  " + dsl::FormatProblem(problem);
      }
      CheckFailed(all, __FILE__, __LINE__);
    }
    for (const StepSpec& step : plan.steps) {
      if (step.kind == StepSpec::Kind::kChild) {
        wanted.push_back(FindPlan(step.child));
      }
      if (step.undo == StepSpec::Undo::kByChild) {
        wanted.push_back(FindPlan("payback"));
      }
    }
  }
}

// ---- the storm ----------------------------------------------------------------------------------

void World::PlanStorm() {
  // Many kinds of trouble at once hide each other: each seed has some of them.
  const auto chance = [this](uint64_t at_most) {
    return dice_.Chance(400) ? 0 : static_cast<uint32_t>(dice_.Below(at_most + 1));
  };
  network_.SetFaults({chance(80), chance(100), chance(100), chance(200), chance(120), chance(120),
                      chance(120), chance(700), chance(500), chance(150), chance(150), chance(500),
                      chance(200)});
  const bool calm = dice_.Chance(250);
  if (!calm) {
    mood_.crashes = dice_.Below(7);
    mood_.failed_append = chance(12);
    mood_.crash_at_append = chance(12);
    mood_.clock_jump = dice_.Chance(200) ? 400 : 0;
    mood_.pauses = dice_.Chance(400) ? 0 : dice_.Below(7);
    mood_.stumble = chance(80);
    mood_.slow_store = chance(10);
  }
  mood_.operators = chance(500);
  const Instant begin = scheduler_.now();
  for (Client& client : clients_) {
    PlanFor(client);
  }
  for (uint64_t n = mood_.crashes; n > 0; --n) {
    const bool gently = dice_.Chance(300);
    const size_t node = dice_.Below(kNodes);
    scheduler_.At(begin + dice_.Between(Duration(0), options_.storm), [this, gently, node] {
      if (gently) {
        Drain(node);
      } else {
        Crash(node, "at a random instant");
      }
    });
  }
  for (uint64_t n = mood_.pauses; n > 0; --n) {
    scheduler_.At(begin + dice_.Between(Duration(0), options_.storm),
                  [this] { PauseNode(dice_.Below(kNodes)); });
  }
  if (mood_.operators > 0) {
    for (Duration at = milliseconds(300); at < options_.storm; at += milliseconds(400)) {
      scheduler_.At(begin + at, [this] { LookAtIncidents(); });
    }
  }
  scheduler_.At(begin + options_.storm, [this] { Heal(); });
}

void World::PlanFor(Client& client) {
  const Instant at = scheduler_.now() + dice_.Between(Duration(0), options_.storm / 2);
  scheduler_.At(at, [this, &client] { Submit(client); });
  const auto within = [&](Duration span, auto act) {
    scheduler_.At(at + dice_.Between(Duration(0), span), act);
  };
  if (dice_.Chance(200)) {
    within(milliseconds(400), [this, &client] { Cancel(client); });
  }
  if (dice_.Chance(150)) {
    within(milliseconds(200), [this, &client] { Pause(client); });
    if (dice_.Chance(600)) {
      within(seconds(2), [this, &client] { Resume(client); });
    }
  }
  const bool awaited = client.plan == nullptr || !client.plan->hopeless;
  for (int number = 1; awaited && number <= 3; ++number) {
    // Whoever signals may not be told, and says it again.
    for (int times = 0; times < 2 && dice_.Chance(600); ++times) {
      within(milliseconds(700), [this, &client, number] { Signal(client, number); });
    }
  }
  if (dice_.Chance(300)) {
    within(options_.storm, [this, &client] { Submit(client); });
  }
  if (mood_.operators > 0 && dice_.Chance(30)) {
    within(seconds(1), [this, &client] { Resolve(client); });
  }
  if (mood_.operators > 0 && dice_.Chance(100)) {
    within(seconds(1), [this, &client] { Retry(client.gid, std::nullopt); });
  }
}

// ---- nodes --------------------------------------------------------------------------------------

NodeSurroundings World::SurroundingsOf(size_t node) {
  return {scheduler_,
          network_,
          store_,
          [this] {
            return !healed_ && dice_.Chance(mood_.stumble)
                       ? Unavailable("store.unavailable", "injected: nothing was written")
                       : Status();
          },
          [this, node](ShardId shard, Epoch epoch) {
            const auto before = owners_.find(shard);
            if (before != owners_.end() && before->second.node != node) {
              history_.Probe("a shard was taken over");
            }
            owners_[shard] = Owner{epoch, node};
            history_.acquired[{shard.value(), epoch.value()}] = scheduler_.now();
          },
          [this](ShardId shard, Epoch epoch, const Status& status) {
            if (status.ok()) {
              CheckOwned(shard, epoch, "a write was accepted");
            } else if (status.code() == StatusCode::kFenced) {
              history_.Probe("a write was fenced");
            }
          },
          [this, node](ShardId shard, const Status& why) {
            ++history_.disturbed;
            if (why.reason() == "lease.ended") {
              history_.Probe("a lease ended");
            }
            Trace("node " + std::to_string(node) + " lost shard " + std::to_string(shard.value()) +
                  ": " + why.ToString());
          }};
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
  const auto serves = std::find_if(
      up.begin(), up.end(), [&gid](Node* node) { return node->ownership().Serves(ShardOf(gid)); });
  const bool knows = serves != up.end() && !dice_.Chance(100);
  return knows ? *serves : up[dice_.Below(up.size())];
}

// Who acts on a shard must be the one who acquired it last: who did so before must have known by
// now, by the clock or by its journal, that the shard may be another's.
void World::CheckOwned(ShardId shard, Epoch epoch, const std::string& what) {
  const Owner& owner = owners_.at(shard);
  if (owner.epoch != epoch) {
    history_.Violation("G6: " + what + " under epoch " + std::to_string(epoch.value()) +
                       " of shard " + std::to_string(shard.value()) + ", which node " +
                       std::to_string(owner.node) + " has under " +
                       std::to_string(owner.epoch.value()));
  }
}

void World::Start(size_t node) {
  ++processes_;
  if (processes_ > kNodes && dice_.Chance(mood_.clock_jump)) {
    history_.clock_jumped = true;
    const Duration by = dice_.Chance(100) ? Duration(std::chrono::hours(1)) : seconds(2);
    clock_offsets_[node] += dice_.Between(-by, by);
    history_.Probe(clock_offsets_[node] < Duration(0) ? "a start with a clock that is behind"
                                                      : "a start with a clock that is ahead");
  }
  nodes_[node] = std::make_unique<Node>(
      Node::Options{node, processes_, dice_.Next(), clock_offsets_[node]}, SurroundingsOf(node));
  Trace("node " + std::to_string(node) + " started");
  nodes_[node]->KeepLeases();
}

void World::CountPondered(Node& node) {
  if (node.shards().counters().pondered > 0) {
    history_.Probe("a decision was worked out elsewhere");
  }
}

void World::Crash(size_t node, const std::string& why) {
  if (nodes_[node] == nullptr) {
    return;
  }
  Trace("crash of node " + std::to_string(node) + ": " + why);
  ++history_.crashes;
  nodes_[node]->journal().Crash();
  CountPondered(*nodes_[node]);
  nodes_[node].reset();
  for (Client& client : clients_) {
    client.retry_armed = false;
  }
  scheduler_.After(dice_.Between(milliseconds(1), milliseconds(1200)), [this, node] {
    if (nodes_[node] == nullptr) {
      Start(node);
    }
  });
  for (Client& client : clients_) {
    if (client.submitted) {
      Nudge(client);
    }
  }
}

// As a stop by SIGTERM: when all is written the shards are given up and the process goes; or it is
// killed because that took too long.
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
  node.shards().Drain([this, go, &node] {
    history_.Probe("a stop that was in time");
    node.ownership().ReleaseAll();
    scheduler_.After(Duration(0), [go] { go("stopped"); });
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
  using Fault = storage::MemoryFault;
  const size_t index = node.index();
  --node.deliveries_scheduled;
  if (!healed_ && dice_.Chance(mood_.crash_at_append)) {
    Crash(index, "before an append was durable");
    return;
  }
  if (!healed_ && dice_.Chance(mood_.failed_append)) {
    ++history_.failed_appends;
    Trace("an append fails");
    node.journal().Fail(Fault::kUnavailable);
  } else if (!healed_ && dice_.Chance(mood_.failed_append / 3)) {
    ++history_.failed_appends;
    Trace("an append has an unknown outcome, and nothing follows it");
    node.journal().Fail(dice_.Chance(500) ? Fault::kUnknownOutcome : Fault::kUnknownOutcomeWritten);
  } else if (!healed_ && dice_.Chance(mood_.failed_append / 2)) {
    ++history_.failed_appends;
    history_.Probe("an append that may have been written");
    Trace("an append may have been written");
    node.journal().Fail(dice_.Chance(500) ? Fault::kUnknownOnce : Fault::kUnknownOnceWritten);
  }
  node.journal().Deliver();
  if (!healed_ && dice_.Chance(mood_.crash_at_append)) {
    Crash(index, "after an append was durable");
  }
}

// From here on nothing fails, and an operator looks after what is stuck.
void World::Heal() {
  Trace("healed");
  healed_ = true;
  network_.SetFaults({});
  services_.StopRefusing();
  Tend();
}

void World::Tend() {
  LookAtIncidents();
  for (Client& client : clients_) {
    Resume(client);
    if (client.plan == nullptr || !client.plan->hopeless) {
      Signal(client, 4);
      Signal(client, 5);
    }
    if (Node* node = NodeFor(client.gid)) {
      node->shards().Get(client.gid, std::nullopt,
                         [this, &client](const Result<runtime::TxnView>& view) {
                           if (view.ok()) {
                             Observe(client, *view);
                           }
                         });
    }
  }
  if (!AllEnded()) {
    scheduler_.After(seconds(5), [this] { Tend(); });
  }
}

bool World::AllEnded() {
  return std::all_of(clients_.begin(), clients_.end(),
                     [this](const Client& client) { return !FactsOf(client).ends.empty(); });
}

std::vector<std::string> World::Run() {
  DrawPlans();
  MakeClients();
  PutDefinitions();
  PlanStorm();
  for (size_t node = 0; node < kNodes; ++node) {
    Start(node);
  }
  const Instant limit = scheduler_.now() + options_.storm + options_.limit;
  while (!scheduler_.idle() && scheduler_.now() < limit && history_.violations.empty()) {
    scheduler_.Step();
    for (size_t node = 0; node < kNodes; ++node) {
      if (nodes_[node] != nullptr && !nodes_[node]->failure().empty()) {
        Crash(node, "it stopped itself: " + std::string(nodes_[node]->failure()));
      }
    }
    ScheduleDeliveries();
    if (healed_ && AllEnded()) {
      // Zombies on the network may still arrive: they must change nothing.
      const Instant drained = scheduler_.now() + seconds(10);
      while (!scheduler_.idle() && scheduler_.next() < drained) {
        scheduler_.Step();
        ScheduleDeliveries();
      }
      break;
    }
  }
  for (const auto& node : nodes_) {
    if (node != nullptr) {
      CountPondered(*node);
    }
  }
  std::vector<std::string> violations = history_.violations;
  Judge(violations);
  return violations;
}

}  // namespace entente::sim
