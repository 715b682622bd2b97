// What clients that watch everything are told of other nodes: what a node keeps for them, and how
// another one asks for it.
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "base/limits.h"
#include "coordinator/cluster/event_gatherer.h"
#include "coordinator/cluster/event_log.h"
#include "dsl/client_branches.h"

namespace entente::cluster::events {
namespace {

using namespace std::chrono_literals;

// Tasks that are due later.
class Clock {
 public:
  void After(Duration pause, std::function<void()> task) {
    tasks_.emplace(now_ + pause, std::move(task));
  }
  void Pass(Duration time) {
    const Duration until = now_ + time;
    while (!tasks_.empty() && tasks_.begin()->first <= until) {
      auto first = tasks_.extract(tasks_.begin());
      now_ = first.key();
      first.mapped()();
    }
    now_ = until;
  }

 private:
  Duration now_{0};
  std::multimap<Duration, std::function<void()>> tasks_;
};

class Gone final : public runtime::Subscription {
 public:
  explicit Gone(runtime::EventSink& sink) : sink_(sink) {}
  ~Gone() override { sink_ = nullptr; }
  Gone(const Gone&) = delete;
  Gone& operator=(const Gone&) = delete;

 private:
  runtime::EventSink& sink_;
};

// A node that drives transactions, and keeps what happens for others.
struct Node {
  explicit Node(Clock& with) : clock(with) {
    EventLogSteps steps;
    steps.subscribe = [this](runtime::EventSink given) {
      sink = std::move(given);
      return std::make_unique<Gone>(sink);
    };
    steps.post = [](const std::function<void()>& task) { task(); };
    steps.after = [this](Duration pause, std::function<void()> task) {
      clock.After(pause, std::move(task));
    };
    log = std::make_shared<EventLog>(std::move(steps), 100);
  }

  void Happen(uint64_t revision) {
    if (sink == nullptr) {
      return;
    }
    engine::Record record;
    record.body = engine::Paused{{"ann", "lunch"}};
    sink(std::make_shared<const runtime::SharedEvent>(
        runtime::SharedEvent{{Gid("g"),
                              "travel",
                              engine::TxnStatus::kActive,
                              false,
                              {Sequence(revision), std::move(record)},
                              dsl::BeginClientDriven(engine::Mode::kTcc),
                              "trace"}}));
  }

  Clock& clock;
  runtime::EventSink sink;
  std::shared_ptr<EventLog> log;
};

// Whoever asks a node, and what it was told.
struct Asker {
  explicit Asker(Node& of) : node(of) { asked.set_asker("me"); }

  void Ask() {
    page.reset();
    node.log->Ask(asked, 5s, [this](const pb::Answer& answer) {
      page = answer.events();
      asked.set_log(page->log());
      asked.set_after(page->last());
    });
  }
  [[nodiscard]] std::vector<uint64_t> revisions() const {
    std::vector<uint64_t> told;
    for (const pb::Event& event : page.value().events()) {
      told.push_back(event.revision());
    }
    return told;
  }

