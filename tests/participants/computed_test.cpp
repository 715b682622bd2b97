// Calls to an address that was computed, against services on this machine.
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/participants/bench.h"

namespace entente::participants {
namespace {

using net::testing::Peer;
using testing::Bench;
using testing::Service;

dsl::Participant Computed(std::vector<std::string> allowed) {
  dsl::Participant participant;
  dsl::HttpAddress address;
  address.allowed = std::move(allowed);
  participant.address = std::move(address);
  return participant;
}

engine::RenderedHttp Request(const std::string& url, const std::string& target) {
  engine::RenderedHttp request{"POST", target, {}, "{}"};
  request.base_url = url;
  return request;
}

std::string CodeOf(const engine::Reply& reply) {
  const auto* refused = std::get_if<engine::ReplyRefused>(&reply);
  return refused == nullptr ? std::string() : refused->failure.code;
}

std::string FirstLine(const std::string& message) {
  return message.substr(0, message.find('\r'));
}

TEST_CASE("a call goes to the address that it computed, and all share the gate of an origin") {
  Service service;
  const Peer peer(service.Script());
  const std::string origin = "http://127.0.0.1:" + std::to_string(peer.port());
  Bench bench(Computed({origin}));
  const std::vector<std::pair<engine::RenderedHttp, std::string>> calls = {
      {Request(origin + "/hooks", "/orders/1"), "POST /hooks/orders/1 HTTP/1.1"},
      {Request(origin + "/callback?id=7", "/"), "POST /callback?id=7 HTTP/1.1"},
      {Request(origin + "/callback", "/"), "POST /callback HTTP/1.1"},
      {Request(origin, "/"), "POST / HTTP/1.1"}};
  for (size_t i = 0; i < calls.size(); ++i) {
    bench.Call("t" + std::to_string(i), calls[i].first);
    CHECK(std::holds_alternative<engine::ReplyDone>(bench.Reply(i)));
    CHECK(FirstLine(service.Received(i)) == calls[i].second);
  }
  const auto stats = bench.gates.Stats(bench.Now());
  REQUIRE(stats.size() == 1);
  CHECK(stats[0].address == origin);
  CHECK(stats[0].calls == 4);
}

TEST_CASE("an address that is not allowed is not called") {
  Service service;
  const Peer peer(service.Script());
  const std::string port = std::to_string(peer.port());
  Bench bench(Computed({"https://*.example.org", "http://127.0.0.1:1"}));
  bench.Call("t1", Request("http://127.0.0.1:" + port, "/orders/1"));
  CHECK(CodeOf(bench.Reply(0)) == "address.blocked");
  bench.Call("t2", Request("http://localhost:" + port, "/orders/1"));
  CHECK(CodeOf(bench.Reply(1)) == "address.blocked");
  CHECK(service.Count() == 0);
  CHECK(bench.gates.Stats(bench.Now()).empty());
}

TEST_CASE("what only a pattern lets through may not lead to this machine or a private network") {
  Service service;
  const Peer peer(service.Script());
  const std::string port = std::to_string(peer.port());
  const auto call = [&](std::vector<std::string> allowed, const std::string& host) {
    Bench bench(Computed(std::move(allowed)));
    bench.Call("t1", Request("http://" + host + ":" + port, "/orders/1"));
    const engine::Reply reply = bench.Reply(0);
    return std::holds_alternative<engine::ReplyDone>(reply) ? "done" : CodeOf(reply);
  };
  CHECK(call({"*"}, "127.0.0.1") == "address.blocked");
  CHECK(call({"http://*:*"}, "localhost") == "address.blocked");
  CHECK(service.Count() == 0);
  CHECK(call({"localhost"}, "localhost") == "done");
  CHECK(call({"*", "127.0.0.0/8"}, "localhost") == "done");
  CHECK(call({"127.0.0.0/8"}, "127.0.0.1") == "done");
  // Named, but no list opens it.
  CHECK(call({"*", "169.254.0.0/16"}, "169.254.169.254") == "address.blocked");
}

TEST_CASE("what is pending at a computed address is asked after there, and nowhere else") {
  Service service;
  const Peer peer(service.Script());
  const std::string origin = "http://127.0.0.1:" + std::to_string(peer.port());
  Bench bench(Computed({origin}));
  bench.Poll("t", origin + "/jobs/7");
  CHECK(std::holds_alternative<engine::ReplyDone>(bench.Reply(0)));
  bench.Poll("t", "http://localhost:" + std::to_string(peer.port()) + "/jobs/7");
  CHECK(std::holds_alternative<engine::ReplyPending>(bench.Reply(1)));
  CHECK(service.Count() == 1);
}

}  // namespace
}  // namespace entente::participants
