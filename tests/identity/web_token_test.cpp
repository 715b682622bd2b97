#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <catch2/catch.hpp>

#include "base/base64.h"
#include "base/json.h"
#include "coordinator/identity/token_book.h"
#include "coordinator/identity/web_token.h"
#include "storage/memory/memory_journal.h"

namespace entente::identity::web_token {
namespace {

constexpr int64_t kNow = 1'800'000'000;

Instant At(int64_t seconds) {
  return InstantFromMicros(seconds * 1'000'000);
}

std::string Number(EVP_PKEY* key, const char* name, int width = 0) {
  BIGNUM* number = nullptr;
  REQUIRE(EVP_PKEY_get_bn_param(key, name, &number) == 1);
  std::string octets(static_cast<size_t>(width == 0 ? BN_num_bytes(number) : width), '\0');
  BN_bn2binpad(number, reinterpret_cast<unsigned char*>(octets.data()),
               static_cast<int>(octets.size()));
  BN_free(number);
  return EncodeBase64Url(octets);
}

// A provider's key: what it publishes, and how it signs.
struct Key {
  std::shared_ptr<EVP_PKEY> key;
  std::string algorithm;
  Json jwk = Json();

  static Key Rsa(const char* id, unsigned bits = 2048) {
    Key made{{EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", size_t{bits}), EVP_PKEY_free},
             "RS256",
             {{"kty", "RSA"}, {"kid", id}}};
    made.jwk["n"] = Number(made.key.get(), OSSL_PKEY_PARAM_RSA_N);
    made.jwk["e"] = Number(made.key.get(), OSSL_PKEY_PARAM_RSA_E);
    return made;
  }
  static Key Ec(const char* id) {
    Key made{{EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"), EVP_PKEY_free}, "ES256"};
    made.jwk = {{"kty", "EC"}, {"crv", "P-256"}, {"kid", id}};
    made.jwk["x"] = Number(made.key.get(), OSSL_PKEY_PARAM_EC_PUB_X, 32);
    made.jwk["y"] = Number(made.key.get(), OSSL_PKEY_PARAM_EC_PUB_Y, 32);
    return made;
  }
  static Key Ed(const char* id) {
    Key made{{EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), EVP_PKEY_free}, "EdDSA"};
    std::string octets(32, '\0');
    size_t size = octets.size();
    EVP_PKEY_get_raw_public_key(made.key.get(), reinterpret_cast<unsigned char*>(octets.data()),
                                &size);
    made.jwk = {{"kty", "OKP"}, {"crv", "Ed25519"}, {"kid", id}, {"x", EncodeBase64Url(octets)}};
    return made;
  }

  [[nodiscard]] std::string Sign(const std::string& message) const {
    const bool plain = algorithm == "EdDSA";
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    EVP_DigestSignInit(context, nullptr, plain ? nullptr : EVP_sha256(), nullptr, key.get());
    std::string signature(1024, '\0');
    size_t size = signature.size();
    REQUIRE(EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size,
                           reinterpret_cast<const unsigned char*>(message.data()),
                           message.size()) == 1);
    EVP_MD_CTX_free(context);
    signature.resize(size);
    if (algorithm != "ES256") {
      return signature;
    }
    const auto* der = reinterpret_cast<const unsigned char*>(signature.data());
    ECDSA_SIG* numbers = d2i_ECDSA_SIG(nullptr, &der, static_cast<long>(size));
    std::string raw(64, '\0');
    BN_bn2binpad(ECDSA_SIG_get0_r(numbers), reinterpret_cast<unsigned char*>(raw.data()), 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(numbers), reinterpret_cast<unsigned char*>(raw.data() + 32), 32);
    ECDSA_SIG_free(numbers);
    return raw;
  }

  [[nodiscard]] Json Header() const { return {{"alg", algorithm}, {"kid", jwk["kid"]}}; }
  [[nodiscard]] std::string Token(const Json& header, const Json& claims) const {
    const std::string text =
        EncodeBase64Url(DumpJson(header)) + "." + EncodeBase64Url(DumpJson(claims));
    return text + "." + EncodeBase64Url(Sign(text));
  }
  [[nodiscard]] std::string Token(const Json& claims) const { return Token(Header(), claims); }
};

Json Claims() {
  return {{"iss", "https://id.example.org"},
          {"aud", {"entente", "other"}},
          {"sub", "ann"},
          {"exp", kNow + 300},
          {"roles", {"staff", "ops"}},
          {"jti", "7"}};
}

WebKeys KeysOf(const std::vector<Json>& jwks) {
  return WebKeys::Parse(DumpJson({{"keys", jwks}})).value();
}

WebTokenRules Rules() {
  WebTokenRules rules;
  rules.issuer = "https://id.example.org";
  rules.audience = "entente";
  rules.roles = {{"ops", Role::kOperator}, {"staff", Role::kViewer}};
  return rules;
}

// One that has all three.
struct Provider {
  Key rsa = Key::Rsa("r");
  Key ec = Key::Ec("e");
  Key ed = Key::Ed("d");
  WebTokens tokens{Rules(), KeysOf({rsa.jwk, ec.jwk, ed.jwk})};

