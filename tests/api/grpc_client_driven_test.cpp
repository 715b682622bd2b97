#include <catch2/catch.hpp>

#include "tests/api/fixtures.h"
#include "tests/api/grpc_fixture.h"

namespace entente::api::test {
namespace {

TEST_CASE("gRPC begins a transaction and enlists a branch, and says whether each is new") {
  Grpc grpc;
  grpc.coordinator.AnswerWithView(EnlistedStory().View());
  pb::Transaction transaction;
  {
    grpc::ClientContext context;
    context.AddMetadata("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    pb::BeginTransactionRequest request;
    request.set_mode("tcc");
    request.set_time_limit("30s");
    REQUIRE(grpc.stub->BeginTransaction(&context, request, &transaction).ok());
    CHECK(CreatedTrailer(context) == "true");
    CHECK(grpc.coordinator.last_begin()->time_limit == std::chrono::seconds(30));
    CHECK_FALSE(grpc.coordinator.last_begin()->traceparent.empty());
  }
  CHECK(transaction.client_driven());
  CHECK(transaction.branches(0).blocked_by() == "client");

  grpc.coordinator.AnswerWithView(EnlistedStory().View(), /*created=*/false);
  grpc::ClientContext context;
  pb::EnlistBranchRequest request;
  request.set_gid("enlisted-1");
  request.set_branch(R"({"id":"flight"})");
  REQUIRE(grpc.stub->EnlistBranch(&context, request, &transaction).ok());
  CHECK(CreatedTrailer(context) == "false");
  CHECK(grpc.coordinator.last_text() == R"(enlisted-1|{"id":"flight"})");
}

TEST_CASE("the mistakes of a begin and of a branch come over gRPC too") {
  Grpc grpc;
  pb::Transaction transaction;
  {
    grpc::ClientContext context;
    pb::BeginTransactionRequest request;
    request.set_gid("-bad");
    request.set_time_limit("2d");
    const grpc::Status status = grpc.stub->BeginTransaction(&context, request, &transaction);
    CHECK(status.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
    CHECK(ProblemOf(status).violations_size() == 3);
    CHECK(grpc.coordinator.mutations() == 0);
  }
  grpc.coordinator.AnswerWithFailure(InvalidArgument("branch.invalid", "the branch has a problem"),
                                     {{"/id", 2, 3, "branch.bad_name", "not a name", "flight"}});
  grpc::ClientContext context;
  pb::EnlistBranchRequest request;
  request.set_gid("enlisted-1");
  request.set_branch("{}");
  const grpc::Status status = grpc.stub->EnlistBranch(&context, request, &transaction);
  CHECK(status.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
  const pb::Problem problem = ProblemOf(status);
  CHECK(problem.status() == 400);
  REQUIRE(problem.problems_size() == 1);
  CHECK(problem.problems(0).line() == 2);
}

TEST_CASE("gRPC commits, aborts and asks for the decision") {
  Grpc grpc;
  grpc.coordinator.AnswerWithView(HeuristicStory().View());
  pb::Transaction transaction;
  {
    grpc::ClientContext context;
    pb::CommitTransactionRequest request;
    request.set_gid("t1");
    request.set_wait("2s");
    REQUIRE(grpc.stub->CommitTransaction(&context, request, &transaction).ok());
    CHECK(transaction.status() == "COMMITTING");
    CHECK(transaction.branches(1).heuristic() == "rolled-back");
    CHECK(grpc.coordinator.last_text() == "t1|commit");
    CHECK(grpc.coordinator.last_wait() == std::chrono::seconds(2));
  }
  {
    grpc.coordinator.AnswerWithView(EnlistedStory().View());
    grpc::ClientContext context;
    pb::AbortTransactionRequest request;
    request.set_gid("t1");
    request.set_reason("sold out");
    REQUIRE(grpc.stub->AbortTransaction(&context, request, &transaction).ok());
    CHECK(grpc.coordinator.last_text() == "t1|abort|anonymous|sold out");
    CHECK_FALSE(grpc.coordinator.last_wait());
  }
  const auto ask = [&grpc](const std::string& gid, pb::Decision* decision) {
    grpc::ClientContext context;
    pb::GetDecisionRequest request;
    request.set_gid(gid);
    return grpc.stub->GetDecision(&context, request, decision);
  };
  grpc.coordinator.AnswerWithView(HeuristicStory().View());
  pb::Decision decision;
  REQUIRE(ask("t1", &decision).ok());
  CHECK(decision.decision() == "committed");
  CHECK(decision.known());
  CHECK(decision.coordinator() == grpc.coordinator.id());

  grpc.coordinator.AnswerWithFailure(NotFound("transaction.not_found", "no such transaction"));
  REQUIRE(ask("t1", &decision).ok());
  CHECK(decision.decision() == "aborted");
  CHECK_FALSE(decision.known());
  CHECK(ask("", &decision).error_code() == grpc::StatusCode::INVALID_ARGUMENT);

  grpc.coordinator.AnswerWithFailure(Unavailable("store.unavailable", "not now"));
  CHECK(ask("t1", &decision).error_code() == grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace entente::api::test
