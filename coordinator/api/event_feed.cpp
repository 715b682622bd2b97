#include "coordinator/api/event_feed.h"

#include <atomic>
#include <utility>

#include "base/limits.h"
#include "coordinator/api/access/redact.h"

namespace entente::api {
namespace {

struct PayloadSize {
  size_t operator()(const engine::Accepted& record) const { return record.input.bytes(); }
  size_t operator()(const engine::OperationSucceeded& record) const {
    return record.output.bytes();
  }
  size_t operator()(const engine::OperatorEdited& record) const {
    return record.before.bytes() + (record.body ? record.body->bytes() : 0);
  }
  size_t operator()(const engine::OperatorSkipped& record) const { return record.output.bytes(); }
  size_t operator()(const engine::SignalReceived& record) const { return record.payload.bytes(); }
  size_t operator()(const engine::Held& record) const { return record.output.bytes(); }
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

size_t EstimateBytes(const engine::Record& record) {
  return sizeof(runtime::SharedEvent) + std::visit(PayloadSize{}, record.body);
}

size_t EstimateBytes(const runtime::History& history) {
  size_t bytes = 0;
  for (const runtime::HistoryEntry& entry : history.entries) {
    bytes += EstimateBytes(entry.record);
  }
  return bytes;
}

std::atomic<size_t> held_by_all{0};

// Whether who watches reaches it: the first record says whose it is.
bool IsWithin(const identity::Scope& scope, const runtime::History& history) {
  if (scope.Everything()) {
    return true;
  }
  const auto* accepted = history.entries.empty()
                             ? nullptr
                             : std::get_if<engine::Accepted>(&history.entries[0].record.body);
  return accepted != nullptr && scope.Covers(accepted->definition, accepted->labels);
}

bool Passes(const EventFilter& filter, const runtime::TxnEvent& event) {
  return filter.by->scope.CoversDefinition(event.definition) &&
         (filter.definition.empty() || filter.definition == event.definition) &&
         (filter.status.empty() || filter.status == engine::TxnStatusName(event.status));
}

}  // namespace

void EventFeed::WatchTransaction(runtime::Coordinator& coordinator,
                                 const identity::PrincipalPtr& by, const Gid& gid, Sequence after,
                                 std::function<void(std::function<void()>)> here,
                                 Done<bool> opened) {
  {
    const std::lock_guard lock(mutex_);
    // Of one transaction, the scope is looked at once, when its first record is there.
    filter_.by = by;
    follows_one_ = true;
    taken_ = after;
  }
  subscription_ =
      coordinator.Subscribe(gid, [weak = weak_from_this()](const runtime::SharedEventPtr& event) {
        if (const std::shared_ptr<EventFeed> self = weak.lock()) {
          self->OnLive(event);
        }
      });
  coordinator.GetHistory(gid, [self = shared_from_this(), here = std::move(here),
                               opened = std::move(opened)](Result<runtime::History> history) {
    auto held = std::make_shared<Result<runtime::History>>(std::move(history));
    here([self, opened, held] { opened(self->Open(std::move(*held))); });
  });
}

void EventFeed::WatchAll(runtime::Coordinator& coordinator, EventFilter filter,
                         std::function<void()> opened) {
  {
    const std::lock_guard lock(mutex_);
    filter_ = std::move(filter);
  }
  subscription_ = coordinator.SubscribeEverywhere(
      [weak = weak_from_this()](const runtime::SharedEventPtr& event) {
        if (const std::shared_ptr<EventFeed> self = weak.lock()) {
          self->OnLive(event);
        }
      },
      std::move(opened));
}

Outcome<bool> EventFeed::Open(Result<runtime::History> history) {
  if (!history.ok()) {
    return Error{history.status(), {}, {}};
  }
  const std::lock_guard lock(mutex_);
  if (!IsWithin(filter_.by->scope, *history)) {
    return Error{
        NotFound("transaction.not_found", "there is no transaction '" + history->gid.str() + "'"),
        {},
        {}};
  }
  *history = filter_.by->payloads ? WithoutSensitive(std::move(history).value())
                                  : WithoutPayloads(std::move(history).value());
  const size_t bytes = EstimateBytes(*history);
  // However large one history is, it can be watched once nothing else is held.
  if (held_by_all.load() > 0 && held_by_all.load() + bytes > limits::kMaxHeldEventBytes) {
    return Error{ResourceExhausted("events.too_much_held",
                                   "what event streams hold for readers that are behind takes as "
                                   "much memory as it may: try again later, or read the history"),
                 {},
                 {}};
  }
  Hold(bytes);
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
    LetGo(EstimateBytes(history_.entries[replayed_ - 1].record));
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

bool EventFeed::ReplayNext(Next* next) {
  if (replayed_ == history_.entries.size()) {
    return false;
  }
  if (!FoldNext()) {
    lost_ = true;
    return false;
  }
  runtime::HistoryEntry& entry = history_.entries[replayed_ - 1];
  taken_ = entry.revision;
  LetGo(EstimateBytes(entry.record));
  *next = {std::make_shared<const runtime::SharedEvent>(
               runtime::SharedEvent{{state_.gid, state_.definition, state_.status, incident_,
                                     std::move(entry), history_.plan}}),
           nullptr};
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
  while (follows_one_ && !live_.empty() &&
         live_.front().next.event->event.entry.revision <= taken_) {
    live_bytes_ -= live_.front().bytes;
    LetGo(live_.front().bytes);
    live_.pop_front();
  }
}

EventFeed::Taken EventFeed::TakeLive(Next* next) {
  SkipSeen();
  if (live_.empty()) {
    return Taken::kWait;
  }
  *next = std::move(live_.front().next);
  live_bytes_ -= live_.front().bytes;
  LetGo(live_.front().bytes);
  live_.pop_front();
  if (follows_one_) {
    const runtime::TxnEvent& event = next->event->event;
    if (event.entry.revision != taken_.next()) {
      lost_ = true;
      return Taken::kLost;
    }
    taken_ = event.entry.revision;
    ended_ = engine::IsFinished(event.status);
  }
  return Taken::kEvent;
}

EventFeed::Taken EventFeed::Take(Next* next) {
  const std::lock_guard lock(mutex_);
  if (lost_) {
    return Taken::kLost;
  }
  if (ReplayNext(next)) {
    return Taken::kEvent;
  }
  if (lost_) {
    return Taken::kLost;  // The history itself does not follow.
  }
  return ended_ ? Taken::kEnd : TakeLive(next);
}

bool EventFeed::has_more() {
  const std::lock_guard lock(mutex_);
  SkipSeen();
  return lost_ || ended_ || replayed_ < history_.entries.size() || !live_.empty();
}

bool EventFeed::lost() {
  const std::lock_guard lock(mutex_);
  return lost_;
}

void EventFeed::OnLive(const runtime::SharedEventPtr& event) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_ || lost_ || (event != nullptr && !Passes(filter_, event->event))) {
      return;
    }
    SkipSeen();
    const size_t bytes = event == nullptr ? 0 : EstimateBytes(event->event.entry.record);
    const bool full = live_.size() == limits::kMaxQueuedEvents ||
                      (!live_.empty() && (live_bytes_ + bytes > limits::kMaxQueuedEventBytes ||
                                          held_by_all.load() + bytes > limits::kMaxHeldEventBytes));
    if (event == nullptr || full) {
      Lose();
    } else {
      live_.push_back({NextOf(event), bytes});
      live_bytes_ += bytes;
      Hold(bytes);
    }
  }
  notify_();
}

