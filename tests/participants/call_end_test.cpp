#include "coordinator/participants/call_end.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

namespace entente::participants {
namespace {

using net::CallError;
using net::CallFailure;
using net::CallFault;
using Ending = participants::CallEnd::Result;

const Instant kNow = Instant(std::chrono::seconds(784'111'777));  // 1994-11-06T08:49:37Z

net::HttpOutcome HttpAnswer(int status, std::vector<std::pair<std::string, std::string>> headers) {
  net::HttpResponse response;
  response.status = status;
  for (const auto& [name, value] : headers) {
    response.headers.Add(name, value);
  }
  return response;
}

net::GrpcOutcome GrpcAnswer(int code) {
  net::GrpcResponse response;
  response.code = code;
  response.metadata.Add("retry-after", "3");
  return response;
}

template <class Outcome>
participants::CallEnd End(const Outcome& outcome, const dsl::AnswerRules* rules = nullptr) {
  return EndOf(outcome, {std::chrono::seconds(2), rules, kNow});
}

}  // namespace

TEST_CASE("what a failed call tells of the participant depends on whose fault it is") {
  struct Row {
    CallFailure failure;
    CallFault fault;
    Ending result;
  };
  const std::vector<Row> rows = {
      {CallFailure::kInvalidRequest, CallFault::kPeer, Ending::kNotMade},
      {CallFailure::kNotSent, CallFault::kPeer, Ending::kTransportFailure},
      {CallFailure::kUnknown, CallFault::kPeer, Ending::kTransportFailure},
      {CallFailure::kBadResponse, CallFault::kPeer, Ending::kAnswered},
      {CallFailure::kNotSent, CallFault::kTimeLimit, Ending::kTimedOut},
      {CallFailure::kUnknown, CallFault::kTimeLimit, Ending::kTimedOut},
      {CallFailure::kNotSent, CallFault::kLocal, Ending::kExhausted},
      {CallFailure::kUnknown, CallFault::kLocal, Ending::kExhausted},
  };
  for (const Row& row : rows) {
    const CallError error{row.failure, "", "", row.fault};
    CAPTURE(CallFailureName(row.failure), static_cast<int>(row.fault));
    CHECK(End(net::HttpOutcome(error)).result == row.result);
    CHECK(End(net::GrpcOutcome(error)).result == row.result);
    CHECK(End(net::HttpOutcome(error)).allowed == std::chrono::seconds(2));
  }
}

TEST_CASE(
    "an answer is busy if it says so, with the time it names, unless the definition reads it") {
  const std::vector<int> busy = {429, 502, 503, 504};
  for (int status = 200; status < 600; ++status) {
    const bool expected = std::find(busy.begin(), busy.end(), status) != busy.end();
    CAPTURE(status);
    CHECK((End(HttpAnswer(status, {})).result == Ending::kBusy) == expected);
  }
  CHECK_FALSE(End(HttpAnswer(503, {})).retry_after);
  CHECK(End(HttpAnswer(503, {{"Retry-After", "7"}})).retry_after ==
        Duration(std::chrono::seconds(7)));
  CHECK(End(HttpAnswer(429, {{"Retry-After", "Sun, 06 Nov 1994 08:49:47 GMT"}})).retry_after ==
        Duration(std::chrono::seconds(10)));
  CHECK_FALSE(End(HttpAnswer(200, {{"Retry-After", "7"}})).retry_after);
  dsl::AnswerRules rules;
  rules.fail_on = {503};
  rules.succeed_on = {429, 8};
  CHECK(End(HttpAnswer(503, {{"Retry-After", "7"}}), &rules).result == Ending::kAnswered);
  CHECK(End(HttpAnswer(429, {}), &rules).result == Ending::kAnswered);
  CHECK(End(HttpAnswer(502, {}), &rules).result == Ending::kBusy);
  CHECK(End(GrpcAnswer(8), &rules).result == Ending::kAnswered);
}

TEST_CASE("of gRPC's codes three tell of the participant's health") {
  for (int code = 0; code <= 16; ++code) {
    const Ending expected = code == 14  ? Ending::kTransportFailure
                            : code == 4 ? Ending::kTimedOut
                            : code == 8 ? Ending::kBusy
                                        : Ending::kAnswered;
    CAPTURE(code);
    CHECK(End(GrpcAnswer(code)).result == expected);
  }
  CHECK(End(GrpcAnswer(8)).retry_after == Duration(std::chrono::seconds(3)));
}

}  // namespace entente::participants
