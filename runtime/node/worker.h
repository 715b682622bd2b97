// Worker: one thread with its event loop. Sockets, shards and timers of a worker share it, so
// that a request which stays on its own worker is never handed between threads.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "runtime/blocking_pool.h"
#include "runtime/host.h"

namespace boost::asio {
class io_context;
}  // namespace boost::asio

namespace entente::runtime {

// Start and Stop from the thread that made it; Post from any; the rest from the worker's own
// thread.
class Worker final : public Host {
 public:
  // `pool` must outlive the worker, and `computing`, which is for Compute; null: the same. One
  // without an index drives nothing: it serves those who only look on, and its thread is like any
  // other to a Coordinator (Current).
  Worker(std::optional<size_t> index, BlockingPool& pool, OnDefect on_defect = nullptr,
         BlockingPool* computing = nullptr);
  ~Worker() override;
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void Start();
  // Ends the loop after the task it is in, and joins the thread. Tasks not yet run never are.
  void Stop();

  [[nodiscard]] size_t index() const { return index_.value(); }
  [[nodiscard]] boost::asio::io_context& io();

  // The worker that drives and whose thread this is, or null.
  [[nodiscard]] static Worker* Current();

  [[nodiscard]] Instant Now() override;
  [[nodiscard]] uint64_t Entropy() override;
  void Post(std::function<void()> task) override;
  void WakeAt(std::optional<Instant> at) override;
  void SetWakeHandler(std::function<void()> handler) override;
  void Offload(std::function<void()> work, std::function<void()> done) override;
  void Compute(std::function<void()> work, std::function<void()> done) override;

 private:
  void RunLoop();
  void RunIn(BlockingPool& pool, std::function<void()> work, std::function<void()> done);

  struct Impl;
  const std::optional<size_t> index_;
  BlockingPool& pool_;
  BlockingPool& computing_;
  const OnDefect on_defect_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace entente::runtime
