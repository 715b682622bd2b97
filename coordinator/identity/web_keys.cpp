#include "coordinator/identity/web_keys.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "base/base64.h"
#include "base/json.h"
#include "coordinator/identity/json_members.h"

namespace entente::identity {
namespace {

constexpr JsonLimits kKeysJson{kMaxWebKeysBytes, 8};
constexpr int kMinRsaBits = 2048;
constexpr int kMaxRsaBits = 8192;  // A larger one takes long to verify by.
constexpr size_t kCoordinateBytes = 32;
constexpr size_t kEd25519Bytes = 32;
constexpr size_t kEs256SignatureBytes = 2 * kCoordinateBytes;

template <auto kFree>
struct Freer {
  template <class T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using BigNumber = std::unique_ptr<BIGNUM, Freer<BN_free>>;
using ParamBuilder = std::unique_ptr<OSSL_PARAM_BLD, Freer<OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, Freer<OSSL_PARAM_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Freer<EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Freer<EVP_MD_CTX_free>>;
using EcSignature = std::unique_ptr<ECDSA_SIG, Freer<ECDSA_SIG_free>>;
using SharedKey = std::shared_ptr<EVP_PKEY>;

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());  // NOLINT: what OpenSSL takes.
}

Status Bad(const std::string& why) {
  return InvalidArgument("jwt.bad_keys", "the identity provider's keys can not be used: " + why);
}

// The bytes of a member; nothing if it is not there or no base64url.
std::optional<std::string> OctetsIn(const Json& key, const char* name) {
  const std::string text = TextIn(key, name);
  return text.empty() ? std::nullopt : DecodeBase64Url(text);
}

SharedKey Share(EVP_PKEY* key) {
  return key == nullptr ? nullptr : SharedKey(key, EVP_PKEY_free);
}

SharedKey FromParams(const char* kind, OSSL_PARAM_BLD* builder) {
  const Params params(OSSL_PARAM_BLD_to_param(builder));
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, kind, nullptr));
  EVP_PKEY* key = nullptr;
  const bool made = params != nullptr && context != nullptr &&
                    EVP_PKEY_fromdata_init(context.get()) == 1 &&
                    EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) == 1;
  return made ? Share(key) : nullptr;
}

SharedKey RsaKey(const Json& key) {
  const auto modulus = OctetsIn(key, "n");
  const auto exponent = OctetsIn(key, "e");
  const ParamBuilder builder(OSSL_PARAM_BLD_new());
  if (!modulus || !exponent || exponent->size() > 8 || builder == nullptr ||
      modulus->size() > kMaxRsaBits / 8) {
    return nullptr;
  }
  const BigNumber n(BN_bin2bn(Bytes(*modulus), static_cast<int>(modulus->size()), nullptr));
  const BigNumber e(BN_bin2bn(Bytes(*exponent), static_cast<int>(exponent->size()), nullptr));
  const bool sound = n != nullptr && e != nullptr && BN_num_bits(n.get()) >= kMinRsaBits &&
                     BN_is_odd(e.get()) == 1 && BN_is_one(e.get()) == 0;
  if (!sound || OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1) {
    return nullptr;
  }
  return FromParams("RSA", builder.get());
}

SharedKey EcKey(const Json& key) {
  const auto x = OctetsIn(key, "x");
  const auto y = OctetsIn(key, "y");
  const ParamBuilder builder(OSSL_PARAM_BLD_new());
  if (!x || !y || x->size() != kCoordinateBytes || y->size() != kCoordinateBytes ||
      builder == nullptr) {
    return nullptr;
  }
  const std::string point = '\x04' + *x + *y;  // Uncompressed.
  if (OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                       point.size()) != 1) {
    return nullptr;
  }
  SharedKey made = FromParams("EC", builder.get());
  // A point that is not on the curve verifies nothing that it should.
  const KeyContext check(made == nullptr ? nullptr : EVP_PKEY_CTX_new(made.get(), nullptr));
  return check != nullptr && EVP_PKEY_public_check(check.get()) == 1 ? made : nullptr;
}

SharedKey EdKey(const Json& key) {
  const auto x = OctetsIn(key, "x");
  return x && x->size() == kEd25519Bytes
             ? Share(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, Bytes(*x), x->size()))
             : nullptr;
}

// What a key of that kind signs by; nothing: a kind that is not ours.
std::optional<SigningAlgorithm> SignsBy(const Json& key) {
  const std::string kind = TextIn(key, "kty");
  const std::string curve = TextIn(key, "crv");
  std::optional<SigningAlgorithm> algorithm;
  if (kind == "RSA") {
    algorithm = SigningAlgorithm::kRs256;
  } else if (kind == "EC" && curve == "P-256") {
    algorithm = SigningAlgorithm::kEs256;
  } else if (kind == "OKP" && curve == "Ed25519") {
    algorithm = SigningAlgorithm::kEdDsa;
  }
  const bool other_use = key.contains("use") && TextIn(key, "use") != "sig";
  const bool other_algorithm =
      algorithm && key.contains("alg") && TextIn(key, "alg") != SigningAlgorithmName(*algorithm);
  return other_use || other_algorithm ? std::nullopt : algorithm;
}

