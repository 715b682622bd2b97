// Everything that is sent to PostgreSQL, kept as a text that a person can read: what is asked of a
// database shows there when it changes. ENTENTE_UPDATE_STATEMENTS=1 writes it anew.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "storage/membership.h"
#include "storage/rewriting.h"
#include "tests/storage/postgres_fixtures.h"

namespace entente::storage {
namespace {

constexpr const char* kFile = ENTENTE_SOURCE_DIR "/tests/storage/postgres_statements.txt";

constexpr const char* kRefuse =
    "ALTER TABLE entente_journal_1 ADD CONSTRAINT refusal CHECK (false) NOT VALID";
constexpr const char* kTakeAgain = "ALTER TABLE entente_journal_1 DROP CONSTRAINT refusal";

// While it lives, collects what all sessions send.
class Statements {
 public:
  Statements() {
    pg::Connection::Observe([this](std::string_view sql) {
      const std::lock_guard lock(mutex_);
      seen_.insert(Normalized(std::string(sql)));
    });
  }
  ~Statements() { pg::Connection::Observe({}); }

  [[nodiscard]] std::set<std::string> seen() {
    const std::lock_guard lock(mutex_);
    return seen_;
  }

 private:
  static std::string Normalized(std::string sql) {
    static const std::vector<std::pair<std::regex, std::string>> replacements = {
        {std::regex(R"((entente_(txn|journal|label))_\d+)"), "$1_#"},
        {std::regex(R"(SELECT \d+::integer)"), "SELECT #::integer"},
        {std::regex(R"(VALUES\(\d+, clock)"), "VALUES(#, clock"},
        {std::regex(R"(IN \([0-9, ]+\))"), "IN (...)"},
        {std::regex(R"(( \(\d+, '', 0, now\(\), 1\),?)+)"), " (...)"},
        {std::regex(R"(= '\d+ms')"), "= '...'"},
    };
    for (const auto& [pattern, text] : replacements) {
      sql = std::regex_replace(sql, pattern, text);
    }
    return sql;
  }

