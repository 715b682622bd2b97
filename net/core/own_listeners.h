// OwnListeners: where this process itself listens, so that it never calls itself.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace entente::net {

// Purpose: a call that the coordinator sends to its own API would arrive with the coordinator's
// rights, past whatever guards that API: from loopback, behind the proxy that authenticates.
//
// Thread-safe. Listeners are added as they open (known ports before, so that no call slips through
// in between) and are never taken out again.
class OwnListeners {
 public:
  // `address` is the bound address without brackets, maybe unspecified ("0.0.0.0", "::"), or
  // "localhost". What is no address is ignored: nothing could be bound to it.
  void Add(const std::string& address, uint16_t port);

  // Whether a connection to `address` (textual IPv4 or IPv6) and `port` would reach one of them.
  // For a port of ours this looks at the machine's interfaces, which costs some system calls; for
  // others it costs a lock.
  [[nodiscard]] bool Reaches(std::string_view address, uint16_t port) const;

 private:
  struct Listener {
    std::string address;  // In its one form, see Plain.
    uint16_t port;
  };

  mutable std::mutex mutex_;
  std::vector<Listener> listeners_;
};

}  // namespace entente::net
