#include <array>
#include <string>

#include <catch2/catch.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

#include "tests/api/http_client.h"

namespace entente::api::test {
namespace {

const std::string kSubmitBody = R"({"definition":"trip"})";

int Submit(RestServer& server, const Fields& headers) {
  return server.Send("POST", "/v1/transactions", kSubmitBody, headers).status;
}

TEST_CASE("a page of another site can not change anything") {
  RestServer server;
  const std::string own = "http://127.0.0.1:" + std::to_string(server.port());
  for (const char* origin :
       {"http://evil.example", "null", "https://127.0.0.1", "http://127.0.0.1:1"}) {
    CAPTURE(origin);
    CHECK(Submit(server, {{"Origin", origin}}) == 403);
  }
  CHECK(Submit(server, {{"Sec-Fetch-Site", "cross-site"}}) == 403);
  CHECK(Submit(server, {{"Sec-Fetch-Site", "same-site"}}) == 403);
  CHECK(server.Send("PUT", "/v1/definitions/x", "{}", {{"Origin", "http://evil.example"}}).status ==
        403);
  CHECK(server.coordinator.mutations() == 0);

  CHECK(Submit(server, {{"Origin", own}}) == 201);
  CHECK(Submit(server, {{"Sec-Fetch-Site", "same-origin"}}) == 201);
  CHECK(Submit(server, {}) == 201);
  // Reading is not a change; the browser keeps the answer from the page.
  CHECK(server.Send("GET", "/healthz", "", {{"Origin", "http://evil.example"}}).status == 200);
}

// The status of what is sent byte by byte.
std::string StatusOf(const RestServer& server, const std::string& request) {
  boost::asio::io_context io;
  boost::asio::ip::tcp::socket socket(io);
  socket.connect({boost::asio::ip::address_v4::loopback(), server.port()});
  boost::asio::write(socket, boost::asio::buffer(request));
  std::array<char, 12> answer{};
  const size_t count = socket.read_some(boost::asio::buffer(answer));
  return std::string(answer.data(), count).substr(9);
}

TEST_CASE("a balancer's check needs no Host, and nothing else goes without") {
  RestOptions options;
  options.guard.allowed_hosts = {"coordinator.example.org"};
  RestServer server(std::move(options));
  for (const char* path : {"/healthz", "/readyz", "/metrics"}) {
    CAPTURE(path);
    CHECK(StatusOf(server, "GET " + std::string(path) + " HTTP/1.0\r\n\r\n") == "200");
    CHECK(StatusOf(server, "GET " + std::string(path) +
                               " HTTP/1.0\r\nHost: evil.example\r\n\r\n") == "421");
  }
  CHECK(StatusOf(server, "GET /v1/transactions HTTP/1.0\r\n\r\n") == "421");
  CHECK(StatusOf(server, "GET / HTTP/1.0\r\n\r\n") == "421");
  CHECK(StatusOf(server, "GET /healthz HTTP/1.1\r\n\r\n") == "400");
}

TEST_CASE("a coordinator's own call that leads back to it is refused") {
  RestOptions options;
  options.guard.coordinator = "0123456789abcdef";
  RestServer server(std::move(options));
  CHECK(Submit(server, {{"Entente-Coordinator", "0123456789abcdef"}}) == 403);
  CHECK(server.Send("GET", "/v1/transactions", "", {{"entente-coordinator", "0123456789abcdef"}})
            .status == 403);
  CHECK(Submit(server, {{"Entente-Coordinator", "fedcba9876543210"}}) == 201);
  CHECK(Submit(server, {}) == 201);
}

TEST_CASE("an allowed origin may change state") {
  RestOptions options;
  options.guard.allowed_origins = {"https://ops.example.org"};
  RestServer server(std::move(options));
  CHECK(Submit(server, {{"Origin", "https://ops.example.org"}}) == 201);
  CHECK(Submit(server, {{"Origin", "http://ops.example.org"}}) == 403);
}

TEST_CASE("a browser is told what a page of an allowed origin may do, and of others nothing") {
  RestOptions options;
  options.guard.allowed_origins = {"https://ops.example.org"};
  RestServer server(std::move(options));
  const auto preflight = [&server](const char* origin, const char* path) {
    return server.Send("OPTIONS", path, "",
                       {{"Origin", origin},
                        {"Access-Control-Request-Method", "POST"},
                        {"Access-Control-Request-Headers", "content-type"}});
  };
  const Answer asked = preflight("https://ops.example.org", "/v1/transactions");
  CHECK(asked.status == 204);
  CHECK(asked.Header("Access-Control-Allow-Origin") == "https://ops.example.org");
  CHECK(asked.Header("Access-Control-Allow-Methods") == "POST, GET, HEAD");
  CHECK_THAT(asked.Header("Access-Control-Allow-Headers"), Catch::Contains("Content-Type"));
  CHECK(asked.Header("Vary") == "Origin");
  CHECK(preflight("https://ops.example.org", "/v1/transactions/t:cancel")
            .Header("Access-Control-Allow-Methods") == "POST");
  CHECK(preflight("https://ops.example.org", "/nothing").status == 404);
  for (const char* origin : {"https://evil.example", "null", "https://ops.example.org.evil"}) {
    const Answer refused = preflight(origin, "/v1/transactions");
    CHECK(refused.status == 403);
    CHECK(refused.Header("Access-Control-Allow-Origin").empty());
    CHECK(refused.Header("Vary") == "Origin");
  }
  // The request itself, also when it fails.
  const Fields origin{{"Origin", "https://ops.example.org"}};
  for (const Answer& answer :
       {server.Send("GET", "/healthz", "", origin), server.Send("GET", "/nothing", "", origin),
        server.Send("POST", "/v1/transactions", kSubmitBody, origin)}) {
    CHECK(answer.Header("Access-Control-Allow-Origin") == "https://ops.example.org");
    CHECK_THAT(answer.Header("Access-Control-Expose-Headers"), Catch::Contains("Location"));
  }
  CHECK(server.Get("/healthz").Header("Access-Control-Allow-Origin").empty());
}

TEST_CASE("on loopback only loopback names are answered to") {
  RestServer server;
  for (const char* host :
       {"localhost", "LOCALHOST:1", "127.0.0.1", "127.9.9.9:80", "[::1]", "[::1]:8080"}) {
    CAPTURE(host);
    CHECK(server.Send("GET", "/healthz", "", {{"Host", host}}).status == 200);
  }
  for (const char* host :
       {"evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "10.0.0.1",
        "127.0.0.evil1", "localhost.", "[::2]", "[::ffff:127.0.0.1]"}) {
    CAPTURE(host);
    const Answer answer = server.Send("GET", "/v1/transactions", "", {{"Host", host}});
    CHECK(answer.status == 421);
    CHECK(answer.Document()["code"] == "request.host");
    CHECK_THAT(answer.Document()["detail"].get<std::string>(), Catch::Contains("--allow-host"));
  }
}

TEST_CASE("a host that is none is refused before it is compared with anything") {
  RestOptions open;
  open.guard.loopback_only = false;
  RestServer server(std::move(open));
  for (const char* host : {"localhost:1@evil", "[::1", "127.", "127.1", "localhost:x", "a b"}) {
    CAPTURE(host);
    const Answer answer = server.Send("GET", "/healthz", "", {{"Host", host}});
    CHECK(answer.status == 400);
    CHECK(answer.Document()["code"] == "request.malformed");
  }
}

TEST_CASE("a target that names a host is held to it, whatever the Host field says") {
  RestServer server;
  CHECK(server.Get("http://localhost:8080/healthz").status == 200);
  CHECK(server.Get("http://evil.example/healthz").status == 421);
  CHECK(server.Send("GET", "http://127.0.0.1/healthz", "", {{"Host", "evil.example"}}).status ==
        200);
}

TEST_CASE("behind a proxy, the proxy's name is answered to beside loopback ones") {
  RestOptions options;
  options.guard.allowed_hosts = {"entente.example"};
  RestServer server(std::move(options));
  const auto status_at = [&server](const char* host) {
    return server.Send("GET", "/healthz", "", {{"Host", host}}).status;
  };
  CHECK(status_at("Entente.example:443") == 200);
  CHECK(status_at("localhost") == 200);
  CHECK(status_at("other.example") == 421);
}

TEST_CASE("beyond loopback any name is answered to, unless some are listed") {
  RestOptions open;
  open.guard.loopback_only = false;
  RestServer any(std::move(open));
  CHECK(any.Send("GET", "/healthz", "", {{"Host", "entente.example"}}).status == 200);

  RestOptions listed;
  listed.guard.loopback_only = false;
  listed.guard.allowed_hosts = {"entente.example"};
  RestServer one(std::move(listed));
  CHECK(one.Send("GET", "/healthz", "", {{"Host", "Entente.example:443"}}).status == 200);
  CHECK(one.Send("GET", "/healthz", "", {{"Host", "other.example"}}).status == 421);
}

TEST_CASE("every answer tells browsers to trust it with nothing") {
  RestServer server;
  for (const Answer& answer : {server.Get("/healthz"), server.Get("/nothing"),
                               server.Get("/metrics"), server.Post("/v1/transactions", "{"),
                               server.Send("GET", "/", "", {{"Host", "evil.example"}})}) {
    CAPTURE(answer.status);
    CHECK(answer.Header("X-Content-Type-Options") == "nosniff");
    CHECK(answer.Header("Content-Security-Policy") == "default-src 'none'; frame-ancestors 'none'");
    CHECK(answer.Header("Cache-Control") == "no-store");
    CHECK(answer.Header("X-Frame-Options") == "DENY");
    CHECK(answer.Header("Access-Control-Allow-Origin").empty());
  }
}

}  // namespace
}  // namespace entente::api::test
