// Encryption at rest over PostgreSQL: what is in the tables, nodes with and without the key, and
// rotation while others write.
#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/base64.h"
#include "storage/encryption.h"
#include "storage/membership.h"
#include "storage/open.h"
#include "storage/sealed/key_ring.h"
#include "storage/sealed/sealed_journal.h"
#include "tests/storage/postgres_fixtures.h"

namespace entente::storage::postgres_sealed_test {
namespace {

constexpr const char* kPlanted = "PLANTED-SECRET";
constexpr const char* kPlantedHex = "504c414e5445442d534543524554";

std::string Line(char byte) {
  return EncodeBase64(std::string(EncryptionKey::kBytes, byte)) + "\n";
}
std::string Name(char byte) {
  return KeyName(EncryptionKey(std::string(EncryptionKey::kBytes, byte)).id());
}

Result<std::unique_ptr<Journal>> TryOpen(const PostgresPlace& place, const std::string& keys) {
  return SealJournal(OpenPostgres(place.options()),
                     keys.empty() ? nullptr : KeyRing::Parse(keys).value());
}

std::unique_ptr<OwnedJournal> Open(const PostgresPlace& place, const std::string& keys) {
  auto journal = TryOpen(place, keys);
  INFO(journal.status());
  REQUIRE(journal.ok());
  return std::make_unique<OwnedJournal>(std::move(journal).value());
}

// Rows of any table that have what was planted, as text or in bytes.
int Found(const PostgresPlace& place) {
  int found = 0;
  const std::string tables = place.Query(
      "SELECT string_agg(tablename, ' ') FROM pg_tables WHERE schemaname = current_schema()");
  size_t begin = 0;
  while (begin < tables.size()) {
    const size_t end = std::min(tables.find(' ', begin), tables.size());
    found += std::stoi(place.Query("SELECT count(*) FROM " + tables.substr(begin, end - begin) +
                                   " AS t WHERE strpos(t::text, '" + kPlanted +
                                   "') > 0 OR strpos(t::text, '" + kPlantedHex + "') > 0"));
    begin = end + 1;
  }
  return found;
}

TxnAppend Planted(const std::string& gid) {
  Summary summary = OpenSummary();
  summary.error = std::string("no room for ") + kPlanted;
  summary.incidents = {MakeIncident("hotel", "timeout")};
  summary.incidents[0].message = kPlanted;
  TxnAppend append = MakeAppend(gid, 1, 2, summary);
  append.records[1] = std::string("\x08") + kPlanted + gid;
  return append;
}

void Plant(OwnedJournal& journal) {
  for (int i = 0; i < 40; ++i) {
    Fill(journal, {Planted("t" + std::to_string(i))});
  }
  const std::string text(kPlanted);
  for (const char* digest : {"1", "2"}) {
    REQUIRE(journal
                .PutDefinition({"d", 0, "{\"" + text + "\":1}", "{\"E\":\"" + text + "\"}", digest,
                                InstantFromMicros(1)})
                .ok());
  }
  REQUIRE(journal.PutNote("audit/1", text).ok());
  REQUIRE(journal.GetOrPutSetting("key", text).ok());
}

void CheckPlanted(OwnedJournal& journal) {
  const std::string text(kPlanted);
  for (int i = 0; i < 40; ++i) {
    const std::string gid = "t" + std::to_string(i);
    const StoredTxn txn = MustLoad(journal, gid);
    CHECK(txn.records.at(1) == "\x08" + text + gid);
    CHECK(txn.summary.error == "no room for " + text);
    CHECK(txn.summary.incidents.at(0).message == text);
  }
  for (uint32_t version : {1, 2}) {
    CHECK(journal.GetDefinition("d", version).value().source.find(text) != std::string::npos);
    CHECK(journal.GetDefinition("d", version).value().env.find(text) != std::string::npos);
  }
  CHECK(journal.ListNotes("audit/").value().at(0).second == text);
  CHECK(journal.GetOrPutSetting("key", "other").value() == text);
  Filter filter;
  filter.error = "planted";
  CHECK(QueryAll(journal, filter).size() == 40);
}

EncryptionReport Rewrite(OwnedJournal& journal) {
  Encryption* const encryption = EncryptionOf(journal.inner());
  REQUIRE(encryption != nullptr);
  Result<bool> more = true;
  while (more.ok() && *more) {
    more = encryption->RewriteSome();
  }
  INFO(more.status());
  REQUIRE(more.ok());
  return encryption->report();
}

using Names = std::vector<std::string>;

TEST_CASE("nothing that payloads may stand in is in a table of an encrypted store") {
  PostgresPlace place;
  {
    const auto journal = Open(place, Line('a'));
    Plant(*journal);
    CheckPlanted(*journal);
    CHECK(dynamic_cast<Membership*>(&journal->inner()) != nullptr);
  }
  CHECK(Found(place) == 0);
  // A node that does not have the key takes no part.
  CHECK(TryOpen(place, "").status().reason() == "encryption.key_missing");
  CHECK(TryOpen(place, Line('b')).status().message().find(Name('a')) != std::string::npos);
  CheckPlanted(*Open(place, Line('a')));
}

TEST_CASE("tables that were not encrypted are, in the background, and decrypted again") {
  PostgresPlace place;
  Plant(*Open(place, ""));
  CHECK(Found(place) > 0);
  {
    const auto journal = Open(place, Line('a'));
    const EncryptionReport report = Rewrite(*journal);
    CHECK(report.needed == Names{Name('a')});
    CHECK(report.unreadable == 0);
    CHECK(report.rewritten == 40 * 4 + 2 * 2 + 2);
    CHECK(Found(place) == 0);
    CheckPlanted(*journal);
  }
  {
    const auto journal = Open(place, "plain\n" + Line('a'));
    CHECK(Rewrite(*journal).needed == Names{kPlainTexts});
    CheckPlanted(*journal);
  }
  CheckPlanted(*Open(place, ""));
}

TEST_CASE("a rotation goes on while nodes append and rotate too") {
  PostgresPlace place;
  Plant(*Open(place, Line('a')));
  auto other = TryOpen(place, Line('b') + Line('a')).value();
  const auto journal = Open(place, Line('b') + Line('a'));
  std::atomic<bool> ended = false;
  std::atomic<bool> failed = false;
  std::thread beside([&] {
    while (!ended) {
      failed = failed || !EncryptionOf(*other)->RewriteSome().ok();
    }
  });
  // Notes are changed as they are rewritten: the latest stays.
  Encryption* const encryption = EncryptionOf(journal->inner());
  int changed = 0;
  for (bool more = true; more;) {
    more = encryption->RewriteSome().value();
    REQUIRE(journal->PutNote("count", std::to_string(++changed)).ok());
    Summary summary = OpenSummary();
    summary.error = "changed " + std::to_string(changed);
    REQUIRE(
        AppendAndWait(*journal, MakeAppend("t0", static_cast<uint64_t>(changed) + 2, 1, summary))
            .ok());
  }
  ended = true;
  beside.join();
  CHECK_FALSE(failed);
  CHECK(journal->ListNotes("count").value().at(0).second == std::to_string(changed));
  CHECK(MustLoad(*journal, "t0").summary.error == "changed " + std::to_string(changed));
  CHECK(MustLoad(*journal, "t0").records.size() == static_cast<size_t>(changed) + 2);
  CHECK(encryption->report().needed == Names{Name('b')});
  CHECK(Found(place) == 0);
}

}  // namespace
}  // namespace entente::storage::postgres_sealed_test
