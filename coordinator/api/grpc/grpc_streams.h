// The two server-streaming methods. Internal to api.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

#include <grpcpp/support/server_callback.h>

#include "coordinator/api/event_feed.h"
#include "coordinator/api/grpc/proto_codec.h"

namespace entente::api {

// Runs tasks one after the other on a thread of its own. Post may be called from any thread; what
// is posted before the end is run before the end.
class SerialThread {
 public:
  SerialThread();
  ~SerialThread();
  SerialThread(const SerialThread&) = delete;
  SerialThread& operator=(const SerialThread&) = delete;

  void Post(std::function<void()> task);

 private:
  void Run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  bool ending_ = false;
  std::thread thread_;
};

// All event streams of one GrpcServer. Their work is done on one thread apart from the workers',
// because what wakes them comes with locks of the runtime held.
class GrpcEventStreams {
 public:
  GrpcEventStreams(runtime::Coordinator& coordinator, size_t limit)
      : coordinator_(coordinator), limit_(limit), door_(std::make_shared<Door>(&thread_)) {}
  ~GrpcEventStreams();
  GrpcEventStreams(const GrpcEventStreams&) = delete;
  GrpcEventStreams& operator=(const GrpcEventStreams&) = delete;

  using Reactor = grpc::ServerWriteReactor<pb::TransactionEvent>;

  // Each returns the reactor to give to gRPC, which owns itself.
  [[nodiscard]] Reactor* WatchTransaction(const identity::PrincipalPtr& by, const Gid& gid,
                                          Sequence after);
  [[nodiscard]] Reactor* WatchAll(EventFilter filter);

  // Ends every stream, and each that comes later. Returns at once.
  void EndAll();

 private:
  class Stream;
  class StreamReactor;
  // What the coordinator calls back may come when the streams have gone: it leads nowhere then.
  struct Door {
    explicit Door(SerialThread* to) : thread(to) {}
    std::mutex mutex;
    SerialThread* thread;  // Null once they have.
  };
  using StreamPtr = std::shared_ptr<Stream>;

  // Runs what it is given on thread_.
  [[nodiscard]] std::function<void(std::function<void()>)> Here() const;
  [[nodiscard]] Reactor* Begin(std::function<void(const StreamPtr&)> open);

  runtime::Coordinator& coordinator_;
  const size_t limit_;
  const std::shared_ptr<Door> door_;
  // Used on thread_ only:
  std::set<StreamPtr> streams_;
  bool ended_ = false;

  SerialThread thread_;  // Last: ends before what its tasks use.
};

}  // namespace entente::api
