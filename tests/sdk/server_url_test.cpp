#include "participant-sdk/src/client/server_url.h"

#include <catch2/catch.hpp>

namespace entente::sdk {
namespace {

TEST_CASE("a server is a host and a port, with TLS or without") {
  const auto [url, server] = GENERATE(table<std::string, std::string>(
      {{"http://localhost:8080", "http://localhost:8080"},
       {"HTTP://localhost:8080", "http://localhost:8080"},
       {"http://localhost:8080/", "http://localhost:8080"},
       {"http://coordinator.example:80", "http://coordinator.example"},
       {"https://coordinator.example", "https://coordinator.example"},
       {"https://a:8443/", "https://a:8443"},
       {"http://[::1]:9", "http://[::1]:9"}}));
  CHECK(ParseServer(url).value().ToString() == server);
}

TEST_CASE("what is not a server says what to write instead") {
  const std::string url =
      GENERATE("", "localhost:8080", "http://", "http://:80", "http://a:0", "http://a:65536",
               "http://a:x", "http://a/b", "http://a?b", "http://u@a", "http://a b", "http://[::1",
               "http://[::1]x", "ftp://a", "https://a/b");
  INFO(url);
  const Status status = ParseServer(url).status();
  CHECK(status.reason() == "client.bad_server");
  CHECK(status.message().find("http://HOST:PORT") != std::string::npos);
}

TEST_CASE("a name can not leave its path segment or query value") {
  CHECK(PercentEncode("a/b?c&d=é") == "a%2Fb%3Fc%26d%3D%C3%A9");
  CHECK(Query().Add("label", "tier=gold").Add("status", "").Add("q", "x").text() ==
        "?label=tier%3Dgold&q=x");
}

}  // namespace
}  // namespace entente::sdk
