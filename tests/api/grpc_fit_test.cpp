#include "coordinator/api/grpc/grpc_fit.h"

#include <algorithm>
#include <functional>
#include <map>
#include <string>

#include <catch2/catch.hpp>

#include "tests/api/grpc_fixture.h"
#include "tests/support/documented_table.h"

namespace entente::api::test {
namespace {

constexpr size_t kFits = limits::kMaxGrpcAnswerBytes;

pb::Transaction LargeTransaction(int branches, size_t payload_bytes) {
  pb::Transaction transaction;
  transaction.set_gid("t1");
  transaction.mutable_input()->set_string_value("in");
  transaction.mutable_output()->set_string_value("out");
  for (int i = 0; i < branches; ++i) {
    pb::Branch& branch = *transaction.add_branches();
    branch.set_id("b" + std::to_string(i));
    branch.mutable_output()->set_string_value(std::string(payload_bytes, 'x'));
  }
  return transaction;
}

TEST_CASE("a transaction over gRPC has what fits and names the rest") {
  pb::Transaction transaction = LargeTransaction(6, 900'000);
  FitTransaction(&transaction);
  CHECK(transaction.ByteSizeLong() <= kFits);
  CHECK(transaction.branches_size() == 6);
  CHECK(transaction.has_output());
  for (int i = 0; i < 6; ++i) {
    CHECK(transaction.branches(i).has_output() == (i < 4));
    CHECK(transaction.branches(i).left_out_size() == (i < 4 ? 0 : 1));
  }
  pb::Transaction small = LargeTransaction(6, 10);
  FitTransaction(&small);
  CHECK(small.branches(5).has_output());
  CHECK(small.left_out_size() == 0);
}

TEST_CASE("a transaction of very many branches ends early and says so") {
  pb::Transaction transaction = LargeTransaction(1'000, 100);
  FitTransaction(&transaction, 5'000);
  CHECK(transaction.ByteSizeLong() < 25'000);
  CHECK(transaction.branches_size() > 0);
  CHECK(transaction.branches_size() < 1'000);
  CHECK(transaction.left_out_size() == 3);
  CHECK(transaction.left_out(2) == "branches");
}

TEST_CASE("an overview has no payloads") {
  pb::Transaction transaction = LargeTransaction(3, 100);
  LeaveOutPayloads(&transaction);
  CHECK_FALSE(transaction.has_input());
  CHECK_FALSE(transaction.has_output());
  CHECK(transaction.left_out_size() == 2);
  CHECK_FALSE(transaction.branches(2).has_output());
  CHECK(transaction.branches(2).left_out(0) == "output");
}

pb::History LongHistory(int entries, size_t payload_bytes) {
  pb::History history;
  history.set_gid("t1");
  for (int i = 1; i <= entries; ++i) {
    pb::HistoryEntry& entry = *history.add_entries();
    entry.set_revision(static_cast<uint32_t>(i));
    entry.mutable_payload()->set_string_value(std::string(payload_bytes, 'x'));
  }
  return history;
}

TEST_CASE("a history over gRPC comes in pages, each entry once") {
  struct Row {
    size_t payload_bytes;
    uint32_t count;
  };
  for (const Row& row :
       {Row{900'000, 0}, Row{3'900'000, 0}, Row{5'000'000, 0}, Row{10, 3}, Row{10, 0}}) {
    CAPTURE(row.payload_bytes, row.count);
    uint32_t after = 0;
    uint32_t expected = 0;
    do {
      pb::History page = LongHistory(10, row.payload_bytes);
      FitHistory(after, row.count, &page);
      CHECK(page.ByteSizeLong() <= kFits);
      CHECK((row.count == 0 || page.entries_size() <= static_cast<int>(row.count)));
      REQUIRE(page.entries_size() > 0);
      for (const pb::HistoryEntry& entry : page.entries()) {
        CHECK(entry.revision() == ++expected);
        CHECK(entry.has_payload() == (row.payload_bytes < kFits));
        CHECK(entry.left_out_size() == (row.payload_bytes < kFits ? 0 : 1));
      }
      after = page.next_after_revision();
    } while (after != 0);
    CHECK(expected == 10);
  }
}

TEST_CASE("incidents that do not fit are counted") {
  pb::ListIncidentsResponse list;
  for (int i = 0; i < 5'000; ++i) {
    list.add_incidents()->set_message(std::string(2'048, 'm'));
  }
  FitIncidents(&list);
  CHECK(list.ByteSizeLong() <= kFits);
  CHECK(list.incidents_size() + static_cast<int>(list.left_out_count()) == 5'000);
}

// What each row of the page says is left out, and that it is said.
std::map<std::string, std::function<bool()>> LeftOutAsDocumented() {
  const std::string large(5'000'000, 'x');
  std::map<std::string, std::function<bool()>> proofs;
  proofs["a `Transaction`"] = [] {
    pb::Transaction payloads = LargeTransaction(6, 900'000);
    FitTransaction(&payloads);
    pb::Transaction branches = LargeTransaction(1'000, 100);
    FitTransaction(&branches, 5'000);
    return payloads.branches(5).left_out(0) == "output" && branches.branches_size() < 1'000 &&
           std::find(branches.left_out().begin(), branches.left_out().end(), "branches") !=
               branches.left_out().end();
  };
  proofs["branches, participants"] = [] {
    pb::ListBranchesResponse branches;
    pb::ListParticipantsResponse participants;
    for (int i = 0; i < 10; ++i) {
      branches.add_branches()->set_id(std::string(900'000, 'x'));
      participants.add_participants()->set_address(std::string(900'000, 'x'));
    }
    FitBranches(&branches);
    FitParticipants(&participants);
    return branches.branches_size() == 4 && participants.participants_size() == 4;
  };
  proofs["one branch of a page"] = [large] {
    pb::ListBranchesResponse page;
    page.add_branches()->mutable_output()->set_string_value(large);
    FitBranches(&page);
    return page.branches_size() == 1 && !page.branches(0).has_output() &&
           page.branches(0).left_out(0) == "output";
  };
  proofs["a `History`"] = [] {
    pb::History history = LongHistory(10, 900'000);
    FitHistory(0, 0, &history);
    return history.entries_size() < 10 &&
           history.next_after_revision() == static_cast<uint32_t>(history.entries_size());
  };
  proofs["one entry, also of an event"] = [large] {
    pb::History history = LongHistory(1, large.size());
    FitHistory(0, 0, &history);
    pb::TransactionEvent event;
    event.mutable_entry()->mutable_payload()->set_string_value(large);
    FitEvent(&event);
    return history.entries(0).left_out(0) == "payload" && event.entry().left_out(0) == "payload" &&
           !event.entry().has_payload();
  };
  proofs["incidents"] = [] {
    pb::ListIncidentsResponse list;
    for (int i = 0; i < 5'000; ++i) {
      list.add_incidents()->set_message(std::string(2'048, 'm'));
    }
    FitIncidents(&list);
    return list.left_out_count() == static_cast<uint32_t>(5'000 - list.incidents_size());
  };
  proofs["what a branch sends"] = [large] {
    pb::BranchCall call;
    call.mutable_body()->set_string_value(large);
    FitBranchCall(&call);
    return !call.has_body() && call.left_out(0) == "body";
  };
  return proofs;
}

TEST_CASE("what docs/api.md says is left out over gRPC is") {
  const auto proofs = LeftOutAsDocumented();
  const auto rows = ::entente::test::TableBelow("docs/api.md", "## Routes", 1);
  CHECK(rows.size() == proofs.size());
  for (const auto& row : rows) {
    CAPTURE(row[0], row[1]);
    REQUIRE(proofs.contains(row[0]));
    CHECK(proofs.at(row[0])());
  }
}

TEST_CASE("a compressed request is not inflated but refused") {
  Grpc grpc;
  for (const auto algorithm : {GRPC_COMPRESS_GZIP, GRPC_COMPRESS_DEFLATE}) {
    grpc::ClientContext context;
    context.set_compression_algorithm(algorithm);
    pb::SubmitTransactionRequest request;
    request.set_definition("trip");
    request.mutable_input()->set_string_value(std::string(1'000'000, 'x'));
    pb::Transaction transaction;
    CHECK(grpc.stub->SubmitTransaction(&context, request, &transaction).error_code() ==
          grpc::StatusCode::UNIMPLEMENTED);
  }
  CHECK(grpc.coordinator.mutations() == 0);
}

TEST_CASE("what may work later says when, what never will does not") {
  Grpc grpc;
  const auto retry_seconds = [&](const Status& failure) {
    grpc.coordinator.AnswerWithFailure(failure);
    grpc::ClientContext context;
    pb::GetTransactionRequest request;
    request.set_gid("t1");
    pb::Transaction transaction;
    const grpc::Status status = grpc.stub->GetTransaction(&context, request, &transaction);
    pb::ErrorStatus details;
    REQUIRE(details.ParseFromString(status.error_details()));
    for (const auto& detail : details.details()) {
      if (detail.type_url() == "type.googleapis.com/google.rpc.RetryInfo") {
        pb::RetryInfo info;
        REQUIRE(info.ParseFromString(detail.value()));
        return info.retry_delay().seconds();
      }
    }
    return decltype(pb::RetryInfo().retry_delay().seconds()){-1};
  };
  CHECK(retry_seconds(ResourceExhausted("shard.queue_full", "too much")) == 1);
  CHECK(retry_seconds(Unavailable("coordinator.draining", "stops")) == 1);
  CHECK(retry_seconds(InvalidArgument("payload.too_large", "too large")) == -1);
  CHECK(retry_seconds(NotFound("transaction.not_found", "none")) == -1);
  CHECK(retry_seconds(UnknownOutcome("store.unknown", "perhaps")) == -1);
}

}  // namespace
}  // namespace entente::api::test
