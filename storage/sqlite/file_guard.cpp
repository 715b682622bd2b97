#include "storage/sqlite/file_guard.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "storage/sqlite/file_descriptor.h"

namespace entente::storage::sqlite {
namespace {

constexpr mode_t kOwnerOnly = S_IRUSR | S_IWUSR;
constexpr mode_t kOthers = S_IRWXG | S_IRWXO;

// Offsets in the first page, from SQLite's file format document.
constexpr std::string_view kMagic("SQLite format 3\0", 16);
constexpr size_t kHeaderBytes = 100;
constexpr size_t kPageSizeAt = 16;
constexpr size_t kFormatVersionsAt = 18;  // For writing and for reading: 1 or, with a log, 2.
constexpr size_t kFractionsAt = 21;       // Three constants.
constexpr size_t kChangeCounterAt = 24;
constexpr size_t kPageCountAt = 28;
constexpr size_t kCountValidForAt = 92;

std::string Reason(int error) {
  return std::generic_category().message(error);
}

Status CanNotOpen(const std::string& path, int error) {
  switch (error) {
    case EACCES:
    case EPERM:
    case EROFS:
      return InvalidArgument("store.no_permission",
                             "can not open " + path + ": " + Reason(error) +
                                 "; run as the file's owner, with write access to its directory");
    case EISDIR:
      return InvalidArgument("store.not_a_file", path + " is a directory; name a file inside it");
    case ENOENT:
    case ENOTDIR:
      return InvalidArgument("store.no_directory",
                             "the directory of " + path + " does not exist; create it first");
    default: return Unavailable("store.unavailable", "can not open " + path + ": " + Reason(error));
  }
}

// The path without symbolic links, so that two names of one file meet in one lock.
std::string Resolve(const std::string& path) {
  std::error_code error;
  const std::filesystem::path resolved = std::filesystem::weakly_canonical(path, error);
  return error ? path : resolved.string();
}

std::string HolderOf(int lock_file) {
  std::array<char, 32> text{};
  const ssize_t length = pread(lock_file, text.data(), text.size() - 1, 0);
  const std::string pid(text.data(), length > 0 ? static_cast<size_t>(length) : 0);
  return pid.empty() ? "another process" : "process " + pid.substr(0, pid.find('\n'));
}

Status CreateFile(const std::string& path) {
  const FileDescriptor file(open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, kOwnerOnly));
  if (!file.valid()) {
    return CanNotOpen(path, errno);
  }
  // SQLite syncs the file's contents, but the name of a file it did not create is ours to keep.
  const std::string parent = std::filesystem::path(path).parent_path().string();
  const FileDescriptor directory(
      open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid() || fsync(directory.get()) != 0) {
    return CanNotOpen(path, errno);
  }
  return {};
}

Status CheckExisting(const std::string& path, const struct stat& info) {
  if (S_ISDIR(info.st_mode)) {
    return CanNotOpen(path, EISDIR);
  }
  if (!S_ISREG(info.st_mode)) {
    return InvalidArgument("store.not_a_file", path + " is not a regular file; name another one");
  }
  if (access(path.c_str(), R_OK | W_OK) != 0) {
    return CanNotOpen(path, errno);
  }
  if ((info.st_mode & kOthers) != 0 && chmod(path.c_str(), kOwnerOnly) != 0) {
    return CanNotOpen(path, errno);
  }
  return {};
}

uint32_t BigEndian(std::string_view bytes, size_t at, size_t count) {
  uint32_t value = 0;
  for (size_t i = 0; i < count; ++i) {
    value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
  }
  return value;
}

Status Damaged(const std::string& path, const std::string& what) {
  return DataLoss("store.corrupt",
                  path + " " + what +
                      "; keep a copy of it and of its -wal, then restore a backup, or name "
                      "another file to start empty");
}

uint64_t SizeOf(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 ? static_cast<uint64_t>(info.st_size) : 0;
}

uint64_t PageSize(std::string_view header) {
  const uint32_t stored = BigEndian(header, kPageSizeAt, 2);
  return stored == 1 ? 65'536 : stored;  // As the format has it.
}

// Some of these SQLite would take as a wish to be read-only, or set right by itself.
Status CheckHeader(const std::string& path, std::string_view header) {
  const uint64_t page_size = PageSize(header);
  const auto version_is_known = [&header](size_t at) { return header[at] == 1 || header[at] == 2; };
  if (page_size < 512 || !std::has_single_bit(page_size) || !version_is_known(kFormatVersionsAt) ||
      !version_is_known(kFormatVersionsAt + 1) ||
      header.substr(kFractionsAt, 3) != std::string_view("\x40\x20\x20")) {
    return Damaged(path, "has a damaged first page");
  }
  return {};
}

Status CheckLength(const std::string& path, std::string_view header, uint64_t size) {
  const uint64_t page_size = PageSize(header);
  const uint64_t expected = page_size * BigEndian(header, kPageCountAt, 4);
  const bool count_is_valid =
      BigEndian(header, kChangeCounterAt, 4) == BigEndian(header, kCountValidForAt, 4);
  // With a write-ahead log the missing pages may be there, after a crash in a checkpoint.
  if (count_is_valid && size < expected && SizeOf(path + "-wal") == 0) {
    return Damaged(path, "is cut short: " + std::to_string(size) + " bytes of " +
                             std::to_string(expected) + " are left");
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<FileGuard>> FileGuard::Acquire(const std::string& path) {
  struct stat info {};
  const bool exists = stat(path.c_str(), &info) == 0;
  if (exists) {
    // Before the lock file is made, so that a mistaken path leaves no trace.
    ENTENTE_RETURN_IF_ERROR(CheckExisting(path, info));
  }
  const std::string resolved = Resolve(path);
  const std::string lock_path = resolved + ".lock";
  FileDescriptor lock_file(open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kOwnerOnly));
  if (!lock_file.valid()) {
    return CanNotOpen(lock_path, errno);
  }
  if (flock(lock_file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) {
      return CanNotOpen(lock_path, errno);
    }
    return FailedPrecondition("store.in_use", path + " is in use by " + HolderOf(lock_file.get()) +
                                                  "; stop that coordinator, or name another file");
  }
  // For the message above only: the lock, not the text, is what counts.
  const std::string pid = std::to_string(getpid()) + "\n";
  if (ftruncate(lock_file.get(), 0) == 0) {
    static_cast<void>(pwrite(lock_file.get(), pid.data(), pid.size(), 0) > 0);
  }
  if (!exists) {
    ENTENTE_RETURN_IF_ERROR(CreateFile(resolved));
  }
  return std::unique_ptr<FileGuard>(new FileGuard(lock_file.Release()));
}

FileGuard::~FileGuard() {
  close(lock_file_);
}

Status CheckDatabaseFile(const std::string& path) {
  const FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) {
    return CanNotOpen(path, errno);
  }
  const uint64_t size = SizeOf(path);
  if (size == 0) {
    return SizeOf(path + "-wal") == 0
               ? Status()
               : Damaged(path, "is empty, but its write-ahead log " + path + "-wal is not");
  }
  std::string header(kHeaderBytes, '\0');
  const ssize_t length = pread(file.get(), header.data(), header.size(), 0);
  if (length < 0) {
    return CanNotOpen(path, errno);
  }
  header.resize(static_cast<size_t>(length));
  if (header.substr(0, kMagic.size()) != kMagic.substr(0, header.size())) {
    return FailedPrecondition("store.foreign_file",
                              path +
                                  " does not begin as a SQLite database does: it is another "
                                  "program's file, or its first page is damaged; name another "
                                  "file, or restore a backup");
  }
  if (header.size() < kHeaderBytes) {
    return Damaged(path, "is cut short: only " + std::to_string(size) + " bytes are left");
  }
  ENTENTE_RETURN_IF_ERROR(CheckHeader(path, header));
  return CheckLength(path, header, size);
}

}  // namespace entente::storage::sqlite
