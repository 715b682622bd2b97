// The HTTP server against clients that behave badly.
#include "net/http/http_server.h"

#include <deque>
#include <map>
#include <optional>
#include <thread>

#include <catch2/catch.hpp>

#include "base/json.h"
#include "tests/net/http_cases.h"
#include "tests/net/loopback.h"

namespace entente::net {
namespace {

using testing::Connection;
using testing::Loop;

// Echoes by default. On "/hold" it keeps the responder, on "/stream" the stream, for the test to
// use.
// More than the kernel takes for a client that does not read.
constexpr size_t kLargeAnswer = size_t{24} << 20;

class Handler final : public HttpHandler {
 public:
  void Handle(HttpServerRequest request, Responder responder) override {
    if (to != nullptr && request.target.starts_with("/moved")) {
      request.target.erase(0, std::string("/moved").size());
      std::move(responder).MoveTo(to, std::move(request));
    } else if (request.target == "/hold") {
      held.push_back(std::move(responder));
      Arrived();
    } else if (request.target == "/large") {
      HttpServerResponse response;
      response.body.assign(kLargeAnswer, 'z');
      std::move(responder).Respond(std::move(response));
    } else if (request.target == "/drop") {
      return;
    } else if (request.target == "/stream") {
      streams.push_back(std::move(responder).Stream(200, {{"content-type", "text/event-stream"}}));
      Arrived();
    } else if (request.target == "/split") {
      HttpServerResponse response;
      response.headers.Add("x", "a\r\nset-cookie: stolen");
      std::move(responder).Respond(std::move(response));
    } else {
      HttpServerResponse response;
      response.headers.Add("x-method", request.method);
      response.headers.Add("x-peer", request.peer);
      response.headers.Add("x-host", request.host);
      response.body = request.target + "|" + request.body;
      ++answered;
      std::move(responder).Respond(std::move(response));
    }
  }

  void Arrived() {
    ++arrived;
    arrived.notify_all();
  }
  void WaitForArrivals(int count) {
    for (int seen = arrived; seen < count; seen = arrived) {
      arrived.wait(seen);
    }
  }

  std::deque<Responder> held;
  std::deque<ResponseStream> streams;
  std::atomic<int> arrived = 0;
  std::atomic<int> answered = 0;     // By an echo.
  std::shared_ptr<HttpEntrance> to;  // Null: nothing is moved.
};

// A server on a loop of its own.
class Served {
 public:
  explicit Served(HttpServerOptions options = {}) {
    port_ = loop_.Run([&] {
      server_ = std::make_unique<HttpServer>(loop_.io(), handler_, options);
      return server_->Listen("127.0.0.1", 0, false).value();
    });
  }
  ~Served() {
    loop_.Run([&] {
      handler_.held.clear();
      handler_.streams.clear();
      server_.reset();
    });
  }
  [[nodiscard]] uint16_t port() const { return port_; }
  Loop& loop() { return loop_; }
  Handler& handler() { return handler_; }
  std::unique_ptr<HttpServer>& server() { return server_; }

