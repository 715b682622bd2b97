// Encryption at rest over PostgreSQL: what is in the tables, nodes with and without the key, and
// rotation while others write.
#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/base64.h"
#include "storage/encryption.h"
#include "storage/membership.h"
#include "storage/open.h"
#include "storage/rewriting.h"
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

// The clock of all nodes of a test.
std::atomic<SealClock::duration> passed;

SealOptions Options() {
  return {.settle = std::chrono::minutes(10),
          .now = [] { return SealClock::time_point() + passed.load(); }};
}

Result<std::unique_ptr<Journal>> TryOpen(const PostgresPlace& place, const std::string& keys) {
  return SealJournal(OpenPostgres(place.options()),
                     keys.empty() ? nullptr : KeyRing::Parse(keys).value(), Options());
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

Journal& InnerOf(Journal& journal) {
  auto* const owned = dynamic_cast<OwnedJournal*>(&journal);
  return owned == nullptr ? journal : owned->inner();
}

Membership& MemberOf(Journal& journal) {
  return dynamic_cast<Membership&>(InnerOf(journal));
}

void Beat(Journal& journal) {
  REQUIRE(MemberOf(journal).Beat({}).ok());
}

void Leave(Journal& journal) {
  REQUIRE(MemberOf(journal).Leave().ok());
}

// As far as that goes at once.
EncryptionReport Rewrite(Journal& journal) {
  Beat(journal);
  Encryption* const encryption = EncryptionOf(InnerOf(journal));
  REQUIRE(encryption != nullptr);
  Result<bool> more = true;
  while (more.ok() && *more) {
    more = encryption->RewriteSome();
  }
  INFO(more.status());
  REQUIRE(more.ok());
  return encryption->report();
}

Status TryToRewrite(Journal& journal) {
  Beat(journal);
  return EncryptionOf(InnerOf(journal))->RewriteSome().status();
}

void Pass(SealClock::duration time) {
  passed = passed.load() + time;
}

// Until nothing but the key that writes is needed: a look that rewrites, and two that find nothing.
EncryptionReport Settle(Journal& journal) {
  Rewrite(journal);
  Rewrite(journal);
  Pass(std::chrono::minutes(10));
  return Rewrite(journal);
}

using Names = std::vector<std::string>;

Names Both() {
  Names names{Name('a'), Name('b')};
  std::ranges::sort(names);
  return names;
}

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
  {
    const auto journal = Open(place, "");
    Plant(*journal);
    Leave(*journal);
  }
  CHECK(Found(place) > 0);
  {
    const auto journal = Open(place, Line('a'));
    const EncryptionReport report = Rewrite(*journal);
    CHECK(report.needed == Names{Name('a'), kPlainTexts});
    CHECK(report.unreadable == 0);
    CHECK(report.rewritten == 40 * 4 + 2 * 2 + 2);
    CHECK(Found(place) == 0);
    CheckPlanted(*journal);
    CHECK(Settle(*journal).needed == Names{Name('a')});
    Leave(*journal);
  }
  {
    const auto journal = Open(place, "plain\n" + Line('a'));
    CHECK(Settle(*journal).needed == Names{kPlainTexts});
    Leave(*journal);
    CheckPlanted(*journal);
  }
  CheckPlanted(*Open(place, ""));
}

TEST_CASE("a release that knows nothing of encryption does not open tables that were encrypted") {
  PostgresPlace place;
  Open(place, "");
  CHECK(place.Query("SELECT version FROM entente_schema") == "2");
  Open(place, "plain\n" + Line('a'));
  CHECK(place.Query("SELECT version FROM entente_schema") == "2");
  Open(place, Line('a'));
  CHECK(place.Query("SELECT version FROM entente_schema") == "3");
  Open(place, Line('a'));
}

