#include "coordinator/outlets/webhooks.h"

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>

#include "base/base64.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "coordinator/observe/trace_ids.h"
#include "coordinator/runtime/record_codec.h"
#include "engine/engine.h"

namespace entente::outlets {
namespace {

constexpr const char* kCursorNote = "webhook/cursor";
constexpr const char* kDeadPrefix = "webhook/dead/";
// Kept with the cursor; what is beyond may be told again after a kill.
constexpr size_t kMaxTold = 2000;
constexpr size_t kScanRows = 500;
constexpr size_t kMaxFailureText = 2000;
// How far the cursor stays behind the clock, beyond twice what the store takes: a record may have
// gathered for as long as the batch before its own took.
constexpr Duration kBehind = std::chrono::seconds(5);
// Of saving the cursor.
constexpr Duration kKeepEvery = std::chrono::seconds(1);
// While there is nothing to tell: so far back a scan has to look.
constexpr Duration kKeepIdleEvery = std::chrono::minutes(1);
constexpr Duration kPatience = std::chrono::seconds(1);

std::string HmacSha256(std::string_view key, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> code;
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), code.data(), &size);
  return {reinterpret_cast<const char*>(code.data()), size};
}

void AddFailure(const engine::Failure& failure, Json& body) {
  if (!failure.code.empty()) {
    body["code"] = ToUtf8(failure.code, kMaxFailureText);
    body["message"] = ToUtf8(failure.message, kMaxFailureText);
  }
}

std::string IdOf(const Gid& gid, Sequence revision) {
  return gid.str() + ':' + std::to_string(revision.value());
}

// Takes a number off the front.
std::optional<int64_t> TakeNumber(std::string_view& text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return error == std::errc() ? std::optional(number) : std::nullopt;
}

using Told = std::map<std::string, Instant>;

// The cursor's note: its microseconds; then of each that was told since, a line with its own and
// its id.
std::string EncodeCursor(Instant cursor, const Told& told) {
  std::string text = std::to_string(ToMicros(cursor));
  size_t kept = 0;
  for (const auto& [id, at] : told) {
    if (at >= cursor && kept++ < kMaxTold) {
      text += '\n' + std::to_string(ToMicros(at)) + ' ' + id;
    }
  }
  return text;
}

bool DecodeCursor(std::string_view text, Instant& cursor, Told& told) {
  auto number = TakeNumber(text);
  if (!number) {
    return false;
  }
  cursor = InstantFromMicros(*number);
  while (!text.empty()) {
    text.remove_prefix(1);  // The end of the line before.
    number = TakeNumber(text);
    const size_t end = std::min(text.find('\n'), text.size());
    if (!number || end < 2 || text.front() != ' ') {
      return false;
    }
    told.emplace(text.substr(1, end - 1), InstantFromMicros(*number));
    text.remove_prefix(end);
  }
  return true;
}

}  // namespace

std::string_view WebhookKindName(WebhookKind kind) {
  switch (kind) {
    case WebhookKind::kIncident: return "incident";
    case WebhookKind::kEnded: return "ended";
    case WebhookKind::kOverdue: return "overdue";
  }
  return "";
}

std::optional<WebhookKind> KindOf(const engine::Record& record) {
  if (std::holds_alternative<engine::IncidentRaised>(record.body)) {
    return WebhookKind::kIncident;
  }
  if (std::holds_alternative<engine::Ended>(record.body)) {
    return WebhookKind::kEnded;
  }
  if (std::holds_alternative<engine::DeadlineMissed>(record.body)) {
    return WebhookKind::kOverdue;
  }
  return std::nullopt;
}

Webhook MakeWebhook(const runtime::TxnEvent& event) {
  const engine::Record& record = event.entry.record;
  Json body = {{"type", std::string(WebhookKindName(KindOf(record).value()))},
               {"gid", event.gid.str()},
               {"revision", event.entry.revision.value()},
               {"at", FormatInstant(record.at)},
               {"traceId", observe::TraceIdOf(event.gid, event.traceparent)}};
  if (!event.definition.empty()) {
    body["definition"] = event.definition;
  }
  if (const auto* raised = std::get_if<engine::IncidentRaised>(&record.body)) {
    body["branch"] = raised->branch.str();
    AddFailure(raised->failure, body);
  } else if (const auto* ended = std::get_if<engine::Ended>(&record.body)) {
    body["status"] = std::string(engine::TxnStatusName(ended->status));
  }
  return {IdOf(event.gid, event.entry.revision), record.at, DumpJson(body)};
}

