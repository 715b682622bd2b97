#include "runtime/node/worker.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include <pthread.h>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/check.h"
#include "runtime/digest.h"
#include "runtime/exceptions.h"
#include "runtime/wall_clock.h"

namespace entente::runtime {
namespace {

thread_local Worker* current_worker = nullptr;

// A timer measures steady time: it would sleep through a correction of the clock.
constexpr Duration kMaxSleep = std::chrono::seconds(1);

uint64_t RandomSeed() {
  uint64_t seed = 0;
  for (const char c : RandomBytes(sizeof seed)) {
    seed = (seed << 8) | static_cast<unsigned char>(c);
  }
  return seed;
}

}  // namespace

struct Worker::Impl {
  boost::asio::io_context io{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard =
      boost::asio::make_work_guard(io);
  boost::asio::steady_timer wake{io};
  std::function<void()> on_wake;
  uint64_t random_state = RandomSeed();
  std::thread thread;
};

Worker::Worker(std::optional<size_t> index, BlockingPool& pool, OnDefect on_defect,
               BlockingPool* computing)
    : index_(index),
      pool_(pool),
      computing_(computing == nullptr ? pool : *computing),
      on_defect_(std::move(on_defect)),
      impl_(std::make_unique<Impl>()) {}

Worker::~Worker() {
  Stop();
}

void Worker::Start() {
  ENTENTE_CHECK(!impl_->thread.joinable());
  impl_->thread = std::thread([this] {
    current_worker = index_ ? this : nullptr;
    const std::string name = index_ ? "worker-" + std::to_string(*index_) : std::string("watchers");
    pthread_setname_np(pthread_self(), name.c_str());
    RunLoop();
  });
}

// What one task throws is the end of that task alone.
void Worker::RunLoop() {
  while (!RunsToItsEnd([this] { impl_->io.run(); }, on_defect_)) {
  }
}

void Worker::Stop() {
  if (impl_->thread.joinable()) {
    impl_->io.stop();
    impl_->thread.join();
  }
}

boost::asio::io_context& Worker::io() {
  return impl_->io;
}

Worker* Worker::Current() {
  return current_worker;
}

Instant Worker::Now() {
  return WallNow();
}

// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
uint64_t Worker::Entropy() {
  uint64_t z = (impl_->random_state += 0x9E3779B97F4A7C15ULL);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

void Worker::Post(std::function<void()> task) {
  boost::asio::post(impl_->io, std::move(task));
}

void Worker::WakeAt(std::optional<Instant> at) {
  if (!at) {
    impl_->wake.cancel();
    return;
  }
  impl_->wake.expires_after(std::clamp(*at - Now(), Duration(0), kMaxSleep));
  impl_->wake.async_wait([this](const boost::system::error_code& error) {
    if (!error) {
      impl_->on_wake();
    }
  });
}

void Worker::SetWakeHandler(std::function<void()> handler) {
  impl_->on_wake = std::move(handler);
}

void Worker::Offload(std::function<void()> work, std::function<void()> done) {
  RunIn(pool_, std::move(work), std::move(done));
}

void Worker::Compute(std::function<void()> work, std::function<void()> done) {
  RunIn(computing_, std::move(work), std::move(done));
}

void Worker::RunIn(BlockingPool& pool, std::function<void()> work, std::function<void()> done) {
  pool.Run([this, work = std::move(work), done = std::move(done)]() mutable {
    // Also after an exception: whoever waits finds what it had prepared for that.
    RunsToItsEnd(work, on_defect_);
    Post(std::move(done));
  });
}

}  // namespace entente::runtime
