#include "net/signing/ed25519.h"

#include <array>
#include <utility>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sodium.h>

#include "base/base64.h"
#include "base/check.h"

namespace entente::net {
namespace {

using KeyPtr = std::shared_ptr<EVP_PKEY>;

struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
static_assert(crypto_sign_SEEDBYTES == kEd25519KeyBytes);
static_assert(crypto_sign_PUBLICKEYBYTES == kEd25519KeyBytes);
static_assert(crypto_sign_BYTES == kEd25519SignatureBytes);

const unsigned char* Octets(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// Whatever OpenSSL noted of a failure must not be taken for the cause of a later one.
Status Invalid(const std::string& what) {
  ERR_clear_error();
  return InvalidArgument("key.invalid", what);
}

// Before anything else of it is used; a second time does nothing. From any thread.
void BeginSodium() {
  static const bool begun = sodium_init() >= 0;
  ENTENTE_CHECK(begun);
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

VerifyingKey::VerifyingKey(std::string bytes) : bytes_(std::move(bytes)), id_(Thumbprint(bytes_)) {}

Result<VerifyingKey> VerifyingKey::FromBytes(std::string_view bytes) {
  if (bytes.size() != kEd25519KeyBytes) {
    return Invalid("a public key of Ed25519 has 32 bytes, not " + std::to_string(bytes.size()));
  }
  return VerifyingKey(std::string(bytes));
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
  BeginSodium();
  return signature.size() == kEd25519SignatureBytes &&
         crypto_sign_verify_detached(Octets(signature), Octets(message), message.size(),
                                     Octets(bytes_)) == 0;
}

// As libsodium has it: the seed, then the public key.
struct SigningKey::Secret {
  std::array<unsigned char, crypto_sign_SECRETKEYBYTES> bytes{};

  Secret() = default;
  ~Secret() { sodium_memzero(bytes.data(), bytes.size()); }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
};

SigningKey::SigningKey(std::shared_ptr<const Secret> secret, VerifyingKey public_key)
    : secret_(std::move(secret)), public_key_(std::move(public_key)) {}

SigningKey SigningKey::Generate() {
  BeginSodium();
  std::string seed(kEd25519KeyBytes, '\0');
  randombytes_buf(seed.data(), seed.size());
  Result<SigningKey> key = FromSeed(seed);
  sodium_memzero(seed.data(), seed.size());
  return std::move(key).value();
}

Result<SigningKey> SigningKey::FromSeed(std::string_view seed) {
  if (seed.size() != kEd25519KeyBytes) {
    return Invalid("a private key of Ed25519 has 32 bytes, not " + std::to_string(seed.size()));
  }
  BeginSodium();
  auto secret = std::make_shared<Secret>();
  std::array<unsigned char, kEd25519KeyBytes> bytes{};
  ENTENTE_CHECK(crypto_sign_seed_keypair(bytes.data(), secret->bytes.data(), Octets(seed)) == 0);
  ENTENTE_ASSIGN_OR_RETURN(
      VerifyingKey public_key,
      VerifyingKey::FromBytes({reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
  return SigningKey(std::move(secret), std::move(public_key));
}

Result<SigningKey> SigningKey::ReadPem(std::string_view text) {
  const KeyPtr key = ReadPemKey<&PEM_read_bio_PrivateKey>(Trimmed(text));
  return key != nullptr
             ? FromSeed(RawBytes<&EVP_PKEY_get_raw_private_key>(*key))
             : Invalid(
                   "the text holds no private key of Ed25519 in PEM without a pass phrase, as "
                   "`openssl genpkey -algorithm ed25519` writes it");
}

std::string SigningKey::seed() const {
  return {reinterpret_cast<const char*>(secret_->bytes.data()), kEd25519KeyBytes};
}

std::string SigningKey::Sign(std::string_view message) const {
  std::string signature(kEd25519SignatureBytes, '\0');
  ENTENTE_CHECK(crypto_sign_detached(reinterpret_cast<unsigned char*>(signature.data()), nullptr,
                                     Octets(message), message.size(), secret_->bytes.data()) == 0);
  return signature;
}

}  // namespace entente::net
