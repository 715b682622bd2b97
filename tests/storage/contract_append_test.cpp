// The journal contract: appending and reading back. Every case runs against every journal.
#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/storage/contract_factories.h"
#include "tests/storage/journal_fixtures.h"

namespace entente::storage {
namespace {

JOURNAL_TEST_CASE("what was appended is loaded back whole") {
  TestType factory;
  const auto journal = factory.Open();
  Summary summary = OpenSummary(123'456);
  summary.version = 7;
  summary.paused = true;
  summary.labels = {{"team", "red"}, {"city", "Z\u00fcrich"}};
  summary.parent = Gid("parent-1");
  summary.attempts = 3;
  summary.error = "no room";
  summary.incidents = {MakeIncident("hotel", "timeout"), MakeIncident("car:1", "refused")};
  REQUIRE(AppendAndWait(*journal, MakeAppend("a", 1, 3, summary)).ok());

  const StoredTxn txn = MustLoad(*journal, "a");
  CHECK(txn.gid == Gid("a"));
  CHECK(HasRecords(txn, 3));
  CHECK(txn.summary.definition == "travel");
  CHECK(txn.summary.version == 7);
  CHECK(txn.summary.mode == "saga");
  CHECK(txn.summary.status == "ACTIVE");
  CHECK(txn.summary.open);
  CHECK(txn.summary.paused);
  CHECK(txn.summary.labels == summary.labels);
  CHECK(txn.summary.created_at == summary.created_at);
  CHECK(txn.summary.updated_at == summary.updated_at);
  CHECK(txn.summary.parent == Gid("parent-1"));
  CHECK(txn.summary.attempts == 3);
  CHECK(txn.summary.error == "no room");
  REQUIRE(txn.summary.incidents.size() == 2);
  const IncidentRow& incident = txn.summary.incidents[1];
  CHECK(incident.branch == BranchId("car:1"));
  CHECK(incident.participant == "hotels");
  CHECK(incident.operation == "compensate");
  CHECK(incident.code == "refused");
  CHECK(incident.message == "no answer came");
  CHECK(incident.since == InstantFromMicros(5'000));
}

JOURNAL_TEST_CASE("records are kept byte for byte, whatever they hold and however long they are") {
  TestType factory;
  const auto journal = factory.Open();
  TxnAppend append = MakeAppend("a", 1, 1, OpenSummary());
  std::string all_bytes;
  for (int byte = 0; byte < 256; ++byte) {
    all_bytes.push_back(static_cast<char>(byte));
  }
  append.records = {"", all_bytes, std::string(3'000'000, '\0')};
  const std::vector<std::string> records = append.records;
  REQUIRE(AppendAndWait(*journal, std::move(append)).ok());
  CHECK(MustLoad(*journal, "a").records == records);
}

JOURNAL_TEST_CASE("a later summary replaces what may change and leaves what is fixed") {
  TestType factory;
  const auto journal = factory.Open();
  Summary first = OpenSummary(10);
  first.labels = {{"team", "red"}};
  first.incidents = {MakeIncident("hotel", "timeout")};
  Create(*journal, "a", first);

  Summary second = FinishedSummary(99, 77);
  second.definition = "other";
  second.version = 9;
  second.mode = "tcc";
  second.parent = Gid("p");
  second.attempts = 4;
  second.error = "late";
  REQUIRE(AppendAndWait(*journal, MakeAppend("a", 2, 1, second)).ok());

  const Summary kept = MustLoad(*journal, "a").summary;
  CHECK(kept.status == "COMMITTED");
  CHECK_FALSE(kept.open);
  CHECK(kept.updated_at == InstantFromMicros(77));
  CHECK(kept.attempts == 4);
  CHECK(kept.error == "late");
  CHECK(kept.incidents.empty());
  CHECK(kept.definition == "travel");
  CHECK(kept.version == 1);
  CHECK(kept.mode == "saga");
  CHECK(kept.labels == first.labels);
  CHECK(kept.created_at == InstantFromMicros(10));
  CHECK_FALSE(kept.parent.has_value());
}

JOURNAL_TEST_CASE("an append without a summary leaves the summary as it was") {
  TestType factory;
  const auto journal = factory.Open();
  Summary summary = OpenSummary();
  summary.error = "no room";
  Create(*journal, "a", summary);
  REQUIRE(AppendAndWait(*journal, MakeAppend("a", 2, 2)).ok());
  const StoredTxn txn = MustLoad(*journal, "a");
  CHECK(HasRecords(txn, 3));
  CHECK(txn.summary.error == "no room");
}

JOURNAL_TEST_CASE("a stale or a future sequence is a conflict and writes nothing") {
  TestType factory;
  const auto journal = factory.Open();
  REQUIRE(AppendAndWait(*journal, MakeAppend("a", 1, 3, OpenSummary())).ok());
  const uint64_t first = GENERATE(2, 3, 5, 100);
  const Status status = AppendAndWait(*journal, MakeAppend("a", first, 1, FinishedSummary()));
  CHECK(status.code() == StatusCode::kConflict);
  CHECK(status.reason() == "journal.stale_sequence");
  CHECK(status.message().find("'a'") != std::string::npos);
  const StoredTxn txn = MustLoad(*journal, "a");
  CHECK(HasRecords(txn, 3));
  CHECK(txn.summary.open);
}

JOURNAL_TEST_CASE("an append to a transaction nobody created is a conflict") {
  TestType factory;
  const auto journal = factory.Open();
  const Status status = AppendAndWait(*journal, MakeAppend("ghost", 2));
  CHECK(status.code() == StatusCode::kConflict);
  CHECK_FALSE(Exists(*journal, "ghost"));
  // The refusal leaves the name free.
  Create(*journal, "ghost");
  CHECK(Exists(*journal, "ghost"));
}

JOURNAL_TEST_CASE("creating a transaction twice is refused, also after it finished") {
  TestType factory;
  const auto journal = factory.Open();
  Create(*journal, "a");
  const Status open = AppendAndWait(*journal, MakeAppend("a", 1, 1, OpenSummary()));
  CHECK(open.code() == StatusCode::kAlreadyExists);
  CHECK(open.reason() == "transaction.exists");
  REQUIRE(AppendAndWait(*journal, MakeAppend("a", 2, 1, FinishedSummary())).ok());
  const Status finished = AppendAndWait(*journal, MakeAppend("a", 1, 1, OpenSummary()));
  CHECK(finished.code() == StatusCode::kAlreadyExists);
  CHECK(HasRecords(MustLoad(*journal, "a"), 2));
}

JOURNAL_TEST_CASE("a batch is written whole or not at all") {
  TestType factory;
  const auto journal = factory.Open();
  Create(*journal, "a");
  const Status refused = AppendAndWait(
      *journal, MakeBatch({MakeAppend("a~b", 1, 1, OpenSummary()), MakeAppend("a", 2),
                           MakeAppend("a~c", 1, 1, OpenSummary()), MakeAppend("a", 9)}));
  CHECK(refused.code() == StatusCode::kConflict);
  CHECK_FALSE(Exists(*journal, "a~b"));
  CHECK_FALSE(Exists(*journal, "a~c"));
  CHECK(HasRecords(MustLoad(*journal, "a"), 1));
  CHECK(OpenGids(*journal).size() == 1);

  REQUIRE(
      AppendAndWait(*journal, MakeBatch({MakeAppend("a~b", 1, 1, OpenSummary()), MakeAppend("a", 2),
                                         MakeAppend("a~c", 1, 1, OpenSummary())}))
          .ok());
  CHECK(HasRecords(MustLoad(*journal, "a"), 2));
  CHECK(HasRecords(MustLoad(*journal, "a~c"), 1));
}

JOURNAL_TEST_CASE("a batch may go on with a transaction it creates") {
  TestType factory;
  const auto journal = factory.Open();
  REQUIRE(AppendAndWait(*journal, MakeBatch({MakeAppend("a", 1, 2, OpenSummary()),
                                             MakeAppend("a", 3, 1), MakeAppend("a", 4, 1)}))
              .ok());
  CHECK(HasRecords(MustLoad(*journal, "a"), 4));
  const Status twice = AppendAndWait(*journal, MakeBatch({MakeAppend("b", 1, 1, OpenSummary()),
                                                          MakeAppend("b", 1, 1, OpenSummary())}));
  CHECK(twice.code() == StatusCode::kAlreadyExists);
  CHECK_FALSE(Exists(*journal, "b"));
}

JOURNAL_TEST_CASE("an empty batch succeeds") {
  TestType factory;
  const auto journal = factory.Open();
  CHECK(AppendAndWait(*journal, Batch{}).ok());
}

JOURNAL_TEST_CASE("a refused append leaves the others that wait beside it untouched") {
  TestType factory;
  const auto journal = factory.Open();
  Create(*journal, "a");
  std::vector<std::future<Status>> results;
  for (int i = 0; i < 50; ++i) {
    auto done = std::make_shared<std::promise<Status>>();  // The callback must be copyable.
    results.push_back(done->get_future());
    const bool stale = i % 2 == 1;
    TxnAppend append =
        stale ? MakeAppend("a", 7) : MakeAppend("b" + std::to_string(i), 1, 1, OpenSummary());
    journal->Append(MakeBatch({std::move(append)}),
                    [done](Status status) { done->set_value(std::move(status)); });
  }
  for (int i = 0; i < 50; ++i) {
    CHECK(results[i].get().code() == (i % 2 == 1 ? StatusCode::kConflict : StatusCode::kOk));
  }
  CHECK(OpenGids(*journal).size() == 26);
}

JOURNAL_TEST_CASE("callbacks come once each, in the order of the calls, after the write") {
  TestType factory;
  const auto journal = factory.Open();
  constexpr uint64_t kAppends = 300;
  std::mutex mutex;
  std::vector<uint64_t> order;
  std::promise<void> last;
  for (uint64_t first = 1; first <= kAppends; ++first) {
    auto summary = first == 1 ? std::optional(OpenSummary()) : std::nullopt;
    journal->Append(MakeBatch({MakeAppend("a", first, 1, summary)}), [&, first](Status status) {
      const std::lock_guard lock(mutex);
      order.push_back(status.ok() ? first : 0);
      if (first == kAppends) {
        last.set_value();
      }
    });
  }
  last.get_future().wait();
  CHECK(HasRecords(MustLoad(*journal, "a"), kAppends));
  const std::lock_guard lock(mutex);
  REQUIRE(order.size() == kAppends);
  for (uint64_t i = 0; i < kAppends; ++i) {
    REQUIRE(order[i] == i + 1);
  }
}

JOURNAL_TEST_CASE("destroying a journal finishes what was handed in") {
  TestType factory;
  std::atomic<int> acknowledged = 0;
  {
    const auto journal = factory.Open();
    for (int i = 0; i < 100; ++i) {
      journal->Append(MakeBatch({MakeAppend("t" + std::to_string(i), 1, 1, OpenSummary())}),
                      [&](Status status) { acknowledged += status.ok() ? 1 : 0; });
    }
  }
  CHECK(acknowledged == 100);
  CHECK(OpenGids(*factory.Open()).size() == 100);
}

JOURNAL_TEST_CASE("threads append at the same time and lose nothing") {
  TestType factory;
  const auto journal = factory.Open();
  constexpr int kThreads = 4;
  constexpr uint64_t kAppends = 60;
  std::vector<std::thread> threads;
  std::atomic<int> failures = 0;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      const std::string gid = "thread-" + std::to_string(thread);
      for (uint64_t first = 1; first <= kAppends; ++first) {
        auto summary = first == 1 ? std::optional(OpenSummary()) : std::nullopt;
        failures += AppendAndWait(*journal, MakeAppend(gid, first, 1, summary)).ok() ? 0 : 1;
        failures += journal->Load(Gid(gid))->records.size() == first ? 0 : 1;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(failures == 0);
  for (int thread = 0; thread < kThreads; ++thread) {
    CHECK(HasRecords(MustLoad(*journal, "thread-" + std::to_string(thread)), kAppends));
  }
}

JOURNAL_TEST_CASE("of racing creations of one transaction exactly one wins") {
  TestType factory;
  const auto journal = factory.Open();
  std::vector<std::thread> threads;
  std::atomic<int> won = 0;
  std::atomic<int> refused = 0;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        const Status status =
            AppendAndWait(*journal, MakeAppend("race-" + std::to_string(i), 1, 1, OpenSummary()));
        won += status.ok() ? 1 : 0;
        refused += status.code() == StatusCode::kAlreadyExists ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(won == 20);
  CHECK(refused == 60);
}

JOURNAL_TEST_CASE("reopening keeps everything and goes on where it stopped") {
  TestType factory;
  {
    const auto journal = factory.Open();
    Create(*journal, "open");
    Create(*journal, "done", FinishedSummary());
    Summary stuck = OpenSummary();
    stuck.incidents = {MakeIncident("hotel", "timeout")};
    stuck.labels = {{"team", "red"}};
    Create(*journal, "stuck", stuck);
    REQUIRE(journal->GetOrPutSetting("key", "secret").ok());
  }
  const auto journal = factory.Open();
  CHECK(OpenGids(*journal) == std::vector<std::string>{"open", "stuck"});
  CHECK(MustLoad(*journal, "stuck").summary.incidents.size() == 1);
  CHECK(CountIncidents(*journal) == 1);
  CHECK(journal->GetOrPutSetting("key", "other").value() == "secret");
  CHECK(AppendAndWait(*journal, MakeAppend("open", 1, 1, OpenSummary())).code() ==
        StatusCode::kAlreadyExists);
  CHECK(AppendAndWait(*journal, MakeAppend("open", 3)).code() == StatusCode::kConflict);
  CHECK(AppendAndWait(*journal, MakeAppend("open", 2)).ok());
  CHECK(HasRecords(MustLoad(*journal, "open"), 2));
  Create(*journal, "another");
  CHECK(QueryAll(*journal, {}).front() == "another");
}

JOURNAL_TEST_CASE("LoadOpen gives each open transaction of a shard once, and whole") {
  TestType factory;
  const auto journal = factory.Open();
  std::set<std::string> expected;
  for (int i = 0; i < 200; ++i) {
    const std::string gid = "t" + std::to_string(i);
    Summary summary = i % 3 == 0 ? FinishedSummary() : OpenSummary();
    summary.status = i % 3 == 1 ? "ABORTING" : summary.status;
    REQUIRE(AppendAndWait(*journal, MakeAppend(gid, 1, 2, summary)).ok());
    if (i % 3 != 0) {
      expected.insert(gid);
    }
  }
  std::set<std::string> seen;
  size_t loaded = 0;
  for (uint64_t shard = 0; shard < kShardCount; ++shard) {
    const Status status = journal->LoadOpen(ShardId(shard), [&](StoredTxn txn) {
      CHECK(ShardOf(txn.gid) == ShardId(shard));
      CHECK(HasRecords(txn, 2));
      CHECK(txn.summary.open);
      seen.insert(txn.gid.str());
      ++loaded;
      return Status();
    });
    CHECK(status.ok());
  }
  CHECK(seen == expected);
  CHECK(loaded == expected.size());
}

JOURNAL_TEST_CASE("LoadOpen stops at the first failure of its sink and returns it") {
  TestType factory;
  const auto journal = factory.Open();
  Create(*journal, "a");
  Create(*journal, "a~b");
  int calls = 0;
  const Status status = journal->LoadOpen(ShardOf(Gid("a")), [&calls](const StoredTxn&) {
    ++calls;
    return DataLoss("test.full", "enough");
  });
  CHECK(status.reason() == "test.full");
  CHECK(calls == 1);
  // The failure was the sink's: the journal works on.
  Create(*journal, "c");
}

JOURNAL_TEST_CASE("a shard is owned under a higher epoch each time it is acquired") {
  TestType factory;
  const ShardId shard(7);
  uint64_t latest = 0;
  for (int run = 0; run < 2; ++run) {
    const auto journal = factory.OpenOther();
    for (int i = 0; i < 3; ++i) {
      const Result<Epoch> epoch = journal->Acquire(shard);
      REQUIRE(epoch.ok());
      CHECK(epoch->value() > latest);
      latest = epoch->value();
      CHECK(journal->Renew(shard, *epoch).ok());
    }
    CHECK(journal->Release(shard, Epoch(latest)).ok());
  }
}

JOURNAL_TEST_CASE("an append under a stale epoch is refused whole, and no other") {
  TestType factory;
  const auto journal = factory.Open();
  const ShardId shard = ShardOf(Gid("a"));
  const Epoch stale = journal->EpochOf(shard);
  Create(*journal, "a");
  const auto append = [&](Epoch epoch, std::vector<TxnAppend> appends) {
    std::promise<Status> done;
    journal->Append(shard, epoch, MakeBatch(std::move(appends)),
                    [&done](Status status) { done.set_value(std::move(status)); });
    return done.get_future().get();
  };
  std::optional<Epoch> current;
  SECTION("because it was acquired again") {
    current = journal->Acquire(shard).value();
  }
  SECTION("because it was released") {
    REQUIRE(journal->Release(shard, stale).ok());
    CHECK(journal->Release(shard, stale).code() == StatusCode::kFenced);
  }
  CHECK(journal->Renew(shard, stale).code() == StatusCode::kFenced);
  const Status fenced = append(stale, {MakeAppend("a", 2), MakeAppend("a~b", 1, 1, OpenSummary())});
  CHECK(fenced.code() == StatusCode::kFenced);
  CHECK(fenced.reason() == "journal.stale_epoch");
  CHECK(append(Epoch(stale.value() + 1'000'000), {MakeAppend("a", 2)}).code() ==
        StatusCode::kFenced);
  CHECK(HasRecords(MustLoad(*journal, "a"), 1));
  CHECK_FALSE(Exists(*journal, "a~b"));
  REQUIRE(ShardOf(Gid("other")) != shard);
  Create(*journal, "other");
  if (current) {
    CHECK(append(*current, {MakeAppend("a", 2)}).ok());
    CHECK(HasRecords(MustLoad(*journal, "a"), 2));
  }
}

JOURNAL_TEST_CASE(
    "batches of several shards are handed in together, and written or refused alone") {
  TestType factory;
  const auto journal = factory.Open();
  Create(*journal, "stale");
  // Each of a shard of its own.
  std::vector<std::string> gids = {"stale"};
  for (int i = 0; gids.size() < 5; ++i) {
    const std::string gid = "t" + std::to_string(i);
    const auto shares = [&](const std::string& other) {
      return ShardOf(Gid(other)) == ShardOf(Gid(gid));
    };
    if (std::ranges::none_of(gids, shares)) {
      gids.push_back(gid);
    }
  }
  std::vector<ShardBatch> batches;
  for (const std::string& gid : gids) {
    const ShardId shard = ShardOf(Gid(gid));
    batches.push_back(
        {shard, journal->EpochOf(shard), MakeBatch({MakeAppend(gid, 1, 2, OpenSummary())})});
  }
  const ShardId taken = ShardOf(Gid(gids[1]));
  const Epoch current = journal->Acquire(taken).value();
  batches[3].batch.appends[0].first = Sequence(7);
  // The same shard once more, behind what comes before it.
  const ShardId last = ShardOf(Gid(gids[4]));
  batches.push_back({last, journal->EpochOf(last), MakeBatch({MakeAppend(gids[4], 3)})});

  std::promise<std::vector<Status>> done;
  std::atomic<int> answers = 0;
  journal->AppendEach(std::move(batches), [&](std::vector<Status> statuses) {
    ++answers;
    done.set_value(std::move(statuses));
  });
  const std::vector<Status> statuses = done.get_future().get();
  REQUIRE(statuses.size() == 6);
  CHECK(statuses[0].code() == StatusCode::kAlreadyExists);
  CHECK(statuses[1].code() == StatusCode::kFenced);
  CHECK(statuses[2].ok());
  CHECK(statuses[3].code() == StatusCode::kConflict);
  CHECK(statuses[4].ok());
  CHECK(statuses[5].ok());
  CHECK_FALSE(Exists(*journal, gids[1]));
  CHECK(HasRecords(MustLoad(*journal, gids[2]), 2));
  CHECK_FALSE(Exists(*journal, gids[3]));
  CHECK(HasRecords(MustLoad(*journal, gids[4]), 3));

  // Whoever was refused goes on.
  std::promise<Status> written;
  journal->Append(taken, current, MakeBatch({MakeAppend(gids[1], 1, 2, OpenSummary())}),
                  [&](Status status) { written.set_value(std::move(status)); });
  CHECK(written.get_future().get().ok());
  CHECK(answers == 1);
}

JOURNAL_TEST_CASE("nothing is under an epoch that nobody acquired") {
  TestType factory;
  const auto journal = factory.OpenOther();
  for (const uint64_t epoch : {0, 1, 2}) {
    std::promise<Status> done;
    journal->Append(ShardOf(Gid("a")), Epoch(epoch),
                    MakeBatch({MakeAppend("a", 1, 1, OpenSummary())}),
                    [&done](Status status) { done.set_value(std::move(status)); });
    CHECK(done.get_future().get().code() == StatusCode::kFenced);
  }
  CHECK(journal->Renew(ShardId(0), Epoch(0)).code() == StatusCode::kFenced);
}

JOURNAL_TEST_CASE("what an earlier owner hands in is there when a later one reads, or never") {
  TestType factory;
  const auto journal = factory.Open();
  const ShardId shard = ShardOf(Gid("a"));
  const Epoch stale = journal->EpochOf(shard);
  std::atomic<size_t> accepted = 0;
  std::atomic<bool> stop = false;
  std::thread owner([&] {
    for (uint64_t first = 1; !stop; ++first) {
      std::promise<Status> done;
      auto summary = first == 1 ? std::optional(OpenSummary()) : std::nullopt;
      journal->Append(shard, stale, MakeBatch({MakeAppend("a", first, 1, summary)}),
                      [&done](Status status) { done.set_value(std::move(status)); });
      if (!done.get_future().get().ok()) {
        return;
      }
      ++accepted;
    }
  });
  while (accepted < 20) {
    std::this_thread::yield();
  }
  REQUIRE(journal->Acquire(shard).ok());
  const size_t read = MustLoad(*journal, "a").records.size();
  stop = true;
  owner.join();
  CHECK(accepted <= read);
  CHECK(HasRecords(MustLoad(*journal, "a"), read));
}

JOURNAL_TEST_CASE("an unknown transaction is not found") {
  TestType factory;
  const auto journal = factory.Open();
  const Result<StoredTxn> txn = journal->Load(Gid("ghost"));
  CHECK(txn.status().code() == StatusCode::kNotFound);
  CHECK(txn.status().reason() == "transaction.not_found");
  CHECK_FALSE(Exists(*journal, "ghost"));
}

}  // namespace
}  // namespace entente::storage
