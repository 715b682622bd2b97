#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "coordinator/audit/audit_book.h"
#include "storage/memory/memory_journal.h"

namespace entente::audit {
namespace {

Instant At(int64_t seconds) {
  return InstantFromMicros(seconds * 1'000'000);
}

AuditEntry Entry(int64_t seconds, const char* actor, const char* action, const char* subject) {
  AuditEntry entry;
  entry.at = At(seconds);
  entry.actor = actor;
  entry.action = action;
  entry.subject = subject;
  entry.outcome = kDone;
  return entry;
}

AuditEntry Refused(int64_t seconds, const std::string& peer) {
  AuditEntry entry;
  entry.at = At(seconds);
  entry.action = "pause";
  entry.outcome = kRefused;
  entry.code = "token.missing";
  entry.peer = peer;
  return entry;
}

AuditQuery All() {
  AuditQuery query;
  query.limit = 100;
  return query;
}

std::vector<std::string> SubjectsOf(const AuditPage& page) {
  std::vector<std::string> subjects;
  for (const AuditEntry& entry : page.entries) {
    subjects.push_back(entry.subject);
  }
  return subjects;
}

using Subjects = std::vector<std::string>;

// Notes that can not be written for a while.
class FailingJournal final : public storage::MemoryJournal {
 public:
  Status PutNote(const std::string& name, const std::optional<std::string>& text) override {
    return failing ? Unavailable("store.full", "the disk is full")
                   : MemoryJournal::PutNote(name, text);
  }
  bool failing = false;
};

TEST_CASE("an entry is read as it was written, by every book of the store") {
  storage::MemoryJournal journal;
  AuditBook writer(journal);
  AuditEntry entry = Entry(7, "ann", "edit", "transaction/t1");
  entry.token = "0123456789ab";
  entry.outcome = kFailed;
  entry.code = "transaction.stale";
  entry.reason = "because";
  entry.peer = "10.0.0.7";
  entry.before = Json{{"revision", 3}};
  entry.after = Json{{"revision", 4}, {"branch", "b"}};
  REQUIRE(writer.Append(entry).ok());
  AuditBook reader(journal);
  const AuditPage page = reader.List(All()).value();
  REQUIRE(page.entries.size() == 1);
  entry.id = page.entries[0].id;
  CHECK(AuditJson(page.entries[0]) == AuditJson(entry));
  CHECK(page.entries[0].at == At(7));
  CHECK(page.next_cursor.empty());
}

TEST_CASE("entries come newest first, in pages, and by what is asked for") {
  storage::MemoryJournal journal;
  AuditBook a(journal);
  AuditBook b(journal);
  for (int i = 0; i < 6; ++i) {
    const std::string subject = "transaction/t" + std::to_string(i);
    REQUIRE((i % 2 == 0 ? a : b)
                .Append(Entry(10 + i, i < 3 ? "ann" : "bob", "pause", subject.c_str()))
                .ok());
  }
  AuditQuery query = All();
  query.limit = 4;
  const AuditPage first = a.List(query).value();
  CHECK(SubjectsOf(first) ==
        Subjects{"transaction/t5", "transaction/t4", "transaction/t3", "transaction/t2"});
  query.cursor = first.next_cursor;
  const AuditPage second = b.List(query).value();
  CHECK(SubjectsOf(second) == Subjects{"transaction/t1", "transaction/t0"});
  CHECK(second.next_cursor.empty());

  query = All();
  query.actor = "ann";
  CHECK(SubjectsOf(a.List(query).value()) ==
        Subjects{"transaction/t2", "transaction/t1", "transaction/t0"});
  query.since = At(11);
  query.until = At(12);
  CHECK(SubjectsOf(a.List(query).value()) == Subjects{"transaction/t1"});
  query = All();
  query.subject = "transaction/t5";
  CHECK(a.List(query).value().entries.size() == 1);
  query.action = "resume";
  CHECK(a.List(query).value().entries.empty());
  query.cursor = "../token/x";
  CHECK(a.List(query).status().reason() == "audit.bad_cursor");
}

TEST_CASE("entries of one microsecond, or of a clock that was set back, replace none") {
  storage::MemoryJournal journal;
  AuditBook book(journal);
  for (int i = 0; i < 3; ++i) {
    REQUIRE(book.Append(Entry(5, "ann", "pause", "transaction/same")).ok());
  }
  REQUIRE(book.Append(Entry(1, "ann", "pause", "transaction/back")).ok());
  CHECK(book.List(All()).value().entries.size() == 4);
}

TEST_CASE("refusals that are alike are one entry with their number") {
  storage::MemoryJournal journal;
  AuditBook book(journal);
  for (int i = 0; i < 5; ++i) {
    book.Refuse(Refused(10 + i, "10.0.0.7"));
  }
  book.Refuse(Refused(20, "10.0.0.8"));
  CHECK(journal.ListNotes("").value().empty());
  const AuditPage page = book.List(All()).value();
  REQUIRE(page.entries.size() == 2);
  uint32_t times = 0;
  for (const AuditEntry& entry : page.entries) {
    times += entry.times;
    CHECK(entry.times == (entry.peer == "10.0.0.7" ? 5 : 1));
  }
  CHECK(times == 6);
  // Written once.
  REQUIRE(book.Flush().ok());
  CHECK(book.List(All()).value().entries.size() == 2);
}

TEST_CASE("whoever knocks in ever other ways does not fill the store") {
  storage::MemoryJournal journal;
  AuditBook book(journal);
  for (int i = 0; i < 1000; ++i) {
    book.Refuse(Refused(10, "10.0.0." + std::to_string(i)));
  }
  REQUIRE(book.Flush().ok());
  const AuditPage page = book.List(All()).value();
  CHECK(page.entries.size() == kMaxRefusedKinds + 1);
  uint32_t times = 0;
  for (const AuditEntry& entry : page.entries) {
    times += entry.times;
  }
  CHECK(times == 1000);
}

TEST_CASE("a refusal that can not be written waits, and an entry that can not be is told") {
  FailingJournal journal;
  std::vector<std::string> lost;
  AuditBook book(journal, [&lost](const Status& status, const AuditEntry& entry) {
    lost.push_back(status.reason() + " " + entry.subject);
  });
  journal.failing = true;
  book.Refuse(Refused(10, "10.0.0.7"));
  CHECK(book.Flush().reason() == "store.full");
  book.Refuse(Refused(11, "10.0.0.7"));
  book.Record(Entry(12, "ann", "pause", "transaction/t1"));
  CHECK(lost == std::vector<std::string>{"store.full transaction/t1"});
  journal.failing = false;
  const AuditPage page = book.List(All()).value();
  REQUIRE(page.entries.size() == 1);
  CHECK(page.entries[0].times == 2);
}

TEST_CASE("what is older than it is to be kept goes, and nothing else") {
  storage::MemoryJournal journal;
  AuditBook book(journal);
  for (int i = 0; i < 10; ++i) {
    REQUIRE(book.Append(Entry(i, "ann", "pause", "transaction/t")).ok());
  }
  REQUIRE(journal.PutNote("auditor", "is no entry").ok());
  REQUIRE(journal.PutNote("audit", "is no entry").ok());
  CHECK(book.Purge(At(4)).value() == 4);
  CHECK(book.List(All()).value().entries.size() == 6);
  CHECK(journal.ListNotes("").value().size() == 8);
}

TEST_CASE("an entry that can not be read hides none of the others") {
  storage::MemoryJournal journal;
  AuditBook book(journal);
  REQUIRE(book.Append(Entry(1, "ann", "pause", "transaction/t")).ok());
  for (const char* bad : {"", "[]", "{}", R"({"at":"yesterday","action":"a","outcome":"done"})"}) {
    CAPTURE(bad);
    REQUIRE(journal.PutNote("audit/0000000000000001aaaaaaaa", bad).ok());
    const AuditPage page = book.List(All()).value();
    REQUIRE(page.entries.size() == 2);
    CHECK(page.entries[0].action == "pause");
    CHECK(page.entries[1].action == "unreadable");
  }
}

TEST_CASE("long texts are cut") {
  storage::MemoryJournal journal;
  AuditBook book(journal);
  AuditEntry entry = Entry(1, "ann", "pause", "transaction/t");
  entry.reason = std::string(1'000'000, 'r');
  entry.after = Json{{"text", std::string(1'000'000, 'a')}};
  REQUIRE(book.Append(entry).ok());
  CHECK(journal.ListNotes("audit/").value().at(0).second.size() < 50'000);
  CHECK(book.List(All()).value().entries.at(0).after == Json{{"tooLarge", true}});
}

TEST_CASE("a text that is cut can still be read, wherever its characters end") {
  storage::MemoryJournal journal;
  AuditBook book(journal);
  for (const char* before : {"", "r", "rr"}) {
    AuditEntry entry = Entry(1, "ann", "pause", "transaction/t");
    entry.reason = before;
    for (size_t i = 0; i < 1'000; ++i) {
      entry.reason += "\u20ac";  // Three bytes.
    }
    REQUIRE(book.Append(entry).ok());
  }
  const AuditPage page = book.List(All()).value();
  REQUIRE(page.entries.size() == 3);
  for (const AuditEntry& entry : page.entries) {
    CHECK(entry.action == "pause");
    CHECK(entry.reason.size() > 2'000);
    CHECK(entry.reason.ends_with("\u20ac"));
  }
}

}  // namespace
}  // namespace entente::audit