SharedKey KeyOf(const Json& key, SigningAlgorithm algorithm) {
  ERR_clear_error();
  SharedKey made = algorithm == SigningAlgorithm::kRs256   ? RsaKey(key)
                   : algorithm == SigningAlgorithm::kEs256 ? EcKey(key)
                                                           : EdKey(key);
  ERR_clear_error();
  return made;
}

// RFC 7518, 3.4: both numbers, one after the other. OpenSSL takes DER.
std::string DerOf(std::string_view signature) {
  const EcSignature numbers(ECDSA_SIG_new());
  BigNumber r(BN_bin2bn(Bytes(signature), kCoordinateBytes, nullptr));
  BigNumber s(BN_bin2bn(Bytes(signature) + kCoordinateBytes, kCoordinateBytes, nullptr));
  if (numbers == nullptr || r == nullptr || s == nullptr ||
      ECDSA_SIG_set0(numbers.get(), r.get(), s.get()) != 1) {
    return {};
  }
  static_cast<void>(r.release());  // Theirs now.
  static_cast<void>(s.release());
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(numbers.get(), &der);
  std::string text(size > 0 ? reinterpret_cast<char*>(der) : "",  // NOLINT: as above.
                   size > 0 ? static_cast<size_t>(size) : 0);
  OPENSSL_free(der);
  return text;
}

bool Verifies(EVP_PKEY* key, SigningAlgorithm algorithm, std::string_view message,
              std::string_view signature) {
  std::string der;
  if (algorithm == SigningAlgorithm::kEs256) {
    if (signature.size() != kEs256SignatureBytes) {
      return false;
    }
    der = DerOf(signature);
    signature = der;
  }
  const DigestContext context(EVP_MD_CTX_new());
  const EVP_MD* digest = algorithm == SigningAlgorithm::kEdDsa ? nullptr : EVP_sha256();
  const bool verified = context != nullptr &&
                        EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key) == 1 &&
                        EVP_DigestVerify(context.get(), Bytes(signature), signature.size(),
                                         Bytes(message), message.size()) == 1;
  ERR_clear_error();
  return verified;
}

}  // namespace

std::string_view SigningAlgorithmName(SigningAlgorithm algorithm) {
  switch (algorithm) {
    case SigningAlgorithm::kRs256: return "RS256";
    case SigningAlgorithm::kEs256: return "ES256";
    case SigningAlgorithm::kEdDsa: return "EdDSA";
  }
  return "";
}

Result<WebKeys> WebKeys::Parse(std::string_view text) {
  const auto document = ParseJson(text, kKeysJson);
  if (!document.ok()) {
    return Bad(document.status().message());
  }
  const auto list = document->is_object() ? document->find("keys") : document->end();
  if (!document->is_object() || list == document->end() || !list->is_array()) {
    return Bad("they are no JWK set, an object with an array 'keys'");
  }
  if (list->size() > kMaxWebKeys) {
    return Bad("there are more than " + std::to_string(kMaxWebKeys));
  }
  WebKeys read;
  for (const Json& key : *list) {
    const auto algorithm = key.is_object() ? SignsBy(key) : std::nullopt;
    if (!algorithm) {
      continue;
    }
    Key made{TextIn(key, "kid"), *algorithm, KeyOf(key, *algorithm)};
    if (made.key == nullptr) {
      return Bad("the key '" + made.id + "' is malformed, or too short");
    }
    const auto same_id = [&made](const Key& other) { return other.id == made.id; };
    if (!made.id.empty() && std::any_of(read.keys_.begin(), read.keys_.end(), same_id)) {
      return Bad("two keys have the id '" + made.id + "'");
    }
    read.keys_.push_back(std::move(made));
  }
  if (read.keys_.empty()) {
    return Bad("none of them is for RS256, ES256 or EdDSA");
  }
  return read;
}

WebKeys::Verdict WebKeys::Verify(std::string_view key_id, SigningAlgorithm algorithm,
                                 std::string_view message, std::string_view signature) const {
  Verdict verdict = Verdict::kUnknownKey;
  for (const Key& key : keys_) {
    if (key.algorithm != algorithm || (!key_id.empty() && key.id != key_id)) {
      continue;
    }
    if (Verifies(key.key.get(), algorithm, message, signature)) {
      return Verdict::kVerified;
    }
    verdict = Verdict::kWrong;
  }
  return verdict;
}

}  // namespace entente::identity
