#include "base/ids.h"

#include <array>

#include "base/limits.h"

namespace entente {
namespace {

bool IsAlphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

constexpr char kChildMark = '~';

}  // namespace

Status ValidateGid(std::string_view gid) {
  bool valid = !gid.empty() && gid.size() <= limits::kMaxGidBytes && IsAlphanumeric(gid.front());
  for (const char c : gid) {
    valid = valid && (IsAlphanumeric(c) || c == '.' || c == '_' || c == '-');
  }
  if (!valid) {
    return InvalidArgument("gid.invalid",
                           "gid '" + std::string(gid.substr(0, limits::kMaxGidBytes)) +
                               "' is not valid: use 1 to " + std::to_string(limits::kMaxGidBytes) +
                               " of A-Z a-z 0-9 . _ - and begin with a letter or digit");
  }
  return {};
}

Gid ChildGid(const Gid& parent, const BranchId& branch) {
  // ':' separates a forEach index in a branch; in paths it would start a custom verb (":cancel").
  std::string name = parent.str() + kChildMark + branch.str();
  for (size_t i = parent.str().size(); i < name.size(); ++i) {
    if (name[i] == ':') {
      name[i] = '.';
    }
  }
  return Gid(std::move(name));
}

ShardId ShardOf(const Gid& gid) {
  uint64_t hash = 14695981039346656037ULL;
  for (const char c : gid.str()) {
    if (c == kChildMark) {
      break;
    }
    hash ^= static_cast<unsigned char>(c);
    hash *= 1099511628211ULL;
  }
  return ShardId(hash % kShardCount);
}

std::string FormatUuidV7(uint64_t unix_milliseconds, uint64_t entropy_high, uint64_t entropy_low) {
  // RFC 9562, 5.7: 48 bits of time, version 7, 12 random bits, variant 0b10, 62 random bits.
  const uint64_t high = (unix_milliseconds << 16) | 0x7000U | (entropy_high & 0x0FFFU);
  const uint64_t low = (uint64_t{0b10} << 62) | (entropy_low & ((uint64_t{1} << 62) - 1));
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(36);
  const auto append = [&text](uint64_t value, int first_nibble, int last_nibble) {
    for (int nibble = first_nibble; nibble <= last_nibble; ++nibble) {
      text.push_back(kDigits[(value >> (60 - 4 * nibble)) & 0xF]);
    }
  };
  append(high, 0, 7);
  text.push_back('-');
  append(high, 8, 11);
  text.push_back('-');
  append(high, 12, 15);
  text.push_back('-');
  append(low, 0, 3);
  text.push_back('-');
  append(low, 4, 15);
  return text;
}

}  // namespace entente
