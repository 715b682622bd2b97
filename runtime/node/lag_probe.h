// LagProbe: measures how long a task waits for a worker's thread.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <vector>

#include "observe/registry.h"
#include "runtime/node/worker.h"

namespace entente::runtime {

// Ask is called by one thread, now and then. The workers outlive the probe's last Ask, and the
// probe what it posted to them.
class LagProbe {
 public:
  LagProbe(const std::vector<std::unique_ptr<Worker>>& workers, observe::Registry& registry);

  // Posts a task to every worker that has run the one before.
  void Ask();

 private:
  struct Probed {
    Worker* worker = nullptr;
    observe::Recorder* recorder = nullptr;
    std::atomic<bool> out{false};
  };

  std::deque<Probed> probed_;
};

}  // namespace entente::runtime
