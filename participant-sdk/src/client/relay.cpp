#include <algorithm>
#include <random>
#include <utility>

#include "base/limits.h"
#include "entente/outbox.h"
#include "participant-sdk/src/client/client_impl.h"

namespace entente::sdk {
namespace {

// A stored request wraps an input, and perhaps a definition, in one more object.
constexpr JsonLimits kStoredJson{limits::kMaxRequestBytes, limits::kMaxJsonDepth + 4};

// Whether a repetition can not succeed, whatever happens meanwhile. The client's own complaints are
// about the network or its settings, which may be mended.
bool IsPermanent(const Status& status) {
  if (status.reason().starts_with("client.") && status.reason() != "client.bad_request") {
    return false;
  }
  switch (status.code()) {
    case StatusCode::kInvalidArgument:
    case StatusCode::kNotFound:
    case StatusCode::kAlreadyExists:
    case StatusCode::kConflict:
    case StatusCode::kFailedPrecondition:
    case StatusCode::kDataLoss: return true;
    default: return false;
  }
}

// Whether the next entry would meet the same failure.
bool ConcernsAll(const Status& status) {
  return status.code() != StatusCode::kInternal || status.reason().starts_with("client.");
}

Result<SubmitRequest> ReadEntry(const OutboxEntry& entry) {
  Result<Json> body = ParseExactJson(entry.request, kStoredJson);
  if (!body.ok()) {
    return DataLoss("outbox.bad_row",
                    "a stored submit can not be read: " + body.status().message());
  }
  return ReadSubmitBody(*body);
}

}  // namespace

Relay::Relay(OutboxStore& store, Client& client, RelayOptions options)
    : store_(store), client_(client), options_(options) {}

Duration Relay::DelayAfter(uint32_t attempts) const {
  thread_local std::minstd_rand random{std::random_device{}()};
  Duration delay = options_.first_delay;
  for (uint32_t i = 1; i < attempts && delay < options_.max_delay; ++i) {
    delay *= 2;
  }
  delay = std::min(delay, options_.max_delay);
  std::uniform_int_distribution<Duration::rep> spread(delay.count() / 2, delay.count());
  return Duration(spread(random));
}

Status Relay::Deliver(const OutboxEntry& entry, RelayReport& report, bool& unreachable) {
  Result<SubmitRequest> request = ReadEntry(entry);
  const Status outcome =
      request.ok() ? client_.Submit(std::move(request).value()).status() : request.status();
  if (outcome.ok()) {
    ++report.delivered;
    return store_.Delivered(entry.gid);
  }
  if (IsPermanent(outcome)) {
    ++report.buried;
    return store_.Bury(entry.gid, outcome.ToString());
  }
  unreachable = ConcernsAll(outcome);
  ++report.postponed;
  return store_.Postpone(entry.gid, DelayAfter(entry.attempts), outcome.ToString());
}

Result<RelayReport> Relay::RunOnce() {
  ENTENTE_ASSIGN_OR_RETURN(const std::vector<OutboxEntry> entries,
                           store_.Claim(options_.batch, options_.lease));
  RelayReport report;
  bool unreachable = false;
  // An error of the store concerns one entry, which its lease brings back; the others go on.
  Status failed;
  for (const OutboxEntry& entry : entries) {
    Status stored;
    if (!unreachable) {
      stored = Deliver(entry, report, unreachable);
    } else {
      // Each would wait for the client's time-outs in turn.
      ++report.postponed;
      stored = store_.Postpone(entry.gid, DelayAfter(entry.attempts),
                               "not tried: the coordinator did not take others");
    }
    if (failed.ok()) {
      failed = stored;
    }
  }
  ENTENTE_RETURN_IF_ERROR(failed);
  report.more = entries.size() == options_.batch && !unreachable;
  return report;
}

void Relay::Run(const std::stop_token& stop, const std::function<void(const Status&)>& on_error) {
  while (!stop.stop_requested()) {
    const Result<RelayReport> report = RunOnce();
    if (!report.ok() && on_error) {
      on_error(report.status());
    }
    if (report.ok() && report->more) {
      continue;
    }
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, stop, options_.poll, [this] { return woken_; });
    woken_ = false;
  }
}

void Relay::Wake() {
  const std::lock_guard lock(mutex_);
  woken_ = true;
  wake_.notify_all();
}

}  // namespace entente::sdk
