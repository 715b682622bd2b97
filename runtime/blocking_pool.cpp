#include "runtime/blocking_pool.h"

#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

namespace entente::runtime {

BlockingPool::BlockingPool(size_t threads, OnDefect on_defect)
    : on_defect_(std::move(on_defect)),
      pool_(std::make_unique<boost::asio::thread_pool>(threads)) {}

BlockingPool::~BlockingPool() {
  Join();
}

void BlockingPool::Run(std::function<void()> work) {
  boost::asio::post(*pool_, [this, work = std::move(work)] { RunsToItsEnd(work, on_defect_); });
}

void BlockingPool::Join() {
  pool_->join();
}

}  // namespace entente::runtime
