// The HTTP client against peers that behave badly.
#include "net/http/http_client.h"

#include <optional>

#include <catch2/catch.hpp>

#include "tests/net/loopback.h"

namespace entente::net {
namespace {

using testing::Connection;
using testing::DeadPort;
using testing::Peer;

constexpr Duration kLong = std::chrono::minutes(5);
constexpr Duration kShort = std::chrono::milliseconds(50);
const std::string kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

// A client whose calls are run to their end on this thread.
class Caller {
 public:
  explicit Caller(HttpClientOptions options = {}) {
    options.connect_timeout = kLong;  // A slow machine is not what these tests are about.
    client_.emplace(io_, options);
  }

  HttpOutcome Call(const std::string& url, Duration timeout = kLong, std::string method = "POST",
                   std::string body = "{}") {
    HttpRequest request;
    request.method = std::move(method);
    request.url = ParseUrl(url).value();
    request.body = std::move(body);
    return Call(std::move(request), timeout);
  }
  HttpOutcome Call(HttpRequest request, Duration timeout = kLong) {
    std::optional<HttpOutcome> result;
    client_->Call(std::move(request), timeout,
                  [&](HttpOutcome outcome) { result = std::move(outcome); });
    CHECK_FALSE(result.has_value());
    RunUntil([&] { return result.has_value(); });
    return std::move(*result);
  }
  template <class Condition>
  void RunUntil(Condition condition) {
    io_.restart();
    while (!condition()) {
      REQUIRE(io_.run_one() == 1);
    }
  }
  HttpClient& client() { return *client_; }
  void End() { client_.reset(); }

