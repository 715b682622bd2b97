// A participant whose endpoints SRV records name, against a DNS server and services on this
// machine.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "coordinator/participants/endpoints.h"
#include "net/core/own_listeners.h"
#include "tests/net/dns_server.h"
#include "tests/participants/bench.h"

namespace entente::participants {
namespace {

using namespace std::chrono_literals;
using net::SrvTarget;
using net::testing::Connection;
using net::testing::DeadPort;
using net::testing::DnsServer;
using net::testing::Peer;
using testing::Bench;
using testing::Service;
namespace dns = net::testing::dns;

const std::string kService = "http+srv://_booking._tcp.example.test";

dsl::Participant Booking(std::vector<std::pair<std::string, std::string>> headers = {}) {
  dsl::Participant participant;
  participant.address = dsl::HttpAddress{kService + "/v1", std::move(headers)};
  return participant;
}

SrvTarget Target(uint16_t port, uint16_t priority = 0) {
  return {"localhost", port, priority, 0};
}

CallerOptions AskedOf(const DnsServer& server) {
  CallerOptions options;
  options.dns.server = server.address();
  return options;
}

bool WasDone(const engine::Reply& reply) {
  return std::holds_alternative<engine::ReplyDone>(reply);
}

// Why a call was not sent, which costs an attempt.
engine::Failure NotSent(const engine::Reply& reply) {
  const auto* not_sent = std::get_if<engine::ReplyNotSent>(&reply);
  REQUIRE(not_sent != nullptr);
  CHECK_FALSE(not_sent->blocked);
  return not_sent->failure;
}

TEST_CASE("calls go to every endpoint that the records name, by the service's own name") {
  Service one;
  Service two;
  const Peer first(one.Script());
  const Peer second(two.Script());
  const DnsServer server({Target(first.port()), Target(second.port())});
  Bench bench(Booking(), dsl::Mode::kSaga, AskedOf(server));
  for (size_t i = 0; i < 8; ++i) {
    bench.Call("t" + std::to_string(i));
    CHECK(WasDone(bench.Reply(i)));
  }
  CHECK(one.Count() == 4);
  CHECK(two.Count() == 4);
  CHECK(one.Received(0).find("POST /v1/orders/1 HTTP/1.1\r\nHost: example.test\r\n") == 0);
  const auto stats = bench.gates.Stats(bench.Now());
  REQUIRE(stats.size() == 2);
  CHECK(stats[0].service == kService + "/v1");
  CHECK(stats[0].address.find("http://localhost:") == 0);
}

TEST_CASE("an endpoint that is gone is ejected, and the others are called") {
  Service service;
  const Peer peer(service.Script());
  const DeadPort dead;
  const DnsServer server({Target(dead.port()), Target(peer.port())});
  Bench bench(Booking(), dsl::Mode::kSaga, AskedOf(server));
  for (size_t i = 0; i < 12; ++i) {
    bench.Call("t" + std::to_string(i));
    CHECK(WasDone(bench.Reply(i)));
  }
  CHECK(service.Count() == 12);
}

TEST_CASE("an endpoint of a lower priority is called only where no other one can be") {
  Service first;
  Service backup;
  Peer main(first.Script());
  const Peer other(backup.Script());
  DnsServer server({Target(main.port(), 1), Target(other.port(), 2)});
  {
    Bench bench(Booking(), dsl::Mode::kSaga, AskedOf(server));
    for (size_t i = 0; i < 4; ++i) {
      bench.Call("t" + std::to_string(i));
      CHECK(WasDone(bench.Reply(i)));
    }
    CHECK(first.Count() == 4);
    CHECK(backup.Count() == 0);
  }
  const DeadPort dead;
  server.Set(DnsServer::Of({Target(dead.port(), 1), Target(other.port(), 2)}));
  Bench bench(Booking(), dsl::Mode::kSaga, AskedOf(server));
  for (size_t i = 0; i < 4; ++i) {
    bench.Call("t" + std::to_string(i));
    CHECK(WasDone(bench.Reply(i)));
  }
  CHECK(backup.Count() == 4);
}

TEST_CASE("records that change are followed") {
  Service one;
  Service two;
  const Peer first(one.Script());
  const Peer second(two.Script());
  DnsServer server({Target(first.port())}, 1);
  Bench bench(Booking(), dsl::Mode::kSaga, AskedOf(server));
  bench.Call("first");
  CHECK(WasDone(bench.Reply(0)));
  server.Set(DnsServer::Of({Target(second.port())}, 1));
  for (size_t i = 1; two.Count() == 0; ++i) {
    bench.Call("t" + std::to_string(i));
    CHECK(WasDone(bench.Reply(i)));
  }
  CHECK(server.queries() > 1);
}

TEST_CASE("a service that can not be looked up costs an attempt, with the reason") {
  DnsServer server(
      [](const std::string& query, bool) { return dns::Answer(query, dns::kNoSuchName, {}); });
  Bench bench(Booking(), dsl::Mode::kSaga, AskedOf(server));
  bench.Call("t1");
  const engine::Failure failure = NotSent(bench.Reply(0));
  CHECK(failure.code == "dns.failed");
  CHECK(failure.message.find("_booking._tcp.example.test") != std::string::npos);
  CHECK(failure.message.find("--dns-server") != std::string::npos);
  // At once, without another question.
  bench.Call("t2");
  CHECK(NotSent(bench.Reply(1)).code == "dns.failed");
  CHECK(server.queries() == 1);
}

TEST_CASE("a service that is not offered is not called") {
  const DnsServer server({SrvTarget{"", 0, 0, 0}});
  Bench bench(Booking(), dsl::Mode::kSaga, AskedOf(server));
  bench.Call("t1");
  CHECK(NotSent(bench.Reply(0)).message.find("not offered") != std::string::npos);
}

TEST_CASE("a call that waits for the records goes nowhere once its transaction is paused or ends") {
  Service service;
  const Peer peer(service.Script());
  const DnsServer server({Target(peer.port())});
  Bench bench(Booking(), dsl::Mode::kSaga, AskedOf(server));
  bench.Call("t1");
  bench.caller.WithdrawWaiting(Gid("t1"), runtime::Withdrawal::kForwardCalls);
  const auto* not_sent = std::get_if<engine::ReplyNotSent>(&bench.Reply(0));
  REQUIRE(not_sent != nullptr);
  CHECK(not_sent->blocked);
  CHECK(service.Count() == 0);
}

TEST_CASE("records can lead to no address that is never called") {
  Service service;
  const Peer peer(service.Script());
  auto own = std::make_shared<net::OwnListeners>();
  own->Add("127.0.0.1", peer.port());
  DnsServer server({SrvTarget{"169.254.169.254", 80, 0, 0}, Target(peer.port())});
  CallerOptions options = AskedOf(server);
  options.http.policy.RefuseOwn(own);
  Bench bench(Booking(), dsl::Mode::kSaga, std::move(options));
  bench.Call("t1");
  CHECK(NotSent(bench.Reply(0)).code.find("address.") == 0);
  CHECK(service.Count() == 0);
}

TEST_CASE("each host that records name has to be allowed, as the service's own name") {
  Service service;
  const Peer peer(service.Script());
  DnsServer server({Target(peer.port(), 1), SrvTarget{"elsewhere.test", 80, 0, 0}});
  CallerOptions options = AskedOf(server);
  options.http.policy = net::AddressPolicy::Parse({"example.test", "localhost"}).value();
  {
    Bench bench(Booking(), dsl::Mode::kSaga, options);
    bench.Call("t1");
    CHECK(WasDone(bench.Reply(0)));
    server.Set(DnsServer::Of({SrvTarget{"elsewhere.test", 80, 0, 0}}));
  }
  {
    Bench bench(Booking(), dsl::Mode::kSaga, options);
    bench.Call("t1");
    CHECK(NotSent(bench.Reply(0)).code == "address.blocked");
  }
  // A name that may not be called is not even looked up.
  const size_t queries = server.queries();
  options.http.policy = net::AddressPolicy::Parse({"localhost"}).value();
  Bench bench(Booking(), dsl::Mode::kSaga, options);
  bench.Call("t1");
  CHECK(std::holds_alternative<engine::ReplyRefused>(bench.Reply(0)));
  CHECK(server.queries() == queries);
}

TEST_CASE("secrets are released to the service, wherever its records lead") {
  const auto folder =
      std::filesystem::temp_directory_path() / ("entente-named-" + std::to_string(getpid()));
  std::filesystem::create_directory(folder);
  const auto write = [&folder](const std::string& name, const std::string& text) {
    std::ofstream(folder / name) << text;
  };
  write("PAY", "a very secret key");
  write("PAY.hosts", "localhost");
  Service service;
  const Peer peer(service.Script());
  const DnsServer server({Target(peer.port())});
  CallerOptions options = AskedOf(server);
  options.secrets = std::make_shared<const Secrets>(folder.string());
  dsl::Participant participant = Booking();
  std::get<dsl::HttpAddress>(participant.address).secret_headers = {
      {"Authorization", dsl::ParseSecretText("${secret.PAY}").value()}};
  Bench bench(std::move(participant), dsl::Mode::kSaga, std::move(options));
  bench.Call("t1");
  CHECK(NotSent(bench.Reply(0)).code == "secret.not_for");
  write("PAY.hosts", "http://example.test:80");
  bench.Call("t2");
  CHECK(WasDone(bench.Reply(1)));
  CHECK(service.Received(0).find("Authorization: a very secret key") != std::string::npos);
  std::filesystem::remove_all(folder);
}

TEST_CASE("a signed call is for the service, wherever its records lead") {
  Service service;
  const Peer peer(service.Script());
  const DnsServer server({Target(peer.port())});
  CallerOptions options = AskedOf(server);
  options.signing_key =
      [key = std::make_shared<const net::SigningKey>(net::SigningKey::Generate())] { return key; };
  Bench bench(Booking(), dsl::Mode::kSaga, std::move(options));
  bench.Call("t1");
  CHECK(WasDone(bench.Reply(0)));
  CHECK(service.Received(0).find("Entente-Audience: example.test\r\n") != std::string::npos);
}

TEST_CASE("what is pending is asked after where it was accepted, or elsewhere once that is gone") {
  Service one;
  Service two;
  one.answer = two.answer =
      "HTTP/1.1 202 Accepted\r\nLocation: http://example.test/jobs/7\r\nContent-Length: 0\r\n\r\n";
  const Peer first(one.Script());
  const Peer second(two.Script());
  const DnsServer server({Target(first.port(), 1), Target(second.port(), 2)});
  Bench bench(Booking(), dsl::Mode::kSaga, AskedOf(server));
  bench.Call("t");
  const auto* pending = std::get_if<engine::ReplyPending>(&bench.Reply(0));
  REQUIRE(pending != nullptr);
  const std::string url = "http://localhost:" + std::to_string(first.port()) + "/jobs/7";
  CHECK(pending->poll_url == url);
  bench.Poll("t", "http://localhost:" + std::to_string(second.port()) + "/jobs/7");
  CHECK(std::holds_alternative<engine::ReplyPending>(bench.Reply(1)));
  CHECK(two.Count() == 1);
  CHECK(two.Received(0).find("GET /jobs/7 HTTP/1.1\r\nHost: example.test\r\n") == 0);
  bench.Poll("t", "http://localhost:1/jobs/7");
  CHECK(std::holds_alternative<engine::ReplyPending>(bench.Reply(2)));
  CHECK(one.Count() == 2);
}

TEST_CASE("over gRPC each endpoint that the records name is tried, too") {
  const DeadPort one;
  const DeadPort two;
  const DnsServer server({Target(one.port()), Target(two.port())});
  dsl::Participant participant;
  participant.address = dsl::GrpcAddress{"grpc+srv://_hotels._tcp.example.test", "x.v1.X"};
  Bench bench(std::move(participant), dsl::Mode::kSaga, AskedOf(server));
  bench.Call("t1", engine::RenderedGrpc{"Do", JsonText(Json::object())});
  CHECK(NotSent(bench.Reply(0)).code == "connect.failed");
  const auto stats = bench.gates.Stats(bench.Now());
  REQUIRE(stats.size() == 2);
  for (const auto& each : stats) {
    CHECK(each.service == "grpc+srv://_hotels._tcp.example.test/x.v1.X");
    CHECK(each.calls == 1);
  }
}

// Endpoints of these weights and priorities, at gates of their own.
struct Group {
  explicit Group(const std::vector<std::pair<uint16_t, uint16_t>>& priorities_and_weights)
      : endpoints(Make(priorities_and_weights)) {}

