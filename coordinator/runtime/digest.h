// Hashes and message authentication, by OpenSSL.
#pragma once

#include <string>
#include <string_view>

namespace entente::runtime {

// Lower-case hexadecimal SHA-256 (FIPS 180-4).
[[nodiscard]] std::string Sha256Hex(std::string_view text);

// The first 16 bytes of HMAC-SHA-256 (RFC 2104), raw.
[[nodiscard]] std::string Hmac128(std::string_view key, std::string_view text);

// Compares in time that depends on the lengths only.
[[nodiscard]] bool EqualInConstantTime(std::string_view a, std::string_view b);

// `bytes` bytes from the operating system's generator, raw.
[[nodiscard]] std::string RandomBytes(size_t bytes);

// RFC 4648 base64url without padding. Decoding refuses anything else by returning an empty string.
[[nodiscard]] std::string ToBase64Url(std::string_view bytes);
[[nodiscard]] std::string FromBase64Url(std::string_view text);

}  // namespace entente::runtime
