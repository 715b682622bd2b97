// The journal contract: definitions, settings and purging. Every case runs against every
// journal.
#include <atomic>
#include <catch2/catch.hpp>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/storage/contract_factories.h"
#include "tests/storage/journal_fixtures.h"

namespace entente::storage {
namespace {

DefinitionRow MakeDefinition(const std::string& name, const std::string& digest) {
  return {name,
          99,
          "{\"name\":\"" + name + "\"}",
          "{\"URL\":\"" + digest + "\"}",
          digest,
          InstantFromMicros(42)};
}

JOURNAL_TEST_CASE("definitions get versions from 1, and the same content the same version") {
  TestType factory;
  const auto journal = factory.Open();
  CHECK(journal->PutDefinition(MakeDefinition("a", "d1"))->version == 1);
  CHECK(journal->PutDefinition(MakeDefinition("a", "d1"))->version == 1);
  CHECK(journal->PutDefinition(MakeDefinition("a", "d2"))->version == 2);
  CHECK(journal->PutDefinition(MakeDefinition("b", "d1"))->version == 1);
  // Going back to an older content is a change as well.
  CHECK(journal->PutDefinition(MakeDefinition("a", "d1"))->version == 3);
}

JOURNAL_TEST_CASE("a definition is read back as it was put") {
  TestType factory;
  const auto journal = factory.Open();
  REQUIRE(journal->PutDefinition(MakeDefinition("a", "d1")).ok());
  REQUIRE(journal->PutDefinition(MakeDefinition("a", "d2")).ok());
  const Result<DefinitionRow> first = journal->GetDefinition("a", 1);
  REQUIRE(first.ok());
  CHECK(first->name == "a");
  CHECK(first->version == 1);
  CHECK(first->source == "{\"name\":\"a\"}");
  CHECK(first->env == "{\"URL\":\"d1\"}");
  CHECK(first->digest == "d1");
  CHECK(first->created_at == InstantFromMicros(42));
  CHECK(journal->GetDefinition("a", std::nullopt)->digest == "d2");
}

JOURNAL_TEST_CASE("an unknown definition or version is not found") {
  TestType factory;
  const auto journal = factory.Open();
  REQUIRE(journal->PutDefinition(MakeDefinition("a", "d1")).ok());
  for (const Result<DefinitionRow>& row :
       {journal->GetDefinition("b", std::nullopt), journal->GetDefinition("a", 2),
        journal->GetDefinition("a", 0)}) {
    CHECK(row.status().code() == StatusCode::kNotFound);
    CHECK(row.status().reason() == "definition.not_found");
  }
}

JOURNAL_TEST_CASE("definitions are listed by name, and versions newest first") {
  TestType factory;
  const auto journal = factory.Open();
  for (const auto& [name, digest] : std::vector<std::pair<std::string, std::string>>{
           {"b", "1"}, {"a", "1"}, {"a", "2"}, {"c", "1"}}) {
    REQUIRE(journal->PutDefinition(MakeDefinition(name, digest)).ok());
  }
  const auto describe = [](const Result<std::vector<DefinitionRow>>& rows) {
    std::string text;
    for (const DefinitionRow& row : *rows) {
      text += row.name + std::to_string(row.version) + " ";
    }
    return text;
  };
  CHECK(describe(journal->ListDefinitions(std::nullopt)) == "a2 b1 c1 ");
  CHECK(describe(journal->ListDefinitions("a")) == "a2 a1 ");
  CHECK(describe(journal->ListDefinitions("none")).empty());
}

JOURNAL_TEST_CASE("racing puts of definitions get versions without gaps") {
  TestType factory;
  const auto journal = factory.Open();
  std::mutex mutex;
  std::multiset<uint32_t> versions;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 5; ++i) {
        const std::string digest = std::to_string(thread) + "/" + std::to_string(i);
        const Result<DefinitionRow> row = journal->PutDefinition(MakeDefinition("a", digest));
        const std::lock_guard lock(mutex);
        versions.insert(row.ok() ? row->version : 0);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  uint32_t expected = 0;
  for (const uint32_t version : versions) {
    CHECK(version == ++expected);
  }
  CHECK(expected == 20);
}

JOURNAL_TEST_CASE("a setting keeps its first value, byte for byte") {
  TestType factory;
  const std::string value("k\0ey\xff", 5);
  {
    const auto journal = factory.Open();
    CHECK(journal->GetOrPutSetting("secret", value).value() == value);
    CHECK(journal->GetOrPutSetting("secret", "other").value() == value);
    CHECK(journal->GetOrPutSetting("empty", "").value().empty());
  }
  CHECK(factory.Open()->GetOrPutSetting("secret", "third").value() == value);
}

JOURNAL_TEST_CASE("a note is what was put last, also after a restart, until it is taken away") {
  using Notes = std::vector<std::pair<std::string, std::string>>;
  TestType factory;
  {
    const auto journal = factory.Open();
    REQUIRE(journal->PutNote("job/2", "first").ok());
    REQUIRE(journal->PutNote("job/2", "second").ok());
    REQUIRE(journal->PutNote("job/1", std::string("a\0b", 3)).ok());
    REQUIRE(journal->PutNote("jot", "another").ok());
    REQUIRE(journal->PutNote("none", std::nullopt).ok());
    static_cast<void>(journal->GetOrPutSetting("job/3", "a setting is no note"));
  }
  const auto journal = factory.Open();
  CHECK(journal->ListNotes("job/").value() ==
        Notes{{"job/1", std::string("a\0b", 3)}, {"job/2", "second"}});
  REQUIRE(journal->PutNote("job/1", std::nullopt).ok());
  CHECK(journal->ListNotes("job/").value() == Notes{{"job/2", "second"}});
  // A name that a string does not hold within itself.
  const std::string long_name = "job/" + std::string(200, 'n');
  REQUIRE(journal->PutNote(long_name, "long").ok());
  CHECK(journal->ListNotes("job/n").value() == Notes{{long_name, "long"}});
}

JOURNAL_TEST_CASE("notes are listed and removed by ranges of their names, from either end") {
  using Notes = std::vector<std::pair<std::string, std::string>>;
  TestType factory;
  const auto journal = factory.Open();
  NoteLog* const log = NoteLogOf(*journal);
  REQUIRE(log != nullptr);
  for (const char* name : {"log/1", "log/2", "log/3", "log/4", "log", "log0", "kog/9"}) {
    REQUIRE(journal->PutNote(name, std::string("of ") + name).ok());
  }
  static_cast<void>(journal->GetOrPutSetting("log/5", "a setting is no note"));
  CHECK(log->ListNoteRange({"log/", "log0", 10, true}).value() == Notes{{"log/4", "of log/4"},
                                                                        {"log/3", "of log/3"},
                                                                        {"log/2", "of log/2"},
                                                                        {"log/1", "of log/1"}});
  CHECK(log->ListNoteRange({"log/", "log/4", 2, true}).value() ==
        Notes{{"log/3", "of log/3"}, {"log/2", "of log/2"}});
  CHECK(log->ListNoteRange({"log/2", "log0", 2, false}).value() ==
        Notes{{"log/2", "of log/2"}, {"log/3", "of log/3"}});
  CHECK(log->ListNoteRange({"log/", "log0", 0, false}).value().empty());
  CHECK(log->ListNoteRange({"log/3", "log/3", 9, false}).value().empty());
  CHECK(log->ListNoteRange({"log/3", "log/1", 9, true}).value().empty());

  CHECK(log->RemoveNotes({"log/", "log/4", 2, false}).value() == 2);
  CHECK(log->RemoveNotes({"log/", "log0", 1, true}).value() == 1);
  CHECK(log->RemoveNotes({"lot/", "lot0", 9, true}).value() == 0);
  CHECK(
      journal->ListNotes("").value() ==
      Notes{{"kog/9", "of kog/9"}, {"log", "of log"}, {"log/3", "of log/3"}, {"log0", "of log0"}});
}

JOURNAL_TEST_CASE("a purge deletes finished transactions that are old enough, and nothing else") {
  TestType factory;
  const auto journal = factory.Open();
  Summary labelled = FinishedSummary(1, 100);
  labelled.labels = {{"team", "red"}};
  labelled.incidents = {MakeIncident("hotel", "forced")};
  Create(*journal, "old", labelled);
  Create(*journal, "edge", FinishedSummary(1, 500));
  Create(*journal, "young", FinishedSummary(1, 900));
  Summary open = OpenSummary(1);
  open.updated_at = InstantFromMicros(1);
  Create(*journal, "open", open);
  Summary lasting = FinishedSummary(1, 100);
  lasting.lasting = true;
  Create(*journal, "lasting", lasting);
  Create(*journal, "lasts at its end", OpenSummary(1));
  TxnAppend end = MakeAppend("lasts at its end", 2, 1, lasting);
  REQUIRE(AppendAndWait(*journal, std::move(end)).ok());

  CHECK(MustLoad(*journal, "lasting").summary.lasting);
  CHECK(MustLoad(*journal, "lasts at its end").summary.lasting);
  CHECK_FALSE(MustLoad(*journal, "edge").summary.lasting);
  CHECK_FALSE(MustLoad(*journal, "open").summary.lasting);
  CHECK(journal->Purge(InstantFromMicros(500), 100).value() == 1);
  CHECK_FALSE(Exists(*journal, "old"));
  CHECK(journal->Load(Gid("old")).status().code() == StatusCode::kNotFound);
  CHECK(QueryAll(*journal, {}) ==
        std::vector<std::string>{"lasts at its end", "lasting", "open", "young", "edge"});
  Filter label;
  label.label = {{"team", "red"}};
  CHECK(QueryAll(*journal, label).empty());
  Filter incident;
  incident.incident = true;
  CHECK(QueryAll(*journal, incident).empty());
  CHECK(CountIncidents(*journal) == 0);
  CHECK(QueryAll(*journal, {}).size() - OpenGids(*journal).size() == 4);
  CHECK(HasRecords(MustLoad(*journal, "open"), 1));
}

JOURNAL_TEST_CASE("a purge counts from the last update, not from the creation") {
  TestType factory;
  const auto journal = factory.Open();
  Create(*journal, "a", OpenSummary(1));
  CHECK(journal->Purge(InstantFromMicros(1'000), 10).value() == 0);
  REQUIRE(AppendAndWait(*journal, MakeAppend("a", 2, 1, FinishedSummary(1, 800))).ok());
  CHECK(journal->Purge(InstantFromMicros(800), 10).value() == 0);
  CHECK(journal->Purge(InstantFromMicros(801), 10).value() == 1);
}

JOURNAL_TEST_CASE("a purge deletes no more than its limit, the rest another time") {
  TestType factory;
  const auto journal = factory.Open();
  std::vector<TxnAppend> appends;
  for (int i = 0; i < 700; ++i) {
    appends.push_back(MakeAppend("t" + std::to_string(i), 1, 2, FinishedSummary(1, i)));
  }
  Fill(*journal, std::move(appends));
  CHECK(journal->Purge(InstantFromMicros(10'000), 0).value() == 0);
  CHECK(journal->Purge(InstantFromMicros(10'000), 300).value() == 300);
  CHECK(QueryAll(*journal, {}).size() - OpenGids(*journal).size() == 400);
  CHECK(journal->Purge(InstantFromMicros(10'000), 1'000).value() == 400);
  CHECK(QueryAll(*journal, {}).empty());
}

JOURNAL_TEST_CASE("a purged name may be used again, and lists stay right") {
  TestType factory;
  const auto journal = factory.Open();
  Create(*journal, "a", FinishedSummary(1, 1));
  REQUIRE(journal->Purge(InstantFromMicros(10), 10).value() == 1);
  CHECK(AppendAndWait(*journal, MakeAppend("a", 2)).code() == StatusCode::kConflict);
  Create(*journal, "a", OpenSummary(50));
  CHECK(HasRecords(MustLoad(*journal, "a"), 1));
  Filter since;
  since.since = InstantFromMicros(50);
  CHECK(QueryAll(*journal, since) == std::vector<std::string>{"a"});
}

JOURNAL_TEST_CASE("appends go on while a purge runs") {
  TestType factory;
  const auto journal = factory.Open();
  std::vector<TxnAppend> appends;
  for (int i = 0; i < 1'000; ++i) {
    appends.push_back(MakeAppend("old" + std::to_string(i), 1, 1, FinishedSummary(1, 1)));
  }
  Fill(*journal, std::move(appends));
  std::atomic<size_t> purged = 0;
  std::thread purger([&] { purged = journal->Purge(InstantFromMicros(10), 10'000).value(); });
  for (int i = 0; i < 50; ++i) {
    Create(*journal, "new" + std::to_string(i));
  }
  purger.join();
  CHECK(purged == 1'000);
  CHECK(OpenGids(*journal).size() == 50);
  CHECK(QueryAll(*journal, {}).size() - OpenGids(*journal).size() == 0);
}

}  // namespace
}  // namespace entente::storage