  static std::vector<Endpoint> Make(
      const std::vector<std::pair<uint16_t, uint16_t>>& priorities_and_weights) {
    std::vector<Endpoint> made;
    for (const auto& [priority, weight] : priorities_and_weights) {
      auto target = std::make_shared<participants::Target>();
      target->gate =
          std::make_shared<SharedGate>(GateOptions{}, "p", "d", "a", "", InstantFromMicros(0));
      made.push_back({std::move(target), priority, weight});
    }
    return made;
  }
  // How many of `calls` each gets; with `held` they do not end.
  std::vector<int> Spread(int calls, bool held) {
    std::vector<int> counts(endpoints.size());
    for (int i = 0; i < calls; ++i) {
      const size_t chosen = endpoints.Choose(std::vector<bool>(endpoints.size()), now);
      ++counts[chosen];
      SharedGate& gate = *endpoints.at(chosen)->gate;
      const auto entry = gate.Acquire(Lane::kForward, now, [] { return ParkedCall{}; });
      if (!held) {
        gate.Finish(entry->permit, {}, now);
      }
    }
    return counts;
  }

  Endpoints endpoints;
  const Instant now = InstantFromMicros(1'000'000);
};

TEST_CASE("endpoints of one priority have calls by their weight") {
  CHECK(Group({{0, 3}, {0, 1}}).Spread(80, false) == std::vector<int>{60, 20});
  const auto held = Group({{0, 3}, {0, 1}}).Spread(80, true);
  CHECK(held[0] > held[1]);
  CHECK(held[1] > 10);
  CHECK(Group({{0, 0}, {0, 0}}).Spread(80, false) == std::vector<int>{40, 40});
  CHECK(Group({{0, 5}, {0, 0}}).Spread(80, false) == std::vector<int>{80, 0});
  CHECK(Group({{0, 1}, {1, 100}}).Spread(80, false) == std::vector<int>{80, 0});
}

TEST_CASE("records that say the same again leave it whose turn it is") {
  Instant now = InstantFromMicros(1'000'000'000);
  UniqueFunction<void(Result<net::SrvAnswer>)> asked;
  net::SrvBook services([&asked](const std::string&, auto done) { asked = std::move(done); },
                        [&now] { return now; });
  Gates gates;
  EndpointBook book(gates, services, {});
  auto plan = std::make_shared<dsl::Plan>();
  plan->participants.push_back(Booking());
  const auto turn = [&] {
    const auto found = book.Find(plan, 0, "", now);
    REQUIRE(found);
    return (**found)->at((**found)->Choose({false, false}, now))->place->port;
  };
  const net::SrvAnswer answer{{Target(1), Target(2)}, 1s};

  CHECK_FALSE(book.Find(plan, 0, "", now));
  asked(answer);
  const uint16_t first = turn();
  now += 2s;
  CHECK(book.Find(plan, 0, "", now));  // As it was, while it is looked up again.
  asked(answer);
  CHECK(turn() != first);
  now += 2s;
  CHECK(book.Find(plan, 0, "", now));
  asked(net::SrvAnswer{{Target(3), Target(4)}, 1s});
  CHECK(turn() > 2);
}

}  // namespace
}  // namespace entente::participants
