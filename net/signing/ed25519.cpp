#include "net/signing/ed25519.h"

#include <utility>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/base64.h"
#include "base/check.h"

namespace entente::net {
namespace {

using KeyPtr = std::shared_ptr<EVP_PKEY>;

struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using ContextPtr = std::unique_ptr<EVP_MD_CTX, FreeContext>;

const unsigned char* Octets(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// Whatever OpenSSL noted of a failure must not be taken for the cause of a later one.
Status Invalid(const std::string& what) {
  ERR_clear_error();
  return InvalidArgument("key.invalid", what);
}

KeyPtr Own(EVP_PKEY* key) {
  return {key, &EVP_PKEY_free};
}

template <int (*kGet)(const EVP_PKEY*, unsigned char*, size_t*)>
std::string RawBytes(const EVP_PKEY& key) {
  std::string bytes(kEd25519KeyBytes, '\0');
  size_t size = bytes.size();
  ENTENTE_CHECK(kGet(&key, reinterpret_cast<unsigned char*>(bytes.data()), &size) == 1);
  ENTENTE_CHECK(size == kEd25519KeyBytes);
  return bytes;
}

// Reads no pass phrase from a terminal.
int NoPassPhrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*argument*/) {
  return -1;
}

template <auto kRead>
KeyPtr ReadPemKey(std::string_view text) {
  const std::unique_ptr<BIO, FreeBio> bio(
      BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  ENTENTE_CHECK(bio != nullptr);
  KeyPtr key = Own(kRead(bio.get(), nullptr, &NoPassPhrase, nullptr));
  return key != nullptr && EVP_PKEY_id(key.get()) == EVP_PKEY_ED25519 ? key : nullptr;
}

// The members that RFC 8037 names, in the order and form that RFC 7638 asks for.
std::string Thumbprint(std::string_view bytes) {
  return EncodeBase64Url(
      Sha256(R"({"crv":"Ed25519","kty":"OKP","x":")" + EncodeBase64Url(bytes) + R"("})"));
}

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const size_t begin = text.find_first_not_of(kBlanks);
  return begin == std::string_view::npos
             ? std::string_view()
             : text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

}  // namespace

std::string Sha256(std::string_view octets) {
  // Looking it up costs more than hashing a short text with it; kept until the process ends.
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  ENTENTE_CHECK(algorithm != nullptr);
  std::string digest(32, '\0');
  ENTENTE_CHECK(EVP_Digest(octets.data(), octets.size(),
                           reinterpret_cast<unsigned char*>(digest.data()), nullptr, algorithm,
                           nullptr) == 1);
  return digest;
}

VerifyingKey::VerifyingKey(std::shared_ptr<evp_pkey_st> key, std::string bytes)
    : key_(std::move(key)), bytes_(std::move(bytes)), id_(Thumbprint(bytes_)) {}

Result<VerifyingKey> VerifyingKey::FromBytes(std::string_view bytes) {
  if (bytes.size() != kEd25519KeyBytes) {
    return Invalid("a public key of Ed25519 has 32 bytes, not " + std::to_string(bytes.size()));
  }
  KeyPtr key =
      Own(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, Octets(bytes), kEd25519KeyBytes));
  if (key == nullptr) {
    return Invalid("these 32 bytes are no public key of Ed25519");
  }
  return VerifyingKey(std::move(key), std::string(bytes));
}

Result<VerifyingKey> VerifyingKey::Read(std::string_view text) {
  const std::string_view trimmed = Trimmed(text);
  if (!trimmed.starts_with("-----BEGIN")) {
    const auto bytes = DecodeBase64Url(trimmed);
    return bytes ? FromBytes(*bytes)
                 : Invalid(
                       "a public key is a PEM text, or 32 bytes in base64url, as the member x of "
                       "its JWK");
  }
  const KeyPtr key = ReadPemKey<&PEM_read_bio_PUBKEY>(trimmed);
  return key != nullptr ? FromBytes(RawBytes<&EVP_PKEY_get_raw_public_key>(*key))
                        : Invalid("the PEM text holds no public key of Ed25519");
}

bool VerifyingKey::Verifies(std::string_view message, std::string_view signature) const {
  const ContextPtr context(EVP_MD_CTX_new());
  ENTENTE_CHECK(context != nullptr);
  ENTENTE_CHECK(EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key_.get()) == 1);
  const bool good = EVP_DigestVerify(context.get(), Octets(signature), signature.size(),
                                     Octets(message), message.size()) == 1;
  if (!good) {
    ERR_clear_error();
  }
  return good;
}

SigningKey::SigningKey(std::shared_ptr<evp_pkey_st> key, VerifyingKey public_key)
    : key_(std::move(key)), public_key_(std::move(public_key)) {}

Result<SigningKey> SigningKey::Make(std::shared_ptr<evp_pkey_st> key) {
  ENTENTE_ASSIGN_OR_RETURN(VerifyingKey public_key,
                           VerifyingKey::FromBytes(RawBytes<&EVP_PKEY_get_raw_public_key>(*key)));
  return SigningKey(std::move(key), std::move(public_key));
}

SigningKey SigningKey::Generate() {
  KeyPtr key = Own(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  ENTENTE_CHECK(key != nullptr);
  return std::move(Make(std::move(key))).value();
}

Result<SigningKey> SigningKey::FromSeed(std::string_view seed) {
  if (seed.size() != kEd25519KeyBytes) {
    return Invalid("a private key of Ed25519 has 32 bytes, not " + std::to_string(seed.size()));
  }
  KeyPtr key =
      Own(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, Octets(seed), kEd25519KeyBytes));
  return key != nullptr ? Make(std::move(key))
                        : Invalid("these 32 bytes are no private key of Ed25519");
}

Result<SigningKey> SigningKey::ReadPem(std::string_view text) {
  KeyPtr key = ReadPemKey<&PEM_read_bio_PrivateKey>(Trimmed(text));
  return key != nullptr
             ? Make(std::move(key))
             : Invalid(
                   "the text holds no private key of Ed25519 in PEM without a pass phrase, as "
                   "`openssl genpkey -algorithm ed25519` writes it");
}

std::string SigningKey::seed() const {
  return RawBytes<&EVP_PKEY_get_raw_private_key>(*key_);
}

std::string SigningKey::Sign(std::string_view message) const {
  const ContextPtr context(EVP_MD_CTX_new());
  ENTENTE_CHECK(context != nullptr);
  ENTENTE_CHECK(EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) == 1);
  std::string signature(kEd25519SignatureBytes, '\0');
  size_t size = signature.size();
  ENTENTE_CHECK(EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()),
                               &size, Octets(message), message.size()) == 1);
  ENTENTE_CHECK(size == kEd25519SignatureBytes);
  return signature;
}

}  // namespace entente::net