  [[nodiscard]] Result<PrincipalPtr> Ask(const std::string& token, int64_t at = kNow) const {
    return tokens.Authenticate(token, At(at));
  }
};

const Provider& Shared() {
  static const Provider provider;  // Keys take a while to make.
  return provider;
}

Json With(const char* name, Json value) {
  Json claims = Claims();
  claims[name] = std::move(value);
  return claims;
}
Json Without(const char* name) {
  Json claims = Claims();
  claims.erase(name);
  return claims;
}

}  // namespace

TEST_CASE("a provider's token says who its bearer is, by each algorithm") {
  const Provider& provider = Shared();
  for (const Key* key : {&provider.rsa, &provider.ec, &provider.ed}) {
    CAPTURE(key->algorithm);
    const PrincipalPtr who = provider.Ask(key->Token(Claims())).value();
    CHECK(who->name == "ann");
    CHECK(who->role == Role::kOperator);  // The first pair that fits, not the first word.
    CHECK(who->token_id == "jwt:7");
    CHECK(who->authenticated);
    CHECK(who->scope.Everything());
    CHECK(who->payloads);
    Json nameless = key->Header();
    nameless.erase("kid");
    CHECK(provider.Ask(key->Token(nameless, Claims())).ok());
  }
  const PrincipalPtr viewer = provider.Ask(provider.ed.Token(With("roles", "staff"))).value();
  CHECK(viewer->role == Role::kViewer);
  CHECK_FALSE(viewer->payloads);
}

TEST_CASE("a token of which one byte is another is refused") {
  const Provider& provider = Shared();
  const Key& key =
      GENERATE_REF(std::cref(provider.rsa), std::cref(provider.ec), std::cref(provider.ed)).get();
  const std::string token = key.Token(Claims());
  for (size_t at = 0; at < token.size(); at += 7) {
    std::string other = token;
    other[at] = other[at] == 'A' ? 'B' : 'A';
    CAPTURE(at);
    CHECK(provider.Ask(other).status().reason() == "token.rejected");
  }
}

TEST_CASE("how a token is verified is the key's to say, not the token's") {
  const Provider& provider = Shared();
  const auto header = [](const char* algorithm, const char* id) {
    return Json{{"alg", algorithm}, {"kid", id}};
  };
  const auto refused = [&](const std::string& token) {
    const auto asked = provider.Ask(token);
    CHECK_FALSE(asked.ok());
    CHECK(asked.status().message() == "the token is not valid");
  };
  const std::string claims = EncodeBase64Url(DumpJson(Claims()));
  for (const char* none : {"none", "None", "NONE", ""}) {
    refused(EncodeBase64Url(DumpJson(header(none, "r"))) + "." + claims + ".");
  }
  // By the text of the public key, as if it were a shared secret.
  const std::string text = EncodeBase64Url(DumpJson(header("HS256", "r"))) + "." + claims;
  const std::string public_key = DumpJson(provider.rsa.jwk);
  unsigned char mac[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  HMAC(EVP_sha256(), public_key.data(), static_cast<int>(public_key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac, &size);
  refused(text + "." + EncodeBase64Url({reinterpret_cast<char*>(mac), size}));
  refused(provider.ec.Token(header("RS256", "r"), Claims()));
  refused(provider.ec.Token(header("ES256", "r"), Claims()));
  refused(provider.rsa.Token(header("RS512", "r"), Claims()));
  refused(provider.ec.Token(header("ES256", "unknown"), Claims()));
  Json critical = provider.ec.Header();
  critical["crit"] = {"exp"};
  refused(provider.ec.Token(critical, Claims()));
  refused(Key::Ec("e").Token(Claims()));  // Another key under a known id.
  // A key that comes with the token is nobody's.
  const Key own = Key::Ed("own");
  Json embedded = own.Header();
  embedded["jwk"] = own.jwk;
  refused(own.Token(embedded, Claims()));
}

TEST_CASE("what a token must say, it must say exactly") {
  const Provider& provider = Shared();
  const auto [claims, what] = GENERATE(table<Json, std::string>({
      {With("iss", "https://id.example.org/"), "iss"},
      {With("iss", Json::array({"https://id.example.org"})), "iss"},
      {Without("iss"), "iss"},
      {With("aud", "ententes"), "aud"},
      {With("aud", Json::array({"other"})), "aud"},
      {Without("aud"), "aud"},
      {Without("exp"), "exp"},
      {With("exp", std::to_string(kNow + 300)), "exp"},
      {With("exp", 1e300), "exp"},
      {With("exp", kNow - 30), "exp"},
      {With("nbf", kNow + 31), "nbf"},
      {With("nbf", "never"), "nbf"},
      {With("iat", kNow + 31), "iat"},
      {Without("sub"), "sub"},
      {With("sub", ""), "sub"},
      {With("sub", "a\nb"), "sub"},
      {With("sub", std::string(1000, 'a')), "sub"},
      {Without("roles"), "roles"},
      {With("roles", "admin"), "roles"},
      {With("roles", Json{{"ops", true}}), "roles"},
  }));
  CAPTURE(claims);
  const Status asked = provider.Ask(provider.ed.Token(claims)).status();
  CHECK(asked.code() == StatusCode::kUnauthenticated);
  CHECK(asked.reason() == "token.rejected");
  CHECK_THAT(asked.message(), Catch::EndsWith("(" + what + ")"));
}

TEST_CASE("clocks may differ a little") {
  const Provider& provider = Shared();
  CHECK(provider.Ask(provider.ed.Token(With("exp", kNow - 29))).ok());
  CHECK(provider.Ask(provider.ed.Token(With("nbf", kNow + 30))).ok());
}

TEST_CASE("what has not the form of a token is refused") {
  const Provider& provider = Shared();
  for (const char* text : {"..", "a.b.c", "e30.e30.", "e30.e30.e30", "bnVsbA.bnVsbA.AAAA", ". .",
                           "W10.W10.AAAA", "e30=.e30.AAAA"}) {
    CAPTURE(text);
    CHECK(provider.Ask(text).status().reason() == "token.rejected");
  }
  const std::string deep = EncodeBase64Url(std::string(3000, '['));
  CHECK_FALSE(provider.Ask(deep + "." + deep + ".AAAA").ok());
  CHECK_FALSE(provider.Ask(provider.ed.Token(With("x", std::string(9000, 'a')))).ok());
  const std::string twice = R"({"alg":"EdDSA","kid":"d","alg":"none"})";
  CHECK_FALSE(
      provider.Ask(EncodeBase64Url(twice) + "." + EncodeBase64Url(DumpJson(Claims())) + ".").ok());
}

TEST_CASE("a key that is replaced is the one from then on, and an unknown one is asked for") {
  const Key first = Key::Ed("1");
  const Key second = Key::Ed("2");
  WebTokens tokens(Rules(), KeysOf({first.jwk}));
  int asked = 0;
  tokens.OnUnknownKey([&asked] { ++asked; });
  CHECK(tokens.Authenticate(first.Token(Claims()), At(kNow)).ok());
  CHECK(asked == 0);
  CHECK_FALSE(tokens.Authenticate(second.Token(Claims()), At(kNow)).ok());
  CHECK(asked == 1);
  tokens.Use(KeysOf({second.jwk}));
  CHECK(tokens.Authenticate(second.Token(Claims()), At(kNow)).ok());
  CHECK_FALSE(tokens.Authenticate(first.Token(Claims()), At(kNow)).ok());
}

TEST_CASE("a key set is read strictly, and what is for others is left out") {
  const Json good = Shared().ed.jwk;
  const auto parse = [](const Json& keys) { return WebKeys::Parse(DumpJson({{"keys", keys}})); };
  const auto changed = [](Json key, const char* name, Json value) {
    key[name] = std::move(value);
    return key;
  };
  CHECK(parse({good,
               changed(Shared().rsa.jwk, "use", "enc"),
               {{"kty", "oct"}, {"k", "AAAA"}},
               changed(Shared().rsa.jwk, "alg", "PS256"),
               7})
            .value()
            .size() == 1);
  for (const Json& bad :
       {changed(good, "x", "AAAA"), changed(good, "x", 7), changed(Shared().ec.jwk, "y", "AAAA"),
        changed(Shared().ec.jwk, "y", Shared().ec.jwk["x"]),  // Not on the curve.
        changed(Shared().rsa.jwk, "n", "AQAB"), changed(Shared().rsa.jwk, "e", "AQ"),
        changed(Shared().rsa.jwk, "e", "AA"), Key::Rsa("short", 1024).jwk}) {
    CAPTURE(bad);
    CHECK(parse({good, bad}).status().reason() == "jwt.bad_keys");
  }
  CHECK_FALSE(parse({good, good}).ok());
  CHECK_FALSE(parse(Json::array()).ok());
  CHECK_FALSE(WebKeys::Parse("").ok());
  CHECK_FALSE(WebKeys::Parse("[]").ok());
  CHECK_FALSE(WebKeys::Parse(R"({"keys": 1})").ok());
}

TEST_CASE("a token book takes a provider's tokens where it is told to, and its own as ever") {
  storage::MemoryJournal journal;
  const auto book = std::move(TokenBook::Open(journal)).value();
  const std::string foreign = Shared().ed.Token(Claims());
  CHECK_FALSE(book->Authenticate(foreign, At(kNow)).ok());
  book->AlsoTake(std::make_shared<const WebTokens>(Rules(), KeysOf({Shared().ed.jwk})));
  CHECK(book->Authenticate(foreign, At(kNow)).value()->name == "ann");
  TokenRequest request;
  request.name = "own";
  const std::string own = book->Create(request, "ann", At(kNow)).value().text;
  CHECK(book->Authenticate(own, At(kNow)).value()->name == "own");
}

}  // namespace entente::identity::web_token
