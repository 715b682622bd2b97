// Defects planted in the engine of entente-poisoned, at which its transactions fail as their gid
// says. The linker puts them before the real functions (CMakeLists.txt).
#include <cstdint>
#include <cstdlib>
#include <new>
#include <optional>
#include <stdexcept>
#include <string_view>

#include "engine/bounded.h"

namespace entente::engine {

using Decided = std::optional<Decision>;

Decided
RealDecide(uint64_t most, const dsl::Plan& plan, const TxnState& state, const Input& input) asm(
    "__real__ZN7entente6engine12DecideWithinEmRKNS_3dsl4PlanE"
    "RKNS0_8TxnStateERKNS0_5InputE");
Decided
PoisonedDecide(uint64_t most, const dsl::Plan& plan, const TxnState& state, const Input& input) asm(
    "__wrap__ZN7entente6engine12DecideWithinEmRKNS_3dsl"
    "4PlanERKNS0_8TxnStateERKNS0_5InputE");

Decided PoisonedDecide(uint64_t most, const dsl::Plan& plan, const TxnState& state,
                       const Input& input) {
  const std::string_view gid = state.gid.str();
  const bool reply = std::holds_alternative<BranchReplied>(input.event);
  const bool recovery = std::holds_alternative<Recovered>(input.event);
  if ((gid == "poison-reply" && reply) || (gid == "poison-recovery" && recovery)) {
    std::abort();
  }
  if (gid == "poison-access" && reply) {
    *static_cast<volatile int*>(nullptr) = 1;
  }
  if (gid == "poison-exception" && reply) {
    throw std::runtime_error("a planted defect");
  }
  static int shortages = 0;
  if (gid == "poison-memory" && reply && shortages++ < 2) {
    throw std::bad_alloc();
  }
  return RealDecide(most, plan, state, input);
}

}  // namespace entente::engine
