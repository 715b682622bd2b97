#include <algorithm>
#include <limits>
#include <thread>

#include <catch2/catch.hpp>

#include "base/limits.h"
#include "tests/api/fixtures.h"
#include "tests/api/grpc_fixture.h"

namespace entente::api::test {
namespace {

std::vector<uint32_t> ReadToEnd(grpc::ClientReader<pb::TransactionEvent>& reader) {
  std::vector<uint32_t> revisions;
  pb::TransactionEvent event;
  while (reader.Read(&event)) {
    revisions.push_back(event.entry().revision());
  }
  return revisions;
}

TEST_CASE("gRPC submits a transaction and says whether it was created") {
  Grpc grpc;
  pb::SubmitTransactionRequest request;
  request.set_definition("trip");
  request.set_gid("g1");
  (*request.mutable_labels())["team"] = "travel";
  request.mutable_input()->set_string_value("hello");
  request.set_wait("1s");
  grpc::ClientContext context;
  context.AddMetadata("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  pb::Transaction transaction;
  const grpc::Status status = grpc.stub->SubmitTransaction(&context, request, &transaction);
  REQUIRE(status.ok());
  CHECK(transaction.gid() == "committed-1");
  CHECK(transaction.branches_size() == 7);
  CHECK(CreatedTrailer(context) == "true");

  const auto submit = grpc.coordinator.last_submit();
  CHECK(submit->gid == Gid("g1"));
  CHECK(submit->input == Json("hello"));
  REQUIRE(submit->wait.has_value());
  CHECK(submit->wait->at_most == std::chrono::seconds(1));
  CHECK(submit->traceparent == "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
}

TEST_CASE("a failure over gRPC has the matching code and the problem as its detail") {
  Grpc grpc;
  grpc.coordinator.AnswerWithFailure(FailedPrecondition("transaction.finished", "it has ended"));
  grpc::ClientContext context;
  pb::CancelTransactionRequest request;
  request.set_gid("t1");
  pb::Transaction transaction;
  const grpc::Status status = grpc.stub->CancelTransaction(&context, request, &transaction);
  CHECK(status.error_code() == grpc::StatusCode::FAILED_PRECONDITION);
  CHECK(status.error_message() == "transaction.finished: it has ended");
  const pb::Problem problem = ProblemOf(status);
  CHECK(problem.code() == "transaction.finished");
  CHECK(problem.status() == 409);
  CHECK(problem.detail() == "it has ended");
}

TEST_CASE("every mistake of a gRPC request is told at once") {
  Grpc grpc;
  grpc::ClientContext context;
  pb::SubmitTransactionRequest request;
  request.set_gid("-bad");
  request.set_deadline("soon");
  pb::Transaction transaction;
  const grpc::Status status = grpc.stub->SubmitTransaction(&context, request, &transaction);
  CHECK(status.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
  CHECK(ProblemOf(status).violations_size() == 3);
  CHECK(grpc.coordinator.mutations() == 0);
}

TEST_CASE("an empty gid over gRPC is a mistake, and none at all is not") {
  Grpc grpc;
  pb::SubmitTransactionRequest request;
  request.set_definition("trip");
  pb::Transaction transaction;
  grpc::ClientContext without;
  CHECK(grpc.stub->SubmitTransaction(&without, request, &transaction).ok());
  request.set_gid("");
  grpc::ClientContext empty;
  CHECK(grpc.stub->SubmitTransaction(&empty, request, &transaction).error_code() ==
        grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_CASE("NaN and Infinity are refused with the field that holds them") {
  Grpc grpc;
  for (const double number :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
        -std::numeric_limits<double>::infinity()}) {
    grpc::ClientContext context;
    pb::SubmitTransactionRequest request;
    request.set_definition("trip");
    auto& list = *request.mutable_input()->mutable_list_value();
    (*list.add_values()->mutable_struct_value()->mutable_fields())["n"].set_number_value(number);
    pb::Transaction transaction;
    const grpc::Status status = grpc.stub->SubmitTransaction(&context, request, &transaction);
    CHECK(status.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
    CHECK(ProblemOf(status).violations(0).field() == "input");

    grpc::ClientContext second;
    pb::SignalTransactionRequest signal;
    signal.set_gid("t1");
    signal.set_name("n");
    signal.mutable_payload()->set_number_value(number);
    CHECK(ProblemOf(grpc.stub->SignalTransaction(&second, signal, &transaction))
              .violations(0)
              .field() == "payload");
  }
  CHECK(grpc.coordinator.mutations() == 0);
}

TEST_CASE("more mistakes than metadata may hold are cut, and the call still fails properly") {
  Grpc grpc;
  grpc.coordinator.AnswerWithFailure(
      InvalidArgument("definition.invalid", std::string(20'000, 'm')),
      std::vector<dsl::Problem>(
          200, {"/steps/0", 1, 1, "definition.unknown_field", std::string(200, 'x'), ""}));
  grpc::ClientContext context;
  pb::PutDefinitionRequest request;
  request.set_name("x");
  request.set_source("{}");
  pb::Definition definition;
  const grpc::Status status = grpc.stub->PutDefinition(&context, request, &definition);
  CHECK(status.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
  const int shown = ProblemOf(status).problems_size();
  CHECK(shown > 0);
  CHECK(shown < 200);

  grpc::ClientContext again;
  pb::ValidateDefinitionRequest validate;
  validate.set_source("{}");
  pb::ValidateDefinitionResponse all;
  REQUIRE(grpc.stub->ValidateDefinition(&again, validate, &all).ok());
  CHECK(all.problems_size() == 200);
}

TEST_CASE("a message larger than the limit is refused") {
  Grpc grpc;
  grpc::ClientContext context;
  pb::SubmitTransactionRequest request;
  request.set_definition("trip");
  request.mutable_input()->set_string_value(std::string(limits::kMaxRequestBytes, 'x'));
  pb::Transaction transaction;
  CHECK(grpc.stub->SubmitTransaction(&context, request, &transaction).error_code() ==
        grpc::StatusCode::RESOURCE_EXHAUSTED);

  grpc::ClientContext second;
  request.mutable_input()->set_string_value(std::string(limits::kMaxPayloadBytes, 'x'));
  const grpc::Status status = grpc.stub->SubmitTransaction(&second, request, &transaction);
  CHECK(status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
  CHECK(ProblemOf(status).code() == "payload.too_large");
  CHECK(grpc.coordinator.mutations() == 0);
}

TEST_CASE("the other gRPC methods answer what the coordinator says") {
  Grpc grpc;
  {
    grpc::ClientContext context;
    pb::ListTransactionsResponse list;
    pb::ListTransactionsRequest request;
    request.set_status("ABORTING");
    request.set_incident(true);
    request.mutable_since()->set_seconds(1'795'000'000);
    request.set_step("pay");
    request.set_sort("unchanged");
    REQUIRE(grpc.stub->ListTransactions(&context, request, &list).ok());
    CHECK(list.transactions_size() == 2);
    CHECK(grpc.coordinator.last_filter()->incident == true);
    CHECK(ToMicros(*grpc.coordinator.last_filter()->since) == 1'795'000'000'000'000);
    CHECK(grpc.coordinator.last_filter()->step == "pay");
    CHECK(grpc.coordinator.last_page().order == storage::ListOrder::kUnchanged);
  }
  {
    grpc::ClientContext context;
    pb::ListIncidentsResponse list;
    REQUIRE(grpc.stub->ListIncidents(&context, {}, &list).ok());
    CHECK(list.incidents_size() == 2);
  }
  {
    grpc::ClientContext context;
    pb::ListParticipantsResponse list;
    REQUIRE(grpc.stub->ListParticipants(&context, {}, &list).ok());
    CHECK(std::max(list.participants(0).calls(), list.participants(1).calls()) == 5'000'000'000);
  }
  {
    // A coordinator that shares its store with nobody.
    grpc::ClientContext context;
    pb::ListNodesResponse list;
    REQUIRE(grpc.stub->ListNodes(&context, {}, &list).ok());
    CHECK(list.nodes().empty());
  }
  {
    grpc::ClientContext context;
    pb::Health health;
    REQUIRE(grpc.stub->GetHealth(&context, {}, &health).ok());
    CHECK(health.ready());
  }
  {
    grpc::ClientContext context;
    pb::GetHistoryRequest request;
    request.set_gid("t1");
    pb::History history;
    REQUIRE(grpc.stub->GetHistory(&context, request, &history).ok());
    CHECK(history.entries_size() == static_cast<int>(CommittedStory().size()));
  }
  {
    grpc::ClientContext context;
    pb::GetDefinitionRequest request;
    request.set_name("trip");
    request.set_version(2);
    pb::Definition definition;
    REQUIRE(grpc.stub->GetDefinition(&context, request, &definition).ok());
    CHECK(grpc.coordinator.last_text() == "trip|2");
    CHECK(definition.source() == SomeDefinition().source);
  }
  {
    grpc::ClientContext context;
    pb::CompleteOperationRequest request;
    request.set_token("t");
    request.set_outcome("done");
    pb::CompleteOperationResponse response;
    REQUIRE(grpc.stub->CompleteOperation(&context, request, &response).ok());
    CHECK(response.status() == "COMMITTED");
  }
}

TEST_CASE("a gRPC watcher gets the history, what is live, and the end") {
  Grpc grpc;
  const Story story = CommittedStory();
  runtime::History history = story.History();
  history.entries.resize(20);
  grpc.coordinator.AnswerWithHistory(std::move(history));
  grpc::ClientContext context;
  pb::WatchTransactionRequest request;
  request.set_gid("committed-1");
  request.set_after_revision(15);
  const auto reader = grpc.stub->WatchTransaction(&context, request);
  pb::TransactionEvent event;
  for (uint32_t revision = 16; revision <= 20; ++revision) {
    REQUIRE(reader->Read(&event));
    CHECK(event.entry().revision() == revision);
  }
  for (uint64_t revision = 19; revision <= story.size(); ++revision) {
    grpc.coordinator.Publish(story.Event(revision));
  }
  std::vector<uint32_t> expected;
  for (size_t revision = 21; revision <= story.size(); ++revision) {
    expected.push_back(static_cast<uint32_t>(revision));
  }
  CHECK(ReadToEnd(*reader) == expected);
  CHECK(reader->Finish().ok());
  CHECK(grpc.coordinator.subscriptions() == 0);
}

TEST_CASE("a gRPC watcher of what does not exist is told so") {
  Grpc grpc;
  grpc.coordinator.AnswerWithFailure(NotFound("transaction.not_found", "no such transaction"));
  grpc::ClientContext context;
  const auto reader = grpc.stub->WatchTransaction(&context, {});
  CHECK(ReadToEnd(*reader).empty());
  const grpc::Status status = reader->Finish();
  CHECK(status.error_code() == grpc::StatusCode::NOT_FOUND);
  CHECK(ProblemOf(status).code() == "transaction.not_found");
  CHECK(grpc.coordinator.subscriptions() == 0);
}

TEST_CASE("a gRPC watcher that leaves is let go") {
  Grpc grpc;
  grpc::ClientContext context;
  const auto reader = grpc.stub->WatchEvents(&context, {});
  while (grpc.coordinator.subscriptions() == 0) {
    std::this_thread::yield();
  }
  context.TryCancel();
  CHECK(ReadToEnd(*reader).empty());
  CHECK(reader->Finish().error_code() == grpc::StatusCode::CANCELLED);
  while (grpc.coordinator.subscriptions() != 0) {
    std::this_thread::yield();
  }
}

TEST_CASE("gRPC streams are limited, and end when the server shuts down") {
  GrpcOptions options;
  options.max_event_streams = 1;
  Grpc grpc(std::move(options));
  grpc::ClientContext first_context;
  const auto first = grpc.stub->WatchEvents(&first_context, {});
  while (grpc.coordinator.subscriptions() == 0) {
    std::this_thread::yield();
  }
  grpc::ClientContext second_context;
  const auto second = grpc.stub->WatchEvents(&second_context, {});
  CHECK(ReadToEnd(*second).empty());
  CHECK(second->Finish().error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);

  grpc.server->Shutdown(std::chrono::minutes(5));  // Not waited out: the stream is ended.
  CHECK(ReadToEnd(*first).empty());
  CHECK(first->Finish().error_code() == grpc::StatusCode::UNAVAILABLE);
  CHECK(grpc.coordinator.subscriptions() == 0);
}

TEST_CASE("a call that never ends is cancelled by the shutdown, and its late answer is harmless") {
  Grpc grpc;
  grpc.coordinator.HoldHistory();
  pb::GetHistoryRequest request;
  request.set_gid("t1");
  grpc::Status status;
  std::thread calling([&] {
    grpc::ClientContext context;
    pb::History history;
    status = grpc.stub->GetHistory(&context, request, &history);
  });
  std::vector<runtime::Callback<runtime::History>> held;
  while (held.empty()) {
    held = grpc.coordinator.TakeHeld();
  }
  grpc.server->Shutdown(Duration::zero());
  calling.join();
  CHECK_FALSE(status.ok());
  held[0](grpc.coordinator.HistoryAnswer());
}

TEST_CASE("a gRPC port in use is an error that names it") {
  Grpc grpc;
  const std::string address = "127.0.0.1:" + std::to_string(grpc.server->port());
  const auto second = GrpcServer::Start(grpc.coordinator, address, {});
  REQUIRE_FALSE(second.ok());
  CHECK(second.status().reason() == "listen.failed");
  CHECK(second.status().message().find(address) != std::string::npos);
}

}  // namespace
}  // namespace entente::api::test
