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
#include "coordinator/identity/principal.h"
#include "engine/engine.h"
#include "runtime/coordinator.h"

namespace entente::api {

struct EventFilter {
  std::string definition;  // Empty: any.
  std::string status;      // After the event. Empty: any.
  identity::PrincipalPtr by = identity::Anonymous();
};

// Thread-safe, and always held by shared_ptr: the subscription and the load of the history hold it
// as long as they may call it. Memory is bounded for each feed by limits::kMaxQueuedEvents and
// kMaxQueuedEventBytes of live events, and for all feeds together by kMaxHeldEventBytes; a watcher
// that falls further behind loses the feed. The history of a feed, and what it takes of a live
// event that others wait for too, count in full; one history is let in however large it is.
class EventFeed : public std::enable_shared_from_this<EventFeed> {
 public:
  // What a watcher is to see next: an event of its history, or one that it shares with others.
  struct Next {
    runtime::SharedEventPtr event;
    std::shared_ptr<const void> encoded;  // What `encode` made of it; null if it is of the history.
  };
  // Makes of an event what watchers of its kind send, once for all of them.
  struct Encoder {
    std::shared_ptr<const void> (*encode)(const runtime::TxnEvent& event);
    runtime::EventForm form;
  };

  enum class Taken {
    kEvent,  // `*next` is the next one.
    kWait,   // `notify` will be called when there is more.
    kEnd,    // The transaction ended and all of it was taken.
    kLost,   // The watcher fell behind: events were dropped.
  };

  // `notify` is called on any thread, with locks of the runtime held: it may only schedule work
  // that calls Take, not call it.
  EventFeed(Encoder encoder, std::function<void()> notify)
      : encoder_(encoder), notify_(std::move(notify)) {}
  ~EventFeed();
  EventFeed(const EventFeed&) = delete;
  EventFeed& operator=(const EventFeed&) = delete;

  // Begins with the record after `after`. `opened` is called once: with false if the transaction
  // has ended and nothing is left to take, with true otherwise, or with why it can not be watched.
  // Nothing is to be taken before. A transaction outside the scope of `by` is kNotFound. The
  // history may come on a thread that drives transactions: `here` has it looked at, and `opened`
  // called, where the watcher is served.
  void WatchTransaction(runtime::Coordinator& coordinator, const identity::PrincipalPtr& by,
                        const Gid& gid, Sequence after,
                        std::function<void(std::function<void()>)> here, Done<bool> opened);

  // Begins with what happens once `opened` was called, as by Coordinator::SubscribeEverywhere, of
  // the definitions that the scope of `filter.by` covers; its labels are not looked at
  // (CheckFilter).
  void WatchAll(runtime::Coordinator& coordinator, EventFilter filter,
                std::function<void()> opened);

  [[nodiscard]] Taken Take(Next* next);

  // What all feeds of the process hold at this moment.
  [[nodiscard]] static size_t HeldBytes();

  // Whether Take would say anything but kWait.
  [[nodiscard]] bool has_more();

  // Whether the watcher fell behind; Take says so from then on.
  [[nodiscard]] bool lost();

  // Stops the flow. Must not be called from `notify`.
  void Close();

 private:
  [[nodiscard]] Outcome<bool> Open(Result<runtime::History> history);
  void OnLive(const runtime::SharedEventPtr& event);
  [[nodiscard]] Next NextOf(const runtime::SharedEventPtr& event) const;
  void Lose();
  void Hold(size_t bytes);
  void LetGo(size_t bytes);
  [[nodiscard]] bool ReplayNext(Next* next);
  [[nodiscard]] bool FoldNext();
  [[nodiscard]] Taken TakeLive(Next* next);
  void SkipSeen();

  const Encoder encoder_;
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
  struct Live {
    Next next;
    size_t bytes = 0;
  };
  std::deque<Live> live_;
  size_t live_bytes_ = 0;
  size_t held_bytes_ = 0;  // Of live_ and history_, as counted among those of all feeds.
  bool lost_ = false;
  bool ended_ = false;
  bool closed_ = false;
};

}  // namespace entente::api
