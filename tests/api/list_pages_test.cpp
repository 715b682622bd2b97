// Pages of branches and of participants, as they come over REST and gRPC.
#include <set>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "coordinator/api/grpc/grpc_fit.h"
#include "coordinator/api/grpc/proto_codec.h"
#include "coordinator/api/list_pages.h"
#include "tests/api/fixtures.h"
#include "tests/api/grpc_fixture.h"
#include "tests/api/http_client.h"

namespace entente::api::test {
namespace {

runtime::ParticipantStats Called(const std::string& address, const std::string& name = "p",
                                 uint64_t calls = 0) {
  runtime::ParticipantStats stats;
  stats.address = address;
  stats.name = name;
  stats.calls = calls;
  return stats;
}

// What follows `cursor`, and then nothing more to come.
ParticipantPage Follow(const std::vector<runtime::ParticipantStats>& all, size_t limit,
                       const std::string& cursor) {
  Outcome<ParticipantPage> page = PageOf(all, {limit, cursor});
  REQUIRE(std::holds_alternative<ParticipantPage>(page));
  return std::get<ParticipantPage>(std::move(page));
}

std::vector<std::string> AddressesOf(const ParticipantPage& page) {
  std::vector<std::string> addresses;
  for (size_t i = page.first; i < page.first + page.count; ++i) {
    addresses.push_back(page.all[i].address);
  }
  return addresses;
}

TEST_CASE("participants come by address, each once, whatever the size of the pages") {
  // Of one address some differ in nothing that a cursor could tell, some beyond what it holds.
  const std::string shared(600, 'x');
  std::vector<runtime::ParticipantStats> all{
      Called("c"),         Called("a"),          Called("b", "p", 1), Called("b", "p", 2),
      Called("b", "p", 3), Called(shared + "1"), Called(shared + "2")};
  for (const size_t limit : {1, 2, 3, 7, 50}) {
    std::multiset<std::string> seen;
    std::set<uint64_t> calls;
    std::string cursor;
    size_t pages = 0;
    do {
      const ParticipantPage page = Follow(all, limit, cursor);
      for (size_t i = page.first; i < page.first + page.count; ++i) {
        seen.insert(page.all[i].address);
        calls.insert(page.all[i].calls);
      }
      cursor = page.next_cursor;
      REQUIRE(++pages <= 8);
    } while (!cursor.empty());
    CHECK(seen.size() == all.size());
    CHECK(seen.count("b") == 3);
    CHECK(calls.size() == 4);
  }
}

TEST_CASE("a participant that comes or goes between two pages makes no other one be passed over") {
  const std::string cursor =
      Follow({Called("a"), Called("b"), Called("c"), Called("d")}, 2, "").next_cursor;  // After b.
  using Addresses = std::vector<std::string>;
  CHECK(AddressesOf(Follow({Called("a"), Called("c"), Called("d")}, 9, cursor)) ==
        Addresses{"c", "d"});
  CHECK(AddressesOf(Follow({Called("b"), Called("c"), Called("d")}, 9, cursor)) ==
        Addresses{"c", "d"});
  CHECK(AddressesOf(Follow({Called("0"), Called("a"), Called("b"), Called("bb"), Called("c")}, 9,
                           cursor)) == Addresses{"bb", "c"});
  CHECK(Follow({}, 9, cursor).count == 0);
}

std::vector<std::string> FollowDefinitions(std::vector<storage::DefinitionRow> all, bool versions,
                                           size_t limit) {
  std::vector<std::string> seen;
  std::string cursor;
  do {
    const Outcome<DefinitionPage> page = PageOf(all, versions, {limit, cursor});
    REQUIRE(std::holds_alternative<DefinitionPage>(page));
    const auto& shown = std::get<DefinitionPage>(page);
    CHECK(shown.rows.size() <= limit);
    for (const storage::DefinitionRow& row : shown.rows) {
      seen.push_back(row.name + ":" + std::to_string(row.version));
    }
    cursor = shown.next_cursor;
  } while (!cursor.empty());
  return seen;
}

TEST_CASE("definitions come by name, and versions newest first, each once") {
  const auto row = [](const std::string& name, uint32_t version) {
    storage::DefinitionRow made;
    made.name = name;
    made.version = version;
    return made;
  };
  const size_t limit = GENERATE(1, 2, 3, 4, 50);
  CHECK(FollowDefinitions({row("b", 2), row("a", 9), row("~inline-1", 1), row("a.b", 1)}, false,
                          limit) == std::vector<std::string>{"a:9", "a.b:1", "b:2", "~inline-1:1"});
  CHECK(FollowDefinitions({row("a", 3), row("a", 1), row("a", 12)}, true, limit) ==
        std::vector<std::string>{"a:12", "a:3", "a:1"});
}

TEST_CASE("dead letters come by id, each once, whatever the size of the pages") {
  const auto letter = [](const std::string& id) {
    DeadLetter made;
    made.id = id;
    return made;
  };
  const size_t limit = GENERATE(1, 2, 3, 50);
  std::vector<std::string> seen;
  std::string cursor;
  do {
    const Outcome<DeadLetterPage> page =
        PageOf({letter("b:2"), letter("a:10"), letter("a:9")}, {limit, cursor});
    REQUIRE(std::holds_alternative<DeadLetterPage>(page));
    for (const DeadLetter& each : std::get<DeadLetterPage>(page).rows) {
      seen.push_back(each.id);
    }
    cursor = std::get<DeadLetterPage>(page).next_cursor;
  } while (!cursor.empty());
  CHECK(seen == std::vector<std::string>{"a:10", "a:9", "b:2"});
  CHECK(std::holds_alternative<Error>(PageOf({letter("a")}, {10, "xyz"})));
}

TEST_CASE("a cursor that is of no such list is refused") {
  for (const std::string cursor : {"x", ".1", "61", "6.1", "61.", "61.x", "6g.1", "61.99999999999",
                                   "t5", "-1.1", "1", "1.-1"}) {
    CAPTURE(cursor);
    const Outcome<ParticipantPage> participants = PageOf({Called("a")}, {10, cursor});
    const bool refused = std::holds_alternative<Error>(participants);
    CHECK(refused);
    if (cursor != "61.99999999999" && refused) {
      CHECK(std::get<Error>(participants).status.reason() == "query.bad_cursor");
    }
  }
  for (const std::string cursor : {"x", "1", ".1", "1.", "x.1", "1.x", "t5", "99999999999.1"}) {
    CAPTURE(cursor);
    const Outcome<BranchPage> branches = PageOf({CommittedStory().View(), {}}, {10, cursor});
    REQUIRE(std::holds_alternative<Error>(branches));
    CHECK(std::get<Error>(branches).status.reason() == "query.bad_cursor");
  }
}

// Of the trip, whose second step has so many rooms.
Story WithRooms(size_t rooms) {
  Story story;
  story.Then(engine::StepExpanded{0, "flight", false, {}})
      .Then(engine::StepExpanded{1, "rooms", true, std::vector<JsonText>(rooms, Json(1))});
  return story;
}

TEST_CASE("the branches of a transaction of very many come in pages only") {
  const size_t rooms = limits::kMaxBranchesShown;
  RestServer server;
  server.coordinator.AnswerWithView(WithRooms(rooms - 5).View());
  Json document = server.Get("/v1/transactions/t1").Document();
  CHECK(document["branchCount"] == rooms);  // Five steps beside the rooms.
  CHECK(document["branches"].size() == rooms);
  CHECK_FALSE(document.contains("leftOut"));

  server.coordinator.AnswerWithView(WithRooms(rooms).View());
  document = server.Get("/v1/transactions/t1").Document();
  CHECK(document["branchCount"] == rooms + 5);
  CHECK_FALSE(document.contains("branches"));
  CHECK(document["leftOut"] == Json::array({"branches"}));

  std::vector<std::string> ids;
  std::string cursor;
  do {
    const Json page = server.Get("/v1/transactions/t1/branches?limit=100" + cursor).Document();
    CHECK(page["branches"].size() <= 100);
    CHECK(page["branchCount"] == rooms + 5);
    CHECK(page["revision"] == 3);
    for (const Json& branch : page["branches"]) {
      ids.push_back(branch["id"]);
    }
    cursor = page.contains("nextCursor") ? "&cursor=" + page["nextCursor"].get<std::string>() : "";
  } while (!cursor.empty() && ids.size() < 2 * rooms);
  REQUIRE(ids.size() == rooms + 5);
  CHECK(ids.front() == "flight");
  CHECK(ids[1] == "rooms:0");
  CHECK(ids[rooms] == "rooms:" + std::to_string(rooms - 1));
  CHECK(ids.back() == "pay");
  CHECK(std::set<std::string>(ids.begin(), ids.end()).size() == ids.size());

  CHECK(server.Get("/v1/transactions/t1/branches?limit=1001").status == 400);
  CHECK(server.Get("/v1/transactions/t1/branches?cursor=x").status == 400);
  CHECK(server.Get("/v1/transactions/t1/branches?cursor=99.0").Document()["branches"].empty());
}

TEST_CASE("a page of branches goes on where it ended although a step before it expanded") {
  Story story;
  story.Then(engine::StepExpanded{0, "flight", false, {}});
  const Outcome<BranchPage> first = PageOf({story.View(), {}}, {2, ""});  // The rooms are one.
  const std::string cursor = std::get<BranchPage>(first).next_cursor;
  const BranchPage second = std::get<BranchPage>(PageOf({WithRooms(30).View(), {}}, {50, cursor}));
  CHECK(second.first.step == 2);
  CHECK(second.next_cursor.empty());
}

TEST_CASE("a page of branches over gRPC has what fits, and the next one the rest") {
  const JsonText large(Json(std::string(900'000, 'x')));
  Story story = WithRooms(10);
  for (int i = 0; i < 10; ++i) {
    const BranchId room("rooms:" + std::to_string(i));
    story.Then(engine::OperationStarted{room, engine::Role::kForward, 0, std::nullopt, false})
        .Then(engine::OperationSucceeded{room, large, false});
  }
  Grpc grpc;
  grpc.coordinator.AnswerWithView(story.View());
  pb::ListBranchesRequest request;
  request.set_gid("t1");
  std::vector<std::string> ids;
  size_t outputs = 0;
  size_t pages = 0;
  do {
    grpc::ClientContext context;
    pb::ListBranchesResponse page;
    REQUIRE(grpc.stub->ListBranches(&context, request, &page).ok());
    CHECK(page.ByteSizeLong() <= limits::kMaxGrpcAnswerBytes);
    for (const pb::Branch& branch : page.branches()) {
      ids.push_back(branch.id());
      outputs += branch.has_output() ? 1 : 0;
    }
    request.set_cursor(page.next_cursor());
    REQUIRE(++pages < 20);
  } while (!request.cursor().empty());
  CHECK(pages == 3);
  CHECK(ids.size() == 15);
  CHECK(std::set<std::string>(ids.begin(), ids.end()).size() == 15);
  CHECK(outputs == 10);
}

TEST_CASE("a page of participants over gRPC has what fits") {
  pb::ListParticipantsResponse list;
  for (int i = 0; i < 10; ++i) {
    list.add_participants()->set_address(std::string(900'000, 'x'));
  }
  FitParticipants(&list);
  CHECK(list.participants_size() == 4);
  CHECK(list.ByteSizeLong() <= limits::kMaxGrpcAnswerBytes);
}

}  // namespace
}  // namespace entente::api::test
