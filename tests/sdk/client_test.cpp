#include "entente/client.h"

#include <filesystem>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

#include "net/http/http_server.h"
#include "tests/net/test_certificates.h"
#include "tests/sdk/canned_server.h"

namespace entente::sdk {
namespace {

using test::Canned;
using test::CannedServer;
using test::Problem;

Client ClientOf(const CannedServer& server) {
  return Client({.server = server.url(), .retry_for = Duration::zero()});
}

TEST_CASE("an answer keeps its bytes and can be read") {
  const std::string text = R"({"status":"COMMITTED","gid":"g1","revision":7,"output":{"a":1}})";
  CannedServer server(std::vector<Canned>{{.body = text}});
  const Result<Transaction> got = ClientOf(server).Get("g1");
  REQUIRE(got.ok());
  CHECK(got->text() == text);
  CHECK(got->gid() == "g1");
  CHECK(got->revision() == 7);
  CHECK(got->committed());
  CHECK(got->output() == Json{{"a", 1}});
  CHECK(server.seen().at(0).target == "/v1/transactions/g1");
}

TEST_CASE("one connection serves many calls") {
  CannedServer server({{}, {}, {}});
  Client client = ClientOf(server);
  CHECK(client.Participants().ok());
  CHECK(client.Incidents().ok());
  CHECK(client.History("g").ok());
  CHECK(server.seen().at(2).connection == 1);
}

TEST_CASE("a read is repeated when the kept connection was closed under it") {
  CannedServer server({{}, {.hang_up = true}, {}});
  Client client = ClientOf(server);
  CHECK(client.Participants().ok());
  CHECK(client.Participants().ok());
  CHECK(server.seen().at(2).connection == 2);
}

TEST_CASE("an action whose connection breaks is not repeated: its outcome is unknown") {
  CannedServer server({{}, {.hang_up = true}, {}});
  Client client = ClientOf(server);
  CHECK(client.Participants().ok());
  const Status status = client.Act(Action::kCancel, {.gid = "g"}).status();
  CHECK(status.code() == StatusCode::kUnknownOutcome);
  CHECK(status.reason() == "client.broken");
  CHECK(server.seen().size() == 2);
}

TEST_CASE("a problem document becomes a Status with its code and detail") {
  const auto [http_status, code, expected] = GENERATE(table<int, std::string, StatusCode>(
      {{400, "request.invalid", StatusCode::kInvalidArgument},
       {404, "transaction.not_found", StatusCode::kNotFound},
       {409, "transaction.revision_mismatch", StatusCode::kConflict},
       {409, "transaction.exists", StatusCode::kAlreadyExists},
       {409, "transaction.finished", StatusCode::kFailedPrecondition},
       {422, "input.invalid", StatusCode::kInvalidArgument},
       {429, "overloaded", StatusCode::kResourceExhausted},
       {500, "internal", StatusCode::kInternal},
       {503, "draining", StatusCode::kUnavailable},
       {504, "store.unknown", StatusCode::kUnknownOutcome}}));
  CannedServer server({Problem(http_status, code, "what happened")});
  const Status status = ClientOf(server).Get("g").status();
  CHECK(status == Status(expected, code, "what happened"));
}

TEST_CASE("every mistake of a definition is in the message and in last_problem") {
  CannedServer server(
      {Problem(422, "definition.invalid", "2 problems",
               R"("problems":[{"pointer":"/a","line":3,"column":5,"code":"c","message":"m1",)"
               R"("suggestion":"s1"},{"pointer":"/b","code":"c","message":"m2"}])"),
       {}});
  Client client = ClientOf(server);
  const Status status = client.PutDefinition("d", "{}").status();
  CHECK(status.message() == "2 problems\n  3:5: /a: m1; s1\n  /b: m2");
  CHECK(client.last_problem()["problems"].size() == 2);
  CHECK(client.Participants().ok());
  CHECK(client.last_problem().is_null());
}

TEST_CASE("what is not a coordinator is told apart from one") {
  const Canned canned =
      GENERATE(Canned{.body = "<html>", .content_type = "text/html"}, Canned{.body = "[1]"},
               Canned{.status = 404, .body = "nope"}, Canned{.status = 302, .body = ""});
  CannedServer server({canned});
  CHECK(ClientOf(server).Participants().status().reason() == "client.bad_answer");
}

TEST_CASE("an answer whose end is in doubt is none") {
  const std::string fields =
      GENERATE("Content-Length: 2\r\nContent-Length: 2", "Content-Length: 2, 2",
               "Content-Length: +2", "Content-Length: 2\r\nTransfer-Encoding: chunked",
               "Transfer-Encoding: xchunked", "Transfer-Encoding: chunked, identity",
               "Entente-Created: true\r\nEntente-Created: false", "X: y\nContent-Length: 2");
  CAPTURE(fields);
  CannedServer server(
      {{.raw = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + fields + "\r\n\r\n{}"}});
  CHECK(ClientOf(server).Participants().status().reason() == "client.bad_answer");
}

TEST_CASE("an answer that is cut off, too large or late is an error and not a hang") {
  CannedServer cut({{.body = "{}", .cut_off = true}});
  CHECK(ClientOf(cut).Participants().status().reason() == "client.broken");

  CannedServer large(std::vector<Canned>{{.body = std::string(5000, ' ') + "{}"}});
  Client small({.server = large.url(), .max_answer_bytes = 4096});
  CHECK(small.Participants().status().reason() == "client.bad_answer");

  CannedServer mute(std::vector<Canned>{{.stay_mute = true}});
  Client hasty({.server = mute.url(), .call_timeout = std::chrono::milliseconds(20)});
  CHECK(hasty.Participants().status().reason() == "client.timeout");
}

TEST_CASE("nobody there is certainly nothing done") {
  std::string url;
  { url = CannedServer(std::vector<Canned>()).url(); }
  const Status status = Client({.server = url}).Participants().status();
  CHECK(status.code() == StatusCode::kUnavailable);
  CHECK(status.reason() == "client.unreachable");
  CHECK(status.message() ==
        "cannot connect to " + url + ": 127.0.0.1 answered: Connection refused");
}

TEST_CASE("requests are written as the API reads them") {
  CannedServer server({{}, {}, {}, {}, {}, {}});
  Client client = ClientOf(server);
  ListRequest list{.status = "ACTIVE", .label = "a=b", .incident = true};
  list.since = InstantFromMicros(0);
  list.limit = 5;
  CHECK(client.List(list).ok());
  CHECK(client
            .Act(Action::kSkip, {.gid = "a b",
                                 .reason = "seen",
                                 .actor = "me",
                                 .expected_revision = 4,
                                 .branch = "x",
                                 .output = Json(1)})
            .ok());
  CHECK(client.Signal("g", "go", Json{{"x", 1}}).ok());
  CHECK(client.Complete({.token = "t", .refused = true, .code = "full"}).ok());
  CHECK(client.GetDefinition("d", 3).ok());
  CHECK(client.Get("g", std::chrono::milliseconds(1500)).ok());
  const auto seen = server.seen();
  CHECK(seen[0].target ==
        "/v1/transactions?status=ACTIVE&label=a%3Db&incident=true&since=1970-01-01T00%3A00%3A00Z"
        "&limit=5");
  CHECK(seen[1].target == "/v1/transactions/a%20b:skip");
  CHECK(seen[1].body ==
        R"({"actor":"me","branch":"x","expectedRevision":4,"output":1,"reason":"seen"})");
  CHECK(seen[1].content_type == "application/json");
  CHECK(seen[2].body == R"({"name":"go","payload":{"x":1}})");
  CHECK(seen[3].body == R"({"code":"full","outcome":"refused"})");
  CHECK(seen[4].target == "/v1/definitions/d/versions/3");
  CHECK(seen[5].target == "/v1/transactions/g?wait=1.5s");
}

TEST_CASE("headers of one's own go with every request, and none that would break it") {
  CannedServer server({{}, {}});
  Client client({.server = server.url(),
                 .headers = {{"Authorization", "Bearer t0ken"}, {"X-Tenant", "blue"}}});
  CHECK(client.Participants().ok());
  CHECK(client.Signal("g", "go", Json()).ok());
  for (const auto& seen : server.seen()) {
    CHECK_THAT(seen.head, Catch::Contains("\r\nAuthorization: Bearer t0ken\r\n") &&
                              Catch::Contains("\r\nX-Tenant: blue\r\n"));
  }
  for (const auto& bad : std::vector<std::pair<std::string, std::string>>{
           {"X", "a\r\nY: b"}, {"", "a"}, {"X Y", "a"}, {"Host", "a"}, {"Content-Length", "3"}}) {
    CAPTURE(bad.first);
    Client broken({.server = server.url(), .headers = {bad}});
    CHECK(broken.Participants().status().reason() == "client.bad_request");
  }
  CHECK(server.seen().size() == 2);
}

class Answering final : public net::HttpHandler {
  void Handle(net::HttpServerRequest, net::Responder responder) override {
    std::move(responder).Respond({200, {{"Content-Type", "application/json"}}, R"({"a":1})"});
  }
};

TEST_CASE("https is spoken with whoever the client trusts") {
  const net::testing::Certificates certificates("127.0.0.1");
  const net::testing::Certificates strangers("127.0.0.1");
  boost::asio::io_context io{1};
  Answering handler;
  net::HttpServerOptions options;
  options.tls = [tls = net::TlsContext::ForServers(
                           {certificates.certificate_file(), certificates.key_file(), {}})
                           .value()] { return tls; };
  net::HttpServer server(io, handler, options);
  const std::string url =
      "https://127.0.0.1:" + std::to_string(server.Listen("127.0.0.1", 0, false).value());
  std::thread thread([&io] { io.run(); });
  Client trusting({.server = url, .tls = {.ca_file = certificates.ca_file()}});
  CHECK(trusting.Participants()->text == R"({"a":1})");
  CHECK(trusting.Participants().ok());
  for (const std::string& ca : {strangers.ca_file(), std::string()}) {
    Client distrustful({.server = url, .tls = {.ca_file = ca}});
    const Status refused = distrustful.Participants().status();
    CHECK(refused.reason() == "client.unreachable");
    CHECK_THAT(refused.message(), Catch::Contains("certificate"));
  }
  Client mistaken({.server = url, .tls = {.ca_file = "/nowhere"}});
  CHECK(mistaken.Participants().status().reason() == "client.bad_tls");
  io.stop();
  thread.join();
}

TEST_CASE("a client that replaces its certificate shows the other one from the next call on") {
  const net::testing::Certificates server_side("127.0.0.1");
  const net::testing::Certificates before("client");
  const net::testing::Certificates after("client");
  boost::asio::io_context io{1};
  Answering handler;
  net::HttpServerOptions options;
  options.tls = [tls = net::TlsContext::ForServers({server_side.certificate_file(),
                                                    server_side.key_file(), after.ca_file()})
                           .value()] { return tls; };
  net::HttpServer server(io, handler, options);
  const std::string url =
      "https://127.0.0.1:" + std::to_string(server.Listen("127.0.0.1", 0, false).value());
  std::thread thread([&io] { io.run(); });
  Client client({.server = url,
                 .tls = {server_side.ca_file(), before.certificate_file(), before.key_file()}});
  CHECK_FALSE(client.Participants().ok());
  const auto copy = std::filesystem::copy_options::overwrite_existing;
  std::filesystem::copy_file(after.certificate_file(), before.certificate_file(), copy);
  CHECK_FALSE(client.Participants().ok());  // Half of the two files is there.
  std::filesystem::copy_file(after.key_file(), before.key_file(), copy);
  CHECK(client.Participants().ok());
  CHECK(client.Participants().ok());
  io.stop();
  thread.join();
}

TEST_CASE("a stalled coordinator's report is an answer") {
  CannedServer server({{.status = 503, .body = R"({"status":"stalled","ready":true})"}});
  const Result<Document> health = ClientOf(server).Health();
  REQUIRE(health.ok());
  CHECK(health->json["status"] == "stalled");
}

}  // namespace
}  // namespace entente::sdk
