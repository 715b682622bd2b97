// Hashes and message authentication, by OpenSSL.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace entente::runtime {

// Lower-case hexadecimal SHA-256 (FIPS 180-4).
[[nodiscard]] std::string Sha256Hex(std::string_view text);

// HMAC-SHA-256 (RFC 2104) with one key, whose two blocks are hashed once. Immutable; thread-safe.
class Hmac {
 public:
  explicit Hmac(std::string_view key);
  ~Hmac();
  Hmac(const Hmac&) = delete;
  Hmac& operator=(const Hmac&) = delete;

  // The first 16 bytes of the code, raw.
  [[nodiscard]] std::string Of(std::string_view text) const;

 private:
  struct Keyed;
  std::unique_ptr<const Keyed> keyed_;
};

// Lower-case hexadecimal digits.
[[nodiscard]] std::string ToHex(std::string_view bytes);

// Compares in time that depends on the lengths only.
[[nodiscard]] bool EqualInConstantTime(std::string_view a, std::string_view b);

// `bytes` bytes from the operating system's generator, raw.
[[nodiscard]] std::string RandomBytes(size_t bytes);

// RFC 4648 base64url without padding. Decoding refuses anything else, also a second text for the
// same bytes, by returning an empty string.
[[nodiscard]] std::string ToBase64Url(std::string_view bytes);
[[nodiscard]] std::string FromBase64Url(std::string_view text);

}  // namespace entente::runtime
