// The outbox, on a real database; linked once with each of them.
#include <algorithm>
#include <functional>
#include <set>
#include <thread>

#include <catch2/catch.hpp>

#include "base/limits.h"
#include "tests/sdk/canned_server.h"
#include "tests/sdk/outbox_world.h"

namespace entente::sdk {
namespace {

using test::Canned;
using test::CannedServer;
using test::MakeOutboxWorld;
using test::OutboxWorld;
using test::Problem;

SubmitRequest Order(const std::string& gid, int number = 1) {
  SubmitRequest request;
  request.definition = "ship";
  request.gid = gid;
  request.input = Json{{"order", number}};
  return request;
}

Canned Accepted() {
  return {.status = 201, .body = R"({"gid":"x","status":"ACTIVE"})"};
}

Client ClientOf(const CannedServer& server) {
  return Client({.server = server.url(), .retry_for = Duration::zero()});
}

std::string GidOf(const test::Seen& seen) {
  return Json::parse(seen.body)["gid"];
}

TEST_CASE("what is put is delivered once the business write is committed, and only then") {
  const auto world = MakeOutboxWorld();
  CannedServer server({Accepted(), Accepted()});
  Client client = ClientOf(server);
  const auto store = world->Open();
  Relay relay(*store, client);
  SubmitRequest full = Order("g1");
  full.labels = {{"a", "b"}};
  full.deadline = std::chrono::minutes(5);
  full.version = 3;
  world->Transact([&] { CHECK(*world->Put(full) == "g1"); }, /*commit=*/true);
  world->Transact([&] { CHECK(world->Put(Order("g2")).ok()); }, /*commit=*/false);
  std::string made;
  world->Transact([&] { made = *world->Put(Order("")); }, /*commit=*/true);
  const Result<RelayReport> report = relay.RunOnce();
  REQUIRE(report.ok());
  CHECK(report->delivered == 2);
  const auto seen = server.seen();
  REQUIRE(seen.size() == 2);
  CHECK(seen[0].body == R"({"deadline":"5m","definition":"ship","gid":"g1","input":{"order":1},)"
                        R"("labels":{"a":"b"},"version":3})");
  CHECK(GidOf(seen[1]) == made);
  CHECK(store->Count()->waiting == 0);
  CHECK(relay.RunOnce()->delivered == 0);
}

TEST_CASE("a delivery that may have arrived is repeated with the same gid") {
  const auto world = MakeOutboxWorld();
  CannedServer server({{.hang_up = true}, Accepted()});
  Client client = ClientOf(server);
  const auto store = world->Open();
  Relay relay(*store, client);
  world->Transact([&] { CHECK(world->Put(Order("g1")).ok()); }, true);
  CHECK(relay.RunOnce()->postponed == 1);
  CHECK(relay.RunOnce()->delivered == 0);  // Not due.
  CHECK(store->Count()->waiting == 1);
  world->now += std::chrono::minutes(2);
  CHECK(store->Count()->oldest_age == std::chrono::minutes(2));
  CHECK(relay.RunOnce()->delivered == 1);
  CHECK(server.seen()[0].body == server.seen()[1].body);
}

TEST_CASE("while the coordinator takes nothing, a batch is not tried one by one") {
  const auto world = MakeOutboxWorld();
  CannedServer server(
      {Problem(503, "draining", "shutting down"), Accepted(), Accepted(), Accepted()});
  Client client = ClientOf(server);
  const auto store = world->Open();
  Relay relay(*store, client);
  for (int i = 0; i < 3; ++i) {
    world->Transact([&] { CHECK(world->Put(Order("g" + std::to_string(i))).ok()); }, true);
  }
  const Result<RelayReport> report = relay.RunOnce();
  CHECK(report->postponed == 3);
  CHECK_FALSE(report->more);
  CHECK(server.seen().size() == 1);
  world->now += std::chrono::minutes(2);
  CHECK(relay.RunOnce()->delivered == 3);
}

TEST_CASE("what is refused for good is kept and shown, and can be revived or removed") {
  const auto world = MakeOutboxWorld();
  CannedServer server({Problem(404, "definition.not_found", "no definition 'ship'"), Accepted(),
                       Problem(422, "input.invalid", "no order"), Accepted()});
  Client client = ClientOf(server);
  const auto store = world->Open();
  Relay relay(*store, client);
  world->Transact(
      [&] {
        CHECK(world->Put(Order("bad")).ok());
        CHECK(world->Put(Order("good")).ok());
        CHECK(world->Put(Order("worse")).ok());
      },
      true);
  const Result<RelayReport> report = relay.RunOnce();
  CHECK(report->buried == 2);
  CHECK(report->delivered == 1);
  CHECK(store->Count()->dead == 2);
  const Result<std::vector<OutboxEntry>> dead = store->Dead(10);
  REQUIRE(dead->size() == 2);
  CHECK(dead->at(0).gid == "bad");
  CHECK_THAT(dead->at(0).error, Catch::Contains("no definition 'ship'"));
  world->now += std::chrono::hours(1);
  CHECK(relay.RunOnce()->delivered == 0);
  CHECK(store->Revive("bad").ok());
  CHECK(store->Remove("worse").ok());
  CHECK(store->Remove("worse").reason() == "outbox.not_found");
  CHECK(relay.RunOnce()->delivered == 1);
  CHECK(store->Count()->dead == 0);
  CHECK(store->Revive("bad").reason() == "outbox.not_found");
}

TEST_CASE("a client without an address buries nothing") {
  const auto world = MakeOutboxWorld();
  Client client({.server = "https://nowhere"});
  const auto store = world->Open();
  Relay relay(*store, client);
  world->Transact([&] { CHECK(world->Put(Order("g1")).ok()); }, true);
  CHECK(relay.RunOnce()->postponed == 1);
}

TEST_CASE("the same gid put again is one entry, with another content it is refused") {
  const auto world = MakeOutboxWorld();
  world->Transact(
      [&] {
        CHECK(*world->Put(Order("g1")) == "g1");
        CHECK(*world->Put(Order("g1")) == "g1");
        CHECK(world->Put(Order("g1", 2)).status().reason() == "outbox.gid_taken");
      },
      true);
  CHECK(world->Open()->Count()->waiting == 1);
}

TEST_CASE("what the coordinator could never take is not put") {
  const auto world = MakeOutboxWorld();
  const auto put = [&](const std::function<void(SubmitRequest&)>& change) {
    SubmitRequest request = Order("g1");
    change(request);
    Result<std::string> gid = std::string();
    world->Transact([&] { gid = world->Put(request); }, /*commit=*/false);
    return gid.ok() ? "ok" : gid.status().reason();
  };
  const auto nested = [](size_t depth) {
    Json json;
    for (size_t i = 0; i < depth; ++i) {
      json = Json::array({std::move(json)});
    }
    return json;
  };
  const std::string label(limits::kMaxLabelBytes, 'l');
  const auto labels = [](SubmitRequest& request, size_t count) {
    for (size_t i = 0; i < count; ++i) {
      request.labels[std::to_string(i)] = "x";
    }
  };
  const auto input_of = [](SubmitRequest& request, size_t bytes) {
    request.input = std::string(bytes - 2, 'x');  // And two quotes.
  };
  CHECK(put([&](SubmitRequest& r) { input_of(r, limits::kMaxPayloadBytes); }) == "ok");
  CHECK(put([&](SubmitRequest& r) { input_of(r, limits::kMaxPayloadBytes + 1); }) ==
        "outbox.too_large");
  CHECK(put([&](SubmitRequest& r) { r.input = nested(limits::kMaxJsonDepth); }) == "ok");
  CHECK(put([&](SubmitRequest& r) { r.input = nested(limits::kMaxJsonDepth + 1); }) ==
        "client.bad_request");
  CHECK(put([&](SubmitRequest& r) { labels(r, limits::kMaxLabels); }) == "ok");
  CHECK(put([&](SubmitRequest& r) { labels(r, limits::kMaxLabels + 1); }) == "client.bad_request");
  CHECK(put([&](SubmitRequest& r) { r.labels[label] = label; }) == "ok");
  CHECK(put([&](SubmitRequest& r) { r.labels[label + "l"] = ""; }) == "client.bad_request");
  CHECK(put([&](SubmitRequest& r) { r.labels["l"] = label + "l"; }) == "client.bad_request");
  CHECK(put([&](SubmitRequest& r) { r.labels[""] = "x"; }) == "client.bad_request");
  CHECK(put([&](SubmitRequest& r) { r.deadline = Duration::zero(); }) == "client.bad_request");
  CHECK(put([&](SubmitRequest& r) { r.deadline = -std::chrono::seconds(1); }) ==
        "client.bad_request");
  CHECK(put([&](SubmitRequest& r) { r.version = 0; }) == "client.bad_request");
}

TEST_CASE("putting what is dead is an error, not a silent nothing") {
  const auto world = MakeOutboxWorld();
  world->Transact([&] { CHECK(world->Put(Order("g1")).ok()); }, true);
  const auto store = world->Open();
  CHECK(store->Bury("g1", "no definition").ok());
  world->Transact(
      [&] {
        CHECK(world->Put(Order("g1")).status().reason() == "outbox.dead");
        CHECK(world->Put(Order("g1", 2)).status().reason() == "outbox.gid_taken");
      },
      true);
  CHECK(store->Revive("g1").ok());
  world->Transact([&] { CHECK(world->Put(Order("g1")).ok()); }, true);
  CHECK(store->Count()->waiting == 1);
}

// A store of which the first mark of a delivery gets lost.
class Flaky final : public OutboxStore {
 public:
  explicit Flaky(OutboxStore& store) : store_(store) {}
  Result<std::vector<OutboxEntry>> Claim(size_t max, Duration lease) override {
    return store_.Claim(max, lease);
  }
  Status Delivered(std::string_view gid) override {
    return marks_++ == 0 ? Unavailable("outbox.busy", "locked") : store_.Delivered(gid);
  }
  Status Postpone(std::string_view gid, Duration delay, std::string_view error) override {
    return store_.Postpone(gid, delay, error);
  }
  Status Bury(std::string_view gid, std::string_view error) override {
    return store_.Bury(gid, error);
  }
  Result<OutboxCounts> Count() override { return store_.Count(); }
  Result<std::vector<OutboxEntry>> Dead(size_t max) override { return store_.Dead(max); }
  Status Revive(std::string_view gid) override { return store_.Revive(gid); }
  Status Remove(std::string_view gid) override { return store_.Remove(gid); }

