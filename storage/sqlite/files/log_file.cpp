#include "storage/sqlite/files/log_file.h"

#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>
#include <utility>

#include "base/check.h"

namespace entente::storage::sqlite {
namespace {

constexpr uint32_t kFileMagic = 0x4c746e45;   // "EntL"
constexpr uint32_t kEntryMagic = 0x65746e45;  // "Ente"
// At a time: SQLite's layer over the system takes no more than 128 KiB in one call.
constexpr size_t kTransferBytes = size_t{64} << 10;
constexpr size_t kLeastReservedBytes = size_t{64} << 10;

// Both headers: magic and checksum of 4 bytes each, then key, number and length of the payload of 8
// each; little-endian. The file's own has neither number nor payload.
constexpr size_t kChecksumAt = 4;
constexpr size_t kKeyAt = 8;
constexpr size_t kKeyBytes = 8;
constexpr size_t kNumberAt = 16;
constexpr size_t kLengthAt = 24;

void Put(char* at, uint64_t value, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) {
    at[i] = static_cast<char>(value >> (8 * i));
  }
}

uint64_t Get(const char* at, size_t bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; ++i) {
    value |= static_cast<uint64_t>(static_cast<uint8_t>(at[i])) << (8 * i);
  }
  return value;
}

uint32_t Checksum(std::string_view behind_it) {
  return static_cast<uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(behind_it.data()), behind_it.size()));
}

// Fills the room at the front of `bytes`; the checksum covers everything behind itself.
void Seal(std::string& bytes, uint32_t magic, const LogKey& key, uint64_t number, size_t length) {
  Put(&bytes[0], magic, 4);
  key.copy(&bytes[kKeyAt], kKeyBytes);
  Put(&bytes[kNumberAt], number, 8);
  Put(&bytes[kLengthAt], length, 8);
  const size_t covered = kLogEntryHeaderBytes + length - kKeyAt;
  Put(&bytes[kChecksumAt], Checksum(std::string_view(bytes).substr(kKeyAt, covered)), 4);
}

bool IsSealed(std::string_view bytes, uint32_t magic, const LogKey& key) {
  return Get(bytes.data(), 4) == magic && bytes.substr(kKeyAt, kKeyBytes) == key &&
         Get(&bytes[kChecksumAt], 4) == Checksum(bytes.substr(kKeyAt));
}

size_t Blocks(size_t bytes) {
  return (bytes + kLogBlockBytes - 1) / kLogBlockBytes * kLogBlockBytes;
}

Status Missing(const std::string& path, const std::string& what) {
  return FailedPrecondition(
      "store.log_missing",
      "the log " + path + " " + what +
          ": the coordinator that had the store open was not stopped in good order, and its latest "
          "commits are in that log; put it beside the database again, or restore a backup");
}

Status Damaged(const std::string& path, uint64_t number) {
  return DataLoss("store.corrupt",
                  "the log " + path + " is damaged: entry " + std::to_string(number) +
                      " is missing before others that were acknowledged; keep a copy of it and of "
                      "the database, then restore a backup; deleting the log loses what it holds");
}

}  // namespace

LogKey MakeLogKey() {
  std::random_device random;
  LogKey key(kKeyBytes, '\0');
  Put(key.data(), random(), 4);
  Put(&key[4], random(), 4);
  return key;
}

Result<std::unique_ptr<LogFile>> LogFile::Create(const std::string& path, const std::string& vfs,
                                                 const LogKey& key, size_t reserve_bytes) {
  std::unique_ptr<LogFile> log(new LogFile(path, key));
  ENTENTE_RETURN_IF_ERROR(log->OpenFile(vfs, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE));
  ENTENTE_RETURN_IF_ERROR(log->WriteHeader());
  log->Reserve(reserve_bytes);
  return log;
}

Result<std::unique_ptr<LogFile>> LogFile::Open(const std::string& path, const std::string& vfs,
                                               const LogKey& key, size_t reserve_bytes,
                                               uint64_t after, std::vector<LogEntry>& entries) {
  std::unique_ptr<LogFile> log(new LogFile(path, key));
  ENTENTE_RETURN_IF_ERROR(log->OpenFile(vfs, SQLITE_OPEN_READWRITE));
  ENTENTE_RETURN_IF_ERROR(log->CheckHeader());
  ENTENTE_ASSIGN_OR_RETURN(entries, log->Scan(after));
  // The last one may have been written and not synced when its process was killed. It is taken for
  // durable from here on.
  const int code = log->file()->pMethods->xSync(log->file(), SQLITE_SYNC_NORMAL);
  if (code != SQLITE_OK) {
    return log->Failure(code, "syncing it");
  }
  log->Reserve(reserve_bytes);
  return log;
}

