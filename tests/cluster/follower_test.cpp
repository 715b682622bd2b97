// A watcher of one transaction, which moves from node to node meanwhile.
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "coordinator/cluster/follower.h"
#include "dsl/client_branches.h"

namespace entente::cluster::follower {
namespace {

using runtime::TxnView;

// A client-driven transaction that does nothing but be paused and resumed.
class Story {
 public:
  Story() {
    plan_ = dsl::BeginClientDriven(engine::Mode::kTcc);
    engine::Submitted submitted;
    submitted.gid = Gid("g");
    submitted.deadline = std::chrono::hours(1);
    Apply(std::move(submitted));
  }
  void GoOn() {
    if (state_.paused) {
      Apply(engine::ResumeRequested{{"ann", ""}});
    } else {
      Apply(engine::PauseRequested{{"ann", ""}});
    }
  }
  void End() { Apply(engine::AbortRequested{{"ann", ""}}); }
  [[nodiscard]] TxnView View() const {
    return {plan_, std::make_shared<const engine::TxnState>(state_)};
  }
  [[nodiscard]] runtime::History History(Sequence up_to) const {
    runtime::History history = history_;
    history.entries.resize(up_to.value());
    return history;
  }
  // As the hub tells it.
  [[nodiscard]] runtime::SharedEventPtr Event(uint64_t revision) const {
    return std::make_shared<const runtime::SharedEvent>(runtime::SharedEvent{
        {state_.gid, "", state_.status, false, history_.entries.at(revision - 1), plan_}});
  }
  [[nodiscard]] uint64_t revision() const { return state_.revision.value(); }
  [[nodiscard]] bool finished() const { return state_.finished(); }

 private:
  void Apply(engine::Event event) {
    const auto decision =
        engine::Decide(*plan_, state_, {InstantFromMicros(1'000'000), 7, std::move(event)});
    REQUIRE(decision.status.ok());
    for (const engine::Record& record : decision.records) {
      REQUIRE(engine::Evolve(state_, record).ok());
      history_.entries.push_back({state_.revision, record});
    }
  }

  std::shared_ptr<const dsl::Plan> plan_;
  engine::TxnState state_;
  runtime::History history_;
};

// A follower with everything it asks in the test's hands.
struct Watch {
  Watch() {
    FollowerSteps steps;
    steps.look = [this](runtime::Callback<TxnView> done) { look = std::move(done); };
    steps.await = [this](Sequence seen, runtime::Callback<TxnView> done) {
      awaits.emplace_back(seen, std::move(done));
    };
    steps.read = [this](Sequence revision, runtime::Callback<runtime::History> done) {
      done(story.History(revision));
    };
    steps.later = [this](std::function<void()> task) { tasks.push_back(std::move(task)); };
    follower = std::make_shared<Follower>(std::move(steps), [this](const auto& event) {
      told.push_back(event->event.entry.revision.value());
    });
  }
  void Run() {
    while (!tasks.empty()) {
      const auto task = std::move(tasks.front());
      tasks.pop_front();
      task();
    }
  }
  // The node that drives it says how far it is.
  void Answer(Result<TxnView> view) {
    REQUIRE(awaits.size() == 1);
    const auto done = std::move(awaits.front().second);
    awaits.pop_front();
    done(std::move(view));
    Run();
  }

  Story story;
  runtime::Callback<TxnView> look;
  std::deque<std::pair<Sequence, runtime::Callback<TxnView>>> awaits;
  std::deque<std::function<void()>> tasks;
  std::vector<uint64_t> told;
  std::shared_ptr<Follower> follower;
};

TEST_CASE("what happens at another node is told once and in order, until the end") {
  Watch watch;
  bool begun = false;
  watch.follower->Begin([&begun] { begun = true; });
  CHECK_FALSE(begun);
  const uint64_t first = watch.story.revision();
  watch.look(watch.story.View());
  CHECK(begun);
  REQUIRE(watch.awaits.size() == 1);
  CHECK(watch.awaits[0].first == Sequence(first));
  watch.story.GoOn();
  watch.story.GoOn();
  watch.Answer(watch.story.View());
  CHECK(watch.told == std::vector<uint64_t>{first + 1, first + 2});
  // Nothing more for now, and a node that can not be asked.
  watch.Answer(watch.story.View());
  watch.Answer(Unavailable("shard.lost", ""));
  watch.story.End();
  REQUIRE(watch.story.finished());
  watch.Answer(watch.story.View());
  CHECK(watch.told.back() == watch.story.revision());
  CHECK(watch.told.size() == watch.story.revision() - first);
  CHECK(watch.awaits.empty());
}

TEST_CASE("what happens here is told as it happens, and what lies before it first") {
  Watch watch;
  watch.follower->Begin([] {});
  const uint64_t first = watch.story.revision();
  watch.look(watch.story.View());
  watch.story.GoOn();
  watch.follower->OnLive(watch.story.Event(first + 1));
  CHECK(watch.told == std::vector<uint64_t>{first + 1});
  watch.follower->OnLive(watch.story.Event(first + 1));
  // Two at another node, then one here: it has moved.
  watch.story.GoOn();
  watch.story.GoOn();
  watch.story.GoOn();
  watch.follower->OnLive(watch.story.Event(first + 4));
  watch.Run();
  CHECK(watch.told == std::vector<uint64_t>{first + 1, first + 2, first + 3, first + 4});
  watch.Answer(watch.story.View());
  CHECK(watch.told.size() == 4);
}

TEST_CASE("before the first look nothing is told: the history will") {
  Watch watch;
  watch.follower->Begin([] {});
  watch.follower->OnLive(watch.story.Event(1));
  CHECK(watch.told.empty());
}

TEST_CASE("who has gone is told nothing, and nothing is asked for it") {
  Watch watch;
  watch.follower->Begin([] {});
  watch.look(watch.story.View());
  watch.follower->Stop();
  watch.story.GoOn();
  watch.follower->OnLive(watch.story.Event(watch.story.revision()));
  watch.Answer(watch.story.View());
  CHECK(watch.told.empty());
  CHECK(watch.awaits.empty());
}

TEST_CASE("one that is not there is not followed") {
  Watch watch;
  watch.follower->Begin([] {});
  watch.look(NotFound("transaction.not_found", ""));
  watch.Answer(NotFound("transaction.not_found", ""));
  CHECK(watch.awaits.empty());
}

}  // namespace
}  // namespace entente::cluster::follower
