// Worker: one thread with its event loop. Sockets, shards and timers of a worker share it, so
// that a request which stays on its own worker is never handed between threads.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "coordinator/runtime/host.h"

namespace boost::asio {
class io_context;
class thread_pool;
}  // namespace boost::asio

namespace entente::runtime {

// Told, on the thread where it happened, of an exception that nobody else took. May be empty.
using OnDefect = std::function<void(const std::string& what)>;

// Threads for work that blocks: reads of the store, compiling definitions. Thread-safe. The
// destructor waits for what was handed in.
class BlockingPool {
 public:
  explicit BlockingPool(size_t threads, OnDefect on_defect = nullptr);
  ~BlockingPool();
  BlockingPool(const BlockingPool&) = delete;
  BlockingPool& operator=(const BlockingPool&) = delete;

  // What throws ends there.
  void Run(std::function<void()> work);

  // Waits for what was handed in. What is handed in afterwards is never run.
  void Join();

 private:
  const OnDefect on_defect_;
  std::unique_ptr<boost::asio::thread_pool> pool_;
};

// The time of day, anchored when the process began and then moved on by the monotonic clock: a step
// of the wall clock neither fires nor delays a timer. Thread-safe.
[[nodiscard]] Instant WallNow();

// Start and Stop from the thread that made it; Post from any; the rest from the worker's own
// thread.
class Worker final : public Host {
 public:
  // `pool` must outlive the worker.
  Worker(size_t index, BlockingPool& pool, OnDefect on_defect = nullptr);
  ~Worker() override;
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void Start();
  // Ends the loop after the task it is in, and joins the thread. Tasks not yet run never are.
  void Stop();

  [[nodiscard]] size_t index() const { return index_; }
  [[nodiscard]] boost::asio::io_context& io();

  // The worker whose thread this is, or null.
  [[nodiscard]] static Worker* Current();

  [[nodiscard]] Instant Now() override;
  [[nodiscard]] uint64_t Entropy() override;
  void Post(std::function<void()> task) override;
  void WakeAt(std::optional<Instant> at) override;
  void SetWakeHandler(std::function<void()> handler) override;
  void Offload(std::function<void()> work, std::function<void()> done) override;

 private:
  void RunLoop();

  struct Impl;
  const size_t index_;
  BlockingPool& pool_;
  const OnDefect on_defect_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace entente::runtime
