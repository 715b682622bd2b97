// Exceptions of others, as statuses.
#pragma once

#include <functional>
#include <string>

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

// Told, on the thread where it happened, of an exception that nobody else took. May be empty.
using OnDefect = std::function<void(const std::string& what)>;

// Whether `work` ran to its end; what it throws ends here.
bool RunsToItsEnd(const std::function<void()>& work, const OnDefect& on_defect);

}  // namespace entente::runtime
