#include <catch2/catch.hpp>

#include "base/ids.h"
#include "entente/client.h"
#include "tests/sdk/canned_server.h"

namespace entente::sdk {
namespace {

using test::Canned;
using test::CannedServer;
using test::Problem;

SubmitRequest Order() {
  SubmitRequest request;
  request.definition = "travel";
  request.input = Json{{"city", "Rome"}};
  return request;
}

TEST_CASE("a submit is repeated with the same gid whatever is lost") {
  CannedServer server({{.hang_up = true},
                       {.body = "{}", .cut_off = true},
                       Problem(503, "draining", "shutting down"),
                       {.status = 200,
                        .body = R"({"gid":"x","status":"ACTIVE"})",
                        .headers = "Entente-Created: false\r\n"}});
  Client client({.server = server.url()});
  const Result<SubmitResult> submitted = client.Submit(Order());
  REQUIRE(submitted.ok());
  CHECK(submitted->transaction.status() == "ACTIVE");
  CHECK_FALSE(submitted->created);
  const auto seen = server.seen();
  REQUIRE(seen.size() == 4);
  const Json first = Json::parse(seen[0].body);
  CHECK(ValidateGid(first["gid"].get<std::string>()).ok());
  for (const test::Seen& request : seen) {
    CHECK(request.body == seen[0].body);
  }
}

TEST_CASE("two submits without a gid are two transactions") {
  CannedServer server({{}, {}});
  Client client({.server = server.url()});
  CHECK(client.Submit(Order()).ok());
  CHECK(client.Submit(Order()).ok());
  CHECK(server.seen()[0].body != server.seen()[1].body);
}

TEST_CASE("a refused submit is not repeated") {
  CannedServer server({Problem(422, "input.invalid", "no city")});
  Client client({.server = server.url()});
  CHECK(client.Submit(Order()).status() == InvalidArgument("input.invalid", "no city"));
  CHECK(server.seen().size() == 1);
}

TEST_CASE("a submit given up after it may have arrived names its gid") {
  CannedServer server(std::vector<Canned>{{.hang_up = true}});
  Client client({.server = server.url(), .retry_for = Duration::zero()});
  SubmitRequest request = Order();
  request.gid = "order-7";
  const Status status = client.Submit(request).status();
  CHECK(status.code() == StatusCode::kUnknownOutcome);
  CHECK(status.message().find("transaction order-7 may have been accepted") != std::string::npos);
}

TEST_CASE("a submit that contradicts itself is not sent") {
  CannedServer server(std::vector<Canned>{});
  Client client({.server = server.url()});
  SubmitRequest both = Order();
  both.inline_definition = Json::object();
  CHECK(client.Submit(both).status().reason() == "client.bad_request");
  CHECK(client.Submit(SubmitRequest()).status().reason() == "client.bad_request");
  SubmitRequest bad = Order();
  bad.gid = "no spaces";
  CHECK(client.Submit(bad).status().reason() == "gid.invalid");
  CHECK(server.seen().empty());
}

TEST_CASE("every part of a submit is sent") {
  CannedServer server(std::vector<Canned>{{.status = 201, .headers = "Entente-Created: true\r\n"}});
  Client client({.server = server.url()});
  SubmitRequest request = Order();
  request.gid = "g";
  request.version = 2;
  request.labels = {{"tier", "gold"}};
  request.deadline = std::chrono::minutes(10);
  request.wait = std::chrono::seconds(3);
  const Result<SubmitResult> submitted = client.Submit(request);
  REQUIRE(submitted.ok());
  CHECK(submitted->created);
  CHECK(server.seen()[0].body ==
        R"({"deadline":"10m","definition":"travel","gid":"g","input":{"city":"Rome"},)"
        R"("labels":{"tier":"gold"},"version":2,"wait":"3s"})");
}

}  // namespace
}  // namespace entente::sdk
