#include "tests/sim/world.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <utility>

#include "base/limits.h"
#include "coordinator/runtime/record_codec.h"
#include "coordinator/runtime/shard_txn.h"
#include "dsl/client_branches.h"
#include "engine/text.h"

namespace entente::sim {
namespace {

using engine::TxnStatus;

constexpr Duration kLeaseTime = std::chrono::milliseconds(500);

constexpr const char* kParticipants = R"("participants": {"p": {"http": "http://p.test"}},
  "retry": {"initial": "10ms", "factor": 2, "max": "100ms", "attempts": 4}, "timeout": "200ms",)";

std::string Step(const std::string& id, const std::string& more) {
  return R"({"id": ")" + id + R"(", "participant": "p", "action": {"post": "/)" + id +
         R"(/${key}", "body": {}}, "compensate": {"delete": "/)" + id +
         R"(/${key}"}, "compensateRetry": {"initial": "10ms", "factor": 2, "max": "100ms",
         "attempts": 6})" +
         more + "}";
}

std::string Definition(const std::string& name, const std::string& steps,
                       const std::string& mode = "saga") {
  return R"({"name": ")" + name + R"(", "mode": ")" + mode + R"(", )" + kParticipants +
         R"("steps": [)" + steps + "]}";
}

constexpr const char* kSettleRetry =
    R"(, "settleRetry": {"initial": "10ms", "factor": 2, "max": "100ms", "attempts": 6})";

std::string TccStep(const std::string& id, const std::string& more) {
  return R"({"id": ")" + id + R"(", "participant": "p", "try": {"post": "/)" + id +
         R"(/${key}"}, "confirm": {"post": "/)" + id + R"(/${key}/confirm"},
         "cancel": {"delete": "/)" +
         id + R"(/${key}"})" + kSettleRetry + more + "}";
}

std::string VoteStep(const std::string& id, const std::string& more) {
  return R"({"id": ")" + id + R"(", "participant": "p", "prepare": {"post": "/)" + id +
         R"(/${key}"}, "commit": {"post": "/)" + id + R"(/${key}/commit"},
         "rollback": {"delete": "/)" +
         id + R"(/${key}"})" + kSettleRetry + more + "}";
}

std::string ChildStep(const std::string& id, const std::string& definition) {
  return R"({"id": ")" + id + R"(", "action": {"transaction": {"definition": ")" + definition +
         R"(", "input": {"items": [1, 2]}}}, "compensate": null})";
}

