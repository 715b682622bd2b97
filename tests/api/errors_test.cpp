#include <catch2/catch.hpp>

#include "coordinator/api/problem.h"
#include "tests/api/http_client.h"

namespace entente::api::test {
namespace {

struct Expectation {
  Status status;
  int http;
  int grpc;
};

std::vector<Expectation> Expectations() {
  return {
      {InvalidArgument("gid.invalid", "x"), 400, 3},
      {InvalidArgument("definition.invalid", "x"), 422, 3},
      {InvalidArgument("input.invalid", "x"), 422, 3},
      {InvalidArgument("payload.too_large", "x"), 413, 8},
      {NotFound("transaction.not_found", "x"), 404, 5},
      {NotFound("definition.not_found", "x"), 404, 5},
      {AlreadyExists("transaction.content_differs", "x"), 409, 6},
      {Conflict("transaction.revision_mismatch", "x"), 409, 10},
      {FailedPrecondition("transaction.finished", "x"), 409, 9},
      {ResourceExhausted("overloaded", "x"), 429, 8},
      {Unavailable("store.unavailable", "x"), 503, 14},
      {UnknownOutcome("store.unknown_outcome", "x"), 504, 2},
      {DeadlineExceeded("too.late", "x"), 504, 4},
      {DataLoss("store.corrupt", "x"), 500, 15},
      {Internal("bug", "x"), 500, 13},
      {Status(StatusCode::kUnauthenticated, "auth.required", "x"), 401, 16},
      {Status(StatusCode::kPermissionDenied, "auth.role", "x"), 403, 7},
  };
}

TEST_CASE("each failure has one HTTP and one gRPC status") {
  for (const Expectation& expected : Expectations()) {
    CAPTURE(expected.status.ToString());
    CHECK(HttpStatusOf(expected.status) == expected.http);
    CHECK(GrpcCodeOf(expected.status) == expected.grpc);
  }
}

TEST_CASE("a failure is a problem document") {
  RestServer server;
  for (const Expectation& expected : Expectations()) {
    CAPTURE(expected.status.ToString());
    server.coordinator.AnswerWithFailure(expected.status);
    const Answer answer = server.Get("/v1/transactions/t1?wait=1s");
    CHECK(answer.status == expected.http);
    CHECK(answer.Header("Content-Type") == "application/problem+json");
    const Json problem = answer.Document();
    CHECK(problem["status"] == expected.http);
    CHECK(problem["code"] == expected.status.reason());
    CHECK(problem["type"] == "urn:entente:problem:" + expected.status.reason());
    CHECK(problem["instance"] == "/v1/transactions/t1");
    CHECK_FALSE(problem["title"].get<std::string>().empty());
    const bool retryable = expected.http == 429 || expected.http == 503;
    CHECK(answer.Header("Retry-After") == (retryable ? "1" : ""));
  }
}

TEST_CASE("our own defects are told to the log and not to the client") {
  std::string logged;
  RestOptions options;
  options.on_defect = [&logged](const Status& status, const std::string& target) {
    logged = target + ": " + status.ToString();
  };
  RestServer server(std::move(options));
  server.coordinator.AnswerWithFailure(DataLoss("store.corrupt", "secret page 12"));
  const Answer answer = server.Get("/v1/transactions/t1");
  server.Close();  // The server's thread has ended: `logged` may be read.
  CHECK(answer.status == 500);
  CHECK(answer.body.find("secret") == std::string::npos);
  CHECK(answer.Document()["code"] == "store.corrupt");
  CHECK(logged == "/v1/transactions/t1: data_loss store.corrupt: secret page 12");
}

TEST_CASE("a gid that can not exist is not looked up") {
  RestServer server;
  CHECK(server.Get("/v1/transactions/" + std::string(8000, 'x')).status == 404);
  CHECK(server.coordinator.last_text().empty());
}

}  // namespace
}  // namespace entente::api::test
