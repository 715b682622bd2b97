#include "storage/sqlite/files/wal_space.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "storage/sqlite/files/file_descriptor.h"

namespace entente::storage::sqlite {
namespace {

constexpr size_t kStepBytes = size_t{1} << 20;
constexpr size_t kLeastBytes = size_t{64} << 10;

// From SQLite's "WAL-mode File Format": the index has segments of 4096 entries of 4 bytes and a
// hash table of as many bytes; the first one gives 34 of its entries to a header.
constexpr int kSegmentBytes = 32 * 1024;
constexpr size_t kFramesPerSegment = 4096;
constexpr size_t kFramesBeforeSegments = 34;

bool WriteZeros(int file, size_t from, size_t to) {
  const std::vector<char> zeros(std::min(kStepBytes, to - from));
  while (from < to) {
    const ssize_t written =
        pwrite(file, zeros.data(), std::min(zeros.size(), to - from), static_cast<off_t>(from));
    if (written <= 0) {
      return false;
    }
    from += static_cast<size_t>(written);
  }
  return fdatasync(file) == 0;
}

}  // namespace

void ReserveLog(const std::string& path, size_t bytes) {
  const FileDescriptor file(open(path.c_str(), O_WRONLY | O_NOFOLLOW | O_CLOEXEC));
  struct stat status {};
  if (!file.valid() || fstat(file.get(), &status) != 0) {
    return;
  }
  const auto size = static_cast<size_t>(status.st_size);
  for (; bytes > size && bytes >= kLeastBytes; bytes /= 2) {
    if (WriteZeros(file.get(), size, bytes)) {
      return;
    }
    // What is there keeps its length; what is missing grows with the log, as it would have.
    static_cast<void>(ftruncate(file.get(), status.st_size) == 0);
  }
}

Status ReserveLogIndex(const Connection& connection, size_t frames) {
  sqlite3_file* file = nullptr;
  int code = sqlite3_file_control(connection.handle(), "main", SQLITE_FCNTL_FILE_POINTER,
                                  static_cast<void*>(&file));
  const size_t segments = (frames + kFramesBeforeSegments) / kFramesPerSegment + 1;
  for (size_t i = 0; code == SQLITE_OK && i < segments; ++i) {
    volatile void* segment = nullptr;
    code = file->pMethods->xShmMap(file, static_cast<int>(i), kSegmentBytes, 1, &segment);
  }
  return code == SQLITE_OK
             ? Status()
             : connection.Failure(code, "lengthening the index of the write-ahead log");
}

}  // namespace entente::storage::sqlite
