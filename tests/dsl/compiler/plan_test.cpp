#include "dsl/plan.h"

#include <catch2/catch.hpp>

namespace entente::dsl {
namespace {

using std::chrono::milliseconds;

TEST_CASE("each mode has its own words for what an operation does") {
  CHECK(ModeName(Mode::kSaga) == "saga");
  CHECK(ModeName(Mode::kTcc) == "tcc");
  CHECK(ModeName(Mode::kTwoPhaseCommit) == "2pc");
  CHECK(OperationName(Mode::kSaga, Role::kForward) == "action");
  CHECK(OperationName(Mode::kSaga, Role::kUndo) == "compensate");
  CHECK(OperationName(Mode::kTcc, Role::kForward) == "try");
  CHECK(OperationName(Mode::kTcc, Role::kUndo) == "cancel");
  CHECK(OperationName(Mode::kTcc, Role::kFinish) == "confirm");
  CHECK(OperationName(Mode::kTwoPhaseCommit, Role::kForward) == "prepare");
  CHECK(OperationName(Mode::kTwoPhaseCommit, Role::kUndo) == "rollback");
  CHECK(OperationName(Mode::kTwoPhaseCommit, Role::kFinish) == "commit");
}

TEST_CASE("a retry's delay grows by the factor up to the cap") {
  RetryPolicy policy;
  policy.initial = milliseconds(100);
  policy.factor = 2.0;
  policy.max = milliseconds(500);
  policy.jitter = 0.0;
  CHECK(RetryDelay(policy, 2, 0) == milliseconds(100));
  CHECK(RetryDelay(policy, 3, 0) == milliseconds(200));
  CHECK(RetryDelay(policy, 4, 0) == milliseconds(400));
  CHECK(RetryDelay(policy, 5, 0) == milliseconds(500));
  CHECK(RetryDelay(policy, 1'000'000, 0) == milliseconds(500));
}

TEST_CASE("jitter spreads a delay evenly around itself") {
  RetryPolicy policy;
  policy.initial = milliseconds(100);
  policy.jitter = 0.2;
  CHECK(RetryDelay(policy, 2, 0) == milliseconds(80));
  CHECK(RetryDelay(policy, 2, uint64_t{1} << 63) == milliseconds(100));
  CHECK(RetryDelay(policy, 2, UINT64_MAX) <= milliseconds(120));
  CHECK(RetryDelay(policy, 2, UINT64_MAX) > milliseconds(119));
}

TEST_CASE("operations without a way back have the larger budget") {
  CHECK(DefaultSettleRetry().attempts > RetryPolicy().attempts);
  CHECK(DefaultSettleRetry().max > RetryPolicy().max);
}

}  // namespace
}  // namespace entente::dsl
