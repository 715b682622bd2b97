#include "net/core/local_exhaustion.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace entente::net {
namespace {

// ENOSPC is how epoll says that a user's watches are used up.
constexpr std::array<int, 6> kExhausted = {EMFILE, ENFILE, ENOBUFS, ENOMEM, EAGAIN, ENOSPC};

}  // namespace

bool IsLocalExhaustion(const boost::system::error_code& error) {
  return (error.category() == boost::system::system_category() ||
          error.category() == boost::system::generic_category()) &&
         std::find(kExhausted.begin(), kExhausted.end(), error.value()) != kExhausted.end();
}

bool IsPortExhaustion(const boost::system::error_code& error,
                      const boost::asio::ip::tcp::endpoint& peer) {
  if (error.category() != boost::system::system_category() || error.value() != EADDRNOTAVAIL) {
    return false;
  }
  // Connecting a datagram socket sends nothing and needs no port of TCP's: it fails only if there
  // is no address to send from.
  const int datagram = socket(peer.protocol().family(), SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (datagram < 0) {
    return errno == EMFILE || errno == ENFILE;
  }
  const bool has_address = connect(datagram, peer.data(), static_cast<socklen_t>(peer.size())) == 0;
  close(datagram);
  return has_address;
}

bool NoDescriptorLeft() {
  const int descriptor = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    return errno == EMFILE || errno == ENFILE;
  }
  close(descriptor);
  return false;
}

bool SaysLocalExhaustion(std::string_view message) {
  return std::any_of(kExhausted.begin(), kExhausted.end(), [message](int code) {
    // What a busy socket says too.
    return code != EAGAIN && message.find(std::strerror(code)) != std::string_view::npos;
  });
}

std::string LocalExhaustionText(const std::string& what) {
  return "this machine has run out of something (" + what +
         "), so nothing was learned of the participant; see \"Local exhaustion\" in "
         "docs/operations.md";
}

}  // namespace entente::net
