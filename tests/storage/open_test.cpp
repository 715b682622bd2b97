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
  CHECK(journal.status().message().find("memory:") != std::string::npos);
}

TEST_CASE("a store URL with a missing or a superfluous path is refused") {
  const std::string url = GENERATE(as<std::string>(), "sqlite:", "memory:x");
  CHECK(OpenJournal(url).status().reason() == "store.bad_url");
}

}  // namespace
}  // namespace entente::storage
