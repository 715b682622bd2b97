#include "participant-sdk/src/prepared_names.h"

namespace entente::sdk {
namespace {

constexpr size_t kHashDigits = 16;
constexpr size_t kMaxPrefixBytes = 16;
constexpr size_t kMaxNodeBytes = 32;

// FNV-1a. Names are kept by the server through restarts and upgrades: never change it.
std::string Hash(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const unsigned char c : text) {
    hash = (hash ^ c) * 0x100000001b3;
  }
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string digits(kHashDigits, '0');
  for (size_t i = kHashDigits; i-- > 0; hash >>= 4) {
    digits[i] = kDigits[hash & 0xf];
  }
  return digits;
}

bool IsWord(std::string_view text, size_t max_bytes) {
  return !text.empty() && text.size() <= max_bytes &&
         text.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
             "0123456789._-") == std::string_view::npos;
}

}  // namespace

std::string PreparedNameHead(std::string_view prefix, std::string_view node) {
  return std::string(prefix) + ":" + std::string(node) + ":";
}

std::string PreparedName(const std::string& head, const Call& call, std::string_view database) {
  std::string parts = call.branch.str();
  parts.append(1, '\0').append(std::to_string(call.alternative)).append(1, '\0').append(database);
  return head + Hash(parts) + ":" + call.gid.str();
}

std::optional<Gid> GidOfPreparedName(std::string_view name, std::string_view head) {
  if (!name.starts_with(head) || name.size() <= head.size() + kHashDigits + 1 ||
      name[head.size() + kHashDigits] != ':') {
    return std::nullopt;
  }
  const std::string_view hash = name.substr(head.size(), kHashDigits);
  if (hash.find_first_not_of("0123456789abcdef") != std::string_view::npos) {
    return std::nullopt;
  }
  return Gid(std::string(name.substr(head.size() + kHashDigits + 1)));
}

Status CheckPreparedNameParts(std::string_view prefix, std::string_view node) {
  if (!IsWord(prefix, kMaxPrefixBytes) || !IsWord(node, kMaxNodeBytes)) {
    return InvalidArgument("resource.bad_name",
                           "prefix '" + std::string(prefix) + "' and node '" + std::string(node) +
                               "' must be words of letters, digits, '.', '_' and '-', of at most " +
                               std::to_string(kMaxPrefixBytes) + " and " +
                               std::to_string(kMaxNodeBytes) + " bytes");
  }
  return Status();
}

}  // namespace entente::sdk
