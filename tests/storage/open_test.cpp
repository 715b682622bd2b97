#include "storage/open.h"

#include <catch2/catch.hpp>
#include <string>

#include "tests/storage/journal_fixtures.h"

namespace entente::storage {
namespace {

TEST_CASE("a URL chooses the journal") {
  TempDirectory directory;
  const bool in_memory = GENERATE(true, false);
  const std::string url = in_memory ? "memory:" : "sqlite:" + directory.File("s.db");
  auto opened = OpenJournal(url);
  REQUIRE(opened.ok());
  OwnedJournal journal(std::move(opened).value());
  Create(journal, "a");
  CHECK(Exists(journal, "a"));
}

TEST_CASE("an unknown store is refused with the names of the known ones") {
  const std::string url =
      GENERATE(as<std::string>(), "", "entente.db", "postgres:host", "SQLITE:x");
  const auto journal = OpenJournal(url);
  CHECK(journal.status().code() == StatusCode::kInvalidArgument);
  CHECK(journal.status().reason() == "store.unknown_scheme");
  CHECK(journal.status().message().find("sqlite:") != std::string::npos);
  CHECK(journal.status().message().find("postgres:") != std::string::npos);
  CHECK(journal.status().message().find("memory:") != std::string::npos);
}

TEST_CASE("a store URL with a missing or a superfluous path is refused") {
  const std::string url = GENERATE(as<std::string>(), "sqlite:", "memory:x",
                                   "sqlite::memory:", "sqlite:memory:", "sqlite:memory");
  CHECK(OpenJournal(url).status().reason() == "store.bad_url");
}

TEST_CASE("a password is not shown") {
  CHECK(ShownUrl("sqlite:a@b:c.db") == "sqlite:a@b:c.db");
  CHECK(ShownUrl("postgres://u:secret@h:5432,g/d?x=1") == "postgres://u:...@h:5432,g/d?x=1");
  CHECK(ShownUrl("postgres://u@h:5432/d") == "postgres://u@h:5432/d");
  CHECK(ShownUrl("postgres://h:5432/d") == "postgres://h:5432/d");
  CHECK(ShownUrl("postgres:///d?password=secret&host=/tmp") ==
        "postgres:///d?password=...&host=/tmp");
  CHECK(ShownUrl("postgres://h/d?sslpassword=secret") == "postgres://h/d?sslpassword=...");
  CHECK(OpenJournal("pg://u:secret@h/d").status().message().find("secret") == std::string::npos);
}

TEST_CASE("a database that nobody serves is unavailable, and its password not shown") {
  const auto journal = OpenJournal("postgres://u:secret@127.0.0.1:1/d");
  CHECK(journal.status().code() == StatusCode::kUnavailable);
  CHECK(journal.status().reason() == "store.unavailable");
  CHECK(journal.status().message().find("secret") == std::string::npos);
}

}  // namespace
}  // namespace entente::storage