 private:
  boost::asio::io_context io_{1};
  std::optional<HttpClient> client_;
};

std::string UrlAt(uint16_t port, const std::string& target = "/x") {
  return "http://127.0.0.1:" + std::to_string(port) + target;
}

// A peer that reads a request and answers the same on every connection, then waits for the client.
Peer::Script Answers(const std::string& text) {
  return [text](Connection& connection, int) {
    connection.ReadMessage();
    connection.Write(text);
    connection.ReadToEnd();
  };
}

const HttpResponse& Response(const HttpOutcome& outcome) {
  if (const auto* error = std::get_if<CallError>(&outcome)) {
    FAIL(error->reason << ": " << error->message);
  }
  return std::get<HttpResponse>(outcome);
}

void CheckError(const HttpOutcome& outcome, CallFailure failure, const std::string& reason) {
  REQUIRE(std::holds_alternative<CallError>(outcome));
  const auto& error = std::get<CallError>(outcome);
  CAPTURE(error.message);
  CHECK(CallFailureName(error.failure) == CallFailureName(failure));
  CHECK(error.reason == reason);
  CHECK_FALSE(error.message.empty());
}

}  // namespace

TEST_CASE("a request goes out whole and the answer comes back whole") {
  std::string seen;
  Peer peer([&](Connection& connection, int) {
    seen = connection.ReadMessage();
    connection.Write(
        "HTTP/1.1 201 Created\r\nLocation: /y\r\nContent-Type: text/plain\r\n"
        "Content-Length: 5\r\n\r\nhello");
    connection.ReadToEnd();
  });
  Caller caller;
  HttpRequest request;
  request.method = "PUT";
  request.url = ParseUrl(UrlAt(peer.port(), "/a?b=c")).value();
  request.headers.Add("idempotency-key", "k-1");
  request.body = "{\"a\":1}";
  const HttpOutcome outcome = caller.Call(std::move(request));
  CHECK(Response(outcome).status == 201);
  CHECK(Response(outcome).body == "hello");
  CHECK(Response(outcome).headers.Find("location") == "/y");
  CHECK(seen == "PUT /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(peer.port()) +
                    "\r\nidempotency-key: k-1\r\nAccept-Encoding: identity\r\nContent-Length: "
                    "7\r\n\r\n{\"a\":1}");
}

TEST_CASE("an answer without an end is passed on as it comes, past the limit of one that is held") {
  std::promise<void> first_seen;
  std::promise<void> go_on;
  Peer peer([&](Connection& connection, int) {
    connection.ReadMessage();
    connection.Write("HTTP/1.1 200 OK\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n");
    first_seen.get_future().wait();
    connection.Write("3\r\none\r\n");
    go_on.get_future().wait();
    for (int i = 0; i < 40; ++i) {
      connection.Write("64\r\n" + std::string(100, 'x') + "\r\n");
    }
    connection.Write("0\r\n\r\n");
    connection.ReadToEnd();
  });
  HttpClientOptions options;
  options.max_body_bytes = 1000;
  Caller caller(options);
  std::string body;
  int heads = 0;
  std::optional<HttpOutcome> ended;
  HttpRequest request;
  request.method = "GET";
  request.url = ParseUrl(UrlAt(peer.port())).value();
  // Long enough for the head on any machine, and nothing beside: the rest comes when it comes.
  caller.client().Stream(
      std::move(request), kLong,
      [&](const HttpResponse& head, std::string_view piece) {
        CHECK(head.headers.Find("x") == "y");
        heads += piece.empty() ? 1 : 0;
        body += piece;
      },
      [&](HttpOutcome outcome) { ended = std::move(outcome); });
  caller.RunUntil([&] { return heads == 1; });
  first_seen.set_value();
  caller.RunUntil([&] { return body == "one"; });
  CHECK_FALSE(ended);
  go_on.set_value();
  caller.RunUntil([&] { return ended.has_value(); });
  CHECK(Response(*ended).status == 200);
  CHECK(Response(*ended).body.empty());
  CHECK(body.size() == 4003);
  CHECK(heads == 1);
  CHECK(caller.client().stats().idle_connections == 1);
}

TEST_CASE("what is not streamed, and a stream that breaks, is told at the end") {
  Peer peer([](Connection& connection, int number) {
    connection.ReadMessage();
    if (number == 0) {
      connection.Write(
          "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 4\r\n\r\nnone");
      connection.Close();
    } else {
      connection.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
      connection.ReadToEnd();
    }
  });
  Caller caller;
  const auto stream = [&](std::string& body, std::optional<HttpOutcome>& ended) {
    HttpRequest request;
    request.method = "GET";
    request.url = ParseUrl(UrlAt(peer.port())).value();
    caller.client().Stream(
        std::move(request), kLong,
        [&body](const HttpResponse&, std::string_view piece) { body += piece; },
        [&ended](HttpOutcome outcome) { ended = std::move(outcome); });
  };
  std::string body;
  std::optional<HttpOutcome> ended;
  stream(body, ended);
  caller.RunUntil([&] { return ended.has_value(); });
  CHECK(Response(*ended).status == 404);
  CHECK(Response(*ended).body == "none");
  CHECK(body.empty());
  ended.reset();
  stream(body, ended);
  caller.RunUntil([&] { return body == "one"; });
  caller.client().CancelAll();
  REQUIRE(ended.has_value());
  CheckError(*ended, CallFailure::kUnknown, "call.cancelled");
}

TEST_CASE("calls one after the other share a kept-alive connection") {
  Peer peer([](Connection& connection, int) {
    while (!connection.ReadMessage().empty()) {
      connection.Write(kOk);
    }
  });
  Caller caller;
  for (int i = 0; i < 5; ++i) {
    CHECK(Response(caller.Call(UrlAt(peer.port()))).body == "ok");
  }
  CHECK(peer.accepted() == 1);
  CHECK(caller.client().stats().idle_connections == 1);
  CHECK(caller.client().stats().calls_in_flight == 0);
}

TEST_CASE("a kept-alive connection that the peer has closed is not used again") {
  std::promise<void> first_closed;
  Peer peer([&](Connection& connection, int number) {
    connection.ReadMessage();
    connection.Write(kOk);
    if (number == 0) {
      connection.Close();
      first_closed.set_value();
    } else {
      connection.ReadToEnd();
    }
  });
  Caller caller;
  CHECK(Response(caller.Call(UrlAt(peer.port()))).status == 200);
  first_closed.get_future().wait();
  // The loop has not run since: only asking the kernel can tell.
  CHECK(Response(caller.Call(UrlAt(peer.port()))).status == 200);
  CHECK(peer.accepted() == 2);
}

TEST_CASE(
    "a kept-alive connection lost after the request left is an unknown outcome, not a resend") {
  std::atomic<int> requests = 0;
  Peer peer([&](Connection& connection, int) {
    while (!connection.ReadMessage().empty()) {
      if (++requests == 2) {
        connection.Reset();
        return;
      }
      connection.Write(kOk);
    }
  });
  Caller caller;
  CHECK(Response(caller.Call(UrlAt(peer.port()))).status == 200);
  CheckError(caller.Call(UrlAt(peer.port())), CallFailure::kUnknown, "connection.lost");
  CHECK(requests == 2);
}

TEST_CASE("an answer that nobody asked for ends the connection") {
  Peer peer([](Connection& connection, int) {
    connection.ReadMessage();
    connection.Write(kOk + kOk);
    connection.ReadToEnd();
  });
  Caller caller;
  CHECK(Response(caller.Call(UrlAt(peer.port()))).status == 200);
  CHECK(caller.client().stats().idle_connections == 0);
  CHECK(Response(caller.Call(UrlAt(peer.port()))).status == 200);
  CHECK(peer.accepted() == 2);
}

TEST_CASE("a refused connection is certainly not sent") {
  const DeadPort dead;
  Caller caller;
  CheckError(caller.Call(UrlAt(dead.port())), CallFailure::kNotSent, "connect.failed");
}

TEST_CASE("a name that does not resolve is certainly not sent") {
  Caller caller;
  CheckError(caller.Call("http://no-such-host.invalid/"), CallFailure::kNotSent, "connect.resolve");
}

TEST_CASE("a blocked address is not called, by number or by name") {
  HttpClientOptions options;
  options.policy = AddressPolicy::Parse({"http://127.0.0.1:1"}).value();
  Caller caller(options);
  CheckError(caller.Call("http://127.0.0.1:2/"), CallFailure::kInvalidRequest, "address.blocked");
  CheckError(caller.Call("http://169.254.169.254/"), CallFailure::kInvalidRequest,
             "address.blocked");
  Caller open;
  CheckError(open.Call("http://[::ffff:169.254.169.254]/"), CallFailure::kInvalidRequest,
             "address.blocked");
  // The resolver takes this for 169.254.169.254; the policy by name can not know.
  CheckError(open.Call("http://2852039166/"), CallFailure::kInvalidRequest, "address.blocked");
}

TEST_CASE("a peer that never answers is an unknown outcome when the time is over") {
  Peer peer([](Connection& connection, int) {
    connection.ReadMessage();
    connection.Write(kOk);
    connection.ReadToEnd();
  });
  Caller caller;
  // The first call leaves a connection, so that the second one's time is all spent waiting.
  CHECK(Response(caller.Call(UrlAt(peer.port()))).status == 200);
  CheckError(caller.Call(UrlAt(peer.port()), kShort), CallFailure::kUnknown, "call.timeout");
  CHECK(caller.client().stats().calls_in_flight == 0);
}

TEST_CASE("a peer that drips bytes does not stretch the total time") {
  Peer peer([&](Connection& connection, int) {
    connection.ReadMessage();
    connection.Write(kOk);
    connection.ReadMessage();
    connection.Write("HTTP/1.1 200 OK\r\nX-Drip: ");
    // Each byte is progress; only the total counts. Ends when the client has gone.
    while (connection.Write("drip")) {
      std::this_thread::yield();
    }
  });
  HttpClientOptions options;
  options.max_header_bytes = size_t{1} << 30;
  Caller caller(options);
  CHECK(Response(caller.Call(UrlAt(peer.port()))).status == 200);
  CheckError(caller.Call(UrlAt(peer.port()), kShort), CallFailure::kUnknown, "call.timeout");
}

TEST_CASE("an endless body is cut off at the cap") {
  const std::string piece(64 * 1024, 'x');
  const auto endless = [&](const std::string& head, const std::string& each) {
    Peer peer([&](Connection& connection, int) {
      connection.ReadMessage();
      connection.Write(head);
      while (connection.Write(each)) {
      }
    });
    Caller caller;
    CheckError(caller.Call(UrlAt(peer.port())), CallFailure::kBadResponse, "response.too_large");
  };
  endless("HTTP/1.1 200 OK\r\n\r\n", piece);
  endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "10000\r\n" + piece + "\r\n");
  endless("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", piece);
  endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", piece);
}

