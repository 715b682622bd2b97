// Which addresses participants may have: the guard against server-side request forgery.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "net/core/url.h"

namespace entente::net {

class OwnListeners;

// Decides twice: CheckOrigin when a definition is registered and before each call, by name;
// CheckAddress on the very address that is about to be connected to, so that a name that resolves
// differently the second time gains nothing.
//
// Link-local addresses (169.254.0.0/16, where clouds serve instance metadata, and fe80::/10), the
// metadata services' other fixed addresses, unspecified, multicast and broadcast addresses are
// refused whatever the list says, also when written as IPv4 mapped into IPv6 or translated
// (NAT64, 6to4); so is the local prefix for translation, 64:ff9b:1::/48, behind which any address
// may stand. What this process itself listens on is never called either. With an empty list every
// other address is allowed, which suits a coordinator bound to loopback; one that strangers can
// reach should name its participants.
//
// Immutable once it is used; safe to share between threads.
class AddressPolicy {
 public:
  // Allows everything but the addresses that are always refused.
  AddressPolicy() = default;

  // Allows every address, for who calls only what its own operator names.
  [[nodiscard]] static AddressPolicy Everything();

  // Allows only origins that match a pattern: "[scheme://]host[:port]", where scheme is http,
  // https or grpc, host is a name, an address, "*" or "*.suffix" (not the suffix itself), and
  // port is a number, "*" or absent, both meaning any. A network is written "10.0.0.0/8" and
  // matches a host given as an address. Fails with kInvalidArgument, reason
  // address_policy.invalid, naming the pattern.
  [[nodiscard]] static Result<AddressPolicy> Parse(const std::vector<std::string>& patterns);

  // What CheckAddress refuses beside all else, whatever the list says; copies share it.
  void RefuseOwn(std::shared_ptr<const OwnListeners> own) { own_ = std::move(own); }

  enum class Protocol { kHttp, kGrpc };

  // Fails with kInvalidArgument, reason address.blocked, saying what to add to the list.
  [[nodiscard]] Status CheckOrigin(const Origin& origin, Protocol protocol) const;

  // Whether the host of an origin that the list allows may have that address. One that only a "*"
  // lets through may not be on this machine or in a private network, unless the list has a network
  // that the address is in: who chooses names chooses what they resolve to. Fails as CheckOrigin.
  [[nodiscard]] Status CheckResolved(const Origin& origin, std::string_view address) const;

  // Whether `address` (textual IPv4 or IPv6), to which an allowed origin's host resolved, may be
  // connected to at `port`. Fails as CheckOrigin does; for a listener of our own with reason
  // address.own.
  [[nodiscard]] Status CheckAddress(std::string_view address, uint16_t port) const;

 private:
  struct Pattern {
    std::string scheme;  // Empty: any.
    std::string host;    // "*", "*.suffix", a name, or empty where `network` serves.
    std::vector<uint8_t> network;
    uint32_t prefix_bits = 0;
    std::optional<uint16_t> port;
  };

  static Result<Pattern> ParsePattern(const std::string& text);
  static bool Matches(const Pattern& pattern, const Origin& origin, Protocol protocol);

  bool everything_ = false;
  std::vector<Pattern> patterns_;
  std::shared_ptr<const OwnListeners> own_;  // May be null.
};

}  // namespace entente::net
