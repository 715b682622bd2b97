// What a participant really receives, over REST and over gRPC.
#include <algorithm>
#include <cctype>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <vector>

#include <grpcpp/grpcpp.h>
#include <catch2/catch.hpp>

#include "inventory.grpc.pb.h"
#include "tests/participants/bench.h"

namespace entente::participants {
namespace {

using net::testing::Peer;
using testing::At;
using testing::Bench;
using testing::Service;

using Facts = std::map<std::string, std::string>;  // Lower-case names.

// Keeps the metadata of the calls it gets.
class Recorder final : public inventory::v1::Inventory::Service {
 public:
  Recorder() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~Recorder() override { server_->Shutdown(std::chrono::system_clock::now()); }

  grpc::Status Reserve(grpc::ServerContext* context, const inventory::v1::ReserveRequest*,
                       inventory::v1::ReserveReply*) override {
    const std::lock_guard lock(mutex_);
    Facts& facts = received_.emplace_back();
    for (const auto& [name, value] : context->client_metadata()) {
      facts[std::string(name.data(), name.size())] = std::string(value.data(), value.size());
    }
    const auto left = context->deadline() - std::chrono::system_clock::now();
    left_.push_back(std::chrono::duration_cast<Duration>(left));
    return grpc::Status::OK;
  }

  [[nodiscard]] dsl::Participant Participant() const {
    std::ifstream file(INVENTORY_DESCRIPTOR_SET, std::ios::binary);
    std::ostringstream set;
    set << file.rdbuf();
    dsl::Participant participant;
    participant.address = dsl::GrpcAddress{"127.0.0.1:" + std::to_string(port_),
                                           "inventory.v1.Inventory",
                                           false,
                                           set.str(),
                                           {{"x-tenant", "acme"}}};
    return participant;
  }
  Facts Received(size_t place) {
    const std::lock_guard lock(mutex_);
    return received_.at(place);
  }
  Duration Left(size_t place) {
    const std::lock_guard lock(mutex_);
    return left_.at(place);
  }