  std::mutex mutex_;
  std::set<std::string> seen_;
};

void Write(OwnedJournal& journal) {
  Summary summary = OpenSummary();
  summary.labels = {{"team", "red"}};
  Create(journal, "a", summary);
  Create(journal, "b", FinishedSummary());
  REQUIRE(AppendAndWait(journal, MakeAppend("a", 2, 1, OpenSummary())).ok());
  REQUIRE(AppendAndWait(journal, Batch{}).ok());
  CHECK(AppendUnder(journal, Epoch(1'000'000), MakeAppend("a", 3)).code() == StatusCode::kFenced);
  REQUIRE(journal.PutDefinition({"d", 0, "{}", "{}", "1", InstantFromMicros(1)}).ok());
  REQUIRE(journal.GetOrPutSetting("name", "value").ok());
}

// Every text, once.
void Rewrite(Journal& journal) {
  const auto change = [](const TextPlace&, std::string_view text) {
    return std::optional(std::string(text));
  };
  std::string cursor;
  do {
    cursor = RewritingOf(journal)->RewriteSome(cursor, change).value();
  } while (!cursor.empty());
}

void Read(Journal& journal) {
  CHECK(Exists(journal, "a"));
  CHECK(OpenGids(journal).size() == 1);
  CHECK(journal.GetDefinition("d", 1).ok());
  CHECK(journal.ListDefinitions(std::nullopt).ok());
  CHECK(journal.ListDefinitions("d").ok());
  std::vector<Filter> filters(9);
  filters[1].status = "ACTIVE";
  filters[1].mode = "saga";
  filters[1].definition = "travel";
  filters[2].label = {{"team", "red"}};
  filters[3].incident = true;
  filters[4].incident = false;
  filters[5].since = InstantFromMicros(1);
  filters[5].until = InstantFromMicros(2);
  filters[6].gid_prefix = "a";
  filters[7].parent = Gid("a");
  filters[8].gid_prefix = "";
  for (const Filter& filter : filters) {
    CHECK(journal.Query(filter, {}).ok());
  }
}

// Leases, periods and purges.
void Keep(const PostgresPlace& place, OwnedJournal& journal) {
  auto options = place.options();
  options.period = std::chrono::microseconds(1);
  const auto other = OpenPostgres(options);
  CHECK(other->Acquire(ShardId(0)).status().reason() == "lease.held");
  CHECK(other->CheckHealth().fatal.ok());
  const Epoch epoch = journal.EpochOf(ShardId(0));
  place.Query("UPDATE entente_lease SET period = 2");
  while (place.Query("SELECT count(*) FROM entente_period") != "2") {
    CHECK(other->CheckHealth().fatal.ok());
  }
  CHECK(journal.Purge(InstantFromMicros(4'000'000'000'000'000), 10).ok());
  REQUIRE(AppendAndWait(journal, MakeAppend("a", 3, 1, FinishedSummary())).ok());
  CHECK(journal.Purge(InstantFromMicros(4'000'000'000'000'000), 10).ok());
  REQUIRE(journal.Release(ShardId(0), epoch).ok());
}

// A write that fails, and what is tried then.
void Fail(const PostgresPlace& place, OwnedJournal& journal) {
  place.Query(kRefuse);
  CHECK_FALSE(AppendAndWait(journal, MakeAppend("c", 1, 1, OpenSummary())).ok());
  place.Query(kTakeAgain);
  while (journal.CheckHealth().failed_writes_in_row != 0) {
  }
}

bool Sent(const std::set<std::string>& statements, const std::string& begin) {
  return std::ranges::any_of(statements,
                             [&](const std::string& sql) { return sql.starts_with(begin); });
}

std::string Text(const std::set<std::string>& statements) {
  std::string text;
  for (const std::string& statement : statements) {
    text += statement + "\n";
  }
  return text;
}

TEST_CASE("every statement that is sent is one of those listed, and asks nothing special") {
  PostgresPlace place;
  auto options = place.options();
  options.lease = std::chrono::seconds(5);
  std::set<std::string> seen;
  {
    Statements statements;
    {
      OwnedJournal journal(OpenPostgres(options));
      Write(journal);
      REQUIRE(journal.PutNote("note", "text").ok());
      Rewrite(journal.inner());
      Read(journal);
      Fail(place, journal);
      while (!Sent(statements.seen(), "WITH mine")) {
        REQUIRE(journal.Renew(ShardId(1), journal.EpochOf(ShardId(1))).ok());
      }
      Keep(place, journal);
    }
    {
      const auto node = OpenPostgres(options);
      auto& membership = dynamic_cast<Membership&>(*node);
      CHECK(membership.Beat({}).ok());
      const auto epochs = membership.AcquireShards({ShardId(1), ShardId(2)});
      const auto other = OpenPostgres(options);
      CHECK_FALSE(dynamic_cast<Membership&>(*other).AcquireShards({ShardId(1)}).front().ok());
      CHECK(membership.ReleaseShards({{ShardId(1), epochs[0].value()}}).front().ok());
      CHECK(membership.Leave().ok());
    }
    seen = statements.seen();
  }
  // What the test itself asked.
  std::erase_if(seen, [](const std::string& sql) {
    return sql.find("refusal") != std::string::npos ||
           sql == "UPDATE entente_lease SET period = 2" ||
           sql == "SELECT count(*) FROM entente_period";
  });
  const std::string text = Text(seen);
  if (std::getenv("ENTENTE_UPDATE_STATEMENTS") != nullptr) {
    std::ofstream(kFile) << text;
  }
  std::ifstream file(kFile);
  std::stringstream listed;
  listed << file.rdbuf();
  CHECK(text == listed.str());

  const std::regex special(
      R"(\b(nextval|serial|identity|advisory|LISTEN|NOTIFY|TRIGGER|FUNCTION|EXTENSION|PARTITION|)"
      R"(LOCK TABLE|TEMP|UNLOGGED|MERGE|RULE|jsonb|pg_[a-z]+)\b)",
      std::regex::icase);
  for (const std::string& sql : seen) {
    INFO(sql);
    CHECK_FALSE(std::regex_search(sql, special));
  }
}

}  // namespace
}  // namespace entente::storage
