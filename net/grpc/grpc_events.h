// gRPC's completions, brought to the thread of an io_context. Internal to net.
#pragma once

#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <grpcpp/completion_queue.h>
#include <boost/asio/io_context.hpp>

namespace entente::net {

// What a gRPC operation's tag points to. It must live until OnEvent.
class GrpcEvent {
 public:
  virtual ~GrpcEvent() = default;
  // On the io thread. `ok` as CompletionQueue::Next says.
  virtual void OnEvent(bool ok) = 0;
};

// Owns a completion queue and the thread that waits on it. Completions that arrive while the io
// thread is busy go over together, with one post for all.
class GrpcEvents {
 public:
  explicit GrpcEvents(boost::asio::io_context& io);
  // Waits for the operations under way, which must all have been cancelled, and delivers their
  // events from inside.
  ~GrpcEvents();
  GrpcEvents(const GrpcEvents&) = delete;
  GrpcEvents& operator=(const GrpcEvents&) = delete;

  [[nodiscard]] grpc::CompletionQueue& queue() { return queue_; }

 private:
  struct Completion {
    GrpcEvent* event;
    bool ok;
  };
  // Shared with posted deliveries, which may run after this object's end.
  struct Inbox {
    std::mutex mutex;
    std::vector<Completion> completions;  // Guarded by mutex.
    bool posted = false;                  // Guarded by mutex.
    std::vector<Completion> spare;        // Of the io thread: memory to use again.

    void Deliver();
  };

  void Run();

  boost::asio::io_context& io_;
  grpc::CompletionQueue queue_;
  std::shared_ptr<Inbox> inbox_;
  std::thread thread_;
};

}  // namespace entente::net
