// Encryption at rest over SQLite: what is in the files, which keys are asked for, and rotation.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include "base/base64.h"
#include "storage/encryption.h"
#include "storage/maintain.h"
#include "storage/open.h"
#include "storage/rewriting.h"
#include "storage/sealed/key_ring.h"
#include "storage/sealed/sealed_journal.h"
#include "storage/sqlite/connection.h"
#include "tests/storage/journal_fixtures.h"

namespace entente::storage::sealed_journal_test {
namespace {

// Stands in everything that is to be encrypted.
constexpr std::string_view kPlanted = "PLANTED-SECRET";

std::string Line(char byte) {
  return EncodeBase64(std::string(EncryptionKey::kBytes, byte)) + "\n";
}
std::string Name(char byte) {
  return KeyName(EncryptionKey(std::string(EncryptionKey::kBytes, byte)).id());
}

struct Store {
  TempDirectory directory;
  std::string path = directory.File("store.db");

  // With the keys of such a file; empty: without any.
  Result<std::unique_ptr<Journal>> TryOpen(const std::string& keys) {
    OpenOptions options;
    if (!keys.empty()) {
      options.keys = KeyRing::Parse(keys).value();
    }
    return OpenJournal("sqlite:" + path, options);
  }
  std::unique_ptr<OwnedJournal> Open(const std::string& keys) {
    auto journal = TryOpen(keys);
    INFO(journal.status());
    REQUIRE(journal.ok());
    return std::make_unique<OwnedJournal>(std::move(journal).value());
  }

  // Whether any of its files has it.
  [[nodiscard]] bool Has(std::string_view text) const {
    for (const auto& file :
         std::filesystem::directory_iterator(std::filesystem::path(path).parent_path())) {
      std::ostringstream bytes;
      bytes << std::ifstream(file.path(), std::ios::binary).rdbuf();
      if (bytes.str().find(text) != std::string::npos) {
        return true;
      }
    }
    return false;
  }

