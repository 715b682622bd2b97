#include "runtime/digest.h"

#include <string>

#include <catch2/catch.hpp>

#include "runtime/completion_token.h"

namespace entente::runtime {
namespace {

std::string Hex(const std::string& bytes) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    hex += {kDigits[byte >> 4], kDigits[byte & 0xF]};
  }
  return hex;
}

const engine::CommandId kCommand{Gid("trip-1"), BranchId("hotel[2]"), dsl::Role::kUndo, 3};

}  // namespace

// FIPS 180-4's example, and RFC 4231's test cases 1, 2 and 6, cut to 16 bytes.
TEST_CASE("hashes and codes are the standards' own") {
  CHECK(Sha256Hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(Hex(Hmac(std::string(20, '\x0b')).Of("Hi There")) == "b0344c61d8db38535ca8afceaf0bf12b");
  CHECK(Hex(Hmac("Jefe").Of("what do ya want for nothing?")) == "5bdcc146bf60754e6a042426089575c7");
  CHECK(Hex(Hmac(std::string(131, '\xaa'))
                .Of("Test Using Larger Than Block-Size Key - Hash Key First")) ==
        "60e431591ee0b67f0d8a26aacbf5b77f");
}

TEST_CASE("one key makes many codes, each as if it were the first") {
  const Hmac mac("key");
  const std::string first = mac.Of("a");
  CHECK(mac.Of("b") != first);
  CHECK(mac.Of("a") == first);
}

TEST_CASE("base64url is read back as it was, and nothing else is read") {
  for (const std::string& bytes : {std::string(), std::string("\x00\xff", 2), std::string("abc"),
                                   std::string("any carnal pleas")}) {
    CHECK(FromBase64Url(ToBase64Url(bytes)) == bytes);
  }
  CHECK(FromBase64Url("ab+/").empty());
  CHECK(FromBase64Url("ab==").empty());
  CHECK(FromBase64Url("YQ") == "a");
  CHECK(FromBase64Url("YR").empty());     // The same byte, and bits beside it.
  CHECK(FromBase64Url("YWJjY").empty());  // A digit that completes nothing.
}

TEST_CASE("a completion token names its command and the run that it went with") {
  const CompletionTokens tokens("a secret");
  const auto read = tokens.Read(tokens.Make(kCommand, 3));
  REQUIRE(read.has_value());
  CHECK(read->gid == kCommand.gid);
  CHECK(read->branch == kCommand.branch);
  CHECK(read->role == kCommand.role);
  CHECK(read->alternative == kCommand.alternative);
  CHECK(read->run == 3);
  CHECK(tokens.Read(tokens.Make(kCommand, 0)).value().run == 0);
}

TEST_CASE("a token that was changed, cut or made with another secret is none") {
  const CompletionTokens tokens("a secret");
  const std::string token = tokens.Make(kCommand, 3);
  CHECK_FALSE(CompletionTokens("another").Read(token));
  for (size_t i = 0; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    CHECK_FALSE(tokens.Read(changed));
    CHECK_FALSE(tokens.Read(token.substr(0, i)));
  }
  for (const char* more : {"A", "g", "_", "AA", "AAA", "AAAA", "=", " ", "\n"}) {
    CHECK_FALSE(tokens.Read(token + more));
  }
}

}  // namespace entente::runtime
