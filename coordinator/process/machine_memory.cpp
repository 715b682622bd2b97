#include "coordinator/process/machine_memory.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>

namespace entente::coordinator {
namespace {

std::string Contents(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// "max", or a number that stands for it, allows everything.
uint64_t LimitIn(const std::string& file) {
  std::istringstream text(Contents(file));
  uint64_t limit = 0;
  return text >> limit ? limit : UINT64_MAX;
}

// A group is also held to the limits of those around it.
uint64_t LeastUpwards(const std::string& mount, std::string group, const std::string& file) {
  uint64_t least = LimitIn(mount + "/" + file);
  // A group is a path from the root; what is none would never get shorter.
  while (group.size() > 1 && group.front() == '/') {
    least = std::min(least, LimitIn(mount + group + "/" + file));
    group.erase(group.rfind('/'));
  }
  return least;
}

}  // namespace

uint64_t MemoryLimit(const std::string& mount, const std::string& self, uint64_t physical) {
  uint64_t least = physical;
  std::istringstream lines(self);
  // "0::/group" of version 2, "9:memory:/group" of version 1.
  for (std::string line; std::getline(lines, line);) {
    const size_t controllers = line.find(':');
    const size_t group = line.find(':', controllers + 1);
    if (controllers == std::string::npos || group == std::string::npos) {
      continue;
    }
    const std::string names = "," + line.substr(controllers + 1, group - controllers - 1) + ",";
    if (names == ",,") {
      least = std::min(least, LeastUpwards(mount, line.substr(group + 1), "memory.max"));
    } else if (names.find(",memory,") != std::string::npos) {
      least = std::min(
          least, LeastUpwards(mount + "/memory", line.substr(group + 1), "memory.limit_in_bytes"));
    }
  }
  return least;
}

uint64_t MachineMemory() {
  const auto pages = static_cast<uint64_t>(std::max(sysconf(_SC_PHYS_PAGES), 0L));
  const auto page = static_cast<uint64_t>(std::max(sysconf(_SC_PAGESIZE), 0L));
  return MemoryLimit("/sys/fs/cgroup", Contents("/proc/self/cgroup"),
                     pages * page == 0 ? UINT64_MAX : pages * page);
}

}  // namespace entente::coordinator
