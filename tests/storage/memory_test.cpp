// What only the journal in memory can do: deliver by hand, fail on demand and crash.
#include <catch2/catch.hpp>
#include <optional>
#include <string>
#include <vector>

#include "tests/storage/journal_fixtures.h"

namespace entente::storage {
namespace {

struct Manual {
  std::shared_ptr<MemoryStore> store = std::make_shared<MemoryStore>();
  MemoryJournal journal{store, MemoryDelivery::kManual};
  std::vector<Status> results;

  void Append(TxnAppend append) {
    std::vector<TxnAppend> appends;
    appends.push_back(std::move(append));
    journal.Append(MakeBatch(std::move(appends)),
                   [this](Status status) { results.push_back(std::move(status)); });
  }
};

TEST_CASE("in manual mode nothing is durable before it is delivered") {
  Manual manual;
  manual.Append(MakeAppend("a", 1, 1, OpenSummary()));
  manual.Append(MakeAppend("a", 2));
  CHECK(manual.journal.pending() == 2);
  CHECK_FALSE(manual.journal.Exists(Gid("a")).value());
  CHECK(manual.journal.Deliver());
  CHECK(manual.results.size() == 1);
  CHECK(HasRecords(MustLoad(manual.journal, "a"), 1));
  manual.journal.DeliverAll();
  CHECK(manual.results.size() == 2);
  CHECK_FALSE(manual.journal.Deliver());
}

TEST_CASE("DeliverAll delivers what callbacks hand in") {
  Manual manual;
  manual.journal.Append(MakeBatch({MakeAppend("a", 1, 1, OpenSummary())}),
                        [&manual](const Status&) { manual.Append(MakeAppend("a", 2)); });
  manual.journal.DeliverAll();
  CHECK(HasRecords(MustLoad(manual.journal, "a"), 2));
}

TEST_CASE("an injected unavailability writes nothing and passes") {
  Manual manual;
  manual.journal.Fail(MemoryFault::kUnavailable);
  manual.Append(MakeAppend("a", 1, 1, OpenSummary()));
  manual.Append(MakeAppend("a", 1, 1, OpenSummary()));
  manual.journal.DeliverAll();
  CHECK(manual.results[0].code() == StatusCode::kUnavailable);
  CHECK(manual.results[1].ok());
}

TEST_CASE("after an unknown outcome everything is refused, and the store has it or not") {
  const bool written = GENERATE(false, true);
  Manual manual;
  manual.journal.Fail(written ? MemoryFault::kUnknownOutcomeWritten : MemoryFault::kUnknownOutcome);
  manual.Append(MakeAppend("a", 1, 1, OpenSummary()));
  manual.Append(MakeAppend("b", 1, 1, OpenSummary()));
  manual.journal.DeliverAll();
  CHECK(manual.results[0].code() == StatusCode::kUnknownOutcome);
  CHECK(manual.results[1].code() == StatusCode::kUnknownOutcome);
  CHECK(manual.journal.Exists(Gid("a")).value() == written);
  CHECK_FALSE(manual.journal.Exists(Gid("b")).value());
  CHECK(manual.journal.Increment("epoch").status().code() == StatusCode::kUnknownOutcome);
  MemoryJournal reopened(manual.store);
  CHECK(reopened.Exists(Gid("a")).value() == written);
  Create(reopened, "b");
}

TEST_CASE("data loss is final") {
  Manual manual;
  manual.journal.Fail(MemoryFault::kDataLoss);
  manual.Append(MakeAppend("a", 1, 1, OpenSummary()));
  manual.Append(MakeAppend("b", 1, 1, OpenSummary()));
  manual.journal.DeliverAll();
  CHECK(manual.results[0].code() == StatusCode::kDataLoss);
  CHECK(manual.results[1].code() == StatusCode::kDataLoss);
}

TEST_CASE("a crash drops what was not delivered and calls nobody back") {
  Manual manual;
  manual.Append(MakeAppend("a", 1, 1, OpenSummary()));
  manual.journal.Deliver();
  manual.Append(MakeAppend("a", 2));
  manual.journal.Crash();
  manual.Append(MakeAppend("a", 2));
  manual.journal.DeliverAll();
  CHECK(manual.results.size() == 1);
  MemoryJournal restarted(manual.store);
  CHECK(HasRecords(MustLoad(restarted, "a"), 1));
  CHECK(AppendAndWait(restarted, MakeAppend("a", 2)).ok());
}

}  // namespace
}  // namespace entente::storage
