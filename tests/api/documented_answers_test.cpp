// The tables of docs/api.md that say what an answer means, row by row.
#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "coordinator/api/problem.h"
#include "tests/api/fixtures.h"
#include "tests/api/http_client.h"
#include "tests/support/documented_table.h"

namespace entente::api::test::documented {
namespace {

using ::entente::test::Cells;

std::vector<Cells> TableBelow(const std::string& heading) {
  return ::entente::test::TableBelow("docs/api.md", heading);
}

// The numbers of three digits in a cell.
std::set<int> StatusesIn(const std::string& cell) {
  std::set<int> statuses;
  std::istringstream words(cell);
  for (std::string word; words >> word;) {
    std::erase_if(word, [](char c) { return c == '`' || c == ','; });
    if (word.size() == 3 && word.find_first_not_of("0123456789") == std::string::npos) {
      statuses.insert(std::stoi(word));
    }
  }
  return statuses;
}

constexpr const char* kPlain = R"({"definition":"trip"})";
constexpr const char* kWaiting = R"({"definition":"trip","wait":"1s"})";

Answer Failing(const Status& status, const std::string& path = "/v1/transactions",
               const char* body = kPlain) {
  RestServer server;
  server.coordinator.AnswerWithFailure(status);
  return server.Post(path, body);
}

Answer Showing(const Story& story, bool created, const std::string& path, const char* body) {
  RestServer server;
  server.coordinator.AnswerWithView(story.View(), created);
  return server.Post(path, body);
}

// What can be answered with each status that the table of a submit names.
std::map<int, std::vector<Answer>> SubmitAnswers() {
  const std::string path = "/v1/transactions";
  std::map<int, std::vector<Answer>> answers;
  answers[201] = {Showing(Story("t"), true, path, kPlain)};
  answers[200] = {Showing(CommittedStory(), true, path, kWaiting),
                  Showing(Story("t"), false, path, kPlain)};
  answers[202] = {Showing(Story("t"), true, path, kWaiting)};
  answers[409] = {Failing(AlreadyExists("transaction.content_differs", "taken"))};
  answers[404] = {Failing(NotFound("definition.not_found", "none")),
                  Failing(NotFound("definition.child_not_found", "none"))};
  answers[422] = {Failing(InvalidArgument("input.invalid", "wrong")),
                  Failing(InvalidArgument("input.deadline_invalid", "wrong")),
                  Failing(InvalidArgument("definition.recursive", "for ever")),
                  Failing(InvalidArgument("definition.too_deep", "too deep")),
                  Failing(InvalidArgument("definition.invalid", "wrong"))};
  answers[429] = {Failing(ResourceExhausted("coordinator.overloaded", "full"))};
  answers[503] = {Failing(Unavailable("coordinator.draining", "stops"))};
  answers[504] = {Failing(UnknownOutcome("store.unknown_outcome", "perhaps"))};
  return answers;
}

TEST_CASE("what docs/api.md says of a submit's answers is how it is answered") {
  const auto answers = SubmitAnswers();
  std::set<int> documented;
  for (const Cells& row : TableBelow("## Submit and wait")) {
    for (const int status : StatusesIn(row[0])) {
      CAPTURE(row[0], row[1], status);
      documented.insert(status);
      REQUIRE(answers.contains(status));
      for (const Answer& answer : answers.at(status)) {
        CHECK(answer.status == status);
        CHECK(answer.Header("Retry-After").empty() != (status == 429 || status == 503));
      }
    }
  }
  CHECK(documented.size() == answers.size());
}

TEST_CASE("what docs/api.md says of a client-driven transaction's answers is how it is answered") {
  const std::string one = "/v1/transactions/t";
  const auto begin = [](const Story& story, bool created) {
    return Showing(story, created, "/v1/transactions:begin", R"({"mode":"tcc"})").status;
  };
  const auto enlist = [&one](bool created) {
    return Showing(EnlistedStory(), created, one + "/branches", R"({"id":"flight"})").status;
  };
  const auto decide = [&one](const Story& story) {
    return Showing(story, false, one + ":commit", R"({"wait":"1s"})").status;
  };
  const auto refused = [&one](const char* path, const char* body, const Status& status) {
    return Failing(status, std::string(path).starts_with("/v1") ? path : one + path, body).status;
  };
  // By the row, and by the column's status.
  const std::map<std::pair<std::string, int>, std::vector<int>> answers = {
      {{"begin", 201}, {begin(EnlistedStory(), true)}},
      {{"begin", 200}, {begin(EnlistedStory(), false)}},
      {{"begin", 409},
       {refused("/v1/transactions:begin", R"({"mode":"tcc"})",
                AlreadyExists("transaction.content_differs", "taken"))}},
      {{"enlist", 201}, {enlist(true)}},
      {{"enlist", 200}, {enlist(false)}},
      {{"enlist", 409},
       {refused("/branches", R"({"id":"a"})", AlreadyExists("branch.content_differs", "other")),
        refused("/branches", R"({"id":"a"})",
                FailedPrecondition("transaction.committing", "too late"))}},
      {{"commit, abort", 200}, {decide(CommittedStory()), decide(AbortedStory())}},
      {{"commit, abort", 202}, {decide(EnlistedStory())}},
      {{"commit, abort", 409},
       {refused(":commit", "{}", FailedPrecondition("transaction.aborted", "no")),
        refused(":abort", "{}", FailedPrecondition("transaction.committing", "no")),
        refused(":commit", "{}", FailedPrecondition("transaction.not_client_driven", "no"))}},
  };
  constexpr int kColumns[] = {201, 200, 202, 409};
  size_t documented = 0;
  for (const Cells& row : TableBelow("## Transactions that a client drives")) {
    for (size_t column = 0; column < std::size(kColumns); ++column) {
      const std::string cell = row.size() > column + 1 ? row[column + 1] : "";
      if (cell.empty()) {
        continue;
      }
      CAPTURE(row[0], cell);
      ++documented;
      const auto found = answers.find({row[0], kColumns[column]});
      REQUIRE(found != answers.end());
      for (const int status : found->second) {
        CHECK(status == kColumns[column]);
      }
    }
  }
  CHECK(documented == answers.size());
}

TEST_CASE("what docs/api.md says a decision may be is what is told") {
  std::map<std::string, Story> stories;
  stories.emplace("`committed`", CommittedStory());
  stories.emplace("`aborted`", AbortedStory());
  stories.emplace("`undecided`", EnlistedStory());
  const std::vector<Cells> rows = TableBelow("### What was decided");
  CHECK(rows.size() == stories.size());
  for (const Cells& row : rows) {
    CAPTURE(row[0]);
    const auto story = stories.find(row[0]);
    REQUIRE(story != stories.end());
    RestServer server;
    server.coordinator.AnswerWithView(story->second.View());
    const Answer answer = server.Get("/v1/transactions/t/decision");
    CHECK("`" + answer.Document()["decision"].get<std::string>() + "`" == row[0]);
  }
}

// By what the first cell of the errors' table begins with.
const std::vector<std::pair<std::string, std::vector<Status>>>& Errors() {
  static const std::vector<std::pair<std::string, std::vector<Status>>> kErrors = {
      {"the request, or an enlisted branch, is wrong",
       {InvalidArgument("request.invalid", ""), InvalidArgument("branch.invalid", "")}},
      {"the definition or the input is wrong",
       {InvalidArgument("definition.invalid", ""), InvalidArgument("input.invalid", ""),
        InvalidArgument("definition.recursive", ""),
        InvalidArgument("signal.payload_invalid", "")}},
      {"a payload or a body is too large",
       {InvalidArgument("payload.too_large", ""), InvalidArgument("json.too_large", ""),
        InvalidArgument("definition.too_large", "")}},
      {"it is not known who asks", {{StatusCode::kUnauthenticated, "token.missing", ""}}},
      {"who asks may not", {{StatusCode::kPermissionDenied, "access.denied", ""}}},
      {"not found",
       {NotFound("transaction.not_found", ""), NotFound("definition.child_not_found", ""),
        NotFound("signal.not_found", "")}},
      {"the gid, or a branch's id, is taken by other content",
       {AlreadyExists("transaction.content_differs", "")}},
      {"another revision is current", {Conflict("transaction.revision_mismatch", "")}},
      {"the state forbids it",
       {FailedPrecondition("transaction.finished", ""), FailedPrecondition("signal.too_late", ""),
        FailedPrecondition("completion.too_late", ""),
        FailedPrecondition("completion.content_differs", "")}},
      {"overloaded", {ResourceExhausted("coordinator.overloaded", "")}},
      {"not now", {Unavailable("coordinator.draining", "")}},
      {"it may have been done", {UnknownOutcome("store.unknown_outcome", "")}},
      {"not in time", {DeadlineExceeded("request.timeout", "")}},
      {"our own defect", {Internal("defect", ""), DataLoss("journal.damaged", "")}},
  };
  return kErrors;
}

std::string GrpcName(int code) {
  static const std::map<int, std::string> kNames = {
      {2, "UNKNOWN"},        {3, "INVALID_ARGUMENT"},   {4, "DEADLINE_EXCEEDED"},
      {5, "NOT_FOUND"},      {7, "PERMISSION_DENIED"},  {16, "UNAUTHENTICATED"},
      {6, "ALREADY_EXISTS"}, {8, "RESOURCE_EXHAUSTED"}, {9, "FAILED_PRECONDITION"},
      {10, "ABORTED"},       {13, "INTERNAL"},          {14, "UNAVAILABLE"},
      {15, "DATA_LOSS"}};
  return "`" + kNames.at(code) + "`";
}

TEST_CASE("what docs/api.md says of errors is how they are told over both protocols") {
  std::vector<Cells> rows = TableBelow("## Errors");
  // Without a status over HTTP nobody answered.
  std::erase_if(rows, [](const Cells& row) { return row.size() > 1 && row[1].empty(); });
  CHECK(rows.size() == Errors().size());
  for (const Cells& row : rows) {
    CAPTURE(row[0]);
    REQUIRE(row.size() >= 3);
    const auto found = std::find_if(Errors().begin(), Errors().end(), [&row](const auto& one) {
      return row[0].starts_with(one.first);
    });
    REQUIRE(found != Errors().end());
    for (const Status& status : found->second) {
      CAPTURE(status.reason());
      CHECK(std::to_string(HttpStatusOf(status)) == row[1]);
      CHECK_THAT(row[2], Catch::Contains(GrpcName(GrpcCodeOf(status))));
    }
  }
}

}  // namespace
}  // namespace entente::api::test::documented
