// Which cells of the transition tables the runs came through.
#pragma once

#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "engine/core/table.h"
#include "engine/family/family.h"

namespace entente::sim {

// Counts for as long as it lives, on the thread that made it.
class CellCounter final : public engine::CellObserver {
 public:
  CellCounter() : before_(engine::SetCellObserver(this)) {}
  ~CellCounter() override { engine::SetCellObserver(before_); }
  CellCounter(const CellCounter&) = delete;
  CellCounter& operator=(const CellCounter&) = delete;

  void OnCell(dsl::Mode mode, engine::TxnRow row, engine::TxnEvent event) override {
    txn_.emplace(mode, row, event);
  }
  void OnCell(dsl::Mode mode, engine::Course course, engine::BranchPhase phase,
              engine::BranchEvent event) override {
    branch_.emplace(mode, course, phase, event);
  }
  void OnCell(engine::ChildStanding child, engine::ParentStanding parent) override {
    family_.emplace(child, parent);
  }

  struct Reached {
    size_t legal = 0;  // Cells in which something happens.
    size_t reached = 0;
    std::string missed;  // One a line.
  };
  [[nodiscard]] Reached Of(dsl::Mode mode) const;
  [[nodiscard]] Reached OfFamilies() const;

 private:
  engine::CellObserver* before_;
  std::set<std::tuple<dsl::Mode, engine::TxnRow, engine::TxnEvent>> txn_;
  std::set<std::tuple<dsl::Mode, engine::Course, engine::BranchPhase, engine::BranchEvent>> branch_;
  std::set<std::pair<engine::ChildStanding, engine::ParentStanding>> family_;
};

}  // namespace entente::sim
