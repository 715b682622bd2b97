#include "entente/participant_server.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <future>
#include <latch>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "entente/participant_client.h"
#include "tests/net/http_cases.h"
#include "tests/net/loopback.h"
#include "tests/net/test_certificates.h"

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
  CHECK_THAT(ReadAnswer(endless), Catch::StartsWith("HTTP/1.1 431"));
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
      CHECK_THAT(answer, (Catch::StartsWith("HTTP/1.1 4") || Catch::StartsWith("HTTP/1.1 505")) &&
                             Catch::Contains("Connection: close"));
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

TEST_CASE("whoever is turned away while it still sends hears why") {
  Desk desk;
  ServerOptions options;
  options.max_body_bytes = 100;
  const auto server = desk.Start(options);
  const std::string body(1 << 20, 'x');
  for (const std::string& head :
       {"Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body,
        "Transfer-Encoding: chunked\r\n\r\n100000\r\n" + body + "\r\n0\r\n\r\n"}) {
    Peer peer(server->port());
    peer.Write("POST /quick/action HTTP/1.1\r\nHost: x\r\n" + head);
    CHECK_THAT(ReadAnswer(peer), Catch::StartsWith("HTTP/1.1 413"));
    CHECK(peer.ReadUntil("x").empty());
  }
}

TEST_CASE("a body is asked for where its sender expects that, and refused before it is sent") {
  Desk desk;
  ServerOptions options;
  options.max_body_bytes = 100;
  const auto server = desk.Start(options);
  const std::string head =
      "POST /quick/action HTTP/1.1\r\nHost: x\r\nEntente-Gid: g\r\nEntente-Branch: b\r\n";
  Peer polite(server->port());
  polite.Write(head + "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\n");
  CHECK(polite.ReadUntil("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  polite.Write("7");
  CHECK_THAT(ReadAnswer(polite), Catch::StartsWith("HTTP/1.1 200") && Catch::EndsWith("\r\n7"));
  // Which has come along already is not asked for; nor is there anything to ask for.
  polite.Write(head + "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n");
  CHECK_THAT(ReadAnswer(polite), Catch::StartsWith("HTTP/1.1 200"));
  polite.Write(head + "Expect: 100-continue\r\nContent-Length: 101\r\n\r\n");
  CHECK_THAT(ReadAnswer(polite), Catch::StartsWith("HTTP/1.1 413"));
  Peer demanding(server->port());
  demanding.Write(head + "Expect: a miracle\r\nContent-Length: 1\r\n\r\n");
  CHECK_THAT(ReadAnswer(demanding), Catch::StartsWith("HTTP/1.1 417"));
  Peer old(server->port());
  old.Write(
      "POST /quick/action HTTP/1.0\r\nHost: x\r\nEntente-Gid: g\r\nEntente-Branch: b\r\n"
      "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n7");
  CHECK_THAT(ReadAnswer(old), Catch::StartsWith("HTTP/1.1 200"));
}

TEST_CASE("health is told while every handler is busy, and HEAD has no body") {
  Desk desk;
  ServerOptions options;
  options.threads = 1;
  const auto server = desk.Start(options);
  Peer running(server->port());
  running.Write(Request("/slow/action"));
  desk.WaitUntilEntered(1);
  Peer asking(server->port());
  asking.Write("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK_THAT(ReadAnswer(asking),
             Catch::StartsWith("HTTP/1.1 200") && Catch::EndsWith(R"({"status":"ok"})"));
  asking.Write("HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK_THAT(asking.ReadUntil("\r\n\r\n"), Catch::Contains("Content-Length: 15"));
  CHECK_THAT(ReadAnswer(asking), Catch::StartsWith("HTTP/1.1 200"));
  desk.release.count_down();
  CHECK_THAT(ReadAnswer(running), Catch::EndsWith("\"released\""));
  asking.Write("HEAD /quick/action HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string refused = asking.ReadUntil("\r\n\r\n");
  CHECK_THAT(refused, Catch::StartsWith("HTTP/1.1 405") && Catch::Contains("Allow: POST"));
  asking.Write("POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
  CHECK_THAT(ReadAnswer(asking), Catch::StartsWith("HTTP/1.1 404"));
}

// Waits until the server has seen whatever was sent to it, or closed, before.
void Settle(const HttpServer& server) {
  for (int i = 0; i < 2; ++i) {
    Peer asking(server.port());
    asking.Write("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    REQUIRE_THAT(ReadAnswer(asking), Catch::StartsWith("HTTP/1.1 200"));
  }
}

std::string Late(std::chrono::milliseconds from_now) {
  const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::system_clock::now().time_since_epoch());
  std::string request = Request("/slow/action");
  request.insert(request.find("Content-Length"),
                 "Entente-Deadline: " + std::to_string((now + from_now).count()) + "\r\n");
  return request;
}

TEST_CASE("what nobody waits for any more is not begun") {
  Desk desk;
  ServerOptions options;
  options.threads = 1;
  const auto server = desk.Start(options);
  Peer running(server->port());
  running.Write(Request("/slow/action"));
  desk.WaitUntilEntered(1);
  {
    Peer gone(server->port());
    gone.Write(Request("/slow/action"));
    Settle(*server);
  }
  Peer late(server->port());
  late.Write(Late(std::chrono::milliseconds(1500)));
  Peer patient(server->port());
  patient.Write(Late(std::chrono::hours(1)));
  // Past when it came: the clocks differ, or it was under way for long. It did not give up here.
  Peer ahead(server->port());
  ahead.Write(Late(std::chrono::hours(-1)));
  // At once, and not when a thread is free.
  CHECK_THAT(ReadAnswer(late),
             Catch::StartsWith("HTTP/1.1 425") && Catch::Contains("call.too_late"));
  Settle(*server);
  desk.release.count_down();
  CHECK_THAT(ReadAnswer(running), Catch::EndsWith("\"released\""));
  CHECK_THAT(ReadAnswer(patient), Catch::EndsWith("\"released\""));
  CHECK_THAT(ReadAnswer(ahead), Catch::EndsWith("\"released\""));
  CHECK(desk.entered == 3);
}

TEST_CASE("idle connections shut nobody out") {
  Desk desk;
  ServerOptions options;
  options.max_connections = 2;
  const auto server = desk.Start(options);
  Peer first(server->port());
  first.Write(Request("/quick/action"));
  ReadAnswer(first);
  Peer second(server->port());
  second.Write(Request("/quick/action"));
  ReadAnswer(second);
  Peer third(server->port());
  third.Write(Request("/quick/action", "3"));
  CHECK_THAT(ReadAnswer(third), Catch::EndsWith("3"));
  CHECK(first.ReadUntil("x").empty());  // Closed: it had been idle for longest.
  second.Write(Request("/quick/action", "2"));
  CHECK_THAT(ReadAnswer(second), Catch::EndsWith("2"));
}

TEST_CASE("a connection more than may be at work is told so") {
  Desk desk;
  ServerOptions options;
  options.max_connections = 1;
  const auto server = desk.Start(options);
  Peer running(server->port());
  running.Write(Request("/slow/action"));
  desk.WaitUntilEntered(1);
  Peer second(server->port());
  second.Write(Request("/quick/action"));
  CHECK_THAT(ReadAnswer(second),
             Catch::StartsWith("HTTP/1.1 503") && Catch::Contains("Retry-After: 1"));
  CHECK(second.ReadUntil("x").empty());
  desk.release.count_down();
  CHECK_THAT(ReadAnswer(running), Catch::EndsWith("\"released\""));
}

TEST_CASE("callers that give up leave nothing to do behind them") {
  Desk desk;
  ServerOptions options;
  options.threads = 2;
  options.reserved_threads = 1;
  options.max_waiting = 40;
  const auto server = desk.Start(options);
  Peer running(server->port());
  running.Write(Request("/slow/action"));
  desk.WaitUntilEntered(1);
  for (int round = 0; round < 2; ++round) {
    std::vector<std::unique_ptr<Peer>> impatient;
    for (int i = 0; i < 40; ++i) {
      impatient.push_back(std::make_unique<Peer>(server->port()));
      impatient.back()->Write(Request("/slow/action"));
    }
    // There is room for one more only because one of them is gone.
    Settle(*server);
    impatient.front()->Reset();
    Settle(*server);
    Peer patient(server->port());
    patient.Write(Request("/quick/compensate"));
    CHECK_THAT(ReadAnswer(patient), Catch::StartsWith("HTTP/1.1 404"));
  }
  Settle(*server);
  desk.release.count_down();
  CHECK_THAT(ReadAnswer(running), Catch::EndsWith("\"released\""));
  Peer patient(server->port());
  patient.Write(Request("/slow/action"));
  CHECK_THAT(ReadAnswer(patient), Catch::EndsWith("\"released\""));
  CHECK(desk.entered == 2);
}

// A service that answers when it likes.
struct LaterDesk {
  LaterDesk() {
    const Handler later = [this](const Call& call, Completion completion) {
      const std::lock_guard lock(mutex);
      asked.push_back({call.branch.str(), std::make_shared<Completion>(std::move(completion))});
      changed.notify_all();
    };
    const Handler quick = [](const Call&) -> Result<Answer> { return Done("quick"); };
    REQUIRE(participant.Register("later", SagaHandlers{later, quick}).ok());
  }
  std::shared_ptr<Completion> Take() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return !asked.empty(); });
    auto first = asked.front().second;
    asked.erase(asked.begin());
    return first;
  }
  Participant participant;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::pair<std::string, std::shared_ptr<Completion>>> asked;
};

TEST_CASE("a handler may answer later, from any thread, and holds none meanwhile") {
  LaterDesk desk;
  ServerOptions options;
  options.threads = 1;
  auto server = HttpServer::Start(desk.participant, options);
  REQUIRE(server.ok());
  std::vector<std::unique_ptr<Peer>> peers;
  std::vector<std::shared_ptr<Completion>> completions;
  for (int i = 0; i < 3; ++i) {
    peers.push_back(std::make_unique<Peer>((*server)->port()));
    peers.back()->Write(Request("/later/action"));
    completions.push_back(desk.Take());
    CHECK(completions.back()->wanted());
  }
  Peer other((*server)->port());
  other.Write(Request("/later/compensate"));
  CHECK_THAT(ReadAnswer(other), Catch::EndsWith("\"quick\""));
  std::thread([&] { completions[1]->Finish(Done("second")); }).join();
  CHECK_THAT(ReadAnswer(*peers[1]), Catch::EndsWith("\"second\""));
  CHECK_FALSE(completions[1]->wanted());
  completions[1]->Finish(Done("twice"));
  completions[0]->Finish(Refused("full", "no seat"));
  CHECK_THAT(ReadAnswer(*peers[0]), Catch::StartsWith("HTTP/1.1 409") && Catch::Contains("full"));
  // The connection goes on, and who lets go of the duty leaves the outcome unknown.
  peers[1]->Write(Request("/later/action"));
  desk.Take().reset();
  CHECK_THAT(ReadAnswer(*peers[1]),
             Catch::StartsWith("HTTP/1.1 500") && Catch::Contains("handler.no_answer"));
  // An answer that does not fit is none.
  completions[2]->Finish(ReadOnly());
  CHECK_THAT(ReadAnswer(*peers[2]),
             Catch::StartsWith("HTTP/1.1 500") && Catch::Contains("handler.bad_answer"));
}

TEST_CASE("what is answered after its deadline, or after the server's end, goes nowhere") {
  LaterDesk desk;
  auto server = HttpServer::Start(desk.participant);
  REQUIRE(server.ok());
  std::string request = Late(std::chrono::milliseconds(1500));
  request.replace(request.find("/slow"), 5, "/later");
  Peer late((*server)->port());
  late.Write(request);
  const auto missed = desk.Take();
  CHECK_THAT(ReadAnswer(late),
             Catch::StartsWith("HTTP/1.1 425") && Catch::Contains("call.too_late"));
  CHECK_FALSE(missed->wanted());
  missed->Finish(Done("too late"));
  // Its caller has hung up.
  auto gone = std::make_unique<Peer>((*server)->port());
  gone->Write(Request("/later/action"));
  const auto unheard = desk.Take();
  CHECK(unheard->wanted());
  gone->Reset();
  while (unheard->wanted()) {
    std::this_thread::yield();
  }
  unheard->Finish(Done());
  Peer left((*server)->port());
  left.Write(Request("/later/action"));
  const auto orphan = desk.Take();
  (*server)->Stop(std::chrono::milliseconds(1));
  CHECK_FALSE(orphan->wanted());
  server->reset();
  orphan->Finish(Done("nobody"));
  CHECK(left.ReadUntil("x").empty());
}

TEST_CASE("what is pending is polled at the server that answered it") {
  Participant participant;
  std::atomic<int> polls{0};
  const Handler pending = [&](const Call&) -> Result<Answer> {
    return Pending(participant.PollLocation("orders", "7"));
  };
  REQUIRE(participant.Register("order", SagaHandlers{pending, pending}).ok());
  REQUIRE(participant
              .RegisterPoll("orders",
                            [&](const Call&, std::string_view rest) -> Result<Answer> {
                              return ++polls == 1 ? Pending() : Done({{"order", rest}});
                            })
              .ok());
  const auto server = HttpServer::Start(participant);
  REQUIRE(server.ok());
  Peer peer((*server)->port());
  peer.Write(Request("/order/action"));
  CHECK_THAT(ReadAnswer(peer),
             Catch::StartsWith("HTTP/1.1 202") && Catch::Contains("Location: /orders/7"));
  const std::string poll =
      "GET /orders/7 HTTP/1.1\r\nHost: x\r\nEntente-Gid: g\r\nEntente-Branch: b\r\n"
      "Entente-Operation: action\r\n\r\n";
  peer.Write(poll);
  CHECK_THAT(ReadAnswer(peer), Catch::StartsWith("HTTP/1.1 202"));
  peer.Write(poll);
  CHECK_THAT(ReadAnswer(peer),
             Catch::StartsWith("HTTP/1.1 200") && Catch::EndsWith(R"({"order":"7"})"));
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

using net::testing::Certificates;

// Puts the certificate and key of `from` where those of `to` are.
void Replace(const Certificates& from, const Certificates& to) {
  const auto copy = std::filesystem::copy_options::overwrite_existing;
  std::filesystem::copy_file(from.certificate_file(), to.certificate_file(), copy);
  std::filesystem::copy_file(from.key_file(), to.key_file(), copy);
}

// A service that drives a transaction, and calls one of its participants.
struct Driver {
  explicit Driver(TlsOptions tls)
      : participants({.retry_for = Duration::zero(), .tls = std::move(tls)}) {}
  Status Call(const HttpServer& server) {
    return participants
        .Call(GlobalTransaction(coordinator, "g"), "b", Operation::kAction,
              server.url() + "/quick/action", 7)
        .status();
  }
  Client coordinator;
  ParticipantClient participants;
};

TEST_CASE("by TLS it serves those whose certificates are by its authorities, and no others") {
  const Certificates own("127.0.0.1");
  const Certificates clients("client");
  const Certificates strangers("client");
  Desk desk;
  ServerOptions options;
  options.tls = {own.certificate_file(), own.key_file(), clients.ca_file()};
  const auto server = desk.Start(options);
  CHECK(server->url() == "https://127.0.0.1:" + std::to_string(server->port()));
  CHECK(Driver({own.ca_file(), clients.certificate_file(), clients.key_file()}).Call(*server).ok());
  CHECK_FALSE(Driver({own.ca_file(), strangers.certificate_file(), strangers.key_file()})
                  .Call(*server)
                  .ok());
  CHECK_FALSE(Driver({own.ca_file(), {}, {}}).Call(*server).ok());
  CHECK(Driver({strangers.ca_file(), clients.certificate_file(), clients.key_file()})
            .Call(*server)
            .reason() == "client.unreachable");
  Peer plain(server->port());
  plain.Write(Request("/quick/action"));
  CHECK(plain.ReadToEnd().find("200") == std::string::npos);
  CHECK(server->tls_status().ok());
}

TEST_CASE(
    "a certificate that is replaced is shown from the next connection on, and cuts off none") {
  const Certificates first("127.0.0.1");
  const Certificates second("127.0.0.1");
  const Certificates shown("127.0.0.1");  // Whose files the server has.
  Replace(first, shown);
  Desk desk;
  ServerOptions options;
  options.tls = {shown.certificate_file(), shown.key_file(), {}};
  const auto server = desk.Start(options);
  Driver before({first.ca_file(), {}, {}});
  CHECK(before.Call(*server).ok());

  // Half of the two files is there.
  std::filesystem::copy_file(second.certificate_file(), shown.certificate_file(),
                             std::filesystem::copy_options::overwrite_existing);
  CHECK(Driver({first.ca_file(), {}, {}}).Call(*server).ok());
  CHECK(server->tls_status().reason() == "server.bad_tls");
  Replace(second, shown);
  CHECK(Driver({second.ca_file(), {}, {}}).Call(*server).ok());
  CHECK(server->tls_status().ok());
  CHECK_FALSE(Driver({first.ca_file(), {}, {}}).Call(*server).ok());
  CHECK(before.Call(*server).ok());  // On the connection that it has.
}

TEST_CASE("a server that can not use its TLS files does not start, rather than in plain text") {
  const Certificates own("127.0.0.1");
  const Certificates other("127.0.0.1");
  Desk desk;
  for (const ServerTlsOptions& tls :
       std::vector<ServerTlsOptions>{{"/nowhere", own.key_file(), {}},
                                     {own.certificate_file(), {}, {}},
                                     {own.certificate_file(), other.key_file(), {}},
                                     {{}, {}, own.ca_file()},
                                     {own.certificate_file(), own.key_file(), "/nowhere"}}) {
    ServerOptions options;
    options.tls = tls;
    CHECK(HttpServer::Start(desk.participant, options).status().reason() == "server.bad_tls");
  }
}

}  // namespace
}  // namespace entente::sdk
