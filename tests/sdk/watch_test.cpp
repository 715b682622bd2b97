#include <sstream>
#include <vector>

#include <catch2/catch.hpp>

#include "entente/client.h"
#include "tests/sdk/canned_server.h"

namespace entente::sdk {
namespace {

using test::Canned;
using test::CannedServer;
using test::Problem;

std::string EventText(uint64_t revision, const std::string& status) {
  return "id: " + std::to_string(revision) + "\ndata: {\"status\":\"" + status + "\"}\n\n";
}

Canned Stream(const std::string& text) {
  return {.body = text, .content_type = "text/event-stream"};
}

struct Watched {
  Status status;
  std::vector<uint64_t> revisions;
};

Watched WatchAll(const CannedServer& server, uint64_t after = 0) {
  Client client({.server = server.url(), .retry_for = std::chrono::seconds(5)});
  Watched watched;
  watched.status = client.Watch("g", after, [&](const Event& event) {
    watched.revisions.push_back(event.revision);
    return true;
  });
  return watched;
}

TEST_CASE("a watch ends with the transaction") {
  CannedServer server({Stream(": ready\n\n" + EventText(1, "ACTIVE") + EventText(2, "COMMITTED"))});
  const Watched watched = WatchAll(server);
  CHECK(watched.status.ok());
  CHECK(watched.revisions == std::vector<uint64_t>{1, 2});
  CHECK(server.seen()[0].target == "/v1/transactions/g/events");
}

std::string Chunk(const std::string& text) {
  std::ostringstream head;
  head << std::hex << text.size();
  return head.str() + "\r\n" + text + "\r\n";
}

TEST_CASE("an event is delivered when it arrives, not when the next one does") {
  Canned open_ended;
  open_ended.raw =
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" +
      Chunk(": ready\n\n") + Chunk(EventText(1, "ACTIVE")) + Chunk(EventText(2, "ACTIVE"));
  CannedServer server({open_ended});
  Client client({.server = server.url()});
  uint64_t latest = 0;
  CHECK(client
            .Watch("g", 0,
                   [&latest](const Event& event) {
                     latest = event.revision;
                     return latest < 2;
                   })
            .ok());
  CHECK(latest == 2);
}

TEST_CASE("a stream that breaks is taken up where it stopped, without gap or repetition") {
  Canned broken = Stream(EventText(1, "ACTIVE") + EventText(2, "ACTIVE") + "id: 3\ndata: {\"sta");
  broken.cut_off = true;
  CannedServer server(
      {broken,
       {.hang_up = true},
       Stream(EventText(2, "ACTIVE") + EventText(3, "ACTIVE") + EventText(4, "ABORTED"))});
  const Watched watched = WatchAll(server);
  CHECK(watched.status.ok());
  CHECK(watched.revisions == std::vector<uint64_t>{1, 2, 3, 4});
  CHECK(server.seen()[1].last_event_id == "2");
  CHECK(server.seen()[2].last_event_id == "2");
}

TEST_CASE("a stream that lost events is opened again from the last one seen") {
  CannedServer server({Stream(EventText(1, "ACTIVE") + "event: lost\ndata: {}\n\n"),
                       Stream(EventText(2, "MIXED"))});
  const Watched watched = WatchAll(server);
  CHECK(watched.status.ok());
  CHECK(watched.revisions == std::vector<uint64_t>{1, 2});
}

TEST_CASE("nothing left to see is the end") {
  CannedServer server(std::vector<Canned>{{.status = 204, .body = ""}});
  const Watched watched = WatchAll(server, 9);
  CHECK(watched.status.ok());
  CHECK(watched.revisions.empty());
  CHECK(server.seen()[0].last_event_id == "9");
}

TEST_CASE("the caller may stop a watch") {
  CannedServer server({Stream(EventText(1, "ACTIVE") + EventText(2, "ACTIVE"))});
  Client client({.server = server.url()});
  int seen = 0;
  CHECK(client.Watch("g", 0, [&seen](const Event&) { return ++seen < 1; }).ok());
  CHECK(seen == 1);
}

TEST_CASE("a watch of what does not exist fails at once") {
  CannedServer server({Problem(404, "transaction.not_found", "no 'g'")});
  CHECK(WatchAll(server).status == NotFound("transaction.not_found", "no 'g'"));
}

TEST_CASE("the first connection of a watch is tried again too, if the client was answered before") {
  CannedServer server({{.body = R"({"gid":"g","status":"ACTIVE"})", .close_after = true},
                       {.hang_up = true},
                       Problem(503, "draining", "shutting down"),
                       Stream(EventText(1, "COMMITTED"))});
  Client client({.server = server.url(), .retry_for = std::chrono::seconds(5)});
  REQUIRE(client.Get("g").ok());
  uint64_t latest = 0;
  const Status watched = client.Watch("g", 0, [&latest](const Event& event) {
    latest = event.revision;
    return true;
  });
  CHECK(watched.ok());
  CHECK(latest == 1);
  CHECK(server.seen().size() == 4);
}

// All that a stream says while its transaction does nothing; long enough to be read in many pieces.
std::string Heartbeats() {
  std::string text;
  while (text.size() < 1'000'000) {
    text += ": still here\n\n";
  }
  return text;
}

// The next failure is one too many, unless it begins another outage.
constexpr Duration kOneRetry = std::chrono::microseconds(1);

TEST_CASE(
    "a stream that breaks after it stood for longer than an outage may last is a new outage") {
  CannedServer server({{.hang_up = true},
                       Stream(Heartbeats()),
                       Stream(Heartbeats()),
                       Stream(EventText(1, "COMMITTED"))});
  Client client({.server = server.url(), .retry_for = kOneRetry});
  CHECK(client.Watch("g", 0, [](const Event&) { return true; }) == Status());
  CHECK(server.seen().size() == 4);
}

TEST_CASE("a page that is no event stream does not make a watch go on") {
  Canned page{.body = Heartbeats(), .content_type = "text/html"};
  CannedServer server({page, page, page, Stream(EventText(1, "COMMITTED"))});
  Client client({.server = server.url(), .retry_for = kOneRetry});
  CHECK(client.Watch("g", 0, [](const Event&) { return true; }).reason() == "client.broken");
  CHECK(server.seen().size() == 2);
}

TEST_CASE("a watch that fails names what failed last, not an answer from before") {
  CannedServer server({Problem(503, "draining", "shutting down"),
                       {.status = 404, .body = "none", .content_type = "text/plain"}});
  Client client({.server = server.url(), .retry_for = std::chrono::seconds(5)});
  const Status status = client.Watch("g", 0, [](const Event&) { return true; });
  CHECK(status.code() == StatusCode::kNotFound);
  CHECK(status.reason() == "client.bad_answer");
  CHECK(client.last_problem().is_null());
}

TEST_CASE("a watch at an address where nobody ever answered is given up at once") {
  std::string url;
  {
    CannedServer gone({});
    url = gone.url();
  }
  Client client({.server = url, .retry_for = std::chrono::hours(1)});
  CHECK(client.Watch("g", 0, [](const Event&) { return true; }).reason() == "client.unreachable");
}

TEST_CASE("an event that can not be read ends the watch with an error") {
  CannedServer server({Stream("id: 1\ndata: {oops\n\n")});
  CHECK(WatchAll(server).status.reason() == "client.bad_answer");
  CannedServer nameless({Stream("data: {}\n\n")});
  CHECK(WatchAll(nameless).status.reason() == "client.bad_answer");
}

}  // namespace
}  // namespace entente::sdk
