// The keys that sign calls: where they are kept, and how one takes over from another.
#include "coordinator/signing_keys.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "storage/memory/memory_journal.h"

namespace entente::coordinator {
namespace {

std::atomic<int64_t> clock_micros{0};
Instant TestNow() {
  return InstantFromMicros(clock_micros);
}
void Advance(Duration by) {
  clock_micros += by.count();
}

// A store, and nodes that read it.
struct KeyFixture {
  KeyFixture() { clock_micros = 1'792'800'000'000'000; }
  std::unique_ptr<SigningKeys> Open() {
    return std::move(SigningKeys::Open(config, journal, TestNow)).value();
  }
  storage::MemoryJournal journal;
  Config config;
};

std::vector<std::string> Ids(const SigningKeys& keys) {
  std::vector<std::string> ids;
  for (const SigningKeyInfo& info : keys.Published()) {
    ids.push_back(info.key.id());
  }
  return ids;
}

constexpr const char* kPem =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\n"
    "-----END PRIVATE KEY-----\n";
constexpr const char* kOtherPem =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
    "-----END PRIVATE KEY-----\n";

}  // namespace

TEST_CASE("every node and every start of one store signs by the same key") {
  KeyFixture f;
  const auto one = f.Open();
  const auto other = f.Open();
  CHECK(one->Current()->id() == other->Current()->id());
  CHECK(f.Open()->Current()->id() == one->Current()->id());
  CHECK(Ids(*one) == std::vector{one->Current()->id()});
  KeyFixture another;
  CHECK(another.Open()->Current()->id() != one->Current()->id());
}

TEST_CASE("a key is published before it signs, and after it was the last time that it did") {
  KeyFixture f;
  const auto here = f.Open();
  const auto there = f.Open();
  const std::string first = here->Current()->id();
  const auto made = here->Rotate(SigningKeys::kUsualNotice, false);
  REQUIRE(made.ok());
  CHECK_FALSE(made->is_signing);
  const std::string second = made->key.id();
  REQUIRE(there->Refresh().ok());
  for (const SigningKeys* node : {here.get(), there.get()}) {
    CHECK(node->Current()->id() == first);
    CHECK(Ids(*node) == std::vector{first, second});
  }
  Advance(SigningKeys::kUsualNotice - Duration(1));
  CHECK(here->Current()->id() == first);
  Advance(Duration(1));
  for (const SigningKeys* node : {here.get(), there.get()}) {
    CHECK(node->Current()->id() == second);
    CHECK(Ids(*node) == std::vector{second, first});
  }
  Advance(SigningKeys::kKeptAfter);
  CHECK(Ids(*here) == std::vector{second});
  // What is told of no more is kept no longer than to the next rotation.
  const auto third = there->Rotate(Duration(0), false);
  REQUIRE(third.ok());
  CHECK(third->is_signing);
  Advance(SigningKeys::kKeptAfter);
  REQUIRE(there->Rotate(Duration(0), false).ok());
  CHECK(f.journal.ListNotes("signing-key/").value().size() == 2);
  CHECK(f.Open()->Current()->id() == there->Current()->id());
}

TEST_CASE("rotations at once are two keys, of which the later one stays") {
  KeyFixture f;
  const auto here = f.Open();
  const auto there = f.Open();
  const auto one = here->Rotate(std::chrono::minutes(1), false);
  const auto other = there->Rotate(std::chrono::minutes(2), false);
  REQUIRE((one.ok() && other.ok()));
  REQUIRE(here->Refresh().ok());
  CHECK(Ids(*here).size() == 3);
  Advance(std::chrono::minutes(1));
  CHECK(here->Current()->id() == one->key.id());
  CHECK(there->Current()->id() == one->key.id());
  Advance(std::chrono::minutes(1));
  CHECK(here->Current()->id() == other->key.id());
}

TEST_CASE("a key that was revoked is gone at once, and for good") {
  KeyFixture f;
  const auto keys = f.Open();
  REQUIRE(keys->Rotate(std::chrono::minutes(10), false).ok());
  const auto made = keys->Rotate(Duration(0), true);
  REQUIRE(made.ok());
  for (const auto& node : {f.Open(), f.Open()}) {
    CHECK(Ids(*node) == std::vector{made->key.id()});
    CHECK(node->Current()->id() == made->key.id());
  }
  Advance(std::chrono::hours(2));
  REQUIRE(keys->Rotate(Duration(0), false).ok());
  CHECK(Ids(*f.Open()) == Ids(*keys));
  CHECK(Ids(*keys).size() == 2);
}

TEST_CASE("keys may be in files, of which the first one signs, and which are read again") {
  KeyFixture f;
  const auto folder = std::filesystem::temp_directory_path() / "entente-signing-keys-test";
  std::filesystem::create_directories(folder);
  const std::string a = folder / "a.pem";
  const std::string b = folder / "b.pem";
  std::ofstream(a) << kPem;
  std::ofstream(b) << kOtherPem;
  f.config.signing_key_files = {a, b};
  const auto keys = f.Open();
  const auto ids = Ids(*keys);
  REQUIRE(ids.size() == 2);
  CHECK(keys->Current()->id() == ids.front());
  CHECK(keys->Rotate(Duration(0), false).status().reason() == "keys.in_files");
  CHECK(f.journal.ListNotes("signing-key/").value().empty());
  std::ofstream(a) << kOtherPem;
  std::ofstream(b) << kPem;
  REQUIRE(keys->Refresh().ok());
  CHECK(keys->Current()->id() == ids.back());
  std::ofstream(a) << "nothing";
  CHECK(keys->Refresh().reason() == "config.invalid");
  CHECK(keys->Current()->id() == ids.back());
  CHECK(SigningKeys::Open(f.config, f.journal, TestNow).status().reason() == "config.invalid");
  std::filesystem::remove_all(folder);
}

}  // namespace entente::coordinator
