#include "storage/sqlite/files/file_guard.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <string_view>
#include <system_error>

#include "storage/sqlite/files/log_file.h"

namespace entente::storage::sqlite {
namespace {

constexpr mode_t kOwnerOnly = S_IRUSR | S_IWUSR;
constexpr mode_t kOthers = S_IRWXG | S_IRWXO;

// What a start needs on a full disk: the index of the log, and a log for its first commits.
constexpr off_t kSpareBytes = off_t{256} << 10;
constexpr off_t kHolderBytes = 32;  // Of the lock file, which begins with its holder's number.

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
    case ELOOP:
      return InvalidArgument("store.not_a_file",
                             path +
                                 " is a symbolic link where a file of the store's own must be, "
                                 "or leads round in a circle; remove it");
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

Status CheckKind(const std::string& path, const struct stat& info) {
  if (S_ISDIR(info.st_mode)) {
    return CanNotOpen(path, EISDIR);
  }
  if (S_ISLNK(info.st_mode)) {
    return CanNotOpen(path, ELOOP);
  }
  if (!S_ISREG(info.st_mode)) {
    return InvalidArgument("store.not_a_file", path + " is not a regular file; name another one");
  }
  // Under its other name the file would be opened with a log of that name.
  if (info.st_nlink > 1) {
    return FailedPrecondition(
        "store.second_name",
        path + " has " + std::to_string(info.st_nlink) +
            " names (hard links), and a store may have one: each name would have its own log, and "
            "the file be damaged; delete the others, or copy the file");
  }
  return {};
}

// Of the path as it was given; true if there is a file.
Result<bool> CheckName(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) == 0) {
    ENTENTE_RETURN_IF_ERROR(CheckKind(path, info));
    return access(path.c_str(), R_OK | W_OK) == 0 ? Result<bool>(true) : CanNotOpen(path, errno);
  }
  const int error = errno;
  if (lstat(path.c_str(), &info) == 0 && S_ISLNK(info.st_mode) && error == ENOENT) {
    // What it leads to may be on a disk that is not mounted: a store begun there would hide the
    // real one, and be hidden by it.
    std::error_code ignored;
    return InvalidArgument("store.dangling_link",
                           path + " is a symbolic link to " +
                               std::filesystem::read_symlink(path, ignored).string() +
                               ", and nothing is there; mount its disk, or name the file itself to "
                               "begin a store");
  }
  return error == ENOENT ? Result<bool>(false) : CanNotOpen(path, error);
}

// Opens a file of the store's own: not through a symbolic link, which could lead to anybody's file,
// and closed to others. Invalid if it is absent and `flags` do not create it.
Result<FileDescriptor> OpenOwn(const std::string& path, int flags) {
  FileDescriptor file(open(path.c_str(), flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, kOwnerOnly));
  if (!file.valid()) {
    return errno == ENOENT && (flags & O_CREAT) == 0 ? Result<FileDescriptor>(std::move(file))
                                                     : CanNotOpen(path, errno);
  }
  struct stat info {};
  if (fstat(file.get(), &info) != 0) {
    return CanNotOpen(path, errno);
  }
  ENTENTE_RETURN_IF_ERROR(CheckKind(path, info));
  if ((info.st_mode & kOthers) != 0 && fchmod(file.get(), kOwnerOnly) != 0) {
    return CanNotOpen(path, errno);
  }
  return file;
}

// Logs and an index that a killed process left have the permissions that the database had then.
Status CloseCompanions(const std::string& path) {
  for (const char* suffix : {"-wal", "-shm", "-journal", kLogSuffix}) {
    ENTENTE_RETURN_IF_ERROR(OpenOwn(path + suffix, O_RDONLY).status());
  }
  return {};
}

Status InUse(const std::string& path, int lock_file) {
  return FailedPrecondition("store.in_use", path + " is in use by " + HolderOf(lock_file) +
                                                "; stop that coordinator, or name another file");
}

// kFailedPrecondition, store.in_use.
Status Lock(const FileDescriptor& file, const std::string& path, const FileDescriptor& lock_file) {
  if (flock(file.get(), LOCK_EX | LOCK_NB) == 0) {
    return {};
  }
  return errno == EWOULDBLOCK ? InUse(path, lock_file.get()) : CanNotOpen(path, errno);
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
                      "; keep a copy of it, its -wal and its -log, then restore a backup, or name "
                      "another file to start empty");
}

Status Changed(const std::string& path, const std::string& what) {
  return DataLoss("store.file_changed",
                  path + " " + what +
                      " while the coordinator had it open: what is written now could be lost; "
                      "put the store's files back as they were, then start again");
}

