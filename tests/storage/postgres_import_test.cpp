// From a file into PostgreSQL.
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "storage/import.h"
#include "storage/maintain.h"
#include "storage/open.h"
#include "tests/storage/postgres_fixtures.h"

namespace entente::storage {
namespace {

// Two definitions, one with two versions, and transactions of every kind, some with large records.
void FillSource(OwnedJournal& journal) {
  for (const char* digest : {"1", "2"}) {
    REQUIRE(
        journal.PutDefinition({"travel", 0, "{\"n\":1}", "{}", digest, InstantFromMicros(5)}).ok());
  }
  REQUIRE(journal.PutDefinition({"other", 0, "{}", "{}", "1", InstantFromMicros(6)}).ok());
  REQUIRE(journal.GetOrPutSetting(kIdentitySetting, "the file's").ok());
  REQUIRE(journal.GetOrPutSetting(kCompletionSecretSetting, "secret").ok());
  std::vector<TxnAppend> appends;
  for (int i = 0; i < 1'200; ++i) {
    Summary summary = i % 3 == 0 ? OpenSummary(i) : FinishedSummary(i, i + 10);
    summary.attempts = static_cast<uint32_t>(i);
    summary.labels = {{"n", std::to_string(i % 7)}};
    summary.lasting = i % 5 == 1 && !summary.open;
    summary.error = i % 4 == 0 ? "no room" : "";
    summary.parent = i % 10 == 0 ? std::optional(Gid("p")) : std::nullopt;
    if (i % 9 == 0) {
      summary.incidents = {MakeIncident("hotel", "timeout")};
    }
    TxnAppend append = MakeAppend("t" + std::to_string(i), 1, 3, summary);
    append.records[1] = std::string(i % 100 == 0 ? 300'000 : 50, static_cast<char>(i));
    appends.push_back(std::move(append));
  }
  Fill(journal, std::move(appends));
  REQUIRE(AppendAndWait(journal, MakeAppend("t0", 4, 2)).ok());
}

class Moving {
 public:
  Moving() {
    OwnedJournal journal(file_.OpenOther());
    FillSource(journal);
    listed_ = QueryAll(journal, {}, 500);
    open_ = OpenGids(journal);
    epoch_ = journal.EpochOf(ShardId(0));
  }

  Result<ImportReport> Run() { return ImportStore("sqlite:" + file_.path, Url()); }

  // As ImportStore wants it: a URL, where the tests' conninfo is key=value text.
  [[nodiscard]] std::string Url() const {
    return "postgres://entente@127.0.0.1:" + place_.Query("SHOW port") +
           "/test?options=-csearch_path%3D" + place_.Query("SELECT current_schema()");
  }

  // Everything that the file has, and in the same order.
  void CheckWhole() {
    const auto there = OpenPostgres(place_.options());
    CHECK(QueryAll(*there, {}, 500) == listed_);
    CHECK(OpenGids(*there) == open_);
    const auto source = file_.OpenOther();
    for (const char* gid : {"t0", "t1", "t5", "t100", "t1199"}) {
      const StoredTxn one = MustLoad(*source, gid);
      const StoredTxn other = MustLoad(*there, gid);
      CHECK(one.records == other.records);
      CHECK(one.summary.lasting == other.summary.lasting);
      CHECK(one.summary.labels == other.summary.labels);
    }
    CHECK(there->GetDefinition("travel", 2)->digest == "2");
    CHECK(there->GetDefinition("travel", 1)->created_at == InstantFromMicros(5));
    CHECK(there->GetOrPutSetting(kIdentitySetting, "none").value() == "the file's");
    CHECK(there->GetOrPutSetting(kCompletionSecretSetting, "none").value() == "secret");
    // Participants have seen the file's epochs, and refuse what is not above them.
    CHECK(there->Acquire(ShardId(0)).value().value() > epoch_.value());
  }

  PostgresPlace& place() { return place_; }
  SqliteFactory& file() { return file_; }

 private:
  SqliteFactory file_;
  PostgresPlace place_;
  std::vector<std::string> listed_;
  std::vector<std::string> open_;
  Epoch epoch_;
};

TEST_CASE("a store in a file is imported whole, and once more without harm") {
  Moving moving;
  for (int run = 0; run < 2; ++run) {
    const Result<ImportReport> report = moving.Run();
    INFO(report.status());
    REQUIRE(report.ok());
    CHECK(report->definitions == 3);
    CHECK(report->open == 400);
    CHECK(report->finished == 800);
    moving.CheckWhole();
  }
}

TEST_CASE("an import that was cut short goes on where it stopped") {
  Moving moving;
  REQUIRE(moving.Run().ok());
  // As if it had come to a third of the transactions, and to one version of a definition.
  moving.place().Query(
      "DELETE FROM entente_journal_1 WHERE pos IN (SELECT pos FROM entente_txn_1 ORDER BY pos"
      " OFFSET 400); DELETE FROM entente_txn_1 WHERE pos IN (SELECT pos FROM entente_txn_1 ORDER BY"
      " pos OFFSET 400); DELETE FROM entente_definition WHERE name = 'travel' AND version = 2");
  const Result<ImportReport> report = moving.Run();
  INFO(report.status());
  REQUIRE(report.ok());
  moving.CheckWhole();
}

TEST_CASE("an import says when the database is not the file's, or no longer") {
  Moving moving;
  REQUIRE(moving.Run().ok());
  SECTION("a transaction that went on") {
    OwnedJournal journal(OpenPostgres(moving.place().options()));
    REQUIRE(AppendAndWait(journal, MakeAppend("t3", 4)).ok());
  }
  SECTION("a transaction of its own") {
    OwnedJournal journal(OpenPostgres(moving.place().options()));
    Create(journal, "its own");
  }
  SECTION("another definition") {
    moving.place().Query("UPDATE entente_definition SET digest = 'x' WHERE version = 1");
  }
  SECTION("another coordinator") {
    moving.place().Query("UPDATE entente_setting SET value = 'x' WHERE name = 'coordinator-id'");
  }
  const Status refused = moving.Run().status();
  CHECK(refused.code() == StatusCode::kFailedPrecondition);
  CHECK(refused.reason() == "import.another_store");
}

std::string KeyNotesOf(Moving& moving) {
  return moving.place().Query(
      "SELECT coalesce(string_agg(name, ' '), '') FROM entente_note WHERE name LIKE "
      "'encryption-key/%'");
}

TEST_CASE("an import that is refused leaves no key to be asked for") {
  Moving moving;
  REQUIRE(moving.file().OpenOther()->PutNote("encryption-key/00112233", "").ok());
  SECTION("another coordinator") {
    const auto there = OpenPostgres(moving.place().options());
    REQUIRE(there->GetOrPutSetting(kIdentitySetting, "another").ok());
  }
  SECTION("a transaction of its own") {
    OwnedJournal journal(OpenPostgres(moving.place().options()));
    Create(journal, "its own");
  }
  std::unique_ptr<OwnedJournal> running;
  SECTION("in use") {
    running = std::make_unique<OwnedJournal>(OpenPostgres(moving.place().options()));
  }
  CHECK_FALSE(moving.Run().ok());
  CHECK(KeyNotesOf(moving).empty());
}

TEST_CASE("an import says which keys it brings, and plain text beside the others' keys") {
  Moving moving;
  static_cast<void>(OpenPostgres(moving.place().options()));
  SECTION("keys") {
    REQUIRE(moving.file().OpenOther()->PutNote("encryption-key/00112233", "").ok());
    REQUIRE(moving.Run().ok());
    CHECK(KeyNotesOf(moving) == "encryption-key/00112233");
  }
  SECTION("plain text") {
    moving.place().Query(
        "INSERT INTO entente_note(name, value) VALUES('encryption-key/00112233', '')");
    REQUIRE(moving.Run().ok());
    CHECK(KeyNotesOf(moving) == "encryption-key/00112233 encryption-key/plain");
  }
}

TEST_CASE("nothing is imported beside a running coordinator, or the wrong way") {
  Moving moving;
  const std::string url = moving.Url();
  {
    const OwnedJournal running(OpenPostgres(moving.place().options()));
    CHECK(moving.Run().status().reason() == "store.in_use");
  }
  {
    const auto running = moving.file().OpenOther();
    CHECK(moving.Run().status().reason() == "store.in_use");
  }
  CHECK(ImportStore(url, "sqlite:" + moving.file().path).status().reason() ==
        "import.not_this_way");
  CHECK(ImportStore("memory:", url).status().reason() == "import.not_this_way");
}

}  // namespace
}  // namespace entente::storage