TEST_CASE("a body of exactly the cap is taken, one byte more is not") {
  HttpClientOptions options;
  options.max_body_bytes = 10;
  for (const auto& [size, fits] : {std::pair{10, true}, {11, false}}) {
    const std::string body(static_cast<size_t>(size), 'x');
    const std::string hex = size == 10 ? "a" : "b";
    for (const std::string& text :
         {"HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" + body,
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + hex + "\r\n" + body +
              "\r\n0\r\n\r\n"}) {
      Peer peer(Answers(text));
      Caller caller(options);
      const HttpOutcome outcome = caller.Call(UrlAt(peer.port()));
      if (fits) {
        CHECK(Response(outcome).body == body);
      } else {
        CheckError(outcome, CallFailure::kBadResponse, "response.too_large");
      }
    }
  }
}

TEST_CASE("endless headers, chunk extensions and trailers are cut off") {
  const std::string line = "X-Much: " + std::string(1000, 'y') + "\r\n";
  const auto endless = [&](const std::string& head, const std::string& each) {
    Peer peer([&](Connection& connection, int) {
      connection.ReadMessage();
      connection.Write(head);
      while (connection.Write(each)) {
      }
    });
    Caller caller;
    CheckError(caller.Call(UrlAt(peer.port())), CallFailure::kBadResponse,
               "response.header_too_large");
  };
  endless("HTTP/1.1 200 OK\r\n", line);
  endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", std::string(1000, 'e'));
  endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", line);
  endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "X: y\r\n");
}

