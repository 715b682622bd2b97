#include <catch2/catch.hpp>

#include "tests/api/fixtures.h"
#include "tests/api/http_client.h"

namespace entente::api::test {
namespace {

// The revisions of every event until the stream's end.
std::vector<uint64_t> ReadToEnd(EventClient& client) {
  std::vector<uint64_t> revisions;
  for (Json event = client.NextDocument(); !event.is_null(); event = client.NextDocument()) {
    revisions.push_back(event["entry"]["revision"]);
  }
  return revisions;
}

std::vector<uint64_t> Range(uint64_t from, uint64_t to) {
  std::vector<uint64_t> numbers;
  for (uint64_t number = from; number <= to; ++number) {
    numbers.push_back(number);
  }
  return numbers;
}

// The story as it stood after its first `count` records.
runtime::History FirstOf(const Story& story, size_t count) {
  runtime::History history = story.History();
  history.entries.resize(count);
  return history;
}

TEST_CASE("a watcher of an ended transaction gets its whole history and then the end") {
  RestServer server;
  const Story story = ResolvedStory();
  server.coordinator.AnswerWithHistory(story.History());
  EventClient client(server, "/v1/transactions/trip-1/events");
  CHECK(client.status() == 200);
  CHECK(client.head().find("text/event-stream") != std::string::npos);

  for (uint64_t revision = 1; revision <= story.size(); ++revision) {
    const std::string event = client.NextEvent();
    CHECK(event.starts_with("id: " + std::to_string(revision) + "\ndata: "));
    const Json document = Json::parse(event.substr(event.find("data: ") + 6));
    // The replay says the same of status and incident as the live event did.
    const runtime::TxnEvent live = story.Event(revision);
    CHECK(document["status"] == engine::TxnStatusName(live.status));
    CHECK(document["incident"] == live.incident);
    CHECK(document["definition"] == "trip");
  }
  CHECK(client.NextEvent().empty());
}

TEST_CASE("a watcher that comes back gets what it has not seen") {
  RestServer server;
  const Story story = CommittedStory();
  server.coordinator.AnswerWithHistory(story.History());
  EventClient header(server, "/v1/transactions/t/events", {{"Last-Event-ID", "20"}});
  CHECK(ReadToEnd(header) == Range(21, story.size()));
  EventClient query(server, "/v1/transactions/t/events?afterRevision=22");
  CHECK(ReadToEnd(query) == Range(23, story.size()));
  EventClient all(server, "/v1/transactions/t/events?afterRevision=0");
  CHECK(ReadToEnd(all) == Range(1, story.size()));
  // All seen: 204 tells an EventSource to stay away.
  EventClient done(server, "/v1/transactions/t/events",
                   {{"Last-Event-ID", std::to_string(story.size())}});
  CHECK(done.status() == 204);
  EventClient beyond(server, "/v1/transactions/t/events", {{"Last-Event-ID", "1000"}});
  CHECK(beyond.status() == 400);
  EventClient nonsense(server, "/v1/transactions/t/events", {{"Last-Event-ID", "x"}});
  CHECK(nonsense.status() == 400);
}

TEST_CASE("what happens while the history is loaded is neither lost nor repeated") {
  RestServer server;
  const Story story = CommittedStory();
  server.coordinator.HoldHistory();
  server.coordinator.AnswerWithHistory(FirstOf(story, 10));

  std::optional<EventClient> client;
  std::thread connecting([&] { client.emplace(server, "/v1/transactions/committed-1/events"); });
  while (server.coordinator.subscriptions() == 0) {
    std::this_thread::yield();
  }
  // Records 8 to 12 become known after the subscription; 8 to 10 are in the history as well.
  for (uint64_t revision = 8; revision <= 12; ++revision) {
    server.coordinator.Publish(story.Event(revision));
  }
  std::vector<runtime::Callback<runtime::History>> held;
  while (held.empty()) {
    held = server.coordinator.TakeHeld();
  }
  server.OnServerThread([&] { held[0](server.coordinator.HistoryAnswer()); });
  connecting.join();
  for (uint64_t revision = 13; revision <= story.size(); ++revision) {
    server.coordinator.Publish(story.Event(revision));
  }
  CHECK(ReadToEnd(*client) == Range(1, story.size()));
}

TEST_CASE("a gap in what is live ends the stream, so that the client asks again") {
  RestServer server;
  const Story story = CommittedStory();
  server.coordinator.AnswerWithHistory(FirstOf(story, 3));
  EventClient client(server, "/v1/transactions/committed-1/events");
  CHECK(client.NextDocument()["entry"]["revision"] == 1);
  CHECK(client.NextDocument()["entry"]["revision"] == 2);
  CHECK(client.NextDocument()["entry"]["revision"] == 3);
  server.coordinator.Publish(story.Event(5));
  CHECK(client.NextEvent() == "event: lost\ndata: {}");
  CHECK(client.NextEvent().empty());
}

TEST_CASE("a transaction that does not exist is a problem and not a stream") {
  RestServer server;
  server.coordinator.AnswerWithFailure(NotFound("transaction.not_found", "no such transaction"));
  const Answer answer = server.Get("/v1/transactions/t/events");
  CHECK(answer.status == 404);
  CHECK(answer.Document()["code"] == "transaction.not_found");
  CHECK(server.coordinator.subscriptions() == 0);
  CHECK(server.event_streams() == 0);
}

TEST_CASE("the stream of all transactions passes what its filter lets through") {
  RestServer server;
  EventClient all(server, "/v1/events");
  CHECK(all.Next() == ": ready");
  EventClient aborting(server, "/v1/events?definition=trip&status=ABORTING");
  CHECK(aborting.Next() == ": ready");
  EventClient other(server, "/v1/events?definition=other");
  CHECK(other.Next() == ": ready");

  const Story story = AbortedStory();
  for (uint64_t revision = 1; revision <= story.size(); ++revision) {
    server.coordinator.Publish(story.Event(revision));
  }
  const Json first = all.NextDocument();
  CHECK(first["entry"]["type"] == "accepted");
  const Json decided = aborting.NextDocument();
  CHECK(decided["entry"]["type"] == "abort-decided");
  CHECK(decided["status"] == "ABORTING");
}

TEST_CASE("a silent stream shows that it is alive") {
  RestOptions options;
  options.heartbeat = std::chrono::milliseconds(1);
  RestServer server(std::move(options));
  EventClient client(server, "/v1/events");
  CHECK(client.Next() == ": ready");
  CHECK(client.Next() == ": alive");
  CHECK(client.Next() == ": alive");
}

TEST_CASE("there are as many streams as there may be, and one that ends makes room") {
  RestOptions options;
  options.max_event_streams = 1;
  options.heartbeat = std::chrono::milliseconds(1);
  RestServer server(std::move(options));
  {
    EventClient client(server, "/v1/events");
    CHECK(client.Next() == ": ready");
    const Answer refused = server.Get("/v1/events");
    CHECK(refused.status == 429);
    CHECK(refused.Header("Retry-After") == "1");
    CHECK(refused.Document()["code"] == "events.too_many_streams");
  }
  while (server.event_streams() != 0) {
    std::this_thread::yield();
  }
  CHECK(server.coordinator.subscriptions() == 0);
  EventClient next(server, "/v1/events");
  CHECK(next.Next() == ": ready");
}

TEST_CASE("a client that does not read is cut off and costs bounded memory") {
  RestServer server;
  EventClient client(server, "/v1/events");
  CHECK(client.Next() == ": ready");
  Story story("big");
  story.Then(engine::SignalReceived{"x", Json(std::string(512 * 1024, 'x'))});
  const runtime::TxnEvent event = story.Event(2);
  size_t published = 0;
  // 512 MiB in all, far more than sockets and buffers hold.
  while (server.event_streams() != 0 && published < 1024) {
    server.coordinator.Publish(event);
    ++published;
    server.OnServerThread([] {});
  }
  CHECK(published < 1024);
  CHECK(server.coordinator.subscriptions() == 0);
}

TEST_CASE("a long history reaches a client in full, at the client's pace") {
  RestServer server;
  Story story("long");
  for (int i = 0; i < 60; ++i) {
    story.Then(engine::SignalReceived{"s", Json(std::string(64 * 1024, 'x'))});
  }
  engine::Ended ended;
  story.Then(ended);
  server.coordinator.AnswerWithHistory(story.History());
  EventClient client(server, "/v1/transactions/long/events");
  CHECK(ReadToEnd(client) == Range(1, story.size()));
}

TEST_CASE("who watches is served while the thread that serves requests is busy") {
  RestServer server;
  const Story story = CommittedStory();
  server.coordinator.AnswerWithHistory(FirstOf(story, 1));
  EventClient all(server, "/v1/events");
  EventClient one(server, "/v1/transactions/committed-1/events");
  CHECK(one.NextDocument()["entry"]["revision"] == 1);
  server.OnServerThread([&] {
    for (uint64_t revision = 2; revision <= story.size(); ++revision) {
      server.coordinator.Publish(story.Event(revision));
    }
    CHECK(ReadToEnd(one) == Range(2, story.size()));
    CHECK(all.NextDocument()["entry"]["revision"] == 2);
  });
}

TEST_CASE("streams end with their server") {
  RestServer server;
  EventClient all(server, "/v1/events");
  CHECK(all.Next() == ": ready");
  server.coordinator.AnswerWithHistory(FirstOf(CommittedStory(), 2));
  EventClient one(server, "/v1/transactions/t/events");
  CHECK(one.NextDocument()["entry"]["revision"] == 1);
  server.Close();
  CHECK(server.coordinator.subscriptions() == 0);
  CHECK(server.event_streams() == 0);
  CHECK(all.NextEvent().empty());
}

}  // namespace
}  // namespace entente::api::test
