#include "net/dns/srv_answer.h"

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

#include <ares.h>
#include <arpa/nameser.h>

#include "base/limits.h"

namespace entente::net {
namespace {

constexpr size_t kHeaderBytes = 12;
constexpr size_t kQuestionTail = 4;   // Type and class.
constexpr size_t kRecordTail = 10;    // Type, class, time to live, length of the data.
constexpr size_t kSrvFixedBytes = 6;  // Priority, weight, port.
constexpr size_t kMaxHostBytes = 253;

// A place in a message. Each read moves it on, or fails at the message's end.
class Reader {
 public:
  explicit Reader(std::string_view message) : message_(message) {}

  [[nodiscard]] size_t at() const { return at_; }
  [[nodiscard]] bool Skip(size_t bytes) {
    const bool there = bytes <= message_.size() - at_;
    at_ += there ? bytes : 0;
    return there;
  }
  // Big-endian. There must be as many bytes.
  uint32_t Number(size_t bytes) {
    uint32_t number = 0;
    for (size_t i = 0; i < bytes; ++i) {
      number = number << 8 | static_cast<unsigned char>(message_[at_++]);
    }
    return number;
  }
  // A domain name, which may be compressed: without its last dot, and so empty for the root.
  std::optional<std::string> Name() {
    const auto* bytes = reinterpret_cast<const unsigned char*>(message_.data());
    char* expanded = nullptr;
    long used = 0;  // NOLINT(google-runtime-int): c-ares has it so.
    if (at_ >= message_.size() ||
        ares_expand_name(bytes + at_, bytes, static_cast<int>(message_.size()), &expanded, &used) !=
            ARES_SUCCESS) {
      return std::nullopt;
    }
    std::string name(expanded);
    ares_free_string(expanded);
    return Skip(static_cast<size_t>(used)) ? std::optional(std::move(name)) : std::nullopt;
  }
  [[nodiscard]] bool Has(size_t bytes) const { return bytes <= message_.size() - at_; }

 private:
  std::string_view message_;
  size_t at_ = 0;
};

Status Malformed() {
  return Unavailable("dns.failed", "the DNS server's answer is malformed");
}

// In lower case; empty if it is none. What is no letter, digit, hyphen, dot or underscore would
// have to be escaped wherever a host is written.
std::string HostOf(std::string name) {
  for (char& c : name) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    const bool fits =
        (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
    if (!fits) {
      return {};
    }
  }
  return name.size() <= kMaxHostBytes ? name : std::string();
}

// What has been gathered so far.
struct Gathered {
  std::vector<SrvTarget> targets;
  std::optional<uint32_t> ttl;  // Seconds.
  bool not_offered = false;
};

// The data of one SRV record, which the reader stands before.
bool ReadTarget(Reader& reader, uint32_t length, Gathered& gathered) {
  const size_t begin = reader.at();
  if (length < kSrvFixedBytes) {
    return false;
  }
  SrvTarget target;
  target.priority = static_cast<uint16_t>(reader.Number(2));
  target.weight = static_cast<uint16_t>(reader.Number(2));
  target.port = static_cast<uint16_t>(reader.Number(2));
  auto name = reader.Name();
  if (!name || reader.at() != begin + length) {
    return false;
  }
  gathered.not_offered |= name->empty();
  target.host = HostOf(*std::move(name));
  if (!target.host.empty() && target.port != 0) {
    gathered.targets.push_back(std::move(target));
  }
  return true;
}

bool ReadRecord(Reader& reader, Gathered& gathered) {
  if (!reader.Name() || !reader.Has(kRecordTail)) {
    return false;
  }
  const uint32_t type = reader.Number(2);
  const uint32_t kind = reader.Number(2);
  const uint32_t ttl = reader.Number(4);
  const uint32_t length = reader.Number(2);
  if (!reader.Has(length)) {
    return false;
  }
  if (type != ns_t_srv || kind != ns_c_in) {
    return reader.Skip(length);
  }
  // RFC 2181, 8: one with the highest bit set is zero.
  const uint32_t seconds = ttl > INT32_MAX ? 0 : ttl;
  gathered.ttl = std::min(gathered.ttl.value_or(seconds), seconds);
  return ReadTarget(reader, length, gathered);
}

// Two records for one place are one: the first by priority, then by weight.
void Order(std::vector<SrvTarget>& targets) {
  std::ranges::sort(targets, {}, [](const SrvTarget& target) {
    return std::tuple(target.host, target.port, target.priority, -target.weight);
  });
  const auto repeated = std::ranges::unique(targets, [](const auto& one, const auto& other) {
    return one.host == other.host && one.port == other.port;
  });
  targets.erase(repeated.begin(), repeated.end());
  std::ranges::stable_sort(targets, {}, &SrvTarget::priority);
  targets.resize(std::min(targets.size(), limits::kMaxSrvTargets));
}

}  // namespace

Result<SrvAnswer> ReadSrvAnswer(std::string_view message) {
  Reader reader(message);
  if (!reader.Skip(4) || !reader.Has(kHeaderBytes - 4)) {
    return Malformed();
  }
  const uint32_t questions = reader.Number(2);
  const uint32_t answers = reader.Number(2);
  reader.Number(4);
  for (uint32_t i = 0; i < questions; ++i) {
    if (!reader.Name() || !reader.Skip(kQuestionTail)) {
      return Malformed();
    }
  }
  Gathered gathered;
  for (uint32_t i = 0; i < answers; ++i) {
    if (!ReadRecord(reader, gathered)) {
      return Malformed();
    }
  }
  if (gathered.targets.empty() && !gathered.not_offered) {
    return Unavailable("dns.failed", "the name has no SRV record that names a host and a port");
  }
  Order(gathered.targets);
  return SrvAnswer{std::move(gathered.targets), std::chrono::seconds(gathered.ttl.value_or(0))};
}

}  // namespace entente::net