PostHeaders SignedHeaders(const Webhook& webhook, Instant now, std::string_view secret) {
  const std::string seconds = std::to_string(
      std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count());
  PostHeaders headers = {{"Content-Type", "application/json"},
                         {"webhook-id", webhook.id},
                         {"webhook-timestamp", seconds}};
  if (!secret.empty()) {
    headers.emplace_back(
        "webhook-signature",
        "v1," + EncodeBase64(HmacSha256(secret, webhook.id + '.' + seconds + '.' + webhook.body)));
  }
  return headers;
}

std::optional<std::string> ReadSecret(std::string_view text) {
  constexpr std::string_view kPrefix = "whsec_";
  const size_t end = text.find_last_not_of(" \t\r\n");
  text = end == std::string_view::npos ? std::string_view() : text.substr(0, end + 1);
  if (text.starts_with(kPrefix)) {
    text.remove_prefix(kPrefix.size());
    return text.empty() || text.size() % 4 != 0 ? std::nullopt : DecodeBase64(text);
  }
  return text.empty() ? std::nullopt : std::optional(std::string(text));
}

Webhooks::Webhooks(storage::Journal& journal, WebhooksOptions options)
    : journal_(journal), options_(std::move(options)), poster_(options_.tls) {}

Webhooks::~Webhooks() {
  End(Duration::zero());
}

Status Webhooks::Load() {
  ENTENTE_ASSIGN_OR_RETURN(const auto cursors, journal_.ListNotes(kCursorNote));
  if (cursors.empty()) {
    cursor_ = options_.now();
    // From here on a kill has to be made good for.
    ENTENTE_RETURN_IF_ERROR(journal_.PutNote(kCursorNote, EncodeCursor(cursor_, told_)));
  } else if (!DecodeCursor(cursors.front().second, cursor_, told_)) {
    return DataLoss("store.bad_note",
                    std::string("the note '") + kCursorNote + "' can not be read");
  } else {
    scan_from_ = cursor_;
  }
  ENTENTE_ASSIGN_OR_RETURN(const auto dead, journal_.ListNotes(kDeadPrefix));
  for (const auto& [name, body] : dead) {
    dead_.emplace(name.substr(std::string_view(kDeadPrefix).size()), body);
  }
  dead_count_ = dead_.size();
  return {};
}

void Webhooks::Follow(runtime::Coordinator& coordinator) {
  coordinator_ = &coordinator;
  subscription_ = coordinator.Subscribe(
      std::nullopt, [this](const runtime::SharedEventPtr& event) { OnEvent(event); });
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "webhooks");
    Run();
  });
}

void Webhooks::End(Duration grace) {
  subscription_.reset();
  {
    std::unique_lock lock(mutex_);
    ending_ = true;
    changed_.notify_all();
    if (thread_.joinable()) {
      changed_.wait_for(lock, grace, [this] { return idle_; });
    }
    halted_ = true;
    changed_.notify_all();
  }
  poster_.Stop();
  if (thread_.joinable()) {
    thread_.join();
  }
}

bool Webhooks::IsWanted(const engine::Record& record) const {
  const auto kind = KindOf(record);
  return kind && options_.kinds.at(static_cast<size_t>(*kind));
}

// On the thread of events. Null: some were left out; which, only the journal knows.
void Webhooks::OnEvent(const runtime::SharedEventPtr& event) {
  if (event != nullptr && !IsWanted(event->event.entry.record)) {
    return;
  }
  const std::lock_guard lock(mutex_);
  if (event == nullptr) {
    scan_from_ = Instant();  // From the cursor on, see Run.
  } else if (queue_.size() < options_.max_queued && !scan_from_) {
    queue_.push_back(MakeWebhook(event->event));
  } else {
    // The scan finds it, in whatever order.
    scan_from_ =
        std::min(scan_from_.value_or(event->event.entry.record.at), event->event.entry.record.at);
    return;
  }
  changed_.notify_all();
}

