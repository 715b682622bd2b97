// Faults of the disk under the SQLite journal: errors, a full disk and lost power (G1 and G10).
#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tests/storage/fault_vfs.h"
#include "tests/storage/journal_fixtures.h"

namespace entente::storage {
namespace {

struct FaultyStore {
  FaultVfs vfs;
  TempDirectory directory;
  std::string path = directory.File("store.db");
  sqlite::SqliteOptions options;

  FaultyStore() { options.vfs = FaultVfs::kName; }

  std::unique_ptr<OwnedJournal> Open() {
    auto journal = sqlite::OpenSqliteJournal(path, options);
    INFO(journal.status());
    REQUIRE(journal.ok());
    return std::make_unique<OwnedJournal>(std::move(journal).value());
  }
};

TEST_CASE("after a failed fsync nothing is acknowledged any more") {
  FaultyStore store;
  {
    const auto journal = store.Open();
    Create(*journal, "a");
    store.vfs.FailAt(FaultKind::kSyncError, 1, false, "-log");
    const Status failed = AppendAndWait(*journal, MakeAppend("a", 2));
    CHECK(failed.code() == StatusCode::kUnknownOutcome);
    // The next fsync would succeed, and say nothing about the pages that the failed one lost.
    const Status later = AppendAndWait(*journal, MakeAppend("b", 1, 1, OpenSummary()));
    CHECK(later == failed);
    CHECK(journal->PutDefinition({}).status() == failed);
    CHECK(journal->Purge(InstantFromMicros(1), 1).status() == failed);
    CHECK(journal->Load(Gid("a")).ok());
  }
  const auto journal = store.Open();
  CHECK(MustLoad(*journal, "a").records.size() <= 2);
  CHECK_FALSE(Exists(*journal, "b"));
}

TEST_CASE("after a failed write nothing is acknowledged any more") {
  FaultyStore store;
  {
    const auto journal = store.Open();
    Create(*journal, "a");
    store.vfs.FailAt(FaultKind::kWriteError, 1, true, "-log");
    CHECK(AppendAndWait(*journal, MakeAppend("a", 2)).code() == StatusCode::kUnknownOutcome);
    store.vfs.Heal();
    CHECK(AppendAndWait(*journal, MakeAppend("a", 2)).code() == StatusCode::kUnknownOutcome);
  }
  const auto journal = store.Open();
  CHECK(HasRecords(MustLoad(*journal, "a"), 1));
}

TEST_CASE("a full disk refuses appends without harm and lets them through again with space") {
  FaultyStore store;
  const auto journal = store.Open();
  Create(*journal, "a");
  store.vfs.FailAt(FaultKind::kDiskFull, 1, true);
  for (int i = 0; i < 3; ++i) {
    const Status full = AppendAndWait(*journal, MakeAppend("b", 1, 1, OpenSummary()));
    CHECK(full.code() == StatusCode::kUnavailable);
    CHECK(full.message().find("full") != std::string::npos);
  }
  CHECK(HasRecords(MustLoad(*journal, "a"), 1));
  CHECK_FALSE(Exists(*journal, "b"));
  CHECK(journal->PutDefinition({}).status().code() == StatusCode::kUnavailable);
  store.vfs.Heal();
  // A word that was first used in a commit that failed is written again.
  Summary summary = OpenSummary();
  summary.status = "ABORTING";
  Create(*journal, "b", summary);
  REQUIRE(AppendAndWait(*journal, MakeAppend("a", 2)).ok());
  CHECK(OpenGids(*journal) == std::vector<std::string>{"a", "b"});
  CHECK(MustLoad(*journal, "b").summary.status == "ABORTING");
  CHECK(OpenGids(*journal).size() == 2);
}

TEST_CASE("a full disk that the write-ahead log's index meets keeps the tables back without harm") {
  FaultyStore store;
  store.options.wal_target_bytes = 64 * 1024;
  const auto journal = store.Open();
  Create(*journal, "a");
  Create(*journal, "b");
  store.vfs.FailAt(FaultKind::kIndexFull, 1, true);
  // More than the index has room for: it is lengthened before anything is in the write-ahead log.
  TxnAppend large = MakeAppend("large", 1, 100, OpenSummary());
  large.records[0].assign(size_t{24} << 20, 'x');
  REQUIRE(AppendAndWait(*journal, std::move(large)).ok());
  const uint64_t writes = store.vfs.writes();
  for (int i = 0; i < 2; ++i) {
    const Status full = journal->Purge(InstantFromMicros(1), 1).status();
    INFO(full);
    CHECK(full.code() == StatusCode::kUnavailable);
    CHECK(full.message().find("full") != std::string::npos);
  }
  CHECK(store.vfs.writes() == writes);
  CHECK(OpenGids(*journal) == std::vector<std::string>{"a", "b", "large"});
  // The log has more than it may go on with while the tables are behind.
  CHECK(AppendAndWait(*journal, MakeAppend("a", 2)).code() == StatusCode::kUnavailable);
  store.vfs.Heal();
  REQUIRE(AppendAndWait(*journal, MakeAppend("a", 2)).ok());
  CHECK(QueryAll(*journal, {}) == std::vector<std::string>{"large", "b", "a"});
  CHECK(OpenGids(*journal) == std::vector<std::string>{"a", "b", "large"});
}

TEST_CASE("a store whose tables can not follow is not well, whatever the log still takes") {
  FaultyStore store;
  store.options.log_window_appends = 1;
  const auto journal = store.Open();
  store.vfs.FailAt(FaultKind::kDiskFull, 1, true, "-wal");
  Create(*journal, "a");
  // A list waits for the tables to follow, and shows them as they are if they can not.
  CHECK(journal->Query({}, {})->rows.empty());
  CHECK(journal->CheckHealth().failed_writes_in_row > 0);
  Create(*journal, "b");
  CHECK(journal->Query({}, {})->rows.empty());
  CHECK(journal->CheckHealth().failed_writes_in_row > 0);
  store.vfs.Heal();
  CHECK(journal->CheckHealth().failed_writes_in_row == 0);
  CHECK(QueryAll(*journal, {}) == std::vector<std::string>{"b", "a"});
}

TEST_CASE("a quota that is used up is a full disk") {
  FaultyStore store;
  const auto journal = store.Open();
  Create(*journal, "a");
  store.vfs.FailAt(FaultKind::kQuota, 1, true);
  CHECK(AppendAndWait(*journal, MakeAppend("a", 2)).code() == StatusCode::kUnavailable);
  store.vfs.Heal();
  CHECK(AppendAndWait(*journal, MakeAppend("a", 2)).ok());
}

TEST_CASE("a start on a full disk finds the room that was kept for it") {
  FaultyStore store;
  {
    const auto journal = store.Open();
    Create(*journal, "a");
  }
  CHECK(std::filesystem::file_size(store.path + ".lock") >= 128 * 1024);
  store.vfs.FailAt(FaultKind::kDiskFull, 1, true, "store.db");
  const auto journal = store.Open();
  CHECK(HasRecords(MustLoad(*journal, "a"), 1));
  CHECK(journal->Acquire(ShardId(0)).ok());
}

TEST_CASE("a word lost with its commit gets a number again") {
  FaultyStore store;
  {
    const auto journal = store.Open();
    Summary lost = OpenSummary();
    lost.definition = "lost";
    Create(*journal, "a", lost);
    store.vfs.FailAt(FaultKind::kDiskFull, 1, false, "-wal");
    CHECK_FALSE(journal->Purge(InstantFromMicros(1), 1).ok());
    Summary kept = OpenSummary();
    kept.definition = "kept";
    Create(*journal, "b", kept);
    CHECK(journal->Query({}, {})->rows.at(1).summary.definition == "lost");
  }
  const auto journal = store.Open();
  CHECK(MustLoad(*journal, "a").summary.definition == "lost");
  CHECK(MustLoad(*journal, "b").summary.definition == "kept");
}

TEST_CASE("a failed checkpoint stops the journal and loses nothing") {
  FaultyStore store;
  store.options.log_window_appends = 5;
  store.options.wal_target_bytes = 64 * 1024;
  std::vector<std::string> acknowledged;
  {
    const auto journal = store.Open();
    store.vfs.FailAt(GENERATE(FaultKind::kSyncError, FaultKind::kWriteError), 1, false, "store.db");
    for (int i = 0; i < 200; ++i) {
      const std::string gid = "t" + std::to_string(i);
      const Status status = AppendAndWait(*journal, MakeAppend(gid, 1, 1, OpenSummary()));
      if (!status.ok()) {
        CHECK(status.code() == StatusCode::kUnknownOutcome);
        break;
      }
      acknowledged.push_back(gid);
    }
    CHECK(acknowledged.size() < 200);
  }
  const auto journal = store.Open();
  for (const std::string& gid : acknowledged) {
    CHECK(HasRecords(MustLoad(*journal, gid), 1));
  }
}

TEST_CASE("a checkpoint on a full disk is put off") {
  FaultyStore store;
  store.options.log_window_appends = 3;
  store.options.wal_target_bytes = 64 * 1024;
  const auto journal = store.Open();
  store.vfs.FailAt(FaultKind::kDiskFull, 1, true, "store.db");
  for (int i = 0; i < 60; ++i) {
    Create(*journal, "t" + std::to_string(i));
  }
  store.vfs.Heal();
  for (int i = 60; i < 120; ++i) {
    Create(*journal, "t" + std::to_string(i));
  }
  CHECK(OpenGids(*journal).size() == 120);
}

TEST_CASE("a failed read is reported, may be repeated and stops nothing") {
  FaultyStore store;
  store.Open().reset();
  const auto journal = store.Open();
  Create(*journal, "a");
  store.vfs.FailAt(FaultKind::kReadError, 1, false);
  CHECK(journal->Load(Gid("none")).status().code() == StatusCode::kUnavailable);
  CHECK(journal->Load(Gid("none")).status().code() == StatusCode::kNotFound);
  CHECK(HasRecords(MustLoad(*journal, "a"), 1));
  Create(*journal, "b");
}

// Writes until the machine stops, then loses power. Returns what was acknowledged: gid -> records.
std::map<std::string, size_t> WriteUntilStopped(FaultyStore& store, uint64_t stop_at) {
  std::map<std::string, size_t> acknowledged;
  std::mutex mutex;
  const auto journal = store.Open();
  store.vfs.StopAt(stop_at);
  for (int i = 0; !store.vfs.stopped(); ++i) {
    const std::string gid = "t" + std::to_string(i);
    for (uint64_t first = 1; first <= 3; ++first) {
      auto summary = first == 1 ? std::optional(OpenSummary(i)) : std::nullopt;
      summary = first == 3 ? FinishedSummary(i) : summary;
      journal->Append(MakeBatch({MakeAppend(gid, first, 1, summary)}),
                      [&, gid](const Status& status) {
                        const std::lock_guard lock(mutex);
                        acknowledged[gid] += status.ok() ? 1 : 0;
                      });
    }
    if (i % 4 == 3) {
      static_cast<void>(AppendAndWait(*journal, Batch{}).ok());
    }
  }
  static_cast<void>(AppendAndWait(*journal, Batch{}).ok());
  const std::lock_guard lock(mutex);
  return acknowledged;
}

// Acknowledged records that are not in the store.
size_t CountLost(Journal& journal, const std::map<std::string, size_t>& acknowledged) {
  size_t lost = 0;
  for (const auto& [gid, count] : acknowledged) {
    const Result<StoredTxn> txn = journal.Load(Gid(gid));
    const size_t found = txn.ok() ? txn->records.size() : 0;
    lost += count > found ? count - found : 0;
  }
  return lost;
}

// What was not acknowledged may be there or not; if it is, it is whole, and so are the lists.
void CheckConsistent(Journal& journal) {
  size_t open = 0;
  for (const std::string& gid : QueryAll(journal, {})) {
    const StoredTxn txn = MustLoad(journal, gid);
    CHECK(HasRecords(txn, txn.records.size()));
    CHECK(txn.summary.open == (txn.records.size() < 3));
    open += txn.summary.open ? 1 : 0;
  }
  CHECK(OpenGids(journal).size() == open);
}

TEST_CASE("whenever the power fails, what was acknowledged is there and journals have no gaps") {
  const uint64_t seed = GENERATE(range(1, 41));
  CAPTURE(seed);
  FaultyStore store;
  store.options.wal_target_bytes = seed % 2 == 0 ? 48 * 1024 : 16 << 20;
  store.options.log_window_appends = seed % 4 < 2 ? 10 : 1'024;
  store.options.log_bytes = seed % 3 == 0 ? 16 * 1024 : 1 << 20;
  const std::map<std::string, size_t> acknowledged = WriteUntilStopped(store, 3 + seed * 11);
  store.vfs.LosePower(seed);
  const auto journal = store.Open();
  CHECK(CountLost(*journal, acknowledged) == 0);
  CheckConsistent(*journal);
  Create(*journal, "after");
}

TEST_CASE("a disk that lies about its syncs is caught by the same check") {
  size_t caught = 0;
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    FaultyStore store;
    store.Open().reset();
    store.vfs.LieAboutSyncs();
    const std::map<std::string, size_t> acknowledged = WriteUntilStopped(store, 300);
    store.vfs.LosePower(seed);
    const auto journal = sqlite::OpenSqliteJournal(store.path, store.options);
    caught += !journal.ok() || CountLost(**journal, acknowledged) > 0 ? 1 : 0;
  }
  CHECK(caught == 5);
}

}  // namespace
}  // namespace entente::storage
