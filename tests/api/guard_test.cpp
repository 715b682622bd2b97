#include <catch2/catch.hpp>

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

TEST_CASE("an allowed origin may change state") {
  RestOptions options;
  options.guard.allowed_origins = {"https://ops.example.org"};
  RestServer server(std::move(options));
  CHECK(Submit(server, {{"Origin", "https://ops.example.org"}}) == 201);
  CHECK(Submit(server, {{"Origin", "http://ops.example.org"}}) == 403);
}

TEST_CASE("on loopback only loopback names are answered to") {
  RestServer server;
  for (const char* host :
       {"localhost", "LOCALHOST:1", "127.0.0.1", "127.9.9.9:80", "[::1]", "[::1]:8080"}) {
    CAPTURE(host);
    CHECK(server.Send("GET", "/healthz", "", {{"Host", host}}).status == 200);
  }
  for (const char* host :
       {"evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "10.0.0.1"}) {
    CAPTURE(host);
    const Answer answer = server.Send("GET", "/v1/transactions", "", {{"Host", host}});
    CHECK(answer.status == 421);
    CHECK(answer.Document()["code"] == "request.host");
    CHECK_THAT(answer.Document()["detail"].get<std::string>(),
               Catch::Matchers::Contains("--allow-host"));
  }
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
