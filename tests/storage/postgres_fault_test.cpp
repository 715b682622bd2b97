// What PostgreSQL can do to a journal: commits of unknown outcome, restarts, servers that can not
// be written to, damage.
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/storage/postgres_fixtures.h"

namespace entente::storage {
namespace {

using Catch::Contains;

void Await(const PostgresPlace& place, const std::string& sql, const std::string& value) {
  while (place.Query(sql) != value) {
    std::this_thread::yield();
  }
}

// While it lives, commits wait for a standby that there is not.
class NoStandby {
 public:
  explicit NoStandby(const PostgresPlace& place) : place_(place) {
    place_.Query("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    Reload("nobody");
  }
  ~NoStandby() { End(); }
  void End() {
    if (!ended_) {
      ended_ = true;
      place_.Query("ALTER SYSTEM RESET synchronous_standby_names");
      Reload("");
    }
  }
  // Waits until a commit does, and ends its wait by pg_cancel_backend or pg_terminate_backend.
  void EndWaitBy(const std::string& function) const {
    Await(place_, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'", "1");
    place_.Query("SELECT " + function + "(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
  }

 private:
  void Reload(const std::string& expected) const {
    place_.Query("SELECT pg_reload_conf()");
    Await(place_, "SHOW synchronous_standby_names", expected);
  }

  const PostgresPlace& place_;
  bool ended_ = false;
};

std::future<Status> StartAppend(Journal& journal, Epoch epoch, TxnAppend append) {
  const auto done = std::make_shared<std::promise<Status>>();  // The callback must be copyable.
  std::vector<TxnAppend> appends;
  const ShardId shard = ShardOf(append.gid);
  appends.push_back(std::move(append));
  journal.Append(shard, epoch, MakeBatch(std::move(appends)),
                 [done](Status status) { done->set_value(std::move(status)); });
  return done->get_future();
}

TEST_CASE(
    "a commit that is lost, or whose wait for a standby was cancelled, has an unknown outcome") {
  const std::string how = GENERATE(as<std::string>(), "pg_terminate_backend", "pg_cancel_backend");
  PostgresPlace place;
  const auto journal = OpenPostgres(place.options());
  const ShardId shard = ShardOf(Gid("a"));
  const ShardId beside = ShardOf(Gid("other"));
  REQUIRE(shard != beside);
  const Epoch epoch = journal->Acquire(shard).value();
  const Epoch epoch_beside = journal->Acquire(beside).value();
  REQUIRE(AppendUnder(*journal, epoch, MakeAppend("a", 1, 1, OpenSummary())).ok());
  {
    NoStandby standby(place);
    auto outcome = StartAppend(*journal, epoch, MakeAppend("a", 2));
    standby.EndWaitBy(how);
    CHECK(outcome.get().code() == StatusCode::kUnknownOutcome);
  }
  // Nothing may follow it that was decided without knowing, whichever way it went.
  for (const uint64_t next : {2, 3}) {
    CHECK(AppendUnder(*journal, epoch, MakeAppend("a", next)).code() ==
          StatusCode::kUnknownOutcome);
  }
  // A shard that had no part in it goes on.
  CHECK(AppendUnder(*journal, epoch_beside, MakeAppend("other", 1, 1, OpenSummary())).ok());

  const Epoch anew = journal->Acquire(shard).value();
  CHECK(HasRecords(MustLoad(*journal, "a"), 2));  // Here it was written.
  CHECK(AppendUnder(*journal, anew, MakeAppend("a", 2)).code() == StatusCode::kConflict);
  CHECK(AppendUnder(*journal, anew, MakeAppend("a", 3)).ok());
  CHECK(AppendUnder(*journal, epoch, MakeAppend("a", 4)).code() == StatusCode::kFenced);
}

TEST_CASE(
    "a commit that takes too long has an unknown outcome, and keeps its shard until it ends") {
  PostgresPlace place;
  auto options = place.options();
  options.commit_timeout = std::chrono::milliseconds(300);
  options.lease_lock_timeout = std::chrono::milliseconds(200);
  const auto journal = OpenPostgres(options);
  const ShardId shard = ShardOf(Gid("a"));
  const Epoch epoch = journal->Acquire(shard).value();
  NoStandby standby(place);
  const Status late = AppendUnder(*journal, epoch, MakeAppend("a", 1, 1, OpenSummary()));
  CHECK(late.code() == StatusCode::kUnknownOutcome);
  // Nobody can read the shard as if it were settled.
  CHECK(journal->Acquire(shard).status().code() == StatusCode::kUnavailable);
  standby.End();
  Result<Epoch> anew = journal->Acquire(shard);
  while (!anew.ok()) {
    anew = journal->Acquire(shard);
  }
  CHECK(HasRecords(MustLoad(*journal, "a"), 1));
  CHECK(AppendUnder(*journal, *anew, MakeAppend("a", 2)).ok());
}

TEST_CASE("a session that is lost before the commit has written nothing, and is made anew") {
  PostgresPlace place;
  const auto journal = OpenPostgres(place.options());
  const ShardId shard = ShardOf(Gid("a"));
  const Epoch epoch = journal->Acquire(shard).value();
  for (uint64_t next = 1; next <= 5; ++next) {
    place.Query(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE pid <> pg_backend_pid() AND application_name = 'entente'");
    auto summary = next == 1 ? std::optional(OpenSummary()) : std::nullopt;
    CHECK(AppendUnder(*journal, epoch, MakeAppend("a", next, 1, summary)).ok());
    CHECK(journal->Renew(shard, epoch).ok());
    CHECK(HasRecords(MustLoad(*journal, "a"), next));
    CHECK(QueryAll(*journal, {}).size() == 1);
  }
}

// One transaction after the other, as a shard does: what is unavailable is repeated, what is
// unknown is read. Returns false if the journal has anything but what was acknowledged.
class Driver {
 public:
  Driver(Journal& journal, std::string gid) : journal_(journal), gid_(std::move(gid)) {}

  bool Run(const std::atomic<bool>& stop) {
    const ShardId shard = ShardOf(Gid(gid_));
    Epoch epoch = Acquire(shard);
    for (uint64_t next = 1; !stop;) {
      auto summary = next == 1 ? std::optional(OpenSummary()) : std::nullopt;
      const Status status = AppendUnder(journal_, epoch, MakeAppend(gid_, next, 1, summary));
      if (status.ok()) {
        written_ = next++;
      } else if (status.code() == StatusCode::kUnknownOutcome) {
        epoch = Acquire(shard);
        const size_t read = Read();
        if (read != next - 1 && read != next) {
          return false;
        }
        next = read + 1;
        written_ = read;
        ++unknown_;
      } else if (status.code() != StatusCode::kUnavailable) {
        return false;
      }
    }
    return true;
  }

  [[nodiscard]] uint64_t written() const { return written_; }
  [[nodiscard]] int unknown() const { return unknown_; }

 private:
  Epoch Acquire(ShardId shard) {
    while (true) {
      const Result<Epoch> epoch = journal_.Acquire(shard);
      if (epoch.ok()) {
        return *epoch;
      }
      std::this_thread::yield();
    }
  }
  size_t Read() {
    while (true) {
      const Result<StoredTxn> txn = journal_.Load(Gid(gid_));
      if (txn.ok() || txn.status().code() == StatusCode::kNotFound) {
        return txn.ok() ? txn->records.size() : 0;
      }
      std::this_thread::yield();
    }
  }

  Journal& journal_;
  const std::string gid_;
  std::atomic<uint64_t> written_ = 0;
  std::atomic<int> unknown_ = 0;
};

TEST_CASE(
    "a server that is killed and started again under load loses nothing that was acknowledged") {
  PostgresPlace place;
  const auto journal = OpenPostgres(place.options());
  std::vector<std::unique_ptr<Driver>> drivers;
  for (const char* gid : {"a", "other", "c", "d", "e", "f"}) {
    drivers.push_back(std::make_unique<Driver>(*journal, gid));
  }
  std::atomic<bool> stop = false;
  std::vector<std::future<bool>> runs;
  for (const auto& driver : drivers) {
    runs.push_back(std::async(std::launch::async, [&] { return driver->Run(stop); }));
  }
  const auto all_write = [&] {
    for (const auto& driver : drivers) {
      for (const uint64_t before = driver->written(); driver->written() < before + 3;) {
        std::this_thread::yield();
      }
    }
  };
  for (const char* how : {"kill", "stop", "kill", "stop", "kill"}) {
    all_write();
    RunServerTool(how);
    RunServerTool("start");
  }
  all_write();
  stop = true;
  for (auto& run : runs) {
    CHECK(run.get());
  }
  size_t driver = 0;
  for (const char* gid : {"a", "other", "c", "d", "e", "f"}) {
    CHECK(HasRecords(MustLoad(*journal, gid), drivers[driver++]->written()));
  }
}

TEST_CASE("while the server is down everything is unavailable, and health says so") {
  PostgresPlace place;
  const auto journal = OpenPostgres(place.options());
  const ShardId shard = ShardOf(Gid("a"));
  const Epoch epoch = journal->Acquire(shard).value();
  CHECK(journal->CheckHealth().failed_writes_in_row == 0);
  RunServerTool("stop");
  const Status down = AppendUnder(*journal, epoch, MakeAppend("a", 1, 1, OpenSummary()));
  CHECK(down.code() == StatusCode::kUnavailable);
  CHECK(journal->Load(Gid("a")).status().code() == StatusCode::kUnavailable);
  CHECK(journal->Query({}, {}).status().code() == StatusCode::kUnavailable);
  CHECK(journal->Renew(shard, epoch).code() != StatusCode::kFenced);
  const StoreHealth health = journal->CheckHealth();
  CHECK(health.failed_writes_in_row > 0);
  CHECK(health.failed_reads_in_row > 0);
  CHECK(health.fatal.ok());
  RunServerTool("start");
  // It finds out by itself that it works again.
  while (journal->CheckHealth().failed_writes_in_row > 0) {
    std::this_thread::yield();
  }
  CHECK(AppendUnder(*journal, epoch, MakeAppend("a", 1, 1, OpenSummary())).ok());
}

TEST_CASE("a server that can not be written to is passed over") {
  PostgresPlace place;
  auto options = place.options();
  REQUIRE(postgres::Migrate(options).ok());
  options.conninfo = TestConninfo() +
                     " options='-csearch_path=" + place.Query("SELECT current_schema()") +
                     " -cdefault_transaction_read_only=on'";
  const auto refused = postgres::OpenPostgresJournal(options);
  CHECK(refused.status().code() == StatusCode::kUnavailable);
  CHECK(refused.status().reason() == "store.unavailable");
  CHECK_THAT(refused.status().message(), Contains("read-only"));
  options.conninfo += " target_session_attrs=any";
  CHECK(postgres::OpenPostgresJournal(options).status().code() == StatusCode::kUnavailable);
}

TEST_CASE("of several hosts the one that answers is used") {
  PostgresPlace place;
  auto options = place.options();
  const std::string port = place.Query("SHOW port");
  options.conninfo += " host=127.0.0.1,127.0.0.1 port=1," + port;
  const auto journal = OpenPostgres(options);
  CHECK(journal->Acquire(ShardId(0)).ok());
}

TEST_CASE("what others wrote can hold any bytes") {
  PostgresFactory factory;
  const auto journal = factory.Open();
  Summary summary = OpenSummary();
  summary.error = std::string("nul \0 and \xff", 11);
  summary.labels = {{std::string("\0k", 2), "\xc3("}};
  summary.incidents = {MakeIncident("hotel", std::string("\0\xfe", 2))};
  Create(*journal, "a", summary);
  const Summary read = MustLoad(*journal, "a").summary;
  CHECK(read.error == summary.error);
  CHECK(read.labels == summary.labels);
  CHECK(read.incidents[0].code == summary.incidents[0].code);
  Filter label;
  label.label = summary.labels[0];
  CHECK(QueryAll(*journal, label) == std::vector<std::string>{"a"});
  const std::string nothing = GENERATE(std::string("\0", 1), std::string("\xff"));
  Filter filter;
  filter.gid_prefix = nothing;
  CHECK(QueryAll(*journal, filter).empty());
  filter = {};
  filter.definition = nothing;
  CHECK(QueryAll(*journal, filter).empty());
  CHECK(journal->Load(Gid(nothing)).status().code() == StatusCode::kNotFound);
  CHECK(journal->GetDefinition(nothing, std::nullopt).status().code() == StatusCode::kNotFound);
}

TEST_CASE("damage stops the journal") {
  PostgresFactory factory;
  const auto journal = factory.Open();
  Create(*journal, "a");
  SECTION("found by a reader") {
    factory.place.Query("UPDATE entente_journal_1 SET records = records || '\\x00'::bytea");
    const Status damaged = journal->Load(Gid("a")).status();
    CHECK(damaged.code() == StatusCode::kDataLoss);
    CHECK_THAT(damaged.message(), Contains("'a'"));
  }
  SECTION("a missing record") {
    REQUIRE(AppendAndWait(*journal, MakeAppend("a", 2)).ok());
    factory.place.Query("DELETE FROM entente_journal_1 WHERE first = 1");
    CHECK(journal->Load(Gid("a")).status().code() == StatusCode::kDataLoss);
  }
  SECTION("found by the writer") {
    factory.place.Query("DELETE FROM entente_txn_1");
    CHECK(AppendAndWait(*journal, MakeAppend("a", 2, 1, FinishedSummary())).code() ==
          StatusCode::kDataLoss);
  }
  CHECK(AppendAndWait(*journal, MakeAppend("b", 1, 1, OpenSummary())).code() ==
        StatusCode::kDataLoss);
  CHECK(journal->CheckHealth().fatal.code() == StatusCode::kDataLoss);
}

// While it lives, the tables take nothing that `condition` is not true of.
class Refusal {
 public:
  Refusal(const PostgresPlace& place, std::string table, const std::string& condition)
      : place_(place), table_(std::move(table)) {
    place_.Query("ALTER TABLE " + table_ + " ADD CONSTRAINT refusal CHECK (" + condition +
                 ") NOT VALID");
  }
  ~Refusal() { End(); }
  void End() { place_.Query("ALTER TABLE " + table_ + " DROP CONSTRAINT IF EXISTS refusal"); }

 private:
  const PostgresPlace& place_;
  const std::string table_;
};

// Of `bytes` bytes, with its label.
TxnAppend LargeAppend(const std::string& gid, uint64_t first, size_t bytes) {
  Summary summary = OpenSummary();
  summary.labels = {{"team", "red"}};
  TxnAppend append = MakeAppend(gid, first, 1, std::move(summary));
  append.records[0].assign(bytes, 'x');
  return append;
}

// The journal tries by itself, in its own time.
uint64_t FailedInRowOnce(Journal& journal, const std::function<bool(uint64_t)>& condition) {
  while (true) {
    const uint64_t failed = journal.CheckHealth().failed_writes_in_row;
    if (condition(failed)) {
      return failed;
    }
    std::this_thread::yield();
  }
}

TEST_CASE("failures of large writes are not forgotten for the small ones that work between them") {
  PostgresPlace place;
  OwnedJournal journal(OpenPostgres(place.options()));
  Create(journal, "small");
  Refusal full(place, "entente_journal_1", "octet_length(records) < 10000");
  uint64_t next = 2;
  const auto fail = [&] {
    CHECK(AppendAndWait(journal, LargeAppend("large", 1, 100'000)).code() ==
          StatusCode::kUnavailable);
    CHECK(AppendAndWait(journal, MakeAppend("small", next++)).ok());
  };
  fail();
  CHECK(journal.CheckHealth().failed_writes_in_row == 1);
  fail();
  // What the journal tries by itself fails as well, being as large.
  CHECK(FailedInRowOnce(journal, [](uint64_t failed) { return failed >= 5; }) >= 5);
  CHECK(AppendAndWait(journal, MakeAppend("small", next)).ok());
  CHECK(journal.CheckHealth().failed_writes_in_row >= 5);
  full.End();
  CHECK(FailedInRowOnce(journal, [](uint64_t failed) { return failed == 0; }) == 0);
  CHECK(place.Query("SELECT count(*) FROM entente_journal_1") == "4");
  CHECK(place.Query("SELECT count(*) FROM entente_txn_1") == "1");
}

TEST_CASE("a table that can not be written to fails the journal, however well the others are") {
  const auto [where, condition] =
      GENERATE(table<std::string, std::string>({{"entente_txn_1", "gid = 'small'"},
                                                {"entente_label_1", "false"},
                                                {"entente_journal_1", "false"}}));
  CAPTURE(where);
  PostgresPlace place;
  OwnedJournal journal(OpenPostgres(place.options()));
  Refusal refusal(place, where, condition);
  CHECK_FALSE(AppendAndWait(journal, LargeAppend("a", 1, 10)).ok());
  CHECK(FailedInRowOnce(journal, [](uint64_t failed) { return failed >= 5; }) >= 5);
  refusal.End();
  CHECK(FailedInRowOnce(journal, [](uint64_t failed) { return failed == 0; }) == 0);
  CHECK(AppendAndWait(journal, LargeAppend("a", 1, 10)).ok());
}

TEST_CASE("failures that a success of their size followed are told once") {
  PostgresPlace place;
  OwnedJournal journal(OpenPostgres(place.options()));
  {
    const Refusal refusal(place, "entente_journal_1", "false");
    for (int i = 0; i < 3; ++i) {
      CHECK_FALSE(AppendAndWait(journal, LargeAppend("a", 1, 10)).ok());
    }
    // A batch that is refused on its own account has shown nothing.
    CHECK(AppendAndWait(journal, MakeAppend("a", 7)).code() == StatusCode::kConflict);
  }
  CHECK(AppendAndWait(journal, LargeAppend("a", 1, 10)).ok());
  const StoreHealth health = journal.CheckHealth();
  CHECK(health.failed_writes_in_row == 3);
  CHECK(health.failed_commits == 3);
  CHECK(health.last_commit.has_value());
  CHECK(journal.CheckHealth().failed_writes_in_row == 0);
}

TEST_CASE("a list that takes too long is unavailable, and nothing else is held up by lists") {
  PostgresPlace place;
  auto options = place.options();
  options.list_timeout = std::chrono::milliseconds(200);
  OwnedJournal journal(OpenPostgres(options));
  Create(journal, "a");
  const auto blocker = place.Connect();
  REQUIRE(blocker
              ->Execute("BEGIN; LOCK TABLE entente_label_1 IN ACCESS EXCLUSIVE MODE",
                        postgres::After(std::chrono::seconds(10)))
              .ok());
  Filter filter;
  filter.label = {{"team", "red"}};
  std::vector<std::future<Status>> lists;
  for (int i = 0; i < 6; ++i) {
    lists.push_back(
        std::async(std::launch::async, [&] { return journal.Query(filter, {}).status(); }));
  }
  CHECK(AppendAndWait(journal, MakeAppend("a", 2)).ok());
  CHECK(HasRecords(MustLoad(journal, "a"), 2));
  for (auto& list : lists) {
    CHECK(list.get().code() == StatusCode::kUnavailable);
  }
  REQUIRE(blocker->Execute("ROLLBACK", postgres::After(std::chrono::seconds(10))).ok());
  CHECK(journal.Query(filter, {}).ok());
}

}  // namespace
}  // namespace entente::storage
