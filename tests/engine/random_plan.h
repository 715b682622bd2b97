// Random definitions and branches for walks.
#pragma once

#include <string>

#include "dsl/plan.h"
#include "tests/engine/dice.h"

namespace entente::engine::test {

// Reads input.yes (true), input.no (false) and input.list.
[[nodiscard]] std::string RandomDefinition(Dice& dice, dsl::Mode mode);

// The description of a branch that a client enlists.
[[nodiscard]] std::string RandomBranch(Dice& dice, dsl::Mode mode, const std::string& id);

}  // namespace entente::engine::test
