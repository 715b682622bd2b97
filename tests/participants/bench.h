// A caller driven by the test's own thread, and services for it to call.
#pragma once

#include <chrono>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "coordinator/participants/caller.h"
#include "coordinator/participants/gates.h"
#include "tests/net/loopback.h"
#include "tests/net/no_descriptors.h"

namespace entente::participants::testing {

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
  explicit Bench(dsl::Participant participant, dsl::Mode mode = dsl::Mode::kSaga,
                 CallerOptions options = {})
      : caller(io_, host_, std::move(options), gates, tokens_) {
    participant.name = "p";
    plan_->name = "d";
    plan_->mode = mode;
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
    Call(engine::CallBranch{
        {Gid(gid), BranchId("b"), role, 0}, 1, 0, std::move(request), &rules_, timeout});
  }
  void Call(engine::CallBranch call) {
    call.answers = &rules_;
    caller.Call(context, std::move(call), Place());
  }
  void Poll(const std::string& gid, const std::string& url) {
    caller.Poll(context, {{Gid(gid), BranchId("b"), dsl::Role::kForward, 0}, 1, 0, url, timeout},
                Place());
  }
  const engine::Reply& Reply(size_t place) {
    while (!replies[place]) {
      // Whatever is awaited has a time limit of its own, far below this one.
      REQUIRE(io_.run_one_for(std::chrono::minutes(2)) == 1);
    }
    return *replies[place];
  }
  // Of its only participant.
  runtime::ParticipantStats Stats() { return gates.Stats(host_.Now()).at(0); }
  Instant Now() { return host_.Now(); }
  [[nodiscard]] std::string TokenOf(const Gid& gid, dsl::Role role, uint32_t alternative) const {
    return tokens_.Make({gid, BranchId("b"), role, alternative}, 0);
  }

 private:
  runtime::ReplyCallback Place() {
    const size_t place = replies.size();
    replies.emplace_back();
    return [this, place](engine::Reply reply) { replies[place] = std::move(reply); };
  }

  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_{
      io_.get_executor()};
  Host host_{io_};
  runtime::CompletionTokens tokens_{"secret"};
  dsl::AnswerRules rules_;
  std::shared_ptr<dsl::Plan> plan_ = std::make_shared<dsl::Plan>();

 public:
  Gates gates;
  Duration timeout = std::chrono::seconds(5);  // Of the calls to come.
  runtime::CallContext context{plan_, "", Epoch(1), "c"};
  std::vector<std::optional<engine::Reply>> replies;
  Caller caller;
};

inline dsl::Participant At(const net::testing::Peer& peer,
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

  net::testing::Peer::Script Script() {
    return [this](net::testing::Connection& connection, int) {
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
  size_t Count() {
    const std::lock_guard lock(mutex);
    return received.size();
  }
  std::string Received(size_t place) {
    const std::lock_guard lock(mutex);
    return received.at(place);
  }
};

}  // namespace entente::participants::testing