 private:
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  std::mutex mutex_;
  std::vector<Facts> received_;
  std::vector<Duration> left_;
};

// The header of a request as it was received. A name that stands twice fails the test.
Facts HeadersOf(const std::string& text) {
  Facts facts;
  std::istringstream lines(text.substr(text.find("\r\n") + 2));
  for (std::string line; std::getline(lines, line) && line != "\r";) {
    const size_t colon = line.find(": ");
    std::string name = line.substr(0, colon);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    CAPTURE(name);
    CHECK(facts.emplace(name, line.substr(colon + 2, line.size() - colon - 3)).second);
  }
  return facts;
}

struct Row {
  dsl::Mode mode;
  dsl::Role role;
  uint32_t alternative;
  uint32_t attempt;
  bool one_phase;
  std::string key;
  std::string operation;
};

const std::vector<Row> kRows = {
    {dsl::Mode::kSaga, dsl::Role::kForward, 0, 1, false, "g:b", "action"},
    {dsl::Mode::kSaga, dsl::Role::kForward, 0, 2, false, "g:b", "action"},
    {dsl::Mode::kSaga, dsl::Role::kForward, 0, 17, false, "g:b", "action"},
    {dsl::Mode::kSaga, dsl::Role::kForward, 2, 1, false, "g:b:alt2", "action"},
    {dsl::Mode::kSaga, dsl::Role::kUndo, 0, 3, false, "g:b:compensate", "compensate"},
    {dsl::Mode::kSaga, dsl::Role::kUndo, 1, 1, false, "g:b:alt1:compensate", "compensate"},
    {dsl::Mode::kTcc, dsl::Role::kForward, 0, 1, false, "g:b", "try"},
    {dsl::Mode::kTcc, dsl::Role::kFinish, 0, 2, false, "g:b:confirm", "confirm"},
    {dsl::Mode::kTcc, dsl::Role::kUndo, 0, 1, false, "g:b:cancel", "cancel"},
    {dsl::Mode::kTwoPhaseCommit, dsl::Role::kForward, 0, 1, false, "g:b", "prepare"},
    {dsl::Mode::kTwoPhaseCommit, dsl::Role::kFinish, 0, 4, false, "g:b:commit", "commit"},
    {dsl::Mode::kTwoPhaseCommit, dsl::Role::kFinish, 0, 1, true, "g:b:commit", "commit"},
    {dsl::Mode::kTwoPhaseCommit, dsl::Role::kUndo, 0, 1, false, "g:b:rollback", "rollback"},
};

engine::CallBranch CallOf(const Row& row,
                          std::variant<engine::RenderedHttp, engine::RenderedGrpc> request) {
  engine::CallBranch call;
  call.command = {Gid("g"), BranchId("b"), row.role, row.alternative};
  call.attempt = row.attempt;
  call.request = std::move(request);
  call.timeout = std::chrono::seconds(30);
  call.one_phase = row.one_phase;
  return call;
}

void CheckFacts(const Row& row, const Facts& facts, const Bench& bench, Instant before,
                Instant after) {
  CAPTURE(row.key, row.attempt);
  CHECK(facts.at("idempotency-key") == row.key);
  CHECK(facts.at("entente-gid") == "g");
  CHECK(facts.at("entente-branch") == "b");
  CHECK(facts.at("entente-operation") == row.operation);
  CHECK(facts.at("entente-attempt") == std::to_string(row.attempt));
  CHECK(facts.at("entente-epoch") == "41");
  CHECK(facts.at("entente-coordinator") == "0123456789abcdef");
  CHECK(facts.at("entente-completion-token") == bench.TokenOf(Gid("g"), row.role, row.alternative));
  CHECK(facts.at("traceparent") == "00-1-2-01");
  CHECK(facts.contains("entente-one-phase") == row.one_phase);
  if (row.one_phase) {
    CHECK(facts.at("entente-one-phase") == "true");
  }
  const int64_t deadline = std::stoll(facts.at("entente-deadline"));
  CHECK(deadline >= ToMicros(before) / 1000 + 30'000);
  CHECK(deadline <= ToMicros(after) / 1000 + 30'000);
}

void SetContext(Bench& bench) {
  bench.context.epoch = Epoch(41);
  bench.context.coordinator = "0123456789abcdef";
  bench.context.traceparent = "00-1-2-01";
}

}  // namespace

TEST_CASE("a REST participant receives every fact of every operation, attempt and alternative") {
  Service service;
  Peer peer(service.Script());
  for (const Row& row : kRows) {
    Bench bench(At(peer), row.mode);
    SetContext(bench);
    const Instant before = bench.Now();
    bench.Call(CallOf(row, engine::RenderedHttp{"PUT", "/orders/1", {}, "{}"}));
    bench.Reply(0);
    const Facts facts = HeadersOf(service.Received(service.Count() - 1));
    CheckFacts(row, facts, bench, before, bench.Now());
    CHECK(facts.at("content-type") == "application/json");
  }
}

TEST_CASE("a gRPC participant receives the same facts as metadata, and the deadline as its own") {
  Recorder recorder;
  size_t place = 0;
  for (const Row& row : kRows) {
    Bench bench(recorder.Participant(), row.mode);
    SetContext(bench);
    const Instant before = bench.Now();
    bench.Call(CallOf(row, engine::RenderedGrpc{"Reserve", Json::object()}));
    CHECK(std::holds_alternative<engine::ReplyDone>(bench.Reply(0)));
    const Facts facts = recorder.Received(place);
    CheckFacts(row, facts, bench, before, bench.Now());
    CHECK(facts.at("x-tenant") == "acme");
    CHECK(recorder.Left(place) <= std::chrono::seconds(31));  // gRPC rounds what it sends.
    CHECK(recorder.Left(place) > std::chrono::seconds(5));
    ++place;
  }
}

TEST_CASE("a retry differs from the call before in its attempt and its deadline only") {
  Service service;
  Peer peer(service.Script());
  Bench bench(At(peer));
  Row row = kRows.front();
  std::vector<Facts> received;
  for (uint32_t attempt = 1; attempt <= 3; ++attempt) {
    row.attempt = attempt;
    bench.Call(CallOf(row, engine::RenderedHttp{"PUT", "/orders/1", {}, "{}"}));
    bench.Reply(attempt - 1);
    Facts facts = HeadersOf(service.Received(attempt - 1));
    CHECK(facts.at("entente-attempt") == std::to_string(attempt));
    facts.erase("entente-attempt");
    facts.erase("entente-deadline");
    received.push_back(std::move(facts));
  }
  CHECK(received[0] == received[1]);
  CHECK(received[0] == received[2]);
}

TEST_CASE("a Retry-After is told to the engine, and whoever else waits there is held back too") {
  for (const std::string status : {"429 Too Many Requests", "503 Service Unavailable"}) {
    CAPTURE(status);
    Service service;
    service.answer = "HTTP/1.1 " + status + "\r\nRetry-After: 20\r\nContent-Length: 0\r\n\r\n";
    Peer peer(service.Script());
    Bench bench(At(peer));
    bench.Call("t1");
    const auto* unknown = std::get_if<engine::ReplyUnknown>(&bench.Reply(0));
    REQUIRE(unknown != nullptr);
    CHECK(unknown->retry_after == Duration(std::chrono::seconds(20)));
    bench.Call("t2");
    CHECK(bench.Stats().queued == 1);
    CHECK(bench.Stats().blocked_by == "backoff");
    CHECK(bench.Stats().breaker == "closed");
  }
}

}  // namespace entente::participants
