#include "net/core/address_policy.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <boost/asio/ip/address.hpp>

#include "net/core/own_listeners.h"

namespace entente::net {
namespace {

namespace ip = boost::asio::ip;
using Bytes = std::vector<uint8_t>;

std::optional<Bytes> ParseAddress(std::string_view text) {
  boost::system::error_code error;
  const ip::address address = ip::make_address(std::string(text), error);
  if (error) {
    return std::nullopt;
  }
  if (address.is_v4()) {
    const auto bytes = address.to_v4().to_bytes();
    return Bytes(bytes.begin(), bytes.end());
  }
  const auto bytes = address.to_v6().to_bytes();
  return Bytes(bytes.begin(), bytes.end());
}

bool InNetwork(const Bytes& address, const Bytes& network, uint32_t prefix_bits) {
  if (address.size() != network.size()) {
    return false;
  }
  for (uint32_t bit = 0; bit < prefix_bits; bit += 8) {
    const uint32_t bits = std::min<uint32_t>(8, prefix_bits - bit);
    const auto mask = static_cast<uint8_t>(0xff << (8 - bits));
    if (((address[bit / 8] ^ network[bit / 8]) & mask) != 0) {
      return false;
    }
  }
  return true;
}

struct Network {
  std::string_view address;
  uint32_t prefix_bits;
};

// Where no participant lives: see the class comment.
constexpr std::array<Network, 14> kAlwaysBlocked = {{
    {"0.0.0.0", 8},
    {"169.254.0.0", 16},
    {"100.100.100.200", 32},  // Alibaba Cloud's metadata.
    {"168.63.129.16", 32},    // Azure's host channel.
    {"192.0.0.192", 32},      // Oracle Cloud's metadata.
    {"224.0.0.0", 4},
    {"255.255.255.255", 32},
    {"::", 128},
    {"fe80::", 10},
    {"fd00:ec2::", 32},     // AWS's metadata, time and credentials.
    {"fd20:ce::254", 128},  // Google Cloud's metadata.
    {"2001::", 32},         // Teredo (RFC 4380): an IPv4 address stands in it, in disguise.
    {"64:ff9b:1::", 48},    // Local translation (RFC 8215): the address stands anywhere within.
    {"ff00::", 8},
}};

bool IsBlocked(const Bytes& address) {
  return std::any_of(kAlwaysBlocked.begin(), kAlwaysBlocked.end(), [&](const Network& network) {
    return InNetwork(address, *ParseAddress(network.address), network.prefix_bits);
  });
}

// An IPv6 prefix behind which a whole IPv4 address stands, and where it begins.
struct Embedding {
  std::string_view prefix;
  uint32_t prefix_bits;
  size_t offset;
};
constexpr std::array<Embedding, 5> kEmbeddings = {{
    {"::ffff:0:0", 96, 12},    // Mapped (RFC 4291).
    {"::ffff:0:0:0", 96, 12},  // Translated (RFC 2765).
    {"64:ff9b::", 96, 12},     // NAT64 (RFC 6052).
    {"2002::", 16, 2},         // 6to4 (RFC 3056).
    {"::", 96, 12},            // Compatible (RFC 4291), long out of use.
}};

std::optional<Bytes> EmbeddedVersion4(const Bytes& address) {
  for (const Embedding& embedding : kEmbeddings) {
    if (InNetwork(address, *ParseAddress(embedding.prefix), embedding.prefix_bits)) {
      const auto begin = address.begin() + static_cast<std::ptrdiff_t>(embedding.offset);
      return Bytes(begin, begin + 4);
    }
  }
  return std::nullopt;
}

// This machine's, and those that are not routed in the Internet.
constexpr std::array<Network, 9> kPrivate = {{
    {"127.0.0.0", 8},
    {"10.0.0.0", 8},
    {"172.16.0.0", 12},
    {"192.168.0.0", 16},
    {"100.64.0.0", 10},  // Shared address space (RFC 6598).
    {"198.18.0.0", 15},  // Benchmarks (RFC 2544).
    {"::1", 128},
    {"fc00::", 7},
    {"fec0::", 10},  // Site-local, long out of use.
}};

bool IsPrivate(const Bytes& address) {
  return std::any_of(kPrivate.begin(), kPrivate.end(), [&](const Network& network) {
    return InNetwork(address, *ParseAddress(network.address), network.prefix_bits);
  });
}

bool IsLoopback6(const Bytes& address) {
  return InNetwork(address, *ParseAddress("::1"), 128);
}

Status InvalidPattern(const std::string& text, std::string_view why) {
  return InvalidArgument("address_policy.invalid",
                         "allowed address '" + text + "': " + std::string(why));
}

std::string_view SchemeOf(const Origin& origin, AddressPolicy::Protocol protocol) {
  if (protocol == AddressPolicy::Protocol::kGrpc) {
    return "grpc";
  }
  return origin.tls ? "https" : "http";
}

}  // namespace

Result<AddressPolicy> AddressPolicy::Parse(const std::vector<std::string>& patterns) {
  AddressPolicy policy;
  for (const std::string& text : patterns) {
    ENTENTE_ASSIGN_OR_RETURN(Pattern pattern, ParsePattern(text));
    policy.patterns_.push_back(std::move(pattern));
  }
  return policy;
}

Result<AddressPolicy::Pattern> AddressPolicy::ParsePattern(const std::string& text) {
  Pattern pattern;
  std::string_view rest = text;
  if (const size_t scheme = rest.find("://"); scheme != std::string_view::npos) {
    pattern.scheme = rest.substr(0, scheme);
    rest.remove_prefix(scheme + 3);
    if (pattern.scheme != "http" && pattern.scheme != "https" && pattern.scheme != "grpc") {
      return InvalidPattern(text, "its scheme must be http, https or grpc");
    }
  }
  if (const size_t slash = rest.find('/'); slash != std::string_view::npos) {
    const auto network = ParseAddress(rest.substr(0, slash));
    const std::string_view bits = rest.substr(slash + 1);
    const auto [end, error] =
        std::from_chars(bits.data(), bits.data() + bits.size(), pattern.prefix_bits);
    if (!network || error != std::errc() || end != bits.data() + bits.size() ||
        pattern.prefix_bits > network->size() * 8) {
      return InvalidPattern(text, "it is not a network such as 10.0.0.0/8 (and takes no port)");
    }
    pattern.network = *network;
    return pattern;
  }
  const bool bracketed = !rest.empty() && rest.front() == '[';
  const size_t colon =
      bracketed ? rest.find("]:") + (rest.find("]:") != std::string_view::npos) : rest.rfind(':');
  std::string_view host = rest.substr(0, colon);
  if (colon != std::string_view::npos && rest.substr(colon + 1) != "*") {
    const auto port = ParseAuthority("h" + std::string(rest.substr(colon)), false, 0);
    if (!port.ok()) {
      return InvalidPattern(text, "its port must be a number from 1 to 65535, or '*'");
    }
    pattern.port = port->port;
  }
  if (host == "*") {
    pattern.host = "*";
    return pattern;
  }
  const bool suffix = host.starts_with("*.");
  const auto named = ParseAuthority(suffix ? host.substr(2) : host, false, 1);
  if (!named.ok()) {
    return InvalidPattern(text, "its host must be a name, an address, '*' or '*.suffix'");
  }
  pattern.host = (suffix ? "*." : "") + named->host;
  return pattern;
}

bool AddressPolicy::Matches(const Pattern& pattern, const Origin& origin, Protocol protocol) {
  if (!pattern.scheme.empty() && pattern.scheme != SchemeOf(origin, protocol)) {
    return false;
  }
  if (pattern.port && *pattern.port != origin.port) {
    return false;
  }
  if (!pattern.network.empty()) {
    const auto address = ParseAddress(origin.host);
    return address && InNetwork(*address, pattern.network, pattern.prefix_bits);
  }
  if (pattern.host == "*") {
    return true;
  }
  if (pattern.host.starts_with("*.")) {
    const std::string_view suffix = std::string_view(pattern.host).substr(1);
    return origin.host.size() > suffix.size() && origin.host.ends_with(suffix);
  }
  return pattern.host == origin.host;
}

Status AddressPolicy::CheckOrigin(const Origin& origin, Protocol protocol) const {
  if (const auto address = ParseAddress(origin.host)) {
    ENTENTE_RETURN_IF_ERROR(CheckAddress(origin.host, origin.port));
  }
  const bool allowed = patterns_.empty() ||
                       std::any_of(patterns_.begin(), patterns_.end(),
                                   [&](const Pattern& p) { return Matches(p, origin, protocol); });
  if (allowed) {
    return Status();
  }
  return InvalidArgument("address.blocked",
                         "the address " + std::string(SchemeOf(origin, protocol)) + "://" +
                             origin.HostField() +
                             " is not among the allowed participants; add it to the allow-list");
}

Status AddressPolicy::CheckResolved(const Origin& origin, std::string_view text) const {
  auto address = ParseAddress(text);
  if (address && address->size() == 16 && !IsLoopback6(*address)) {
    if (auto embedded = EmbeddedVersion4(*address)) {
      address = std::move(embedded);
    }
  }
  if (address && !IsPrivate(*address)) {
    return Status();
  }
  const bool named =
      address && std::any_of(patterns_.begin(), patterns_.end(), [&](const Pattern& p) {
        return p.network.empty() ? !p.host.starts_with('*') && Matches(p, origin, Protocol::kHttp)
                                 : InNetwork(*address, p.network, p.prefix_bits);
      });
  if (named) {
    return Status();
  }
  return InvalidArgument("address.blocked",
                         "'" + origin.host + "' has the private address " + std::string(text) +
                             ", which what is computed may only be where the host, or a network "
                             "that the address is in, is allowed by name");
}

AddressPolicy AddressPolicy::Everything() {
  AddressPolicy policy;
  policy.everything_ = true;
  return policy;
}

Status AddressPolicy::CheckAddress(std::string_view text, uint16_t port) const {
  if (everything_) {
    return Status();
  }
  const auto address = ParseAddress(text);
  if (!address) {
    return InvalidArgument("address.blocked", "'" + std::string(text) + "' is not an address");
  }
  bool blocked = IsBlocked(*address);
  if (!blocked && address->size() == 16 && !IsLoopback6(*address)) {
    const auto embedded = EmbeddedVersion4(*address);
    blocked = embedded && IsBlocked(*embedded);
  }
  if (!blocked && own_ != nullptr && own_->Reaches(text, port)) {
    return InvalidArgument("address.own", "port " + std::to_string(port) + " of " +
                                              std::string(text) +
                                              " is this coordinator's own: it never calls itself");
  }
  if (!blocked) {
    return Status();
  }
  return InvalidArgument("address.blocked",
                         "the address " + std::string(text) +
                             " is link-local, a metadata service's or none a participant can have; "
                             "no allow-list opens it");
}

}  // namespace entente::net
