// A SQLite VFS over the system's own that fails on demand and can lose power.
#pragma once

#include <cstdint>
#include <string>

namespace entente::storage {

enum class FaultKind {
  kWriteError,  // xWrite fails with SQLITE_IOERR_WRITE.
  kDiskFull,    // xWrite fails with SQLITE_FULL.
  kSyncError,   // xSync fails with SQLITE_IOERR_FSYNC.
  kReadError,   // xRead fails with SQLITE_IOERR_READ.
  kIndexFull,   // xShmMap fails with SQLITE_IOERR_SHMSIZE where it would lengthen the log's index.
  kQuota,       // xWrite fails with SQLITE_IOERR_WRITE, its reason EDQUOT.
};

// One at a time in a process: it registers itself under kName with SQLite and counts the calls on
// the databases and logs opened through it. Thread-safe.
class FaultVfs {
 public:
  static constexpr const char* kName = "entente-fault";

  FaultVfs();
  ~FaultVfs();
  FaultVfs(const FaultVfs&) = delete;
  FaultVfs& operator=(const FaultVfs&) = delete;

  // The call number `nth` of that kind from here on fails (1: the next), and if `for_good` every
  // later one too. Calls on files whose name does not end in `suffix` do not count.
  void FailAt(FaultKind kind, uint64_t nth, bool for_good, const std::string& suffix = "");

  // Nothing fails any more.
  void Heal();

  // Calls since the construction.
  [[nodiscard]] uint64_t writes() const;
  [[nodiscard]] uint64_t syncs() const;

  // From the call number `nth` (writes, truncations and syncs together) on, nothing reaches the
  // disk: every call fails as if the machine had stopped.
  void StopAt(uint64_t nth);
  [[nodiscard]] bool stopped() const;

  // From here on a sync succeeds without doing anything, as on a disk that lies.
  void LieAboutSyncs();

  // After everything is closed: takes back, in each file, a random part of what was written since
  // its last sync, in sectors. What was synced stays.
  void LosePower(uint64_t seed);
};

}  // namespace entente::storage
