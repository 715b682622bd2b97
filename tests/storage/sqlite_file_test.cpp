// The file under the SQLite journal: who may open it, and what is refused with which words.
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "storage/sqlite/files/wal_check.h"
#include "tests/storage/journal_fixtures.h"

namespace entente::storage {
namespace {

namespace fs = std::filesystem;

Status OpenStatus(const std::string& path) {
  return sqlite::OpenSqliteJournal(path).status();
}

bool Mentions(const Status& status, const std::string& text) {
  return status.message().find(text) != std::string::npos;
}

mode_t ModeOf(const std::string& path) {
  struct stat info {};
  REQUIRE(stat(path.c_str(), &info) == 0);
  return info.st_mode & 0777;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << bytes;
}

void Flip(const std::string& path, size_t at) {
  REQUIRE(at < fs::file_size(path));
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(at));
  const int byte = file.get();
  file.seekp(static_cast<std::streamoff>(at));
  file.put(static_cast<char>(byte ^ 0x55));
  REQUIRE(file.flush());
}

void RunSql(const std::string& path, const std::string& sql) {
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &database) == SQLITE_OK);
  const int code = sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr);
  sqlite3_close(database);
  REQUIRE(code == SQLITE_OK);
}

// Copies are opened here for what they are like, not for whose they are.
sqlite::SqliteOptions AsCopy() {
  sqlite::SqliteOptions options;
  options.copied = CopiedStore::kNewIdentity;
  return options;
}

// A copy of a store that is in use: as a crash would leave it, with a commit in the write-ahead log
// for every transaction but one, which only the log has.
std::string CrashedCopy(SqliteFactory& factory, int transactions) {
  const auto journal = factory.Open();
  for (int i = 0; i < transactions; ++i) {
    REQUIRE(journal->Query({}, {}).ok());
    Create(*journal, "t" + std::to_string(i));
  }
  const std::string copy = factory.directory.File("copy.db");
  for (const char* suffix : {"", "-wal", "-log"}) {
    fs::copy_file(factory.path + suffix, copy + suffix, fs::copy_options::overwrite_existing);
  }
  return copy;
}

TEST_CASE("the files of a store are its owner's alone") {
  SqliteFactory factory;
  const auto journal = factory.Open();
  Create(*journal, "a");
  for (const char* suffix : {"", "-wal", "-shm", "-log", ".lock"}) {
    CHECK(ModeOf(factory.path + suffix) == 0600);
  }
}

TEST_CASE("a store that others may read is closed to them") {
  SqliteFactory factory;
  factory.Open().reset();
  REQUIRE(chmod(factory.path.c_str(), 0644) == 0);
  const auto journal = factory.Open();
  CHECK(ModeOf(factory.path) == 0600);
}

TEST_CASE("what a killed process left open to others is closed to them") {
  SqliteFactory factory;
  const std::string copy = CrashedCopy(factory, 3);
  const std::string shm = copy + "-shm";
  fs::copy_file(factory.path, shm);  // Its contents mean nothing at a start.
  for (const std::string& path : {copy, copy + "-wal", copy + "-log", shm}) {
    REQUIRE(chmod(path.c_str(), GENERATE(0644, 0666, 0640)) == 0);
  }
  auto journal = sqlite::OpenSqliteJournal(copy, AsCopy());
  INFO(journal.status());
  REQUIRE(journal.ok());
  for (const char* suffix : {"", "-wal", "-shm", "-log", ".lock"}) {
    CHECK(ModeOf(copy + suffix) == 0600);
  }
}

TEST_CASE("no file of a store's own is opened through a symbolic link") {
  SqliteFactory factory;
  factory.Open().reset();
  const std::string suffix =
      GENERATE(as<std::string>(), ".lock", "-wal", "-shm", "-journal", "-log");
  const std::string victim = factory.directory.File("victim");
  fs::remove(factory.path + suffix);
  const bool dangling = GENERATE(true, false);
  if (!dangling) {
    WriteFile(victim, "precious");
  }
  SECTION("") {
    fs::create_symlink(victim, factory.path + suffix);
  }
  SECTION("nor under a second name") {
    if (dangling) {
      return;
    }
    fs::create_hard_link(victim, factory.path + suffix);
  }
  SECTION("nor where another kind of file is") {
    REQUIRE(mkfifo((factory.path + suffix).c_str(), 0600) == 0);
  }
  const Status status = OpenStatus(factory.path);
  INFO(status);
  CHECK((status.reason() == "store.not_a_file" || status.reason() == "store.second_name"));
  CHECK(Mentions(status, factory.path + suffix));
  CHECK(fs::exists(victim) == !dangling);
  CHECK((dangling || ReadFile(victim) == "precious"));
}

