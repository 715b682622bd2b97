// EventFeed: what one watcher is to see, in order, without a gap and without a repeat.
//
// A watcher of one transaction subscribes first and loads the history then; so a record is in the
// history, or among the live events, or in both, and the revision tells. A watcher of everything
// has only live events.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/api/problem.h"
#include "coordinator/runtime/coordinator.h"
#include "engine/engine.h"

namespace entente::api {

struct EventFilter {
  std::string definition;  // Empty: any.
  std::string status;      // After the event. Empty: any.
};

// Thread-safe, and always held by shared_ptr: the subscription and the load of the history hold it
// as long as they may call it. Memory is bounded by kMaxQueuedEvents and kMaxQueuedBytes beside one
// history; a watcher that falls further behind loses the feed.
class EventFeed : public std::enable_shared_from_this<EventFeed> {
 public:
  static constexpr size_t kMaxQueuedEvents = 4096;
  static constexpr size_t kMaxQueuedBytes = size_t{4} << 20;

  enum class Taken {
    kEvent,  // `*event` is the next one.
    kWait,   // `notify` will be called when there is more.
    kEnd,    // The transaction ended and all of it was taken.
    kLost,   // The watcher fell behind: events were dropped.
  };

  // `notify` is called on any thread, with locks of the runtime held: it may only schedule work
  // that calls Take, not call it.
  explicit EventFeed(std::function<void()> notify) : notify_(std::move(notify)) {}

  // Begins with the record after `after`. `opened` is called once: with false if the transaction
  // has ended and nothing is left to take, with true otherwise, or with why it can not be watched.
  // Nothing is to be taken before.
  void WatchTransaction(runtime::Coordinator& coordinator, const Gid& gid, Sequence after,
                        Done<bool> opened);

  // Begins with what happens from now on.
  void WatchAll(runtime::Coordinator& coordinator, EventFilter filter);

  [[nodiscard]] Taken Take(runtime::TxnEvent* event);

  // Whether the watcher fell behind; Take says so from then on.
  [[nodiscard]] bool lost();

  // Stops the flow. Must not be called from `notify`.
  void Close();

 private:
  [[nodiscard]] Outcome<bool> Open(Result<runtime::History> history);
  void OnLive(const runtime::TxnEvent& event);
  [[nodiscard]] bool ReplayNext(runtime::TxnEvent* event);
  [[nodiscard]] bool FoldNext();
  [[nodiscard]] Taken TakeLive(runtime::TxnEvent* event);
  void SkipSeen();

  const std::function<void()> notify_;
  // Kept outside the lock: letting go of it takes the runtime's own lock, under which OnLive comes.
  std::unique_ptr<runtime::Subscription> subscription_;

  std::mutex mutex_;
  // Guarded by mutex_:
  EventFilter filter_;
  bool follows_one_ = false;  // Of one transaction: revisions have no gap.
  Sequence taken_;            // The last revision handed out or folded.
  runtime::History history_;
  size_t replayed_ = 0;  // Entries of history_ that are folded into state_.
  engine::TxnState state_;
  bool incident_ = false;
  std::deque<std::pair<runtime::TxnEvent, size_t>> live_;  // With their sizes.
  size_t live_bytes_ = 0;
  bool lost_ = false;
  bool ended_ = false;
  bool closed_ = false;
};

}  // namespace entente::api
