// Whether the child transactions that a plan may run can be run at all.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/status.h"
#include "dsl/plan.h"

namespace entente::runtime {

// The plan of a definition, without a version its newest.
using FindPlan = std::function<Result<std::shared_ptr<const dsl::Plan>>(
    const std::string& name, std::optional<uint32_t> version)>;

[[nodiscard]] bool RunsChildren(const dsl::Plan& plan);

// Whether the compensations of `plan` can undo all that a transaction of it did, so that a parent
// can hold it ("compensate": "child"). kInvalidArgument definition.child_not_undoable: it has a
// pivot, it is no saga, or nothing of it is ever undone.
[[nodiscard]] Status CheckUndoable(const dsl::Plan& plan);

// Looks at the children of `plan`, at theirs, and so on, as their definitions are now. kNotFound
// definition.child_not_found: one is not registered; kInvalidArgument definition.recursive: one
// runs a definition that it is itself run by; definition.too_deep: they nest deeper than
// limits::kMaxChildDepth; definition.child_not_undoable as CheckUndoable, of one that is to be
// undone so; otherwise what `find` fails with. Found out here rather than when a step is reached,
// which may be after the pivot. Whether a step's `when` would spare it is not known.
[[nodiscard]] Status CheckChildren(const dsl::Plan& plan, const FindPlan& find);

}  // namespace entente::runtime
