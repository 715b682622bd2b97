// The keys that a store is encrypted with.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace entente::storage {

// Names a key without telling of it: it is made of the key, so that a name that fits is the key.
using KeyId = std::array<uint8_t, 4>;

// Eight hexadecimal digits, as operators see it.
[[nodiscard]] std::string KeyName(const KeyId& id);

// A key of 256 bits, which is wiped when it goes.
class EncryptionKey {
 public:
  static constexpr size_t kBytes = 32;

  // `bytes` has kBytes.
  explicit EncryptionKey(std::string_view bytes);
  ~EncryptionKey();
  EncryptionKey(const EncryptionKey&) = delete;
  EncryptionKey& operator=(const EncryptionKey&) = delete;

  [[nodiscard]] const KeyId& id() const { return id_; }
  [[nodiscard]] const std::array<uint8_t, kBytes>& bytes() const { return bytes_; }
  // Unlike that of any other key object of this process.
  [[nodiscard]] uint64_t serial() const { return serial_; }

 private:
  std::array<uint8_t, kBytes> bytes_;
  KeyId id_;
  uint64_t serial_;
};

// The keys of one file. Immutable, hence safe to share between threads; shared because every reader
// and writer of a store uses it.
class KeyRing {
 public:
  // One key to a line, as base64 of 32 bytes (`openssl rand -base64 32`); empty lines and those
  // that begin with # count for nothing. The first encrypts what is written, all open what is read.
  // A first line `plain` instead: what is written is not encrypted. kInvalidArgument,
  // encryption.bad_key, naming the line, never what stands there.
  [[nodiscard]] static Result<std::shared_ptr<const KeyRing>> Parse(std::string_view text);

  // Reads such a file, which others may neither write nor read: kInvalidArgument,
  // encryption.bad_file or .bad_key, naming it. Blocks.
  [[nodiscard]] static Result<std::shared_ptr<const KeyRing>> Read(const std::string& path);

  // Null: what is written is not encrypted.
  [[nodiscard]] const EncryptionKey* writing() const {
    return writes_plain_ ? nullptr : keys_.front().get();
  }
  // Null: it is not among them.
  [[nodiscard]] const EncryptionKey* Find(const KeyId& id) const;
  [[nodiscard]] const EncryptionKey* Find(std::string_view name) const;

 private:
  KeyRing() = default;

  std::vector<std::unique_ptr<const EncryptionKey>> keys_;  // Never empty.
  bool writes_plain_ = false;
};

}  // namespace entente::storage