// The shapes that a transaction may have.
const std::vector<std::string>& Definitions() {
  static const std::vector<std::string> definitions = {
      Definition("line",
                 Step("a", "") + "," +
                     Step("b", R"(, "alternatives": [{"post": "/b2/${key}", "body": {}}])") + "," +
                     Step("c", "")),
      Definition("diamond", Step("a", "") + "," + Step("b", R"(, "after": ["a"])") + "," +
                                Step("c", R"(, "after": ["a"])") + "," +
                                Step("d", R"(, "after": ["b", "c"])")),
      Definition("pivot", Step("a", "") + "," + Step("p", R"(, "pivot": true)") +
                              R"(, {"id": "z", "participant": "p", "action": {"post": "/z/${key}"},
                     "retry": {"initial": "10ms", "max": "100ms", "attempts": 30}})"),
      Definition("fan",
                 Step("a", "") + "," +
                     Step("f", R"(, "forEach": {"items": "${input.items}", "maxParallel": 2})") +
                     "," + Step("c", R"(, "when": "${size(steps.f.output) > 1}")")),
      Definition("waits", Step("a", "") + R"(, {"id": "w", "wait": {"for": "50ms"}},
                     {"id": "s", "wait": {"signal": "go", "timeout": "2s", "onTimeout": "continue"}},)" +
                              Step("b", "")),
      Definition(
          "parent",
          Step("a", "") +
              R"(, {"id": "kid", "action": {"transaction": {"definition": "line", "input": {}}},
                     "compensate": null},)" +
              Step("c", "")),
      Definition(
          "hold-all",
          TccStep("a", R"(, "expires": "1s")") + "," + TccStep("b", R"(, "after": [])") + "," +
              TccStep("c", R"(, "after": [], "expires": {"at": "800ms", "margin": "300ms"})"),
          "tcc"),
      Definition("hold-fan",
                 TccStep("a", "") + "," +
                     TccStep("f", R"(, "forEach": {"items": "${input.items}", "maxParallel": 2})") +
                     R"(, {"id": "w", "after": ["a"], "wait": {"for": "50ms"}})",
                 "tcc"),
      Definition("vote",
                 VoteStep("a", "") + "," + VoteStep("b", R"(, "after": [])") + "," +
                     VoteStep("c", R"(, "after": [], "when": "${size(input.items) > 2}")"),
                 "2pc"),
      Definition("alone",
                 VoteStep("a", R"(, "onePhase": true)") + "," +
                     VoteStep("b", R"(, "when": "${size(input.items) > 3}", "onePhase": true)"),
                 "2pc"),
      Definition("solo", VoteStep("a", R"(, "onePhase": true)"), "2pc"),
      Definition("parent-of-tcc",
                 Step("a", "") + "," + ChildStep("kid", "hold-fan") + "," + Step("c", "")),
      Definition("parent-of-2pc",
                 Step("a", "") + "," + ChildStep("kid", "vote") + "," + Step("c", "")),
  };
  return definitions;
}

}  // namespace

// ---- the coordinator's surroundings -------------------------------------------------------------

// A task of a dead node does nothing; one of a node that is stopped runs when it goes on.
class World::Host final : public runtime::Host {
 public:
  Host(Scheduler& scheduler, uint64_t seed)
      : scheduler_(scheduler), dice_(seed), alive_(std::make_shared<bool>(true)) {}
  ~Host() override { *alive_ = false; }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  [[nodiscard]] std::shared_ptr<bool> alive() const { return alive_; }
  void PauseUntil(Instant instant) { goes_on_at_ = instant; }
  [[nodiscard]] bool paused() const { return scheduler_.now() < goes_on_at_; }

  Instant Now() override { return scheduler_.now(); }
  uint64_t Entropy() override { return dice_.Next(); }
  void Post(std::function<void()> task) override { Later(Duration(0), std::move(task)); }
  void SetWakeHandler(std::function<void()> handler) override { on_wake_ = std::move(handler); }
  void WakeAt(std::optional<Instant> at) override {
    const uint64_t wish = ++wake_wish_;
    if (at) {
      Later(std::max(*at - scheduler_.now(), Duration(0)), [this, wish] {
        if (wish == wake_wish_) {
          on_wake_();
        }
      });
    }
  }
  void Offload(std::function<void()> work, std::function<void()> done) override {
    Later(dice_.Between(Duration(10), Duration(3000)),
          [this, work = std::move(work), done = std::move(done)]() mutable {
            work();
            Later(dice_.Between(Duration(10), Duration(3000)), std::move(done));
          });
  }
  void Later(Duration delay, std::function<void()> task) {
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

 private:
  Scheduler& scheduler_;
  Dice dice_;
  std::shared_ptr<bool> alive_;
  Instant goes_on_at_;
  std::function<void()> on_wake_;
  uint64_t wake_wish_ = 0;
};

// The network between one node and the services. What it sent arrives even after it died.
class World::Caller final : public runtime::ParticipantCaller {
 public:
  Caller(World& world, World::Host& host) : world_(world), host_(host) {}

