// Keys and signatures of Ed25519 (RFC 8032). What is done for each call is libsodium's, which takes
// half of OpenSSL's time for it; PEM texts are read by OpenSSL.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

namespace entente::net {

inline constexpr size_t kEd25519KeyBytes = 32;  // Of a seed and of a public key.
inline constexpr size_t kEd25519SignatureBytes = 64;

// A public key. A value type; thread-safe.
class VerifyingKey {
 public:
  // 32 raw bytes. Fails with kInvalidArgument, reason key.invalid.
  [[nodiscard]] static Result<VerifyingKey> FromBytes(std::string_view bytes);

  // As people hand one on: a PEM file's text ("-----BEGIN PUBLIC KEY-----"), or the 32 bytes as
  // base64url, which is the member "x" of its JWK. Fails with kInvalidArgument, reason key.invalid.
  [[nodiscard]] static Result<VerifyingKey> Read(std::string_view text);

  // Its name, which follows from its bytes: the thumbprint of RFC 7638 (SHA-256, base64url).
  [[nodiscard]] const std::string& id() const { return id_; }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

  // Whether `signature` is one of `message` by this key. Any bytes may come. Never of a key that is
  // no point of the curve, or one of those few whose signatures fit any message.
  [[nodiscard]] bool Verifies(std::string_view message, std::string_view signature) const;

 private:
  explicit VerifyingKey(std::string bytes);

  std::string bytes_;
  std::string id_;
};

// A private key. Immutable; thread-safe. Its seed is wiped from memory with the last copy, not from
// the text it was made of.
class SigningKey {
 public:
  // By the operating system's generator.
  [[nodiscard]] static SigningKey Generate();

  // 32 raw bytes. Fails with kInvalidArgument, reason key.invalid.
  [[nodiscard]] static Result<SigningKey> FromSeed(std::string_view seed);

  // The text of a PEM file, as `openssl genpkey -algorithm ed25519` writes it, without a pass
  // phrase. Fails with kInvalidArgument, reason key.invalid.
  [[nodiscard]] static Result<SigningKey> ReadPem(std::string_view text);

  [[nodiscard]] std::string seed() const;
  [[nodiscard]] const VerifyingKey& public_key() const { return public_key_; }
  [[nodiscard]] const std::string& id() const { return public_key_.id(); }

  // 64 raw bytes, always the same ones for the same message.
  [[nodiscard]] std::string Sign(std::string_view message) const;

 private:
  struct Secret;

  SigningKey(std::shared_ptr<const Secret> secret, VerifyingKey public_key);

  std::shared_ptr<const Secret> secret_;  // Shared by the copies, so that it lies in one place.
  VerifyingKey public_key_;
};

// SHA-256 (FIPS 180-4), raw.
[[nodiscard]] std::string Sha256(std::string_view octets);

}  // namespace entente::net
