// The log under the tables: what is only there is read, listed and recovered like everything else,
// and a stop at any write of either leaves what the reference model has.
#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "storage/maintain.h"
#include "storage/sqlite/connection.h"
#include "storage/sqlite/reader.h"
#include "storage/sqlite/words.h"
#include "tests/storage/fault_vfs.h"
#include "tests/storage/journal_fixtures.h"

namespace entente::storage {
namespace {

using sqlite::SqliteOptions;

// A log that is never projected by itself.
SqliteOptions Unhurried() {
  SqliteOptions options;
  options.log_window_appends = 1'000'000;
  options.log_window_time = std::chrono::hours(1);
  return options;
}

Summary VariedSummary(uint64_t step) {
  Summary summary = OpenSummary(static_cast<int64_t>(step));
  summary.definition = "d" + std::to_string(step % 3);
  summary.version = static_cast<uint32_t>(step);
  summary.status = step % 2 == 0 ? "ABORTING" : "ACTIVE";
  summary.paused = step % 3 == 0;
  summary.attempts = static_cast<uint32_t>(step * 7);
  summary.updated_at = InstantFromMicros(static_cast<int64_t>(step * 100));
  summary.error = step % 2 == 0 ? "" : "error " + std::to_string(step);
  summary.labels = {{"team", "t" + std::to_string(step % 2)}};
  if (step % 4 == 1) {
    summary.incidents = {MakeIncident("hotel", "timeout")};
  }
  if (step % 5 == 0) {
    summary.parent = Gid("parent");
  }
  return summary;
}

// What a journal says of everything, as text.
std::string Describe(const StoredTxn& txn) {
  const Summary& s = txn.summary;
  std::string text =
      txn.gid.str() + " " + s.definition + "/" + std::to_string(s.version) + " " + s.mode + " " +
      s.status + (s.open ? " open" : "") + (s.paused ? " paused" : "") + " " +
      std::to_string(ToMicros(s.created_at)) + "-" + std::to_string(ToMicros(s.updated_at)) + " " +
      std::to_string(s.attempts) + " '" + s.error + "' " + (s.parent ? s.parent->str() : "-");
  for (const auto& [name, value] : s.labels) {
    text += " " + name + "=" + value;
  }
  for (const IncidentRow& incident : s.incidents) {
    text += " !" + incident.branch.str() + incident.code;
  }
  for (const std::string& record : txn.records) {
    text += "\n  " + record;
  }
  return text + "\n";
}

// One by one, from the lists, and as a start reads them: all three must agree.
std::string DescribeAll(Journal& journal) {
  std::string text;
  std::vector<std::string> open;
  const std::vector<std::string> gids = QueryAll(journal, {}, 7);
  for (const std::string& gid : gids) {
    const StoredTxn txn = MustLoad(journal, gid);
    text += Describe(txn);
    if (txn.summary.open) {
      open.push_back(gid);
    }
  }
  std::ranges::sort(open);
  CHECK(OpenGids(journal) == open);
  Filter aborting;
  aborting.status = "ABORTING";
  for (const std::string& gid : QueryAll(journal, aborting)) {
    text += "aborting " + gid + "\n";
  }
  Filter label;
  label.label = {{"team", "t1"}};
  for (const std::string& gid : QueryAll(journal, label)) {
    text += "team t1 " + gid + "\n";
  }
  return text + std::to_string(CountIncidents(journal)) + " incidents\n";
}

TEST_CASE("what only the log has is read as it was appended, without a table") {
  SqliteFactory factory;
  const auto journal = OpenStore(factory.path, Unhurried());
  REQUIRE(AppendAndWait(*journal, MakeAppend("a", 1, 2, VariedSummary(5))).ok());
  REQUIRE(AppendAndWait(*journal, MakeAppend("a", 3)).ok());
  REQUIRE(AppendAndWait(*journal, MakeAppend("a", 4, 3, VariedSummary(9))).ok());
  const StoredTxn txn = MustLoad(*journal, "a");
  CHECK(HasRecords(txn, 6));
  CHECK(txn.summary.version == 5);  // Fixed when it was created.
  CHECK(txn.summary.parent == Gid("parent"));
  CHECK(txn.summary.error == "error 9");
  CHECK(txn.summary.incidents.size() == 1);
  CHECK(AppendAndWait(*journal, MakeAppend("a", 1, 1, OpenSummary())).code() ==
        StatusCode::kAlreadyExists);
  CHECK(AppendAndWait(*journal, MakeAppend("a", 6)).code() == StatusCode::kConflict);
}

TEST_CASE("a list has what only the log had, and so has a start, a purge and a backup") {
  SqliteFactory factory;
  const auto journal = OpenStore(factory.path, Unhurried());
  Create(*journal, "a");
  Create(*journal, "old", FinishedSummary(1, 1));
  SECTION("a list") {
    CHECK(QueryAll(*journal, {}) == std::vector<std::string>{"old", "a"});
  }
  SECTION("a start") {
    CHECK(OpenGids(*journal) == std::vector<std::string>{"a"});
  }
  SECTION("a purge") {
    CHECK(journal->Purge(InstantFromMicros(10), 10).value() == 1);
    CHECK_FALSE(Exists(*journal, "old"));
  }
  SECTION("a backup, by another process") {
    const std::string target = factory.directory.File("backup.db");
    const Result<BackupReport> report = BackUpStore("sqlite:" + factory.path, target);
    REQUIRE(report.ok());
    CHECK(report->transactions == Counts{1, 1, 0});
  }
}

TEST_CASE("a transaction goes on over what the tables have of it and what the log has") {
  SqliteFactory factory;
  SqliteOptions options = Unhurried();
  options.cached_txns = 1;
  const auto journal = OpenStore(factory.path, options);
  uint64_t next = 1;
  for (int round = 0; round < 4; ++round) {
    for (const char* gid : {"a", "b", "c"}) {
      REQUIRE(AppendAndWait(*journal, MakeAppend(gid, next, 2, VariedSummary(next))).ok());
      REQUIRE(AppendAndWait(*journal, MakeAppend(gid, next + 2)).ok());
    }
    next += 3;
    for (const char* gid : {"a", "b", "c"}) {
      CHECK(HasRecords(MustLoad(*journal, gid), next - 1));
      CHECK(MustLoad(*journal, gid).summary.version == 1);
      CHECK(AppendAndWait(*journal, MakeAppend(gid, next + 1)).code() == StatusCode::kConflict);
    }
    if (round % 2 == 0) {
      CHECK(QueryAll(*journal, {}).size() == 3);
    }
  }
}

TEST_CASE("a killed process's log is in the tables after the start") {
  SqliteFactory factory;
  const std::string copy = factory.directory.File("copy.db");
  std::string expected;
  {
    const auto journal = OpenStore(factory.path, Unhurried());
    for (uint64_t i = 1; i <= 30; ++i) {
      const std::string gid = "t" + std::to_string(i % 10);
      const uint64_t first = (i - 1) / 10 * 2 + 1;
      REQUIRE(AppendAndWait(*journal, MakeAppend(gid, first, 2, VariedSummary(i))).ok());
    }
    for (const char* suffix : {"", "-wal", "-log"}) {
      std::filesystem::copy_file(factory.path + suffix, copy + suffix);
    }
    expected = DescribeAll(*journal);
  }
  SqliteOptions options;
  options.copied = CopiedStore::kNewIdentity;
  CHECK(DescribeAll(*OpenStore(copy, options)) == expected);
}

// The same appends for every run: transactions that end within the window, that outlive it, with
// summaries that come and go.
std::vector<TxnAppend> Workload() {
  std::vector<TxnAppend> appends;
  for (uint64_t round = 0; round < 6; ++round) {
    for (uint64_t txn = 0; txn < 4; ++txn) {
      if (txn == 3 || round >= txn) {
        const std::string gid =
            txn == 3 ? "short" + std::to_string(round) : "long" + std::to_string(txn);
        const uint64_t first = txn == 3 ? 1 : (round - txn) * 2 + 1;
        auto summary = first == 1 || round % 2 == 0
                           ? std::optional(VariedSummary(round * 4 + txn + 1))
                           : std::nullopt;
        appends.push_back(MakeAppend(gid, first, 2, summary));
        if (txn == 3) {
          appends.push_back(MakeAppend(gid, 3, 1, FinishedSummary(1, 2)));
        }
      }
    }
  }
  return appends;
}

TEST_CASE("stopped at any write of log and tables, a store is what the model is") {
  const std::vector<TxnAppend> workload = Workload();
  // States of the model after each append.
  std::vector<std::string> states;
  {
    MemoryFactory factory;
    const auto model = factory.Open();
    states.push_back(DescribeAll(*model));
    for (const TxnAppend& append : workload) {
      REQUIRE(AppendAndWait(*model, append).ok());
      states.push_back(DescribeAll(*model));
    }
  }
  SqliteOptions options;
  options.vfs = FaultVfs::kName;
  options.log_window_appends = 5;
  options.log_bytes = 64 * 1024;
  options.wal_target_bytes = 64 * 1024;
  bool stopped = true;
  uint64_t runs = 0;
  for (uint64_t stop_at = 1; stopped; ++stop_at, ++runs) {
    CAPTURE(stop_at);
    FaultVfs vfs;
    TempDirectory directory;
    const std::string path = directory.File("store.db");
    size_t acknowledged = 0;
    size_t handed_in = 0;
    {
      const auto journal = OpenStore(path, options);
      vfs.StopAt(stop_at);
      for (const TxnAppend& append : workload) {
        ++handed_in;
        if (!AppendAndWait(*journal, append).ok()) {
          break;
        }
        ++acknowledged;
      }
    }
    stopped = vfs.stopped();
    vfs.LosePower(stop_at);
    const auto journal = OpenStore(path, options);
    const std::string found = DescribeAll(*journal);
    // The one that was under way is there or not.
    const bool expected = found == states[acknowledged] || found == states[handed_in];
    if (!expected) {
      CHECK(found == states[acknowledged]);
    }
    REQUIRE(expected);
    REQUIRE(journal->CheckHealth().fatal.ok());
  }
  CHECK(runs > 100);
}

TEST_CASE("stopped again while it recovers, a store is what the model is") {
  const std::vector<TxnAppend> workload = Workload();
  SqliteOptions unhurried = Unhurried();
  SqliteOptions options;
  options.vfs = unhurried.vfs = FaultVfs::kName;
  options.log_window_appends = 4;
  std::string expected;
  for (uint64_t stop_at = 1; stop_at < 60; ++stop_at) {
    CAPTURE(stop_at);
    FaultVfs vfs;
    TempDirectory directory;
    const std::string path = directory.File("store.db");
    {
      const auto journal = OpenStore(path, unhurried);
      for (const TxnAppend& append : workload) {
        REQUIRE(AppendAndWait(*journal, append).ok());
      }
      vfs.StopAt(1);  // Nothing is projected when it closes.
    }
    vfs.LosePower(stop_at);
    vfs.StopAt(stop_at);
    static_cast<void>(sqlite::OpenSqliteJournal(path, options).ok());
    vfs.LosePower(stop_at + 1'000);
    const std::string found = DescribeAll(*OpenStore(path, options));
    if (expected.empty()) {
      MemoryFactory factory;
      const auto model = factory.Open();
      for (const TxnAppend& append : workload) {
        REQUIRE(AppendAndWait(*model, append).ok());
      }
      expected = DescribeAll(*model);
    }
    REQUIRE(found == expected);
  }
}

TEST_CASE("tables that find no room leave the log as it is, and follow when there is room") {
  FaultVfs vfs;
  TempDirectory directory;
  SqliteOptions options = Unhurried();
  options.vfs = FaultVfs::kName;
  const auto journal = OpenStore(directory.File("store.db"), options);
  for (const TxnAppend& append : Workload()) {
    REQUIRE(AppendAndWait(*journal, append).ok());
  }
  vfs.FailAt(FaultKind::kDiskFull, GENERATE(1, 2, 3, 5), true);
  CHECK(journal->Purge(InstantFromMicros(1), 1).status().code() == StatusCode::kUnavailable);
  CHECK(HasRecords(MustLoad(*journal, "short0"), 3));
  vfs.Heal();
  CHECK(QueryAll(*journal, {}).size() == 9);
  CHECK(HasRecords(MustLoad(*journal, "long0"), 12));
}

TEST_CASE("an entry that finds no room leaves the log as it was") {
  FaultVfs vfs;
  TempDirectory directory;
  SqliteOptions options = Unhurried();
  options.vfs = FaultVfs::kName;
  options.log_bytes = 64 * 1024;
  const std::string path = directory.File("store.db");
  {
    const auto journal = OpenStore(path, options);
    Create(*journal, "a");
    TxnAppend large = MakeAppend("large", 1, 1, OpenSummary());
    large.records[0].assign(1'000'000, 'x');
    vfs.FailAt(FaultKind::kDiskFull, GENERATE(1, 3), false, "-log");
    const Status full = AppendAndWait(*journal, large);
    CHECK(full.code() == StatusCode::kUnavailable);
    CHECK(full.message().find("full") != std::string::npos);
    CHECK_FALSE(Exists(*journal, "large"));
    CHECK(std::filesystem::file_size(path + "-log") == 64 * 1024);
    Create(*journal, "b");
    REQUIRE(AppendAndWait(*journal, large).ok());
    vfs.StopAt(1);
  }
  vfs.LosePower(1);
  CHECK(OpenGids(*OpenStore(path, options)) == std::vector<std::string>{"a", "b", "large"});
}

TEST_CASE("a store that was stopped in good order is whole without its log") {
  SqliteFactory factory;
  {
    const auto journal = OpenStore(factory.path, Unhurried());
    Create(*journal, "a");
    CHECK(std::filesystem::exists(factory.path + "-log"));
  }
  CHECK_FALSE(std::filesystem::exists(factory.path + "-log"));
  CHECK(OpenGids(*factory.Open()) == std::vector<std::string>{"a"});
}

// As a crash leaves it: one transaction is in the log alone.
std::string Crashed(SqliteFactory& factory) {
  const auto journal = OpenStore(factory.path, Unhurried());
  Create(*journal, "in the tables");
  REQUIRE(QueryAll(*journal, {}).size() == 1);
  Create(*journal, "in the log");
  std::string copy = factory.directory.File("crashed.db");
  for (const char* suffix : {"", "-wal", "-log"}) {
    std::filesystem::copy_file(factory.path + suffix, copy + suffix);
  }
  return copy;
}

TEST_CASE("a store whose log was taken away, or is another's, is refused with words") {
  SqliteFactory factory;
  const std::string copy = Crashed(factory);
  SECTION("taken away") {
    std::filesystem::remove(copy + "-log");
  }
  SECTION("another store's") {
    SqliteFactory other;
    const auto journal = other.Open();
    std::filesystem::copy_file(other.path + "-log", copy + "-log",
                               std::filesystem::copy_options::overwrite_existing);
  }
  SECTION("cut off") {
    std::filesystem::resize_file(copy + "-log", GENERATE(0, 20));
  }
  const std::string target = factory.directory.File("backup.db");
  for (const Status& status :
       {sqlite::OpenSqliteJournal(copy).status(), BackUpStore("sqlite:" + copy, target).status(),
        CompactStore("sqlite:" + copy).status()}) {
    INFO(status);
    CHECK(status.code() == StatusCode::kFailedPrecondition);
    CHECK(status.reason() == "store.log_missing");
    CHECK(status.message().find(copy + "-log") != std::string::npos);
  }
}

TEST_CASE("a store that lacks what its log goes on from is refused") {
  SqliteFactory factory;
  const std::string early = factory.directory.File("early.db");
  {
    const auto journal = OpenStore(factory.path, Unhurried());
    Create(*journal, "a");
    for (const char* suffix : {"", "-wal"}) {
      std::filesystem::copy_file(factory.path + suffix, early + suffix);
    }
    REQUIRE(QueryAll(*journal, {}).size() == 1);
    Create(*journal, "b");
    std::filesystem::copy_file(factory.path + "-log", early + "-log");
  }
  CHECK(sqlite::OpenSqliteJournal(early).status().code() == StatusCode::kDataLoss);
}

TEST_CASE("a crashed store is backed up and compacted with what its log has") {
  SqliteFactory factory;
  const std::string copy = Crashed(factory);
  SqliteOptions options;
  options.copied = CopiedStore::kNewIdentity;
  std::string result = copy;
  SECTION("backed up") {
    result = factory.directory.File("backup.db");
    REQUIRE(BackUpStore("sqlite:" + copy, result)->transactions == Counts{2, 0, 0});
  }
  SECTION("compacted") {
    REQUIRE(CompactStore("sqlite:" + copy).ok());
  }
  CHECK_FALSE(std::filesystem::exists(result + "-log"));
  CHECK(OpenGids(*OpenStore(result, options)) ==
        std::vector<std::string>{"in the log", "in the tables"});
}

TEST_CASE(
    "what was purged after its last records were found in the log is not there, not damaged") {
  SqliteFactory factory;
  const auto journal = OpenStore(factory.path, Unhurried());
  Create(*journal, "other");
  REQUIRE(QueryAll(*journal, {}).size() == 1);
  sqlite::Words words;
  const auto connection = sqlite::Connection::Open(
      factory.path, sqlite::Connection::Access::kReadOnly, "", sqlite::kBusyMilliseconds);
  REQUIRE(words.Load(**connection).ok());
  const auto reader = sqlite::Reader::Open(factory.path, "", words);
  const TxnAppend last = MakeAppend("a", 6, 2, FinishedSummary());
  CHECK((*reader)->Load(Gid("a"), last).status().code() == StatusCode::kNotFound);
  const TxnAppend of_former = MakeAppend("other", 6, 2, FinishedSummary());
  CHECK(HasRecords((*reader)->Load(Gid("other"), of_former).value(), 1));
  std::vector<std::string> open;
  const auto note = [&open](const StoredTxn& txn) {
    open.push_back(txn.gid.str());
    return Status();
  };
  CHECK((*reader)->LoadOpen(ShardOf(Gid("other")), {last, of_former}, note).ok());
  CHECK(open == std::vector<std::string>{"other"});
}

TEST_CASE("what is purged has nothing in the log that would lack its transaction") {
  SqliteFactory factory;
  const auto journal = OpenStore(factory.path, Unhurried());
  Create(*journal, "a", FinishedSummary(1, 1));
  REQUIRE(QueryAll(*journal, {}).size() == 1);
  REQUIRE(AppendAndWait(*journal, MakeAppend("a", 2)).ok());
  CHECK(journal->Purge(InstantFromMicros(10), 10).value() == 1);
  CHECK(QueryAll(*journal, {}).empty());
  CHECK(AppendAndWait(*journal, MakeAppend("a", 3)).code() == StatusCode::kConflict);
  Create(*journal, "a");
  CHECK(OpenGids(*journal) == std::vector<std::string>{"a"});
}

}  // namespace
}  // namespace entente::storage
