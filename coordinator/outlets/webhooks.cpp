#include "coordinator/outlets/webhooks.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>

#include "base/base64.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "engine/engine.h"
#include "observe/trace_ids.h"
#include "runtime/record_codec.h"

namespace entente::outlets {
namespace {

constexpr const char* kProgressPrefix = "webhook/progress/";
// A note of one cursor for all shards, which is only read.
constexpr const char* kCursorNote = "webhook/cursor";
constexpr const char* kDeadPrefix = "webhook/dead/";
constexpr size_t kScanRows = 500;
constexpr size_t kMaxFailureText = 2000;
constexpr JsonLimits kNoteLimits{64 * 1024, 8};
// How far the cursor stays behind the clock, beyond twice what the store takes: a record may have
// gathered for as long as the batch before its own took.
constexpr Duration kBehind = std::chrono::seconds(5);
// Of saving the progress, and of looking which shards are driven here.
constexpr Duration kKeepEvery = std::chrono::seconds(1);
// While there is nothing to tell: so far back a scan has to look.
constexpr Duration kKeepIdleEvery = std::chrono::minutes(1);
// A note that is older than this is of a process that is gone, or drives nothing: a living one
// writes its own anew every minute. It may be removed if nobody needs it.
constexpr Duration kGoneAfter = std::chrono::minutes(10);
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

std::string EncodeDeadLetter(const DeadLetter& letter) {
  return DumpJson(Json{{"body", letter.webhook.body},
                       {"why", letter.why},
                       {"at", ToMicros(letter.webhook.at)},
                       {"since", ToMicros(letter.since)}});
}

std::optional<DeadLetter> DecodeDeadLetter(std::string id, const std::string& text) {
  const auto read = ParseJson(text, kNoteLimits);
  if (!read.ok() || !read->is_object()) {
    return std::nullopt;
  }
  const auto micros = [&read](const char* name) {
    const auto found = read->find(name);
    return found != read->end() && found->is_number_integer()
               ? InstantFromMicros(found->get<int64_t>())
               : Instant();
  };
  const auto body = read->find("body");
  if (body == read->end() || !body->is_string()) {
    const auto at = read->find("at");
    const auto instant =
        ParseInstant(at != read->end() && at->is_string() ? at->get<std::string>() : "");
    const Instant known = instant.ok() ? *instant : Instant();
    return DeadLetter{{std::move(id), known, text}, {}, known};
  }
  const auto why = read->find("why");
  return DeadLetter{
      {std::move(id), micros("at"), body->get<std::string>()},
      why != read->end() && why->is_string() ? why->get<std::string>() : std::string(),
      micros("since")};
}

Webhooks::Webhooks(storage::Journal& journal, WebhooksOptions options)
    : journal_(journal),
      options_(std::move(options)),
      note_name_(kProgressPrefix + options_.node),
      poster_(options_.tls) {}

Webhooks::~Webhooks() {
  End(Duration::zero());
}

Result<std::vector<Webhooks::Note>> Webhooks::ReadNotes() {
  std::vector<Note> notes;
  for (const char* prefix : {kProgressPrefix, kCursorNote}) {
    ENTENTE_ASSIGN_OR_RETURN(const auto found, journal_.ListNotes(prefix));
    for (const auto& [name, text] : found) {
      auto progress = DecodeProgress(text);
      if (!progress) {
        return DataLoss("store.bad_note", "the note '" + name + "' can not be read");
      }
      notes.push_back({name, std::move(*progress)});
    }
  }
  return notes;
}

Status Webhooks::Load() {
  ENTENTE_ASSIGN_OR_RETURN(const std::vector<Note> notes, ReadNotes());
  for (const Note& note : notes) {
    if (note.name == note_name_) {
      progress_ = note.progress;
    }
  }
  if (notes.empty()) {
    // From here on a kill has to be made good for.
    progress_.cursors.fill(options_.now());
    ENTENTE_RETURN_IF_ERROR(journal_.PutNote(note_name_, EncodeProgress(progress_)));
  }
  ENTENTE_RETURN_IF_ERROR(ReadDead());
  (void)SendAgain({});
  return {};
}

// What is to be told again stays so.
Status Webhooks::ReadDead() {
  ENTENTE_ASSIGN_OR_RETURN(const auto notes, journal_.ListNotes(kDeadPrefix));
  std::map<std::string, DeadLetter> dead;
  for (const auto& [name, text] : notes) {
    std::string id = name.substr(std::string_view(kDeadPrefix).size());
    if (auto letter = DecodeDeadLetter(id, text)) {
      dead.emplace(std::move(id), *std::move(letter));
    }
  }
  const std::lock_guard lock(mutex_);
  for (auto& [id, letter] : dead) {
    const auto known = dead_.find(id);
    letter.waiting = known != dead_.end() && known->second.waiting;
  }
  dead_ = std::move(dead);
  return {};
}

std::vector<DeadLetter> Webhooks::DeadLetters() const {
  const std::lock_guard lock(mutex_);
  std::vector<DeadLetter> letters;
  letters.reserve(dead_.size());
  for (const auto& [id, letter] : dead_) {
    letters.push_back(letter);
  }
  return letters;
}

size_t Webhooks::SendAgain(const std::vector<std::string>& ids) {
  const std::lock_guard lock(mutex_);
  size_t count = 0;
  if (ids.empty()) {
    for (auto& [id, letter] : dead_) {
      letter.waiting = true;
    }
    count = dead_.size();
  }
  for (const std::string& id : ids) {
    if (const auto found = dead_.find(id); found != dead_.end()) {
      found->second.waiting = true;
      ++count;
    }
  }
  changed_.notify_all();
  return count;
}

void Webhooks::Follow(runtime::Coordinator& coordinator, ServedEpochs served) {
  coordinator_ = &coordinator;
  served_ = std::move(served);
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
  if (event != nullptr && queue_.size() < options_.max_queued && !left_out_) {
    queue_.push_back(MakeWebhook(event->event));
    changed_.notify_all();
  } else {
    left_out_ = true;  // The scan finds it, in whatever order.
    if (event == nullptr) {
      changed_.notify_all();
    }
  }
}

// What is queued goes before what is scanned for: a scan begins with an empty queue, and what
// happens while it runs is queued.
void Webhooks::Run() {
  LookAtShards();
  auto kept_at = std::chrono::steady_clock::now();
  auto read_at = kept_at;
  std::unique_lock lock(mutex_);
  while (!halted_) {
    const bool behind = IsBehind();
    changed_.wait_for(lock, behind ? Duration::zero() : kKeepEvery, [this] {
      return !queue_.empty() || left_out_ || ending_ || NextDead().has_value();
    });
    if (!queue_.empty()) {
      const Webhook next = queue_.front();
      lock.unlock();
      const bool told = Tell(next);
      lock.lock();
      if (told) {
        queue_.pop_front();
      }
    } else if (auto letter = NextDead(); letter && !ending_) {
      lock.unlock();
      RetryDead(*std::move(letter));
      lock.lock();
    } else if (left_out_ || behind) {
      // Before the scan looks: what is left out from here on is left to the next one.
      const bool all = std::exchange(left_out_, false);
      lock.unlock();
      if (all) {
        FallBehind();
      }
      Scan();
      lock.lock();
    }
    if (std::chrono::steady_clock::now() - kept_at >= kKeepEvery) {
      lock.unlock();
      KeepProgress(/*at_once=*/false);
      LookAtShards();
      kept_at = std::chrono::steady_clock::now();
      if (kept_at - read_at >= kKeepIdleEvery) {
        read_at = kept_at;
        if (const Status read = ReadDead(); !read.ok()) {
          Fail(read.message());
        }
      }
      lock.lock();
    }
    if (ending_ && queue_.empty() && !left_out_) {
      break;
    }
  }
  lock.unlock();
  KeepProgress(/*at_once=*/true);
  lock.lock();
  idle_ = true;
  changed_.notify_all();
}

bool Webhooks::IsBehind() const {
  return std::any_of(shards_.begin(), shards_.end(),
                     [](const Shard& shard) { return shard.epoch != Epoch() && shard.behind; });
}

// Something of what happened here was left out of the queue.
void Webhooks::FallBehind() {
  for (Shard& shard : shards_) {
    shard.behind = shard.behind || shard.epoch != Epoch();
  }
}

// Which shards are driven here. One that was not before, or that was another's in between, goes on
// where whoever told of it last had come to.
void Webhooks::LookAtShards() {
  const auto served = served_();
  std::vector<ShardId> taken;
  for (size_t i = 0; i < kShardCount; ++i) {
    if (served[i] == shards_[i].epoch) {
      continue;
    }
    shards_[i] = {Epoch(), false};
    if (served[i] != Epoch()) {
      taken.emplace_back(i);
    }
  }
  if (taken.empty()) {
    return;
  }
  const auto notes = ReadNotes();
  if (!notes.ok()) {
    Fail(notes.status().message());  // Taken at the next look.
    return;
  }
  std::vector<WebhookProgress> found;
  for (const Note& note : *notes) {
    found.push_back(note.progress);
  }
  found.push_back(progress_);
  for (const ShardId shard : taken) {
    // Not known: it is told of from now on.
    progress_.cursors[shard.value()] = LatestCursor(found, shard).value_or(options_.now());
    shards_[shard.value()] = {served[shard.value()], true};
  }
  for (const WebhookProgress& note : found) {
    for (const auto& [id, at] : note.told) {
      const ShardId shard = ShardOfEvent(id);
      if (std::find(taken.begin(), taken.end(), shard) != taken.end() &&
          at >= *progress_.cursors[shard.value()]) {
        progress_.told.emplace(id, at);
      }
    }
  }
}

// Every transaction of the shards that are behind, if it changed since their cursors.
void Webhooks::Scan() {
  std::array<bool, kShardCount> scanned{};
  for (size_t i = 0; i < kShardCount; ++i) {
    scanned[i] = shards_[i].behind;
  }
  storage::Page page{kScanRows, {}};
  do {
    const auto found = journal_.Query({}, page);
    if (!found.ok()) {
      Fail(found.status().message());
      (void)Pause(kPatience);
      return;
    }
    for (const storage::SummaryRow& row : found->rows) {
      const size_t shard = ShardOf(row.gid).value();
      if (scanned.at(shard) && row.summary.updated_at >= *progress_.cursors.at(shard) &&
          !ScanRow(row, *progress_.cursors.at(shard))) {
        return;
      }
    }
    page.cursor = found->next_cursor;
    if (!Pause(Duration::zero())) {
      return;
    }
  } while (!page.cursor.empty());
  for (size_t i = 0; i < kShardCount; ++i) {
    shards_[i].behind = shards_[i].behind && !scanned[i];
  }
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
  if (progress_.told.contains(webhook.id) || dead_.contains(webhook.id)) {
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
  progress_.told.emplace(webhook.id, webhook.at);
  changed_since_kept_ = true;
}

// Kept first: the cursor goes past it from here on.
void Webhooks::Bury(const Webhook& webhook, const std::string& why) {
  ++buried_;
  Remember(webhook);
  if (options_.on_dead) {
    options_.on_dead(webhook.id, why);
  }
  if (dead_.size() < kMaxDead) {
    (void)KeepDead({webhook, ToUtf8(why, kMaxFailureText), options_.now()});
  }
}

bool Webhooks::KeepDead(DeadLetter letter) {
  const std::string id = letter.webhook.id;
  if (const Status kept = journal_.PutNote(kDeadPrefix + id, EncodeDeadLetter(letter));
      !kept.ok()) {
    Fail(kept.message());
    return false;
  }
  const std::lock_guard lock(mutex_);
  dead_.insert_or_assign(id, std::move(letter));
  return true;
}

bool Webhooks::ForgetDead(const std::string& id) {
  if (const Status forgotten = journal_.PutNote(kDeadPrefix + id, std::nullopt); !forgotten.ok()) {
    Fail(forgotten.message());
    return false;
  }
  const std::lock_guard lock(mutex_);
  dead_.erase(id);
  return true;
}

// With the lock: the first that is to be told again.
std::optional<DeadLetter> Webhooks::NextDead() {
  const auto next = std::find_if(dead_.begin(), dead_.end(),
                                 [](const auto& each) { return each.second.waiting; });
  return next == dead_.end() ? std::nullopt : std::optional(next->second);
}

// Once: what is refused again stays where it is, with what was said this time, and one that nobody
// answers to is the last that is tried.
void Webhooks::RetryDead(DeadLetter letter) {
  const PostResult result =
      poster_.Post(options_.url, SignedHeaders(letter.webhook, options_.now(), options_.secret),
                   letter.webhook.body, options_.timeout);
  if (!Pause(Duration::zero())) {
    return;  // It was interrupted.
  }
  letter.waiting = false;
  if (result.delivery == Delivery::kTaken) {
    failing_ = false;
    ++delivered_;
    Remember(letter.webhook);
    if (ForgetDead(letter.webhook.id)) {
      return;
    }
  } else {
    ++failed_;
    letter.why = ToUtf8(result.what, kMaxFailureText);
    (void)KeepDead(letter);
  }
  const std::lock_guard lock(mutex_);
  for (auto& [id, other] : dead_) {
    const bool is_last = result.delivery == Delivery::kTryLater;
    other.waiting = other.waiting && !is_last && id != letter.webhook.id;
  }
}

// Nothing that is stamped earlier is still to be told, or still on its way to the journal; but for
// the shards that are behind.
Instant Webhooks::SafeCursor() {
  lag_ = std::max(coordinator_->GetHealth().store_lag.value_or(Duration::zero()), lag_ / 2);
  Instant safe = options_.now() - kBehind - 2 * lag_;
  const std::lock_guard lock(mutex_);
  for (const Webhook& waiting : queue_) {
    safe = std::min(safe, waiting.at);
  }
  return safe;
}

// Only of shards that are driven here now, after the instant was chosen, under the lease that was
// theirs all the while: else another node may have stamped something earlier that it never told.
void Webhooks::AdvanceCursors() {
  const Instant safe = SafeCursor();
  {
    const std::lock_guard lock(mutex_);
    if (left_out_) {
      return;
    }
  }
  const auto served = served_();
  for (size_t i = 0; i < kShardCount; ++i) {
    if (shards_[i].epoch != Epoch() && shards_[i].epoch == served[i] && !shards_[i].behind) {
      progress_.cursors[i] = std::max(*progress_.cursors[i], safe);
    }
  }
}

void Webhooks::KeepProgress(bool at_once) {
  const Instant now = options_.now();
  if (!at_once && !changed_since_kept_ && now - kept_at_ < kKeepIdleEvery) {
    return;
  }
  AdvanceCursors();
  std::erase_if(progress_.told, [&](const auto& told) {
    const auto& cursor = progress_.cursors.at(ShardOfEvent(told.first).value());
    const bool driven = shards_.at(ShardOfEvent(told.first).value()).epoch != Epoch();
    return (cursor && told.second < *cursor) || (!driven && told.second < now - kGoneAfter);
  });
  if (const Status kept = journal_.PutNote(note_name_, EncodeProgress(progress_)); !kept.ok()) {
    Fail(kept.message());
    return;
  }
  kept_at_ = now;
  changed_since_kept_ = false;
  if (now - forgot_at_ >= kGoneAfter) {
    forgot_at_ = now;
    ForgetTheGone();
  }
}

// Removes the notes of processes that are gone, once others have come further with all that they
// drove.
void Webhooks::ForgetTheGone() {
  const auto notes = ReadNotes();
  if (!notes.ok()) {
    Fail(notes.status().message());
    return;
  }
  std::vector<WebhookProgress> found;
  for (const Note& note : *notes) {
    found.push_back(note.progress);
  }
  const Instant gone = options_.now() - kGoneAfter;
  for (size_t i = 0; i < found.size(); ++i) {
    const auto& cursors = found[i].cursors;
    const bool old = std::all_of(cursors.begin(), cursors.end(),
                                 [gone](const auto& cursor) { return !cursor || *cursor < gone; });
    if (old && (*notes)[i].name != note_name_ && IsSuperseded(found, i)) {
      static_cast<void>(journal_.PutNote((*notes)[i].name, std::nullopt).ok());  // Or next time.
    }
  }
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

size_t Webhooks::DeadCount() const {
  const std::lock_guard lock(mutex_);
  return dead_.size();
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
             static_cast<double>(DeadCount()));
}

}  // namespace entente::outlets
