// A participant with several endpoints, against services on this machine.
#include <algorithm>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/participants/bench.h"

namespace entente::participants {
namespace {

using net::testing::Connection;
using net::testing::Peer;
using testing::Bench;
using testing::Service;

std::string UrlOf(const Peer& peer) {
  return "http://127.0.0.1:" + std::to_string(peer.port());
}

dsl::Participant AtAll(const std::vector<std::string>& urls) {
  dsl::Participant participant;
  participant.address = dsl::HttpAddress{urls.front(), {}, {}, {urls.begin() + 1, urls.end()}};
  return participant;
}

// Where nobody listens any more.
std::string DeadUrl() {
  const Peer gone([](Connection&, int) {});
  return UrlOf(gone);
}

runtime::ParticipantStats StatsAt(Bench& bench, const std::string& address) {
  const auto all = bench.gates.Stats(bench.Now());
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const auto& stats) { return stats.address == address; });
  REQUIRE(found != all.end());
  return *found;
}

bool WasDone(const engine::Reply& reply) {
  return std::holds_alternative<engine::ReplyDone>(reply);
}

TEST_CASE("calls go to the endpoint with the fewest of them") {
  std::promise<void> let_go;
  const std::shared_future<void> may_go = let_go.get_future().share();
  std::atomic<size_t> held = 0;
  const Peer slow([&](Connection& connection, int) {
    while (!connection.ReadMessage().empty()) {
      ++held;
      may_go.wait();
      connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    }
  });
  Service service;
  const Peer fast(service.Script());
  Bench bench(AtAll({UrlOf(fast), UrlOf(slow)}));
  // The slow one has its turn once; from then on it has a call more than the other.
  bench.Call("first");
  for (size_t i = 1; i <= 6; ++i) {
    bench.Call("t" + std::to_string(i));
    CHECK(WasDone(bench.Reply(i)));
  }
  CHECK(service.Count() == 6);
  let_go.set_value();
  CHECK(WasDone(bench.Reply(0)));
  CHECK(held == 1);
}

TEST_CASE("a call that an endpoint can not have heard of is made elsewhere within its attempt") {
  Service service;
  const Peer peer(service.Script());
  const std::string dead = DeadUrl();
  Bench bench(AtAll({UrlOf(peer), dead}));
  for (size_t i = 0; i < 12; ++i) {
    bench.Call("t" + std::to_string(i));
    CHECK(WasDone(bench.Reply(i)));
  }
  CHECK(service.Count() == 12);
  // One that fails is left out, by its own breaker.
  CHECK(StatsAt(bench, dead).breaker != "closed");
  CHECK(StatsAt(bench, dead).failures >= 5);
  CHECK(StatsAt(bench, UrlOf(peer)).breaker == "closed");
  CHECK(StatsAt(bench, UrlOf(peer)).failures == 0);
}

TEST_CASE("a call that may have been heard of is made nowhere else") {
  std::atomic<size_t> heard = 0;
  const auto hang_up = [&heard](Connection& connection, int) {
    if (!connection.ReadMessage().empty()) {
      ++heard;
    }
  };
  const Peer one(hang_up);
  const Peer two(hang_up);
  Bench bench(AtAll({UrlOf(one), UrlOf(two)}));
  bench.Call("t1");
  CHECK(std::holds_alternative<engine::ReplyUnknown>(bench.Reply(0)));
  CHECK(heard == 1);
}

TEST_CASE("a call that no endpoint can be sent is tried at each of them once") {
  const std::string one = DeadUrl();
  const std::string two = DeadUrl();
  Bench bench(AtAll({one, two}));
  bench.Call("t1");
  const auto* not_sent = std::get_if<engine::ReplyNotSent>(&bench.Reply(0));
  REQUIRE(not_sent != nullptr);
  CHECK_FALSE(not_sent->blocked);
  CHECK(StatsAt(bench, one).calls == 1);
  CHECK(StatsAt(bench, two).calls == 1);
}

TEST_CASE("a call whose transaction is paused or ends meanwhile goes on to no other endpoint") {
  const std::string one = DeadUrl();
  const std::string two = DeadUrl();
  Bench bench(AtAll({one, two}));
  bench.Call("t1");
  bench.caller.WithdrawWaiting(Gid("t1"), runtime::Withdrawal::kForwardCalls);
  CHECK(std::holds_alternative<engine::ReplyNotSent>(bench.Reply(0)));
  CHECK(StatsAt(bench, one).calls + StatsAt(bench, two).calls == 1);
}

TEST_CASE("over gRPC each endpoint is tried, too") {
  dsl::Participant participant;
  const std::string one = DeadUrl().substr(std::string("http://").size());
  const std::string two = DeadUrl().substr(std::string("http://").size());
  dsl::GrpcAddress address{one, "x.v1.X"};
  address.others = {two};
  participant.address = address;
  Bench bench(std::move(participant));
  bench.Call("t1", engine::RenderedGrpc{"Do", JsonText(Json::object())});
  CHECK(std::holds_alternative<engine::ReplyNotSent>(bench.Reply(0)));
  CHECK(StatsAt(bench, "grpc://" + one + "/x.v1.X").calls == 1);
  CHECK(StatsAt(bench, "grpc://" + two + "/x.v1.X").calls == 1);
}

TEST_CASE("what is pending is asked after where it was accepted") {
  Service one;
  Service two;
  const Peer first(one.Script());
  const Peer second(two.Script());
  Bench bench(AtAll({UrlOf(first), UrlOf(second)}));
  for (size_t i = 0; i < 4; ++i) {
    bench.Poll("t", UrlOf(second) + "/jobs/7");
    CHECK(WasDone(bench.Reply(i)));
  }
  CHECK(one.Count() == 0);
  CHECK(two.Count() == 4);
  bench.Poll("t", "http://127.0.0.1:1/jobs/7");
  CHECK(std::holds_alternative<engine::ReplyPending>(bench.Reply(4)));
}

}  // namespace
}  // namespace entente::participants
