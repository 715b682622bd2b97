// How much memory the process may use.
#pragma once

#include <cstdint>
#include <string>

namespace entente::coordinator {

// The least of what the machine has and what the control groups around the process allow, in
// bytes. Reads /proc and /sys; what can not be read allows everything.
[[nodiscard]] uint64_t MachineMemory();

// The same, of a tree mounted at `mount` and the contents of /proc/self/cgroup; `physical` is what
// the machine has. Version 1 and 2.
[[nodiscard]] uint64_t MemoryLimit(const std::string& mount, const std::string& self,
                                   uint64_t physical);

}  // namespace entente::coordinator
