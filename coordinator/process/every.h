// A thread that does something again and again.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "base/time.h"

namespace entente::coordinator {

// Calls `work` on a thread of its own, each time `interval` after it returned, until the object
// ends, which waits for a call that is under way.
class Every {
 public:
  Every(Duration interval, std::function<void()> work)
      : interval_(interval), work_(std::move(work)), thread_([this] { Run(); }) {}
  ~Every() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }
  Every(const Every&) = delete;
  Every& operator=(const Every&) = delete;

 private:
  void Run() {
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, interval_, [this] { return ending_; })) {
      lock.unlock();
      work_();
      lock.lock();
    }
  }

  const Duration interval_;
  const std::function<void()> work_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ending_ = false;
  std::thread thread_;  // Last: it uses the others.
};

}  // namespace entente::coordinator
