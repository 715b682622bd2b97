#include "storage/sqlite/wal_space.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "storage/sqlite/file_descriptor.h"

namespace entente::storage::sqlite {
namespace {

constexpr size_t kStepBytes = size_t{1} << 20;

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
  const FileDescriptor file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  struct stat status {};
  if (!file.valid() || fstat(file.get(), &status) != 0) {
    return;
  }
  const auto size = static_cast<size_t>(status.st_size);
  if (size < bytes && !WriteZeros(file.get(), size, bytes)) {
    // What is there keeps its length; what is missing grows with the log, as it would have.
    static_cast<void>(ftruncate(file.get(), status.st_size) == 0);
  }
}

}  // namespace entente::storage::sqlite