// Of one call.
struct Piece {
  std::string cursor;
  size_t texts = 0;
  size_t bytes = 0;
};
Piece RewriteOnce(Journal& journal, const std::string& cursor) {
  Piece piece;
  const auto change = [&piece](const TextPlace&,
                               std::string_view text) -> std::optional<std::string> {
    ++piece.texts;
    piece.bytes += text.size();
    return std::string(text) + "x";
  };
  auto next = RewritingOf(journal)->RewriteSome(cursor, change);
  INFO(next.status());
  REQUIRE(next.ok());
  piece.cursor = std::move(next).value();
  return piece;
}

TEST_CASE("a piece of a look has few rows, and few bytes where they are large") {
  PostgresPlace place;
  OwnedJournal journal(OpenPostgres(place.options()));
  for (int i = 0; i < 12; ++i) {
    Summary summary = OpenSummary();
    summary.error = std::string(600'000, 'e');
    TxnAppend append = MakeAppend("t" + std::to_string(i), 1, 1, summary);
    append.records[0] = std::string(1'000'000, 'r');
    Fill(journal, {append});
  }
  size_t texts = 0;
  size_t most = 0;
  std::string cursor;
  do {
    const Piece piece = RewriteOnce(journal.inner(), cursor);
    texts += piece.texts;
    most = std::max(most, piece.bytes);
    cursor = piece.cursor;
  } while (!cursor.empty());
  CHECK(texts >= 24);
  CHECK(most < 4'000'000);
}

TEST_CASE("rewriting holds no row that appends need while it waits for another one") {
  PostgresPlace place;
  OwnedJournal journal(OpenPostgres(place.options()));
  for (const char* gid : {"a", "b"}) {
    Summary summary = OpenSummary();
    summary.error = "no room";
    Fill(journal, {MakeAppend(gid, 1, 1, summary)});
  }
  const auto table = place.Query(
      "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename LIKE "
      "'entente_txn_%' ORDER BY tablename LIMIT 1");
  const auto writer = place.Connect();
  const auto deadline = [] { return postgres::After(std::chrono::seconds(20)); };
  REQUIRE(writer->Execute("BEGIN", deadline()).ok());
  const auto touch = [&](const std::string& gid) {
    return writer->Execute("UPDATE " + table + " SET attempts = attempts WHERE gid = '" + gid + "'",
                           deadline());
  };
  REQUIRE(touch("b").ok());
  Status rewritten;
  std::thread rewriter([&] {
    const auto change = [](const TextPlace&, std::string_view text) {
      return std::optional(std::string(text) + "x");
    };
    Result<std::string> next = std::string();
    do {
      next = RewritingOf(journal.inner())->RewriteSome(*next, change);
    } while (next.ok() && !next->empty());
    rewritten = next.status();
  });
  // It has changed the first row, and waits for the second.
  while (place.Query("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND "
                     "query LIKE '%" +
                     table + "%'") == "0") {
    std::this_thread::yield();
  }
  const pg::PgResult first = touch("a");
  CHECK(first.ok());
  CHECK(writer->Execute("COMMIT", deadline()).ok());
  rewriter.join();
  CHECK(rewritten.ok());
}

TEST_CASE("a rotation goes on while nodes append and rotate too") {
  PostgresPlace place;
  {
    const auto before = Open(place, Line('a'));
    Plant(*before);
    Leave(*before);
  }
  auto other = TryOpen(place, Line('b') + Line('a')).value();
  const auto journal = Open(place, Line('b') + Line('a'));
  Beat(*other);
  Beat(*journal);
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
  CHECK(Found(place) == 0);
  CHECK(Settle(*journal).needed == Names{Name('b')});
}

TEST_CASE("a key is needed, and nothing rewritten, for as long as a node writes with another one") {
  PostgresPlace place;
  auto former = Open(place, Line('a') + Line('b'));
  Plant(*former);
  Settle(*former);
  const auto journal = TryOpen(place, Line('b') + Line('a')).value();
  CHECK(TryToRewrite(*journal).reason() == "encryption.members_differ");
  CHECK(TryToRewrite(*former).reason() == "encryption.members_differ");
  CHECK(EncryptionOf(*journal)->report().needed == Both());
  SECTION("until it leaves, and what it wrote last is found") {
    Leave(*former);
    Pass(std::chrono::seconds(10));
    CHECK(former->CheckHealth().fatal.ok());  // Which looks at the notes, and does not come back.
    Rewrite(*journal);
    CHECK(Rewrite(*journal).needed == Both());
    // Behind the look that found nothing.
    Fill(*former, {MakeAppend("late", 1, 2, OpenSummary())});
    Pass(std::chrono::minutes(10));
    CHECK(Rewrite(*journal).needed == Both());
    CHECK(Settle(*journal).needed == Names{Name('b')});
    CHECK(MustLoad(*journal, "late").records.size() == 2);
    former.reset();
  }
  SECTION("until nothing was heard of it for a while") {
    former.reset();
    CHECK(TryToRewrite(*journal).reason() == "encryption.members_differ");
    place.Query("DELETE FROM entente_node WHERE id <> '" + MemberOf(*journal).node_id() + "'");
    CHECK(TryToRewrite(*journal).reason() == "encryption.members_differ");
    Pass(std::chrono::minutes(10));
    CHECK(Settle(*journal).needed == Names{Name('b')});
  }
  CheckPlanted(*Open(place, Line('b')));
}

TEST_CASE("a member that says nothing of keys writes plain text") {
  PostgresPlace place;
  const auto plain = TryOpen(place, "").value();
  Beat(*plain);
  const auto journal = TryOpen(place, Line('a')).value();
  CHECK(TryToRewrite(*journal).reason() == "encryption.members_differ");
  Leave(*plain);
  CHECK(Settle(*journal).needed == Names{Name('a')});
}

TEST_CASE("a start looks for what the notes say nothing of") {
  PostgresPlace place;
  {
    const auto before = Open(place, Line('a'));
    Plant(*before);
    Leave(*before);
  }
  place.Query("DELETE FROM entente_note WHERE name LIKE 'encryption-key/%'");
  place.Query("INSERT INTO entente_note(name, value) VALUES('encryption-key/" + Name('b') +
              "', '')");
  const auto journal = Open(place, Line('b') + Line('a'));
  const EncryptionReport report = Rewrite(*journal);
  CHECK(report.rewritten == 40 * 4 + 2 * 2 + 2);
  CHECK(report.needed == Both());
  CHECK(Settle(*journal).needed == Names{Name('b')});
}

TEST_CASE("a node that runs without a key that another puts to use takes nothing over and fails") {
  PostgresPlace place;
  const std::string keys = GENERATE(as<std::string>(), "", Line('b'));
  const auto node = TryOpen(place, keys).value();
  CHECK(node->CheckHealth().fatal.ok());
  const auto other = TryOpen(place, Line('a') + Line('b')).value();
  CHECK(MemberOf(*node).AcquireShards({ShardId(1)}).at(0).status().reason() == kKeyMissing);
  CHECK(node->Acquire(ShardId(1)).status().reason() == kKeyMissing);
  CHECK(node->CheckHealth().fatal.message().find(Name('a')) != std::string::npos);
  // Also where nothing is to be taken over.
  const auto idle = SealJournal(OpenPostgres(place.options()), nullptr, Options());
  CHECK(idle.status().reason() == kKeyMissing);
  place.Query("DELETE FROM entente_note WHERE name LIKE 'encryption-key/%'");
  const auto still = TryOpen(place, keys).value();
  place.Query("INSERT INTO entente_note(name, value) VALUES('encryption-key/" + Name('a') +
              "', '')");
  CHECK(still->CheckHealth().fatal.ok());
  Pass(std::chrono::seconds(10));
  CHECK(still->CheckHealth().fatal.reason() == kKeyMissing);
}

}  // namespace
}  // namespace entente::storage::postgres_sealed_test