  void Execute(const std::string& sql) const {
    const auto connection =
        sqlite::Connection::Open(path, sqlite::Connection::Access::kReadWrite, "", 0).value();
    REQUIRE(connection->Execute(sql.c_str()).ok());
  }
};

TxnAppend Planted(const std::string& gid, bool open = true) {
  Summary summary = open ? OpenSummary() : FinishedSummary();
  summary.error = "no room for " + std::string(kPlanted);
  summary.incidents = {MakeIncident("hotel", "timeout")};
  summary.incidents[0].message = kPlanted;
  summary.labels = {{"team", "red"}};
  TxnAppend append = MakeAppend(gid, 1, 2, summary);
  append.records[1] = "\x08" + std::string(kPlanted) + gid;
  return append;
}

// Which CheckPlanted does not ask for.
TxnAppend Beside(const std::string& gid) {
  TxnAppend append = MakeAppend(gid, 1, 2, FinishedSummary());
  append.records[1] = kPlanted;
  return append;
}

void Plant(OwnedJournal& journal) {
  Fill(journal, {Planted("a"), Planted("b", false)});
  const std::string text(kPlanted);
  REQUIRE(journal
              .PutDefinition({"d", 0, "{\"" + text + "\":1}", "{\"E\":\"" + text + "\"}", "1",
                              InstantFromMicros(1)})
              .ok());
  REQUIRE(journal.PutNote("audit/1", text).ok());
  REQUIRE(journal.GetOrPutSetting("key", text).ok());
}

// Everything that Plant put is read.
void CheckPlanted(OwnedJournal& journal) {
  const std::string text(kPlanted);
  for (const std::string gid : {"a", "b"}) {
    const StoredTxn txn = MustLoad(journal, gid);
    CHECK(txn.records.at(1) == "\x08" + text + gid);
    CHECK(txn.summary.error == "no room for " + text);
    CHECK(txn.summary.incidents.at(0).message == text);
  }
  CHECK(OpenGids(journal) == std::vector<std::string>{"a"});
  CHECK(journal.GetDefinition("d", 1).value().source.find(text) != std::string::npos);
  CHECK(journal.GetDefinition("d", 1).value().env.find(text) != std::string::npos);
  CHECK(journal.ListNotes("audit/").value().at(0).second == text);
  CHECK(journal.GetOrPutSetting("key", "other").value() == text);
  Filter filter;
  filter.error = "planted";
  CHECK(QueryAll(journal, filter).size() == 2);
  filter.error = "PLANTED-SECRETS";
  CHECK(QueryAll(journal, filter).empty());
  filter = {};
  filter.label = {{"team", "red"}};
  filter.code = "timeout";
  CHECK(QueryAll(journal, filter).size() == 2);
}

// To its end.
EncryptionReport Rewrite(OwnedJournal& journal) {
  Encryption* const encryption = EncryptionOf(journal.inner());
  REQUIRE(encryption != nullptr);
  Result<bool> more = true;
  while (more.ok() && *more) {
    more = encryption->RewriteSome();
  }
  REQUIRE(more.ok());
  return encryption->report();
}

using Names = std::vector<std::string>;

TEST_CASE("nothing that payloads may stand in is in a file of an encrypted store") {
  Store store;
  {
    const auto journal = store.Open(Line('a'));
    Plant(*journal);
    CheckPlanted(*journal);
    // In the log, and in the tables.
    CHECK_FALSE(store.Has(kPlanted));
    CHECK(QueryAll(*journal, {}).size() == 2);
    CHECK_FALSE(store.Has(kPlanted));
  }
  CHECK_FALSE(store.Has(kPlanted));
  CHECK_FALSE(store.Has(Line('a').substr(0, 40)));
  CHECK_FALSE(store.Has(std::string(EncryptionKey::kBytes, 'a')));
  const auto journal = store.Open(Line('a'));
  CheckPlanted(*journal);
  const std::string backup = store.directory.File("backup");
  REQUIRE(BackUpStore("sqlite:" + store.path, backup).ok());
  CHECK_FALSE(store.Has(kPlanted));
}

TEST_CASE("a key that the store needs is asked for by name before anything is read") {
  Store store;
  Plant(*store.Open(Line('a')));
  const Status none = store.TryOpen("").status();
  CHECK(none.code() == StatusCode::kFailedPrecondition);
  CHECK(none.reason() == "encryption.key_missing");
  CHECK(none.message().find(Name('a')) != std::string::npos);
  CHECK(none.message().find("--encryption-key-file") != std::string::npos);
  const Status other = store.TryOpen(Line('b')).status();
  CHECK(other.reason() == "encryption.key_missing");
  CHECK(other.message().find(Name('a')) != std::string::npos);
  CheckPlanted(*store.Open(Line('b') + Line('a')));
  // What another key has written meanwhile is needed too.
  CHECK(store.TryOpen(Line('a')).status().message().find(Name('b')) != std::string::npos);
}

TEST_CASE("a store that was not encrypted is read, and encrypted in the background") {
  Store store;
  Plant(*store.Open(""));
  CHECK(store.Has(kPlanted));
  {
    const auto journal = store.Open(Line('a'));
    CheckPlanted(*journal);
    CHECK(EncryptionOf(journal->inner())->report().needed == Names{Name('a'), kPlainTexts});
    Fill(*journal, {Beside("c")});
    const EncryptionReport report = Rewrite(*journal);
    CHECK(report.needed == Names{Name('a')});
    CHECK(report.writing == Name('a'));
    CHECK(report.unreadable == 0);
    CHECK_FALSE(report.rewriting);
    // Those of a definition, a note, a setting, and of two transactions two records, an error and a
    // message each.
    REQUIRE(report.found.size() == 2);
    CHECK(report.found[0].key == Name('a'));
    CHECK(report.found[0].texts == 2);
    CHECK(report.found[1].key == kPlainTexts);
    CHECK(report.found[1].texts == 12);
    CHECK(report.rewritten == 12);
    CheckPlanted(*journal);
  }
  // What was replaced is overwritten in the pages; what else there was goes with them.
  REQUIRE(CompactStore("sqlite:" + store.path).ok());
  CHECK_FALSE(store.Has(kPlanted));
  CheckPlanted(*store.Open(Line('a')));
}

TEST_CASE("after a rotation nothing needs the key that was") {
  Store store;
  Plant(*store.Open(Line('a')));
  {
    const auto journal = store.Open(Line('b') + Line('a'));
    CheckPlanted(*journal);
    Fill(*journal, {Beside("c")});
    const EncryptionReport report = Rewrite(*journal);
    CHECK(report.needed == Names{Name('b')});
    CheckPlanted(*journal);
    // Another look has nothing to do.
    CHECK_FALSE(EncryptionOf(journal->inner())->RewriteSome().value());
  }
  CheckPlanted(*store.Open(Line('b')));
  CHECK(store.TryOpen(Line('a')).status().message().find(Name('b')) != std::string::npos);
}

TEST_CASE("a rotation that ends in the middle goes on, and forgets no key before its end") {
  Store store;
  {
    const auto journal = store.Open(Line('a'));
    Plant(*journal);
    for (int i = 0; i < 400; ++i) {
      Fill(*journal, {Beside("many-" + std::to_string(i))});
      CHECK(journal->inner().Query({}, {}).ok());  // So that each has a row of its own.
    }
  }
  size_t pieces = 0;
  bool more = true;
  for (size_t stop = 1; more; ++stop) {
    const auto journal = store.Open(Line('b') + Line('a'));
    for (size_t piece = 0; more && piece < stop; ++piece) {
      more = EncryptionOf(journal->inner())->RewriteSome().value();
      ++pieces;
    }
    CheckPlanted(*journal);
    if (more) {
      CHECK(EncryptionOf(journal->inner())->report().needed.size() > 1);
    }
  }
  CHECK(pieces > 10);
  CheckPlanted(*store.Open(Line('b')));
}

TEST_CASE("a store is decrypted again by a file that says plain, and then needs no key") {
  Store store;
  Plant(*store.Open(Line('a')));
  {
    const auto journal = store.Open("plain\n" + Line('a'));
    CheckPlanted(*journal);
    CHECK(EncryptionOf(journal->inner())->report().writing == kPlainTexts);
    CHECK(Rewrite(*journal).needed == Names{kPlainTexts});
  }
  CheckPlanted(*store.Open(""));
}

TEST_CASE("a record that was moved or changed is not opened, and no other one suffers") {
  Store store;
  {
    const auto journal = store.Open(Line('a'));
    Plant(*journal);
    Fill(*journal, {Planted("c"), Planted("d")});
  }
  {
    // As whoever can write to the store would: with checksums that are right.
    auto raw = sqlite::OpenSqliteJournal(store.path).value();
    const std::string other = raw->Load(Gid("d")).value().records.at(1);
    const auto change = [&](const TextPlace& place,
                            std::string_view stored) -> std::optional<std::string> {
      if (place.kind != TextKind::kRecord || place.number != 2) {
        return std::nullopt;
      }
      std::string changed(stored);
      changed.back() = static_cast<char>(changed.back() ^ 1);
      return place.name == "a"   ? std::optional(changed)
             : place.name == "c" ? std::optional(other)
                                 : std::nullopt;
    };
    std::string cursor;
    do {
      cursor = RewritingOf(*raw)->RewriteSome(cursor, change).value();
    } while (!cursor.empty());
  }
  const auto journal = store.Open(Line('b') + Line('a'));
  for (const std::string gid : {"a", "c"}) {
    const StoredTxn txn = MustLoad(*journal, gid);
    CHECK(txn.records.at(0) == gid + "#1");
    CHECK(txn.records.at(1).starts_with('\0'));
  }
  for (const std::string gid : {"b", "d"}) {
    CHECK(MustLoad(*journal, gid).records.at(1) == "\x08" + std::string(kPlanted) + gid);
  }
  // The key is kept for what could not be read.
  const EncryptionReport report = Rewrite(*journal);
  CHECK(report.unreadable == 2);
  CHECK(report.needed.size() == 2);
  // Another look would find no more, unless the process or what is needed is another one.
  CHECK_FALSE(EncryptionOf(journal->inner())->RewriteSome().value());
}

TEST_CASE("what is under a key that is missing fails what reads it, and is not taken for damaged") {
  Store store;
  Plant(*store.Open(Line('a')));
  // As in a store whose notes were lost.
  store.Execute("DELETE FROM setting WHERE name LIKE '%encryption-key%'");
  const auto journal = store.Open(Line('b'));
  CHECK(journal->Load(Gid("a")).status().reason() == kKeyMissing);
  CHECK(journal->Load(Gid("a")).status().message().find(Name('a')) != std::string::npos);
  CHECK(journal->GetDefinition("d", 1).status().reason() == kKeyMissing);
  CHECK(journal->GetOrPutSetting("key", "other").status().reason() == kKeyMissing);
  bool any = false;
  Status failed;
  for (uint64_t i = 0; i < kShardCount; ++i) {
    const Status read = journal->LoadOpen(ShardId(i), [&any](const StoredTxn&) {
      any = true;
      return Status();
    });
    failed = read.ok() ? failed : read;
  }
  CHECK_FALSE(any);
  CHECK(failed.reason() == kKeyMissing);
  // A list says that it can not be read, and shows no ciphertext.
  const SummaryPage page = journal->Query({}, {}).value();
  for (const SummaryRow& row : page.rows) {
    CHECK(row.summary.error == "(encrypted, and can not be decrypted)");
    CHECK(row.summary.incidents.at(0).message == "(encrypted, and can not be decrypted)");
  }
}

TEST_CASE("a row in which nobody can tell the texts keeps every key") {
  Store store;
  {
    const auto journal = store.Open(Line('a'));
    Plant(*journal);
    CHECK(QueryAll(*journal, {}).size() == 2);  // So that each has a row of its own.
  }
  SECTION("records") {
    store.Execute("UPDATE journal SET records = x'00' WHERE id = (SELECT min(id) FROM journal)");
  }
  SECTION("incidents") {
    store.Execute("UPDATE incident SET branches = x'ff'");
  }
  const auto journal = store.Open(Line('b') + Line('a'));
  const EncryptionReport report = Rewrite(*journal);
  CHECK(report.unreadable > 0);
  CHECK(report.needed.size() == 3);
  CHECK_FALSE(EncryptionOf(journal->inner())->RewriteSome().value());
}

TEST_CASE("a release that knows nothing of encryption does not open a store that was encrypted") {
  Store store;
  const auto version = [&store] {
    return sqlite::Connection::Open(store.path, sqlite::Connection::Access::kReadWrite, "", 0)
        .value()
        ->QueryInteger("PRAGMA user_version")
        .value();
  };
  store.Open("");
  CHECK(version() == 3);
  store.Open("plain\n" + Line('a'));
  CHECK(version() == 3);
  store.Open(Line('a'));
  CHECK(version() == 4);
  store.Open(Line('a'));
}

TEST_CASE("a shard is not read by a node that has not the key that another one writes with") {
  const auto store = std::make_shared<MemoryStore>();
  const auto open = [&store](const std::string& keys) {
    return SealJournal(std::make_unique<MemoryJournal>(store), KeyRing::Parse(keys).value())
        .value();
  };
  const auto without = open(Line('a'));
  {
    OwnedJournal with(open(Line('b') + Line('a')));
    Create(with, "t");
  }
  const auto sink = [](StoredTxn) { return Status(); };
  const Status read = without->LoadOpen(ShardOf(Gid("t")), sink);
  CHECK(read.code() == StatusCode::kUnavailable);
  CHECK(read.reason() == "encryption.key_missing");
  CHECK(read.message().find(Name('b')) != std::string::npos);
  CHECK(without->LoadOpen(ShardId((ShardOf(Gid("t")).value() + 1) % kShardCount), sink).ok());
}

TEST_CASE("a setting that can not be decrypted is refused, not taken for another value") {
  Store store;
  Plant(*store.Open(Line('a')));
  store.Execute("UPDATE setting SET value = CAST(value || x'00' AS BLOB) WHERE name = 'key'");
  const auto journal = store.Open(Line('a'));
  const auto setting = journal->GetOrPutSetting("key", "other");
  CHECK(setting.status().code() == StatusCode::kDataLoss);
  CHECK(setting.status().message().find("'key'") != std::string::npos);
}

TEST_CASE("an error is looked for in as many rows as a page may take") {
  Store store;
  const auto journal = store.Open(Line('a'));
  for (int i = 0; i < 200; ++i) {
    Summary summary = OpenSummary(i);
    summary.error = i % 50 == 7 ? "no room" : "no car";
    Create(*journal, "t" + std::to_string(i), summary);
  }
  Filter filter;
  filter.error = "ROOM";
  Page page;
  page.limit = 3;
  const SummaryPage first = journal->Query(filter, page).value();
  REQUIRE(first.rows.size() == 3);
  CHECK(first.rows[0].gid == Gid("t157"));
  CHECK(first.rows[0].summary.error == "no room");
  CHECK(QueryAll(*journal, filter, 3) == std::vector<std::string>{"t157", "t107", "t57", "t7"});
  // In one pass: a page in an order of its own has them all, and no empty ones come before it.
  page.limit = 4;
  page.order = ListOrder::kUnchanged;
  const SummaryPage ranked = journal->Query(filter, page).value();
  CHECK(ranked.rows.size() == 4);
  CHECK(ranked.next_cursor.empty());
}

}  // namespace
}  // namespace entente::storage::sealed_journal_test
