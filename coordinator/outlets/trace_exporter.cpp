#include "coordinator/outlets/trace_exporter.h"

#include <algorithm>
#include <future>
#include <iterator>
#include <utility>

#include <pthread.h>

#include "coordinator/outlets/otlp_json.h"
#include "observe/trace_ids.h"

namespace entente::outlets {
namespace {

// In one request.
constexpr size_t kMostTraces = 256;
constexpr size_t kMostSpans = 2000;
// So that a request has company, and the collector is not asked a thousand times a second.
constexpr auto kGathering = std::chrono::milliseconds(200);

// A forEach's record holds a place for each of its items.
size_t WeightOf(const engine::Record& record) {
  const auto* expanded = std::get_if<engine::StepExpanded>(&record.body);
  return 1 + (expanded == nullptr ? 0 : expanded->items.size() / 8);
}

bool IsWhole(const runtime::History& history) {
  return !history.entries.empty() && history.entries.front().revision == Sequence(1);
}

// Waits for what comes on another thread, which may outlive this wait. A coordinator that could not
// start drops what it was asked.
Result<runtime::History> ReadHistory(runtime::Coordinator& coordinator, const Gid& gid) {
  auto answer = std::make_shared<std::promise<Result<runtime::History>>>();
  auto future = answer->get_future();
  coordinator.GetHistory(gid, [answer = std::move(answer)](Result<runtime::History> history) {
    answer->set_value(std::move(history));
  });
  try {
    return future.get();
  } catch (const std::future_error&) {
    return Unavailable("coordinator.draining", "the coordinator ended before it answered");
  }
}

}  // namespace

TraceExporter::TraceExporter(runtime::Coordinator& coordinator, TraceExporterOptions options)
    : coordinator_(coordinator),
      options_(std::move(options)),
      coordinator_id_(coordinator.id()),
      poster_(options_.tls) {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "traces");
    Run();
  });
  subscription_ =
      coordinator_.Subscribe(std::nullopt, [this](const runtime::SharedEventPtr& event) {
        if (event != nullptr) {
          OnEvent(event->event);
          return;
        }
        // What was left out may have been an end. Whatever is held has a gap, and is read back.
        ++traces_dropped_;
        const std::lock_guard lock(mutex_);
        held_.clear();
        ages_.clear();
        held_records_ = 0;
      });
}

TraceExporter::~TraceExporter() {
  End(Duration::zero());
}

void TraceExporter::End(Duration grace) {
  subscription_.reset();
  {
    std::unique_lock lock(mutex_);
    ending_ = true;
    changed_.notify_all();
    changed_.wait_for(lock, grace, [this] { return queue_.empty() && ended_; });
    queue_.clear();
    ended_ = true;
    changed_.notify_all();
  }
  poster_.Stop();
  if (thread_.joinable()) {
    thread_.join();
  }
}

// On the thread of events: what is done here is little.
void TraceExporter::OnEvent(const runtime::TxnEvent& event) {
  if (!observe::IsSampled(event.traceparent)) {
    return;
  }
  const std::lock_guard lock(mutex_);
  Hold(event);
  if (!std::holds_alternative<engine::Ended>(event.entry.record.body)) {
    MakeRoom();
    return;
  }
  const auto held = held_.find(event.gid);
  runtime::History history = std::move(held->second.history);
  Forget(held);
  Queue(std::move(history));
}

// One whose first record did not come from this process, or was forgotten, is held without any: its
// history is read back when it has ended.
void TraceExporter::Hold(const runtime::TxnEvent& event) {
  const auto [place, fresh] = held_.try_emplace(event.gid);
  Held& held = place->second;
  if (fresh) {
    held.history.gid = event.gid;
    held.age = ages_.insert(ages_.end(), event.gid);
  } else {
    ages_.splice(ages_.end(), ages_, held.age);
  }
  held.history.plan = event.plan;
  auto& entries = held.history.entries;
  const Sequence next = entries.empty() ? Sequence(1) : entries.back().revision.next();
  if (event.entry.revision != next) {
    entries.clear();  // There is a gap: it will be read back whole.
    return;
  }
  engine::Record record = WithoutPayloads(event.entry.record);
  const size_t weight = WeightOf(record);
  held.weight += weight;
  held_records_ += weight;
  entries.push_back({event.entry.revision, std::move(record)});
}

