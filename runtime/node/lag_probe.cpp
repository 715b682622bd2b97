#include "runtime/node/lag_probe.h"
#include "runtime/wall_clock.h"

namespace entente::runtime {

LagProbe::LagProbe(const std::vector<std::unique_ptr<Worker>>& workers,
                   observe::Registry& registry) {
  for (const auto& worker : workers) {
    Probed& one = probed_.emplace_back();
    one.worker = worker.get();
    one.recorder = &registry.RecorderOf(worker->index());
  }
}

void LagProbe::Ask() {
  for (Probed& one : probed_) {
    if (one.out.exchange(true)) {
      continue;
    }
    one.worker->Post([&one, asked = WallNow()] {
      one.recorder->Find(observe::Family::kLoopLag).Record(observe::Micros(WallNow() - asked));
      one.out = false;
    });
  }
}

}  // namespace entente::runtime
