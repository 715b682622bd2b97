// The tables of docs/api.md that say what a word of an answer means: each word that can be answered
// stands there, and no other.
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "coordinator/api/json/json_encode.h"
#include "engine/engine.h"
#include "tests/api/fixtures.h"
#include "tests/support/documented_table.h"

namespace entente::api::test::documented {
namespace {

using ::entente::test::Cells;
using Words = std::set<std::string>;

constexpr const char* kPage = "docs/api.md";
constexpr const char* kHeading = "### Words";

// What stands between backquotes.
std::vector<std::string> WordsIn(const std::string& cell) {
  std::vector<std::string> words;
  for (size_t at = cell.find('`'); at != std::string::npos;) {
    const size_t end = cell.find('`', at + 1);
    words.push_back(cell.substr(at + 1, end - at - 1));
    at = cell.find('`', end + 1);
  }
  return words;
}

// The words of the first cells of a table, each once.
Words FirstWords(const std::vector<Cells>& rows) {
  Words words;
  for (const Cells& row : rows) {
    for (const std::string& word : WordsIn(row[0])) {
      CAPTURE(word);
      CHECK(words.insert(word).second);
    }
  }
  return words;
}

// The names of an enumeration whose values count from 1.
template <class Enum, class Name>
Words NamesOf(Enum last, Name name) {
  Words names;
  for (int value = 1; value <= static_cast<int>(last); ++value) {
    names.emplace(name(static_cast<Enum>(value)));
  }
  return names;
}

TEST_CASE("the page has every status, and says which are ends") {
  const std::vector<Cells> rows = ::entente::test::TableBelow(kPage, kHeading, 0);
  CHECK(FirstWords(rows) == NamesOf(engine::TxnStatus::kMixed, engine::TxnStatusName));
  for (int value = 1; value <= static_cast<int>(engine::TxnStatus::kMixed); ++value) {
    const auto status = static_cast<engine::TxnStatus>(value);
    const std::string cell = "`" + std::string(engine::TxnStatusName(status)) + "`";
    for (const Cells& row : rows) {
      if (row[0] == cell) {
        CAPTURE(cell);
        CHECK((row[1] == "yes") == engine::IsFinished(status));
      }
    }
  }
}

TEST_CASE("the page has every phase, and says which are incidents") {
  const std::vector<Cells> rows = ::entente::test::TableBelow(kPage, kHeading, 1);
  CHECK(FirstWords(rows) == NamesOf(engine::BranchPhase::kReadOnly, engine::BranchPhaseName));
  for (const Cells& row : rows) {
    CAPTURE(row[0]);
    CHECK((row[0].find("-stuck`") != std::string::npos) == row[1].starts_with("**incident**"));
  }
}

TEST_CASE("the page has every cause of an abort") {
  CHECK(FirstWords(::entente::test::TableBelow(kPage, kHeading, 3)) ==
        NamesOf(engine::AbortCause::kExpired, engine::AbortCauseName));
}

TEST_CASE("the page has all that a branch can be blocked by") {
  const Words documented = FirstWords(::entente::test::TableBelow(kPage, kHeading, 2));
  Words told;
  for (const Story& story : AllStories()) {
    for (const char* gate : {"breaker", "backoff", "concurrency", "rate", ""}) {
      const Json transaction = Json::parse(TransactionJson({story.View(), {gate, gate}}));
      for (const Json& branch : transaction["branches"]) {
        if (branch.contains("blockedBy")) {
          told.insert(branch["blockedBy"]);
        }
      }
    }
  }
  for (const std::string& word : told) {
    CAPTURE(word);
    CHECK(documented.count(word) == 1);
  }
  CHECK(told.size() > 8);
}

TEST_CASE("the page has every type of a history's entry, with the members that it may have") {
  std::map<std::string, Words> members;
  const std::vector<Cells> rows = ::entente::test::TableBelow(
      kPage,
      "**History and events.** An entry's `type` says what became durable, and which other members "
      "it has:",
      0);
  for (const Cells& row : rows) {
    const std::vector<std::string> named = WordsIn(row.size() > 2 ? row[2] : "");
    for (const std::string& type : WordsIn(row[0])) {
      members[type] = Words(named.begin(), named.end());
    }
  }
  Words types;
  for (const Story& story : AllStories()) {
    const Json history = Json::parse(HistoryJson(story.History()));
    for (const Json& entry : history["entries"]) {
      const std::string type = entry["type"];
      CAPTURE(entry.dump());
      types.insert(type);
      REQUIRE(members.contains(type));
      for (const auto& [member, value] : entry.items()) {
        const bool of_every_entry = member == "revision" || member == "at" || member == "type";
        CAPTURE(member);
        CHECK((of_every_entry || members[type].count(member) == 1));
      }
    }
  }
  for (const auto& [type, named] : members) {
    CAPTURE(type);
    CHECK(types.count(type) == 1);
  }
}

}  // namespace
}  // namespace entente::api::test::documented