// Among the first `bytes` of the file. Where the file system can not tell there is none. Closing
// the descriptor drops no lock: SQLite has none on its logs.
bool HasHole(const std::string& path, uint64_t bytes) {
  if (bytes == 0) {
    return false;
  }
  const FileDescriptor file(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  const off_t hole = file.valid() ? lseek(file.get(), 0, SEEK_HOLE) : -1;
  return hole >= 0 && static_cast<uint64_t>(hole) < bytes;
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
  if (count_is_valid && size < expected && FileSize(path + "-wal") == 0) {
    return Damaged(path, "is cut short: " + std::to_string(size) + " bytes of " +
                             std::to_string(expected) + " are left");
  }
  return {};
}

}  // namespace

uint64_t FileSize(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 ? static_cast<uint64_t>(info.st_size) : 0;
}

Result<std::unique_ptr<FileGuard>> FileGuard::Acquire(const std::string& path) {
  // Before the lock file is made, so that a mistaken path leaves no trace.
  ENTENTE_ASSIGN_OR_RETURN(const bool exists, CheckName(path));
  const std::string resolved = Resolve(path);
  ENTENTE_ASSIGN_OR_RETURN(FileDescriptor lock_file, OpenOwn(resolved + ".lock", O_RDWR | O_CREAT));
  ENTENTE_RETURN_IF_ERROR(Lock(lock_file, path, lock_file));
  if (!exists) {
    ENTENTE_RETURN_IF_ERROR(CreateFile(resolved));
  }
  ENTENTE_ASSIGN_OR_RETURN(FileDescriptor database, OpenOwn(resolved, O_RDWR));
  if (!database.valid()) {
    return CanNotOpen(path, ENOENT);
  }
  ENTENTE_RETURN_IF_ERROR(Lock(database, path, lock_file));
  ENTENTE_RETURN_IF_ERROR(CloseCompanions(resolved));
  // The text is for the message above only: the locks are what counts. Cutting the file gives back
  // the room that the process before kept for this start.
  const std::string pid = std::to_string(getpid()) + "\n";
  if (ftruncate(lock_file.get(), 0) == 0) {
    static_cast<void>(pwrite(lock_file.get(), pid.data(), pid.size(), 0) > 0);
  }
  return std::unique_ptr<FileGuard>(
      new FileGuard(resolved, std::move(lock_file), std::move(database)));
}

Status FileGuard::CheckUnchanged(const Written& wal, const Written& log) {
  struct stat opened {};
  struct stat named {};
  if (fstat(database_.get(), &opened) != 0) {
    return Changed(path_, "can not be looked at: " + Reason(errno));
  }
  if (lstat(path_.c_str(), &named) != 0) {
    return Changed(path_, "was deleted or moved away");
  }
  if (opened.st_dev != named.st_dev || opened.st_ino != named.st_ino) {
    return Changed(path_, "was replaced by another file");
  }
  if (opened.st_nlink > 1) {
    return Changed(path_, "was given a second name (a hard link)");
  }
  if (opened.st_size < largest_) {
    return Changed(path_, "was cut from " + std::to_string(largest_) + " to " +
                              std::to_string(opened.st_size) + " bytes");
  }
  largest_ = opened.st_size;
  // SQLite makes the index no smaller while anybody has it open.
  const Written index{0, std::numeric_limits<uint64_t>::max()};
  ENTENTE_RETURN_IF_ERROR(CheckCompanion(path_ + "-wal", wal_, wal));
  ENTENTE_RETURN_IF_ERROR(CheckCompanion(path_ + "-shm", index_, index));
  return CheckCompanion(path_ + kLogSuffix, log_, log);
}

Status FileGuard::CheckCompanion(const std::string& path, Companion& companion,
                                 const Written& written) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) {
    return Changed(path, "was deleted or moved away");
  }
  const FileId id{info.st_dev, info.st_ino};
  if (companion.known && *companion.known != id) {
    return Changed(path, "was replaced by another file");
  }
  companion.known = id;
  const auto size = static_cast<uint64_t>(info.st_size);
  const uint64_t least = std::max(written.bytes, std::min(companion.largest, written.kept));
  if (size < least) {
    return Changed(path, "was cut to " + std::to_string(size) + " of at least " +
                             std::to_string(least) + " bytes");
  }
  companion.largest = size;
  return HasHole(path, written.bytes)
             ? Changed(path, "was cut, or emptied in places, within what was written")
             : Status();
}

void FileGuard::TakeSpareRoom() {
  if (posix_fallocate(lock_file_.get(), 0, kSpareBytes) != 0) {
    // A part of it would help nobody.
    static_cast<void>(ftruncate(lock_file_.get(), kHolderBytes) == 0);
  }
}

Status CheckDatabaseFile(const std::string& path) {
  const FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) {
    return CanNotOpen(path, errno);
  }
  const uint64_t size = FileSize(path);
  if (size == 0) {
    return FileSize(path + "-wal") == 0
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