// What all who see payloads share is made once; the others get a copy without.
EventFeed::Next EventFeed::NextOf(const runtime::SharedEventPtr& event) const {
  if (!filter_.by->payloads) {
    return {std::make_shared<const runtime::SharedEvent>(
                runtime::SharedEvent{WithoutPayloads(event->event)}),
            nullptr};
  }
  auto& encoded = event->encoded.at(static_cast<size_t>(encoder_.form));
  if (encoded == nullptr) {
    encoded = encoder_.encode(event->event);
  }
  return {event, encoded};
}

void EventFeed::Lose() {
  lost_ = true;
  live_.clear();
  live_bytes_ = 0;
  history_.entries = {};
  replayed_ = 0;
  LetGo(held_bytes_);
}

void EventFeed::Hold(size_t bytes) {
  held_bytes_ += bytes;
  held_by_all.fetch_add(bytes);
}

void EventFeed::LetGo(size_t bytes) {
  held_bytes_ -= bytes;
  held_by_all.fetch_sub(bytes);
}

size_t EventFeed::HeldBytes() {
  return held_by_all.load();
}

EventFeed::~EventFeed() {
  LetGo(held_bytes_);
}

void EventFeed::Close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    live_.clear();
    live_bytes_ = 0;
    history_.entries = {};
    replayed_ = 0;
    LetGo(held_bytes_);
  }
  subscription_.reset();
}

}  // namespace entente::api