TEST_CASE("garbage in place of an answer is a bad response") {
  for (const char* text :
       {"SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/1.1 two OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon here\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nEntente-Vote: yes\r\nEntente-Vote: no\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 202 OK\r\nLocation: /a\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 503 No\r\nRetry-After: 1\r\nretry-after: 2\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
    CAPTURE(text);
    Peer peer(Answers(text));
    Caller caller;
    CheckError(caller.Call(UrlAt(peer.port())), CallFailure::kBadResponse, "response.malformed");
  }
}

TEST_CASE("a body that an answer without one announces is never read as the next answer") {
  Peer peer([](Connection& connection, int) {
    connection.ReadMessage();
    connection.Write("HTTP/1.1 204 No Content\r\nContent-Length: 39\r\n\r\n");
    connection.ReadToEnd();
  });
  Caller caller;
  for (int call = 1; call <= 2; ++call) {
    CHECK(Response(caller.Call(UrlAt(peer.port()))).status == 204);
    CHECK(peer.accepted() == call);
    CHECK(caller.client().stats().idle_connections == 0);
  }
}

TEST_CASE("an answer cut short is an unknown outcome") {
  for (const char* text : {"", "HTTP/1.1 20", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
                           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"}) {
    CAPTURE(text);
    Peer peer([&](Connection& connection, int) {
      connection.ReadMessage();
      connection.Write(text);
    });
    Caller caller;
    CheckError(caller.Call(UrlAt(peer.port())), CallFailure::kUnknown, "connection.lost");
  }
}

TEST_CASE("a peer that closes only its own half after the answer is understood") {
  Peer peer([](Connection& connection, int) {
    connection.ReadMessage();
    connection.Write("HTTP/1.1 200 OK\r\n\r\nto the end");
    connection.ShutdownWrite();
    connection.ReadToEnd();
  });
  Caller caller;
  CHECK(Response(caller.Call(UrlAt(peer.port()))).body == "to the end");
  CHECK(caller.client().stats().idle_connections == 0);
}

TEST_CASE("a redirect is an answer like any other") {
  Peer peer(
      Answers("HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/evil\r\n"
              "Content-Length: 0\r\n\r\n"));
  Caller caller;
  const HttpOutcome outcome = caller.Call(UrlAt(peer.port()));
  CHECK(Response(outcome).status == 307);
  CHECK(Response(outcome).headers.Find("location") == "http://127.0.0.1:1/evil");
  CHECK(peer.accepted() == 1);
}

TEST_CASE("an encoded answer is refused before its body is read") {
  Peer peer(Answers("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1000\r\n\r\n"));
  Caller caller;
  CheckError(caller.Call(UrlAt(peer.port())), CallFailure::kBadResponse, "response.encoded");
}

TEST_CASE("interim answers are passed over, but not endlessly") {
  {
    Peer peer(
        Answers("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
                "HTTP/1.1 100 Continue\r\n\r\n" +
                kOk));
    Caller caller;
    CHECK(Response(caller.Call(UrlAt(peer.port()))).body == "ok");
  }
  Peer peer([](Connection& connection, int) {
    connection.ReadMessage();
    while (connection.Write("HTTP/1.1 100 Continue\r\n\r\n")) {
    }
  });
  Caller caller;
  CheckError(caller.Call(UrlAt(peer.port())), CallFailure::kBadResponse, "response.interim");
}

TEST_CASE("an early refusal is heard although the body was not taken") {
  Peer peer([](Connection& connection, int) {
    connection.ReadUntil("\r\n\r\n");
    connection.Write("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n");
    connection.ReadToEnd();
  });
  Caller caller;
  const HttpOutcome outcome =
      caller.Call(UrlAt(peer.port()), kLong, "POST", std::string(16 << 20, 'x'));
  CHECK(Response(outcome).status == 413);
}

TEST_CASE("a request larger than the socket buffers arrives whole") {
  std::string received;
  Peer peer([&](Connection& connection, int) {
    received = connection.ReadMessage();
    connection.Write(kOk);
    connection.ReadToEnd();
  });
  Caller caller;
  std::string body;
  for (int i = 0; body.size() < (32 << 20); ++i) {
    body += std::to_string(i);
  }
  CHECK(Response(caller.Call(UrlAt(peer.port()), kLong, "POST", body)).status == 200);
  REQUIRE(received.size() > body.size());
  CHECK((received.substr(received.size() - body.size()) == body));
}

TEST_CASE("the answer to HEAD has no body however long it says it is") {
  Peer peer([](Connection& connection, int) {
    while (!connection.ReadMessage().empty()) {
      connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    }
  });
  Caller caller;
  for (int i = 0; i < 2; ++i) {
    CHECK(Response(caller.Call(UrlAt(peer.port()), kLong, "HEAD", "")).body.empty());
  }
  CHECK(peer.accepted() == 1);
}

TEST_CASE("trailer fields are not taken for header fields") {
  Peer peer(
      Answers("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n"
              "Entente-Pending: forged\r\n\r\n"));
  Caller caller;
  const HttpOutcome outcome = caller.Call(UrlAt(peer.port()));
  CHECK(Response(outcome).body == "ok");
  CHECK_FALSE(Response(outcome).headers.Has("entente-pending"));
}

TEST_CASE("a request that could be split in two is not sent") {
  const DeadPort dead;  // Being asked to connect would show as another failure.
  Caller caller;
  const auto refused = [&](auto change) {
    HttpRequest request;
    request.url = ParseUrl(UrlAt(dead.port())).value();
    change(request);
    const HttpOutcome outcome = caller.Call(std::move(request));
    REQUIRE(std::holds_alternative<CallError>(outcome));
    CHECK(std::get<CallError>(outcome).failure == CallFailure::kInvalidRequest);
  };
  refused([](HttpRequest& request) { request.headers.Add("x", "a\r\nhost: evil"); });
  refused([](HttpRequest& request) { request.headers.Add("x y", "a"); });
  refused([](HttpRequest& request) { request.headers.Add("Content-Length", "5"); });
  refused([](HttpRequest& request) { request.headers.Add("Transfer-Encoding", "chunked"); });
  refused([](HttpRequest& request) { request.headers.Add("hOsT", "evil"); });
  refused([](HttpRequest& request) { request.url.target = "/a HTTP/1.1\r\nx: y"; });
  refused([](HttpRequest& request) { request.url.target = "no-slash"; });
  refused([](HttpRequest& request) { request.method = "GET /"; });
  refused([](HttpRequest& request) { request.url.origin.tls = true; });
}

TEST_CASE("cancelling ends calls in flight as unknown and those not sent as not sent") {
  std::promise<void> arrived;
  Peer peer([&](Connection& connection, int) {
    connection.ReadMessage();
    arrived.set_value();
    connection.ReadToEnd();
  });
  testing::Loop loop;
  std::unique_ptr<HttpClient> client;
  std::vector<CallError> errors;
  const auto call = [&] {
    HttpRequest request;
    request.url = ParseUrl(UrlAt(peer.port())).value();
    client->Call(std::move(request), kLong, [&](HttpOutcome outcome) {
      errors.push_back(std::get<CallError>(std::move(outcome)));
    });
  };
  loop.Run([&] {
    client = std::make_unique<HttpClient>(loop.io(), HttpClientOptions());
    call();
  });
  arrived.get_future().wait();
  loop.Run([&] {
    call();
    client->CancelAll();
  });
  REQUIRE(errors.size() == 2);
  CHECK(errors[0].reason == "call.cancelled");
  CHECK(errors[0].failure == CallFailure::kUnknown);
  CHECK(errors[1].failure == CallFailure::kNotSent);
  loop.Run([&] {
    CHECK(client->stats().calls_in_flight == 0);
    client.reset();
  });
}

TEST_CASE("ending the client ends its calls, also from inside a callback") {
  Peer peer([](Connection& connection, int) {
    connection.ReadMessage();
    connection.Write(kOk);
    connection.ReadToEnd();
  });
  Caller caller;
  int ended = 0;
  for (int i = 0; i < 3; ++i) {
    HttpRequest request;
    request.url = ParseUrl(UrlAt(peer.port())).value();
    caller.client().Call(std::move(request), kLong, [&](HttpOutcome) {
      if (++ended == 1) {
        caller.End();
      }
    });
  }
  caller.RunUntil([&] { return ended == 3; });
}

TEST_CASE("many calls at once all end, each with its own answer") {
  std::vector<std::unique_ptr<Peer>> peers;
  for (int i = 0; i < 8; ++i) {
    peers.push_back(std::make_unique<Peer>([i](Connection& connection, int) {
      while (!connection.ReadMessage().empty()) {
        const std::string body(static_cast<size_t>(i * 10'000), static_cast<char>('a' + i));
        connection.Write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) +
                         "\r\n\r\n" + body);
      }
    }));
  }
  Caller caller;
  int ended = 0;
  int wrong = 0;
  for (int i = 0; i < 8; ++i) {
    HttpRequest request;
    request.url = ParseUrl(UrlAt(peers[static_cast<size_t>(i)]->port())).value();
    caller.client().Call(std::move(request), kLong, [&, i](HttpOutcome outcome) {
      ++ended;
      const std::string expected(static_cast<size_t>(i * 10'000), static_cast<char>('a' + i));
      const auto* response = std::get_if<HttpResponse>(&outcome);
      wrong += response != nullptr && response->body == expected ? 0 : 1;
    });
  }
  caller.RunUntil([&] { return ended == 8; });
  CHECK(wrong == 0);
}

}  // namespace entente::net