 private:
  Handler handler_;
  std::unique_ptr<HttpServer> server_;
  uint16_t port_ = 0;
  Loop loop_;
};

int StatusOf(const std::string& message) {
  REQUIRE(message.size() > 12);
  REQUIRE(message.substr(0, 9) == "HTTP/1.1 ");
  return std::stoi(message.substr(9, 3));
}

std::string BodyOf(const std::string& message) {
  return message.substr(message.find("\r\n\r\n") + 4);
}

// The answer is a problem document with this code, and the connection is closed after it.
void CheckProblem(Connection& connection, int status, const std::string& code) {
  const std::string message = connection.ReadMessage();
  CAPTURE(message);
  CHECK(StatusOf(message) == status);
  CHECK(message.find("application/problem+json") != std::string::npos);
  CHECK(message.find("Connection: close") != std::string::npos);
  const auto body = ParseJson(BodyOf(message), limits::kPayloadJson);
  REQUIRE(body.ok());
  CHECK(body->at("code") == code);
  CHECK(body->at("status") == status);
  CHECK(body->at("type") == "urn:entente:problem:" + code);
  CHECK(connection.ReadToEnd().empty());
}

const std::string kGet = "GET /a?b HTTP/1.1\r\nHost: h\r\n\r\n";

}  // namespace

TEST_CASE("requests on one connection are answered in turn") {
  Served served;
  Connection client(served.port());
  for (int i = 0; i < 3; ++i) {
    client.Write("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi");
    const std::string message = client.ReadMessage();
    CHECK(StatusOf(message) == 200);
    CHECK(BodyOf(message) == "/x|hi");
    CHECK(message.find("x-peer: 127.0.0.1\r\n") != std::string::npos);
  }
}

TEST_CASE("pipelined requests are answered each and in order, however they are sliced") {
  Served served;
  Connection client(served.port());
  std::string all;
  for (int i = 0; i < 50; ++i) {
    all += "POST /" + std::to_string(i) +
           " HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
  }
  for (size_t at = 0; at < all.size(); at += 7) {
    REQUIRE(client.Write(all.substr(at, 7)));
  }
  for (int i = 0; i < 50; ++i) {
    REQUIRE(BodyOf(client.ReadMessage()) == "/" + std::to_string(i) + "|abc");
  }
}

TEST_CASE("a pipelined request waits for the answer before it") {
  Served served;
  Connection client(served.port());
  client.Write("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n" + kGet);
  served.handler().WaitForArrivals(1);
  served.loop().Run([&] {
    HttpServerResponse response;
    response.body = "held";
    std::move(served.handler().held.front()).Respond(std::move(response));
  });
  CHECK(BodyOf(client.ReadMessage()) == "held");
  CHECK(BodyOf(client.ReadMessage()) == "/a?b|");
}

TEST_CASE("many pipelined requests past the input bound are all answered") {
  Served served;
  Connection client(served.port());
  client.Write("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
  served.handler().WaitForArrivals(1);
  const int count = 20'000;  // Far more than the server reads ahead.
  std::thread writer([&] {
    std::string all;
    for (int i = 0; i < count; ++i) {
      all += kGet;
    }
    client.Write(all);
  });
  served.loop().Run([&] { std::move(served.handler().held.front()).Respond({}); });
  CHECK(StatusOf(client.ReadMessage()) == 200);
  for (int i = 0; i < count; ++i) {
    REQUIRE(BodyOf(client.ReadMessage()) == "/a?b|");
  }
  writer.join();
}

TEST_CASE("malformed requests get 400 and the connection is closed") {
  Served served;
  for (const char* text :
       {"\x16\x03\x01\x02\x01garbage\r\n\r\n", "GET /\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n", "G@T / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"}) {
    CAPTURE(text);
    Connection client(served.port());
    client.Write(text);
    CheckProblem(client, 400, "request.malformed");
  }
}

TEST_CASE("a request whose end is in doubt is refused, and what follows it is never run") {
  Served served;
  const std::string next = "GET /next HTTP/1.1\r\nHost: h\r\n\r\n";
  auto cases = testing::HeadCases();
  const auto chunks = testing::ChunkCases();
  cases.insert(cases.end(), chunks.begin(), chunks.end());
  for (const auto& [text, taken] : cases) {
    CAPTURE(text);
    Connection client(served.port());
    client.Write(text + next);
    const std::string message = client.ReadMessage();
    const int status = StatusOf(message);
    if (taken) {
      CHECK(status == 200);
      const bool kept = text.find("HTTP/1.0") == std::string::npos;
      CHECK(BodyOf(client.ReadMessage().append("\r\n\r\n")).starts_with(kept ? "/next|" : ""));
    } else {
      CHECK((status == 400 || status == 413 || status == 417 || status == 505));
      CHECK(message.find("Connection: close\r\n") != std::string::npos);
      CHECK(client.ReadToEnd().empty());
    }
  }
}

TEST_CASE("a request is for the host that its target names, else for that of its Host field") {
  Served served;
  for (const auto& [text, host, body] : std::vector<std::array<std::string, 3>>{
           {"GET http://g:1/a%41?%41 HTTP/1.1\r\nHost: other\r\n\r\n", "g:1", "/aA?%41|"},
           {"GET http://g HTTP/1.1\r\nHost: g\r\n\r\n", "g", "/|"},
           {"GET /%7ea HTTP/1.1\r\nHost: h:2\r\n\r\n", "h:2", "/~a|"},
           {"\r\n\r\nOPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", "h", "*|"}}) {
    Connection client(served.port());
    client.Write(text);
    const std::string message = client.ReadMessage();
    CHECK_THAT(message, Catch::Contains("x-host: " + host + "\r\n") && Catch::EndsWith(body));
  }
  Connection client(served.port());
  client.Write("GET https://h/ HTTP/1.1\r\nHost: h\r\n\r\n");
  CheckProblem(client, 421, "request.host");
}

TEST_CASE("another version and another expectation have statuses of their own") {
  Served served;
  for (const auto& [text, status, code] : std::vector<std::tuple<std::string, int, std::string>>{
           {"GET / HTTP/3.0\r\nHost: h\r\n\r\n", 505, "request.version"},
           {"GET / HTTP/1.1\r\nHost: h\r\nExpect: a\r\n\r\n", 417, "request.expectation"}}) {
    Connection client(served.port());
    client.Write(text);
    CheckProblem(client, status, code);
  }
}

TEST_CASE("a line's end after a body begins no request") {
  HttpServerOptions options;
  options.read_timeout = std::chrono::milliseconds(20);
  options.idle_timeout = std::chrono::milliseconds(100);
  Served served(options);
  Connection client(served.port());
  client.Write(kGet + "\r\n\r");
  CHECK(BodyOf(client.ReadMessage()) == "/a?b|");
  CHECK(client.ReadToEnd().empty());  // Closed as an idle connection is, and not told off by 408.
}

TEST_CASE("every answer has a date, and none of HEAD has a body") {
  Served served;
  for (const char* text : {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", "GET / HTTP/1.1\r\n\r\n",
                           "GET /drop HTTP/1.1\r\nHost: h\r\n\r\n"}) {
    Connection client(served.port());
    client.Write(text);
    const std::string message = client.ReadMessage();
    const size_t date = message.find("\r\nDate: ");
    REQUIRE(date != std::string::npos);
    CHECK(message.find(" GMT\r\n") == date + 8 + 25);
  }
  HttpServerOptions options;
  options.max_body_bytes = 10;
  Served small(options);
  Connection client(small.port());
  client.Write("HEAD / HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n");
  CHECK_THAT(client.ReadToEnd(), Catch::StartsWith("HTTP/1.1 413 ") && Catch::EndsWith("\r\n\r\n"));
}

TEST_CASE("a body past the cap gets 413, announced, chunked or lied about") {
  HttpServerOptions options;
  options.max_body_bytes = 1000;
  Served served(options);
  const std::string much(5000, 'x');
  for (const std::string& text :
       {std::string("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n"),
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5000\r\n\r\n" + much,
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\n" + much +
            "\r\n0\r\n\r\n",
        std::string("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n") +
            "200\r\n" + std::string(512, 'a') + "\r\n200\r\n" + std::string(512, 'b') + "\r\n"}) {
    Connection client(served.port());
    client.Write(text);
    CheckProblem(client, 413, "request.too_large");
  }
  Connection client(served.port());
  client.Write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n" + much.substr(0, 1000));
  CHECK(StatusOf(client.ReadMessage()) == 200);
}

TEST_CASE("a refusal names the path, as far as it is known") {
  HttpServerOptions options;
  options.max_body_bytes = 1000;
  Served served(options);
  Connection client(served.port());
  client.Write("POST /v1/transactions?a=b HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n");
  CHECK(client.ReadMessage().find("\"instance\":\"/v1/transactions\"") != std::string::npos);
}

TEST_CASE("a header past the cap gets 431") {
  Served served;
  for (const std::string& text :
       {"GET / HTTP/1.1\r\nX: " + std::string(limits::kMaxHeaderBytes, 'x') + "\r\n\r\n",
        "GET /" + std::string(limits::kMaxHeaderBytes, 'x') + " HTTP/1.1\r\n\r\n"}) {
    Connection client(served.port());
    client.Write(text);
    CheckProblem(client, 431, "request.header_too_large");
  }
}

TEST_CASE("a trailer past the cap gets 431") {
  Served served;
  std::string text = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
  for (size_t i = 0; i <= limits::kMaxHeaderFields; ++i) {
    text += "X: y\r\n";
  }
  Connection client(served.port());
  client.Write(text + "\r\n");
  CheckProblem(client, 431, "request.header_too_large");
}

TEST_CASE("a request that never ends gets 408") {
  HttpServerOptions options;
  options.read_timeout = std::chrono::milliseconds(50);
  Served served(options);
  for (const char* text : {"GET / HT", "GET / HTTP/1.1\r\nX: y\r\n",
                           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc"}) {
    Connection client(served.port());
    client.Write(text);
    CheckProblem(client, 408, "request.timeout");
  }
}

TEST_CASE("a client that drips its request is held to the total time") {
  HttpServerOptions options;
  options.read_timeout = std::chrono::milliseconds(50);
  Served served(options);
  Connection client(served.port());
  client.Write("GET / HTTP/1.1\r\n");
  std::atomic<bool> stop = false;
  std::thread dripping([&] {
    while (!stop && client.Write("X")) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  const std::string message = client.ReadMessage();
  stop = true;
  dripping.join();
  CHECK(StatusOf(message) == 408);
}

TEST_CASE("an idle connection is closed without a word") {
  HttpServerOptions options;
  options.idle_timeout = std::chrono::milliseconds(20);
  Served served(options);
  Connection fresh(served.port());
  CHECK(fresh.ReadToEnd().empty());
  Connection used(served.port());
  used.Write(kGet);
  CHECK(StatusOf(used.ReadMessage()) == 200);
  CHECK(used.ReadToEnd().empty());
}

TEST_CASE("a connection past the limit gets 503 and a place that frees is given away again") {
  ServerLoad::Limits load_limits;
  load_limits.max_connections = 2;
  HttpServerOptions options;
  options.load = std::make_shared<ServerLoad>(load_limits);
  Served served(options);
  auto first = std::make_unique<Connection>(served.port());
  Connection second(served.port());
  first->Write(kGet);
  second.Write(kGet);
  CHECK(StatusOf(first->ReadMessage()) == 200);
  CHECK(StatusOf(second.ReadMessage()) == 200);
  {
    Connection third(served.port());
    CheckProblem(third, 503, "server.too_many_connections");
  }
  first.reset();
  int status = 503;
  while (status == 503) {  // Until the server has noticed.
    Connection again(served.port());
    again.Write(kGet);
    status = StatusOf(again.ReadMessage());
  }
  CHECK(status == 200);
}

TEST_CASE("at the limit the connection that has been idle for longest makes room") {
  ServerLoad::Limits load_limits;
  load_limits.max_connections = 3;
  HttpServerOptions options;
  options.load = std::make_shared<ServerLoad>(load_limits);
  options.close_idlest = true;
  options.least_idle = Duration::zero();
  Served served(options);
  Connection busy(served.port());
  busy.Write("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
  served.handler().WaitForArrivals(1);
  Connection idle(served.port());
  Connection silent(served.port());
  idle.Write(kGet);
  CHECK(StatusOf(idle.ReadMessage()) == 200);
  std::vector<std::unique_ptr<Connection>> newcomers;
  for (int i = 0; i < 3; ++i) {
    newcomers.push_back(std::make_unique<Connection>(served.port()));
    newcomers.back()->Write(kGet);
    CHECK(StatusOf(newcomers.back()->ReadMessage()) == 200);
  }
  CHECK(newcomers[0]->ReadToEnd().empty());
  CHECK(silent.ReadToEnd().empty());
  CHECK(idle.ReadToEnd().empty());
  // Where all are at work nobody is closed for another.
  Connection second(served.port());
  second.Write("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
  Connection third(served.port());
  third.Write("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
  served.handler().WaitForArrivals(3);
  Connection fourth(served.port());
  CheckProblem(fourth, 503, "server.too_many_connections");
  CHECK(options.load->stats().connections_refused == 1);
}

TEST_CASE("one of a crowd that has come but now keeps its place, and the others wait") {
  ServerLoad::Limits load_limits;
  load_limits.max_connections = 4;
  HttpServerOptions options;
  options.load = std::make_shared<ServerLoad>(load_limits);
  options.close_idlest = true;
  options.least_idle = std::chrono::hours(1);
  Served served(options);
  Connection works(served.port());
  std::vector<std::unique_ptr<Connection>> crowd;
  for (int i = 0; i < 40; ++i) {
    crowd.push_back(std::make_unique<Connection>(served.port()));
  }
  // Nobody is refused by then, since who is behind waits with the kernel.
  for (int i = 0; i < 3; ++i) {
    works.Write(kGet);
    CHECK(StatusOf(works.ReadMessage()) == 200);
  }
  CHECK(options.load->stats().connections == 4);
}

TEST_CASE("a connection whose request has come is not idle, though nobody has read it") {
  ServerLoad::Limits load_limits;
  load_limits.max_connections = 1;
  HttpServerOptions options;
  options.load = std::make_shared<ServerLoad>(load_limits);
  options.close_idlest = true;
  options.least_idle = Duration::zero();
  Served served(options);
  Connection works(served.port());
  works.Write(kGet);
  CHECK(StatusOf(works.ReadMessage()) == 200);
  std::unique_ptr<Connection> newcomer;
  served.loop().Run([&] {  // Meanwhile the server does nothing.
    newcomer = std::make_unique<Connection>(served.port());
    works.Write(kGet);
    return 0;
  });
  CHECK(StatusOf(works.ReadMessage()) == 200);
  newcomer->Write(kGet);
  CHECK(StatusOf(newcomer->ReadMessage()) == 200);
}

TEST_CASE("clients that are busy all the time do not keep a newcomer out") {
  ServerLoad::Limits load_limits;
  load_limits.max_connections = 1;
  HttpServerOptions options;
  options.load = std::make_shared<ServerLoad>(load_limits);
  options.close_idlest = true;
  Served served(options);
  Connection busy(served.port());
  std::thread asking([&busy] {  // Idle now and then, but never for long.
    while (busy.Write(kGet) && !busy.ReadMessage().empty()) {
    }
  });
  Connection newcomer(served.port());
  newcomer.Write(kGet);
  CHECK(StatusOf(newcomer.ReadMessage()) == 200);
  asking.join();
}

TEST_CASE("a server without an idle connection gets the place of another one's") {
  ServerLoad::Limits load_limits;
  load_limits.max_connections = 2;
  HttpServerOptions options;
  options.load = std::make_shared<ServerLoad>(load_limits);
  options.close_idlest = true;
  options.least_idle = Duration::zero();
  Served one(options);
  Served other(options);
  Connection first(one.port());
  Connection second(one.port());
  for (Connection* client : {&first, &second}) {
    client->Write(kGet);
    CHECK(StatusOf(client->ReadMessage()) == 200);
  }
  Connection newcomer(other.port());
  newcomer.Write(kGet);
  CHECK(StatusOf(newcomer.ReadMessage()) == 200);
  CHECK(first.ReadToEnd().empty());
}

TEST_CASE("who is being refused takes nobody's place") {
  ServerLoad::Limits load_limits;
  load_limits.max_connections = 1;
  HttpServerOptions options;
  options.load = std::make_shared<ServerLoad>(load_limits);
  options.close_idlest = true;
  options.least_idle = Duration::zero();
  Served served(options);
  Connection busy(served.port());
  busy.Write("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
  served.handler().WaitForArrivals(1);
  std::vector<std::unique_ptr<Connection>> refused;
  for (int i = 0; i < 20; ++i) {  // They stay where they are.
    refused.push_back(std::make_unique<Connection>(served.port()));
    CHECK(StatusOf(refused.back()->ReadMessage()) == 503);
  }
  served.loop().Run([&] {
    std::move(served.handler().held.front()).Respond({});
    return 0;
  });
  CHECK(StatusOf(busy.ReadMessage()) == 200);
  Connection newcomer(served.port());
  newcomer.Write(kGet);
  CHECK(StatusOf(newcomer.ReadMessage()) == 200);
}

TEST_CASE("the limit of connections is that of all servers together") {
  ServerLoad::Limits load_limits;
  load_limits.max_connections = 2;
  HttpServerOptions options;
  options.load = std::make_shared<ServerLoad>(load_limits);
  Served one(options);
  Served other(options);
  Connection first(one.port());
  Connection second(other.port());
  for (Connection* client : {&first, &second}) {
    client->Write(kGet);
    CHECK(StatusOf(client->ReadMessage()) == 200);
  }
  Connection third(one.port());
  CheckProblem(third, 503, "server.too_many_connections");
  CHECK(options.load->stats().connections_refused == 1);
  third.Close();
  // Refusing takes a connection too: past so many they are closed without a word.
  std::vector<std::unique_ptr<Connection>> crowd;
  bool dropped = false;
  for (int i = 0; i < 300; ++i) {
    crowd.push_back(std::make_unique<Connection>(other.port()));
    dropped = dropped || crowd.back()->ReadUntil("\r\n").empty();
  }
  CHECK(dropped);
  first.Write(kGet);
  CHECK(StatusOf(first.ReadMessage()) == 200);
}

TEST_CASE("answers that nobody reads can not fill the memory, nor keep small ones back") {
  ServerLoad::Limits load_limits;
  load_limits.max_answer_bytes = kLargeAnswer + kLargeAnswer / 2;
  HttpServerOptions options;
  options.load = std::make_shared<ServerLoad>(load_limits);
  Served served(options);
  const std::string get = "GET /large HTTP/1.1\r\nHost: h\r\n\r\n";
  Connection first(served.port());
  first.Write(get);
  while (options.load->stats().answer_bytes == 0) {
    std::this_thread::yield();
  }
  CHECK(options.load->stats().answer_bytes == kLargeAnswer);
  Connection second(served.port());
  second.Write(get);
  CHECK_THAT(second.ReadMessage(), Catch::StartsWith("HTTP/1.1 503") &&
                                       Catch::Contains("server.too_many_answers") &&
                                       Catch::Contains("Retry-After: 1\r\n"));
  // What could have changed something is not said to have done nothing.
  second.Write("POST /large HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
  CHECK(StatusOf(second.ReadMessage()) == 504);
  second.Write("GET /small HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(StatusOf(second.ReadMessage()) == 200);
  second.Write("HEAD /large HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK_THAT(second.ReadUntil("\r\n\r\n"), Catch::StartsWith("HTTP/1.1 200"));
  CHECK(options.load->stats().answers_refused == 2);
  // Read after all, it makes room, and so does a client that leaves.
  CHECK(first.ReadMessage().size() > kLargeAnswer);
  while (options.load->stats().answer_bytes != 0) {
    std::this_thread::yield();
  }
  {
    Connection leaves(served.port());
    leaves.Write(get);
    while (options.load->stats().answer_bytes == 0) {
      std::this_thread::yield();
    }
  }
  while (options.load->stats().answer_bytes != 0) {
    std::this_thread::yield();
  }
}

TEST_CASE("one answer is given whatever its size, while no other is held") {
  ServerLoad::Limits load_limits;
  load_limits.max_answer_bytes = 1;
  HttpServerOptions options;
  options.load = std::make_shared<ServerLoad>(load_limits);
  Served served(options);
  Connection client(served.port());
  client.Write("GET /large HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(StatusOf(client.ReadMessage()) == 200);
}

TEST_CASE("bodies that are never ended can not fill the memory, nor keep small requests out") {
  ServerLoad::Limits load_limits;
  load_limits.max_request_bytes = size_t{1} << 20;
  HttpServerOptions options;
  options.load = std::make_shared<ServerLoad>(load_limits);
  Served served(options);
  const std::string head = "POST / HTTP/1.1\r\nHost: h\r\n";
  const std::string part(256 * 1024, 'x');
  std::vector<std::unique_ptr<Connection>> unfinished;
  int refused = 0;
  for (int i = 0; i < 40 && refused == 0; ++i) {
    const uint64_t before = options.load->stats().request_bytes;
    unfinished.push_back(std::make_unique<Connection>(served.port()));
    const bool chunked = i % 2 != 0;
    unfinished.back()->Write(head +
                             (chunked ? "Transfer-Encoding: chunked\r\n\r\n40000\r\n"
                                      : "Content-Length: 1000000\r\n\r\n") +
                             part);
    // Whoever is not refused is not answered: what has arrived is counted.
    while (options.load->stats().request_bytes < before + part.size() - limits::kFreeRequestBytes &&
           options.load->stats().requests_refused == 0) {
      std::this_thread::yield();
    }
    refused = static_cast<int>(options.load->stats().requests_refused);
  }
  REQUIRE(refused == 1);
  CHECK(unfinished.size() == 4);
  CHECK(options.load->stats().request_bytes <= load_limits.max_request_bytes);
  Connection one_more(served.port());
  one_more.Write(head + "Content-Length: 1000000\r\n\r\n" + std::string(900'000, 'x'));
  const std::string answer = one_more.ReadMessage();
  CHECK_THAT(answer, Catch::StartsWith("HTTP/1.1 503 ") &&
                         Catch::Contains("server.too_many_bytes") &&
                         Catch::Contains("Retry-After: 1\r\n"));
  // An announced length is only a claim, and small requests go on.
  Connection claims(served.port());
  claims.Write(head + "Content-Length: 2000000\r\n\r\nabc");
  Connection small(served.port());
  small.Write(head + "Content-Length: 5000\r\n\r\n" + std::string(5000, 'y'));
  CHECK(StatusOf(small.ReadMessage()) == 200);
  unfinished.clear();
  one_more.Close();
  claims.Close();
  while (options.load->stats().request_bytes != 0) {
    std::this_thread::yield();
  }
  Connection large(served.port());
  // What is held is no more than was announced, and what is read at once.
  large.Write(head + "Content-Length: 900000\r\n\r\n" + std::string(900'000, 'z'));
  CHECK(StatusOf(large.ReadMessage()) == 200);
  CHECK(options.load->stats().request_bytes == 0);
}

TEST_CASE("a client that left makes the responder a no-op") {
  Served served;
  std::promise<void> gone;
  {
    Connection client(served.port());
    client.Write("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
    served.handler().WaitForArrivals(1);
    served.loop().Run([&] {
      CHECK_FALSE(served.handler().held.front().peer_gone());
      served.handler().held.front().OnPeerGone([&] { gone.set_value(); });
    });
    client.Reset();
  }
  gone.get_future().wait();
  served.loop().Run([&] {
    CHECK(served.handler().held.front().peer_gone());
    std::move(served.handler().held.front()).Respond({});
  });
  Connection other(served.port());
  other.Write(kGet);
  CHECK(StatusOf(other.ReadMessage()) == 200);
}

TEST_CASE("a client that closes its sending half still gets its answer") {
  Served served;
  std::promise<void> gone;
  Connection client(served.port());
  client.Write("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
  served.handler().WaitForArrivals(1);
  served.loop().Run([&] { served.handler().held.front().OnPeerGone([&] { gone.set_value(); }); });
  client.ShutdownWrite();
  gone.get_future().wait();
  served.loop().Run([&] {
    HttpServerResponse response;
    response.body = "late";
    std::move(served.handler().held.front()).Respond(std::move(response));
  });
  CHECK(BodyOf(client.ReadMessage()) == "late");
  CHECK(client.ReadToEnd().empty());
}

TEST_CASE("a request nobody answers gets 500, and so does one with a header that can not be sent") {
  Served served;
  Connection client(served.port());
  client.Write("GET /drop HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(StatusOf(client.ReadMessage()) == 500);
  client.Write("GET /split HTTP/1.1\r\nHost: h\r\n\r\n");
  const std::string message = client.ReadMessage();
  CHECK(StatusOf(message) == 500);
  CHECK(message.find("stolen") == std::string::npos);
}

TEST_CASE("HEAD, HTTP/1.0 and Expect are answered as the standard says") {
  Served served;
  {
    Connection client(served.port());
    client.Write("HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n");
    CHECK(client.ReadUntil("\r\n\r\n").find("Content-Length: 3") != std::string::npos);
    client.Write(kGet);
    CHECK(BodyOf(client.ReadMessage()) == "/a?b|");
  }
  {
    Connection client(served.port());
    client.Write("GET /x HTTP/1.0\r\n\r\n");
    CHECK(BodyOf(client.ReadMessage()) == "/x|");
    CHECK(client.ReadToEnd().empty());
  }
  {
    Connection client(served.port());
    client.Write(
        "POST /x HTTP/1.0\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi");
    CHECK(StatusOf(client.ReadMessage()) == 200);
  }
  Connection client(served.port());
  client.Write("POST /x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  CHECK(client.ReadUntil("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  client.Write("hi");
  CHECK(BodyOf(client.ReadMessage()) == "/x|hi");
}

TEST_CASE("a stream sends each piece as it is written and ends properly") {
  Served served;
  Connection client(served.port());
  client.Write("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
  served.handler().WaitForArrivals(1);
  const std::string head = client.ReadUntil("\r\n\r\n");
  CHECK(head.find("Transfer-Encoding: chunked") != std::string::npos);
  auto& stream = served.handler().streams;
  CHECK(served.loop().Run([&] { return stream.front().Write("data: 1\n\n"); }));
  CHECK(client.ReadUntil("1\n\n\r\n") == "9\r\ndata: 1\n\n\r\n");
  CHECK(served.loop().Run([&] { return stream.front().Write("data: 2\n\n"); }));
  CHECK(client.ReadUntil("2\n\n\r\n") == "9\r\ndata: 2\n\n\r\n");
  served.loop().Run([&] { stream.front().End(); });
  CHECK(client.ReadUntil("0\r\n\r\n") == "0\r\n\r\n");
  client.Write(kGet);
  CHECK(BodyOf(client.ReadMessage()) == "/a?b|");
}

TEST_CASE("a stream hears that its client has left") {
  Served served;
  std::promise<void> closed;
  {
    Connection client(served.port());
    client.Write("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    served.handler().WaitForArrivals(1);
    served.loop().Run(
        [&] { served.handler().streams.front().OnClosed([&] { closed.set_value(); }); });
  }
  closed.get_future().wait();
  served.loop().Run([&] {
    CHECK_FALSE(served.handler().streams.front().open());
    CHECK_FALSE(served.handler().streams.front().Write("x"));
  });
}

TEST_CASE("a stream whose client does not read is cut off at the bound") {
  HttpServerOptions options;
  options.max_stream_buffer_bytes = 100'000;
  Served served(options);
  Connection client(served.port());
  client.Write("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
  served.handler().WaitForArrivals(1);
  served.loop().Run([&] {
    ResponseStream& stream = served.handler().streams.front();
    const std::string piece(10'000, 'x');
    while (stream.Write(piece)) {
      REQUIRE(stream.buffered_bytes() <= options.max_stream_buffer_bytes + 100);
    }
    CHECK_FALSE(stream.open());
  });
}

TEST_CASE("a client that takes nothing of its answer is cut off in time") {
  HttpServerOptions options;
  options.write_timeout = std::chrono::milliseconds(20);
  Served served(options);
  Connection client(served.port());
  client.Write("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
  served.handler().WaitForArrivals(1);
  served.loop().Run([&] {
    HttpServerResponse response;
    response.body.assign(64 << 20, 'x');
    std::move(served.handler().held.front()).Respond(std::move(response));
  });
  while (served.loop().Run([&] { return served.server()->connections(); }) != 0) {
  }
  CHECK(client.ReadToEnd().size() < (64 << 20));
}

TEST_CASE("draining answers what is in flight, closes the rest and accepts nothing more") {
  Served served;
  Connection busy(served.port());
  Connection idle(served.port());
  Connection streaming(served.port());
  idle.Write(kGet);
  CHECK(StatusOf(idle.ReadMessage()) == 200);
  busy.Write("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
  streaming.Write("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
  served.handler().WaitForArrivals(2);
  std::promise<void> drained;
  auto future = drained.get_future();
  served.loop().Run([&] { served.server()->Drain([&] { drained.set_value(); }); });
  CHECK(idle.ReadToEnd().empty());
  CHECK(streaming.ReadToEnd().ends_with("0\r\n\r\n"));
  CHECK_THROWS(Connection(served.port()));
  CHECK(future.wait_for(std::chrono::seconds(0)) == std::future_status::timeout);
  served.loop().Run([&] { std::move(served.handler().held.front()).Respond({}); });
  const std::string message = busy.ReadMessage();
  CHECK(StatusOf(message) == 200);
  CHECK(message.find("Connection: close") != std::string::npos);
  busy.Close();
  streaming.Close();
  idle.Close();
  future.wait();
}

// Two servers that count together; the first has the second answer what begins with "/moved".
struct Pair {
  Pair() {
    options.load = std::make_shared<ServerLoad>();
    second.emplace(options);
    first.emplace(options);
    first->handler().to = second->loop().Run([&] { return second->server()->entrance(); });
  }

  HttpServerOptions options;
  std::optional<Served> second;
  std::optional<Served> first;
};

TEST_CASE("a moved connection is answered by the other server, and ends with that answer") {
  Pair pair;
  const std::string moved = "GET /moved/a HTTP/1.1\r\nHost: h\r\n\r\n";
  Connection at_once(pair.first->port());
  at_once.Write(moved);
  Connection in_one_piece(pair.first->port());
  in_one_piece.Write(kGet + moved + kGet);
  Connection while_it_reads(pair.first->port());
  while_it_reads.Write("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
  pair.first->handler().WaitForArrivals(1);
  while_it_reads.Write(moved + "GET /mo");
  pair.first->loop().Run([&] { std::move(pair.first->handler().held.front()).Respond({}); });
  CHECK(StatusOf(while_it_reads.ReadMessage()) == 200);
  CHECK(BodyOf(in_one_piece.ReadMessage()) == "/a?b|");
  for (Connection* client : {&at_once, &in_one_piece, &while_it_reads}) {
    const std::string answer = client->ReadMessage();
    CHECK(BodyOf(answer) == "/a|");
    CHECK(answer.find("Connection: close") != std::string::npos);
    CHECK(client->ReadToEnd().empty());
    client->Close();
  }
  while (pair.options.load->stats().connections != 0) {
  }
  CHECK(pair.second->handler().answered == 3);
}

TEST_CASE("a moved stream goes on while the thread that took it is busy") {
  Pair pair;
  Connection client(pair.first->port());
  client.Write("GET /moved/stream HTTP/1.1\r\nHost: h\r\n\r\n");
  pair.second->handler().WaitForArrivals(1);
  std::promise<void> closed;
  pair.first->loop().Run([&] {
    pair.second->loop().Run([&] {
      ResponseStream& stream = pair.second->handler().streams.front();
      stream.OnClosed([&] { closed.set_value(); });
      CHECK(stream.Write("data: 1\n\n"));
    });
    CHECK(client.ReadUntil("1\n\n\r\n").ends_with("9\r\ndata: 1\n\n\r\n"));
    client.Close();
    closed.get_future().wait();
  });
  CHECK(pair.options.load->stats().connections == 0);
}

TEST_CASE("what is moved to a server that has ended is closed and gives its place back") {
  Pair pair;
  pair.second->loop().Run([&] { pair.second->server().reset(); });
  Connection client(pair.first->port());
  client.Write("GET /moved/a HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(client.ReadToEnd().empty());
  CHECK(pair.options.load->stats().connections == 0);
}

TEST_CASE("a stream that begins while its server drains ends at once") {
  Pair pair;
  Connection client(pair.first->port());
  client.Write("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
  pair.first->handler().WaitForArrivals(1);
  std::promise<void> drained;
  pair.first->loop().Run([&] {
    pair.first->server()->Drain([&] { drained.set_value(); });
    const ResponseStream stream =
        std::move(pair.first->handler().held.front()).Stream(200, {{"content-type", "x/y"}});
    CHECK_FALSE(stream.open());
  });
  CHECK(client.ReadToEnd().ends_with("0\r\n\r\n"));
  client.Close();
  drained.get_future().wait();
}

TEST_CASE("a server that ends leaves responders and streams that do nothing") {
  Served served;
  Connection holding(served.port());
  Connection streaming(served.port());
  holding.Write("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
  streaming.Write("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
  served.handler().WaitForArrivals(2);
  served.loop().Run([&] {
    served.server().reset();
    CHECK_FALSE(served.handler().streams.front().Write("x"));
    std::move(served.handler().held.front()).Respond({});
  });
  CHECK(holding.ReadToEnd().empty());
}

TEST_CASE("a port in use is named in the error") {
  Served served;
  const auto second = served.loop().Run([&] {
    HttpServer other(served.loop().io(), served.handler(), {});
    return other.Listen("127.0.0.1", served.port(), false).status();
  });
  CHECK(second.reason() == "listen.failed");
  CHECK(second.message().find(std::to_string(served.port())) != std::string::npos);
}

TEST_CASE("servers that share a port are both reached") {
  Loop loops[2];
  Handler handlers[2];
  std::unique_ptr<HttpServer> servers[2];
  uint16_t port = 0;
  for (int i = 0; i < 2; ++i) {
    port = loops[i].Run([&] {
      servers[i] = std::make_unique<HttpServer>(loops[i].io(), handlers[i], HttpServerOptions());
      return servers[i]->Listen("127.0.0.1", port, true).value();
    });
  }
  std::deque<Connection> clients;
  size_t counts[2] = {0, 0};
  while (counts[0] == 0 || counts[1] == 0) {
    clients.emplace_back(port).Write(kGet);
    REQUIRE(StatusOf(clients.back().ReadMessage()) == 200);
    for (int i = 0; i < 2; ++i) {
      counts[i] = loops[i].Run([&] { return servers[i]->connections(); });
    }
    REQUIRE(clients.size() < 200);
  }
  for (int i = 0; i < 2; ++i) {
    loops[i].Run([&] { servers[i].reset(); });
  }
}

}  // namespace entente::net
