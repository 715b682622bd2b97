#include "coordinator/api/event_feed.h"

#include <utility>

namespace entente::api {
namespace {

struct PayloadSize {
  size_t operator()(const engine::Accepted& record) const { return record.input.bytes(); }
  size_t operator()(const engine::OperationSucceeded& record) const {
    return record.output.bytes();
  }
  size_t operator()(const engine::OperatorSkipped& record) const {
    return record.output.bytes();
  }
  size_t operator()(const engine::SignalReceived& record) const {
    return record.payload.bytes();
  }
  size_t operator()(const engine::Ended& record) const { return record.output.bytes(); }
  size_t operator()(const engine::StepExpanded& record) const {
    size_t bytes = 0;
    for (const JsonText& item : record.items) {
      bytes += sizeof(item) + item.bytes();
    }
    return bytes;
  }
  template <class Other>
  size_t operator()(const Other&) const {
    return 0;
  }
};

size_t EstimateBytes(const runtime::TxnEvent& event) {
  return sizeof(event) + std::visit(PayloadSize{}, event.entry.record.body);
}

bool Passes(const EventFilter& filter, const runtime::TxnEvent& event) {
  return (filter.definition.empty() || filter.definition == event.definition) &&
         (filter.status.empty() || filter.status == engine::TxnStatusName(event.status));
}

}  // namespace

void EventFeed::WatchTransaction(runtime::Coordinator& coordinator, const Gid& gid, Sequence after,
                                 Done<bool> opened) {
  {
    const std::lock_guard lock(mutex_);
    follows_one_ = true;
    taken_ = after;
  }
  subscription_ =
      coordinator.Subscribe(gid, [weak = weak_from_this()](const runtime::TxnEvent& event) {
        if (const std::shared_ptr<EventFeed> self = weak.lock()) {
          self->OnLive(event);
        }
      });
  coordinator.GetHistory(
      gid, [self = shared_from_this(), opened = std::move(opened)](
               Result<runtime::History> history) { opened(self->Open(std::move(history))); });
}

void EventFeed::WatchAll(runtime::Coordinator& coordinator, EventFilter filter) {
  {
    const std::lock_guard lock(mutex_);
    filter_ = std::move(filter);
  }
  subscription_ = coordinator.Subscribe(std::nullopt,
                                        [weak = weak_from_this()](const runtime::TxnEvent& event) {
                                          if (const std::shared_ptr<EventFeed> self = weak.lock()) {
                                            self->OnLive(event);
                                          }
                                        });
}

Outcome<bool> EventFeed::Open(Result<runtime::History> history) {
  if (!history.ok()) {
    return Error{history.status(), {}, {}};
  }
  const std::lock_guard lock(mutex_);
  history_ = std::move(history).value();
  const Sequence after = taken_;
  const uint64_t last = history_.entries.empty() ? 0 : history_.entries.back().revision.value();
  // A revision that does not exist can not have been seen: the watcher confuses transactions.
  if (after.value() > last) {
    return Error{InvalidArgument("events.unknown_revision",
                                 "the transaction has " + std::to_string(last) +
                                     " revisions, so revision " + std::to_string(after.value()) +
                                     " can not have been seen; start again without it"),
                 {},
                 {}};
  }
  while (replayed_ < history_.entries.size() && history_.entries[replayed_].revision <= after) {
    if (!FoldNext()) {
      return Error{
          DataLoss("history.corrupt", "a record does not follow the ones before it"), {}, {}};
    }
  }
  ended_ = state_.finished();
  return !ended_;
}

// Takes one entry of the history into state_, which tells status and incident after it.
bool EventFeed::FoldNext() {
  const engine::Record& record = history_.entries[replayed_++].record;
  if (!engine::Evolve(state_, record).ok()) {
    return false;
  }
  // A look at every branch is needed only where the flag may have changed.
  if (incident_ || std::holds_alternative<engine::IncidentRaised>(record.body)) {
    incident_ = state_.has_incident();
  }
  return true;
}

bool EventFeed::ReplayNext(runtime::TxnEvent* event) {
  if (replayed_ == history_.entries.size()) {
    return false;
  }
  if (!FoldNext()) {
    lost_ = true;
    return false;
  }
  runtime::HistoryEntry& entry = history_.entries[replayed_ - 1];
  taken_ = entry.revision;
  *event = runtime::TxnEvent{state_.gid, state_.definition, state_.status,
                             incident_,  std::move(entry),  history_.plan};
  ended_ = state_.finished();
  if (replayed_ == history_.entries.size()) {
    // Folded: what is left of it is not needed any more.
    history_.entries = {};
    replayed_ = 0;
    state_ = {};
  }
  return true;
}

void EventFeed::SkipSeen() {
  while (follows_one_ && !live_.empty() && live_.front().first.entry.revision <= taken_) {
    live_bytes_ -= live_.front().second;
    live_.pop_front();
  }
}

EventFeed::Taken EventFeed::TakeLive(runtime::TxnEvent* event) {
  SkipSeen();
  if (live_.empty()) {
    return Taken::kWait;
  }
  *event = std::move(live_.front().first);
  live_bytes_ -= live_.front().second;
  live_.pop_front();
  if (follows_one_) {
    if (event->entry.revision != taken_.next()) {
      lost_ = true;
      return Taken::kLost;
    }
    taken_ = event->entry.revision;
    ended_ = engine::IsFinished(event->status);
  }
  return Taken::kEvent;
}

EventFeed::Taken EventFeed::Take(runtime::TxnEvent* event) {
  const std::lock_guard lock(mutex_);
  if (lost_) {
    return Taken::kLost;
  }
  if (ReplayNext(event)) {
    return Taken::kEvent;
  }
  if (lost_) {
    return Taken::kLost;  // The history itself does not follow.
  }
  return ended_ ? Taken::kEnd : TakeLive(event);
}

bool EventFeed::lost() {
  const std::lock_guard lock(mutex_);
  return lost_;
}

void EventFeed::OnLive(const runtime::TxnEvent& event) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_ || lost_ || !Passes(filter_, event)) {
      return;
    }
    SkipSeen();
    const size_t bytes = EstimateBytes(event);
    const bool full = live_.size() == kMaxQueuedEvents ||
                      (!live_.empty() && live_bytes_ + bytes > kMaxQueuedBytes);
    if (full) {
      lost_ = true;
      live_.clear();
      live_bytes_ = 0;
    } else {
      live_.emplace_back(event, bytes);
      live_bytes_ += bytes;
    }
  }
  notify_();
}

void EventFeed::Close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    live_.clear();
    live_bytes_ = 0;
  }
  subscription_.reset();
}

}  // namespace entente::api