void TraceExporter::MakeRoom() {
  while (held_records_ + held_.size() > options_.max_held_records) {
    Forget(held_.find(ages_.front()));
  }
}

void TraceExporter::Forget(std::unordered_map<Gid, Held>::iterator held) {
  held_records_ -= held->second.weight;
  ages_.erase(held->second.age);
  held_.erase(held);
}

void TraceExporter::Queue(runtime::History history) {
  if (queue_.size() >= options_.max_queued || ending_) {
    ++traces_dropped_;
    return;
  }
  queue_.push_back(std::move(history));
  changed_.notify_all();
}

void TraceExporter::Run() {
  while (true) {
    std::vector<runtime::History> histories = Take();
    if (histories.empty()) {
      return;
    }
    const std::vector<Span> spans = SpansOfAll(std::move(histories));
    for (size_t first = 0; first < spans.size(); first += kMostSpans) {
      const auto begin = spans.begin() + static_cast<ptrdiff_t>(first);
      const auto end =
          spans.begin() + static_cast<ptrdiff_t>(std::min(first + kMostSpans, spans.size()));
      Send({begin, end});
    }
  }
}

// Some that have ended; none once it is to end and nothing is left.
std::vector<runtime::History> TraceExporter::Take() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !queue_.empty() || ending_; });
  changed_.wait_for(lock, kGathering, [this] { return queue_.size() >= kMostTraces || ending_; });
  std::vector<runtime::History> taken;
  while (!queue_.empty() && taken.size() < kMostTraces) {
    taken.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  if (taken.empty()) {
    ended_ = true;
    changed_.notify_all();
  }
  return taken;
}

std::vector<Span> TraceExporter::SpansOfAll(std::vector<runtime::History> histories) {
  std::vector<Span> all;
  for (runtime::History& history : histories) {
    if (!IsWhole(history)) {
      Result<runtime::History> read = ReadHistory(coordinator_, history.gid);
      if (!read.ok()) {
        ++traces_dropped_;
        continue;
      }
      history = std::move(read).value();
    }
    Result<std::vector<Span>> spans = SpansOf(history);
    if (!spans.ok()) {
      ++traces_dropped_;
      continue;
    }
    std::move(spans->begin(), spans->end(), std::back_inserter(all));
  }
  return all;
}

// What the collector refuses for good, or does not take after so many attempts, is dropped.
void TraceExporter::Send(const std::vector<Span>& spans) {
  const std::string body = EncodeSpans(spans, coordinator_id_);
  PostHeaders headers = options_.headers;
  headers.emplace_back("Content-Type", "application/json");
  for (uint32_t attempt = 1;; ++attempt) {
    const PostResult result = poster_.Post(options_.url, headers, body, options_.timeout);
    if (result.delivery == Delivery::kTaken) {
      const uint64_t rejected = std::min<uint64_t>(RejectedSpans(result.body), spans.size());
      spans_sent_ += spans.size() - rejected;
      if (rejected > 0) {
        Drop(rejected, "the collector rejected some");
      } else if (std::exchange(failing_, false) && options_.on_failing) {
        options_.on_failing(false, "");
      }
      return;
    }
    const bool again = result.delivery == Delivery::kTryLater && attempt < options_.attempts;
    if (!again || !Pause(PauseAfter(attempt, result, options_.longest_pause))) {
      Drop(spans.size(), result.what);
      return;
    }
  }
}

void TraceExporter::Drop(uint64_t spans, const std::string& why) {
  spans_dropped_ += spans;
  if (!std::exchange(failing_, true) && options_.on_failing) {
    options_.on_failing(true, why);
  }
}

bool TraceExporter::Pause(Duration pause) {
  std::unique_lock lock(mutex_);
  return !changed_.wait_for(lock, pause, [this] { return ended_; });
}

void TraceExporter::Write(observe::Exposition& out) const {
  out.Single("entente_spans_sent_total", "counter", "Spans that the collector took.",
             static_cast<double>(spans_sent_));
  out.Single("entente_spans_dropped_total", "counter",
             "Spans that the collector refused, or did not take in time.",
             static_cast<double>(spans_dropped_));
  out.Single("entente_traces_dropped_total", "counter",
             "Transactions of which no span was sent because too many waited, or their history "
             "could not be read.",
             static_cast<double>(traces_dropped_));
}

}  // namespace entente::outlets
