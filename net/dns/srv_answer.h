// What a DNS server says of a service: its SRV records (RFC 2782).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/time.h"

namespace entente::net {

struct SrvTarget {
  std::string host;  // Lower case, no dot at the end.
  uint16_t port = 0;
  uint16_t priority = 0;  // The lowest is called first.
  uint16_t weight = 0;    // Its share among those of the same priority.
  friend bool operator==(const SrvTarget&, const SrvTarget&) = default;
};

struct SrvAnswer {
  // By priority, and as many as limits::kMaxSrvTargets: of more, the last ones are left out. Empty:
  // the service is not offered there (a record whose target is ".").
  std::vector<SrvTarget> targets;
  Duration ttl{};  // The shortest of the records'.
};

// Reads the message of an answer (RFC 1035, 4). It comes from the network: nothing in it is taken
// on trust. Records of other kinds are passed over, as are targets that are no host's name or have
// the port 0. Fails with kUnavailable, reason dns.failed, if it is no whole message or holds no
// SRV record that can be used.
[[nodiscard]] Result<SrvAnswer> ReadSrvAnswer(std::string_view message);

}  // namespace entente::net
