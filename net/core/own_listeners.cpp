#include "net/core/own_listeners.h"

#include <algorithm>

#include <ifaddrs.h>
#include <netinet/in.h>

namespace entente::net {
namespace {

namespace ip = boost::asio::ip;

// A mapped IPv4 address reaches what the address itself reaches.
ip::address Plain(const ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return ip::make_address_v4(ip::v4_mapped, address.to_v6());
  }
  if (address.is_v6()) {  // Without its scope.
    return ip::address_v6(address.to_v6().to_bytes());
  }
  return address;
}

ip::address AddressOf(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    return ip::address_v4(ntohl(v4.sin_addr.s_addr));
  }
  if (address.sa_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    ip::address_v6::bytes_type bytes;
    std::copy_n(v6.sin6_addr.s6_addr, bytes.size(), bytes.begin());
    return ip::address_v6(bytes);
  }
  return ip::address_v4::any();
}

// Loopback (all of 127.0.0.0/8 is), unspecified (which connects to loopback), or an interface's. If
// the interfaces can not be listed, every address counts: refusing a call is the smaller harm.
bool IsOfThisMachine(const ip::address& address) {
  if (address.is_loopback() || address.is_unspecified()) {
    return true;
  }
  ifaddrs* interfaces = nullptr;
  if (getifaddrs(&interfaces) != 0) {
    return true;
  }
  bool found = false;
  for (const ifaddrs* one = interfaces; one != nullptr && !found; one = one->ifa_next) {
    found = one->ifa_addr != nullptr && Plain(AddressOf(*one->ifa_addr)) == address;
  }
  freeifaddrs(interfaces);
  return found;
}

// Whether a connection to `wanted` reaches a socket that is bound to `bound`: its own address, any
// loopback address where it is on loopback, any of the machine's where it is on all of them. The
// unspecified address connects to loopback.
bool Meet(const ip::address& bound, const ip::address& wanted) {
  if (bound == wanted) {
    return true;
  }
  if (bound.is_loopback()) {
    return wanted.is_loopback() || wanted.is_unspecified();
  }
  return (bound.is_unspecified() && IsOfThisMachine(wanted)) || wanted.is_unspecified();
}

}  // namespace

void OwnListeners::Add(const std::string& address, uint16_t port) {
  boost::system::error_code error;
  ip::address parsed = ip::make_address(address, error);
  if (error) {
    if (address != "localhost") {
      return;
    }
    parsed = ip::address_v4::loopback();
  }
  const std::lock_guard lock(mutex_);
  listeners_.push_back({Plain(parsed).to_string(), port});
}

bool OwnListeners::Reaches(std::string_view address, uint16_t port) const {
  boost::system::error_code error;
  const ip::address wanted = Plain(ip::make_address(std::string(address), error));
  if (error) {
    return false;
  }
  const std::lock_guard lock(mutex_);
  return std::any_of(listeners_.begin(), listeners_.end(), [&](const Listener& listener) {
    return listener.port == port && Meet(ip::make_address(listener.address), wanted);
  });
}

}  // namespace entente::net
