#include "coordinator/api/sse_stream.h"

#include <utility>

#include <boost/asio/post.hpp>

#include "coordinator/api/json_encode.h"

namespace entente::api {
namespace {

// More than this is not handed to the connection before the client has read some; the rest stays in
// the feed, which is bounded.
constexpr size_t kMaxUnreadBytes = size_t{256} << 10;
// How soon a client that reads slowly is looked at again.
constexpr Duration kDrainPause = std::chrono::milliseconds(20);

}  // namespace

std::shared_ptr<SseStream> SseStream::Create(boost::asio::io_context& io, Duration heartbeat) {
  std::shared_ptr<SseStream> stream(new SseStream(io, heartbeat));
  stream->feed_ = std::make_shared<EventFeed>([weak = std::weak_ptr(stream)] {
    if (const std::shared_ptr<SseStream> self = weak.lock()) {
      self->Wake();
    }
  });
  return stream;
}

SseStream::SseStream(boost::asio::io_context& io, Duration heartbeat)
    : io_(io), heartbeat_interval_(heartbeat), heartbeat_(io), drain_(io) {}

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

void SseStream::Start(transport::ResponseStream stream, bool with_ids) {
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

bool SseStream::WriteEvent(const runtime::TxnEvent& event) {
  std::string text;
  if (with_ids_) {
    text = "id: " + std::to_string(event.entry.revision.value()) + "\n";
  }
  text += "data: ";
  text += EventJson(event);  // Without line breaks.
  text += "\n\n";
  return stream_->Write(text);
}

void SseStream::Pump() {
  woken_.store(false);
  if (stopped_ || !stream_) {
    return;
  }
  if (draining_ && !feed_->lost()) {
    return;
  }
  runtime::TxnEvent event;
  while (true) {
    if (stream_->buffered_bytes() > kMaxUnreadBytes && !feed_->lost()) {
      PumpLater();
      return;
    }
    switch (feed_->Take(&event)) {
      case EventFeed::Taken::kEvent:
        if (!WriteEvent(event)) {
          Finish();
          return;
        }
        break;
      case EventFeed::Taken::kWait: return;
      case EventFeed::Taken::kLost:
        // Said in words, since what follows is a gap; a client with a revision can go on from it.
        stream_->Write("event: lost\ndata: {}\n\n");
        Finish();
        return;
      case EventFeed::Taken::kEnd: Finish(); return;
    }
  }
}

void SseStream::PumpLater() {
  draining_ = true;
  drain_.expires_after(kDrainPause);
  drain_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const std::shared_ptr<SseStream> self = weak.lock();
    if (self != nullptr && !error) {
      self->draining_ = false;
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
  drain_.cancel();
  feed_->Close();
  if (stream_) {
    stream_->End();
  }
}

}  // namespace entente::api
