#include "coordinator/probe/wire.h"

#include <chrono>
#include <utility>
#include <variant>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "coordinator/participants/caller.h"
#include "coordinator/participants/gates.h"
#include "net/core/tls.h"
#include "net/core/url.h"

namespace entente::probe {
namespace {

using engine::CallBranch;
using engine::Reply;

// How long a pending answer is polled for, and how often.
constexpr Duration kMaxPending = std::chrono::seconds(30);
constexpr Duration kPollPause = std::chrono::milliseconds(100);

class ThisThread final : public runtime::Host {
 public:
  explicit ThisThread(boost::asio::io_context& io) : io_(io) {}
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

// A caller with connections and a gate of its own, so that no call is held back for an earlier one.
class Connection {
 public:
  Connection(const runtime::CallContext& context, const participants::CallerOptions& options)
      : context_(context), caller_(io_, host_, options, gates_, tokens_) {}

  size_t Call(const CallBranch& call) {
    caller_.Call(context_, call, Place());
    return replies_.size() - 1;
  }

  Reply Wait(size_t place) {
    while (!replies_[place]) {
      io_.run_one();  // Every call has a time limit.
    }
    return *replies_[place];
  }

  void RunFor(Duration time) { io_.run_for(time); }

  Reply Settle(const CallBranch& call, size_t place) {
    Reply reply = Wait(place);
    const Instant until = host_.Now() + kMaxPending;
    while (std::holds_alternative<engine::ReplyPending>(reply) && host_.Now() < until) {
      const std::string url = std::get<engine::ReplyPending>(reply).poll_url;
      if (url.empty()) {
        return reply;  // Only a completion ends it, and nobody is there to take that.
      }
      RunFor(kPollPause);
      caller_.Poll(context_, {call.command, call.attempt, call.participant, url, call.timeout},
                   Place());
      const Reply polled = Wait(replies_.size() - 1);
      if (std::holds_alternative<engine::ReplyDone>(polled) ||
          std::holds_alternative<engine::ReplyRefused>(polled)) {
        return polled;
      }
    }
    return reply;
  }

 private:
  runtime::ReplyCallback Place() {
    const size_t place = replies_.size();
    replies_.emplace_back();
    return [this, place](Reply reply) { replies_[place] = std::move(reply); };
  }

  runtime::CallContext context_;
  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_{
      io_.get_executor()};
  ThisThread host_{io_};
  runtime::CompletionTokens tokens_{"probe"};
  participants::Gates gates_;
  std::vector<std::optional<Reply>> replies_;
  participants::Caller caller_;  // Last: it answers nobody once it is gone.
};

class Wire final : public Line {
 public:
  Wire(std::shared_ptr<const dsl::Plan> plan, const std::string& coordinator,
       participants::CallerOptions options)
      : plan_(std::move(plan)), options_(std::move(options)) {
    context_.plan = plan_;
    context_.epoch = Epoch(1);
    context_.coordinator = coordinator;
  }

  // Asks `url` what the service holds, by a plan whose only participant that is.
  void ObserveAt(const net::Url& url, const std::string& base) {
    auto plan = std::make_shared<dsl::Plan>();
    plan->name = "observe";
    dsl::Participant participant;
    participant.name = "observed";
    participant.address = dsl::HttpAddress{base, {}, {}};
    plan->participants.push_back(std::move(participant));
    observed_ = std::move(plan);
    observe_target_ = url.target;
  }

  Reply Send(const CallBranch& call) override {
    Connection connection(context_, options_);
    return connection.Settle(call, connection.Call(call));
  }

  std::vector<Reply> SendTwo(const CallBranch& call) override {
    Connection connection(context_, options_);
    const size_t first = connection.Call(call);
    const size_t second = connection.Call(call);
    return {connection.Settle(call, first), connection.Settle(call, second)};
  }

  void SendAndBreakOff(const CallBranch& call, Duration after) override {
    Connection connection(context_, options_);
    connection.Call(call);
    connection.RunFor(after);
  }

  Result<std::optional<std::string>> Observe() override {
    if (observed_ == nullptr) {
      return std::optional<std::string>();
    }
    runtime::CallContext context = context_;
    context.plan = observed_;
    Connection connection(context, options_);
    static const dsl::AnswerRules kRules;
    const CallBranch call{{Gid("probe"), BranchId("observe"), engine::Role::kForward, 0},
                          1,
                          0,
                          engine::RenderedHttp{"GET", observe_target_, {}, std::nullopt},
                          &kRules,
                          std::chrono::seconds(10)};
    const Reply reply = connection.Wait(connection.Call(call));
    if (const auto* done = std::get_if<engine::ReplyDone>(&reply)) {
      return std::optional(done->output.text());
    }
    return Unavailable("probe.not_observed",
                       "--observe: " + observe_target_ + " does not answer with a success");
  }

 private:
  std::shared_ptr<const dsl::Plan> plan_;
  participants::CallerOptions options_;
  runtime::CallContext context_;
  std::shared_ptr<const dsl::Plan> observed_;
  std::string observe_target_;
};

}  // namespace

Result<std::unique_ptr<Line>> ConnectLine(std::shared_ptr<const dsl::Plan> plan,
                                          const std::string& coordinator,
                                          const std::string& observe) {
  participants::CallerOptions options;
  options.public_url = "http://127.0.0.1:9";  // Nobody is there to be told of what a probe does.
  ENTENTE_ASSIGN_OR_RETURN(auto tls, net::TlsContext::ForClients({}));
  options.http.tls = net::Always(std::move(tls));
  auto wire = std::make_unique<Wire>(std::move(plan), coordinator, std::move(options));
  if (!observe.empty()) {
    ENTENTE_ASSIGN_OR_RETURN(const net::Url url, net::ParseUrl(observe));
    wire->ObserveAt(url, url.origin.ToString());
  }
  return std::unique_ptr<Line>(std::move(wire));
}

}  // namespace entente::probe
