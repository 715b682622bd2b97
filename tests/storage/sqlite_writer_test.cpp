// Inside the SQLite journal: groups, the cache, the log's size and the helpers of both.
#include <sys/stat.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "base/limits.h"
#include "storage/codec.h"
#include "storage/sqlite/txn_cache.h"
#include "tests/storage/journal_fixtures.h"

namespace entente::storage {
namespace {

TEST_CASE("appends that wait together share a commit") {
  SqliteFactory factory;
  const auto journal = factory.Open();
  constexpr int kAppends = 2'000;
  const sqlite::WriterStats before = sqlite::GetWriterStats(journal->inner());
  std::vector<TxnAppend> appends;
  for (int i = 0; i < kAppends; ++i) {
    journal->Append(MakeBatch({MakeAppend("t" + std::to_string(i), 1, 1, OpenSummary())}),
                    [](const Status&) {});
  }
  REQUIRE(AppendAndWait(*journal, Batch{}).ok());
  CHECK(sqlite::GetWriterStats(journal->inner()).commits - before.commits < kAppends / 2);
  CHECK(OpenGids(*journal).size() == kAppends);
}

TEST_CASE("a transaction that fell out of the cache goes on where it stood") {
  SqliteFactory factory;
  sqlite::SqliteOptions options;
  options.cached_txns = 1;
  const auto journal = OpenStore(factory.path, options);
  Summary stuck = OpenSummary();
  stuck.incidents = {MakeIncident("hotel", "timeout")};
  for (const char* gid : {"a", "b", "c"}) {
    REQUIRE(AppendAndWait(*journal, MakeAppend(gid, 1, 2, stuck)).ok());
  }
  CHECK(CountIncidents(*journal) == 3);
  for (const char* gid : {"a", "b", "c"}) {
    CHECK(AppendAndWait(*journal, MakeAppend(gid, 1, 1, OpenSummary())).code() ==
          StatusCode::kAlreadyExists);
    CHECK(AppendAndWait(*journal, MakeAppend(gid, 2)).code() == StatusCode::kConflict);
    CHECK(AppendAndWait(*journal, MakeAppend(gid, 3, 2, stuck)).ok());
    CHECK(AppendAndWait(*journal, MakeAppend(gid, 5, 1, FinishedSummary())).ok());
    CHECK(HasRecords(MustLoad(*journal, gid), 5));
  }
  CHECK(CountIncidents(*journal) == 0);
  CHECK(QueryAll(*journal, {}).size() - OpenGids(*journal).size() == 3);
}

TEST_CASE("the write-ahead log stays near its target") {
  SqliteFactory factory;
  sqlite::SqliteOptions options;
  options.wal_target_bytes = 256 * 1024;
  options.log_window_appends = 8;
  const auto journal = OpenStore(factory.path, options);
  for (uint64_t first = 1; first <= 400; ++first) {
    TxnAppend append = MakeAppend("a", first, 1);
    append.records[0].assign(8'000, 'x');
    if (first == 1) {
      append.summary = OpenSummary();
    }
    REQUIRE(AppendAndWait(*journal, std::move(append)).ok());
  }
  CHECK(std::filesystem::file_size(factory.path + "-wal") <= 2 * options.wal_target_bytes);
  CHECK(sqlite::GetWriterStats(journal->inner()).checkpoints >= 10);
  CHECK(MustLoad(*journal, "a").records.size() == 400);
}

TEST_CASE("a reader in the middle of a long scan does not stop the writer") {
  SqliteFactory factory;
  sqlite::SqliteOptions options;
  options.wal_target_bytes = 64 * 1024;
  const auto journal = OpenStore(factory.path, options);
  for (int i = 0; i < 10; ++i) {
    Create(*journal, "t~" + std::to_string(i));
  }
  size_t loaded = 0;
  const Status status = journal->LoadOpen(ShardOf(Gid("t")), [&](const StoredTxn& txn) {
    ++loaded;
    for (uint64_t first = 2; first < 12; ++first) {
      const Status appended = AppendAndWait(*journal, MakeAppend(txn.gid.str(), first));
      CHECK(appended.ok());
    }
    // It sees its own snapshot; others see the present.
    CHECK(HasRecords(txn, 1));
    CHECK(HasRecords(MustLoad(*journal, txn.gid.str()), 11));
    return Status();
  });
  CHECK(status.ok());
  CHECK(loaded == 10);
}

TEST_CASE("readers beyond the pool wait their turn") {
  SqliteFactory factory;
  sqlite::SqliteOptions options;
  options.max_readers = 1;
  const auto journal = OpenStore(factory.path, options);
  Create(*journal, "a");
  std::atomic<int> found = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 6; ++thread) {
    threads.emplace_back([&] {
      for (int i = 0; i < 30; ++i) {
        found += Exists(*journal, "a") ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(found == 180);
}

TEST_CASE("a sparse filter ends a page early and the next page goes on") {
  SqliteFactory factory;
  const auto journal = factory.Open();
  std::vector<TxnAppend> appends;
  for (int i = 0; i < 45'000; ++i) {
    Summary summary = FinishedSummary();
    summary.mode = i == 0 ? "tcc" : "saga";
    appends.push_back(MakeAppend("t" + std::to_string(i), 1, 1, summary));
  }
  Fill(*journal, std::move(appends));
  Filter filter;
  filter.mode = "tcc";
  const Result<SummaryPage> first = journal->Query(filter, {10, ""});
  CHECK(first->rows.empty());
  CHECK_FALSE(first->next_cursor.empty());
  CHECK(QueryAll(*journal, filter) == std::vector<std::string>{"t0"});
}

TEST_CASE("an append beyond the limit is refused and harms nothing") {
  SqliteFactory factory;
  const auto journal = factory.Open();
  TxnAppend append = MakeAppend("a", 1, 1, OpenSummary());
  // One buffer's worth many times over: what counts is the sum.
  append.records.assign((limits::kMaxAppendBytes >> 20) + 1, std::string(size_t{1} << 20, 'x'));
  CHECK(AppendAndWait(*journal, std::move(append)).code() == StatusCode::kResourceExhausted);
  Create(*journal, "a");
}

TEST_CASE("records decode only at the place they were encoded for") {
  std::string blob;
  EncodeRecords(7, Sequence(3), {"one", "", "three"}, blob);
  std::vector<std::string> records;
  REQUIRE(DecodeRecords(7, Sequence(3), blob, records));
  CHECK(records == std::vector<std::string>{"one", "", "three"});
  CHECK_FALSE(DecodeRecords(8, Sequence(3), blob, records));
  CHECK_FALSE(DecodeRecords(7, Sequence(4), blob, records));
}

TEST_CASE("records of appends that follow each other are encoded as one append's") {
  const TxnAppend one{Gid("a"), Sequence(3), {"one"}, {}};
  const TxnAppend rest{Gid("a"), Sequence(4), {"", "three"}, {}};
  const TxnAppend* const appends[] = {&one, &rest};
  std::string joined = "what was there";
  EncodeRecords(7, appends, joined);
  std::string whole;
  EncodeRecords(7, Sequence(3), {"one", "", "three"}, whole);
  CHECK(joined == whole);
}

TEST_CASE("every flipped bit and every cut of encoded records is noticed") {
  std::string blob;
  EncodeRecords(7, Sequence(3), {"one", "two"}, blob);
  for (size_t bit = 0; bit < blob.size() * 8; ++bit) {
    std::string damaged = blob;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    std::vector<std::string> records;
    REQUIRE_FALSE(DecodeRecords(7, Sequence(3), damaged, records));
  }
  for (size_t length = 0; length < blob.size(); ++length) {
    std::vector<std::string> records;
    REQUIRE_FALSE(DecodeRecords(7, Sequence(3), blob.substr(0, length), records));
  }
}

TEST_CASE("cut labels and incidents are refused without reading past their end") {
  const std::string labels = EncodeLabels({{"team", "red"}, {"", ""}});
  const std::string incidents = EncodeIncidents({MakeIncident("hotel", "timeout")});
  for (size_t length = 0; length < labels.size(); ++length) {
    Labels read;
    CHECK_FALSE(DecodeLabels(labels.substr(0, length), read));
  }
  for (size_t length = 0; length < incidents.size(); ++length) {
    std::vector<IncidentRow> read;
    CHECK_FALSE(DecodeIncidents(incidents.substr(0, length), read));
  }
}

TEST_CASE("the cache drops what was used longest ago") {
  sqlite::TxnCache cache(2);
  cache.Insert(Gid("a"));
  cache.Insert(Gid("b"));
  CHECK(cache.Find(Gid("a")) != nullptr);
  cache.Insert(Gid("c"));
  CHECK(cache.Find(Gid("b")) != nullptr);  // Nothing goes before Trim.
  CHECK(cache.Find(Gid("a")) != nullptr);
  cache.Trim();
  CHECK(cache.Find(Gid("c")) == nullptr);
  CHECK(cache.Find(Gid("b")) != nullptr);
  cache.Erase(Gid("b"));
  CHECK(cache.Find(Gid("b")) == nullptr);
}

}  // namespace
}  // namespace entente::storage
