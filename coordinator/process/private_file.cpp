#include "coordinator/process/private_file.h"

#include <cerrno>
#include <cstdio>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

namespace entente::coordinator {

Status WritePrivateFile(const std::string& path, const std::string& text) {
  const std::string temporary = path + ".tmp";
  unlink(temporary.c_str());
  const int file =
      open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  bool written = file >= 0;
  if (written) {
    written = write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    written = close(file) == 0 && written;
  }
  if (!written || std::rename(temporary.c_str(), path.c_str()) != 0) {
    return Unavailable("config.file",
                       path + " can not be written: " + std::generic_category().message(errno));
  }
  return {};
}

}  // namespace entente::coordinator
