// BlockingPool: threads beside those that drive, for what would hold them up.
#pragma once

#include <functional>
#include <memory>

#include "runtime/exceptions.h"

namespace boost::asio {
class thread_pool;
}  // namespace boost::asio

namespace entente::runtime {

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

}  // namespace entente::runtime
