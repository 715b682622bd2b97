// Host: what shards need from the thread they live on. The real one is worker.h; the
// simulator has its own, with a virtual clock.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "base/time.h"

namespace entente::runtime {

// Thread-safety: Post may be called from any thread; everything else only from the host's own.
class Host {
 public:
  virtual ~Host() = default;

  // Never runs backwards within one process, whatever the wall clock does.
  [[nodiscard]] virtual Instant Now() = 0;
  [[nodiscard]] virtual uint64_t Entropy() = 0;

  // Runs `task` on the host's thread, after what is already waiting there.
  virtual void Post(std::function<void()> task) = 0;

  // Calls the handler given to SetWakeHandler once at `at` or soon after; replaces the previous
  // wish. Nothing: no wake-up is wanted.
  virtual void WakeAt(std::optional<Instant> at) = 0;
  virtual void SetWakeHandler(std::function<void()> handler) = 0;

  // Runs `work`, which may block, somewhere else, then `done` on the host's thread.
  virtual void Offload(std::function<void()> work, std::function<void()> done) = 0;

  // As Offload, for work that takes a processor for long instead of waiting for something: reads of
  // the store do not queue behind it.
  virtual void Compute(std::function<void()> work, std::function<void()> done) {
    Offload(std::move(work), std::move(done));
  }
};

}  // namespace entente::runtime
