#include "coordinator/cluster/event_log.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "base/limits.h"
#include "runtime/record_codec.h"

namespace entente::cluster {
namespace {

// How long nobody may ask before nothing is kept any more. Whoever waits asks every few seconds.
constexpr Duration kUnasked = std::chrono::seconds(30);
// What happens meanwhile is told together: who watches everything costs a message for each such
// pause, not for each event.
constexpr Duration kGather = std::chrono::milliseconds(20);
constexpr size_t kMaxPageBytes = size_t{1} << 20;

pb::Event Encoded(const runtime::TxnEvent& event) {
  pb::Event to;
  to.set_gid(event.gid.str());
  to.set_definition(event.definition);
  to.set_status(static_cast<uint32_t>(event.status));
  to.set_incident(event.incident);
  to.set_revision(event.entry.revision.value());
  to.set_record(runtime::EncodeRecord(event.entry.record));
  to.set_traceparent(event.traceparent);
  return to;
}

void SetNames(const dsl::Plan& plan, pb::EventNames& to) {
  to.set_mode(static_cast<uint32_t>(plan.mode));
  to.set_client_driven(plan.client_driven);
  for (const dsl::Step& step : plan.steps) {
    to.add_steps(step.id);
  }
}

}  // namespace

EventLog::EventLog(EventLogSteps steps, uint64_t first_log)
    : steps_(std::move(steps)), first_log_(first_log) {}

void EventLog::Begin() {
  steps_.post([self = shared_from_this()] { self->Keep(); });
}

void EventLog::Ask(const pb::Events& asked, Duration at_most,
                   std::function<void(pb::Answer)> done) {
  steps_.post([self = shared_from_this(), asked, at_most, done = std::move(done)]() mutable {
    self->Take(asked, at_most, std::move(done));
  });
}

// Subscribed before its log has a number, so that no event of that log is missed.
void EventLog::Keep() {
  if (subscription_ == nullptr) {
    subscription_ =
        steps_.subscribe([weak = weak_from_this()](const runtime::SharedEventPtr& event) {
          if (const auto self = weak.lock()) {
            self->OnEvent(event);
          }
        });
    const std::lock_guard lock(mutex_);
    log_ = first_log_ + logs_++;
  }
  if (!std::exchange(looks_, true)) {
    LookLater();
  }
}

void EventLog::LookLater() {
  steps_.after(kUnasked, [weak = weak_from_this(), asked = asked_] {
    const auto self = weak.lock();
    if (self == nullptr) {
      return;
    }
    if (self->asked_ != asked) {
      self->LookLater();
    } else {
      self->LetGo();
    }
  });
}

void EventLog::LetGo() {
  looks_ = false;
  subscription_.reset();
  askers_.clear();
  const std::lock_guard lock(mutex_);
  log_ = 0;
  entries_.clear();
  bytes_ = 0;
}

void EventLog::OnEvent(const runtime::SharedEventPtr& event) {
  {
    const std::lock_guard lock(mutex_);
    ++last_;  // Also for what was left out: whoever stands before it is told so.
    if (event == nullptr) {
      entries_.clear();
      bytes_ = 0;
    } else {
      Entry entry{last_, Encoded(event->event), event->event.plan, 0};
      entry.bytes = sizeof(Entry) + entry.event.ByteSizeLong();
      bytes_ += entry.bytes;
      entries_.push_back(std::move(entry));
    }
    while (entries_.size() > limits::kMaxQueuedEvents ||
           (entries_.size() > 1 && bytes_ > limits::kMaxQueuedEventBytes)) {
      bytes_ -= entries_.front().bytes;
      entries_.pop_front();
    }
    if (std::exchange(flushing_, true)) {
      return;
    }
  }
  steps_.post([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self == nullptr) {
      return;
    }
    self->steps_.after(kGather, [weak] {
      if (const auto still = weak.lock()) {
        still->AnswerAll();
      }
    });
  });
}

void EventLog::Take(const pb::Events& asked, Duration at_most,
                    std::function<void(pb::Answer)> done) {
  ++asked_;
  Keep();
  askers_.insert(asked.asker());
  const auto waiter = std::make_shared<Waiter>(Waiter{asked, std::move(done)});
  pb::Answer answer;
  if (Fill(asked, *answer.mutable_events())) {
    waiter->done(std::move(answer));
    return;
  }
  waiters_.push_back(waiter);
  steps_.after(at_most, [weak = weak_from_this(), waiter] {
    const auto self = weak.lock();
    if (self == nullptr || std::erase(self->waiters_, waiter) == 0) {
      return;
    }
    pb::Answer late;
    static_cast<void>(self->Fill(waiter->asked, *late.mutable_events()));
    waiter->done(std::move(late));
  });
}

