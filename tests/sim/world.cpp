#include "tests/sim/world.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/limits.h"
#include "coordinator/runtime/record_codec.h"
#include "engine/text.h"

namespace entente::sim {
namespace {

using engine::TxnStatus;

constexpr const char* kParticipants = R"("participants": {"p": {"http": "http://p.test"}},
  "retry": {"initial": "10ms", "factor": 2, "max": "100ms", "attempts": 4}, "timeout": "200ms",)";

std::string Step(const std::string& id, const std::string& more) {
  return R"({"id": ")" + id + R"(", "participant": "p", "action": {"post": "/)" + id +
         R"(/${key}", "body": {}}, "compensate": {"delete": "/)" + id +
         R"(/${key}"}, "compensateRetry": {"initial": "10ms", "factor": 2, "max": "100ms",
         "attempts": 6})" +
         more + "}";
}

std::string Definition(const std::string& name, const std::string& steps) {
  return R"({"name": ")" + name + R"(", "mode": "saga", )" + kParticipants + R"("steps": [)" +
         steps + "]}";
}

// The shapes that a saga may have.
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
  };
  return definitions;
}

}  // namespace

// ---- the coordinator's surroundings -------------------------------------------------------------

// A task of a dead incarnation does nothing.
class World::Host final : public runtime::Host {
 public:
  Host(Scheduler& scheduler, uint64_t seed)
      : scheduler_(scheduler), dice_(seed), alive_(std::make_shared<bool>(true)) {}
  ~Host() override { *alive_ = false; }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  [[nodiscard]] std::shared_ptr<bool> alive() const { return alive_; }

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
    scheduler_.After(delay, [alive = alive_, task = std::move(task)] {
      if (*alive) {
        task();
      }
    });
  }

 private:
  Scheduler& scheduler_;
  Dice dice_;
  std::shared_ptr<bool> alive_;
  std::function<void()> on_wake_;
  uint64_t wake_wish_ = 0;
};

// The network between one incarnation and the services. What it sent arrives even after it died.
class World::Caller final : public runtime::ParticipantCaller {
 public:
  Caller(World& world, World::Host& host) : world_(world), host_(host) {}

