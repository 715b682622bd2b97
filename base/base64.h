// Base64 and base64url (RFC 4648).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace entente {

// Padded.
[[nodiscard]] std::string EncodeBase64(std::string_view octets);

// The bytes that `text` stands for, or nothing. The padding may be left out.
[[nodiscard]] std::optional<std::string> DecodeBase64(std::string_view text);

// Base64url without padding. Decoding refuses padding, and a second text for the same bytes.
[[nodiscard]] std::string EncodeBase64Url(std::string_view octets);
[[nodiscard]] std::optional<std::string> DecodeBase64Url(std::string_view text);

}  // namespace entente
