// Calls that whoever is called can verify.
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "base/base64.h"
#include "net/signing/call_signature.h"
#include "net/signing/ed25519.h"
#include "net/signing/json_web_keys.h"
#include "net/signing/structured_fields.h"

namespace entente::net {
namespace {

// RFC 9421, B.1.4.
constexpr const char* kRfcPrivateKey =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\n"
    "-----END PRIVATE KEY-----\n";
constexpr const char* kRfcPublicKey =
    "-----BEGIN PUBLIC KEY-----\n"
    "MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=\n"
    "-----END PUBLIC KEY-----\n";
constexpr const char* kRfcPublicX = "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs";

const Instant kNow = InstantFromMicros(1'792'800'000'000'000);
constexpr Duration kWindow = kDefaultSignatureWindow;

SigningKey Key() {
  return SigningKey::FromSeed(std::string(32, 'k')).value();
}

FindKey Knows(const SigningKey& key) {
  return [public_key = key.public_key()](const std::string& id) -> Result<VerifyingKey> {
    return id == public_key.id() ? Result<VerifyingKey>(public_key)
                                 : NotFound("signature.unknown_key", "no key '" + id + "'");
  };
}

using Fields = std::vector<std::pair<std::string, std::string>>;

// A call as it arrives, of which a test changes one thing.
struct Call {
  CallProtocol protocol = CallProtocol::kHttp;
  std::string method = "POST";
  std::string target = "/base/flight/try?dry=1&x=%20";
  std::string body = R"({"seats":2})";
  Fields fields;

  [[nodiscard]] SignedCall Signed() const { return {protocol, method, target, body}; }
  [[nodiscard]] HttpHeaders Headers() const {
    HttpHeaders headers;
    for (const auto& [name, value] : fields) {
      headers.Add(name, value);
    }
    return headers;
  }
  [[nodiscard]] std::string Verify(Instant now = kNow, const FindKey& find = Knows(Key())) const {
    const Status status = VerifyCall(Signed(), Headers(), now, kWindow, find);
    return status.ok() ? "ok" : status.reason();
  }
  std::string& At(const std::string& name) {
    for (auto& [key, value] : fields) {
      if (key == name) {
        return value;
      }
    }
    FAIL("no field " << name);
    return fields.front().second;
  }
};

Call SignedAt(Instant created, CallProtocol protocol = CallProtocol::kHttp) {
  Call call;
  call.protocol = protocol;
  const bool grpc = protocol == CallProtocol::kGrpc;
  if (grpc) {
    call.target = "/entente.participant.v1.Participant/Try";
  }
  HttpHeaders headers = grpc ? HttpHeaders{{"idempotency-key", "g:b"},
                                           {"entente-gid", "g"},
                                           {"entente-epoch", "7"},
                                           {"x-tenant", "acme"}}
                             : HttpHeaders{{"Idempotency-Key", "g:b"},
                                           {"Entente-Gid", "g"},
                                           {"Entente-Branch", "b"},
                                           {"Entente-Operation", "try"},
                                           {"Entente-Attempt", "1"},
                                           {"Entente-Epoch", "7"},
                                           {"Entente-Coordinator", "0123456789abcdef"},
                                           {"Entente-Completion-Token", "t"},
                                           {"Entente-Deadline", "1792800010000"},
                                           {"X-Tenant", "acme"}};
  SignCall(Key(), call.Signed(), created, headers);
  for (size_t i = 0; i < headers.size(); ++i) {
    call.fields.emplace_back(headers.name(i), headers.value(i));
  }
  return call;
}

}  // namespace

TEST_CASE("the example of RFC 9421, B.2.6 is signed and verified") {
  const std::string parameters =
      R"(("date" "@method" "@path" "@authority" "content-type" "content-length"))"
      R"(;created=1618884473;keyid="test-key-ed25519")";
  const std::string base = SignatureBase({{"Date", "Tue, 20 Apr 2021 02:07:55 GMT"},
                                          {"@method", "POST"},
                                          {"@path", "/foo"},
                                          {"@authority", "example.com"},
                                          {"content-type", "application/json"},
                                          {"Content-Length", "18"}},
                                         parameters);
  CHECK(base ==
        "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n"
        "\"@method\": POST\n"
        "\"@path\": /foo\n"
        "\"@authority\": example.com\n"
        "\"content-type\": application/json\n"
        "\"content-length\": 18\n"
        "\"@signature-params\": " +
            parameters);
  const auto key = SigningKey::ReadPem(kRfcPrivateKey);
  REQUIRE(key.ok());
  const std::string signature = key->Sign(base);
  CHECK(EncodeBase64(signature) ==
        "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==");
  const auto by_pem = VerifyingKey::Read(kRfcPublicKey);
  const auto by_x = VerifyingKey::Read(std::string(kRfcPublicX) + "\n");
  REQUIRE(by_pem.ok());
  REQUIRE(by_x.ok());
  CHECK(by_pem->id() == by_x->id());
  CHECK(by_pem->Verifies(base, signature));
  CHECK_FALSE(by_pem->Verifies(base + " ", signature));
  CHECK_FALSE(by_pem->Verifies(base, signature.substr(1)));
}

TEST_CASE("a key's id is the thumbprint of RFC 8037, A.3") {
  const auto key = VerifyingKey::Read("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
  REQUIRE(key.ok());
  CHECK(key->id() == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

TEST_CASE("what is no key is refused in words") {
  for (const std::string text :
       {"", "x", "-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----\n", kRfcPrivateKey}) {
    CAPTURE(text);
    CHECK(VerifyingKey::Read(text).status().reason() == "key.invalid");
  }
  CHECK(SigningKey::ReadPem(kRfcPublicKey).status().reason() == "key.invalid");
  CHECK(SigningKey::FromSeed("short").status().reason() == "key.invalid");
}

TEST_CASE("a key set is read as it is written, and others' keys in it are passed over") {
  const SigningKey one = SigningKey::Generate();
  const SigningKey other = SigningKey::Generate();
  const Json set{{"keys",
                  {JsonWebKeyOf(one.public_key()),
                   {{"kty", "RSA"}, {"n", "AQAB"}, {"e", "AQAB"}},
                   JsonWebKeyOf(other.public_key())}}};
  const auto keys = ReadKeySet(DumpJson(set));
  REQUIRE(keys.ok());
  REQUIRE(keys->size() == 2);
  CHECK(keys->at(0).id() == one.id());
  CHECK(keys->at(1).id() == other.id());
  CHECK(SigningKey::FromSeed(one.seed())->id() == one.id());
  for (const char* bad :
       {"", "[]", "{}", R"({"keys":{}})", R"({"keys":[{"kty":"OKP","crv":"Ed25519"}]})",
        R"({"keys":[{"kty":"OKP","crv":"Ed25519","x":"AAAA"}]})"}) {
    CAPTURE(bad);
    CHECK_FALSE(ReadKeySet(bad).ok());
  }
}

TEST_CASE("a signed call verifies, over HTTP and over gRPC") {
  CHECK(SignedAt(kNow).Verify() == "ok");
  CHECK(SignedAt(kNow, CallProtocol::kGrpc).Verify() == "ok");
}

TEST_CASE("whatever is covered can not be changed") {
  for (const CallProtocol protocol : {CallProtocol::kHttp, CallProtocol::kGrpc}) {
    const Call good = SignedAt(kNow, protocol);
    Call call = good;
    call.method = "PUT";
    CHECK(call.Verify() == "signature.altered");
    call = good;
    call.target.insert(1, "x");
    CHECK(call.Verify() == "signature.altered");
    call = good;
    call.target += protocol == CallProtocol::kHttp ? "&y=2" : "?";
    CHECK(call.Verify() == (protocol == CallProtocol::kHttp ? "signature.altered" : "ok"));
    call = good;
    call.body += " ";
    CHECK(call.Verify() == "signature.altered");
    for (size_t i = 0; i < good.fields.size(); ++i) {
      const std::string& name = good.fields[i].first;
      CAPTURE(name);
      const bool covered = !EqualsIgnoringCase(name, "x-tenant");
      call = good;
      call.fields[i].second += "1";
      CHECK((call.Verify() == "ok") == !covered);
      call = good;
      call.fields.erase(call.fields.begin() + static_cast<std::ptrdiff_t>(i));
      CHECK((call.Verify() == "ok") == !covered);
      call = good;
      call.fields.push_back(call.fields[i]);  // Twice: which of the two would be read?
      CHECK((call.Verify() == "ok") == !covered);
    }
  }
}

TEST_CASE("a fact that the coordinator did not say can not be added") {
  for (const char* name : {"Entente-One-Phase", "entente-anything", "IDEMPOTENCY-KEY"}) {
    CAPTURE(name);
    Call call = SignedAt(kNow);
    call.fields.emplace_back(name, "true");
    CHECK(call.Verify() == "signature.uncovered");
  }
  Call call = SignedAt(kNow);
  call.fields.emplace_back("X-Forwarded-For", "10.0.0.1");
  CHECK(call.Verify() == "ok");
}

TEST_CASE("a component can not be left out of what is covered") {
  for (const char* name :
       {"\"@method\" ", "\"@path\" ", "\"@query\" ", " \"content-digest\"", " \"entente-epoch\""}) {
    CAPTURE(name);
    Call call = SignedAt(kNow);
    std::string& input = call.At("Signature-Input");
    input.erase(input.find(name), std::string(name).size());
    CHECK(call.Verify() == "signature.uncovered");
  }
}

TEST_CASE("a call that is replayed outside of the window is stale") {
  const Call call = SignedAt(kNow);
  CHECK(call.Verify(kNow + kWindow) == "ok");
  CHECK(call.Verify(kNow - kWindow) == "ok");
  CHECK(call.Verify(kNow + kWindow + std::chrono::seconds(1)) == "signature.stale");
  CHECK(call.Verify(kNow - kWindow - std::chrono::seconds(1)) == "signature.stale");
  Call fresher = call;
  std::string& input = fresher.At("Signature-Input");
  const Instant later = kNow + 2 * kWindow;
  input.replace(input.find("1792800000"), 10, std::to_string(ToMicros(later) / 1'000'000));
  CHECK(fresher.Verify(later) == "signature.altered");
  input.replace(input.find(";created="), 9, ";created=-99999");
  CHECK(fresher.Verify(later) == "signature.stale");
}

TEST_CASE("an unsigned call, one of an unknown key and one of a stranger's are refused") {
  Call call;
  call.fields = {{"Entente-Gid", "g"}};
  CHECK(call.Verify() == "signature.missing");
  call = SignedAt(kNow);
  CHECK(call.Verify(kNow, Knows(SigningKey::Generate())) == "signature.unknown_key");
  // The stranger says that the key is ours.
  const SigningKey stranger = SigningKey::Generate();
  HttpHeaders headers{{"Entente-Gid", "g"}};
  SignCall(stranger, call.Signed(), kNow, headers);
  call.fields.clear();
  for (size_t i = 0; i < headers.size(); ++i) {
    call.fields.emplace_back(headers.name(i), headers.value(i));
  }
  std::string& input = call.At("Signature-Input");
  input.replace(input.find(stranger.id()), stranger.id().size(), Key().id());
  CHECK(call.Verify() == "signature.altered");
}

TEST_CASE("another's signature beside ours does not matter, a second one of ours does") {
  Call call = SignedAt(kNow);
  call.fields.emplace_back("Signature-Input", R"(proxy=("@method");created=1)");
  call.fields.emplace_back("Signature", "proxy=:AAAA:");
  CHECK(call.Verify() == "ok");
  call.fields.emplace_back("Signature-Input", R"(entente=("@method");created=1)");
  CHECK(call.Verify() == "signature.malformed");
}

TEST_CASE("fields that say something else than this profile are refused") {
  const std::vector<std::pair<std::string, std::string>> changes = {
      {"alg=\"ed25519\"", "alg=\"hmac-sha256\""},
      {"tag=\"entente-call\"", "tag=\"other\""},
      {";tag=\"entente-call\"", ""},
      {";created=", ";created=x"},
      {";created=", ";expires=1;created="},
      {"\"@method\"", "\"@method\";req"},
      {"\"@method\"", "\"@method\" \"@method\""},
      {"\"@method\"", "method"},
      {"entente=(", "entente=(("},
      {"entente=(", "Entente=("},
  };
  for (const auto& [from, to] : changes) {
    CAPTURE(from, to);
    Call call = SignedAt(kNow);
    std::string& input = call.At("Signature-Input");
    input.replace(input.find(from), from.size(), to);
    CHECK(call.Verify() == "signature.malformed");
  }
  for (const char* signature : {"entente=?1", "entente=:A:", "entente=:AAAA:;x", "entente", ""}) {
    CAPTURE(signature);
    Call call = SignedAt(kNow);
    call.At("Signature") = signature;
    CHECK(call.Verify() != "ok");
    CHECK(call.Verify() != "signature.altered");
  }
}

TEST_CASE("structured fields are read strictly") {
  for (const char* good :
       {R"(a=())", R"(a=( "x" ))", R"(a=("x" "y";p);q=-12;r="s\"\\";t=:AAAA:;u=?0;v=*tok/en)",
        "a=(), \tb=()", " a=()"}) {
    CAPTURE(good);
    CHECK(ParseInnerLists(good).ok());
  }
  for (const char* bad : {"",
                          "a",
                          "a=",
                          "a=(",
                          R"(a=("x""y"))",
                          R"(a=("x)",
                          R"(a=("x\n"))",
                          "a=();",
                          "a=();B=1",
                          "a=();b=1.5",
                          "a=();b=1234567890123456",
                          "a=();b=-",
                          "a=();b=?2",
                          "a=();b=:A=:",
                          "a=();b=:AB==:",
                          "a=();b;b",
                          "a=(), a=()",
                          "a=(),",
                          "a=() b=()",
                          "1=()",
                          "a=(\x7f)",
                          "a=(\"\xc3\xa4\")"}) {
    CAPTURE(bad);
    CHECK(ParseInnerLists(bad).status().reason() == "field.malformed");
  }
  const auto items = ParseItems(R"(a=:aGk=:, b="x";y)");
  REQUIRE(items.ok());
  REQUIRE(items->size() == 2);
  CHECK(std::get<FieldBytes>(items->at(0).second.value).bytes == "hi");
  CHECK(items->at(1).second.parameters.size() == 1);
}

}  // namespace entente::net
