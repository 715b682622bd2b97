// Base64 (RFC 4648, the standard alphabet).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace entente {

// Padded.
[[nodiscard]] std::string EncodeBase64(std::string_view octets);

// The bytes that `text` stands for, or nothing. The padding may be left out.
[[nodiscard]] std::optional<std::string> DecodeBase64(std::string_view text);

}  // namespace entente
