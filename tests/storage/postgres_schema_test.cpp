// Tables: their version, and those that come and go by period.
#include <catch2/catch.hpp>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "tests/storage/postgres_fixtures.h"

namespace entente::storage {
namespace {

TEST_CASE("several processes may create the tables at the same time") {
  PostgresPlace place;
  std::vector<std::future<Status>> migrations;
  for (int i = 0; i < 6; ++i) {
    migrations.push_back(
        std::async(std::launch::async, [&] { return postgres::Migrate(place.options()); }));
  }
  for (auto& migration : migrations) {
    const Status status = migration.get();
    INFO(status);
    CHECK(status.ok());
  }
  CHECK(place.Query("SELECT count(*) FROM entente_lease") == std::to_string(kShardCount));
  OwnedJournal journal(OpenPostgres(place.options()));
  Create(journal, "a");
}

TEST_CASE("tables that are missing are created only by who may") {
  PostgresPlace place;
  auto options = place.options();
  options.migrate = false;
  const Status missing = postgres::OpenPostgresJournal(options).status();
  CHECK(missing.code() == StatusCode::kFailedPrecondition);
  CHECK(missing.reason() == "store.not_migrated");
  REQUIRE(postgres::Migrate(place.options()).ok());
  CHECK(postgres::OpenPostgresJournal(options).ok());
}

TEST_CASE("tables of a later release are refused, and left as they are") {
  PostgresPlace place;
  REQUIRE(postgres::Migrate(place.options()).ok());
  place.Query("UPDATE entente_schema SET version = version + 2");
  CHECK(postgres::Migrate(place.options()).reason() == "store.wrong_version");
  CHECK(postgres::OpenPostgresJournal(place.options()).status().reason() == "store.wrong_version");
}

TEST_CASE("a migration that was cut short is finished by the next one") {
  PostgresPlace place;
  REQUIRE(postgres::Migrate(place.options()).ok());
  place.Query(
      "UPDATE entente_schema SET version = 0; DROP TABLE entente_label_1, entente_setting;"
      "DELETE FROM entente_lease WHERE shard > 30");
  REQUIRE(postgres::Migrate(place.options()).ok());
  OwnedJournal journal(OpenPostgres(place.options()));
  Create(journal, "a");
}

TEST_CASE("the tables of the release before are brought up to this one, with what is in them") {
  PostgresPlace place;
  {
    OwnedJournal journal(OpenPostgres(place.options()));
    Create(journal, "a");
  }
  place.Query("UPDATE entente_schema SET version = 1; DROP TABLE entente_node");
  OwnedJournal journal(OpenPostgres(place.options()));
  CHECK(Exists(journal, "a"));
  CHECK(place.Query("SELECT count(*) FROM entente_node") == "0");
}

// Two nodes, and periods that are over as soon as they have begun.
class Nodes {
 public:
  Nodes() {
    auto options = place_.options();
    options.period = std::chrono::microseconds(1);
    options.lease = std::chrono::milliseconds(500);
    first_ = std::make_unique<OwnedJournal>(OpenPostgres(options));
    second_ = OpenPostgres(options);
  }

  // Begins a period, and waits until all shards have changed to it.
  void BeginPeriod() {
    CHECK(first_->CheckHealth().failed_reads_in_row == 0);
    const std::string newest = "(SELECT max(id) FROM entente_period)";
    while (place_.Query("SELECT count(*) FROM entente_lease WHERE period < " + newest) != "0") {
      REQUIRE(first_->Renew(ShardId(0), first_->EpochOf(ShardId(0))).ok());
    }
  }

  bool HasPeriod(int period) {
    const std::string number = std::to_string(period);
    const bool known =
        place_.Query("SELECT count(*) FROM entente_period WHERE id = " + number) == "1";
    const std::string table = place_.Query("SELECT to_regclass('entente_txn_" + number + "')");
    CHECK(known == !table.empty());
    return known;
  }

  // When the transactions that are there must have begun before, for their periods to be over.
  Instant Now() {
    return InstantFromMicros(std::stoll(
        place_.Query("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")));
  }

  OwnedJournal& first() { return *first_; }
  Journal& second() { return *second_; }
  PostgresPlace& place() { return place_; }