Result<std::vector<LogEntry>> LogFile::Read(const std::string& path, const std::string& vfs,
                                            const LogKey& key, uint64_t after) {
  LogFile log(path, key);
  ENTENTE_RETURN_IF_ERROR(log.OpenFile(vfs, SQLITE_OPEN_READONLY));
  ENTENTE_RETURN_IF_ERROR(log.CheckHeader());
  return log.Scan(after);
}

void LogFile::Remove(const std::string& path, const std::string& vfs) {
  sqlite3_vfs* const system = sqlite3_vfs_find(vfs.empty() ? nullptr : vfs.c_str());
  system->xDelete(system, path.c_str(), 1);
}

LogFile::~LogFile() {
  if (memory_ != nullptr && file()->pMethods != nullptr) {
    file()->pMethods->xClose(file());
  }
}

// Through SQLite's layer over the system, as the other files of the store: what stands between it
// and the disk stands between the log and the disk, too.
Status LogFile::OpenFile(const std::string& vfs, int flags) {
  sqlite3_vfs* const system = sqlite3_vfs_find(vfs.empty() ? nullptr : vfs.c_str());
  ENTENTE_CHECK(system != nullptr);
  const size_t units = static_cast<size_t>(system->szOsFile) / sizeof(std::max_align_t) + 1;
  memory_ = std::make_unique<std::max_align_t[]>(units);
  std::memset(memory_.get(), 0, units * sizeof(std::max_align_t));
  const int code = system->xOpen(system, path_.c_str(), file(), flags | SQLITE_OPEN_WAL, nullptr);
  if (code == SQLITE_OK) {
    return {};
  }
  // The guard of the files has opened it already, if it is there.
  const bool absent = (flags & SQLITE_OPEN_CREATE) == 0 && (code & 0xff) == SQLITE_CANTOPEN;
  return absent ? Missing(path_, "is not there") : Failure(code, "opening it");
}

Status LogFile::WriteHeader() {
  std::string header(kLogBlockBytes, '\0');
  Seal(header, kFileMagic, key_, 0, 0);
  int code = WriteAt(0, header);
  if (code == SQLITE_OK) {
    code = file()->pMethods->xSync(file(), SQLITE_SYNC_NORMAL);
  }
  return code == SQLITE_OK ? Status() : Failure(code, "beginning it");
}

int LogFile::WriteAt(size_t at, std::string_view bytes) {
  int code = SQLITE_OK;
  while (code == SQLITE_OK && !bytes.empty()) {
    const std::string_view part = bytes.substr(0, kTransferBytes);
    code = file()->pMethods->xWrite(file(), part.data(), static_cast<int>(part.size()),
                                    static_cast<sqlite3_int64>(at));
    at += part.size();
    bytes.remove_prefix(part.size());
  }
  return code;
}

int LogFile::ReadAt(size_t at, std::string& bytes, size_t from) const {
  int code = SQLITE_OK;
  while (code == SQLITE_OK && from < bytes.size()) {
    const size_t count = std::min(kTransferBytes, bytes.size() - from);
    code = file()->pMethods->xRead(file(), &bytes[from], static_cast<int>(count),
                                   static_cast<sqlite3_int64>(at + from));
    from += count;
  }
  return code;
}

// Zeros, synced: syncing a write inside a file costs one write to the disk, where one that
// lengthens the file costs another for its length. As much as there is room for; less is no
// failure.
void LogFile::Reserve(size_t bytes) {
  const Result<size_t> size = Size();
  if (!size.ok()) {
    return;
  }
  reserved_ = std::max(std::min(*size, Blocks(bytes)), kLogBlockBytes);
  for (; bytes > *size && bytes >= kLeastReservedBytes; bytes /= 2) {
    if (WriteZeros(Blocks(*size), Blocks(bytes)) == SQLITE_OK) {
      reserved_ = Blocks(bytes);
      return;
    }
    file()->pMethods->xTruncate(file(), static_cast<sqlite3_int64>(*size));
  }
}

int LogFile::WriteZeros(size_t from, size_t to) {
  const std::string zeros(std::min(kTransferBytes, to - from), '\0');
  for (; from < to; from += zeros.size()) {
    const int code = WriteAt(from, std::string_view(zeros).substr(0, to - from));
    if (code != SQLITE_OK) {
      return code;
    }
  }
  return file()->pMethods->xSync(file(), SQLITE_SYNC_NORMAL);
}

Result<size_t> LogFile::Size() const {
  sqlite3_int64 size = 0;
  const int code = file()->pMethods->xFileSize(file(), &size);
  return code == SQLITE_OK ? Result<size_t>(static_cast<size_t>(size))
                           : Failure(code, "looking at it");
}

Status LogFile::CheckHeader() const {
  std::string header(kLogEntryHeaderBytes, '\0');
  const int code = ReadAt(0, header);
  if (code == SQLITE_OK && IsSealed(header, kFileMagic, key_)) {
    return {};
  }
  return code == SQLITE_OK || code == SQLITE_IOERR_SHORT_READ
             ? Missing(path_, "is not the one that belongs to the database, or is damaged")
             : Failure(code, "reading it");
}

