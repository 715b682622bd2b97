// Exceptions of others, as statuses.
#pragma once

#include "base/status.h"

namespace entente::runtime {

inline constexpr const char* kOutOfMemory = "coordinator.out_of_memory";
inline constexpr const char* kDefect = "coordinator.defect";

// kUnavailable, reason kOutOfMemory.
[[nodiscard]] Status OutOfMemory();

// What is said of the exception at hand: OutOfMemory, or kUnavailable with the reason kDefect. Only
// from within a catch clause.
[[nodiscard]] Status DescribeException();

// Whether `status` is one of these two.
[[nodiscard]] bool IsOurDefect(const Status& status);

}  // namespace entente::runtime