 private:
  PostgresPlace place_;
  std::unique_ptr<OwnedJournal> first_;
  std::unique_ptr<Journal> second_;
};

TEST_CASE("transactions of several periods are read, listed and continued alike, by every node") {
  Nodes nodes;
  Create(nodes.first(), "a");
  nodes.BeginPeriod();
  Create(nodes.first(), "b");
  nodes.BeginPeriod();
  Summary labelled = OpenSummary();
  labelled.labels = {{"team", "red"}};
  Create(nodes.first(), "c", labelled);
  CHECK(nodes.place().Query("SELECT count(*) FROM entente_txn_2") == "1");
  for (const char* gid : {"a", "b", "c"}) {
    CHECK(AppendAndWait(nodes.first(), MakeAppend(gid, 1, 1, OpenSummary())).code() ==
          StatusCode::kAlreadyExists);
    CHECK(AppendAndWait(nodes.first(), MakeAppend(gid, 2)).ok());
    // This node was not told of the periods that the other one began.
    CHECK(HasRecords(MustLoad(nodes.second(), gid), 2));
  }
  for (Journal* journal : {static_cast<Journal*>(&nodes.first()), &nodes.second()}) {
    CHECK(QueryAll(*journal, {}) == std::vector<std::string>{"c", "b", "a"});
    CHECK(QueryAll(*journal, {}, 1) == std::vector<std::string>{"c", "b", "a"});
    CHECK(OpenGids(*journal) == std::vector<std::string>{"a", "b", "c"});
    Filter label;
    label.label = {{"team", "red"}};
    CHECK(QueryAll(*journal, label) == std::vector<std::string>{"c"});
  }
}

TEST_CASE("a period is dropped as a whole when nothing in it has to be kept") {
  Nodes nodes;
  Create(nodes.first(), "a", FinishedSummary());
  Create(nodes.first(), "b");
  nodes.BeginPeriod();
  Create(nodes.first(), "c", FinishedSummary());
  CHECK(QueryAll(nodes.second(), {}) == std::vector<std::string>{"c", "b", "a"});
  REQUIRE(AppendAndWait(nodes.first(), MakeAppend("b", 2, 1, FinishedSummary())).ok());
  CHECK(nodes.first().Purge(nodes.Now(), 100).value() == 3);
  CHECK_FALSE(nodes.HasPeriod(1));
  CHECK(nodes.HasPeriod(2));
  // Nodes that were not told.
  CHECK(nodes.second().Load(Gid("a")).status().code() == StatusCode::kNotFound);
  CHECK(QueryAll(nodes.second(), {}).empty());
  Create(nodes.first(), "a");
  CHECK(OpenGids(nodes.second()) == std::vector<std::string>{"a"});
}

TEST_CASE("a period with something to be kept is not dropped, and the rest of it deleted") {
  Nodes nodes;
  Create(nodes.first(), "open");
  Summary lasting = FinishedSummary();
  lasting.lasting = true;
  Create(nodes.first(), "lasting", lasting);
  Create(nodes.first(), "young", FinishedSummary(1, ToMicros(nodes.Now()) + 1'000'000'000));
  Create(nodes.first(), "old", FinishedSummary());
  nodes.BeginPeriod();
  CHECK(nodes.first().Purge(nodes.Now(), 100).value() == 1);
  CHECK(nodes.HasPeriod(1));
  CHECK(QueryAll(nodes.first(), {}) == std::vector<std::string>{"young", "lasting", "open"});
}

TEST_CASE("a period that creations still go to is not dropped") {
  Nodes nodes;
  Create(nodes.first(), "a", FinishedSummary());
  nodes.BeginPeriod();
  nodes.place().Query("UPDATE entente_lease SET period = 1 WHERE shard = 9");
  CHECK(nodes.first().Purge(nodes.Now(), 100).value() == 1);
  CHECK(nodes.HasPeriod(1));
  nodes.place().Query("UPDATE entente_lease SET period = 2");
  CHECK(nodes.first().Purge(nodes.Now(), 100).value() == 0);
  CHECK_FALSE(nodes.HasPeriod(1));
}

TEST_CASE("a drop that was cut short is finished by the next purge") {
  Nodes nodes;
  nodes.BeginPeriod();
  nodes.place().Query(
      "UPDATE entente_period SET dropped = true WHERE id = 1;"
      "DROP TABLE entente_label_1");
  CHECK(nodes.first().Purge(nodes.Now(), 100).ok());
  CHECK_FALSE(nodes.HasPeriod(1));
}

}  // namespace
}  // namespace entente::storage
