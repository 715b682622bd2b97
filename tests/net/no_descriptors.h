// A process that has run out of descriptors.
#pragma once

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <stdexcept>

namespace entente::net::testing {

// While it lives, this process gets no descriptor beyond those it has.
class NoDescriptors {
 public:
  NoDescriptors() {
    Must(getrlimit(RLIMIT_NOFILE, &before_) == 0);
    const int first_free = open("/dev/null", O_RDONLY);
    Must(first_free >= 0);
    close(first_free);
    rlimit none = before_;
    none.rlim_cur = static_cast<rlim_t>(first_free);
    Must(setrlimit(RLIMIT_NOFILE, &none) == 0);
  }
  ~NoDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  static void Must(bool done) {
    if (!done) {
      throw std::runtime_error("the limit of descriptors can not be set");
    }
  }

  rlimit before_{};
};

}  // namespace entente::net::testing
