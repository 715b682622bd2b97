// Backups, copies and compaction of a SQLite store, and who a copy says it is.
#include <sys/stat.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "storage/maintain.h"
#include "tests/storage/journal_fixtures.h"

namespace entente::storage {
namespace {

namespace fs = std::filesystem;

std::string Url(const std::string& path) {
  return "sqlite:" + path;
}

Result<BackupReport> BackUp(const SqliteFactory& factory, const std::string& target) {
  return BackUpStore(Url(factory.path), target);
}

std::string IdOf(Journal& journal, const std::string& fresh) {
  return journal.GetOrPutSetting(kIdentitySetting, fresh).value();
}

std::unique_ptr<OwnedJournal> OpenCopy(const std::string& path,
                                       CopiedStore copied = CopiedStore::kAsk) {
  sqlite::SqliteOptions options;
  options.copied = copied;
  auto journal = sqlite::OpenSqliteJournal(path, options);
  INFO(journal.status());
  REQUIRE(journal.ok());
  return std::make_unique<OwnedJournal>(std::move(journal).value());
}

TEST_CASE("a backup is one moment of a store that is written to, and is read back") {
  SqliteFactory factory;
  sqlite::SqliteOptions options;
  // Begun afresh all the time, the log changes while it is copied.
  options.log_window_appends = GENERATE(2, 1'024);
  const auto journal = OpenStore(factory.path, options);
  std::atomic<bool> stop = false;
  std::atomic<int> written = 0;
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      std::vector<TxnAppend> pair;
      pair.push_back(MakeAppend("g" + std::to_string(i) + "~left", 1, 3, OpenSummary()));
      pair.push_back(MakeAppend("g" + std::to_string(i) + "~right", 1, 3, OpenSummary()));
      REQUIRE(AppendAndWait(*journal, MakeBatch(std::move(pair))).ok());
      written = i + 1;
    }
  });
  while (written < 20) {
    std::this_thread::yield();
  }
  const int before = written;
  const std::string target = factory.directory.File("backup.db");
  const Result<BackupReport> report = BackUp(factory, target);
  stop = true;
  writer.join();
  INFO(report.status());
  REQUIRE(report.ok());
  CHECK(report->bytes == fs::file_size(target));
  const auto copy = OpenCopy(target);
  const std::vector<std::string> gids = OpenGids(*copy);
  CHECK(gids.size() == report->transactions.open);
  CHECK(gids.size() % 2 == 0);  // No batch is in it by half.
  CHECK(gids.size() >= static_cast<size_t>(before) * 2);
  for (const std::string& gid : gids) {
    CHECK(HasRecords(MustLoad(*copy, gid), 3));
  }
}

