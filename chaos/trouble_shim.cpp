// Trouble that is made from within: a clock that somebody else sets, and a disk that fails or
// hangs. Preloaded into a coordinator: LD_PRELOAD=libtrouble_shim.so ENTENTE_TROUBLE=FILE, where
// FILE begins with a `Trouble` that may change at any moment.
//
// Calls nothing that allocates, since an allocator may be the first to ask for the time, before
// anything else is set up; that is what libfaketime does not get over.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>

namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kMicrosecond = 1'000;

enum class Disk : int64_t { kWell = 0, kFailsWrites = 1, kFailsSyncs = 2, kHangs = 3 };

struct Trouble {
  std::atomic<int64_t> ahead_ns;  // Of the time of day; monotonic clocks go on as they do.
  std::atomic<Disk> disk;         // For writes at a place in a file, and syncs: what a store does.
};

const Trouble* g_trouble = nullptr;

__attribute__((constructor)) void MapTrouble() {
  const char* path = std::getenv("ENTENTE_TROUBLE");
  const int file = path == nullptr ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    return;
  }
  void* mapped = mmap(nullptr, sizeof(Trouble), PROT_READ, MAP_SHARED, file, 0);
  close(file);
  if (mapped != MAP_FAILED) {
    g_trouble = static_cast<const Trouble*>(mapped);
  }
}

int ReadClock(clockid_t clock, timespec* out) {
  const int result = static_cast<int>(syscall(SYS_clock_gettime, clock, out));
  if (result != 0 || g_trouble == nullptr ||
      (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)) {
    return result;
  }
  const int64_t now = out->tv_sec * kSecond + out->tv_nsec + g_trouble->ahead_ns.load();
  *out = {.tv_sec = now / kSecond, .tv_nsec = now % kSecond};
  return 0;
}

// Waits while the disk hangs; then whether it fails what is asked of it.
bool DiskFails(Disk failure) {
  if (g_trouble == nullptr) {
    return false;
  }
  while (g_trouble->disk.load() == Disk::kHangs) {
    const timespec moment = {.tv_sec = 0, .tv_nsec = 10 * kMicrosecond * 1000};
    syscall(SYS_nanosleep, &moment, nullptr);
  }
  if (g_trouble->disk.load() != failure) {
    return false;
  }
  errno = EIO;
  return true;
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* out) noexcept {
  return ReadClock(clock, out);
}

int gettimeofday(timeval* out, void* /*zone*/) noexcept {
  timespec now{};
  const int result = ReadClock(CLOCK_REALTIME, &now);
  *out = {.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / kMicrosecond};
  return result;
}

time_t time(time_t* out) noexcept {
  timespec now{};
  ReadClock(CLOCK_REALTIME, &now);
  if (out != nullptr) {
    *out = now.tv_sec;
  }
  return now.tv_sec;
}

ssize_t pwrite(int file, const void* data, size_t size, off_t at) {
  return DiskFails(Disk::kFailsWrites) ? -1 : syscall(SYS_pwrite64, file, data, size, at);
}

ssize_t pwrite64(int file, const void* data, size_t size, off64_t at) {
  return DiskFails(Disk::kFailsWrites) ? -1 : syscall(SYS_pwrite64, file, data, size, at);
}

int fsync(int file) {
  return DiskFails(Disk::kFailsSyncs) ? -1 : static_cast<int>(syscall(SYS_fsync, file));
}

int fdatasync(int file) {
  return DiskFails(Disk::kFailsSyncs) ? -1 : static_cast<int>(syscall(SYS_fdatasync, file));
}

}  // extern "C"
