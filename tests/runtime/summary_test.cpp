// What the list row of a transaction says.
#include <catch2/catch.hpp>

#include "runtime/shard/shard_txn.h"

namespace entente::runtime {
namespace {

using engine::TxnStatus;

// A transaction of one branch that has ended.
bool Lasts(dsl::Mode mode, TxnStatus status, bool commit_decided, bool by_operator) {
  dsl::Plan plan;
  plan.mode = mode;
  plan.steps.resize(1);
  engine::TxnState state;
  state.mode = mode;
  state.status = status;
  state.commit_decided = commit_decided;
  state.steps.resize(1);
  state.steps[0].branches.resize(1);
  state.steps[0].branches[0].phase = engine::BranchPhase::kFinished;
  state.steps[0].branches[0].by_operator = by_operator;
  return MakeSummary(plan, state).lasting;
}

TEST_CASE("a commit that a participant may never have heard of is kept for good") {
  constexpr auto k2pc = dsl::Mode::kTwoPhaseCommit;
  CHECK(Lasts(k2pc, TxnStatus::kCommitted, true, true));
  CHECK(Lasts(k2pc, TxnStatus::kMixed, true, false));
  CHECK_FALSE(Lasts(k2pc, TxnStatus::kCommitted, true, false));
  CHECK_FALSE(Lasts(k2pc, TxnStatus::kCommitting, true, true));
  // Unknown is taken for aborted, so an abort may be forgotten.
  CHECK_FALSE(Lasts(k2pc, TxnStatus::kMixed, false, true));
  CHECK_FALSE(Lasts(dsl::Mode::kSaga, TxnStatus::kMixed, false, true));
}

// Of a transaction of one branch that is stuck.
size_t IncidentsOf(TxnStatus status) {
  dsl::Plan plan;
  plan.steps.resize(1);
  engine::TxnState state;
  state.status = status;
  state.steps.resize(1);
  state.steps[0].branches.resize(1);
  state.steps[0].branches[0].phase = engine::BranchPhase::kUndoStuck;
  state.steps[0].branches[0].stuck_since = Instant();
  return MakeSummary(plan, state).incidents.size();
}

TEST_CASE("an incident ends with its transaction") {
  CHECK(IncidentsOf(TxnStatus::kAborting) == 1);
  CHECK(IncidentsOf(TxnStatus::kMixed) == 0);
}

}  // namespace
}  // namespace entente::runtime