// Looks at every block, since behind the entries of this round those of earlier ones may lie. What
// is numbered after `after` must be there without a gap: each was synced before the next one was
// begun, so that an intact one says that all before it were acknowledged.
Result<std::vector<LogEntry>> LogFile::Scan(uint64_t after) {
  ENTENTE_ASSIGN_OR_RETURN(const size_t size, Size());
  std::vector<LogEntry> entries;
  size_t bytes = 0;
  for (size_t at = kLogBlockBytes; at + kLogBlockBytes <= size; at += bytes) {
    LogEntry entry;
    if (!ReadEntry(at, size, entry, bytes)) {
      bytes = kLogBlockBytes;
      continue;
    }
    if (entry.number <= after) {
      continue;
    }
    if (entry.number != after + 1 + entries.size()) {
      return Damaged(path_, after + 1 + entries.size());
    }
    entries.push_back(std::move(entry));
    end_ = at + bytes;
  }
  return entries;
}

bool LogFile::ReadEntry(size_t at, size_t size, LogEntry& entry, size_t& bytes) const {
  std::string read(kLogEntryHeaderBytes, '\0');
  if (ReadAt(at, read) != SQLITE_OK || Get(read.data(), 4) != kEntryMagic ||
      std::string_view(read).substr(kKeyAt, kKeyBytes) != key_) {
    return false;
  }
  const uint64_t length = Get(&read[kLengthAt], 8);
  if (length > size || Blocks(kLogEntryHeaderBytes + length) > size - at) {
    return false;
  }
  read.resize(kLogEntryHeaderBytes + length);
  if (ReadAt(at, read, kLogEntryHeaderBytes) != SQLITE_OK || !IsSealed(read, kEntryMagic, key_)) {
    return false;
  }
  entry.number = Get(&read[kNumberAt], 8);
  entry.payload = read.substr(kLogEntryHeaderBytes);
  bytes = Blocks(read.size());
  return true;
}

Status LogFile::Append(uint64_t number, std::string& entry) {
  Seal(entry, kEntryMagic, key_, number, entry.size() - kLogEntryHeaderBytes);
  // Whole blocks: no block with an acknowledged entry is ever written again before it is obsolete.
  entry.resize(Blocks(entry.size()), '\0');
  int code = WriteAt(end_, entry);
  if (code != SQLITE_OK) {
    Status failure = Failure(code, "appending to it");
    if (failure.code() == StatusCode::kUnavailable) {
      GiveBack();
    }
    return failure;
  }
  code = file()->pMethods->xSync(file(), SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
  if (code != SQLITE_OK) {
    return Failure(code, "syncing it");
  }
  end_ += entry.size();
  return {};
}

Status LogFile::TryRoom(size_t bytes) {
  ENTENTE_ASSIGN_OR_RETURN(const size_t size, Size());
  const size_t to = end_ + Blocks(kLogEntryHeaderBytes + bytes);
  if (to <= size) {
    return {};
  }
  const int code = WriteZeros(size, to);
  if (code != SQLITE_OK) {
    file()->pMethods->xTruncate(file(), static_cast<sqlite3_int64>(size));
    return Failure(code, "looking for room in it");
  }
  return {};
}

void LogFile::Restart() {
  if (end_ == kLogBlockBytes) {
    return;
  }
  end_ = kLogBlockBytes;
  GiveBack();
}

// What the file is longer than it should be. An entry of which a part was written is then shorter
// than its header says, and stays no entry; the room may help whoever failed for the lack of it.
void LogFile::GiveBack() {
  const Result<size_t> size = Size();
  const size_t wanted = std::max(end_, reserved_);
  if (size.ok() && *size > wanted) {
    file()->pMethods->xTruncate(file(), static_cast<sqlite3_int64>(wanted));
  }
}

Status LogFile::Failure(int code, std::string_view doing) const {
  int reason = 0;
  if (memory_ != nullptr && file()->pMethods != nullptr) {
    file()->pMethods->xFileControl(file(), SQLITE_FCNTL_LAST_ERRNO, &reason);
  }
  const bool no_room =
      (code & 0xff) == SQLITE_FULL ||
      (code == SQLITE_IOERR_WRITE && (reason == EDQUOT || reason == EFBIG || reason == ENOSPC));
  std::string message = "the log " + path_ + " failed while " + std::string(doing) + ": " +
                        sqlite3_errstr(no_room ? SQLITE_FULL : code & 0xff) + " (" +
                        std::to_string(code) + ")";
  if (no_room) {
    return Unavailable("store.unavailable", message + "; nothing was written; free disk space");
  }
  if ((code & 0xff) == SQLITE_CANTOPEN) {
    return Unavailable("store.unavailable",
                       message + "; check open files and the file's permissions");
  }
  return UnknownOutcome("store.io_error",
                        message + "; check the disk, then restart the coordinator");
}

}  // namespace entente::storage::sqlite
