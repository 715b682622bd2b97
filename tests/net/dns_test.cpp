// Services by their SRV records: addresses, answers, what is kept of them, and a DNS server.
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

#include "base/limits.h"
#include "net/dns/service_url.h"
#include "net/dns/srv_answer.h"
#include "net/dns/srv_book.h"
#include "net/dns/srv_client.h"
#include "tests/net/dns_server.h"

namespace entente::net {
namespace {

using namespace std::chrono_literals;
using testing::DnsServer;
namespace dns = testing::dns;

const std::string kName = "_booking._tcp.example.test";

std::string Query() {
  return dns::Number(7, 2) + dns::Number(0x0100, 2) + dns::Number(1, 2) + dns::Number(0, 6) +
         dns::Name(kName) + dns::Number(33, 2) + dns::Number(1, 2);
}

std::string MessageOf(const std::vector<SrvTarget>& targets, uint32_t ttl = 60) {
  return DnsServer::Of(targets, ttl)(Query(), false);
}

TEST_CASE("an address that names a service is called by its domain, at its scheme's own port") {
  const auto url = ParseServiceUrl("https+srv://_booking._tcp.Example.test./v1/", false);
  REQUIRE(url.ok());
  CHECK(url->name == kName);
  CHECK(url->origin == Origin{true, "example.test", 443});
  CHECK(url->path == "/v1");
  CHECK(ParseServiceUrl("http+srv://booking.service.consul", false)->origin ==
        Origin{false, "booking.service.consul", 80});
  CHECK(ParseServiceUrl("grpc+srv://_booking._tcp.example.test", true)->origin ==
        Origin{true, "example.test", 443});
  for (const auto* const wrong :
       {"http://example.test", "http+srv://_booking._tcp.example.test:8080", "http+srv://_a._tcp",
        "http+srv://", "grpc+srv://_a._tcp.example.test/path", "http+srv://u@example.test",
        "http+srv://[::1]"}) {
    INFO(wrong);
    CHECK_FALSE(ParseServiceUrl(wrong, false).ok());
  }
}

TEST_CASE("an answer's targets come by priority, with the shortest time to live") {
  const auto answer = ReadSrvAnswer(dns::Answer(
      Query(), 0, {dns::Srv({"b.test", 2, 20, 5}, 90), dns::Srv({"A.test", 1, 10, 7}, 30)}));
  REQUIRE(answer.ok());
  CHECK(answer->targets == std::vector<SrvTarget>{{"a.test", 1, 10, 7}, {"b.test", 2, 20, 5}});
  CHECK(answer->ttl == 30s);
}

TEST_CASE("a place that is named twice is one target, by its better record") {
  const auto answer = ReadSrvAnswer(MessageOf({{"a.test", 1, 20, 9}, {"a.test", 1, 10, 1}}));
  REQUIRE(answer.ok());
  CHECK(answer->targets == std::vector<SrvTarget>{{"a.test", 1, 10, 1}});
}

TEST_CASE("a target of '.' says that the service is not offered") {
  const auto answer = ReadSrvAnswer(MessageOf({{"", 0, 0, 0}}));
  REQUIRE(answer.ok());
  CHECK(answer->targets.empty());
}

TEST_CASE("targets that are no host and port are passed over, and an answer of none is a failure") {
  CHECK(
      ReadSrvAnswer(MessageOf({{"a.test", 0}, {"b\r\n.test", 1}, {"c.test", 1}}))->targets.size() ==
      1);
  CHECK_FALSE(ReadSrvAnswer(MessageOf({{"a.test", 0}})).ok());
  CHECK_FALSE(ReadSrvAnswer(MessageOf({})).ok());
}

TEST_CASE("of more targets than the limit those of the lowest priority are left out") {
  std::vector<SrvTarget> targets;
  for (uint16_t i = 0; i < limits::kMaxSrvTargets + 8; ++i) {
    targets.push_back({"h" + std::to_string(i), 80, static_cast<uint16_t>(1000 - i), 1});
  }
  const auto answer = ReadSrvAnswer(MessageOf(targets));
  REQUIRE(answer.ok());
  CHECK(answer->targets.size() == limits::kMaxSrvTargets);
  CHECK(answer->targets.front().host == targets.back().host);
}

TEST_CASE("an answer that is cut or damaged anywhere is read as a failure or as an answer") {
  const std::string whole = MessageOf({{"a.test", 1, 1, 1}, {"b.test", 2, 1, 1}});
  for (size_t size = 0; size < whole.size(); ++size) {
    CHECK_FALSE(ReadSrvAnswer(whole.substr(0, size)).ok());
  }
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const int byte : {0x00, 0x01, 0x3F, 0x40, 0xC0, 0xFF}) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(byte);
      const auto answer = ReadSrvAnswer(damaged);
      CHECK((!answer.ok() || answer->targets.size() <= 2));
    }
  }
}

