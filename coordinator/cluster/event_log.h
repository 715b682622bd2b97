// EventLog: what happened at this node of late, for other nodes whose clients watch everything.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/time.h"
#include "coordinator/cluster/peer_codec.h"
#include "runtime/coordinator.h"

namespace entente::cluster {

struct EventLogSteps {
  // As Coordinator::Subscribe, of all that this node drives.
  std::function<std::unique_ptr<runtime::Subscription>(runtime::EventSink)> subscribe;
  // Runs a task on the log's thread: soon, or after a while. Any thread.
  std::function<void(std::function<void()>)> post;
  std::function<void(Duration, std::function<void()>)> after;
};

// Keeps the latest events, at most limits::kMaxQueuedEvents and kMaxQueuedEventBytes of them, for
// as long as another node asks for them again and again, and some time longer; and for a while from
// Begin on: a node that joins drives transactions before all others have heard of it. Whoever asks
// says how far it is, so that each event is told to each asker once and in order, or the asker is
// told that some were lost.
//
// Always held by shared_ptr. Ask, End and Stop on any thread; `subscribe`'s sink is called on the
// hub's; all else happens on the log's own.
class EventLog : public std::enable_shared_from_this<EventLog> {
 public:
  EventLog(EventLogSteps steps, uint64_t first_log);

  void Begin();

  // Answers, on the log's thread, as soon as there is something after where the asker stands, or
  // with nothing after `at_most`.
  void Ask(const pb::Events& asked, Duration at_most, std::function<void(pb::Answer)> done);

  // Nothing happens here any more: tells those who ask so, at the end of what they have not heard.
  // Blocks until all who asked of late were told, for at most `grace`.
  void End(Duration grace);

  // Answers nobody any more. Called before the steps end.
  void Stop();

 private:
  struct Entry {
    uint64_t number;
    pb::Event event;
    std::shared_ptr<const dsl::Plan> plan;  // May be null.
    size_t bytes;
  };
  struct Waiter {
    pb::Events asked;
    std::function<void(pb::Answer)> done;
  };

  void OnEvent(const runtime::SharedEventPtr& event);
  void Take(const pb::Events& asked, Duration at_most, std::function<void(pb::Answer)> done);
  void Keep();
  void LookLater();
  void LetGo();
  void AnswerAll();
  // Whether there is something to answer with.
  [[nodiscard]] bool Fill(const pb::Events& asked, pb::EventPage& page);
  void AddTo(pb::EventPage& page, uint64_t after) const;
  void NoteTold(const std::string& asker);

  const EventLogSteps steps_;

  // The log's thread's own.
  std::unique_ptr<runtime::Subscription> subscription_;
  std::vector<std::shared_ptr<Waiter>> waiters_;
  std::set<std::string> askers_;  // Of late; when it has ended, those that were not told.
  uint64_t asked_ = 0;            // Times.
  bool looks_ = false;            // A look whether anybody asked still is to come.
  const uint64_t first_log_;
  uint64_t logs_ = 0;  // Begun.

  std::mutex mutex_;
  // Guarded by mutex_:
  uint64_t log_ = 0;  // 0: nothing is kept.
  uint64_t last_ = 0;
  std::deque<Entry> entries_;
  size_t bytes_ = 0;
  bool flushing_ = false;
  bool ended_ = false;
  std::shared_ptr<std::promise<void>> all_told_;
};

// What a node was told, as its own clients are told it. Fails for a record of a release that this
// one does not know.
[[nodiscard]] Result<runtime::TxnEvent> EventOf(const pb::Event& event, const pb::EventPage& page);

}  // namespace entente::cluster
