#include "net/signing/json_web_keys.h"

#include "base/base64.h"

namespace entente::net {
namespace {

constexpr JsonLimits kKeySetJson{size_t{64} << 10, 8};

Status NoKeySet(const std::string& what) {
  return InvalidArgument("keys.malformed", "this is no JSON Web Key Set: " + what);
}

bool Says(const Json& key, const char* member, std::string_view what) {
  const auto found = key.find(member);
  return found != key.end() && found->is_string() && found->get_ref<const std::string&>() == what;
}

}  // namespace

Json JsonWebKeyOf(const VerifyingKey& key) {
  return {{"kty", "OKP"},    {"crv", "Ed25519"}, {"x", EncodeBase64Url(key.bytes())},
          {"kid", key.id()}, {"alg", "EdDSA"},   {"use", "sig"}};
}

Result<std::vector<VerifyingKey>> ReadKeySet(std::string_view text) {
  ENTENTE_ASSIGN_OR_RETURN(const Json document, ParseJson(text, kKeySetJson));
  const auto list = document.is_object() ? document.find("keys") : document.end();
  if (!document.is_object() || list == document.end() || !list->is_array()) {
    return NoKeySet("it has no list 'keys'");
  }
  std::vector<VerifyingKey> keys;
  for (const Json& one : *list) {
    if (!one.is_object() || !Says(one, "kty", "OKP") || !Says(one, "crv", "Ed25519")) {
      continue;
    }
    const auto x = one.find("x");
    const auto bytes = x != one.end() && x->is_string()
                           ? DecodeBase64Url(x->get_ref<const std::string&>())
                           : std::nullopt;
    auto key = bytes ? VerifyingKey::FromBytes(*bytes)
                     : Result<VerifyingKey>(NoKeySet("the member x of a key is no base64url"));
    if (!key.ok()) {
      return NoKeySet(key.status().message());
    }
    if (keys.size() == kMaxPublishedKeys) {
      return NoKeySet("it has more than " + std::to_string(kMaxPublishedKeys) + " keys");
    }
    keys.push_back(std::move(key).value());
  }
  return keys;
}

}  // namespace entente::net