// A book whose lookups a test answers, at instants that it chooses.
struct Bench {
  std::optional<Result<SrvBook::AnswerPtr>> Find() { return book.Find(kName); }
  void Answer(Result<SrvAnswer> answer) {
    REQUIRE(asked.size() == 1);
    auto done = std::move(asked.begin()->second);
    asked.clear();
    done(std::move(answer));
  }
  [[nodiscard]] std::string Host() {
    const auto found = Find();
    REQUIRE(found);
    return found->ok() ? (**found)->targets.front().host : found->status().message();
  }

  Instant now = InstantFromMicros(1'000'000'000);
  std::map<std::string, UniqueFunction<void(Result<SrvAnswer>)>> asked;
  SrvBook book{[this](const std::string& name, UniqueFunction<void(Result<SrvAnswer>)> done) {
                 asked.emplace(name, std::move(done));
               },
               [this] { return now; }};
};

SrvAnswer At(const std::string& host, Duration ttl) {
  return {{{host, 80, 0, 0}}, ttl};
}

const Status kGone = Unavailable("dns.failed", "there is no such name (NXDOMAIN)");

TEST_CASE("who asks for a name that is not known waits for the one lookup") {
  Bench bench;
  CHECK_FALSE(bench.Find());
  CHECK_FALSE(bench.Find());
  std::vector<std::string> told;
  for (int i = 0; i < 2; ++i) {
    bench.book.WhenKnown(kName, [&] { told.push_back(bench.Host()); });
  }
  bench.Answer(At("a", 60s));
  CHECK(told == std::vector<std::string>{"a", "a"});
  CHECK(bench.Host() == "a");
}

TEST_CASE("an answer is used for its time to live, and once more while it is looked up again") {
  Bench bench;
  CHECK_FALSE(bench.Find());
  bench.Answer(At("a", 60s));
  bench.now += 59s;
  CHECK(bench.Host() == "a");
  CHECK(bench.asked.empty());
  bench.now += 1s;
  CHECK(bench.Host() == "a");
  bench.Answer(At("b", 60s));
  CHECK(bench.Host() == "b");
}

TEST_CASE("times to live are held within limits") {
  Bench bench;
  CHECK_FALSE(bench.Find());
  bench.Answer(At("a", 0s));
  bench.now += limits::kMinSrvTtl - 1ms;
  CHECK(bench.Host() == "a");
  CHECK(bench.asked.empty());
  bench.now += 1ms;
  CHECK(bench.Host() == "a");
  bench.Answer(At("b", 24h));
  bench.now += limits::kMaxSrvTtl;
  CHECK(bench.Host() == "b");
  CHECK(bench.asked.size() == 1);
}

TEST_CASE("while lookups fail the answer before is used, but not for ever") {
  Bench bench;
  CHECK_FALSE(bench.Find());
  bench.Answer(At("a", 60s));
  const Instant end = bench.now + 60s + limits::kSrvStale;
  while (bench.now + 1min < end) {
    bench.now += 1min;
    CHECK(bench.Host() == "a");
    bench.Answer(kGone);
  }
  bench.now = end;
  CHECK_FALSE(bench.Find());
  bench.Answer(kGone);
  CHECK(bench.Host().find(kName) != std::string::npos);
  CHECK(bench.Host().find("NXDOMAIN") != std::string::npos);
  // It is not asked at every call, but soon again.
  CHECK(bench.asked.empty());
  bench.now += limits::kSrvPause;
  CHECK_FALSE(bench.Find());
  bench.Answer(At("b", 60s));
  CHECK(bench.Host() == "b");
}

TEST_CASE("that a service is not offered ends what was known of it") {
  Bench bench;
  CHECK_FALSE(bench.Find());
  bench.Answer(At("a", 60s));
  bench.now += 60s;
  CHECK(bench.Host() == "a");
  bench.Answer(SrvAnswer{{}, 60s});
  CHECK(bench.Host().find("not offered") != std::string::npos);
}

TEST_CASE("of many names those asked for longest ago are forgotten") {
  Bench bench;
  CHECK_FALSE(bench.Find());
  bench.Answer(At("a", 24h));
  for (size_t i = 0; i < 3 * limits::kMaxSrvNames; ++i) {
    bench.now += 1us;
    CHECK_FALSE(bench.book.Find("n" + std::to_string(i)));
    bench.Answer(kGone);
    bench.now += 1us;
    CHECK(bench.Host() == "a");
  }
  CHECK(bench.asked.empty());
}

// Looks `name` up at those servers.
Result<SrvAnswer> LookUpAt(const std::string& servers, const std::string& name = kName) {
  boost::asio::io_context io;
  SrvClient client(io, {servers});
  std::optional<Result<SrvAnswer>> answer;
  client.Lookup(name, [&answer](Result<SrvAnswer> got) { answer = std::move(got); });
  CHECK_FALSE(answer);
  while (!answer) {
    REQUIRE(io.run_one() == 1);
  }
  return *answer;
}

Result<SrvAnswer> LookUp(const DnsServer& server, const std::string& name = kName) {
  return LookUpAt(server.address(), name);
}

TEST_CASE("a DNS server is asked") {
  const DnsServer server({{"a.test", 8080, 10, 1}}, 17);
  const auto answer = LookUp(server);
  REQUIRE(answer.ok());
  CHECK(answer->targets == std::vector<SrvTarget>{{"a.test", 8080, 10, 1}});
  CHECK(answer->ttl == 17s);
}

TEST_CASE("an answer that was cut is asked for again over TCP") {
  std::vector<SrvTarget> many;
  for (uint16_t i = 0; i < 40; ++i) {
    many.push_back({"host-" + std::to_string(i) + ".a-long-name.example.test", 80, i, 1});
  }
  const DnsServer server([&many](const std::string& query, bool tcp) {
    return tcp ? DnsServer::Of(many)(query, tcp) : dns::Answer(query, dns::kTruncated, {});
  });
  const auto answer = LookUp(server);
  REQUIRE(answer.ok());
  CHECK(answer->targets == many);
}

TEST_CASE("what a DNS server fails at is said in words") {
  DnsServer server(
      [](const std::string& query, bool) { return dns::Answer(query, dns::kNoSuchName, {}); });
  CHECK(LookUp(server).status().message().find("NXDOMAIN") != std::string::npos);
  server.Set([](const std::string& query, bool) { return dns::Answer(query, dns::kNoError, {}); });
  CHECK(LookUp(server).status().message().find("no SRV record") != std::string::npos);
  server.Set(
      [](const std::string& query, bool) { return dns::Answer(query, dns::kServerFailure, {}); });
  CHECK(LookUp(server).status().message().find("SERVFAIL") != std::string::npos);
  CHECK_FALSE(LookUp(server, std::string(300, 'x')).ok());
}

// The socket to each that refuses is closed, and its number is that of the next one's.
TEST_CASE("where no DNS server listens the next one is asked") {
  std::string servers;
  for (int i = 0; i < 3; ++i) {
    const DnsServer gone({}, 0);
    servers += gone.address() + ",";
  }
  DnsServer server({{"a.test", 8080, 10, 1}}, 17);
  const auto answer = LookUpAt(servers + server.address());
  REQUIRE(answer.ok());
  CHECK(answer->targets.front().host == "a.test");
  CHECK(server.queries() == 1);
}

TEST_CASE("a DNS server that says nothing is given up") {
  DnsServer silent([](const std::string&, bool) { return std::string(); });
  const auto answer = LookUp(silent);
  CHECK(answer.status().reason() == "dns.failed");
  CHECK(answer.status().message().find("in time") != std::string::npos);
  CHECK(silent.queries() > 1);
}

TEST_CASE("answers that are none are lived through") {
  uint32_t seed = 1;
  DnsServer server([&seed](const std::string& query, bool) {
    std::string message = MessageOf({{"a.test", 1, 1, 1}, {"b.test", 2, 1, 1}});
    message.replace(0, 2, query.substr(0, 2));
    for (size_t i = 0; i < 4; ++i) {
      seed = seed * 1'664'525 + 1'013'904'223;
      message[4 + seed % (message.size() - 4)] = static_cast<char>(seed >> 24);
    }
    return message;
  });
  boost::asio::io_context io;
  SrvClient client(io, {server.address()});
  size_t ended = 0;
  for (size_t i = 0; i < 100; ++i) {
    client.Lookup(kName, [&ended](const Result<SrvAnswer>&) { ++ended; });
  }
  io.run();
  CHECK(ended == 100);
}

TEST_CASE("a client that ends while it asks answers nobody") {
  const DnsServer silent([](const std::string&, bool) { return std::string(); });
  boost::asio::io_context io;
  {
    SrvClient client(io, {silent.address()});
    client.Lookup(kName, [](const Result<SrvAnswer>&) { FAIL("answered"); });
    io.poll();
  }
  io.run();  // Ends at once: nothing is waited for any more.
}

TEST_CASE("DNS servers are written as addresses and ports") {
  CHECK(IsDnsServer("127.0.0.1:53"));
  CHECK(IsDnsServer("[::1]:8600"));
  CHECK(IsDnsServer("127.0.0.1:53,[::1]:8600"));
  for (const auto* const wrong : {"", "127.0.0.1", "dns.example.test:53", ":53", "127.0.0.1:0"}) {
    CHECK_FALSE(IsDnsServer(wrong));
  }
}

}  // namespace
}  // namespace entente::net
