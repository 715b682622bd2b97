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
      definitions_(reader_, {}),
      table_(kLeaseTime) {
  network_.OnSent([this](const Sent& sent) {
    Trace(sent.gid + ": " + sent.target + " #" + std::to_string(sent.attempt) + " under epoch " +
          std::to_string(sent.epoch));
    CheckCaller(ShardOf(Gid(sent.gid)), Epoch(sent.epoch));
    // What undoes or finishes rests on a decision, which no crash may take back any more.
    if (sent.verb == Verb::kUndo) {
      CheckUndo(sent);
    } else if (sent.verb == Verb::kFinish && !sent.one_phase) {
      CheckDurable(sent.gid, TxnStatus::kCommitting, "a finish was sent");
    }
  });
  network_.SetCompleter([this](const engine::CommandId& command, uint32_t run, auto outcome,
                               auto done) {
    Node* const node = NodeFor(command.gid);
    if (node == nullptr) {
      return;
    }
    const auto told = [done = std::move(done)](const Result<TxnView>& view) {
      // Unavailable: it is being read back, or another node's. Unknown outcome: the node
      // stopped over it.
      done(view.status().code() != StatusCode::kUnavailable &&
           view.status().code() != StatusCode::kUnknownOutcome);
    };
    node->shards().Deliver(command.gid,
                           engine::CompletionReceived{command.branch, command.role,
                                                      command.alternative, std::move(outcome), run},
                           std::nullopt, From(*node, told));
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
  Faults faults{chance(80),  chance(100), chance(100), chance(200), chance(120),
                chance(120), chance(120), chance(700), chance(500), chance(150),
                chance(150), chance(500), chance(200)};
  DrawTrouble();
  mood_.operators = chance(500);
  DropUnwanted(faults);
  network_.SetFaults(faults);
  const Instant begin = scheduler_.now();
  for (Client& client : clients_) {
    PlanFor(client);
  }
  PlanTrouble();
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

void World::Make(size_t node) {
  ++processes_;
  if (processes_ > kNodes && dice_.Chance(mood_.clock_jump)) {
    history_.clock_jumped = true;
    const Duration by = dice_.Chance(100) ? Duration(std::chrono::hours(1)) : seconds(2);
    clock_offsets_[node] += dice_.Between(-by, by);
    history_.Probe(clock_offsets_[node] < Duration(0) ? "a start with a clock that is behind"
                                                      : "a start with a clock that is ahead");
  }
  Node::Options options{node, processes_, dice_.Next(), clock_offsets_[node], 0};
  if (mood_.drift_ppm != 0) {
    history_.clock_jumped = true;
    options.clock_drift_ppm = static_cast<int64_t>(dice_.Below(2 * mood_.drift_ppm + 1)) -
                              static_cast<int64_t>(mood_.drift_ppm);
  }
  nodes_[node] = std::make_unique<Node>(options, SurroundingsOf(node));
  Trace("node " + std::to_string(node) + " started as " + nodes_[node]->id());
}

void World::Start(size_t node) {
  Make(node);
  nodes_[node]->Beat();
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
  CountPondered(*nodes_[node]);
  nodes_[node]->Die();
  dead_.push_back(std::move(nodes_[node]));
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

// From here on nothing fails, and an operator looks after what is stuck.
void World::Heal() {
  Trace("healed");
  healed_ = true;
  cut_off_until_ = {};
  apart_until_.clear();
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
                         From(*node, [this, &client](const Result<TxnView>& view) {
                           if (view.ok()) {
                             Observe(client, *view);
                           }
                         }));
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

void World::Step() {
  scheduler_.Step();
  for (size_t node = 0; node < kNodes; ++node) {
    if (nodes_[node] != nullptr && !nodes_[node]->failure().empty()) {
      Crash(node, "it stopped itself: " + std::string(nodes_[node]->failure()));
    }
  }
  ScheduleDeliveries();
  if (depth_ == 0) {
    dead_.clear();
  }
}

std::vector<std::string> World::Run() {
  DrawPlans();
  MakeClients();
  PutDefinitions();
  PlanStorm();
  for (size_t node = 0; node < kNodes; ++node) {
    Make(node);
    nodes_[node]->Join();
  }
  for (size_t node = 0; node < kNodes; ++node) {
    if (nodes_[node] != nullptr) {  // Else its first append was the one to end it.
      nodes_[node]->Beat();
    }
  }
  const Instant limit = scheduler_.now() + options_.storm + options_.limit;
  while (!scheduler_.idle() && scheduler_.now() < limit && history_.violations.empty()) {
    Step();
    if (healed_ && AllEnded()) {
      // Zombies on the network may still arrive: they must change nothing.
      const Instant drained = scheduler_.now() + seconds(10);
      while (!scheduler_.idle() && scheduler_.next() < drained) {
        Step();
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
