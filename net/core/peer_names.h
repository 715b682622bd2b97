// Who the other side of a TLS connection is, by the certificate that it showed.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace entente::net {

// The subject alternative names of a certificate that was verified, with their kind: "URI:...",
// "DNS:...", "EMAIL:...". What its subject says is no name (RFC 6125), nor is a name with a NUL or
// another control character in it. Shared by the requests of a connection; null or empty: none.
using PeerNames = std::shared_ptr<const std::vector<std::string>>;

}  // namespace entente::net
