#include "coordinator/api/grpc/grpc_streams.h"

#include <utility>

#include "coordinator/api/command_checks.h"
#include "coordinator/api/grpc/grpc_fit.h"
#include "coordinator/api/grpc/grpc_status.h"

namespace entente::api {
namespace {

std::shared_ptr<const void> EncodeProto(const runtime::TxnEvent& event) {
  auto message = std::make_shared<pb::TransactionEvent>();
  ToProto(event, message.get());
  FitEvent(message.get());
  return message;
}

}  // namespace

SerialThread::SerialThread() : thread_([this] { Run(); }) {}

SerialThread::~SerialThread() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void SerialThread::Post(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  changed_.notify_one();
}

void SerialThread::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return ending_ || !tasks_.empty(); });
    if (tasks_.empty()) {
      return;
    }
    std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    task = nullptr;  // What it holds may need the lock to end.
    lock.lock();
  }
}

// What gRPC calls, on its own threads; it passes everything on.
class GrpcEventStreams::StreamReactor final : public Reactor {
 public:
  StreamReactor(GrpcEventStreams& streams, StreamPtr stream)
      : streams_(streams), stream_(std::move(stream)) {}

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override { delete this; }

 private:
  GrpcEventStreams& streams_;
  StreamPtr stream_;  // Shared with the tasks that serve it; holds the message being written.
};

// One watcher, on the streams' thread but for its notification.
class GrpcEventStreams::Stream : public std::enable_shared_from_this<Stream> {
 public:
  explicit Stream(GrpcEventStreams& streams) : streams_(streams) {}

  void Prepare() {
    reactor_ = new StreamReactor(streams_, shared_from_this());
    feed_ = std::make_shared<EventFeed>(EventFeed::Encoder{EncodeProto, runtime::EventForm::kProto},
                                        [weak = weak_from_this()] {
                                          if (const StreamPtr self = weak.lock()) {
                                            self->Wake();
                                          }
                                        });
  }

  [[nodiscard]] Reactor* reactor() const { return reactor_; }
  [[nodiscard]] const std::shared_ptr<EventFeed>& feed() const { return feed_; }

  void SetOpen() {
    open_ = true;
    Pump();
  }

  void Pump() {
    if (!open_ || writing_ || reactor_ == nullptr) {
      return;
    }
    EventFeed::Next next;
    switch (feed_->Take(&next)) {
      case EventFeed::Taken::kEvent:
        message_ = next.encoded != nullptr ? next.encoded : EncodeProto(next.event->event);
        writing_ = true;
        reactor_->StartWrite(static_cast<const pb::TransactionEvent*>(message_.get()));
        return;
      case EventFeed::Taken::kWait: return;
      case EventFeed::Taken::kEnd: Finish(grpc::Status::OK); return;
      case EventFeed::Taken::kLost:
        Finish(ToGrpcStatus({ResourceExhausted("events.lost",
                                               "the events came faster than they were read, and "
                                               "some were dropped; watch again from the last "
                                               "revision you saw"),
                             {},
                             {}}));
        return;
    }
  }

  void Written(bool ok) {
    writing_ = false;
    if (ok) {
      Pump();
    } else {
      Finish(grpc::Status::CANCELLED);
    }
  }

  // No-op once finished. gRPC allows it while a write is under way.
  void Finish(const grpc::Status& status) {
    if (reactor_ == nullptr) {
      return;
    }
    feed_->Close();
    Reactor* const reactor = std::exchange(reactor_, nullptr);
    const StreamPtr self = shared_from_this();  // The reactor may go at once.
    streams_.streams_.erase(self);
    reactor->Finish(status);
  }

 private:
  // Any thread, with locks of the runtime held.
  void Wake() {
    if (!woken_.exchange(true)) {
      streams_.thread_.Post([self = shared_from_this()] {
        self->woken_.store(false);
        self->Pump();
      });
    }
  }

  GrpcEventStreams& streams_;
  Reactor* reactor_ = nullptr;  // Null once finished.
  std::shared_ptr<EventFeed> feed_;
  std::shared_ptr<const void> message_;  // The one being written.
  bool open_ = false;
  bool writing_ = false;
  std::atomic<bool> woken_{false};  // A Pump is already posted.
};

void GrpcEventStreams::StreamReactor::OnWriteDone(bool ok) {
  streams_.thread_.Post([stream = stream_, ok] { stream->Written(ok); });
}

void GrpcEventStreams::StreamReactor::OnCancel() {
  streams_.thread_.Post([stream = stream_] { stream->Finish(grpc::Status::CANCELLED); });
}

GrpcEventStreams::~GrpcEventStreams() {
  const std::lock_guard lock(door_->mutex);
  door_->thread = nullptr;
}

std::function<void(std::function<void()>)> GrpcEventStreams::Here() const {
  return [door = door_](std::function<void()> work) {
    const std::lock_guard lock(door->mutex);
    if (door->thread != nullptr) {
      door->thread->Post(std::move(work));
    }
  };
}

GrpcEventStreams::Reactor* GrpcEventStreams::Begin(std::function<void(const StreamPtr&)> open) {
  const auto stream = std::make_shared<Stream>(*this);
  stream->Prepare();
  Reactor* const reactor = stream->reactor();
  thread_.Post([this, stream, open = std::move(open)] {
    if (ended_) {
      stream->Finish(
          ToGrpcStatus({Unavailable("coordinator.draining", "the coordinator stops"), {}, {}}));
    } else if (streams_.size() >= limit_) {
      stream->Finish(ToGrpcStatus(
          {ResourceExhausted("events.too_many_streams",
                             "as many event streams are open as there may be; close one, or ask "
                             "again later"),
           {},
           {}}));
    } else if (stream->reactor() != nullptr) {  // Not cancelled already.
      streams_.insert(stream);
      open(stream);
    }
  });
  return reactor;
}

GrpcEventStreams::Reactor* GrpcEventStreams::WatchTransaction(const identity::PrincipalPtr& by,
                                                              const Gid& gid, Sequence after) {
  return Begin([this, by, gid, after](const StreamPtr& stream) {
    stream->feed()->WatchTransaction(coordinator_, by, gid, after, Here(),
                                     [stream](const Outcome<bool>& opened) {
                                       if (const Error* error = std::get_if<Error>(&opened)) {
                                         stream->Finish(ToGrpcStatus(*error));
                                       } else {
                                         stream->SetOpen();
                                       }
                                     });
  });
}

GrpcEventStreams::Reactor* GrpcEventStreams::WatchAll(EventFilter filter) {
  return Begin([this, filter = std::move(filter)](const StreamPtr& stream) {
    if (const std::optional<Error> error = CheckFilter(filter)) {
      stream->Finish(ToGrpcStatus(*error));
      return;
    }
    stream->feed()->WatchAll(coordinator_, filter,
                             [here = Here(), stream] { here([stream] { stream->SetOpen(); }); });
  });
}

void GrpcEventStreams::EndAll() {
  thread_.Post([this] {
    ended_ = true;
    while (!streams_.empty()) {
      const StreamPtr stream = *streams_.begin();
      stream->Finish(
          ToGrpcStatus({Unavailable("coordinator.draining", "the coordinator stops"), {}, {}}));
    }
  });
}

}  // namespace entente::api
