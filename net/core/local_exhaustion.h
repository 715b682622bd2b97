// Tells a machine that has run out of something from a peer that does not answer. Internal to net.
#pragma once

#include <string>
#include <string_view>

#include <boost/asio/ip/tcp.hpp>
#include <boost/system/error_code.hpp>

namespace entente::net {

// The reason of calls that failed so.
inline constexpr std::string_view kLocalExhaustion = "local.exhausted";

// Whether an operation on a socket failed for want of descriptors, buffers, memory, threads or
// watches of this machine.
[[nodiscard]] bool IsLocalExhaustion(const boost::system::error_code& error);

// Whether a connection to `peer` failed with `error` for want of a local port. The same error means
// that this machine has no address of the peer's family (a name that leads to an IPv6 address, on
// a machine without): that will not pass, and is the way to the peer.
[[nodiscard]] bool IsPortExhaustion(const boost::system::error_code& error,
                                    const boost::asio::ip::tcp::endpoint& peer);

// Whether no descriptor is left at this moment. For libraries that do not say why they failed: a
// resolver without a descriptor reports that the name is not known for now.
[[nodiscard]] bool NoDescriptorLeft();

// As IsLocalExhaustion, of an error that a library gives as text only.
[[nodiscard]] bool SaysLocalExhaustion(std::string_view message);

// What people are told. `what` is the system's own word.
[[nodiscard]] std::string LocalExhaustionText(const std::string& what);

}  // namespace entente::net