  Node& node;
  pb::Events asked;
  std::optional<pb::EventPage> page;
};

TEST_CASE("whoever asks a node again and again is told each event once") {
  Clock clock;
  Node node(clock);
  Asker asker(node);
  node.Happen(1);  // Before anybody asked.
  asker.Ask();
  CHECK(asker.revisions().empty());
  CHECK_FALSE(asker.page->lost());
  asker.Ask();
  CHECK_FALSE(asker.page.has_value());
  node.Happen(2);
  node.Happen(3);
  clock.Pass(1s);
  CHECK(asker.revisions() == std::vector<uint64_t>{2, 3});
  node.Happen(4);
  asker.Ask();
  CHECK(asker.revisions() == std::vector<uint64_t>{4});
  asker.Ask();
  clock.Pass(5s);
  CHECK(asker.revisions().empty());
  CHECK_FALSE(asker.page->lost());
}

TEST_CASE("an event is told to another node's clients as it would be to one's own") {
  Clock clock;
  Node node(clock);
  Asker asker(node);
  asker.Ask();
  node.Happen(7);
  asker.Ask();
  const Result<runtime::TxnEvent> event = EventOf(asker.page->events(0), *asker.page);
  REQUIRE(event.ok());
  CHECK(event->gid == Gid("g"));
  CHECK(event->definition == "travel");
  CHECK(event->status == engine::TxnStatus::kActive);
  CHECK(event->entry.revision == Sequence(7));
  CHECK(std::get<engine::Paused>(event->entry.record.body).actor.reason == "lunch");
  CHECK(event->traceparent == "trace");
  REQUIRE(event->plan != nullptr);
  CHECK(event->plan->client_driven);
  CHECK(event->plan->mode == engine::Mode::kTcc);
}

TEST_CASE("a node that joins is asked from its beginning") {
  Clock clock;
  Node node(clock);
  node.log->Begin();
  node.Happen(1);
  Asker asker(node);
  asker.asked.set_from_start(true);
  asker.Ask();
  CHECK(asker.revisions() == std::vector<uint64_t>{1});
  CHECK_FALSE(asker.page->lost());
}

TEST_CASE("whoever falls too far behind is told so, and goes on from there") {
  Clock clock;
  Node node(clock);
  Asker asker(node);
  asker.Ask();
  for (uint64_t i = 1; i <= limits::kMaxQueuedEvents + 1; ++i) {
    node.Happen(i);
  }
  asker.Ask();
  CHECK(asker.page->lost());
  CHECK(asker.revisions().empty());
  node.Happen(9);
  asker.Ask();
  CHECK(asker.revisions() == std::vector<uint64_t>{9});
  CHECK_FALSE(asker.page->lost());
  // The node itself was too slow to keep all.
  node.sink(nullptr);
  asker.Ask();
  CHECK(asker.page->lost());
}

TEST_CASE("nothing is kept when nobody has asked for a while") {
  Clock clock;
  Node node(clock);
  Asker asker(node);
  asker.Ask();
  for (int i = 0; i < 20; ++i) {
    asker.Ask();
    clock.Pass(5s);
  }
  CHECK(node.sink != nullptr);
  clock.Pass(1min);
  CHECK(node.sink == nullptr);
  // What happened meanwhile is not passed over in silence.
  asker.Ask();
  CHECK(asker.page->lost());
  asker.Ask();
  node.Happen(2);
  clock.Pass(1s);
  CHECK(asker.revisions() == std::vector<uint64_t>{2});
}

TEST_CASE("a node that is stopped tells what came last, and that it was the last") {
  Clock clock;
  Node node(clock);
  Asker asker(node);
  asker.Ask();
  asker.Ask();
  node.Happen(5);
  node.log->End(1ms);
  CHECK(asker.revisions() == std::vector<uint64_t>{5});
  CHECK(asker.page->ended());
}

// A node with clients that watch, and others, whose answers are the test's.
struct Watcher {
  Watcher() {
    GathererSteps steps;
    steps.self = "me";
    steps.others = [this] { return others; };
    steps.ask = [this](const Peer& peer, const pb::Ask& ask, Duration /*timeout*/,
                       std::function<void(Result<pb::Answer>)> done) {
      asks[peer.id] = {ask.events(), std::move(done)};
    };
    steps.after = [this](Duration pause, std::function<void()> task) {
      clock.After(pause, std::move(task));
    };
    steps.watched = [this] { return watched; };
    steps.tell = [this](const runtime::TxnEvent& event) {
      told.push_back(event.entry.revision.value());
    };
    steps.lose = [this] { ++lost; };
    gatherer = std::make_shared<EventGatherer>(std::move(steps));
  }

  void Watch() {
    gatherer->Watch([this] { ++begun; });
  }
  [[nodiscard]] bool IsAsked(const std::string& node) const { return asks.contains(node); }
  void Answer(const std::string& node, Result<pb::Answer> answer) {
    REQUIRE(IsAsked(node));
    const auto done = std::move(asks.extract(node).mapped().second);
    done(std::move(answer));
  }
  // That it stands at `last`, and what of it is told.
  void Answer(const std::string& node, uint64_t last, const std::vector<uint64_t>& revisions = {},
              bool ended = false) {
    pb::Answer answer;
    pb::EventPage& page = *answer.mutable_events();
    page.set_log(100);
    page.set_last(last);
    page.set_ended(ended);
    for (const uint64_t revision : revisions) {
      Clock unused;
      Node driver(unused);
      Asker asker(driver);
      asker.Ask();
      driver.Happen(revision);
      asker.Ask();
      *page.add_events() = asker.page->events(0);
      page.mutable_events()->rbegin()->clear_names();
    }
    Answer(node, answer);
  }

