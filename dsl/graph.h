// Pictures of a Plan: its steps, their order, and the way back.
#pragma once

#include <string>

#include "dsl/plan.h"

namespace entente::dsl {

// A Mermaid flowchart. Solid arrows are the order of the steps; dashed ones, against them, the
// order of their undoing. A step shows whom it calls and what for, its alternatives, `when`,
// `forEach` or wait; the pivot has a thick border, and what comes after it is never undone.
[[nodiscard]] std::string ToMermaid(const Plan& plan);

// The same as a Graphviz digraph.
[[nodiscard]] std::string ToDot(const Plan& plan);

}  // namespace entente::dsl