  void Call(const runtime::CallContext& /*context*/, engine::CallBranch call,
            runtime::ReplyCallback done) override {
    Dice& dice = world_.dice_;
    const Faults& faults = world_.faults_;
    ++world_.coverage_.calls;
    auto answered = std::make_shared<bool>(false);
    auto answer = [this, answered, done = std::move(done),
                   alive = host_.alive()](engine::Reply reply) {
      if (*alive && !std::exchange(*answered, true)) {
        if (const auto* unknown = std::get_if<engine::ReplyUnknown>(&reply);
            unknown != nullptr && unknown->failure.code == "timeout") {
          ++world_.coverage_.timeouts;
        }
        done(std::move(reply));
      }
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
        world_.scheduler_.After(Delay(call.timeout),
                                [this, command = call.command, answer, timeout = call.timeout,
                                 &world = world_] { Arrive(world, command, timeout, answer); });
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

  // `this` may be gone by now: only the world is used.
  template <class Answer>
  static void Arrive(World& world, const engine::CommandId& command, Duration timeout,
                     const Answer& answer) {
    Dice& dice = world.dice_;
    engine::Reply reply;
    if (command.role == dsl::Role::kForward && dice.Chance(world.faults_.pending)) {
      reply = engine::ReplyPending{};
      world.scheduler_.After(dice.Between(Duration(100), 2 * timeout),
                             [&world, command] { Complete(world, command); });
    } else {
      reply = world.services_.Handle(command, world.scheduler_.now(), world.faults_, dice);
    }
    if (!dice.Chance(world.faults_.lose_reply)) {
      world.scheduler_.After(dice.Between(Duration(100), std::chrono::milliseconds(5)),
                             [answer, reply] { answer(reply); });
    }
  }

  // The service carries out a pending operation and says so, until somebody takes it in.
  static void Complete(World& world, const engine::CommandId& command);

  World& world_;
  World::Host& host_;
};

struct World::Incarnation {
  explicit Incarnation(World& world, uint64_t seed)
      : journal(world.store_, storage::MemoryDelivery::kManual),
        host(world.scheduler_, seed),
        caller(world, host),
        definitions(journal, {}),
        driver({[](ShardId) { return true; }, Epoch(1), 100'000}, host, journal, caller,
               definitions, events,
               [&world](const Status& status) { world.host_failure_ = status.message(); }) {}
  storage::MemoryJournal journal;
  Host host;
  Caller caller;
  runtime::Definitions definitions;
  runtime::EventHub events;
  runtime::ShardDriver driver;
};

void World::Caller::Complete(World& world, const engine::CommandId& command) {
  engine::Reply reply = world.services_.Forward(command, world.scheduler_.now());
  std::variant<engine::ReplyDone, engine::ReplyRefused> outcome;
  if (auto* done = std::get_if<engine::ReplyDone>(&reply)) {
    outcome = std::move(*done);
  } else {
    outcome = std::get<engine::ReplyRefused>(reply);
  }
  // Told again until somebody took it in: the coordinator may be down, or may crash over it.
  auto taken = std::make_shared<bool>(false);
  if (world.live_ != nullptr) {
    world.live_->driver.Deliver(
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
  world.scheduler_.After(std::chrono::milliseconds(100), [&world, command, taken] {
    if (!*taken) {
      Complete(world, command);
    }
  });
}

// ---- the run
// --------------------------------------------------------------------------------------

World::World(WorldOptions options)
    : options_(options),
      dice_(options.seed),
      services_(options.seed, static_cast<uint32_t>(Dice(options.seed ^ 7).Below(3)) * 80),
      store_(std::make_shared<storage::MemoryStore>()) {}

World::~World() = default;

void World::Trace(const std::string& text) {
  if (options_.trace) {
    const auto since = scheduler_.now() - InstantFromMicros(1'000'000'000'000'000);
    std::printf("%10.3f ms  %s\n", static_cast<double>(since.count()) / 1000.0, text.c_str());
  }
}

void World::PutDefinitions() {
  storage::MemoryJournal journal(store_);
  runtime::Definitions definitions(journal, {});
  for (const std::string& source : sim::Definitions()) {
    const auto put = definitions.Put("", source);
    if (!put.row.ok()) {
      std::string all = put.row.status().message();
      for (const auto& problem : put.problems) {
        all += "\n  " + dsl::FormatProblem(problem);
      }
      CheckFailed(all, __FILE__, __LINE__);
    }
  }
}

void World::Start() {
  live_ = std::make_unique<Incarnation>(*this, dice_.Next());
  const Status recovered = live_->driver.Recover();
  if (!recovered.ok()) {
    host_failure_ = recovered.message();
  }
  Trace("coordinator started, " + std::to_string(live_->driver.counters().open.load()) + " open");
}

void World::Crash(const std::string& why) {
  if (live_ == nullptr) {
    return;
  }
  Trace("crash: " + why);
  ++coverage_.crashes;
  live_->journal.Crash();
  live_.reset();
  deliveries_scheduled_ = 0;
  for (Client& client : clients_) {
    client.retry_armed = false;
  }
  scheduler_.After(dice_.Between(std::chrono::milliseconds(1), std::chrono::milliseconds(300)),
                   [this] {
                     if (live_ == nullptr) {
                       Start();
                       for (Client& client : clients_) {
                         if (client.submitted) {
                           Nudge(client);
                         }
                       }
                     }
                   });
}

void World::PlanStorm() {
  const auto chance = [this](uint64_t at_most) {
    return static_cast<uint32_t>(dice_.Below(at_most + 1));
  };
  faults_ = {chance(60), chance(80), chance(80),  chance(150), chance(80),
             chance(80), chance(80), chance(400), chance(100)};
  const Instant begin = scheduler_.now();
  for (size_t i = 0; i < options_.transactions; ++i) {
    Client client;
    client.gid = Gid("t" + std::to_string(i));
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
                      Do(client, engine::SignalSent{"go", 1});
                    });
    }
    if (dice_.Chance(300)) {
      scheduler_.At(at + dice_.Between(Duration(0), options_.storm),
                    [this, &client] { Submit(client); });
    }
  }
  for (uint64_t n = dice_.Below(7); n > 0; --n) {
    scheduler_.At(begin + dice_.Between(Duration(0), options_.storm),
                  [this] { Crash("at a random instant"); });
  }
  scheduler_.At(begin + options_.storm, [this] { Heal(); });
}

void World::Do(Client& client, engine::Event event) {
  if (live_ == nullptr) {
    return;
  }
  live_->driver.Deliver(client.gid, std::move(event), std::nullopt,
                        [this, &client](const Result<runtime::TxnView>& view) {
                          if (view.ok()) {
                            Observe(client, *view);
                          }
                        });
}

void World::Submit(Client& client) {
  client.submitted = true;
  if (live_ == nullptr) {
    Nudge(client);
    return;
  }
  auto plan = live_->definitions.Get(client.definition, std::nullopt);
  ENTENTE_CHECK(plan.ok());
  runtime::ShardDriver::SubmitCommand command;
  command.plan = std::move(*plan);
  command.caller_named = true;
  command.submitted.gid = client.gid;
  command.submitted.input = client.input;
  command.submitted.request_digest = client.definition + DumpJson(client.input);
  if (dice_.Chance(300)) {
    command.wait = std::chrono::milliseconds(100);
  }
  coverage_.resubmits += client.acknowledged ? 1 : 0;
  const bool known = client.acknowledged;
  live_->driver.Submit(
      std::move(command), [this, &client, known](const Result<runtime::SubmitReply>& reply) {
        if (reply.ok()) {
          if (known && reply->created) {
            failures_.push_back("I2: " + client.gid.str() + " was acknowledged, and created again");
          }
          client.acknowledged = true;
          Observe(client, reply->view);
        } else {
          Nudge(client);
        }
      });
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

void World::Observe(Client& client, const runtime::TxnView& view) {
  if (const auto broken = engine::CheckInvariants(*view.plan, *view.state)) {
    failures_.push_back(client.gid.str() + ": " + *broken);
  }
  if (view.state->finished()) {
    client.ends_seen.insert(view.state->status);
  }
}

void World::ScheduleDelivery() {
  if (live_ == nullptr || live_->journal.pending() <= deliveries_scheduled_) {
    return;
  }
  ++deliveries_scheduled_;
  live_->host.Later(dice_.Between(Duration(200), Duration(4000)), [this] {
    --deliveries_scheduled_;
    if (!healed_ && dice_.Chance(8)) {
      Crash("before an append was durable");
      return;
    }
    if (!healed_ && dice_.Chance(8)) {
      ++coverage_.failed_appends;
      Trace("an append fails");
      live_->journal.Fail(storage::MemoryFault::kUnavailable);
    } else if (!healed_ && dice_.Chance(3)) {
      live_->journal.Fail(dice_.Chance(500) ? storage::MemoryFault::kUnknownOutcome
                                            : storage::MemoryFault::kUnknownOutcomeWritten);
    }
    live_->journal.Deliver();
    if (!healed_ && dice_.Chance(8)) {
      Crash("after an append was durable");
    }
  });
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
  if (live_ != nullptr) {
    storage::Filter stuck;
    stuck.incident = true;
    const auto rows = live_->journal.Query(stuck, {1000, ""});
    ENTENTE_CHECK(rows.ok());
    for (const storage::SummaryRow& row : rows->rows) {
      live_->driver.Deliver(row.gid,
                            engine::RetryRequested{std::nullopt, {"ops", "the cause is mended"}},
                            std::nullopt, [](const Result<runtime::TxnView>&) {});
    }
    for (Client& client : clients_) {
      Do(client, engine::ResumeRequested{{"ops", "looked"}});
      live_->driver.Get(client.gid, std::nullopt,
                        [this, &client](const Result<runtime::TxnView>& view) {
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
  Start();
  const Instant limit = scheduler_.now() + options_.limit;
  while (!scheduler_.idle() && scheduler_.now() < limit && failures_.empty()) {
    scheduler_.Step();
    if (!host_failure_.empty()) {
      Crash("the driver stopped itself: " + std::exchange(host_failure_, ""));
    }
    ScheduleDelivery();
    if (healed_ && AllEnded()) {
      // Zombies on the network may still arrive: they must change nothing.
      const Instant drained = scheduler_.now() + std::chrono::seconds(10);
      while (!scheduler_.idle() && scheduler_.next() < drained) {
        scheduler_.Step();
        ScheduleDelivery();
      }
      break;
    }
  }
  std::vector<std::string> violations = failures_;
  CheckEnds(violations);
  CheckJournals(violations);
  CheckLedger(violations);
  CheckUndoOrder(violations);
  return violations;
}

// ---- the invariants
// -------------------------------------------------------------------------------

void World::CheckEnds(std::vector<std::string>& violations) {
  for (const Client& client : clients_) {
    if (client.ends_seen.empty()) {
      violations.push_back("I9: " + client.gid.str() + " (" + client.definition +
                           ") has not ended");
    }
    if (client.ends_seen.size() > 1) {
      violations.push_back("I3: " + client.gid.str() + " was seen to end in two ways");
    }
  }
}

// I13: the journal's fold is the state, after every record; and nothing follows the end.
void World::CheckJournals(std::vector<std::string>& violations) {
  storage::MemoryJournal journal(store_);
  runtime::Definitions definitions(journal, {});
  const auto rows = journal.Query({}, {1000, ""});
  ENTENTE_CHECK(rows.ok());
  for (const storage::SummaryRow& row : rows->rows) {
    const auto stored = journal.Load(row.gid);
    ENTENTE_CHECK(stored.ok());
    engine::TxnState state;
    std::optional<TxnStatus> decided;
    for (const std::string& bytes : stored->records) {
      const auto record = runtime::DecodeRecord(bytes);
      ENTENTE_CHECK(record.ok());
      const Status evolved = engine::Evolve(state, *record);
      if (!evolved.ok()) {
        violations.push_back("I13: " + row.gid.str() + ": " + evolved.message());
        break;
      }
      const auto plan = definitions.Get(state.definition, state.version);
      ENTENTE_CHECK(plan.ok());
      if (options_.trace) {
        std::printf("  %s  %s\n", row.gid.str().c_str(),
                    engine::Describe(*record, **plan, state.accepted_at).c_str());
      }
      const bool forward =
          state.status == TxnStatus::kCommitting || state.status == TxnStatus::kCommitted;
      const bool undoing =
          state.status == TxnStatus::kAborting || state.status == TxnStatus::kAborted;
      if ((forward && decided == TxnStatus::kAborting) ||
          (undoing && decided == TxnStatus::kCommitting)) {
        violations.push_back("I3: the decision of " + row.gid.str() + " flipped");
      }
      decided = forward   ? TxnStatus::kCommitting
                : undoing ? TxnStatus::kAborting
                          : TxnStatus::kActive;
      coverage_.incidents += std::holds_alternative<engine::IncidentRaised>(record->body) ? 1 : 0;
    }
    const auto plan = definitions.Get(state.definition, state.version);
    ENTENTE_CHECK(plan.ok());
    if (const auto broken = engine::CheckInvariants(**plan, state)) {
      violations.push_back(row.gid.str() + ": " + *broken);
    }
    if (row.summary.status != engine::TxnStatusName(state.status)) {
      violations.push_back("I13: the list says " + row.summary.status + " of " + row.gid.str() +
                           ", its journal " + std::string(engine::TxnStatusName(state.status)));
    }
    (state.status == TxnStatus::kCommitted ? coverage_.committed : coverage_.aborted) += 1;
    final_states_.emplace(row.gid, std::move(state));
  }
  for (const Client& client : clients_) {
    if (client.acknowledged && !final_states_.contains(client.gid)) {
      violations.push_back("I2: " + client.gid.str() + " was acknowledged and is lost");
    }
  }
}

// I1, I4, I5: every effect at most once; committed: each branch's effect stands; aborted: none
// does.
void World::CheckLedger(std::vector<std::string>& violations) {
  std::map<std::pair<Gid, std::string>, int> net;
  std::map<std::pair<std::string, dsl::Role>, int> effects;
  for (const Effect& effect : services_.ledger()) {
    net[{effect.gid, effect.branch.str()}] += effect.role == dsl::Role::kForward ? 1 : -1;
    (effect.role == dsl::Role::kForward ? coverage_.effects : coverage_.undone) += 1;
    if (++effects[{effect.key, effect.role}] > 1) {
      violations.push_back("I5: " + effect.key + " took effect twice");
    }
  }
  for (const auto& [where, sum] : net) {
    const auto state = final_states_.find(where.first);
    if (state == final_states_.end()) {
      violations.push_back("I1: an effect of " + where.first.str() + ", which nobody accepted");
      continue;
    }
    const bool committed = state->second.status == TxnStatus::kCommitted;
    if (sum != (committed ? 1 : 0) && state->second.finished()) {
      violations.push_back("I1: " + where.first.str() + " is " +
                           std::string(engine::TxnStatusName(state->second.status)) +
                           ", but branch " + where.second + " holds " + std::to_string(sum));
    }
  }
  for (const auto& [gid, state] : final_states_) {
    if (state.status != TxnStatus::kCommitted) {
      continue;
    }
    for (const engine::StepState& step : state.steps) {
      for (const engine::BranchState& branch : step.branches) {
        const bool calls = branch.output.is_object() && branch.output.contains("id");
        if (calls && net[{gid, branch.id.str()}] != 1) {
          violations.push_back("I1: " + gid.str() + " is COMMITTED without the effect of " +
                               branch.id.str());
        }
      }
    }
  }
}

// I8: what came later is undone first.
void World::CheckUndoOrder(std::vector<std::string>& violations) {
  storage::MemoryJournal journal(store_);
  runtime::Definitions definitions(journal, {});
  std::map<std::pair<Gid, std::string>, Instant> undone;  // By step: its last undo.
  std::map<std::pair<Gid, std::string>, Instant> first_undone;
  for (const Effect& effect : services_.ledger()) {
    if (effect.role == dsl::Role::kUndo) {
      const std::string step = effect.branch.str().substr(0, effect.branch.str().find(':'));
      undone[{effect.gid, step}] = effect.at;
      first_undone.try_emplace({effect.gid, step}, effect.at);
    }
  }
  for (const auto& [gid, state] : final_states_) {
    const auto plan = definitions.Get(state.definition, state.version);
    ENTENTE_CHECK(plan.ok());
    for (const dsl::Step& step : (*plan)->steps) {
      for (const size_t before : step.after) {
        const auto later = undone.find({gid, step.id});
        const auto earlier = first_undone.find({gid, (*plan)->steps[before].id});
        if (later != undone.end() && earlier != first_undone.end() &&
            earlier->second < later->second) {
          violations.push_back("I8: " + gid.str() + " undid " + (*plan)->steps[before].id +
                               " before " + step.id);
        }
      }
    }
  }
}

}  // namespace entente::sim
