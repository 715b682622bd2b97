#include <filesystem>
#include <fstream>
#include <string>

#include <catch2/catch.hpp>

#include "coordinator/process/machine_memory.h"

namespace entente::coordinator {
namespace {

class Mount {
 public:
  Mount() {
    std::string name = (std::filesystem::temp_directory_path() / "cgroup-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Mount() { std::filesystem::remove_all(path); }
  Mount(const Mount&) = delete;
  Mount& operator=(const Mount&) = delete;

  void Write(const std::string& file, const std::string& text) const {
    std::filesystem::create_directories((path / file).parent_path());
    std::ofstream(path / file) << text << "\n";
  }

  std::filesystem::path path;
};

constexpr uint64_t kPhysical = 8'000'000'000;

TEST_CASE("the least limit of a group and those around it counts") {
  const Mount mount;
  mount.Write("a/b/memory.max", "3000");
  mount.Write("a/memory.max", "2000");
  mount.Write("memory.max", "max");
  CHECK(MemoryLimit(mount.path, "0::/a/b\n", kPhysical) == 2000);
  CHECK(MemoryLimit(mount.path, "0::/\n", kPhysical) == kPhysical);
  mount.Write("a/b/memory.max", "1000");
  CHECK(MemoryLimit(mount.path, "0::/a/b\n", kPhysical) == 1000);
  // In a container, the mount is its own group.
  mount.Write("memory.max", "500");
  CHECK(MemoryLimit(mount.path, "0::/\n", kPhysical) == 500);
}

TEST_CASE("groups of version 1 have limits too") {
  const Mount mount;
  mount.Write("memory/a/memory.limit_in_bytes", "4096");
  mount.Write("memory/memory.limit_in_bytes", "9223372036854771712");
  CHECK(MemoryLimit(mount.path, "3:cpu,cpuacct:/a\n9:memory:/a\n", kPhysical) == 4096);
  CHECK(MemoryLimit(mount.path, "9:memory:/\n", kPhysical) == kPhysical);
}

TEST_CASE("what can not be read allows everything") {
  const Mount mount;
  mount.Write("a/memory.max", "nonsense");
  for (const char* self : {"", "garbage", "0::", "0::/a", "0::/nowhere/at/all", "::::"}) {
    CHECK(MemoryLimit(mount.path, self, kPhysical) == kPhysical);
  }
  CHECK(MachineMemory() > 0);
}

}  // namespace
}  // namespace entente::coordinator