  Clock clock;
  std::vector<Peer> others{{"a", "a:1"}, {"b", "b:1"}};
  std::map<std::string, std::pair<pb::Events, std::function<void(Result<pb::Answer>)>>> asks;
  std::vector<uint64_t> told;
  bool watched = true;
  int begun = 0;
  int lost = 0;
  std::shared_ptr<EventGatherer> gatherer;
};

TEST_CASE("a watch has begun when all other nodes have said where they stand") {
  Watcher watcher;
  watcher.Watch();
  watcher.Answer("a", 10);
  CHECK(watcher.begun == 0);
  watcher.Answer("b", 20);
  CHECK(watcher.begun == 1);
  CHECK(watcher.asks["a"].first.after() == 10);
  watcher.Answer("a", 12, {1, 2});
  CHECK(watcher.told == std::vector<uint64_t>{1, 2});
  // Whoever comes later need not wait: they are being asked.
  watcher.Watch();
  CHECK(watcher.begun == 2);
  CHECK(watcher.lost == 0);
}

TEST_CASE("a node that can not be asked holds up no watch for long, and is not passed over") {
  Watcher watcher;
  watcher.Watch();
  watcher.Answer("a", 10);
  watcher.Answer("b", Unavailable("cluster.unreachable", "no route"));
  watcher.clock.Pass(1s);
  CHECK(watcher.begun == 1);
  CHECK(watcher.lost == 0);
  watcher.Answer("b", 20);
  CHECK(watcher.lost == 1);
  watcher.Answer("b", 21, {1});
  CHECK(watcher.lost == 1);
  CHECK(watcher.told == std::vector<uint64_t>{1});
}

TEST_CASE("a node that is reached again tells the rest, one that has died has lost it") {
  Watcher watcher;
  watcher.Watch();
  watcher.Answer("a", 10);
  watcher.Answer("b", 20);
  watcher.Answer("b", UnknownOutcome("cluster.no_answer", "reset"));
  watcher.clock.Pass(1s);
  CHECK(watcher.asks["b"].first.after() == 20);
  watcher.Answer("b", 21, {1});
  CHECK(watcher.lost == 0);
  watcher.others.pop_back();
  watcher.gatherer->OnNodes();
  CHECK(watcher.lost == 0);
  watcher.Answer("b", UnknownOutcome("cluster.no_answer", "reset"));
  CHECK(watcher.lost == 1);
  watcher.clock.Pass(1s);
  CHECK_FALSE(watcher.IsAsked("b"));
  CHECK(watcher.IsAsked("a"));
}

TEST_CASE("a node that is stopped is not missed, and one that joins is heard from its beginning") {
  Watcher watcher;
  watcher.Watch();
  watcher.Answer("a", 10);
  watcher.Answer("b", 20);
  watcher.Answer("b", 21, {3}, /*ended=*/true);
  CHECK_FALSE(watcher.IsAsked("b"));
  watcher.gatherer->OnNodes();
  CHECK_FALSE(watcher.IsAsked("b"));
  watcher.others.back() = {"c", "b:1"};
  watcher.gatherer->OnNodes();
  REQUIRE(watcher.IsAsked("c"));
  CHECK(watcher.asks["c"].first.from_start());
  watcher.Answer("c", 2, {1, 2});
  CHECK(watcher.told == std::vector<uint64_t>{3, 1, 2});
  CHECK(watcher.lost == 0);
}

TEST_CASE("a node of a release that tells nothing holds nobody up") {
  Watcher watcher;
  watcher.others.pop_back();
  watcher.Watch();
  pb::Answer refusal;
  SetStatus(FailedPrecondition("cluster.unknown_message", "what?"), refusal);
  watcher.Answer("a", refusal);
  CHECK(watcher.begun == 1);
  CHECK_FALSE(watcher.IsAsked("a"));
  CHECK(watcher.lost == 0);
}

TEST_CASE("nobody is asked when nobody watches, and again when somebody does") {
  Watcher watcher;
  watcher.Watch();
  watcher.Answer("a", 10);
  watcher.Answer("b", 20);
  watcher.watched = false;
  watcher.Answer("a", 11, {1});
  watcher.Answer("b", 21);
  CHECK(watcher.asks.empty());
  watcher.gatherer->OnNodes();
  CHECK(watcher.asks.empty());
  watcher.watched = true;
  watcher.Watch();
  CHECK(watcher.asks["a"].first.log() == 0);
  watcher.Answer("a", 15);
  watcher.Answer("b", 25);
  CHECK(watcher.begun == 2);
}

TEST_CASE("a node that stood still past its lease and goes on tells nothing twice") {
  Watcher watcher;
  Node b(watcher.clock);
  b.log->Begin();
  b.Happen(1);
  b.Happen(2);
  watcher.others = {{"b", "b:1"}};
  watcher.Watch();
  const auto page = [&] {
    auto [asked, done] = std::move(watcher.asks.extract("b").mapped());
    std::optional<pb::Answer> answer;
    b.log->Ask(asked, 5s, [&](pb::Answer one) { answer = std::move(one); });
    watcher.clock.Pass(6s);
    REQUIRE(answer);
    done(*answer);
  };
  page();
  b.Happen(3);
  page();
  CHECK(watcher.told == std::vector<uint64_t>{3});

  watcher.others.clear();
  watcher.gatherer->OnNodes();
  watcher.Answer("b", UnknownOutcome("cluster.no_answer", "it stands still"));
  b.Happen(4);
  watcher.others = {{"b", "b:1"}};
  watcher.gatherer->OnNodes();
  page();
  CHECK(watcher.told == std::vector<uint64_t>{3, 4});
}

TEST_CASE("whoever has only said that he watches is told nothing of before") {
  Watcher watcher;
  watcher.others = {{"b", "b:1"}};
  watcher.gatherer->OnNodes();
  CHECK_FALSE(watcher.IsAsked("b"));
  watcher.Watch();
  CHECK(watcher.IsAsked("b"));
}

}  // namespace
}  // namespace entente::cluster::events
