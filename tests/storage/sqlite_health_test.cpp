// What a SQLite store says of itself: failing writes and reads, and files that change under it.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/storage/fault_vfs.h"
#include "tests/storage/journal_fixtures.h"

namespace entente::storage {
namespace {

namespace fs = std::filesystem;

std::unique_ptr<OwnedJournal> OpenOn(const FaultVfs&, const std::string& path) {
  sqlite::SqliteOptions options;
  options.vfs = FaultVfs::kName;
  auto journal = sqlite::OpenSqliteJournal(path, options);
  INFO(journal.status());
  REQUIRE(journal.ok());
  return std::make_unique<OwnedJournal>(std::move(journal).value());
}

DefinitionRow KnownDefinition() {
  DefinitionRow row;
  row.name = "known";
  row.digest = "digest";
  row.source = "{}";
  return row;
}

TEST_CASE("a store that does well says so, with its sizes") {
  SqliteFactory factory;
  const auto journal = factory.Open();
  Create(*journal, "a");
  const StoreHealth health = journal->CheckHealth();
  CHECK(health.fatal.ok());
  CHECK(health.failed_writes_in_row == 0);
  CHECK(health.failed_reads_in_row == 0);
  CHECK(health.failed_commits == 0);
  CHECK(health.last_commit.has_value());
  REQUIRE(health.space.has_value());
  CHECK(health.space->database == fs::file_size(factory.path));
  CHECK(health.space->log ==
        fs::file_size(factory.path + "-wal") + fs::file_size(factory.path + "-log"));
  CHECK(health.space->disk_free > 0);
}

TEST_CASE("purged transactions leave room that is told") {
  SqliteFactory factory;
  const auto journal = factory.Open();
  TxnAppend append = MakeAppend("a", 1, 1, FinishedSummary());
  append.records[0].assign(100'000, 'x');
  REQUIRE(AppendAndWait(*journal, std::move(append)).ok());
  const uint64_t before = journal->CheckHealth().space->database_free;
  REQUIRE(journal->Purge(InstantFromMicros(10'000), 10).value() == 1);
  CHECK(journal->CheckHealth().space->database_free >= before + 90'000);
}

TEST_CASE("failed writes are counted until one succeeds, by itself if nobody writes") {
  FaultVfs vfs;
  TempDirectory directory;
  const auto journal = OpenOn(vfs, directory.File("store.db"));
  vfs.FailAt(FaultKind::kDiskFull, 1, true);
  CHECK_FALSE(AppendAndWait(*journal, MakeAppend("a", 1, 1, OpenSummary())).ok());
  StoreHealth health = journal->CheckHealth();
  CHECK(health.fatal.ok());
  CHECK(health.failed_writes_in_row == 2);  // Its own try, too.
  CHECK(journal->CheckHealth().failed_writes_in_row == 3);
  CHECK(health.latest_failure.find("full") != std::string::npos);
  vfs.Heal();
  health = journal->CheckHealth();
  CHECK(health.failed_writes_in_row == 0);
  CHECK(health.failed_commits == 3);
}

TEST_CASE("a refused append is no failure of the store") {
  SqliteFactory factory;
  const auto journal = factory.Open();
  Create(*journal, "a");
  CHECK_FALSE(AppendAndWait(*journal, MakeAppend("a", 1, 1, OpenSummary())).ok());
  CHECK(journal->CheckHealth().failed_commits == 0);
}

TEST_CASE("failed reads are counted until one succeeds") {
  FaultVfs vfs;
  TempDirectory directory;
  const std::string path = directory.File("store.db");
  OpenOn(vfs, path).reset();
  const auto journal = OpenOn(vfs, path);
  vfs.FailAt(FaultKind::kReadError, 1, true);
  for (int i = 0; i < 3; ++i) {
    CHECK_FALSE(journal->Load(Gid("a")).ok());
  }
  CHECK(journal->CheckHealth().failed_reads_in_row >= 3);
  vfs.Heal();
  CHECK(journal->CheckHealth().failed_reads_in_row == 0);
}

TEST_CASE("a file that changes under the store stops it for good") {
  SqliteFactory factory;
  const auto journal = factory.Open();
  const std::string& path = factory.path;
  Create(*journal, "a");
  REQUIRE(journal->CheckHealth().fatal.ok());
  std::string said;
  SECTION("the database is deleted") {
    fs::remove(path);
    said = "deleted";
  }
  SECTION("the database is moved away") {
    fs::rename(path, path + ".old");
    said = "moved";
  }
  SECTION("the database is replaced") {
    fs::copy_file(path, path + ".new");
    fs::rename(path + ".new", path);
    said = "replaced";
  }
  SECTION("the database gets a second name") {
    fs::create_hard_link(path, path + ".link");
    said = "second name";
  }
  SECTION("the database is cut") {
    fs::resize_file(path, 4096);
    said = "was cut from";
  }
  const std::string log = GENERATE(as<std::string>(), "-wal", "-log");
  SECTION("a log is deleted") {
    fs::remove(path + log);
    said = log + " was deleted";
  }
  SECTION("a log is replaced") {
    fs::copy_file(path + log, path + ".new");
    fs::rename(path + ".new", path + log);
    said = log + " was replaced";
  }
  SECTION("a log is cut") {
    fs::resize_file(path + log, GENERATE(0, 32, 5'000));
    said = log + " was cut";
  }
  SECTION("a log is cut, and has its length again") {
    const uintmax_t size = fs::file_size(path + log);
    fs::resize_file(path + log, GENERATE(0, 32));
    fs::resize_file(path + log, size);
    said = log + " was cut";
  }
  SECTION("the index is deleted") {
    fs::remove(path + "-shm");
    said = "-shm was deleted";
  }
  const StoreHealth health = journal->CheckHealth();
  INFO(health.fatal);
  CHECK(health.fatal.code() == StatusCode::kDataLoss);
  CHECK(health.fatal.reason() == "store.file_changed");
  CHECK(health.fatal.message().find(said) != std::string::npos);
  CHECK(AppendAndWait(*journal, MakeAppend("b", 1, 1, OpenSummary())) == health.fatal);
}

TEST_CASE("a log that is cut is noticed however much is written to it afterwards") {
  SqliteFactory factory;
  sqlite::SqliteOptions options;
  options.log_window_appends = 1;  // Each append goes to both logs.
  auto opened = sqlite::OpenSqliteJournal(factory.path, options);
  REQUIRE(opened.ok());
  const auto journal = std::make_unique<OwnedJournal>(std::move(opened).value());
  int appended = 0;
  const auto append = [&] {
    static_cast<void>(
        AppendAndWait(*journal, MakeAppend("t" + std::to_string(appended++), 1, 1, OpenSummary())));
  };
  for (int i = 0; i < 20; ++i) {
    append();
  }
  REQUIRE(journal->CheckHealth().fatal.ok());
  fs::resize_file(factory.path + GENERATE(as<std::string>(), "-wal", "-log"), 0);
  for (int i = 0; i < 20; ++i) {
    append();
  }
  CHECK(journal->CheckHealth().fatal.reason() == "store.file_changed");
}

TEST_CASE("a commit that had nothing to write does not make a failing store a healthy one") {
  FaultVfs vfs;
  TempDirectory directory;
  const auto journal = OpenOn(vfs, directory.File("store.db"));
  const auto known = journal->PutDefinition(KnownDefinition());
  REQUIRE(known.ok());
  REQUIRE(journal->CheckHealth().failed_commits == 0);
  vfs.FailAt(FaultKind::kDiskFull, 1, true);
  for (int i = 0; i < 4; ++i) {
    CHECK_FALSE(AppendAndWait(*journal, MakeAppend("a", 1, 1, OpenSummary())).ok());
    CHECK(journal->PutDefinition(KnownDefinition()).ok());
  }
  CHECK(journal->CheckHealth().failed_writes_in_row >= 4);
}

TEST_CASE("failures in a row count although a smaller write found room before the look") {
  FaultVfs vfs;
  TempDirectory directory;
  const auto journal = OpenOn(vfs, directory.File("store.db"));
  vfs.FailAt(FaultKind::kDiskFull, 1, true);
  for (int i = 0; i < 3; ++i) {
    CHECK_FALSE(AppendAndWait(*journal, MakeAppend("a", 1, 1, OpenSummary())).ok());
  }
  vfs.Heal();
  Create(*journal, "b");
  CHECK(journal->CheckHealth().failed_writes_in_row == 3);
  CHECK(journal->CheckHealth().failed_writes_in_row == 0);
}

TxnAppend LargeAppend(const std::string& gid) {
  TxnAppend append = MakeAppend(gid, 1, 1, OpenSummary());
  append.records[0].assign(size_t{2} << 20, 'x');
  return append;
}

TEST_CASE("small writes that find room do not make a store well that refuses large ones") {
  FaultVfs vfs;
  TempDirectory directory;
  const auto journal = OpenOn(vfs, directory.File("store.db"));
  for (int i = 1; i <= 3; ++i) {
    vfs.FailAt(FaultKind::kDiskFull, 1, true);
    CHECK_FALSE(AppendAndWait(*journal, LargeAppend("large")).ok());
    vfs.Heal();
    Create(*journal, "small" + std::to_string(i));
  }
  CHECK(journal->CheckHealth().failed_writes_in_row == 3);
  CHECK(journal->CheckHealth().failed_writes_in_row == 0);  // It could be written by then.
  REQUIRE(AppendAndWait(*journal, LargeAppend("large")).ok());
}

TEST_CASE("a store is not well while its log has no room, whatever its tables take") {
  FaultVfs vfs;
  TempDirectory directory;
  sqlite::SqliteOptions options;
  options.vfs = FaultVfs::kName;
  options.log_bytes = size_t{64} << 10;
  auto opened = sqlite::OpenSqliteJournal(directory.File("store.db"), options);
  REQUIRE(opened.ok());
  OwnedJournal journal(std::move(opened).value());
  vfs.FailAt(FaultKind::kDiskFull, 1, true, "-log");
  CHECK_FALSE(AppendAndWait(journal, LargeAppend("large")).ok());
  for (uint64_t look = 1; look <= 3; ++look) {
    CHECK(journal.CheckHealth().failed_writes_in_row > look);
  }
  vfs.Heal();
  CHECK(journal.CheckHealth().failed_writes_in_row == 0);
  REQUIRE(AppendAndWait(journal, LargeAppend("large")).ok());
}

TEST_CASE("neither a checkpoint nor a log that is begun afresh is a change") {
  SqliteFactory factory;
  sqlite::SqliteOptions options;
  options.wal_target_bytes = 64 * 1024;
  options.log_window_appends = 4;
  auto opened = sqlite::OpenSqliteJournal(factory.path, options);
  REQUIRE(opened.ok());
  const auto journal = std::make_unique<OwnedJournal>(std::move(opened).value());
  for (int i = 0; i < 200; ++i) {
    Create(*journal, "t" + std::to_string(i));
    const StoreHealth health = journal->CheckHealth();
    INFO(health.fatal);
    REQUIRE(health.fatal.ok());
  }
  CHECK(sqlite::GetWriterStats(journal->inner()).checkpoints > 3);
}

}  // namespace
}  // namespace entente::storage
