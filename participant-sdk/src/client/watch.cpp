// Following one transaction's events across broken connections.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <utility>

#include "base/limits.h"
#include "participant-sdk/src/client/client_impl.h"
#include "participant-sdk/src/client/sse_parser.h"

namespace entente::sdk {
namespace {

// The coordinator writes something at least every 15 s; silence longer than this is a dead
// connection.
constexpr Duration kMaxSilence = std::chrono::seconds(45);
// An event carries at most a forEach's items beside its own members.
constexpr size_t kMaxEventBytes = 4 * limits::kMaxPayloadBytes;

struct Follower {
  const std::function<bool(const Event&)>& on_event;
  uint64_t revision;  // Seen so far.
  bool done = false;  // It has ended, or the caller has seen enough.
  bool lost = false;  // The stream has a gap from here; another one has not.
  bool progress = false;
  std::chrono::steady_clock::duration stood{};  // From its opening to what came last.
  Status failure = {};

  // False: the stream is not to be read on.
  bool Take(const SseEvent& sse) {
    if (sse.type == "lost") {
      lost = true;
      return false;
    }
    Result<Json> json = ParseJson(sse.data, {kMaxEventBytes, limits::kMaxJsonDepth + 8});
    const char* const end = sse.id.data() + sse.id.size();
    uint64_t id = 0;
    if (!json.ok() || std::from_chars(sse.id.data(), end, id).ptr != end || sse.id.empty()) {
      failure = Internal("client.bad_answer",
                         "an event of the stream can not be read: " +
                             (json.ok() ? "it has no revision" : json.status().message()));
      return false;
    }
    if (id <= revision) {
      return true;  // A repetition after a reconnect.
    }
    revision = id;
    progress = true;
    const auto status = json->find("status");
    const bool ended =
        status != json->end() && status->is_string() && IsFinalStatus(status->get<std::string>());
    const bool go_on = on_event(Event{id, {sse.data, std::move(json).value()}});
    done = ended || !go_on;
    return !done;
  }
};

// Reads one stream to its end, or until it breaks.
void Follow(HttpConnection& connection, Follower& follower) {
  SseParser parser(kMaxEventBytes);
  const auto opened = std::chrono::steady_clock::now();
  while (!follower.done && !follower.lost && follower.failure.ok()) {
    const Result<std::string> bytes = connection.Read(kMaxSilence);
    if (!bytes.ok() || bytes->empty()) {
      return;
    }
    follower.stood = std::chrono::steady_clock::now() - opened;
    Status fed = parser.Feed(*bytes, [&](const SseEvent& event) { return follower.Take(event); });
    if (!fed.ok()) {
      follower.failure = std::move(fed);
    }
  }
}

}  // namespace

Status Client::Impl::Watch(std::string_view gid, uint64_t after_revision,
                           const std::function<bool(const Event&)>& on_event) {
  ENTENTE_RETURN_IF_ERROR(Prepare());
  ENTENTE_ASSIGN_OR_RETURN(const std::unique_ptr<HttpConnection> connection, Connect());
  Follower follower{on_event, after_revision};
  OutgoingRequest request{"GET", TransactionPath(gid, "/events"), "", "text/event-stream"};
  std::optional<Backoff> backoff;
  while (true) {
    problem_ = Json();
    retry_after_ = Duration::zero();
    request.last_event_id = follower.revision == 0 ? "" : std::to_string(follower.revision);
    ENTENTE_ASSIGN_OR_RETURN(const OutgoingRequest sent, WithToken(request));
    Result<HttpAnswer> opened = connection->Open(sent, options_.call_timeout);
    Status failed = opened.status();
    answered_ = answered_ || opened.ok();
    if (opened.ok() && opened->status == 204) {
      return {};  // It has ended, and all of it was seen.
    }
    if (opened.ok() && opened->status != 200) {
      failed = Failure(request, *opened);
    }
    if (failed.ok()) {
      const bool event_stream = opened->Header("Content-Type").starts_with(request.accept);
      follower.progress = follower.lost = false;
      follower.stood = {};
      Follow(*connection, follower);
      if (follower.done || !follower.failure.ok()) {
        return follower.failure;
      }
      // Heartbeats alone tell that the coordinator was back: what follows is another outage. A page
      // that is no event stream tells nothing, however long it is.
      if (follower.progress || (event_stream && follower.stood > options_.retry_for)) {
        backoff.reset();
      }
      failed = UnknownOutcome("client.broken", "the event stream of " + std::string(gid) +
                                                   " ended before the transaction did");
    }
    const bool may_work_later = failed.code() == StatusCode::kUnavailable ||
                                failed.code() == StatusCode::kUnknownOutcome ||
                                failed.code() == StatusCode::kResourceExhausted;
    if (!backoff) {
      backoff.emplace(options_.retry_for);
    }
    // Nobody there who ever was is a wrong address more often than a restart.
    const bool nobody = failed.reason() == "client.unreachable" && !answered_;
    if (nobody || !may_work_later || !backoff->Wait(retry_after_)) {
      return failed;
    }
  }
}

}  // namespace entente::sdk
