// The caller against a service on this machine.
#include "coordinator/participants/caller.h"

#include <atomic>
#include <future>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/participants/bench.h"

namespace entente::participants {
namespace {

using net::testing::Connection;
using net::testing::Peer;
using testing::At;
using testing::Bench;
using testing::Service;

size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

bool IsBlocked(const engine::Reply& reply) {
  const auto* not_sent = std::get_if<engine::ReplyNotSent>(&reply);
  return not_sent != nullptr && not_sent->blocked;
}

}  // namespace

TEST_CASE("a header is sent once: the step's, else the participant's, else the default") {
  Service service;
  Peer peer(service.Script());
  Bench bench(At(peer, {{"X-Tenant", "participant"}, {"Accept", "text/x-participant"}}));
  bench.Call("t1", {{"content-type", "application/merge-patch+json"}, {"x-tenant", "step"}});
  bench.Reply(0);
  bench.Call("t2");
  bench.Reply(1);
  const std::string first = service.Received(0);
  CHECK(Count(first, "ontent-") == 1 + 1);  // The type, once, and the length.
  CHECK(Count(first, "ontent-type: application/merge-patch+json\r\n") == 1);
  CHECK(Count(first, "x-tenant: step\r\n") == 1);
  CHECK(Count(first, "X-Tenant") == 0);
  CHECK(Count(first, "Accept: text/x-participant\r\n") == 1);
  CHECK(Count(first, "Accept: ") == 1);
  const std::string second = service.Received(1);
  CHECK(Count(second, "Content-Type: application/json\r\n") == 1);
  CHECK(Count(second, "X-Tenant: participant\r\n") == 1);
  CHECK(Count(second, "Accept-Encoding: identity\r\n") == 1);
}

TEST_CASE("a relative Location is read by the address that was called") {
  Service service;
  service.answer = "HTTP/1.1 202 Accepted\r\nLocation: 1/jobs?id=7\r\nContent-Length: 0\r\n\r\n";
  Peer peer(service.Script());
  Bench bench(At(peer));
  bench.Call("t1");
  const auto* pending = std::get_if<engine::ReplyPending>(&bench.Reply(0));
  REQUIRE(pending != nullptr);
  CHECK(pending->poll_url ==
        "http://127.0.0.1:" + std::to_string(peer.port()) + "/base/orders/1/jobs?id=7");
}

TEST_CASE("an answer with two votes leaves the outcome unknown") {
  Service service;
  service.answer =
      "HTTP/1.1 200 OK\r\nEntente-Vote: yes\r\nEntente-Vote: no\r\nContent-Length: 7\r\n\r\n"
      "{\"a\":1}";
  Peer peer(service.Script());
  Bench bench(At(peer));
  bench.Call("t1");
  CHECK(std::holds_alternative<engine::ReplyUnknown>(bench.Reply(0)));
}

TEST_CASE("an answer in plain text arrives as text") {
  Service service;
  service.answer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\ncar 7";
  Peer peer(service.Script());
  Bench bench(At(peer));
  bench.Call("t1");
  const auto* done = std::get_if<engine::ReplyDone>(&bench.Reply(0));
  REQUIRE(done != nullptr);
  CHECK(done->output == JsonText(Json("car 7")));
}

TEST_CASE("a poll says whose operation it asks for, and has no idempotency key") {
  Service service;
  Peer peer(service.Script());
  Bench bench(At(peer, {{"X-Tenant", "participant"}}));
  bench.Call("t1");
  bench.Reply(0);
  bench.Poll("t1", "http://127.0.0.1:" + std::to_string(peer.port()) + "/jobs/7");
  CHECK(std::holds_alternative<engine::ReplyDone>(bench.Reply(1)));
  CHECK(Count(service.Received(0), "Idempotency-Key: t1:b\r\n") == 1);
  const std::string poll = service.Received(1);
  CHECK(poll.starts_with("GET /jobs/7 "));
  CHECK(Count(poll, "dempotency-") == 0);
  CHECK(Count(poll, "ompletion-") == 0);
  CHECK(Count(poll, "Entente-Gid: t1\r\n") == 1);
  CHECK(Count(poll, "Entente-Operation: action\r\n") == 1);
  CHECK(Count(poll, "X-Tenant: participant\r\n") == 1);
}

TEST_CASE("calls that wait for a place and then for a token all go in their time") {
  Service service;
  Peer peer(service.Script());
  dsl::Participant slow = At(peer);
  slow.max_concurrent_calls = 1;
  slow.max_calls_per_second = 100;
  Bench bench(slow);
  for (int i = 0; i < 6; ++i) {
    bench.Call("t" + std::to_string(i));
  }
  for (size_t i = 0; i < 6; ++i) {
    CHECK(std::holds_alternative<engine::ReplyDone>(bench.Reply(i)));
  }
}

TEST_CASE("a call that waits can be withdrawn, one that was sent can not") {
  std::promise<void> asked;
  std::promise<void> let_go;
  std::atomic<bool> sent_more = false;
  {
    Peer peer([&](Connection& connection, int) {
      connection.ReadMessage();
      asked.set_value();
      let_go.get_future().wait();
      connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
      sent_more = !connection.ReadMessage().empty();
    });
    dsl::Participant narrow = At(peer);
    narrow.max_concurrent_calls = 1;
    Bench bench(narrow);
    const auto lease =
        std::make_shared<runtime::Lease>(ShardId(1), Epoch(1), bench.Now() + std::chrono::hours(1));
    bench.Call("sent");
    bench.context.lease = lease;
    bench.Call("waiting");
    bench.context.lease = nullptr;
    bench.Call("other");
    bench.caller.WithdrawWaiting(Gid("sent"), runtime::Withdrawal::kForwardCalls);
    bench.caller.WithdrawWaiting(Gid("waiting"), runtime::Withdrawal::kForwardCalls);
    bench.caller.WithdrawWaiting(Gid("nobody"), runtime::Withdrawal::kAllCalls);
    CHECK_FALSE(bench.replies[1]);  // Never from inside.
    CHECK(IsBlocked(bench.Reply(1)));
    CHECK_FALSE(bench.replies[0]);
    CHECK_FALSE(bench.replies[2]);
    bench.caller.WithdrawWaiting(Gid("other"), runtime::Withdrawal::kForwardCalls);
    CHECK(IsBlocked(bench.Reply(2)));
    let_go.set_value();
    CHECK(std::holds_alternative<engine::ReplyDone>(bench.Reply(0)));
    CHECK(lease.use_count() == 1);  // Nothing is kept of what was withdrawn.
  }
  CHECK_FALSE(sent_more);
}

TEST_CASE("a call that waits until its shard's lease has ended is not made, and others are") {
  Service service;
  Peer peer(service.Script());
  dsl::Participant narrow = At(peer);
  narrow.max_concurrent_calls = 1;
  Bench bench(narrow);
  const auto lease =
      std::make_shared<runtime::Lease>(ShardId(1), Epoch(1), bench.Now() + std::chrono::hours(1));
  bench.Call("sent");
  bench.context.lease = lease;
  bench.Call("late");
  bench.context.lease = nullptr;
  bench.Call("other");
  lease->ExtendTo(bench.Now());
  CHECK(std::holds_alternative<engine::ReplyDone>(bench.Reply(0)));
  CHECK(IsBlocked(bench.Reply(1)));
  CHECK(std::holds_alternative<engine::ReplyDone>(bench.Reply(2)));
  CHECK(service.Count() == 2);
  CHECK(lease.use_count() == 1);  // Nothing is kept of what went, not even until its time is over.
}

TEST_CASE("an undo that waits is only withdrawn with all calls") {
  std::promise<void> let_go;
  Peer peer([&](Connection& connection, int) {
    connection.ReadMessage();
    let_go.get_future().wait();
    connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
  });
  dsl::Participant narrow = At(peer);
  narrow.max_concurrent_calls = 1;
  Bench bench(narrow);
  bench.Call("sent");
  bench.Call("waiting", engine::RenderedHttp{"DELETE", "/orders/1", {}, ""}, dsl::Role::kUndo);
  bench.caller.WithdrawWaiting(Gid("waiting"), runtime::Withdrawal::kForwardCalls);
  bench.caller.WithdrawWaiting(Gid("waiting"), runtime::Withdrawal::kAllCalls);
  CHECK(IsBlocked(bench.Reply(1)));
  let_go.set_value();
  CHECK(std::holds_alternative<engine::ReplyDone>(bench.Reply(0)));
}

TEST_CASE("a plan is not kept by its calls, nor mistaken for one that had its memory before") {
  Service service;
  Peer peer(service.Script());
  Bench bench(At(peer));
  const dsl::Plan reachable = *bench.context.plan;
  dsl::Plan unreachable = reachable;
  unreachable.participants[0].address = dsl::HttpAddress{"http://127.0.0.1:0", {}};
  for (size_t i = 0; i < 50; ++i) {
    const bool reaches = i % 2 == 0;
    auto plan = std::make_shared<const dsl::Plan>(reaches ? reachable : unreachable);
    const std::weak_ptr<const dsl::Plan> watched = plan;
    bench.context.plan = std::move(plan);
    bench.Call("t" + std::to_string(i));
    CHECK(std::holds_alternative<engine::ReplyDone>(bench.Reply(i)) == reaches);
    bench.context.plan = nullptr;
    CHECK(watched.expired());
  }
}

TEST_CASE("a participant whose descriptor set is none refuses its calls and says why") {
  dsl::Participant participant;
  participant.address = dsl::GrpcAddress{"127.0.0.1:1", "a.B", false, "garbage", {}};
  Bench bench(participant);
  bench.Call("t1", engine::RenderedGrpc{"M", Json::object()});
  const auto* refused = std::get_if<engine::ReplyRefused>(&bench.Reply(0));
  REQUIRE(refused != nullptr);
  CHECK(refused->failure.code == "descriptor_set.invalid");
}

TEST_CASE("short time-outs of one definition do not close the gate for the others") {
  std::atomic<bool> patient = false;
  Peer peer([&](Connection& connection, int) {
    for (std::string text = connection.ReadMessage(); !text.empty();
         text = connection.ReadMessage()) {
      if (patient) {
        connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
      }
    }
  });
  Bench bench(At(peer));
  for (size_t i = 0; i < 20; ++i) {
    bench.timeout = std::chrono::milliseconds(1);
    bench.Call("t" + std::to_string(i));
    CHECK_FALSE(std::holds_alternative<engine::ReplyDone>(bench.Reply(i)));
  }
  CHECK(bench.Stats().breaker == "closed");
  CHECK(bench.Stats().blocked_by.empty());
  patient = true;
  bench.timeout = std::chrono::minutes(1);
  bench.Call("other");
  CHECK(std::holds_alternative<engine::ReplyDone>(bench.Reply(20)));
}

TEST_CASE("what this machine lacks costs no attempt, opens no breaker and is counted") {
  Service service;
  Peer peer(service.Script());
  Bench bench(At(peer));
  {
    const net::testing::NoDescriptors none;
    for (size_t i = 0; i < 8; ++i) {
      bench.Call("t" + std::to_string(i));
    }
    for (size_t i = 0; i < 8; ++i) {
      CHECK(IsBlocked(bench.Reply(i)));
    }
  }
  CHECK(bench.Stats().breaker == "closed");
  CHECK(bench.Stats().failures == 0);
  CHECK(bench.gates.local_exhaustion().times == 8);
  bench.Call("after");
  CHECK(std::holds_alternative<engine::ReplyDone>(bench.Reply(8)));
}

TEST_CASE("a poll goes through its participant's gate") {
  std::promise<void> let_go;
  Peer peer([&](Connection& connection, int) {
    connection.ReadMessage();
    let_go.get_future().wait();
    connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    connection.ReadMessage();
    connection.Write("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
  });
  dsl::Participant narrow = At(peer);
  narrow.max_concurrent_calls = 1;
  Bench bench(narrow);
  const std::string url = "http://127.0.0.1:" + std::to_string(peer.port()) + "/base/jobs/1";
  bench.Call("t1");
  bench.Poll("t2", url);
  bench.Poll("t3", url);
  CHECK(bench.Stats().in_flight == 1);
  CHECK(bench.Stats().queued == 2);
  bench.caller.WithdrawWaiting(Gid("t3"), runtime::Withdrawal::kAllCalls);
  CHECK(std::holds_alternative<engine::ReplyPending>(bench.Reply(2)));  // Later, perhaps.
  let_go.set_value();
  CHECK(std::holds_alternative<engine::ReplyDone>(bench.Reply(0)));
  CHECK(std::holds_alternative<engine::ReplyPending>(bench.Reply(1)));
  CHECK(peer.accepted() == 1);
}

}  // namespace entente::participants
