// The journal contract: lists. Every case runs against every journal.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "base/limits.h"
#include "tests/storage/contract_factories.h"
#include "tests/storage/journal_fixtures.h"

namespace entente::storage {
namespace {

using Gids = std::vector<std::string>;

// Eight transactions that differ in everything a filter can ask for.
void CreateVaried(OwnedJournal& journal) {
  const auto create = [&journal](const std::string& gid, int64_t created, auto change) {
    Summary summary = OpenSummary(created);
    change(summary);
    Create(journal, gid, summary);
  };
  const auto finish = [](Summary& summary, const std::string& status) {
    summary.status = status;
    summary.open = false;
  };
  create("order-1", 100, [&](Summary& s) { finish(s, "COMMITTED"); });
  create("order-2", 200, [&](Summary& s) { s.labels = {{"team", "red"}, {"vip", "yes"}}; });
  create("order-3", 300, [&](Summary& s) {
    s.definition = "refund";
    finish(s, "ABORTED");
  });
  create("trip-1", 400, [&](Summary& s) {
    s.mode = "tcc";
    s.paused = true;
    s.attempts = 4;
    s.error = "http.503: HTTP 503 Service Unavailable";
  });
  create("trip-2", 500, [&](Summary& s) { s.incidents = {MakeIncident("hotel", "timeout")}; });
  create("trip-2~car", 600, [&](Summary& s) { s.parent = Gid("trip-2"); });
  create("trip-3", 700, [&](Summary& s) {
    s.definition = "refund";
    s.labels = {{"team", "blue"}};
  });
  create("zoo", 800, [&](Summary& s) { s.status = "ABORTING"; });
}

template <class Change>
Gids Filtered(Journal& journal, Change change) {
  Filter filter;
  change(filter);
  return QueryAll(journal, filter);
}

JOURNAL_TEST_CASE("a list without a filter has everything, newest first") {
  TestType factory;
  const auto journal = factory.Open();
  CreateVaried(*journal);
  CHECK(QueryAll(*journal, {}) ==
        Gids{"zoo", "trip-3", "trip-2~car", "trip-2", "trip-1", "order-3", "order-2", "order-1"});
}

JOURNAL_TEST_CASE("each filter narrows by its own column") {
  TestType factory;
  const auto journal = factory.Open();
  CreateVaried(*journal);
  const auto filtered = [&](auto change) { return Filtered(*journal, change); };
  CHECK(filtered([](Filter& f) { f.status = "ACTIVE"; }) ==
        Gids{"trip-3", "trip-2~car", "trip-2", "trip-1", "order-2"});
  CHECK(filtered([](Filter& f) { f.status = "ABORTED"; }) == Gids{"order-3"});
  CHECK(filtered([](Filter& f) { f.status = "MIXED"; }).empty());
  CHECK(filtered([](Filter& f) { f.mode = "tcc"; }) == Gids{"trip-1"});
  CHECK(filtered([](Filter& f) { f.definition = "refund"; }) == Gids{"trip-3", "order-3"});
  CHECK(filtered([](Filter& f) { f.definition = "unheard-of"; }).empty());
  CHECK(filtered([](Filter& f) { f.label = {{"team", "red"}}; }) == Gids{"order-2"});
  CHECK(filtered([](Filter& f) { f.label = {{"team", "green"}}; }).empty());
  CHECK(filtered([](Filter& f) { f.incident = true; }) == Gids{"trip-2"});
  CHECK(filtered([](Filter& f) { f.incident = false; }).size() == 7);
  CHECK(filtered([](Filter& f) { f.gid_prefix = "trip-2"; }) == Gids{"trip-2~car", "trip-2"});
  CHECK(filtered([](Filter& f) { f.gid_prefix = "z"; }) == Gids{"zoo"});
  CHECK(filtered([](Filter& f) { f.gid_prefix = ""; }).size() == 8);
  CHECK(filtered([](Filter& f) { f.parent = Gid("trip-2"); }) == Gids{"trip-2~car"});
}

JOURNAL_TEST_CASE("what went wrong is found") {
  TestType factory;
  const auto journal = factory.Open();
  CreateVaried(*journal);
  const auto filtered = [&](auto change) { return Filtered(*journal, change); };
  CHECK(filtered([](Filter& f) { f.paused = true; }) == Gids{"trip-1"});
  CHECK(filtered([](Filter& f) { f.paused = false; }).size() == 7);
  CHECK(filtered([](Filter& f) { f.error = "SERVICE unavail"; }) == Gids{"trip-1"});
  CHECK(filtered([](Filter& f) { f.error = "nowhere"; }).empty());
  CHECK(filtered([](Filter& f) { f.attempts = 4; }) == Gids{"trip-1"});
  CHECK(filtered([](Filter& f) { f.attempts = 5; }).empty());
  CHECK(filtered([](Filter& f) { f.unchanged_since = InstantFromMicros(201); }) ==
        Gids{"order-2", "order-1"});
  const IncidentRow row = MakeIncident("hotel", "timeout");
  CHECK(filtered([&](Filter& f) { f.code = row.code; }) == Gids{"trip-2"});
  CHECK(filtered([&](Filter& f) { f.participant = row.participant; }) == Gids{"trip-2"});
  CHECK(filtered([&](Filter& f) {
          f.participant = row.participant;
          f.code = "another";
        }).empty());
}

JOURNAL_TEST_CASE("a step that waits for an operator is found, by any of its branches") {
  TestType factory;
  const auto journal = factory.Open();
  for (const char* branch : {"pay", "pay:12", "payout"}) {
    Summary summary = OpenSummary();
    summary.incidents = {MakeIncident(branch, "timeout")};
    Create(*journal, std::string("at-") + branch, summary);
  }
  const auto at = [&](const std::string& step) {
    return Filtered(*journal, [&](Filter& f) { f.step = step; });
  };
  CHECK(at("pay") == Gids{"at-pay:12", "at-pay"});
  CHECK(at("payout") == Gids{"at-payout"});
  CHECK(at("pay:12").empty());
}

// Changed and attempted in another order than created, two of them alike.
void CreateUneven(OwnedJournal& journal) {
  const auto create = [&journal](const std::string& gid, int64_t changed, uint32_t attempts) {
    Summary summary = OpenSummary(100);
    summary.updated_at = InstantFromMicros(changed);
    summary.attempts = attempts;
    summary.definition = attempts % 2 == 0 ? "even" : "odd";
    summary.error = gid == "c" ? "nothing" : "HTTP 503";
    Create(journal, gid, summary);
  };
  create("a", 500, 1);
  create("b", 300, 4);
  create("c", 900, 2);
  create("d", 300, 4);
  create("e", 700, 9);
}

Gids Sorted(Journal& journal, ListOrder order, const Filter& filter = {}, size_t limit = 1'000) {
  Gids gids;
  Page page;
  page.limit = limit;
  page.order = order;
  do {
    const Result<SummaryPage> found = journal.Query(filter, page);
    INFO(found.status());
    REQUIRE(found.ok());
    CHECK(found->rows.size() <= limit);
    for (const SummaryRow& row : found->rows) {
      gids.push_back(row.gid.str());
    }
    page.cursor = found->next_cursor;
  } while (!page.cursor.empty());
  return gids;
}

JOURNAL_TEST_CASE("a list stands in the order that is asked for, in pages of any size") {
  TestType factory;
  const auto journal = factory.Open();
  CreateUneven(*journal);
  const size_t limit = GENERATE(1, 2, 4, 5, 1'000);
  const auto sorted = [&](ListOrder order) { return Sorted(*journal, order, {}, limit); };
  CHECK(sorted(ListOrder::kNewest) == Gids{"e", "d", "c", "b", "a"});
  CHECK(sorted(ListOrder::kOldest) == Gids{"a", "b", "c", "d", "e"});
  CHECK(sorted(ListOrder::kChanged) == Gids{"c", "e", "a", "d", "b"});
  CHECK(sorted(ListOrder::kUnchanged) == Gids{"d", "b", "a", "e", "c"});
  CHECK(sorted(ListOrder::kAttempts) == Gids{"e", "d", "b", "c", "a"});
}

JOURNAL_TEST_CASE("what is sorted is what the filter lets through") {
  TestType factory;
  const auto journal = factory.Open();
  CreateUneven(*journal);
  const size_t limit = GENERATE(1, 2, 1'000);
  const auto sorted = [&](ListOrder order, auto change) {
    Filter filter;
    change(filter);
    return Sorted(*journal, order, filter, limit);
  };
  const auto even = [](Filter& f) { f.definition = "even"; };
  CHECK(sorted(ListOrder::kOldest, even) == Gids{"b", "c", "d"});
  CHECK(sorted(ListOrder::kUnchanged, even) == Gids{"d", "b", "c"});
  const auto failed = [](Filter& f) { f.error = "503"; };
  CHECK(sorted(ListOrder::kOldest, failed) == Gids{"a", "b", "d", "e"});
  CHECK(sorted(ListOrder::kChanged, failed) == Gids{"e", "a", "d", "b"});
  CHECK(sorted(ListOrder::kAttempts, [](Filter& f) { f.status = "ACTIVE"; }).size() == 5);
  CHECK(sorted(ListOrder::kAttempts, [](Filter& f) { f.since = InstantFromMicros(101); }).empty());
}

JOURNAL_TEST_CASE("more rows than may be sorted are refused, unless a filter leaves fewer") {
  TestType factory;
  const auto journal = factory.Open();
  CreateUneven(*journal);
  Page page;
  page.most_sorted = 4;
  for (const ListOrder order : {ListOrder::kNewest, ListOrder::kOldest}) {
    page.order = order;
    CHECK(journal->Query({}, page)->rows.size() == 5);
  }
  for (const ListOrder order : {ListOrder::kChanged, ListOrder::kUnchanged, ListOrder::kAttempts}) {
    page.order = order;
    const Result<SummaryPage> all = journal->Query({}, page);
    CHECK(all.status().code() == StatusCode::kInvalidArgument);
    CHECK(all.status().reason() == "query.sort_too_wide");
    Filter filter;
    filter.definition = "even";
    CHECK(journal->Query(filter, page)->rows.size() == 3);
  }
}

JOURNAL_TEST_CASE("a row that changes moves, and is where it belongs on the next page") {
  TestType factory;
  const auto journal = factory.Open();
  CreateUneven(*journal);
  Page page;
  page.limit = 2;
  page.order = ListOrder::kUnchanged;
  const Result<SummaryPage> first = journal->Query({}, page);
  REQUIRE(first.ok());
  Summary changed = OpenSummary();
  changed.updated_at = InstantFromMicros(950);
  REQUIRE(AppendAndWait(*journal, MakeAppend("d", 2, 1, changed)).ok());
  page.cursor = first->next_cursor;
  page.limit = 10;
  const Result<SummaryPage> second = journal->Query({}, page);
  REQUIRE(second.ok());
  Gids gids;
  for (const SummaryRow& row : second->rows) {
    gids.push_back(row.gid.str());
  }
  CHECK(gids == Gids{"a", "e", "c", "d"});
}

JOURNAL_TEST_CASE("since is inclusive and until is exclusive") {
  TestType factory;
  const auto journal = factory.Open();
  CreateVaried(*journal);
  const auto at = [](int64_t micros) { return InstantFromMicros(micros); };
  CHECK(Filtered(*journal, [&](Filter& f) { f.since = at(700); }) == Gids{"zoo", "trip-3"});
  CHECK(Filtered(*journal, [&](Filter& f) { f.until = at(300); }) == Gids{"order-2", "order-1"});
  CHECK(Filtered(*journal, [&](Filter& f) {
          f.since = at(300);
          f.until = at(500);
        }) == Gids{"trip-1", "order-3"});
  CHECK(Filtered(*journal, [&](Filter& f) { f.since = at(801); }).empty());
  CHECK(Filtered(*journal, [&](Filter& f) { f.until = at(100); }).empty());
}

JOURNAL_TEST_CASE("filters combine") {
  TestType factory;
  const auto journal = factory.Open();
  CreateVaried(*journal);
  CHECK(Filtered(*journal, [](Filter& f) {
          f.definition = "refund";
          f.status = "ACTIVE";
        }) == Gids{"trip-3"});
  CHECK(Filtered(*journal, [](Filter& f) {
          f.label = {{"team", "blue"}};
          f.status = "ABORTED";
        }).empty());
  CHECK(Filtered(*journal, [](Filter& f) {
          f.gid_prefix = "trip";
          f.mode = "saga";
          f.incident = false;
          f.since = InstantFromMicros(600);
          f.definition = "travel";
        }) == Gids{"trip-2~car"});
}

JOURNAL_TEST_CASE("a list follows the summary as it changes") {
  TestType factory;
  const auto journal = factory.Open();
  Create(*journal, "a");
  Summary stuck = OpenSummary();
  stuck.incidents = {MakeIncident("hotel", "timeout")};
  REQUIRE(AppendAndWait(*journal, MakeAppend("a", 2, 1, stuck)).ok());
  const auto with_incident = [&] {
    return Filtered(*journal, [](Filter& f) { f.incident = true; });
  };
  CHECK(with_incident() == Gids{"a"});
  CHECK(CountIncidents(*journal) == 1);
  stuck.incidents[0].code = "refused";
  REQUIRE(AppendAndWait(*journal, MakeAppend("a", 3, 1, stuck)).ok());
  CHECK(CountIncidents(*journal) == 1);
  CHECK(MustLoad(*journal, "a").summary.incidents[0].code == "refused");
  REQUIRE(AppendAndWait(*journal, MakeAppend("a", 4, 1, FinishedSummary())).ok());
  CHECK(with_incident().empty());
  CHECK(Filtered(*journal, [](Filter& f) { f.status = "ACTIVE"; }).empty());
  CHECK(Filtered(*journal, [](Filter& f) { f.status = "COMMITTED"; }) == Gids{"a"});
  CHECK(CountIncidents(*journal) == 0);
  CHECK(OpenGids(*journal).size() == 0);
  CHECK(QueryAll(*journal, {}).size() - OpenGids(*journal).size() == 1);
}

JOURNAL_TEST_CASE("a status that is open for one transaction and finished for another lists both") {
  TestType factory;
  const auto journal = factory.Open();
  Summary open = OpenSummary();
  open.status = "SAME";
  Summary finished = FinishedSummary();
  finished.status = "SAME";
  Create(*journal, "a", open);
  Create(*journal, "b", finished);
  Create(*journal, "c", open);
  CHECK(Filtered(*journal, [](Filter& f) { f.status = "SAME"; }) == Gids{"c", "b", "a"});
}

JOURNAL_TEST_CASE("pages join into the whole list, and the last one says so") {
  TestType factory;
  const auto journal = factory.Open();
  Gids expected;
  for (int i = 0; i < 25; ++i) {
    Summary summary = OpenSummary();
    summary.definition = i % 2 == 0 ? "even" : "odd";
    const std::string gid = "t" + std::to_string(i);
    Create(*journal, gid, summary);
    if (i % 2 == 0) {
      expected.insert(expected.begin(), gid);
    }
  }
  Filter filter;
  filter.definition = "even";
  const size_t limit = GENERATE(1, 3, 12, 13, 14, 1000);
  CHECK(QueryAll(*journal, filter, limit) == expected);
  const Result<SummaryPage> exact = journal->Query(filter, {13, ""});
  CHECK(exact->rows.size() == 13);
  CHECK(exact->next_cursor.empty());
}

JOURNAL_TEST_CASE("what is created between two pages does not disturb the second one") {
  TestType factory;
  const auto journal = factory.Open();
  for (const char* gid : {"a", "b", "c", "d"}) {
    Create(*journal, gid);
  }
  const Result<SummaryPage> first = journal->Query({}, {2, ""});
  REQUIRE(first->rows.size() == 2);
  CHECK(first->rows[0].gid == Gid("d"));
  Create(*journal, "e");
  const Result<SummaryPage> second = journal->Query({}, {2, first->next_cursor});
  REQUIRE(second->rows.size() == 2);
  CHECK(second->rows[0].gid == Gid("b"));
  CHECK(second->rows[1].gid == Gid("a"));
}

JOURNAL_TEST_CASE("a page is never larger than the limit of the product") {
  TestType factory;
  const auto journal = factory.Open();
  std::vector<TxnAppend> appends;
  for (size_t i = 0; i < limits::kMaxPageSize + 5; ++i) {
    appends.push_back(MakeAppend("t" + std::to_string(i), 1, 1, OpenSummary()));
  }
  Fill(*journal, std::move(appends));
  CHECK(journal->Query({}, {1'000'000, ""})->rows.size() == limits::kMaxPageSize);
  CHECK(journal->Query({}, {0, ""})->rows.size() == 1);
}

JOURNAL_TEST_CASE("a cursor that is not ours is refused") {
  TestType factory;
  const auto journal = factory.Open();
  const std::string cursor =
      GENERATE(as<std::string>(), "x", "t", "t0", "t-5", "t1x", "1", "t99999999999999999999");
  const Result<SummaryPage> page = journal->Query({}, {10, cursor});
  CHECK(page.status().code() == StatusCode::kInvalidArgument);
  CHECK(page.status().reason() == "query.bad_cursor");
}

JOURNAL_TEST_CASE("a cursor of another order is refused, and one that is cut short") {
  TestType factory;
  const auto journal = factory.Open();
  CreateUneven(*journal);
  Page page;
  page.limit = 1;
  page.order = GENERATE(ListOrder::kOldest, ListOrder::kChanged, ListOrder::kAttempts);
  const Result<SummaryPage> first = journal->Query({}, page);
  REQUIRE(first.ok());
  const auto reason = [&](const std::string& cursor, ListOrder order) {
    Page next = page;
    next.cursor = cursor;
    next.order = order;
    return journal->Query({}, next).status().reason();
  };
  CHECK(reason(first->next_cursor, page.order).empty());
  CHECK(reason(first->next_cursor, ListOrder::kNewest) == "query.bad_cursor");
  CHECK(reason(first->next_cursor, ListOrder::kUnchanged) == "query.bad_cursor");
  for (const char* cursor : {"c", "c5", "c5.", "c.5", "c5.0", "c5.x", "c5.5.5", "a", "o", "o0"}) {
    CHECK(reason(cursor, page.order) == "query.bad_cursor");
  }
}

JOURNAL_TEST_CASE("searching by time is exact across many transactions and clock jumps") {
  TestType factory;
  const auto journal = factory.Open();
  constexpr int kCount = 9'000;  // More than two eras of the SQLite store.
  std::vector<TxnAppend> appends;
  Gids late;
  for (int i = 0; i < kCount; ++i) {
    // Every thousandth was stamped by a clock that is far ahead.
    const bool ahead = i % 1'000 == 500;
    const std::string gid = "t~" + std::to_string(i);  // In one shard, to keep their order.
    appends.push_back(MakeAppend(gid, 1, 1, OpenSummary(ahead ? 1'000'000 + i : i)));
    if (ahead) {
      late.insert(late.begin(), gid);
    }
  }
  Fill(*journal, std::move(appends));
  const auto at = [](int64_t micros) { return InstantFromMicros(micros); };
  CHECK(Filtered(*journal, [&](Filter& f) { f.since = at(1'000'000); }) == late);
  CHECK(Filtered(*journal, [&](Filter& f) { f.until = at(3); }) == Gids{"t~2", "t~1", "t~0"});
  CHECK(Filtered(*journal, [&](Filter& f) {
          f.since = at(4'095);
          f.until = at(4'098);
        }) == Gids{"t~4097", "t~4096", "t~4095"});
  CHECK(Filtered(*journal, [&](Filter& f) {
          f.since = at(8'998);
          f.until = at(10'000);
        }) == Gids{"t~8999", "t~8998"});
}

}  // namespace
}  // namespace entente::storage