// What is queued goes before what is scanned for: a scan begins with an empty queue, and what
// happens while it runs is found by it, or by the next one.
void Webhooks::Run() {
  RetryDead();
  auto kept_at = std::chrono::steady_clock::now();
  std::unique_lock lock(mutex_);
  while (!halted_) {
    changed_.wait_for(lock, kKeepEvery,
                      [this] { return !queue_.empty() || scan_from_ || ending_; });
    if (!queue_.empty()) {
      const Webhook next = queue_.front();
      lock.unlock();
      const bool told = Tell(next);
      lock.lock();
      if (told) {
        queue_.pop_front();
      }
    } else if (scan_from_) {
      const Instant from = std::max(*scan_from_, cursor_);
      scan_from_.reset();
      lock.unlock();
      const bool scanned = Scan(from);
      lock.lock();
      if (!scanned) {
        scan_from_ = std::min(scan_from_.value_or(from), from);
      }
    }
    if (std::chrono::steady_clock::now() - kept_at >= kKeepEvery) {
      lock.unlock();
      KeepCursor(/*at_once=*/false);
      kept_at = std::chrono::steady_clock::now();
      lock.lock();
    }
    if (ending_ && queue_.empty() && !scan_from_) {
      break;
    }
  }
  lock.unlock();
  KeepCursor(/*at_once=*/true);
  lock.lock();
  idle_ = true;
  changed_.notify_all();
}

// Every transaction that changed since `from`. False: not all of it.
bool Webhooks::Scan(Instant from) {
  storage::Page page{kScanRows, {}};
  do {
    const auto found = journal_.Query({}, page);
    if (!found.ok()) {
      Fail(found.status().message());
      (void)Pause(kPatience);
      return false;
    }
    for (const storage::SummaryRow& row : found->rows) {
      if (row.summary.updated_at >= from && !ScanRow(row, from)) {
        return false;
      }
    }
    page.cursor = found->next_cursor;
    if (!Pause(Duration::zero())) {
      return false;
    }
  } while (!page.cursor.empty());
  return true;
}

bool Webhooks::ScanRow(const storage::SummaryRow& row, Instant from) {
  const auto stored = journal_.Load(row.gid);
  if (!stored.ok()) {
    if (stored.status().code() == StatusCode::kNotFound) {
      return true;  // It was purged.
    }
    Fail(stored.status().message());
    (void)Pause(kPatience);
    return false;
  }
  std::string traceparent;
  for (size_t i = 0; i < stored->records.size(); ++i) {
    auto record = runtime::DecodeRecord(stored->records[i]);
    if (!record.ok()) {
      return true;  // Driving it says so.
    }
    if (const auto* accepted = std::get_if<engine::Accepted>(&record->body)) {
      traceparent = accepted->traceparent;
    }
    if (record->at < from || !IsWanted(*record)) {
      continue;
    }
    runtime::TxnEvent event;
    event.gid = row.gid;
    event.definition = row.summary.definition;
    event.entry = {Sequence(i + 1), std::move(record).value()};
    event.traceparent = traceparent;
    if (!Tell(MakeWebhook(event))) {
      return false;
    }
  }
  return true;
}

// Until it is told or buried. False: neither, because it is to end.
bool Webhooks::Tell(const Webhook& webhook) {
  if (told_.contains(webhook.id) || dead_.contains(webhook.id)) {
    return true;
  }
  for (uint32_t attempt = 1;; ++attempt) {
    const PostResult result =
        poster_.Post(options_.url, SignedHeaders(webhook, options_.now(), options_.secret),
                     webhook.body, options_.timeout);
    if (result.delivery == Delivery::kTaken) {
      failing_ = false;
      ++delivered_;
      Remember(webhook);
      return true;
    }
    if (!Pause(Duration::zero())) {
      return false;  // It was interrupted.
    }
    ++failed_;
    Fail(result.what);
    if (result.delivery == Delivery::kRefused || attempt >= options_.attempts) {
      Bury(webhook, result.what);
      return true;
    }
    if (!Pause(PauseAfter(attempt, result, options_.longest_pause))) {
      return false;
    }
  }
}