TEST_CASE("a symbolic link to nothing is no store, and nothing is made at its end") {
  TempDirectory directory;
  const std::string link = directory.File("link.db");
  fs::create_symlink(directory.File(GENERATE("missing.db", "unmounted/store.db")), link);
  const Status status = OpenStatus(link);
  CHECK(status.code() == StatusCode::kInvalidArgument);
  CHECK(status.reason() == "store.dangling_link");
  CHECK(Mentions(status, link));
  CHECK_FALSE(fs::exists(directory.File("missing.db")));
  CHECK_FALSE(fs::exists(link + ".lock"));
}

TEST_CASE("a symbolic link that leads round in a circle is no store") {
  TempDirectory directory;
  fs::create_symlink(directory.File("b"), directory.File("a"));
  fs::create_symlink(directory.File("a"), directory.File("b"));
  CHECK(OpenStatus(directory.File("a")).reason() == "store.not_a_file");
}

TEST_CASE("through a symbolic link the log of the file itself is checked") {
  SqliteFactory factory;
  const std::string copy = CrashedCopy(factory, 20);
  Flip(copy + "-wal", 32 + 24 + 2'000);
  const std::string link = factory.directory.File("link.db");
  fs::create_symlink(copy, link);
  CHECK(OpenStatus(link).code() == StatusCode::kDataLoss);
}

TEST_CASE("a store with a second name is refused") {
  SqliteFactory factory;
  factory.Open().reset();
  const std::string second = factory.directory.File("second.db");
  fs::create_hard_link(factory.path, second);
  CHECK(OpenStatus(second).reason() == "store.second_name");
  CHECK(OpenStatus(factory.path).reason() == "store.second_name");
  fs::remove(second);
  CHECK(OpenStatus(factory.path).ok());
}

TEST_CASE("a second coordinator on the same file is refused and told who has it") {
  SqliteFactory factory;
  auto journal = factory.Open();
  const std::string link = factory.directory.File("link.db");
  fs::create_symlink(factory.path, link);
  for (const std::string& path : {factory.path, link}) {
    const Status status = OpenStatus(path);
    CHECK(status.code() == StatusCode::kFailedPrecondition);
    CHECK(status.reason() == "store.in_use");
    CHECK(Mentions(status, path));
    CHECK(Mentions(status, std::to_string(getpid())));
  }
  Create(*journal, "a");
  journal.reset();
  CHECK(OpenStatus(factory.path).ok());
}

TEST_CASE("a missing directory, a directory and a device are no stores") {
  TempDirectory directory;
  const Status missing = OpenStatus(directory.File("none/store.db"));
  CHECK(missing.code() == StatusCode::kInvalidArgument);
  CHECK(missing.reason() == "store.no_directory");
  CHECK(Mentions(missing, "none/store.db"));
  const Status folder = OpenStatus(directory.File(""));
  CHECK(folder.reason() == "store.not_a_file");
  CHECK(OpenStatus("/dev/null").reason() == "store.not_a_file");
  CHECK_FALSE(fs::exists("/dev/null.lock"));
}

TEST_CASE("a store that may not be written is refused") {
  if (geteuid() == 0) {
    return;  // Nothing is forbidden to root.
  }
  TempDirectory directory;
  REQUIRE(chmod(directory.File("").c_str(), 0500) == 0);
  CHECK(OpenStatus(directory.File("store.db")).reason() == "store.no_permission");
  REQUIRE(chmod(directory.File("").c_str(), 0700) == 0);
}

TEST_CASE("another program's file is left alone") {
  TempDirectory directory;
  const std::string text = directory.File("notes.txt");
  WriteFile(text, std::string(5'000, 'x'));
  const Status status = OpenStatus(text);
  CHECK(status.code() == StatusCode::kFailedPrecondition);
  CHECK(status.reason() == "store.foreign_file");
  CHECK(Mentions(status, text));
  CHECK(ReadFile(text) == std::string(5'000, 'x'));

  const std::string database = directory.File("other.db");
  RunSql(database, "CREATE TABLE x(y); INSERT INTO x VALUES(1)");
  const std::string before = ReadFile(database);
  CHECK(OpenStatus(database).reason() == "store.foreign_file");
  CHECK(ReadFile(database) == before);
}

TEST_CASE("a store of another schema version is refused") {
  SqliteFactory factory;
  factory.Open().reset();
  RunSql(factory.path, "PRAGMA user_version=999");
  const Status status = OpenStatus(factory.path);
  CHECK(status.code() == StatusCode::kFailedPrecondition);
  CHECK(status.reason() == "store.wrong_version");
  CHECK(Mentions(status, "999"));
}

TEST_CASE("a store of an earlier version is brought up to this one") {
  SqliteFactory factory;
  {
    const auto journal = factory.Open();
    for (int i = 0; i < 20; ++i) {
      Create(*journal, "t" + std::to_string(i), i % 2 == 0 ? OpenSummary() : FinishedSummary());
    }
  }
  const bool first = GENERATE(true, false);
  RunSql(factory.path, "ALTER TABLE totals DROP COLUMN logged; PRAGMA user_version=2");
  if (first) {
    RunSql(factory.path,
           "DROP INDEX txn_open; ALTER TABLE txn DROP COLUMN open_shard; PRAGMA user_version=1");
  }
  for (size_t opening = 0; opening < 2; ++opening) {
    const auto journal = factory.Open();
    CHECK(OpenGids(*journal).size() == 10 - opening);
    CHECK(QueryAll(*journal, {}).size() == 20);
    const std::string gid = "t" + std::to_string(2 * opening);
    REQUIRE(AppendAndWait(*journal, MakeAppend(gid, 2, 1, FinishedSummary())).ok());
    CHECK(HasRecords(MustLoad(*journal, gid), 2));
  }
}

TEST_CASE("an interrupted creation is taken up again") {
  TempDirectory directory;
  const std::string path = directory.File("store.db");
  SECTION("an empty file") {
    WriteFile(path, "");
  }
  SECTION("a database without tables") {
    RunSql(path, "PRAGMA journal_mode=WAL");
  }
  CHECK(OpenStatus(path).ok());
}

TEST_CASE("a damaged first page is refused") {
  SqliteFactory factory;
  factory.Open().reset();
  Flip(factory.path, GENERATE(0, 5, 18));
  const Status status = OpenStatus(factory.path);
  CHECK_FALSE(status.ok());
  CHECK(Mentions(status, factory.path));
}

TEST_CASE("a database that is cut short is refused") {
  SqliteFactory factory;
  {
    const auto journal = factory.Open();
    for (int i = 0; i < 50; ++i) {
      REQUIRE(
          AppendAndWait(*journal, MakeAppend("t" + std::to_string(i), 1, 200, OpenSummary())).ok());
    }
  }
  const auto full = fs::file_size(factory.path);
  fs::resize_file(factory.path, GENERATE_COPY(full - 1, full / 2, uintmax_t{4096}, uintmax_t{50}));
  const Status status = OpenStatus(factory.path);
  CHECK(status.code() == StatusCode::kDataLoss);
  CHECK(status.reason() == "store.corrupt");
  CHECK(Mentions(status, "cut short"));
}

TEST_CASE("an emptied database beside its log is refused") {
  SqliteFactory factory;
  const std::string copy = CrashedCopy(factory, 3);
  fs::resize_file(copy, 0);
  const Status status = OpenStatus(copy);
  CHECK(status.code() == StatusCode::kDataLoss);
  CHECK(Mentions(status, "-wal"));
}

TEST_CASE("a crash's write-ahead log is recovered") {
  SqliteFactory factory;
  const std::string copy = CrashedCopy(factory, 20);
  const auto journal = sqlite::OpenSqliteJournal(copy, AsCopy());
  REQUIRE(journal.ok());
  CHECK(OpenGids(**journal).size() == 20);
}

TEST_CASE("a damaged header of the log is refused, not taken for an empty log") {
  SqliteFactory factory;
  const std::string copy = CrashedCopy(factory, 20);
  Flip(copy + "-wal", GENERATE(0, 9, 17, 25));
  const Status status = OpenStatus(copy);
  CHECK(status.code() == StatusCode::kDataLoss);
  CHECK(status.reason() == "store.corrupt");
  CHECK(Mentions(status, copy + "-wal"));
}

TEST_CASE("damage in the log before acknowledged commits is refused") {
  SqliteFactory factory;
  const std::string copy = CrashedCopy(factory, 60);
  const size_t frame = GENERATE(0, 1, 5, 30);
  const size_t place = GENERATE(1, 6, 9, 17, 22, 2'000);
  Flip(copy + "-wal", 32 + frame * (24 + 4096) + place);
  const Status status = OpenStatus(copy);
  CHECK(status.code() == StatusCode::kDataLoss);
  CHECK(Mentions(status, "is damaged at byte"));
}

TEST_CASE("the torn tail of an unfinished commit is no damage") {
  SqliteFactory factory;
  const std::string copy = CrashedCopy(factory, 20);
  const auto size = fs::file_size(copy + "-wal");
  SECTION("a part of the last page is missing") {
    fs::resize_file(copy + "-wal", size - 100);
  }
  SECTION("the last page has other bytes") {
    Flip(copy + "-wal", size - 1);
  }
  SECTION("the log was only begun") {
    WriteFile(copy + "-wal", std::string(32, '\0'));
  }
  CHECK(sqlite::CheckWal(copy + "-wal").ok());
}

TEST_CASE("damage met while reading stops the journal") {
  SqliteFactory factory;
  {
    const auto journal = factory.Open();
    TxnAppend append = MakeAppend("a", 1, 1, OpenSummary());
    append.records = {"needle-in-the-page" + std::string(300, 'n')};
    REQUIRE(AppendAndWait(*journal, std::move(append)).ok());
  }
  const size_t at = ReadFile(factory.path).find("needle-in-the-page");
  REQUIRE(at != std::string::npos);
  Flip(factory.path, at + 3);
  const auto journal = factory.Open();
  const Status read = journal->Load(Gid("a")).status();
  CHECK(read.code() == StatusCode::kDataLoss);
  CHECK(Mentions(read, "'a'"));
  CHECK(Mentions(read, "checksum"));
  const Status append = AppendAndWait(*journal, MakeAppend("b", 1, 1, OpenSummary()));
  CHECK(append.code() == StatusCode::kDataLoss);
}

TEST_CASE("a missing piece of a journal is damage") {
  SqliteFactory factory;
  {
    const auto journal = factory.Open();
    // A list in between, so that each has a row of its own.
    Create(*journal, "a");
    REQUIRE(QueryAll(*journal, {}).size() == 1);
    REQUIRE(AppendAndWait(*journal, MakeAppend("a", 2)).ok());
    REQUIRE(QueryAll(*journal, {}).size() == 1);
    REQUIRE(AppendAndWait(*journal, MakeAppend("a", 3)).ok());
  }
  RunSql(factory.path, GENERATE(as<std::string>(), "DELETE FROM journal WHERE first=2",
                                "DELETE FROM journal WHERE first=1", "DELETE FROM journal",
                                "UPDATE journal SET first=1 WHERE first=3", "DELETE FROM word"));
  const auto journal = factory.Open();
  CHECK(journal->Load(Gid("a")).status().code() == StatusCode::kDataLoss);
  const Status open =
      journal->LoadOpen(ShardOf(Gid("a")), [](const StoredTxn&) { return Status(); });
  CHECK(open.code() == StatusCode::kDataLoss);
}

TEST_CASE("while another program holds the database locked, the tables wait and appends do not") {
  SqliteFactory factory;
  const auto journal = factory.Open();
  Create(*journal, "a");
  sqlite3* other = nullptr;
  REQUIRE(sqlite3_open(factory.path.c_str(), &other) == SQLITE_OK);
  REQUIRE(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) == SQLITE_OK);
  REQUIRE(AppendAndWait(*journal, MakeAppend("a", 2, 1, FinishedSummary())).ok());
  CHECK(HasRecords(MustLoad(*journal, "a"), 2));
  const Status blocked = journal->Purge(InstantFromMicros(1), 1).status();
  CHECK(blocked.code() == StatusCode::kUnavailable);
  CHECK(blocked.reason() == "store.unavailable");
  sqlite3_close(other);
  CHECK(journal->Query({}, {})->rows.at(0).summary.status == "COMMITTED");
}

}  // namespace
}  // namespace entente::storage
