// Names of prepared transactions: "prefix:node:hash@coordinator:gid", or "prefix:node:hash:gid" if
// the coordinator did not say who it is. Internal to the SDK.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "entente/call.h"

namespace entente::sdk {

// PostgreSQL's limit is 200 bytes with the terminator.
inline constexpr size_t kMaxPreparedNameBytes = 199;

// "prefix:node:", with which all names of one participant begin.
[[nodiscard]] std::string PreparedNameHead(std::string_view prefix, std::string_view node);

// The hash tells branches, alternatives and databases apart: names are unique in a whole cluster.
[[nodiscard]] std::string PreparedName(const std::string& head, const Call& call,
                                       std::string_view database);

// What a name tells of whoever prepared it.
struct PreparedNameParts {
  Gid gid = {};
  std::string coordinator = {};  // Empty: not known.
};
// Of a name that PreparedName made with the same head.
[[nodiscard]] std::optional<PreparedNameParts> ReadPreparedName(std::string_view name,
                                                                std::string_view head);

[[nodiscard]] Status CheckPreparedNameParts(std::string_view prefix, std::string_view node);

}  // namespace entente::sdk
