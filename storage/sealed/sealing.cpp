#include "storage/sealed/sealing.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <array>
#include <cstring>
#include <memory>

#include "base/check.h"

namespace entente::storage {
namespace {

constexpr size_t kBlock = 16;
constexpr size_t kHalf = kSealNonceBytes / 2;

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;
using Block = std::array<uint8_t, kBlock>;
using MessageKey = std::array<uint8_t, EncryptionKey::kBytes>;

const uint8_t* Bytes(std::string_view text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

// Makes the keys of messages, for one thread: setting a key up costs more than a short message.
class Deriver {
 public:
  explicit Deriver(const EncryptionKey& key) : serial_(key.serial()), aes_(EVP_CIPHER_CTX_new()) {
    ENTENTE_CHECK(aes_ != nullptr);
    ENTENTE_CHECK(EVP_EncryptInit_ex(aes_.get(), EVP_aes_256_ecb(), nullptr, key.bytes().data(),
                                     nullptr) == 1);
    ENTENTE_CHECK(EVP_CIPHER_CTX_set_padding(aes_.get(), 0) == 1);
    Block zero{};
    Encrypt(zero.data(), zero.size(), subkey_.data());
    // CMAC's first subkey (NIST SP 800-38B, 6.1): doubling in GF(2^128).
    const bool carries = (subkey_[0] & 0x80) != 0;
    for (size_t i = 0; i + 1 < kBlock; ++i) {
      subkey_[i] = static_cast<uint8_t>(subkey_[i] << 1 | subkey_[i + 1] >> 7);
    }
    subkey_[kBlock - 1] = static_cast<uint8_t>(subkey_[kBlock - 1] << 1 ^ (carries ? 0x87 : 0));
  }

  [[nodiscard]] uint64_t serial() const { return serial_; }

  MessageKey KeyOf(std::string_view nonce) {
    std::array<uint8_t, 2 * kBlock> blocks{};
    for (size_t i = 0; i < 2; ++i) {
      uint8_t* const block = blocks.data() + i * kBlock;
      block[1] = static_cast<uint8_t>(i + 1);
      block[2] = 'X';
      std::memcpy(block + kBlock - kHalf, nonce.data(), kHalf);
      for (size_t byte = 0; byte < kBlock; ++byte) {
        block[byte] ^= subkey_[byte];
      }
    }
    MessageKey key;
    Encrypt(blocks.data(), blocks.size(), key.data());
    return key;
  }

 private:
  void Encrypt(const uint8_t* from, size_t size, uint8_t* to) {
    int written = 0;
    ENTENTE_CHECK(EVP_EncryptUpdate(aes_.get(), to, &written, from, static_cast<int>(size)) == 1);
    ENTENTE_CHECK(written == static_cast<int>(size));
  }

  uint64_t serial_;
  Context aes_;
  Block subkey_{};
};

// A thread uses one key nearly always: the one that writes.
MessageKey KeyOf(const EncryptionKey& key, std::string_view nonce) {
  thread_local std::unique_ptr<Deriver> latest;
  if (latest == nullptr || latest->serial() != key.serial()) {
    latest = std::make_unique<Deriver>(key);
  }
  return latest->KeyOf(nonce.substr(0, kHalf));
}

// With its cipher looked up already, which takes longer than a short message.
Context NewGcm(bool encrypts) {
  Context context(EVP_CIPHER_CTX_new());
  ENTENTE_CHECK(context != nullptr);
  ENTENTE_CHECK(EVP_CipherInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, nullptr, nullptr,
                                  encrypts ? 1 : 0) == 1);
  return context;
}

EVP_CIPHER_CTX* Encrypting() {
  thread_local const Context context = NewGcm(true);
  return context.get();
}
EVP_CIPHER_CTX* Decrypting() {
  thread_local const Context context = NewGcm(false);
  return context.get();
}

}  // namespace

void SealUnder(const EncryptionKey& key, std::string_view nonce, std::string_view bound,
               std::string_view plain, std::string& out) {
  ENTENTE_CHECK(nonce.size() == kSealNonceBytes);
  MessageKey message_key = KeyOf(key, nonce);
  EVP_CIPHER_CTX* const gcm = Encrypting();
  const size_t begin = out.size();
  out.append(nonce);
  out.resize(begin + kSealNonceBytes + plain.size() + kSealTagBytes);
  auto* const to = reinterpret_cast<uint8_t*>(out.data() + begin + kSealNonceBytes);
  int written = 0;
  ENTENTE_CHECK(EVP_EncryptInit_ex(gcm, nullptr, nullptr, message_key.data(),
                                   Bytes(nonce.substr(kHalf))) == 1);
  ENTENTE_CHECK(
      EVP_EncryptUpdate(gcm, nullptr, &written, Bytes(bound), static_cast<int>(bound.size())) == 1);
  ENTENTE_CHECK(
      EVP_EncryptUpdate(gcm, to, &written, Bytes(plain), static_cast<int>(plain.size())) == 1);
  ENTENTE_CHECK(EVP_EncryptFinal_ex(gcm, to + plain.size(), &written) == 1);
  ENTENTE_CHECK(EVP_CIPHER_CTX_ctrl(gcm, EVP_CTRL_GCM_GET_TAG, kSealTagBytes, to + plain.size()) ==
                1);
  OPENSSL_cleanse(message_key.data(), message_key.size());
}

void Seal(const EncryptionKey& key, std::string_view bound, std::string_view plain,
          std::string& out) {
  std::array<char, kSealNonceBytes> nonce{};
  ENTENTE_CHECK(RAND_bytes(reinterpret_cast<uint8_t*>(nonce.data()), kSealNonceBytes) == 1);
  SealUnder(key, std::string_view(nonce.data(), nonce.size()), bound, plain, out);
}

std::optional<std::string> Unseal(const EncryptionKey& key, std::string_view bound,
                                  std::string_view sealed) {
  if (sealed.size() < kSealNonceBytes + kSealTagBytes) {
    return std::nullopt;
  }
  const std::string_view nonce = sealed.substr(0, kSealNonceBytes);
  const std::string_view body =
      sealed.substr(kSealNonceBytes, sealed.size() - kSealNonceBytes - kSealTagBytes);
  std::string tag(sealed.substr(sealed.size() - kSealTagBytes));
  MessageKey message_key = KeyOf(key, nonce);
  EVP_CIPHER_CTX* const gcm = Decrypting();
  std::string plain(body.size(), '\0');
  auto* const to = reinterpret_cast<uint8_t*>(plain.data());
  int written = 0;
  ENTENTE_CHECK(EVP_DecryptInit_ex(gcm, nullptr, nullptr, message_key.data(),
                                   Bytes(nonce.substr(kHalf))) == 1);
  OPENSSL_cleanse(message_key.data(), message_key.size());
  ENTENTE_CHECK(
      EVP_DecryptUpdate(gcm, nullptr, &written, Bytes(bound), static_cast<int>(bound.size())) == 1);
  ENTENTE_CHECK(EVP_DecryptUpdate(gcm, to, &written, Bytes(body), static_cast<int>(body.size())) ==
                1);
  ENTENTE_CHECK(EVP_CIPHER_CTX_ctrl(gcm, EVP_CTRL_GCM_SET_TAG, kSealTagBytes, tag.data()) == 1);
  if (EVP_DecryptFinal_ex(gcm, to + plain.size(), &written) != 1) {
    OPENSSL_cleanse(plain.data(), plain.size());
    return std::nullopt;
  }
  return plain;
}

}  // namespace entente::storage