  void Call(const runtime::CallContext& context, engine::CallBranch call,
            runtime::ReplyCallback done) override {
    Dice& dice = world_.dice_;
    const Faults& faults = world_.faults_;
    ++world_.coverage_.calls;
    world_.CheckOwned(ShardOf(call.command.gid), context.epoch, "a call was sent");
    CheckDecided(*context.plan, call);
    auto answered = std::make_shared<bool>(false);
    auto answer = [this, answered, done = std::move(done),
                   alive = host_.alive()](const engine::Reply& reply) {
      if (!*alive || std::exchange(*answered, true)) {
        return;
      }
      if (const auto* unknown = std::get_if<engine::ReplyUnknown>(&reply);
          unknown != nullptr && unknown->failure.code == "timeout") {
        ++world_.coverage_.timeouts;
      }
      host_.Post([done, reply] { done(reply); });
    };
    if (dice.Chance(faults.not_sent)) {
      host_.Post([answer] {
        answer(engine::ReplyNotSent{{"connect.refused", "nobody there"}, std::nullopt});
      });
      return;
    }
    world_.scheduler_.After(call.timeout, [answer] {
      answer(engine::ReplyUnknown{{"timeout", "no answer in time"}, std::nullopt});
    });
    const int copies = dice.Chance(faults.duplicate) ? 2 : 1;
    for (int copy = 0; copy < copies; ++copy) {
      if (!dice.Chance(faults.lose_request)) {
        const sim::Call sent{call.command, context.plan->mode, context.plan->client_driven,
                             call.one_phase};
        world_.scheduler_.After(Delay(call.timeout),
                                [sent, answer, timeout = call.timeout, &world = world_] {
                                  Arrive(world, sent, timeout, answer);
                                });
      }
    }
  }

  void Poll(const runtime::CallContext& /*context*/, engine::PollBranch poll,
            runtime::ReplyCallback done) override {
    // Pending operations are completed by token here; a poll never knows more.
    host_.Later(std::chrono::milliseconds(1), [done = std::move(done), url = poll.poll_url] {
      done(engine::ReplyPending{url, std::nullopt});
    });
  }

 private:
  Duration Delay(Duration timeout) {
    Dice& dice = world_.dice_;
    return dice.Chance(world_.faults_.slow)
               ? dice.Between(timeout / 2, 4 * timeout)
               : dice.Between(Duration(100), std::chrono::milliseconds(5));
  }

  // What undoes or finishes rests on a decision, which no crash may take back any more.
  void CheckDecided(const dsl::Plan& plan, const engine::CallBranch& call) {
    const bool may_change_its_way =
        std::any_of(plan.steps.begin(), plan.steps.end(), [](const dsl::Step& step) {
          const auto* work = std::get_if<dsl::CallWork>(&step.work);
          return work != nullptr && !work->alternatives.empty();
        });
    if (call.command.role == dsl::Role::kUndo && !may_change_its_way) {
      world_.CheckDurable(call.command.gid, TxnStatus::kAborting, "an undo was sent");
    } else if (call.command.role == dsl::Role::kFinish && !call.one_phase) {
      world_.CheckDurable(call.command.gid, TxnStatus::kCommitting, "a finish was sent");
    }
  }

  // `this` may be gone by now: only the world is used.
  template <class Answer>
  static void Arrive(World& world, const sim::Call& call, Duration timeout, const Answer& answer) {
    Dice& dice = world.dice_;
    engine::Reply reply;
    if (call.command.role == dsl::Role::kForward && dice.Chance(world.faults_.pending)) {
      reply = engine::ReplyPending{};
      world.scheduler_.After(dice.Between(Duration(100), 2 * timeout),
                             [&world, call] { Complete(world, call); });
    } else {
      reply = world.services_.Handle(call, world.scheduler_.now(), world.faults_, dice);
    }
    if (!dice.Chance(world.faults_.lose_reply)) {
      world.scheduler_.After(dice.Between(Duration(100), std::chrono::milliseconds(5)),
                             [answer, reply] { answer(reply); });
    }
  }

  // The service carries out a pending operation and says so, until somebody takes it in.
  static void Complete(World& world, const sim::Call& call);