void Webhooks::Remember(const Webhook& webhook) {
  told_.emplace(webhook.id, webhook.at);
  changed_since_kept_ = true;
}

// Kept first: the cursor goes past it from here on.
void Webhooks::Bury(const Webhook& webhook, const std::string& why) {
  ++buried_;
  Remember(webhook);
  if (options_.on_dead) {
    options_.on_dead(webhook.id, why);
  }
  if (dead_.size() >= kMaxDead) {
    return;
  }
  if (const Status kept = journal_.PutNote(kDeadPrefix + webhook.id, webhook.body); !kept.ok()) {
    Fail(kept.message());
    return;
  }
  dead_.emplace(webhook.id, webhook.body);
  dead_count_ = dead_.size();
}

// Once: what is refused again stays where it is, and one that nobody answers to is the last that is
// tried.
void Webhooks::RetryDead() {
  const std::map<std::string, std::string> letters = dead_;
  for (const auto& [id, body] : letters) {
    const Webhook webhook{id, cursor_, body};
    const PostResult result =
        poster_.Post(options_.url, SignedHeaders(webhook, options_.now(), options_.secret), body,
                     options_.timeout);
    if (result.delivery == Delivery::kTaken) {
      ++delivered_;
      if (const Status forgotten = journal_.PutNote(kDeadPrefix + id, std::nullopt);
          !forgotten.ok()) {
        Fail(forgotten.message());
      }
      dead_.erase(id);
      Remember(webhook);
      dead_count_ = dead_.size();
    } else if (result.delivery == Delivery::kTryLater) {
      return;
    }
    if (!Pause(Duration::zero())) {
      return;
    }
  }
}

// Nothing that is stamped earlier is still to be told, or still on its way to the journal.
Instant Webhooks::SafeCursor() {
  lag_ = std::max(coordinator_->GetHealth().store_lag.value_or(Duration::zero()), lag_ / 2);
  Instant safe = options_.now() - kBehind - 2 * lag_;
  const std::lock_guard lock(mutex_);
  if (scan_from_) {
    safe = std::min(safe, std::max(*scan_from_, cursor_));
  }
  for (const Webhook& waiting : queue_) {
    safe = std::min(safe, waiting.at);
  }
  return std::max(safe, cursor_);
}

void Webhooks::KeepCursor(bool at_once) {
  const Instant cursor = SafeCursor();
  const bool worth_it = told_.empty() ? cursor - cursor_ >= kKeepIdleEvery : changed_since_kept_;
  if (!at_once && !worth_it) {
    return;
  }
  if (const Status kept = journal_.PutNote(kCursorNote, EncodeCursor(cursor, told_)); !kept.ok()) {
    Fail(kept.message());
    return;
  }
  cursor_ = cursor;
  changed_since_kept_ = false;
  std::erase_if(told_, [cursor](const auto& told) { return told.second < cursor; });
}

void Webhooks::Fail(const std::string& why) {
  if (!std::exchange(failing_, true) && options_.on_failing) {
    options_.on_failing(why);
  }
}

bool Webhooks::Pause(Duration pause) {
  std::unique_lock lock(mutex_);
  return !changed_.wait_for(lock, pause, [this] { return halted_; });
}

void Webhooks::Write(observe::Exposition& out) const {
  out.Single("entente_webhooks_delivered_total", "counter", "Events that the receiver took.",
             static_cast<double>(delivered_));
  out.Single("entente_webhooks_failed_total", "counter",
             "Deliveries that the receiver refused or did not answer.",
             static_cast<double>(failed_));
  out.Single("entente_webhooks_buried_total", "counter", "Events that became dead letters.",
             static_cast<double>(buried_));
  out.Single("entente_webhooks_dead", "gauge", "Dead letters that are kept.",
             static_cast<double>(dead_count_));
}

}  // namespace entente::outlets