void EventLog::AnswerAll() {
  {
    const std::lock_guard lock(mutex_);
    flushing_ = false;
  }
  for (const auto& waiter : std::exchange(waiters_, {})) {
    pb::Answer answer;
    if (Fill(waiter->asked, *answer.mutable_events())) {
      waiter->done(std::move(answer));
    } else {
      waiters_.push_back(waiter);
    }
  }
}

bool EventLog::Fill(const pb::Events& asked, pb::EventPage& page) {
  const std::lock_guard lock(mutex_);
  page.set_log(log_);
  page.set_last(last_);
  const uint64_t kept_from = entries_.empty() ? last_ + 1 : entries_.front().number;
  const bool anew = asked.log() == 0;
  const bool whole = asked.from_start() && log_ == first_log_ && kept_from == 1;
  const uint64_t after = anew ? (whole ? 0 : last_) : asked.after();
  page.set_lost(anew ? asked.from_start() && !whole
                     : asked.log() != log_ || after > last_ || after + 1 < kept_from);
  if (!page.lost()) {
    AddTo(page, after);
  }
  page.set_ended(ended_ && page.last() == last_);
  if (page.ended()) {
    NoteTold(asked.asker());
  }
  return anew || page.lost() || page.ended() || page.events_size() > 0;
}

void EventLog::AddTo(pb::EventPage& page, uint64_t after) const {
  std::unordered_map<const dsl::Plan*, uint32_t> names;
  size_t bytes = 0;
  for (const Entry& entry : entries_) {
    if (entry.number <= after) {
      continue;
    }
    if (bytes > 0 && bytes + entry.bytes > kMaxPageBytes) {
      page.set_last(entry.number - 1);
      return;
    }
    bytes += entry.bytes;
    pb::Event& event = *page.add_events();
    event = entry.event;
    if (entry.plan == nullptr) {
      continue;
    }
    const auto [found, added] =
        names.try_emplace(entry.plan.get(), static_cast<uint32_t>(page.names_size()));
    if (added) {
      SetNames(*entry.plan, *page.add_names());
    }
    event.set_names(found->second);
  }
}

// With the lock held.
void EventLog::NoteTold(const std::string& asker) {
  askers_.erase(asker);
  if (askers_.empty() && all_told_ != nullptr) {
    std::exchange(all_told_, nullptr)->set_value();
  }
}

void EventLog::End(Duration grace) {
  const auto told = std::make_shared<std::promise<void>>();
  steps_.post([self = shared_from_this(), told] {
    {
      const std::lock_guard lock(self->mutex_);
      self->ended_ = true;
      if (self->askers_.empty()) {
        told->set_value();
      } else {
        self->all_told_ = told;
      }
    }
    self->AnswerAll();
  });
  told->get_future().wait_for(grace);
}

void EventLog::Stop() {
  const auto stopped = std::make_shared<std::promise<void>>();
  steps_.post([self = shared_from_this(), stopped] {
    self->subscription_.reset();
    self->waiters_.clear();
    stopped->set_value();
  });
  stopped->get_future().wait();
}

Result<runtime::TxnEvent> EventOf(const pb::Event& event, const pb::EventPage& page) {
  runtime::TxnEvent to;
  to.gid = Gid(event.gid());
  to.definition = event.definition();
  to.status = static_cast<engine::TxnStatus>(event.status());
  to.incident = event.incident();
  to.entry.revision = Sequence(event.revision());
  ENTENTE_ASSIGN_OR_RETURN(to.entry.record, runtime::DecodeRecord(event.record()));
  to.traceparent = event.traceparent();
  if (event.has_names() && event.names() < static_cast<uint32_t>(page.names_size())) {
    // Nothing else of a plan is asked of an event's.
    const pb::EventNames& names = page.names(static_cast<int>(event.names()));
    auto plan = std::make_shared<dsl::Plan>();
    plan->name = event.definition();
    plan->mode = static_cast<dsl::Mode>(names.mode());
    plan->client_driven = names.client_driven();
    for (const std::string& step : names.steps()) {
      plan->steps.emplace_back().id = step;
    }
    to.plan = std::move(plan);
  }
  return to;
}

}  // namespace entente::cluster