  World& world_;
  World::Host& host_;
};

// The journal of one node. Whoever acquires a shard is remembered, to be held against what others
// do later.
class World::Journal final : public storage::MemoryJournal {
 public:
  Journal(World& world, size_t node)
      : MemoryJournal(world.store_, storage::MemoryDelivery::kManual), world_(world), node_(node) {}

  Result<Epoch> Acquire(ShardId shard) override {
    ENTENTE_RETURN_IF_ERROR(Stumble());
    auto epoch = MemoryJournal::Acquire(shard);
    if (epoch.ok()) {
      const auto before = world_.owners_.find(shard);
      const bool taken = before != world_.owners_.end() && before->second.node != node_;
      world_.coverage_.takeovers += taken ? 1 : 0;
      world_.owners_[shard] = Owner{*epoch, node_};
    }
    return epoch;
  }
  Status Renew(ShardId shard, Epoch epoch) override {
    ENTENTE_RETURN_IF_ERROR(Stumble());
    return MemoryJournal::Renew(shard, epoch);
  }
  void Append(ShardId shard, Epoch epoch, storage::Batch batch,
              storage::AppendCallback on_durable) override {
    MemoryJournal::Append(
        shard, epoch, std::move(batch),
        [this, shard, epoch, on_durable = std::move(on_durable)](const Status& status) {
          if (status.ok()) {
            world_.CheckOwned(shard, epoch, "a write was accepted");
          }
          world_.coverage_.fenced += status.code() == StatusCode::kFenced ? 1 : 0;
          on_durable(status);
        });
  }

 private:
  Status Stumble() {
    return !world_.healed_ && world_.dice_.Chance(world_.faults_.lose_reply)
               ? Unavailable("store.unavailable", "injected: nothing was written")
               : Status();
  }

  World& world_;
  const size_t node_;
};

struct World::Node {
  Node(World& world, size_t its_index, uint64_t seed)
      : index(its_index),
        journal(world, index),
        host(world.scheduler_, seed),
        caller(world, host),
        definitions(journal, {}),
        ownership(
            journal, [this] { return host.Now(); }, MakeEvents(world)),
        shards({100'000, 100'000},
               {host, journal, caller, definitions, events,
                [this](const std::function<void()>& work) { host.Offload(work, [] {}); },
                [this](const runtime::Lease& lease) { ownership.OnServing(lease); },
                [this, &world](const runtime::Lease& lease, const Status& why) {
                  world.coverage_.leases_ended += why.reason() == "lease.ended" ? 1 : 0;
                  world.Trace("node " + std::to_string(index) + " lost shard " +
                              std::to_string(lease.shard().value()) + ": " + why.ToString());
                  ownership.OnLost(lease);
                }}) {}
  runtime::OwnershipEvents MakeEvents(World& world) {
    return {[this](const runtime::LeasePtr& lease) { shards.Start(lease, [] { return true; }); },
            [this](const runtime::LeasePtr& lease, const Status&) { shards.Drop(*lease); },
            [this, &world] { world.KeepLeasesSoon(*this, Duration(0)); }};
  }

