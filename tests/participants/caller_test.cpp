// The caller against a service on this machine.
#include "coordinator/participants/caller.h"

#include <atomic>
#include <future>
#include <mutex>
#include <string>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <catch2/catch.hpp>

#include "tests/transport/loopback.h"

namespace entente::participants {
namespace {

using transport::testing::Connection;
using transport::testing::Peer;

class Host final : public runtime::Host {
 public:
  explicit Host(boost::asio::io_context& io) : io_(io) {}
  Instant Now() override {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return InstantFromMicros(std::chrono::duration_cast<Duration>(now).count());
  }
  uint64_t Entropy() override { return 0; }
  void Post(std::function<void()> task) override { boost::asio::post(io_, std::move(task)); }
  void WakeAt(std::optional<Instant> /*at*/) override {}
  void SetWakeHandler(std::function<void()> /*handler*/) override {}
  void Offload(std::function<void()> work, std::function<void()> done) override {
    work();
    Post(std::move(done));
  }

 private:
  boost::asio::io_context& io_;
};

// A caller of one participant, driven by the test's own thread.
class Bench {
 public:
  explicit Bench(dsl::Participant participant) {
    participant.name = "p";
    plan_->name = "d";
    plan_->participants.push_back(std::move(participant));
  }

  // Its answer comes to `replies` at this call's place.
  void Call(const std::string& gid, std::vector<std::pair<std::string, std::string>> headers = {}) {
    engine::RenderedHttp http{"POST", "/orders/1", std::move(headers), "{}"};
    Call(gid, std::move(http));
  }
  void Call(const std::string& gid,
            std::variant<engine::RenderedHttp, engine::RenderedGrpc> request,
            dsl::Role role = dsl::Role::kForward) {
    engine::CallBranch call{{Gid(gid), BranchId("b"), role, 0},
                            1,
                            0,
                            std::move(request),
                            &rules_,
                            std::chrono::seconds(5)};
    const size_t place = replies.size();
    replies.emplace_back();
    caller.Call({plan_, "", Epoch(1), "c"}, std::move(call),
                [this, place](engine::Reply reply) { replies[place] = std::move(reply); });
  }
  const engine::Reply& Reply(size_t place) {
    while (!replies[place]) {
      io_.run_one();
    }
    return *replies[place];
  }

 private:
  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_{
      io_.get_executor()};
  Host host_{io_};
  Gates gates_;
  runtime::CompletionTokens tokens_{"secret"};
  dsl::AnswerRules rules_;
  std::shared_ptr<dsl::Plan> plan_ = std::make_shared<dsl::Plan>();

 public:
  std::vector<std::optional<engine::Reply>> replies;
  Caller caller{io_, host_, {}, gates_, tokens_};
};

dsl::Participant At(const Peer& peer,
                    std::vector<std::pair<std::string, std::string>> headers = {}) {
  dsl::Participant participant;
  participant.address = dsl::HttpAddress{
      "http://127.0.0.1:" + std::to_string(peer.port()) + "/base", std::move(headers)};
  return participant;
}

// Answers every request alike and keeps what it received.
struct Service {
  std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
  std::mutex mutex;
  std::vector<std::string> received;

  Peer::Script Script() {
    return [this](Connection& connection, int) {
      for (std::string text = connection.ReadMessage(); !text.empty();
           text = connection.ReadMessage()) {
        {
          const std::lock_guard lock(mutex);
          received.push_back(text);
        }
        connection.Write(answer);
      }
    };
  }
  std::string Received(size_t place) {
    const std::lock_guard lock(mutex);
    return received.at(place);
  }
};

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
    bench.Call("sent");
    bench.Call("waiting");
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
  }
  CHECK_FALSE(sent_more);
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

TEST_CASE("a participant whose descriptor set is none refuses its calls and says why") {
  dsl::Participant participant;
  participant.address = dsl::GrpcAddress{"127.0.0.1:1", "a.B", false, "garbage", {}};
  Bench bench(participant);
  bench.Call("t1", engine::RenderedGrpc{"M", Json::object()});
  const auto* refused = std::get_if<engine::ReplyRefused>(&bench.Reply(0));
  REQUIRE(refused != nullptr);
  CHECK(refused->failure.code == "descriptor_set.invalid");
}

}  // namespace entente::participants
