#include "coordinator/api/rest/sse_stream.h"

#include <utility>

#include <boost/asio/post.hpp>

#include "coordinator/api/json/json_encode.h"

namespace entente::api {
namespace {

// More than this is not handed to the connection before the client has read some; the rest stays in
// the feed, which is bounded.
constexpr size_t kMaxUnreadBytes = size_t{256} << 10;
// How long events are gathered before they are sent: a client that watches everything costs the
// thread a write for each pause, not for each event. Also how soon one that reads slowly is looked
// at again.
constexpr Duration kPause = std::chrono::milliseconds(20);
constexpr size_t kMaxBatchBytes = size_t{64} << 10;

// As it goes out, without the line of its id.
std::shared_ptr<const void> EncodeEvent(const runtime::TxnEvent& event) {
  // EventJson has no line breaks.
  return std::make_shared<const std::string>("data: " + EventJson(event) + "\n\n");
}

const std::string& TextOf(EventFeed::Next& next) {
  if (next.encoded == nullptr) {
    next.encoded = EncodeEvent(next.event->event);
  }
  return *static_cast<const std::string*>(next.encoded.get());
}

}  // namespace

std::shared_ptr<SseStream> SseStream::Create(boost::asio::io_context& io, Duration heartbeat) {
  std::shared_ptr<SseStream> stream(new SseStream(io, heartbeat));
  stream->feed_ = std::make_shared<EventFeed>(
      EventFeed::Encoder{EncodeEvent, runtime::EventForm::kJson}, [weak = std::weak_ptr(stream)] {
        if (const std::shared_ptr<SseStream> self = weak.lock()) {
          self->Wake();
        }
      });
  return stream;
}

SseStream::SseStream(boost::asio::io_context& io, Duration heartbeat)
    : io_(io), heartbeat_interval_(heartbeat), heartbeat_(io), pause_(io) {}

// Any thread, with locks of the runtime held.
void SseStream::Wake() {
  if (!woken_.exchange(true)) {
    boost::asio::post(io_, [weak = weak_from_this()] {
      if (const std::shared_ptr<SseStream> self = weak.lock()) {
        self->Pump();
      }
    });
  }
}

void SseStream::Start(net::ResponseStream stream, bool with_ids) {
  stream_ = std::move(stream);
  with_ids_ = with_ids;
  stream_->OnClosed([weak = weak_from_this()] {
    if (const std::shared_ptr<SseStream> self = weak.lock()) {
      self->Finish();
    }
  });
  // Something at once: some clients count the stream as open only then.
  if (!stream_->Write(": ready\n\n")) {
    Finish();
    return;
  }
  ArmHeartbeat();
  Pump();
}

void SseStream::Pump() {
  woken_.store(false);
  if (stopped_ || !stream_ || (pausing_ && !feed_->lost())) {
    return;
  }
  std::string batch;
  EventFeed::Taken taken = EventFeed::Taken::kEvent;
  while (taken == EventFeed::Taken::kEvent) {
    if (batch.size() + stream_->buffered_bytes() > kMaxUnreadBytes && !feed_->lost()) {
      break;
    }
    EventFeed::Next next;
    taken = feed_->Take(&next);
    if (taken == EventFeed::Taken::kEvent) {
      if (with_ids_) {
        batch += "id: " + std::to_string(next.event->event.entry.revision.value()) + "\n";
      }
      batch += TextOf(next);
    } else if (taken == EventFeed::Taken::kLost) {
      // Said in words, since what follows is a gap; a client with a revision can go on from it.
      batch += "event: lost\ndata: {}\n\n";
    }
    if (batch.size() >= kMaxBatchBytes) {
      if (!stream_->Write(batch)) {
        Finish();
        return;
      }
      batch.clear();
    }
  }
  const bool wrote = batch.empty() || stream_->Write(batch);
  if (!wrote || taken == EventFeed::Taken::kLost || taken == EventFeed::Taken::kEnd) {
    Finish();
  } else {
    Pause();
  }
}

// What comes meanwhile is sent together.
void SseStream::Pause() {
  pausing_ = true;
  pause_.expires_after(kPause);
  pause_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const std::shared_ptr<SseStream> self = weak.lock();
    if (self == nullptr || error) {
      return;
    }
    self->pausing_ = false;
    if (self->feed_->has_more()) {
      self->Pump();
    }
  });
}

void SseStream::ArmHeartbeat() {
  heartbeat_.expires_after(heartbeat_interval_);
  heartbeat_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const std::shared_ptr<SseStream> self = weak.lock();
    if (self == nullptr || error || self->stopped_) {
      return;
    }
    if (self->stream_->Write(": alive\n\n")) {
      self->ArmHeartbeat();
    } else {
      self->Finish();
    }
  });
}

void SseStream::Finish() {
  if (stopped_) {
    return;
  }
  Stop();
  // Later: the caller may be one of this object's own methods, and `ended` lets go of it.
  boost::asio::post(io_, [self = shared_from_this()] {
    if (self->ended_) {
      self->ended_(self);
    }
  });
}

void SseStream::Stop() {
  if (std::exchange(stopped_, true)) {
    return;
  }
  heartbeat_.cancel();
  pause_.cancel();
  feed_->Close();
  if (stream_) {
    stream_->End();
  }
}

}  // namespace entente::api
