// Shards that change hands between journals on one PostgreSQL.
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <future>
#include <optional>
#include <string>
#include <thread>

#include "storage/membership.h"
#include "tests/storage/postgres_fixtures.h"

namespace entente::storage {
namespace {

// Tries until the database says that the lease before is over.
Epoch AcquireWhenOver(Journal& journal, ShardId shard) {
  while (true) {
    const Result<Epoch> epoch = journal.Acquire(shard);
    if (epoch.ok()) {
      return *epoch;
    }
    INFO(epoch.status());
    REQUIRE(epoch.status().code() == StatusCode::kUnavailable);
  }
}

// As if the owner had not been heard of for long.
void EndLeases(const PostgresPlace& place) {
  place.Query("UPDATE entente_lease SET expires_at = now() - interval '1 second'");
}

TEST_CASE("a lease lasts by the database's clock, and longer with each renewal") {
  PostgresPlace place;
  auto options = place.options();
  options.lease = std::chrono::hours(1);
  const auto first = OpenPostgres(options);
  const auto second = OpenPostgres(options);
  CHECK(first->lease_time() == options.lease);
  const ShardId shard(5);
  const Epoch epoch = first->Acquire(shard).value();
  const Status held = second->Acquire(shard).status();
  CHECK(held.code() == StatusCode::kUnavailable);
  CHECK(held.reason() == "lease.held");
  CHECK(second->Renew(shard, epoch).code() == StatusCode::kFenced);
  CHECK(second->Release(shard, epoch).code() == StatusCode::kFenced);

  // It is over, and still the first one's until another one takes it.
  EndLeases(place);
  place.Query("UPDATE entente_lease SET expires_at = now() + interval '1 hour' WHERE shard <> 5");
  const Epoch later = second->Acquire(shard).value();
  CHECK(later.value() > epoch.value());
  CHECK(AppendUnder(*first, epoch, MakeAppend("none", 1, 1, OpenSummary())).code() ==
        StatusCode::kFenced);
  REQUIRE(second->Release(shard, later).ok());
  CHECK(first->Acquire(shard).value().value() > later.value());
}

TEST_CASE("several shards are acquired together: each that is free, or over, or one's own") {
  PostgresPlace place;
  auto options = place.options();
  options.lease = std::chrono::hours(1);
  const auto first = OpenPostgres(options);
  const auto second = OpenPostgres(options);
  auto& lots = dynamic_cast<Membership&>(*second);
  const Epoch held = first->Acquire(ShardId(1)).value();
  const Epoch over = first->Acquire(ShardId(2)).value();
  place.Query("UPDATE entente_lease SET expires_at = now() - interval '1 second' WHERE shard = 2");
  const Epoch own = second->Acquire(ShardId(3)).value();
  const auto epochs = lots.AcquireShards({ShardId(3), ShardId(1), ShardId(2), ShardId(60)});
  REQUIRE(epochs.size() == 4);
  CHECK(epochs[0].value().value() > own.value());
  CHECK(epochs[1].status().reason() == kLeaseHeld);
  CHECK(epochs[2].value().value() > over.value());
  CHECK(epochs[3].ok());
  CHECK(first->Renew(ShardId(1), held).ok());
  CHECK(second->Renew(ShardId(60), *epochs[3]).ok());

  // And given up together, but for what is not one's own.
  const auto released =
      lots.ReleaseShards({{ShardId(60), *epochs[3]}, {ShardId(1), held}, {ShardId(3), own}});
  REQUIRE(released.size() == 3);
  CHECK(released[0].ok());
  CHECK(released[1].code() == StatusCode::kFenced);
  CHECK(released[2].code() == StatusCode::kFenced);
  CHECK(first->Acquire(ShardId(60)).value().value() > epochs[3]->value());
  CHECK(second->Renew(ShardId(3), *epochs[0]).ok());
  CHECK(lots.AcquireShards({}).empty());
  CHECK(lots.ReleaseShards({}).empty());
}

TEST_CASE("a shard with an append under way is waited for, and holds up no other") {
  PostgresPlace place;
  auto options = place.options();
  options.lease_lock_timeout = std::chrono::seconds(30);
  options.statement_timeout = std::chrono::seconds(40);
  const auto second = OpenPostgres(options);
  const auto appending = pg::Connection::Open(postgres::WriterSession(options));
  REQUIRE(appending.ok());
  const auto run = [&](const char* sql) {
    return (*appending)->Execute(sql, postgres::After(std::chrono::seconds(10))).ok();
  };
  REQUIRE(run("BEGIN; SELECT 1 FROM entente_lease WHERE shard = 1 FOR UPDATE"));
  auto acquiring = std::async(std::launch::async, [&] {
    return dynamic_cast<Membership&>(*second).AcquireShards({ShardId(1), ShardId(2)});
  });
  // Had while the other one is waited for.
  while (place.Query("SELECT owner <> '' FROM entente_lease WHERE shard = 2") != "t") {
  }
  CHECK(place.Query("SELECT owner <> '' FROM entente_lease WHERE shard = 1") == "f");
  CHECK(run("COMMIT"));
  const auto epochs = acquiring.get();
  CHECK(epochs[0].ok());
  CHECK(epochs[1].ok());
}

TEST_CASE("renewing one shard renews all, and says of each whether it is still owned") {
  PostgresPlace place;
  auto options = place.options();
  options.lease = std::chrono::seconds(1);
  const auto first = OpenPostgres(options);
  const auto second = OpenPostgres(options);
  const Epoch one = first->Acquire(ShardId(1)).value();
  const Epoch two = first->Acquire(ShardId(2)).value();
  AcquireWhenOver(*second, ShardId(2));
  // The answer may be that of a moment ago, as long as the lease is.
  while (first->Renew(ShardId(1), one).ok() && first->Renew(ShardId(2), two).ok()) {
  }
  CHECK(first->Renew(ShardId(2), two).code() == StatusCode::kFenced);
  CHECK(first->Renew(ShardId(1), one).ok());
}

TEST_CASE("a paused owner's append comes to nothing") {
  PostgresPlace place;
  auto options = place.options();
  options.lease = std::chrono::seconds(1);
  const auto paused = OpenPostgres(options);
  const auto other = OpenPostgres(options);
  const ShardId shard = ShardOf(Gid("a"));
  const Epoch epoch = paused->Acquire(shard).value();
  REQUIRE(AppendUnder(*paused, epoch, MakeAppend("a", 1, 1, OpenSummary())).ok());
  const Epoch later = AcquireWhenOver(*other, shard);
  REQUIRE(AppendUnder(*other, later, MakeAppend("a", 2)).ok());

  const Status fenced = AppendUnder(*paused, epoch, MakeAppend("a", 2));
  CHECK(fenced.code() == StatusCode::kFenced);
  CHECK(fenced.message().find(std::to_string(later.value())) != std::string::npos);
  CHECK(AppendUnder(*paused, epoch, MakeAppend("a", 3)).code() == StatusCode::kFenced);
  CHECK(paused->Renew(shard, epoch).code() == StatusCode::kFenced);
  CHECK(HasRecords(MustLoad(*other, "a"), 2));
  CHECK(AppendUnder(*other, later, MakeAppend("a", 3)).ok());
}

// The interleaving that a fence without a lock lets through: an append that began before the
// take-over and is committed after it.
TEST_CASE("whoever takes a shard waits for the append that is under way, and reads it") {
  PostgresPlace place;
  auto options = place.options();
  options.lease_lock_timeout = std::chrono::seconds(30);
  options.statement_timeout = std::chrono::seconds(40);
  const auto first = OpenPostgres(options);
  const auto second = OpenPostgres(options);
  const ShardId shard = ShardOf(Gid("a"));
  for (int round = 0; round < 30; ++round) {
    const std::string gid = "a~" + std::to_string(round);
    const Epoch epoch = first->Acquire(shard).value();
    std::atomic<size_t> accepted = 0;
    std::thread owner([&] {
      for (uint64_t next = 1;; ++next) {
        auto summary = next == 1 ? std::optional(OpenSummary()) : std::nullopt;
        if (!AppendUnder(*first, epoch, MakeAppend(gid, next, 1, summary)).ok()) {
          return;
        }
        ++accepted;
      }
    });
    while (accepted < 3) {
      std::this_thread::yield();
    }
    EndLeases(place);
    const Epoch later = second->Acquire(shard).value();
    const size_t read = MustLoad(*second, gid).records.size();
    owner.join();
    CHECK(accepted <= read);
    CHECK(HasRecords(MustLoad(*second, gid), read));
    REQUIRE(second->Release(shard, later).ok());
  }
}

TEST_CASE(
    "a process that stops in the middle of an append keeps its shards no longer than its lease") {
  PostgresPlace place;
  auto options = place.options();
  options.lease = std::chrono::milliseconds(400);
  const auto other = OpenPostgres(options);
  // What the writer of a stopped process has done so far.
  const auto stopped = pg::Connection::Open(postgres::WriterSession(options));
  REQUIRE(stopped.ok());
  place.Query("UPDATE entente_lease SET owner = 'stopped', epoch = 7, expires_at = now()");
  REQUIRE((*stopped)
              ->Execute("BEGIN; SELECT 1 FROM entente_lease WHERE shard = 3 FOR UPDATE",
                        postgres::After(std::chrono::seconds(10)))
              .ok());
  CHECK(AcquireWhenOver(*other, ShardId(3)).value() == 8);
  CHECK_FALSE((*stopped)->Execute("COMMIT", postgres::After(std::chrono::seconds(10))).ok());
}

TEST_CASE("a journal that ends gives its shards up at once") {
  PostgresPlace place;
  auto options = place.options();
  options.lease = std::chrono::hours(1);
  const auto other = OpenPostgres(options);
  {
    const auto ending = OpenPostgres(options);
    REQUIRE(ending->Acquire(ShardId(0)).ok());
    REQUIRE(ending->Acquire(ShardId(63)).ok());
    CHECK(other->Acquire(ShardId(63)).status().reason() == "lease.held");
  }
  CHECK(other->Acquire(ShardId(0)).ok());
  CHECK(other->Acquire(ShardId(63)).ok());
}

}  // namespace
}  // namespace entente::storage
