#include "runtime/digest.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include "base/base64.h"
#include "base/check.h"

namespace entente::runtime {
namespace {

using Hash = std::array<unsigned char, SHA256_DIGEST_LENGTH>;

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_MD_CTX, FreeContext>;

Context NewContext() {
  Context context(EVP_MD_CTX_new());
  ENTENTE_CHECK(context != nullptr);
  return context;
}

// Looking an algorithm up costs more than hashing a short text with it: it is done once, and kept
// until the process ends.
const EVP_MD* Algorithm() {
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  ENTENTE_CHECK(algorithm != nullptr);
  return algorithm;
}

Hash Sha256(std::string_view text) {
  Hash hash{};
  ENTENTE_CHECK(EVP_Digest(text.data(), text.size(), hash.data(), nullptr, Algorithm(), nullptr) ==
                1);
  return hash;
}

}  // namespace

std::string Sha256Hex(std::string_view text) {
  const Hash hash = Sha256(text);
  return ToHex({reinterpret_cast<const char*>(hash.data()), hash.size()});
}

std::string ToHex(std::string_view bytes) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  hex.reserve(2 * bytes.size());
  for (const char byte : bytes) {
    hex.push_back(kDigits[static_cast<unsigned char>(byte) >> 4]);
    hex.push_back(kDigits[static_cast<unsigned char>(byte) & 0xF]);
  }
  return hex;
}

struct Hmac::Keyed {
  Context inner = NewContext();
  Context outer = NewContext();
};

Hmac::Hmac(std::string_view key) {
  std::array<unsigned char, SHA256_CBLOCK> block{};
  if (key.size() > block.size()) {
    const Hash hash = Sha256(key);
    std::copy(hash.begin(), hash.end(), block.begin());
  } else {
    std::copy(key.begin(), key.end(), block.begin());
  }
  auto keyed = std::make_unique<Keyed>();
  const auto begin = [&block](EVP_MD_CTX* context, unsigned char pad) {
    std::array<unsigned char, SHA256_CBLOCK> padded = block;
    for (unsigned char& byte : padded) {
      byte ^= pad;
    }
    ENTENTE_CHECK(EVP_DigestInit_ex(context, Algorithm(), nullptr) == 1);
    ENTENTE_CHECK(EVP_DigestUpdate(context, padded.data(), padded.size()) == 1);
  };
  begin(keyed->inner.get(), 0x36);
  begin(keyed->outer.get(), 0x5C);
  keyed_ = std::move(keyed);
}

Hmac::~Hmac() = default;

std::string Hmac::Of(std::string_view text) const {
  thread_local const Context scratch = NewContext();
  const auto finish = [](EVP_MD_CTX* from, std::string_view bytes) {
    Hash hash{};
    ENTENTE_CHECK(EVP_MD_CTX_copy_ex(scratch.get(), from) == 1);
    ENTENTE_CHECK(EVP_DigestUpdate(scratch.get(), bytes.data(), bytes.size()) == 1);
    ENTENTE_CHECK(EVP_DigestFinal_ex(scratch.get(), hash.data(), nullptr) == 1);
    return hash;
  };
  const Hash inner = finish(keyed_->inner.get(), text);
  const Hash outer =
      finish(keyed_->outer.get(), {reinterpret_cast<const char*>(inner.data()), inner.size()});
  return {reinterpret_cast<const char*>(outer.data()), 16};
}

bool EqualInConstantTime(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string RandomBytes(size_t bytes) {
  std::string out(bytes, '\0');
  const int drawn =
      RAND_bytes(reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(out.size()));
  ENTENTE_CHECK(drawn == 1);
  return out;
}

std::string ToBase64Url(std::string_view bytes) {
  return EncodeBase64Url(bytes);
}

std::string FromBase64Url(std::string_view text) {
  return DecodeBase64Url(text).value_or(std::string());
}

}  // namespace entente::runtime
