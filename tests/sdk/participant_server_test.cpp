#include "entente/participant_server.h"

#include <atomic>
#include <future>
#include <latch>
#include <memory>

#include <catch2/catch.hpp>

#include "tests/net/http_cases.h"
#include "tests/net/loopback.h"

namespace entente::sdk {
namespace {

using Peer = net::testing::Connection;

std::string Request(const std::string& path, const std::string& body = "{}") {
  return "POST " + path +
         " HTTP/1.1\r\nHost: x\r\nEntente-Gid: g\r\nEntente-Branch: b\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

// One answer's head and body.
std::string ReadAnswer(Peer& peer) {
  const std::string head = peer.ReadUntil("\r\n\r\n");
  const size_t at = head.find("Content-Length: ");
  return at == std::string::npos ? head : head + peer.ReadExactly(std::stoul(head.substr(at + 16)));
}

// Handlers that answer at once ("quick") or when released ("slow").
struct Desk {
  Desk() {
    REQUIRE(participant
                .Register("quick", SagaHandlers{[](const Call& call) -> Result<Answer> {
                                                  return Done(call.input);
                                                },
                                                {}})
                .ok());
    REQUIRE(participant
                .Register("slow", SagaHandlers{[this](const Call&) -> Result<Answer> {
                                                 entered.fetch_add(1);
                                                 entered.notify_all();
                                                 release.wait();
                                                 return Done("released");
                                               },
                                               {}})
                .ok());
  }
  void WaitUntilEntered(int count) {
    for (int now = entered; now < count; now = entered) {
      entered.wait(now);
    }
  }
  std::unique_ptr<HttpServer> Start(const ServerOptions& options = {}) {
    auto server = HttpServer::Start(participant, options);
    INFO(server.status());
    REQUIRE(server.ok());
    return std::move(server).value();
  }
  Participant participant;
  std::atomic<int> entered{0};
  std::latch release{1};
};

TEST_CASE("one connection serves many requests, also sent at once") {
  Desk desk;
  const auto server = desk.Start();
  Peer peer(server->port());
  peer.Write(Request("/quick/action", "1") + Request("/quick/action", R"({"a":2})"));
  CHECK_THAT(ReadAnswer(peer), Catch::StartsWith("HTTP/1.1 200") && Catch::EndsWith("\r\n1"));
  CHECK_THAT(ReadAnswer(peer), Catch::EndsWith(R"({"a":2})"));
  peer.Write(Request("/nobody/action"));
  CHECK_THAT(ReadAnswer(peer), Catch::StartsWith("HTTP/1.1 404"));
}

TEST_CASE("what is too large, and what is no HTTP, is answered and closed") {
  Desk desk;
  ServerOptions options;
  options.max_body_bytes = 100;
  const auto server = desk.Start(options);
  Peer large(server->port());
  large.Write("POST /quick/action HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n");
  CHECK_THAT(ReadAnswer(large), Catch::StartsWith("HTTP/1.1 413"));
  CHECK(large.ReadUntil("x").empty());
  Peer garbage(server->port());
  garbage.Write("garbage\r\n\r\n");
  CHECK_THAT(ReadAnswer(garbage), Catch::StartsWith("HTTP/1.1 400"));
  Peer endless(server->port());
  endless.Write("POST / HTTP/1.1\r\nX: " + std::string(limits::kMaxHeaderBytes + 10, 'x'));
  CHECK_THAT(ReadAnswer(endless), Catch::StartsWith("HTTP/1.1 413"));
}

TEST_CASE("a request whose end is in doubt is refused, and what follows it is never run") {
  Desk desk;
  const auto server = desk.Start();
  const std::string next = Request("/quick/action", "\"next\"");
  auto cases = net::testing::HeadCases();
  const auto chunks = net::testing::ChunkCases();
  cases.insert(cases.end(), chunks.begin(), chunks.end());
  for (const auto& [text, taken] : cases) {
    CAPTURE(text);
    Peer peer(server->port());
    peer.Write(text + next);
    const std::string answer = ReadAnswer(peer);
    CHECK_THAT(answer, Catch::Contains("\r\nDate: "));
    if (!taken) {
      CHECK_THAT(answer, Catch::StartsWith("HTTP/1.1 4") && Catch::Contains("Connection: close"));
      CHECK(peer.ReadToEnd().empty());
    } else if (text.find("HTTP/1.0") == std::string::npos) {
      CHECK_THAT(answer, Catch::StartsWith("HTTP/1.1 404"));
      CHECK_THAT(ReadAnswer(peer), Catch::EndsWith("\"next\""));
    }
  }
}

TEST_CASE("a target may name the host, and be spelled with needless escapes") {
  Desk desk;
  const auto server = desk.Start();
  Peer peer(server->port());
  peer.Write("\r\n" + Request("http://elsewhere:1/quick/action", "1") + "\r\n" +
             Request("/%71uick/%61ction?x=%41", "2"));
  CHECK_THAT(ReadAnswer(peer), Catch::EndsWith("\r\n1"));
  CHECK_THAT(ReadAnswer(peer), Catch::EndsWith("\r\n2"));
}

TEST_CASE("a request more than may wait is turned away, those before it are answered") {
  Desk desk;
  ServerOptions options;
  options.threads = 1;
  options.max_waiting = 1;
  const auto server = desk.Start(options);
  Peer running(server->port());
  running.Write(Request("/slow/action"));
  desk.WaitUntilEntered(1);
  // Of these two, one may wait and the other is turned away.
  Peer one(server->port());
  Peer two(server->port());
  one.Write(Request("/slow/action"));
  two.Write(Request("/slow/action"));
  std::future<std::string> first = std::async([&] { return ReadAnswer(one); });
  std::future<std::string> second = std::async([&] { return ReadAnswer(two); });
  while (first.wait_for(std::chrono::seconds(0)) != std::future_status::ready &&
         second.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
    std::this_thread::yield();
  }
  desk.release.count_down();
  const std::array answers{first.get(), second.get()};
  const auto busy = [](const std::string& answer) {
    return answer.starts_with("HTTP/1.1 503") && answer.find("Retry-After: 1") != std::string::npos;
  };
  CHECK(busy(answers[0]) != busy(answers[1]));
  CHECK_THAT(ReadAnswer(running), Catch::EndsWith("\"released\""));
}

TEST_CASE("forward calls that wait do not keep out the confirm that frees them") {
  Participant participant;
  std::promise<void> confirmed;
  const std::shared_future<void> freed = confirmed.get_future().share();
  std::atomic<int> tried{0};
  REQUIRE(participant
              .Register("seat", TccHandlers{[&](const Call&) -> Result<Answer> {
                                              ++tried;
                                              tried.notify_all();
                                              // Bounded only so that a failure does not hang.
                                              const bool in_time =
                                                  freed.wait_for(std::chrono::seconds(20)) ==
                                                  std::future_status::ready;
                                              return in_time ? Done() : Retry("locked", "held");
                                            },
                                            [&](const Call&) -> Result<Answer> {
                                              confirmed.set_value();
                                              return Done("confirmed");
                                            },
                                            [](const Call&) { return Result<Answer>(Done()); }})
              .ok());
  ServerOptions options;
  options.threads = 3;
  options.reserved_threads = 1;
  const auto server = HttpServer::Start(participant, options);
  REQUIRE(server.ok());
  std::vector<std::unique_ptr<Peer>> tries;
  for (int i = 0; i < 4; ++i) {
    tries.push_back(std::make_unique<Peer>((*server)->port()));
    tries.back()->Write(Request("/seat/try"));
  }
  for (int now = tried; now < 2; now = tried) {
    tried.wait(now);
  }
  Peer confirm((*server)->port());
  confirm.Write(Request("/seat/confirm?x=1"));
  CHECK_THAT(ReadAnswer(confirm), Catch::EndsWith("\"confirmed\""));
  for (const auto& peer : tries) {
    CHECK_THAT(ReadAnswer(*peer), Catch::StartsWith("HTTP/1.1 200"));
  }
}

TEST_CASE("a stop lets the request under way be answered and accepts no other") {
  Desk desk;
  const auto server = desk.Start();
  Peer running(server->port());
  Peer idle(server->port());
  idle.Write(Request("/quick/action"));
  ReadAnswer(idle);
  running.Write(Request("/slow/action"));
  desk.WaitUntilEntered(1);
  std::thread stopper([&] { server->Stop(std::chrono::minutes(5)); });
  CHECK(idle.ReadUntil("x").empty());  // Closed.
  desk.release.count_down();
  const std::string answer = ReadAnswer(running);
  CHECK_THAT(answer, Catch::Contains("Connection: close") && Catch::EndsWith("\"released\""));
  stopper.join();
  CHECK_THROWS(Peer(server->port()));
  server->Stop();
}

TEST_CASE("a stop does not wait longer than its grace for a request that never ends") {
  Desk desk;
  const auto server = desk.Start();
  Peer half(server->port());
  half.Write("POST /quick/action HTTP/1.1\r\n");
  Peer other(server->port());
  other.Write(Request("/quick/action"));
  ReadAnswer(other);  // The first one's bytes have arrived by now, or the connection is idle.
  server->Stop(std::chrono::milliseconds(1));
  CHECK(half.ReadUntil("\r\n\r\n").empty());
}

TEST_CASE("more connections than allowed are closed") {
  Desk desk;
  ServerOptions options;
  options.max_connections = 1;
  const auto server = desk.Start(options);
  Peer first(server->port());
  first.Write(Request("/quick/action"));
  ReadAnswer(first);
  Peer second(server->port());
  CHECK(second.ReadUntil("x").empty());
  first.Write(Request("/quick/action", "3"));
  CHECK_THAT(ReadAnswer(first), Catch::EndsWith("3"));
}

TEST_CASE("an address that can not be listened on is reported") {
  Desk desk;
  ServerOptions options;
  options.address = "localhost";
  CHECK(HttpServer::Start(desk.participant, options).status().reason() == "server.bad_address");
  const auto server = desk.Start();
  options.address = "127.0.0.1";
  options.port = server->port();
  CHECK(HttpServer::Start(desk.participant, options).status().reason() == "server.cannot_listen");
  CHECK(server->url() == "http://127.0.0.1:" + std::to_string(server->port()));
}

}  // namespace
}  // namespace entente::sdk
