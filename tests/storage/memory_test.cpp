// What only the journal in memory can do: deliver by hand, fail on demand and crash.
#include <catch2/catch.hpp>
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/storage/journal_fixtures.h"

namespace entente::storage {
namespace {

struct Manual {
  std::shared_ptr<MemoryStore> store = std::make_shared<MemoryStore>();
  MemoryJournal journal{store, MemoryDelivery::kManual};
  std::vector<Status> results;

  void Append(TxnAppend append) {
    std::vector<TxnAppend> appends;
    appends.push_back(std::move(append));
    const ShardId shard = ShardOf(appends[0].gid);
    journal.Append(shard, epochs.at(shard), MakeBatch(std::move(appends)),
                   [this](Status status) { results.push_back(std::move(status)); });
  }

  Manual() {
    for (uint64_t i = 0; i < kShardCount; ++i) {
      epochs[ShardId(i)] = journal.Acquire(ShardId(i)).value();
    }
  }

  std::map<ShardId, Epoch> epochs;
};

OwnedJournal Reopen(const Manual& manual) {
  return OwnedJournal(std::make_unique<MemoryJournal>(manual.store));
}

TEST_CASE("in manual mode nothing is durable before it is delivered") {
  Manual manual;
  manual.Append(MakeAppend("a", 1, 1, OpenSummary()));
  manual.Append(MakeAppend("a", 2));
  CHECK(manual.journal.pending() == 2);
  CHECK_FALSE(Exists(manual.journal, "a"));
  CHECK(manual.journal.Deliver());
  CHECK(manual.results.size() == 1);
  CHECK(HasRecords(MustLoad(manual.journal, "a"), 1));
  manual.journal.DeliverAll();
  CHECK(manual.results.size() == 2);
  CHECK_FALSE(manual.journal.Deliver());
}

TEST_CASE("DeliverAll delivers what callbacks hand in") {
  Manual manual;
  const ShardId shard = ShardOf(Gid("a"));
  manual.journal.Append(shard, manual.epochs.at(shard),
                        MakeBatch({MakeAppend("a", 1, 1, OpenSummary())}),
                        [&manual](const Status&) { manual.Append(MakeAppend("a", 2)); });
  manual.journal.DeliverAll();
  CHECK(HasRecords(MustLoad(manual.journal, "a"), 2));
}

TEST_CASE("an injected unavailability writes nothing and passes") {
  Manual manual;
  manual.journal.Fail(MemoryFault::kUnavailable);
  manual.Append(MakeAppend("a", 1, 1, OpenSummary()));
  manual.Append(MakeAppend("a", 1, 1, OpenSummary()));
  manual.journal.DeliverAll();
  CHECK(manual.results[0].code() == StatusCode::kUnavailable);
  CHECK(manual.results[1].ok());
}

TEST_CASE("after an unknown outcome everything is refused, and the store has it or not") {
  const bool written = GENERATE(false, true);
  Manual manual;
  manual.journal.Fail(written ? MemoryFault::kUnknownOutcomeWritten : MemoryFault::kUnknownOutcome);
  manual.Append(MakeAppend("a", 1, 1, OpenSummary()));
  manual.Append(MakeAppend("b", 1, 1, OpenSummary()));
  manual.journal.DeliverAll();
  CHECK(manual.results[0].code() == StatusCode::kUnknownOutcome);
  CHECK(manual.results[1].code() == StatusCode::kUnknownOutcome);
  CHECK(Exists(manual.journal, "a") == written);
  CHECK_FALSE(Exists(manual.journal, "b"));
  CHECK(manual.journal.Acquire(ShardId(0)).status().code() == StatusCode::kUnknownOutcome);
  OwnedJournal reopened = Reopen(manual);
  CHECK(Exists(reopened, "a") == written);
  Create(reopened, "b");
}

TEST_CASE("data loss is final") {
  Manual manual;
  manual.journal.Fail(MemoryFault::kDataLoss);
  manual.Append(MakeAppend("a", 1, 1, OpenSummary()));
  manual.Append(MakeAppend("b", 1, 1, OpenSummary()));
  manual.journal.DeliverAll();
  CHECK(manual.results[0].code() == StatusCode::kDataLoss);
  CHECK(manual.results[1].code() == StatusCode::kDataLoss);
}

TEST_CASE("a crash drops what was not delivered and calls nobody back") {
  Manual manual;
  manual.Append(MakeAppend("a", 1, 1, OpenSummary()));
  manual.journal.Deliver();
  manual.Append(MakeAppend("a", 2));
  manual.journal.Crash();
  manual.Append(MakeAppend("a", 2));
  manual.journal.DeliverAll();
  CHECK(manual.results.size() == 1);
  OwnedJournal restarted = Reopen(manual);
  CHECK(HasRecords(MustLoad(restarted, "a"), 1));
  CHECK(AppendAndWait(restarted, MakeAppend("a", 2)).ok());
}

TEST_CASE("another owner gets a shard when its lease has ended, and the first one is fenced then") {
  Instant now = InstantFromMicros(1'000'000);
  const auto store =
      std::make_shared<MemoryStore>(MemoryLeases{[&now] { return now; }, std::chrono::seconds(10)});
  MemoryJournal first(store, MemoryDelivery::kManual);
  MemoryJournal second(store, MemoryDelivery::kManual);
  const ShardId shard = ShardOf(Gid("a"));
  const Epoch epoch = first.Acquire(shard).value();
  CHECK(second.Acquire(shard).status().reason() == "lease.held");
  now += std::chrono::seconds(9);
  REQUIRE(first.Renew(shard, epoch).ok());
  now += std::chrono::seconds(9);
  CHECK(second.Acquire(shard).status().code() == StatusCode::kUnavailable);

  std::vector<Status> results;
  const auto append = [&](MemoryJournal& journal, Epoch under, uint64_t sequence) {
    auto summary = sequence == 1 ? std::optional(OpenSummary()) : std::nullopt;
    journal.Append(shard, under, MakeBatch({MakeAppend("a", sequence, 1, summary)}),
                   [&](Status status) { results.push_back(std::move(status)); });
  };
  append(first, epoch, 1);
  first.DeliverAll();
  // It is paused, with an append under way that arrives when its time is over.
  append(first, epoch, 2);
  now += std::chrono::seconds(1);
  const Epoch later = second.Acquire(shard).value();
  CHECK(later.value() > epoch.value());
  CHECK(first.Renew(shard, epoch).code() == StatusCode::kFenced);
  first.DeliverAll();
  append(second, later, 2);
  second.DeliverAll();
  REQUIRE(results.size() == 3);
  CHECK(results[0].ok());
  CHECK(results[1].code() == StatusCode::kFenced);
  CHECK(results[2].ok());
  REQUIRE(second.Release(shard, later).ok());
  CHECK(first.Acquire(shard).ok());
}

}  // namespace
}  // namespace entente::storage