TEST_CASE("a backup is its owner's alone and leaves nothing else behind") {
  SqliteFactory factory;
  const auto journal = factory.Open();
  const std::string target = factory.directory.File("backup.db");
  REQUIRE(BackUp(factory, target).ok());
  struct stat info {};
  REQUIRE(stat(target.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  CHECK_FALSE(fs::exists(target + ".partial"));
  CHECK_FALSE(fs::exists(target + "-wal"));
  CHECK_FALSE(fs::exists(target + "-log"));
}

TEST_CASE("a backup overwrites nothing") {
  SqliteFactory factory;
  factory.Open().reset();
  const std::string target = factory.directory.File("backup.db");
  const std::string other = factory.directory.File("other");
  SECTION("a file") {
    std::ofstream(target) << "mine";
    CHECK(BackUp(factory, target).status().reason() == "backup.target_exists");
    CHECK(fs::file_size(target) == 4);
  }
  SECTION("what a symbolic link leads to") {
    fs::create_symlink(other, target);
    CHECK(BackUp(factory, target).status().reason() == "backup.target_exists");
    CHECK_FALSE(fs::exists(other));
  }
  SECTION("another run's unfinished one") {
    std::ofstream(target + ".partial") << "x";
    CHECK(BackUp(factory, target).status().reason() == "backup.in_the_way");
    CHECK(fs::exists(target + ".partial"));
    CHECK_FALSE(fs::exists(target));
  }
}

TEST_CASE("what is no store is not backed up, and leaves no file") {
  TempDirectory directory;
  const std::string target = directory.File("backup.db");
  CHECK(BackUpStore(Url(directory.File("none.db")), target).status().reason() == "store.no_file");
  CHECK(BackUpStore("memory:", target).status().reason() == "store.no_file");
  CHECK(CompactStore(Url(directory.File("none.db"))).status().reason() == "store.no_file");
  std::ofstream(directory.File("text")) << std::string(5'000, 'x');
  CHECK_FALSE(BackUpStore(Url(directory.File("text")), target).ok());
  CHECK_FALSE(fs::exists(target));
  CHECK_FALSE(fs::exists(target + ".partial"));
  CHECK_FALSE(fs::exists(directory.File("none.db")));
}

TEST_CASE("a damaged store gives no backup") {
  SqliteFactory factory;
  {
    const auto journal = factory.Open();
    TxnAppend append = MakeAppend("a", 1, 1, OpenSummary());
    append.records = {"needle-in-the-page" + std::string(300, 'n')};
    REQUIRE(AppendAndWait(*journal, std::move(append)).ok());
  }
  std::fstream file(factory.path, std::ios::in | std::ios::out | std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  file.clear();
  file.seekp(static_cast<std::streamoff>(bytes.find("needle-in-the-page") + 3));
  file.put('X');
  file.close();
  const std::string target = factory.directory.File("backup.db");
  CHECK(BackUp(factory, target).status().code() == StatusCode::kDataLoss);
  CHECK_FALSE(fs::exists(target));
  CHECK_FALSE(fs::exists(target + ".partial"));
}

TEST_CASE("a backup is another coordinator, once; the store itself stays who it is") {
  SqliteFactory factory;
  const std::string target = factory.directory.File("backup.db");
  {
    const auto journal = factory.Open();
    CHECK(IdOf(*journal, "original") == "original");
    Create(*journal, "open");
    REQUIRE(BackUp(factory, target).ok());
  }
  CHECK(IdOf(*OpenCopy(target), "copy") == "copy");
  CHECK(IdOf(*OpenCopy(target), "again") == "copy");
  CHECK(IdOf(*factory.Open(), "again") == "original");
}

TEST_CASE("a backup may go on as the original, with epochs that it never used") {
  SqliteFactory factory;
  const std::string target = factory.directory.File("backup.db");
  uint64_t epoch = 0;
  {
    const auto journal = factory.Open();
    CHECK(IdOf(*journal, "original") == "original");
    REQUIRE(BackUp(factory, target).ok());
    epoch = journal->Acquire(ShardId(0))->value();
  }
  const auto copy = OpenCopy(target, CopiedStore::kKeepIdentity);
  CHECK(IdOf(*copy, "copy") == "original");
  CHECK(copy->EpochOf(ShardId(0)).value() > epoch + 100);
}

TEST_CASE("a store that was copied by hand asks who it is while transactions are open") {
  SqliteFactory factory;
  const bool open = GENERATE(true, false);
  {
    const auto journal = factory.Open();
    CHECK(IdOf(*journal, "original") == "original");
    Create(*journal, "a", open ? OpenSummary() : FinishedSummary());
  }
  const std::string copy = factory.directory.File("copy.db");
  fs::copy_file(factory.path, copy);
  if (open) {
    const Status refused = sqlite::OpenSqliteJournal(copy).status();
    CHECK(refused.reason() == "store.copied");
    CHECK(refused.message().find("--store-identity keep") != std::string::npos);
    CHECK(IdOf(*OpenCopy(copy, CopiedStore::kNewIdentity), "copy") == "copy");
  }
  CHECK(IdOf(*OpenCopy(copy), "copy") == "copy");
  CHECK(IdOf(*factory.Open(), "copy") == "original");
}

TEST_CASE("a store that was renamed is the same store") {
  SqliteFactory factory;
  {
    const auto journal = factory.Open();
    CHECK(IdOf(*journal, "original") == "original");
    Create(*journal, "a");
  }
  const std::string renamed = factory.directory.File("renamed.db");
  fs::rename(factory.path, renamed);
  CHECK(IdOf(*OpenCopy(renamed), "other") == "original");
}

TEST_CASE("compacting makes the file smaller and loses nothing") {
  SqliteFactory factory;
  {
    const auto journal = factory.Open();
    CHECK(IdOf(*journal, "original") == "original");
    for (int i = 0; i < 50; ++i) {
      TxnAppend append = MakeAppend("t" + std::to_string(i), 1, 1, FinishedSummary());
      append.records[0].assign(20'000, 'x');
      REQUIRE(AppendAndWait(*journal, std::move(append)).ok());
    }
    REQUIRE(journal->Purge(InstantFromMicros(10'000), 100).value() == 50);
    REQUIRE(AppendAndWait(*journal, MakeAppend("kept", 1, 3, OpenSummary())).ok());
    CHECK(CompactStore(Url(factory.path)).status().reason() == "store.in_use");
  }
  const Result<CompactReport> report = CompactStore(Url(factory.path));
  INFO(report.status());
  REQUIRE(report.ok());
  CHECK(report->bytes_before > 1'000'000);
  CHECK(report->bytes_after < 200'000);
  CHECK(fs::file_size(factory.path) == report->bytes_after);
  const auto journal = factory.Open();
  CHECK(HasRecords(MustLoad(*journal, "kept"), 3));
  CHECK(IdOf(*journal, "other") == "original");
}

TEST_CASE("compacting a backup does not make it the original") {
  SqliteFactory factory;
  const std::string target = factory.directory.File("backup.db");
  CHECK(IdOf(*factory.Open(), "original") == "original");
  REQUIRE(BackUp(factory, target).ok());
  REQUIRE(CompactStore(Url(target)).ok());
  CHECK(IdOf(*OpenCopy(target), "copy") == "copy");
}

}  // namespace
}  // namespace entente::storage
