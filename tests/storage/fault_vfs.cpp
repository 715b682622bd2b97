#include "tests/storage/fault_vfs.h"

#include <sqlite3.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/check.h"

namespace entente::storage {
namespace {

constexpr size_t kSectorBytes = 512;

// What a file was before something that is not synced yet happened to it.
struct Undo {
  sqlite3_int64 offset = 0;
  std::string before;  // The bytes that were there; shorter than `length` at the end of the file.
  std::string after;
  sqlite3_int64 size_before = 0;
  bool truncation = false;
};

struct Plan {
  FaultKind kind = FaultKind::kWriteError;
  uint64_t countdown = 0;
  bool for_good = false;
  std::string suffix;
};

struct State {
  std::mutex mutex;
  std::optional<Plan> plan;
  uint64_t writes = 0;
  uint64_t syncs = 0;
  uint64_t stop_countdown = 0;  // 0: never.
  bool stopped = false;
  bool lies = false;
  std::map<std::string, std::vector<Undo>> unsynced;
};

State* g_state = nullptr;
sqlite3_vfs* g_base = nullptr;
sqlite3_vfs g_vfs;

// SQLite allocates this and calls through the first member.
struct File {
  sqlite3_file base;
  char path[512];
  int reason;    // Of an injected failure, as errno has it; 0: none.
  bool tracked;  // A database or a log: the shared-memory index is not durable anyway.
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

File* Of(sqlite3_file* file) {
  return reinterpret_cast<File*>(file);
}

// Call with the mutex held.
bool Hits(FaultKind kind, const File& file) {
  std::optional<Plan>& plan = g_state->plan;
  if (!plan || plan->kind != kind || !std::string_view(file.path).ends_with(plan->suffix)) {
    return false;
  }
  if (plan->countdown > 1) {
    --plan->countdown;
    return false;
  }
  if (plan->for_good) {
    return true;
  }
  plan.reset();
  return true;
}

// Call with the mutex held.
bool Stops() {
  if (g_state->stop_countdown > 0 && --g_state->stop_countdown == 0) {
    g_state->stopped = true;
  }
  return g_state->stopped;
}

int Close(sqlite3_file* file) {
  return Of(file)->real()->pMethods->xClose(Of(file)->real());
}

int Read(sqlite3_file* file, void* data, int amount, sqlite3_int64 offset) {
  File& f = *Of(file);
  {
    const std::lock_guard lock(g_state->mutex);
    if (Hits(FaultKind::kReadError, f)) {
      return SQLITE_IOERR_READ;
    }
  }
  return f.real()->pMethods->xRead(f.real(), data, amount, offset);
}

void Remember(File& f, const void* data, int amount, sqlite3_int64 offset) {
  Undo undo;
  undo.offset = offset;
  undo.after.assign(static_cast<const char*>(data), static_cast<size_t>(amount));
  f.real()->pMethods->xFileSize(f.real(), &undo.size_before);
  const sqlite3_int64 there = std::clamp<sqlite3_int64>(undo.size_before - offset, 0, amount);
  undo.before.resize(static_cast<size_t>(there));
  if (there > 0) {
    f.real()->pMethods->xRead(f.real(), undo.before.data(), static_cast<int>(there), offset);
  }
  g_state->unsynced[f.path].push_back(std::move(undo));
}

int Write(sqlite3_file* file, const void* data, int amount, sqlite3_int64 offset) {
  File& f = *Of(file);
  if (f.tracked) {
    const std::lock_guard lock(g_state->mutex);
    ++g_state->writes;
    if (Stops() || Hits(FaultKind::kWriteError, f)) {
      return SQLITE_IOERR_WRITE;
    }
    if (Hits(FaultKind::kDiskFull, f)) {
      return SQLITE_FULL;
    }
    if (Hits(FaultKind::kQuota, f)) {
      f.reason = EDQUOT;
      return SQLITE_IOERR_WRITE;
    }
    Remember(f, data, amount, offset);
  }
  return f.real()->pMethods->xWrite(f.real(), data, amount, offset);
}

int Truncate(sqlite3_file* file, sqlite3_int64 size) {
  File& f = *Of(file);
  if (f.tracked) {
    const std::lock_guard lock(g_state->mutex);
    if (Stops()) {
      return SQLITE_IOERR_TRUNCATE;
    }
    Undo undo;
    undo.truncation = true;
    undo.offset = size;
    f.real()->pMethods->xFileSize(f.real(), &undo.size_before);
    const sqlite3_int64 cut = std::max<sqlite3_int64>(undo.size_before - size, 0);
    undo.before.resize(static_cast<size_t>(cut));
    if (cut > 0) {
      f.real()->pMethods->xRead(f.real(), undo.before.data(), static_cast<int>(cut), size);
    }
    g_state->unsynced[f.path].push_back(std::move(undo));
  }
  return f.real()->pMethods->xTruncate(f.real(), size);
}

int Sync(sqlite3_file* file, int flags) {
  File& f = *Of(file);
  const std::lock_guard lock(g_state->mutex);
  ++g_state->syncs;
  if (Stops() || Hits(FaultKind::kSyncError, f)) {
    return SQLITE_IOERR_FSYNC;
  }
  if (g_state->lies) {
    return SQLITE_OK;
  }
  const int code = f.real()->pMethods->xSync(f.real(), flags);
  if (code == SQLITE_OK) {
    g_state->unsynced.erase(f.path);
  }
  return code;
}

int FileSize(sqlite3_file* file, sqlite3_int64* size) {
  return Of(file)->real()->pMethods->xFileSize(Of(file)->real(), size);
}
int Lock(sqlite3_file* file, int level) {
  return Of(file)->real()->pMethods->xLock(Of(file)->real(), level);
}
int Unlock(sqlite3_file* file, int level) {
  return Of(file)->real()->pMethods->xUnlock(Of(file)->real(), level);
}
int CheckReservedLock(sqlite3_file* file, int* result) {
  return Of(file)->real()->pMethods->xCheckReservedLock(Of(file)->real(), result);
}
int FileControl(sqlite3_file* file, int operation, void* argument) {
  if (operation == SQLITE_FCNTL_LAST_ERRNO && Of(file)->reason != 0) {
    *static_cast<int*>(argument) = Of(file)->reason;
    return SQLITE_OK;
  }
  return Of(file)->real()->pMethods->xFileControl(Of(file)->real(), operation, argument);
}
int SectorSize(sqlite3_file* file) {
  return Of(file)->real()->pMethods->xSectorSize(Of(file)->real());
}
int DeviceCharacteristics(sqlite3_file* file) {
  return Of(file)->real()->pMethods->xDeviceCharacteristics(Of(file)->real());
}
int ShmMap(sqlite3_file* file, int page, int size, int extend, void volatile** memory) {
  sqlite3_file* const real = Of(file)->real();
  const int code = real->pMethods->xShmMap(real, page, size, 0, memory);
  if (code != SQLITE_OK || *memory != nullptr || extend == 0) {
    return code;
  }
  {
    const std::lock_guard lock(g_state->mutex);
    if (Hits(FaultKind::kIndexFull, *Of(file))) {
      return SQLITE_IOERR_SHMSIZE;
    }
  }
  return real->pMethods->xShmMap(real, page, size, extend, memory);
}
int ShmLock(sqlite3_file* file, int offset, int count, int flags) {
  return Of(file)->real()->pMethods->xShmLock(Of(file)->real(), offset, count, flags);
}
void ShmBarrier(sqlite3_file* file) {
  Of(file)->real()->pMethods->xShmBarrier(Of(file)->real());
}
int ShmUnmap(sqlite3_file* file, int remove) {
  return Of(file)->real()->pMethods->xShmUnmap(Of(file)->real(), remove);
}

// Version 2: with shared memory, which the log needs, and without memory mapping, which would pass
// this file by.
const sqlite3_io_methods kMethods = {2,
                                     Close,
                                     Read,
                                     Write,
                                     Truncate,
                                     Sync,
                                     FileSize,
                                     Lock,
                                     Unlock,
                                     CheckReservedLock,
                                     FileControl,
                                     SectorSize,
                                     DeviceCharacteristics,
                                     ShmMap,
                                     ShmLock,
                                     ShmBarrier,
                                     ShmUnmap,
                                     nullptr,
                                     nullptr};

int OpenFile(sqlite3_vfs*, const char* path, sqlite3_file* file, int flags, int* out_flags) {
  File& f = *Of(file);
  f.base.pMethods = nullptr;
  f.reason = 0;
  f.tracked = (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)) != 0;
  ENTENTE_CHECK(path == nullptr || std::strlen(path) < sizeof f.path);
  std::strcpy(f.path, path == nullptr ? "" : path);
  const int code = g_base->xOpen(g_base, path, f.real(), flags, out_flags);
  if (f.real()->pMethods != nullptr) {
    f.base.pMethods = &kMethods;
  }
  return code;
}

int Delete(sqlite3_vfs*, const char* path, int sync_directory) {
  {
    const std::lock_guard lock(g_state->mutex);
    if (g_state->stopped) {
      return SQLITE_IOERR_DELETE;
    }
    g_state->unsynced.erase(path);
  }
  return g_base->xDelete(g_base, path, sync_directory);
}

void Put(const std::string& path, sqlite3_int64 offset, std::string_view bytes) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(offset);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// Writes some of the sectors of an unsynced write again: disks promise no order between syncs.
void MaybeRedo(const std::string& path, const Undo& undo, std::mt19937_64& random) {
  if (undo.truncation) {
    return;
  }
  const bool whole = random() % 2 == 0;
  for (size_t at = 0; at < undo.after.size(); at += kSectorBytes) {
    if (whole || random() % 2 == 0) {
      Put(path, undo.offset + static_cast<sqlite3_int64>(at),
          std::string_view(undo.after).substr(at, kSectorBytes));
    }
  }
}

}  // namespace

FaultVfs::FaultVfs() {
  ENTENTE_CHECK(g_state == nullptr);
  g_state = new State;
  g_base = sqlite3_vfs_find(nullptr);
  g_vfs = *g_base;
  g_vfs.zName = kName;
  g_vfs.szOsFile = static_cast<int>(sizeof(File)) + g_base->szOsFile;
  g_vfs.xOpen = OpenFile;
  g_vfs.xDelete = Delete;
  ENTENTE_CHECK(sqlite3_vfs_register(&g_vfs, 0) == SQLITE_OK);
}

FaultVfs::~FaultVfs() {
  sqlite3_vfs_unregister(&g_vfs);
  delete g_state;
  g_state = nullptr;
}

void FaultVfs::FailAt(FaultKind kind, uint64_t nth, bool for_good, const std::string& suffix) {
  const std::lock_guard lock(g_state->mutex);
  g_state->plan = Plan{kind, nth, for_good, suffix};
}

void FaultVfs::Heal() {
  const std::lock_guard lock(g_state->mutex);
  g_state->plan.reset();
}

uint64_t FaultVfs::writes() const {
  const std::lock_guard lock(g_state->mutex);
  return g_state->writes;
}

uint64_t FaultVfs::syncs() const {
  const std::lock_guard lock(g_state->mutex);
  return g_state->syncs;
}

void FaultVfs::StopAt(uint64_t nth) {
  const std::lock_guard lock(g_state->mutex);
  g_state->stop_countdown = nth;
}

bool FaultVfs::stopped() const {
  const std::lock_guard lock(g_state->mutex);
  return g_state->stopped;
}

void FaultVfs::LieAboutSyncs() {
  const std::lock_guard lock(g_state->mutex);
  g_state->lies = true;
}

void FaultVfs::LosePower(uint64_t seed) {
  std::mt19937_64 random(seed);
  const std::lock_guard lock(g_state->mutex);
  for (const auto& [path, undos] : g_state->unsynced) {
    for (auto undo = undos.rbegin(); undo != undos.rend(); ++undo) {
      std::filesystem::resize_file(path, static_cast<uintmax_t>(undo->size_before));
      Put(path, undo->offset, undo->before);
    }
    for (const Undo& undo : undos) {
      MaybeRedo(path, undo, random);
    }
  }
  g_state->unsynced.clear();
  g_state->stopped = false;
  g_state->lies = false;
  g_state->stop_countdown = 0;
}

}  // namespace entente::storage
