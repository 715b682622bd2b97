// The cipher, the stored form of what is encrypted, and the file of keys.
#include <catch2/catch.hpp>
#include <fstream>
#include <set>
#include <string>

#include <sys/stat.h>

#include "base/base64.h"
#include "storage/sealed/key_ring.h"
#include "storage/sealed/sealed_text.h"
#include "storage/sealed/sealing.h"
#include "tests/storage/journal_fixtures.h"

namespace entente::storage::sealed_test {
namespace {

std::string Hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += {kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return text;
}

std::string Line(char byte) {
  return EncodeBase64(std::string(EncryptionKey::kBytes, byte));
}

std::shared_ptr<const KeyRing> Ring(const std::string& text) {
  return KeyRing::Parse(text).value();
}

std::string Why(const std::string& text) {
  const auto ring = KeyRing::Parse(text);
  REQUIRE_FALSE(ring.ok());
  CHECK(ring.status().reason() == "encryption.bad_key");
  return ring.status().message();
}

TEST_CASE("the cipher gives what its specification's examples say") {
  // github.com/C2SP/C2SP, XAES-256-GCM.md: one key whose first block has its high bit set, and one
  // where it has not.
  const std::string nonce = "ABCDEFGHIJKLMNOPQRSTUVWX";
  std::string sealed;
  SealUnder(EncryptionKey(std::string(32, '\1')), nonce, "", "XAES-256-GCM", sealed);
  CHECK(Hex(sealed.substr(nonce.size())) ==
        "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271");
  sealed.clear();
  SealUnder(EncryptionKey(std::string(32, '\3')), nonce, "c2sp.org/XAES-256-GCM", "XAES-256-GCM",
            sealed);
  CHECK(Hex(sealed.substr(nonce.size())) ==
        "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d");
}

TEST_CASE("what was encrypted is opened by its key, for what it is bound to, if it is whole") {
  const EncryptionKey key(std::string(32, 'k'));
  const EncryptionKey other(std::string(32, 'o'));
  for (const size_t size : {size_t{0}, size_t{1}, size_t{16}, size_t{1'000'000}}) {
    const std::string plain(size, 'p');
    std::string sealed;
    Seal(key, "here", plain, sealed);
    CHECK(Unseal(key, "here", sealed) == plain);
    CHECK_FALSE(Unseal(other, "here", sealed));
    CHECK_FALSE(Unseal(key, "there", sealed));
    CHECK_FALSE(Unseal(key, "here", std::string_view(sealed).substr(0, sealed.size() - 1)));
    for (const size_t at : {size_t{0}, size_t{23}, size_t{24}, sealed.size() - 1}) {
      std::string changed = sealed;
      changed[at] = static_cast<char>(changed[at] ^ 1);
      CHECK_FALSE(Unseal(key, "here", changed));
    }
  }
  CHECK_FALSE(Unseal(key, "", ""));
}

TEST_CASE("the same text is encrypted differently each time") {
  const EncryptionKey key(std::string(32, 'k'));
  std::set<std::string> seen;
  for (int i = 0; i < 1'000; ++i) {
    std::string sealed;
    Seal(key, "", "text", sealed);
    CHECK(seen.insert(sealed.substr(0, kSealNonceBytes)).second);
  }
}

TEST_CASE("no two places of a store take each other's texts") {
  const auto ring = Ring(Line('k'));
  const TextPlace places[] = {{TextKind::kRecord, "a", 1},  {TextKind::kRecord, "a", 2},
                              {TextKind::kRecord, "b", 1},  {TextKind::kNote, "a", 1},
                              {TextKind::kSetting, "a", 1}, {TextKind::kRecord, "a", 1, "b"},
                              {TextKind::kRecord, "ab", 1}, {TextKind::kRecord, "", 1, "ab"}};
  for (const TextPlace& from : places) {
    const std::string stored = SealText(*ring->writing(), from, "text");
    for (const TextPlace& to : places) {
      const OpenedText opened = OpenText(ring.get(), to, stored);
      const bool same = &from == &to;
      CHECK((opened.outcome == OpenedText::Outcome::kOpened) == same);
      CHECK(opened.text == (same ? "text" : stored));
    }
  }
}

TEST_CASE("what is plain stays what it is, and what has no key or was changed says so") {
  using Outcome = OpenedText::Outcome;
  const auto ring = Ring(Line('k'));
  const auto others = Ring(Line('o'));
  for (const TextKind kind :
       {TextKind::kRecord, TextKind::kError, TextKind::kIncident, TextKind::kSource, TextKind::kEnv,
        TextKind::kNote, TextKind::kSetting}) {
    const TextPlace place{kind, "a"};
    for (const std::string plain : {"", "{}", "\x08\x01", "\1sealed:", "\1sealed:AAAA"}) {
      CHECK(OpenText(ring.get(), place, plain).text == plain);
      CHECK(OpenText(ring.get(), place, plain).outcome == Outcome::kPlain);
    }
    const std::string stored = SealText(*ring->writing(), place, "text");
    CHECK(stored.find("text") == std::string::npos);
    CHECK(OpenText(ring.get(), place, stored).key == ring->writing()->id());
    CHECK(OpenText(others.get(), place, stored).outcome == Outcome::kNoKey);
    CHECK(OpenText(nullptr, place, stored).outcome == Outcome::kNoKey);
    std::string changed = stored;
    changed[changed.size() - 4] = changed[changed.size() - 4] == 'x' ? 'y' : 'x';
    CHECK(OpenText(ring.get(), place, changed).outcome == Outcome::kDamaged);
  }
}

TEST_CASE("of several keys the first writes and all open") {
  const auto ring = Ring("# of spring\n" + Line('b') + "\r\n\n  " + Line('a') + "  \n");
  const EncryptionKey a(std::string(32, 'a'));
  const EncryptionKey b(std::string(32, 'b'));
  CHECK(ring->writing()->id() == b.id());
  CHECK(ring->Find(a.id()) != nullptr);
  CHECK(ring->Find(KeyName(a.id())) == ring->Find(a.id()));
  CHECK(ring->Find(KeyName(EncryptionKey(std::string(32, 'c')).id())) == nullptr);
  CHECK(KeyName(a.id()).size() == 8);
  const auto plain = Ring("plain\n" + Line('a'));
  CHECK(plain->writing() == nullptr);
  CHECK(plain->Find(a.id()) != nullptr);
}

TEST_CASE("a line that is no key is named, and never shown") {
  CHECK(Why("") == "there is none");
  CHECK(Why("# none\n\n") == "there is none");
  CHECK(Why("plain\n") == "there is none");
  const std::string short_key = EncodeBase64(std::string(31, 'q'));
  CHECK(Why(Line('a') + "\n" + short_key).find("line 2 is no key") == 0);
  CHECK(Why(Line('a') + "\n" + short_key).find(short_key.substr(0, 8)) == std::string::npos);
  CHECK(Why("no base64!").find("line 1 is no key") == 0);
  CHECK(Why(Line('a') + "\n" + Line('a')).find("line 2 is a key that stands there already") == 0);
  CHECK(Why(Line('a') + "\nplain").find("line 2 is no key") == 0);
}

TEST_CASE("a file of keys is for its owner alone") {
  const TempDirectory directory;
  const std::string path = directory.File("keys");
  const auto read = [&path](mode_t mode) {
    REQUIRE(chmod(path.c_str(), mode) == 0);
    return KeyRing::Read(path);
  };
  CHECK(KeyRing::Read(path).status().reason() == "encryption.bad_file");
  CHECK(KeyRing::Read(directory.File("")).status().reason() == "encryption.bad_file");
  std::ofstream(path) << Line('a') << "\n";
  CHECK(read(0600).ok());
  CHECK(read(0440).ok());
  for (const mode_t mode : {0604, 0602, 0620, 0644}) {
    CHECK(read(mode).status().reason() == "encryption.bad_file");
  }
  std::ofstream(path) << "nothing\n";
  const Status bad = read(0600).status();
  CHECK(bad.reason() == "encryption.bad_key");
  CHECK(bad.message().find(path) != std::string::npos);
  CHECK(bad.message().find("nothing") == std::string::npos);
}

}  // namespace
}  // namespace entente::storage::sealed_test
