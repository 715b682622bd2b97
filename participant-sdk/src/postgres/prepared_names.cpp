#include "participant-sdk/src/postgres/prepared_names.h"

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
  const std::string coordinator = call.coordinator.empty() ? "" : "@" + call.coordinator;
  return head + Hash(parts) + coordinator + ":" + call.gid.str();
}

std::optional<PreparedNameParts> ReadPreparedName(std::string_view name, std::string_view head) {
  if (!name.starts_with(head)) {
    return std::nullopt;
  }
  name.remove_prefix(head.size());
  const size_t colon = name.find(':');
  if (colon == std::string_view::npos || colon + 1 == name.size()) {
    return std::nullopt;
  }
  PreparedNameParts parts{Gid(std::string(name.substr(colon + 1)))};
  const std::string_view tag = name.substr(0, colon);
  const size_t at = tag.find('@');
  const std::string_view hash = tag.substr(0, at);
  if (hash.size() != kHashDigits ||
      hash.find_first_not_of("0123456789abcdef") != std::string_view::npos) {
    return std::nullopt;
  }
  if (at != std::string_view::npos) {
    parts.coordinator = tag.substr(at + 1);
    if (!IsCoordinatorId(parts.coordinator)) {
      return std::nullopt;
    }
  }
  return parts;
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
