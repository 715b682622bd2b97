// How long a commit waits for what is about to come.
#include <catch2/catch.hpp>
#include <chrono>

#include "storage/postgres/gathering.h"

namespace entente::storage::postgres {
namespace {

using namespace std::chrono_literals;

TEST_CASE("a commit waits for as many as the latest two had, for half as long as one takes") {
  Gathering gathering;
  CHECK(gathering.Next().at_most == 0ms);  // Nothing is known yet.
  gathering.Committed(40, 6ms);
  gathering.Committed(10, 8ms);
  const Gathering::Wait wait = gathering.Next();
  CHECK(wait.appends == 50);
  CHECK(wait.at_most == 4ms);
  gathering.Committed(10, 5s);
  CHECK(gathering.Next().at_most == Gathering::kLongestWait);
}

TEST_CASE("where waiting brings nothing it is tried less and less often") {
  Gathering gathering;
  gathering.Committed(1, 8ms);
  size_t waits = 0;
  for (int commit = 0; commit < 1'000; ++commit) {
    if (gathering.Next().at_most > 0ms) {
      ++waits;
      gathering.Waited(1, 1);
    }
    gathering.Committed(1, 8ms);
  }
  CHECK(waits >= 1'000 / (Gathering::kLongestPause + 1));
  CHECK(waits < 25);
}

TEST_CASE("where waiting has brought something each commit waits") {
  Gathering gathering;
  gathering.Committed(8, 8ms);
  for (int commit = 0; commit < 10; ++commit) {
    gathering.Waited(8, 8);
    while (gathering.Next().at_most == 0ms) {
    }
  }
  gathering.Waited(8, 16);
  CHECK(gathering.Next().at_most == 4ms);
  // What failed once after that is not held against it for long.
  gathering.Waited(8, 10);
  CHECK(gathering.Next().at_most == 0ms);
  CHECK(gathering.Next().at_most == 4ms);
}

}  // namespace
}  // namespace entente::storage::postgres