 private:
  OutboxStore& store_;
  int marks_ = 0;
};

TEST_CASE("an error of the store holds up its own entry only") {
  const auto world = MakeOutboxWorld();
  CannedServer server({Accepted(), Accepted(), Accepted(), Accepted()});
  Client client = ClientOf(server);
  const auto store = world->Open();
  Flaky flaky(*store);
  Relay relay(flaky, client);
  for (int i = 0; i < 3; ++i) {
    world->Transact([&] { CHECK(world->Put(Order("g" + std::to_string(i))).ok()); }, true);
  }
  CHECK(relay.RunOnce().status().reason() == "outbox.busy");
  CHECK(server.seen().size() == 3);
  CHECK(store->Count()->waiting == 1);
  world->now += std::chrono::minutes(6);
  CHECK(relay.RunOnce()->delivered == 1);
  CHECK(GidOf(server.seen()[3]) == GidOf(server.seen()[0]));
}

TEST_CASE("what can not be delivered is refused when it is put") {
  const auto world = MakeOutboxWorld();
  CHECK(world->Put(Order("g1")).status().reason() == "outbox.no_transaction");
  world->Transact(
      [&] {
        SubmitRequest waiting = Order("g1");
        waiting.wait = std::chrono::seconds(1);
        CHECK(world->Put(waiting).status().reason() == "client.bad_request");
        SubmitRequest nothing = Order("g1");
        nothing.definition.clear();
        CHECK(world->Put(nothing).status().reason() == "client.bad_request");
        CHECK(world->Put(Order("bad gid")).status().reason() == "gid.invalid");
        SubmitRequest large = Order("g1");
        large.input = Json{{"text", std::string(3u << 20, 'x')}};
        CHECK(world->Put(large).status().reason() == "outbox.too_large");
      },
      true);
  CHECK(world->Open()->Count()->waiting == 0);
}

TEST_CASE("a relay that died is relieved after its lease") {
  const auto world = MakeOutboxWorld();
  world->Transact([&] { CHECK(world->Put(Order("g1")).ok()); }, true);
  const auto dying = world->Open();
  CHECK(dying->Claim(10, std::chrono::minutes(5))->size() == 1);
  const auto next = world->Open();
  CHECK(next->Claim(10, std::chrono::minutes(5))->empty());
  world->now += std::chrono::minutes(6);
  const Result<std::vector<OutboxEntry>> claimed = next->Claim(10, std::chrono::minutes(5));
  REQUIRE(claimed->size() == 1);
  CHECK(claimed->at(0).attempts == 2);
}

TEST_CASE("a relay goes on after its connection was cut off") {
  const auto world = MakeOutboxWorld();
  CannedServer server({Accepted(), Accepted()});
  Client client = ClientOf(server);
  const auto store = world->Open();
  Relay relay(*store, client);
  world->Transact([&] { CHECK(world->Put(Order("g1")).ok()); }, true);
  CHECK(relay.RunOnce()->delivered == 1);
  world->Transact([&] { CHECK(world->Put(Order("g2")).ok()); }, true);
  if (world->CutOff()) {
    CHECK(relay.RunOnce().status().code() == StatusCode::kUnavailable);
  }
  const Result<RelayReport> report = relay.RunOnce();
  REQUIRE(report.ok());
  CHECK(report->delivered == 1);
}

TEST_CASE("relays that run at the same moment share the work without doubling it") {
  const auto world = MakeOutboxWorld();
  constexpr int kEntries = 60;
  for (int i = 0; i < kEntries; ++i) {
    world->Transact([&] { CHECK(world->Put(Order("g" + std::to_string(i))).ok()); }, true);
  }
  const auto one = world->Open();
  const auto two = world->Open();
  const auto drain = [](OutboxStore& store, std::vector<std::string>& claimed) {
    while (true) {
      const Result<std::vector<OutboxEntry>> entries = store.Claim(5, std::chrono::minutes(5));
      if (!entries.ok() || entries->empty()) {
        return;
      }
      for (const OutboxEntry& entry : *entries) {
        claimed.push_back(entry.gid);
      }
    }
  };
  std::vector<std::string> left;
  std::vector<std::string> right;
  std::thread other([&] { drain(*one, left); });
  drain(*two, right);
  other.join();
  left.insert(left.end(), right.begin(), right.end());
  CHECK(left.size() == kEntries);
  CHECK(std::set(left.begin(), left.end()).size() == kEntries);
}

TEST_CASE("a running relay delivers what it is woken for, and stops when asked") {
  const auto world = MakeOutboxWorld();
  CannedServer server({Accepted()});
  Client client = ClientOf(server);
  const auto store = world->Open();
  RelayOptions options;
  options.poll = std::chrono::hours(1);
  Relay relay(*store, client, options);
  std::jthread runner([&](const std::stop_token& stop) { relay.Run(stop); });
  world->Transact([&] { CHECK(world->Put(Order("g1")).ok()); }, true);
  relay.Wake();
  while (server.seen().empty()) {
    std::this_thread::yield();
  }
  runner.request_stop();
  runner.join();
  CHECK(store->Count()->waiting == 0);
}

}  // namespace
}  // namespace entente::sdk