  const size_t index;
  World::Journal journal;
  World::Host host;
  World::Caller caller;
  runtime::Definitions definitions;
  runtime::EventHub events;
  runtime::Ownership ownership;
  runtime::WorkerShards shards;
  size_t deliveries_scheduled = 0;
  uint64_t keeping = 0;  // The latest wish to keep leases.
};

runtime::WorkerShards* World::NodeFor(const Gid& gid) {
  std::vector<Node*> up;
  for (const auto& node : nodes_) {
    // Who asks one that is stopped waits for it; these ask another.
    if (node != nullptr && !node->host.paused()) {
      up.push_back(node.get());
    }
  }
  if (up.empty()) {
    return nullptr;
  }
  const auto serves = std::find_if(up.begin(), up.end(), [&gid](const Node* node) {
    return node->ownership.Serves(ShardOf(gid));
  });
  const bool knows = serves != up.end() && !dice_.Chance(100);
  return &(knows ? *serves : up[dice_.Below(up.size())])->shards;
}

void World::Caller::Complete(World& world, const sim::Call& call) {
  const engine::CommandId& command = call.command;
  engine::Reply reply = world.services_.Forward(call, world.scheduler_.now());
  std::variant<engine::ReplyDone, engine::ReplyRefused> outcome;
  if (auto* done = std::get_if<engine::ReplyDone>(&reply)) {
    outcome = std::move(*done);
  } else {
    outcome = std::get<engine::ReplyRefused>(reply);
  }
  // Told again until somebody took it in: the coordinator may be down, or may crash over it.
  auto taken = std::make_shared<bool>(false);
  if (runtime::WorkerShards* node = world.NodeFor(command.gid)) {
    node->Deliver(
        command.gid,
        engine::CompletionReceived{command.branch, command.role, command.alternative, outcome},
        std::nullopt, [&world, taken, command](const Result<runtime::TxnView>& view) {
          // Unavailable: it is being read back. Unknown outcome: the coordinator stopped over it.
          *taken = view.status().code() != StatusCode::kUnavailable &&
                   view.status().code() != StatusCode::kUnknownOutcome;
          world.Trace("completion of " + engine::StepKey(command) + ": " +
                      view.status().ToString());
        });
  }
  world.scheduler_.After(std::chrono::milliseconds(100), [&world, call, taken] {
    if (!*taken) {
      Complete(world, call);
    }
  });
}

// ---- the run
// --------------------------------------------------------------------------------------

World::World(WorldOptions options)
    : options_(options),
      dice_(options.seed),
      services_(options.seed, static_cast<uint32_t>(Dice(options.seed ^ 7).Below(3)) * 80),
      store_(std::make_shared<storage::MemoryStore>(
          storage::MemoryLeases{[this] { return scheduler_.now(); }, kLeaseTime})),
      reader_(store_, storage::MemoryDelivery::kManual),
      definitions_(reader_, {}) {}

World::~World() {
  for (const auto& node : nodes_) {
    if (node != nullptr) {
      node->journal.Crash();  // What it has in hand is nobody's business any more.
    }
  }
}

void World::Trace(const std::string& text) {
  if (options_.trace) {
    const auto since = scheduler_.now() - InstantFromMicros(1'000'000'000'000'000);
    std::printf("%10.3f ms  %s\n", static_cast<double>(since.count()) / 1000.0, text.c_str());
  }
}

void World::PutDefinitions() {
  for (const std::string& source : sim::Definitions()) {
    const auto put = definitions_.Put("", source);
    if (!put.row.ok()) {
      std::string all = put.row.status().message();
      for (const auto& problem : put.problems) {
        all += "\n  " + dsl::FormatProblem(problem);
      }
      CheckFailed(all, __FILE__, __LINE__);
    }
  }
}

void World::Start(size_t node) {
  nodes_[node] = std::make_unique<Node>(*this, node, dice_.Next());
  Trace("node " + std::to_string(node) + " started");
  KeepLeases(*nodes_[node]);
}

void World::KeepLeases(Node& node) {
  const Result<Instant> next = node.ownership.Keep();
  if (!next.ok()) {
    node_failures_[node.index] = next.status().message();
    return;
  }
  KeepLeasesSoon(node, *next - scheduler_.now());
}

void World::KeepLeasesSoon(Node& node, Duration delay) {
  const uint64_t wish = ++node.keeping;
  node.host.Later(std::max(delay, Duration(0)), [this, &node, wish] {
    if (wish == node.keeping) {
      KeepLeases(node);
    }
  });
}

void World::Crash(size_t node, const std::string& why) {
  if (nodes_[node] == nullptr) {
    return;
  }
  Trace("crash of node " + std::to_string(node) + ": " + why);
  ++coverage_.crashes;
  nodes_[node]->journal.Crash();
  nodes_[node].reset();
  for (Client& client : clients_) {
    client.retry_armed = false;
  }
  scheduler_.After(dice_.Between(std::chrono::milliseconds(1), std::chrono::milliseconds(1200)),
                   [this, node] {
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

// Stopped, as by a signal or a hypervisor: what it is due to do it does when it goes on.
void World::Pause(size_t node) {
  if (nodes_[node] == nullptr) {
    return;
  }
  ++coverage_.pauses;
  const Duration span = dice_.Between(Duration(0), 3 * kLeaseTime);
  Trace("node " + std::to_string(node) + " is stopped for " + FormatDuration(span));
  nodes_[node]->host.PauseUntil(scheduler_.now() + span);
}

void World::PlanStorm() {
  const auto chance = [this](uint64_t at_most) {
    return static_cast<uint32_t>(dice_.Below(at_most + 1));
  };
  faults_ = {chance(60), chance(80), chance(80),  chance(150), chance(80),
             chance(80), chance(80), chance(400), chance(100), chance(100)};
  const Instant begin = scheduler_.now();
  for (size_t i = 0; i < options_.transactions; ++i) {
    Client client;
    client.gid = Gid("t" + std::to_string(i));
    if (dice_.Chance(250)) {
      MakeDriving(client);
      clients_.push_back(std::move(client));
      continue;
    }
    const auto& plan_source = sim::Definitions()[dice_.Below(sim::Definitions().size())];
    client.definition =
        ParseJson(plan_source, limits::kDefinitionJson)->at("name").get<std::string>();
    client.input = {{"items", Json::array()}};
    for (uint64_t n = dice_.Below(5); n > 0; --n) {
      client.input["items"].push_back(n);
    }
    clients_.push_back(std::move(client));
  }
  for (Client& client : clients_) {
    const Instant at = begin + dice_.Between(Duration(0), options_.storm / 2);
    scheduler_.At(at, [this, &client] { Submit(client); });
    if (dice_.Chance(200)) {
      scheduler_.At(at + dice_.Between(Duration(0), std::chrono::milliseconds(400)),
                    [this, &client] {
                      Do(client, engine::AbortRequested{{"client", "changed my mind"}});
                    });
    }
    if (dice_.Chance(150)) {
      const Instant pause = at + dice_.Between(Duration(0), std::chrono::milliseconds(200));
      scheduler_.At(pause, [this, &client] {
        Do(client, engine::PauseRequested{{"ops", "look"}});
      });
    }
    if (dice_.Chance(700)) {
      scheduler_.At(at + dice_.Between(Duration(0), std::chrono::milliseconds(500)),
                    [this, &client] {
                      Do(client, engine::SignalSent{"go", Json(1)});
                    });
    }
    if (dice_.Chance(300)) {
      scheduler_.At(at + dice_.Between(Duration(0), options_.storm),
                    [this, &client] { Submit(client); });
    }
  }
  for (uint64_t n = dice_.Below(7); n > 0; --n) {
    scheduler_.At(begin + dice_.Between(Duration(0), options_.storm),
                  [this] { Crash(dice_.Below(kNodes), "at a random instant"); });
  }
  for (uint64_t n = dice_.Below(7); n > 0; --n) {
    scheduler_.At(begin + dice_.Between(Duration(0), options_.storm),
                  [this] { Pause(dice_.Below(kNodes)); });
  }
  scheduler_.At(begin + options_.storm, [this] { Heal(); });
}

void World::Do(Client& client, engine::Event event) {
  if (runtime::WorkerShards* node = NodeFor(client.gid)) {
    node->Deliver(client.gid, std::move(event), std::nullopt,
                  [this, &client](const Result<runtime::TxnView>& view) {
                    if (view.ok()) {
                      Observe(client, *view);
                    }
                  });
  }
}

void World::Submit(Client& client) {
  client.submitted = true;
  runtime::WorkerShards* node = NodeFor(client.gid);
  if (node == nullptr) {
    Nudge(client);
    return;
  }
  runtime::Shard::SubmitCommand command = CommandOf(client);
  coverage_.resubmits += client.acknowledged ? 1 : 0;
  const bool known = client.acknowledged;
  node->Submit(
      std::move(command), [this, &client, known](const Result<runtime::SubmitReply>& reply) {
        if (reply.ok()) {
          if (known && reply->created) {
            failures_.push_back("I2: " + client.gid.str() + " was acknowledged, and created again");
          }
          const bool first = !std::exchange(client.acknowledged, true);
          Observe(client, reply->view);
          if (first && client.drives) {
            DriveSoon(client);
          }
        } else {
          Nudge(client);
        }
      });
}

runtime::Shard::SubmitCommand World::CommandOf(const Client& client) {
  runtime::Shard::SubmitCommand command;
  command.caller_named = true;
  command.submitted.gid = client.gid;
  command.submitted.input = client.input;
  command.submitted.request_digest = client.definition + DumpJson(client.input);
  if (client.drives) {
    command.plan = dsl::BeginClientDriven(*client.drives);
    command.submitted.deadline = std::chrono::seconds(3);
    return command;
  }
  auto plan = definitions_.Get(client.definition, std::nullopt);
  ENTENTE_CHECK(plan.ok());
  command.plan = std::move(*plan);
  if (dice_.Chance(300)) {
    command.wait = std::chrono::milliseconds(100);
  }
  return command;
}

// Until it is told, a client asks again with the same gid.
void World::Nudge(Client& client) {
  if (client.acknowledged || client.retry_armed) {
    return;
  }
  client.retry_armed = true;
  scheduler_.After(std::chrono::milliseconds(100), [this, &client] {
    client.retry_armed = false;
    if (!client.acknowledged) {
      Submit(client);
    }
  });
}

// Who acts upon a decision must find it in the journal.
void World::CheckDurable(const Gid& gid, TxnStatus decided, const std::string& what) {
  const auto direction = [](TxnStatus status) {
    switch (status) {
      case TxnStatus::kActive: return 0;
      case TxnStatus::kCommitting:
      case TxnStatus::kCommitted: return 1;
      case TxnStatus::kAborting:
      case TxnStatus::kAborted: return -1;
      case TxnStatus::kMixed: break;
    }
    return 2;
  };
  if (direction(decided) == 0) {
    return;
  }
  const auto stored = reader_.Load(gid);
  const auto state = stored.ok() ? runtime::FoldRecords(*stored) : stored.status();
  if (!state.ok() || direction(state->status) != direction(decided)) {
    failures_.push_back(gid.str() + ": " + what +
                        ", and a crash could still take back that it is " +
                        std::string(engine::TxnStatusName(decided)));
  }
}

void World::Observe(Client& client, const runtime::TxnView& view) {
  CheckDurable(client.gid, view.state->status, "a client was told");
  if (const auto broken = engine::CheckInvariants(*view.plan, *view.state)) {
    failures_.push_back(client.gid.str() + ": " + *broken);
  }
  if (view.state->finished()) {
    client.ends_seen.insert(view.state->status);
  }
}

// Who acts on a shard must be the one who acquired it last: who did so before must have known by
// now, by the clock or by its journal, that the shard may be another's.
void World::CheckOwned(ShardId shard, Epoch epoch, const std::string& what) {
  const Owner& owner = owners_.at(shard);
  if (owner.epoch != epoch) {
    failures_.push_back("G6: " + what + " under epoch " + std::to_string(epoch.value()) +
                        " of shard " + std::to_string(shard.value()) + ", which node " +
                        std::to_string(owner.node) + " has under " +
                        std::to_string(owner.epoch.value()));
  }
}

void World::ScheduleDeliveries() {
  for (const auto& node : nodes_) {
    if (node == nullptr || node->journal.pending() <= node->deliveries_scheduled) {
      continue;
    }
    ++node->deliveries_scheduled;
    // What was handed in is on its way, also while the node is stopped; a store may be slow.
    const bool slow = !healed_ && dice_.Chance(5);
    scheduler_.After(dice_.Between(Duration(200), slow ? 3 * kLeaseTime : Duration(4000)),
                     [this, raw = node.get(), alive = node->host.alive()] {
                       if (*alive) {
                         Deliver(*raw);
                       }
                     });
  }
}

void World::Deliver(Node& node) {
  --node.deliveries_scheduled;
  if (!healed_ && dice_.Chance(8)) {
    Crash(node.index, "before an append was durable");
    return;
  }
  using Fault = storage::MemoryFault;
  if (!healed_ && dice_.Chance(8)) {
    ++coverage_.failed_appends;
    Trace("an append fails");
    node.journal.Fail(Fault::kUnavailable);
  } else if (!healed_ && dice_.Chance(3)) {
    node.journal.Fail(dice_.Chance(500) ? Fault::kUnknownOutcome : Fault::kUnknownOutcomeWritten);
  } else if (!healed_ && dice_.Chance(6)) {
    ++coverage_.unknown_outcomes;
    Trace("an append may have been written");
    node.journal.Fail(dice_.Chance(500) ? Fault::kUnknownOnce : Fault::kUnknownOnceWritten);
  }
  node.journal.Deliver();
  if (!healed_ && dice_.Chance(8)) {
    Crash(node.index, "after an append was durable");
  }
}

// From here on nothing fails, and an operator retries what is stuck.
void World::Heal() {
  Trace("healed");
  healed_ = true;
  faults_ = {};
  services_.StopRefusing();
  Tend();
}

void World::Tend() {
  storage::Filter stuck;
  stuck.incident = true;
  const auto rows = reader_.Query(stuck, {1000, ""});
  ENTENTE_CHECK(rows.ok());
  for (const storage::SummaryRow& row : rows->rows) {
    if (runtime::WorkerShards* node = NodeFor(row.gid)) {
      node->Deliver(row.gid, engine::RetryRequested{std::nullopt, {"ops", "the cause is mended"}},
                    std::nullopt, [](const Result<runtime::TxnView>&) {});
    }
  }
  for (Client& client : clients_) {
    Do(client, engine::ResumeRequested{{"ops", "looked"}});
    if (runtime::WorkerShards* node = NodeFor(client.gid)) {
      node->Get(client.gid, std::nullopt, [this, &client](const Result<runtime::TxnView>& view) {
        if (view.ok()) {
          Observe(client, *view);
        }
      });
    }
  }
  if (!AllEnded()) {
    scheduler_.After(std::chrono::seconds(5), [this] { Tend(); });
  }
}

bool World::AllEnded() {
  return std::all_of(clients_.begin(), clients_.end(),
                     [](const Client& client) { return !client.ends_seen.empty(); });
}

std::vector<std::string> World::Run() {
  PutDefinitions();
  PlanStorm();
  for (size_t node = 0; node < kNodes; ++node) {
    Start(node);
  }
  const Instant limit = scheduler_.now() + options_.limit;
  while (!scheduler_.idle() && scheduler_.now() < limit && failures_.empty()) {
    scheduler_.Step();
    for (size_t node = 0; node < kNodes; ++node) {
      if (!node_failures_[node].empty()) {
        Crash(node, "it stopped itself: " + std::exchange(node_failures_[node], ""));
      }
    }
    ScheduleDeliveries();
    if (healed_ && AllEnded()) {
      // Zombies on the network may still arrive: they must change nothing.
      const Instant drained = scheduler_.now() + std::chrono::seconds(10);
      while (!scheduler_.idle() && scheduler_.next() < drained) {
        scheduler_.Step();
        ScheduleDeliveries();
      }
      break;
    }
  }
  std::vector<std::string> violations = failures_;
  violations.insert(violations.end(), services_.violations().begin(), services_.violations().end());
  CheckEnds(violations);
  CheckJournals(violations);
  CheckLedger(violations);
  CheckUndoOrder(violations);
  return violations;
}

}  // namespace entente::sim
