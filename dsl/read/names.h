// What may be a name, and what to say of what may not.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace entente::dsl {

struct BadName {
  std::string message;
  std::string suggestion;
};

// Names of definitions, participants and signals: a letter or digit, then letters, digits, ".", "_"
// and "-", at most limits::kMaxNameBytes. `what` is for the message: "a definition's name".
[[nodiscard]] std::optional<BadName> CheckName(std::string_view name, std::string_view what);

// Step ids are written in expressions (`steps.flight.output`), so they are CEL identifiers.
[[nodiscard]] std::optional<BadName> CheckStepId(std::string_view id);

// Label keys: as names, and "/"; at most limits::kMaxLabelBytes.
[[nodiscard]] std::optional<BadName> CheckLabelKey(std::string_view key);

// HTTP header names (RFC 9110 tokens) and gRPC metadata keys (lower case, not binary), without
// those that the protocol or the coordinator sets.
[[nodiscard]] std::optional<BadName> CheckHeaderName(std::string_view name);
[[nodiscard]] std::optional<BadName> CheckMetadataKey(std::string_view key);

// A name in a protocol buffers file: "Reserve"; with dots, "travel.v1.Hotels".
[[nodiscard]] bool IsProtoIdentifier(std::string_view name);
[[nodiscard]] bool IsProtoFullName(std::string_view name);

}  // namespace entente::dsl
