#include "coordinator/participants/caller.h"

#include <string>
#include <unordered_map>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/check.h"
#include "coordinator/participants/classify.h"

namespace entente::participants {
namespace {

using Admission = transport::ParticipantGate::Admission;
using Permit = transport::ParticipantGate::Permit;

// Targets that are kept beyond the calls that use them. Definitions are few; what clients describe,
// and definitions sent along with a transaction, come without end.
constexpr size_t kMaxTargets = 10'000;

// A participant, with what each call needs worked out once.
struct Target {
  std::shared_ptr<const void> owner;  // Keeps `participant` alive.
  const dsl::Participant* participant = nullptr;
  SharedGate* gate = nullptr;
  Status unusable;  // The address can not be read: every call is refused with this.
  transport::Origin origin;
  std::string base_path;  // Of an HTTP address: no slash at the end.
  bool descriptors_registered = false;
};
using TargetPtr = std::shared_ptr<Target>;

// `definition` is where the participant is named.
Target MakeTarget(std::shared_ptr<const void> owner, const dsl::Participant& participant,
                  const std::string& definition, Gates& gates) {
  Target target;
  target.participant = &participant;
  target.gate = &gates.Find(participant, definition);
  target.owner = std::move(owner);
  if (const auto* http = std::get_if<dsl::HttpAddress>(&target.participant->address)) {
    auto url = transport::ParseUrl(http->base_url);
    if (!url.ok()) {
      target.unusable = url.status();
      return target;
    }
    target.origin = url->origin;
    target.base_path = url->target == "/" ? std::string() : url->target;
    return target;
  }
  const auto& grpc = std::get<dsl::GrpcAddress>(target.participant->address);
  auto origin = transport::ParseAuthority(grpc.target, grpc.tls, 0);
  if (origin.ok()) {
    target.origin = std::move(origin).value();
  } else {
    target.unusable = origin.status();
  }
  return target;
}

// Equal for participants that are called in the same way.
std::string IdentityOf(const dsl::Participant& participant) {
  Json identity = {participant.name, participant.max_concurrent_calls.value_or(0),
                   participant.max_calls_per_second.value_or(0)};
  const auto add = [&identity](const auto& pairs) {
    for (const auto& [name, value] : pairs) {
      identity.push_back({name, value});
    }
  };
  if (const auto* http = std::get_if<dsl::HttpAddress>(&participant.address)) {
    add(http->headers);
  } else {
    const auto& grpc = std::get<dsl::GrpcAddress>(participant.address);
    identity.push_back({grpc.service, grpc.tls, std::hash<std::string>()(grpc.descriptor_set)});
    add(grpc.metadata);
  }
  return DumpJson(identity);
}

// The facts that travel with every call; gRPC metadata has the same names in lower case.
template <class Add>
void AddCommand(const runtime::CallContext& context, const engine::CommandId& command,
                uint32_t attempt, bool lower_case, const Add& add) {
  const auto name = [lower_case](std::string_view http, std::string_view grpc) {
    return lower_case ? grpc : http;
  };
  const dsl::Mode mode = context.plan->mode;
  add(name("Idempotency-Key", "idempotency-key"), engine::IdempotencyKey(command, mode));
  add(name("Entente-Gid", "entente-gid"), command.gid.str());
  add(name("Entente-Branch", "entente-branch"), command.branch.str());
  add(name("Entente-Operation", "entente-operation"), dsl::OperationName(mode, command.role));
  add(name("Entente-Attempt", "entente-attempt"), std::to_string(attempt));
  add(name("Entente-Epoch", "entente-epoch"), std::to_string(context.epoch.value()));
  add(name("Entente-Coordinator", "entente-coordinator"), context.coordinator);
  if (!context.traceparent.empty()) {
    add("traceparent", context.traceparent);
  }
}

template <class Add>
void AddFacts(const runtime::CallContext& context, const engine::CallBranch& call,
              const std::string& token, bool lower_case, const Add& add) {
  AddCommand(context, call.command, call.attempt, lower_case, add);
  if (call.one_phase) {
    add(lower_case ? "entente-one-phase" : "Entente-One-Phase", "true");
  }
  add(lower_case ? "entente-completion-token" : "Entente-Completion-Token", token);
}

engine::ReplyNotSent NotSent(std::string code, std::string message) {
  return {{std::move(code), std::move(message)}, std::nullopt};
}

}  // namespace

class Caller::Impl {
 public:
  Impl(boost::asio::io_context& io, runtime::Host& host, CallerOptions options, Gates& gates,
       const runtime::CompletionTokens& tokens)
      : io_(io),
        host_(host),
        gates_(gates),
        tokens_(tokens),
        http_(io, std::move(options.http)),
        grpc_(io, std::move(options.grpc)) {}

  ~Impl() {
    closing_ = true;
    http_.CancelAll();
    grpc_.CancelAll();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void Call(const runtime::CallContext& context, engine::CallBranch call,
            runtime::ReplyCallback done) {
    const TargetPtr target = TargetOf(context, call.participant);
    if (!target->unusable.ok()) {
      engine::ReplyRefused refused{{target->unusable.reason(), target->unusable.message()}};
      host_.Post([done = std::move(done), refused = std::move(refused)] { done(refused); });
      return;
    }
    const Instant now = host_.Now();
    // Only a call that has to wait is kept; the others go on from here without a copy.
    std::shared_ptr<Waiting> waiting;
    const auto entry = target->gate->Acquire(now, [&] {
      waiting = std::make_shared<Waiting>(
          Waiting{context, std::move(call), std::move(done), boost::asio::steady_timer(io_)});
      return Park(target, waiting);
    });
    switch (entry.admission) {
      case Admission::kAdmitted:
        Send(target, context, std::move(call), entry.permit, std::move(done));
        return;
      case Admission::kParked: LimitWait(target, waiting, entry.ticket); return;
      case Admission::kRefused: break;
    }
    auto reply = NotSent("participant.queue_full", "too many calls already wait for participant '" +
                                                       target->participant->name + "'");
    host_.Post([done = std::move(done), reply = std::move(reply)] { done(reply); });
  }

  void Poll(const runtime::CallContext& context, engine::PollBranch poll,
            runtime::ReplyCallback done) {
    const TargetPtr target = TargetOf(context, poll.participant);
    auto url = transport::ParseUrl(poll.poll_url);
    if (!url.ok() || url->origin != target->origin) {
      engine::ReplyPending pending{poll.poll_url, std::nullopt};
      host_.Post([done = std::move(done), pending = std::move(pending)] { done(pending); });
      return;
    }
    transport::HttpRequest request;
    request.method = "GET";
    request.url = std::move(url).value();
    AddOwnHeaders(*target, request.headers);
    AddCommand(context, poll.command, poll.attempt, false,
               [&request](std::string_view name, std::string_view value) {
                 request.headers.Add(name, value);
               });
    http_.Call(
        std::move(request), poll.timeout,
        [this, poll_url = std::move(poll.poll_url), target, role = poll.command.role,
         done = std::move(done)](transport::HttpOutcome outcome) {
          if (closing_) {
            return;
          }
          auto* response = std::get_if<transport::HttpResponse>(&outcome);
          done(response == nullptr
                   ? engine::Reply(engine::ReplyPending{poll_url, std::nullopt})
                   : ClassifyPoll(std::move(*response), poll_url,
                                  AnswerContext{role, nullptr, {}, &target->origin, host_.Now()}));
        });
  }

 private:
  struct Waiting {
    runtime::CallContext context;
    engine::CallBranch call;
    runtime::ReplyCallback done;
    boost::asio::steady_timer limit;
  };

  TargetPtr TargetOf(const runtime::CallContext& context, size_t index) {
    const dsl::Participant* participant = &context.plan->participants.at(index);
    if (context.plan->client_driven) {
      // Each such transaction has a plan of its own, which must not be kept.
      return Keep(client_targets_, IdentityOf(*participant), [&] {
        const auto copy = std::make_shared<const dsl::Participant>(*participant);
        return MakeTarget(copy, *copy, {}, gates_);
      });
    }
    return Keep(targets_, participant,
                [&] { return MakeTarget(context.plan, *participant, context.plan->name, gates_); });
  }

  // Calls under way keep their target, whatever becomes of `targets`.
  template <class Targets, class Make>
  static TargetPtr Keep(Targets& targets, const typename Targets::key_type& key, const Make& make) {
    if (const auto found = targets.find(key); found != targets.end()) {
      return found->second;
    }
    if (targets.size() >= kMaxTargets) {
      targets.clear();
    }
    return targets.emplace(key, std::make_shared<Target>(make())).first->second;
  }

  ParkedCall Park(const TargetPtr& target, const std::shared_ptr<Waiting>& waiting) {
    return {[&io = io_](std::function<void()> task) { boost::asio::post(io, std::move(task)); },
            [this, target, waiting](Permit permit) {
              waiting->limit.cancel();
              Send(target, waiting->context, std::move(waiting->call), permit,
                   std::move(waiting->done));
            }};
  }

  void LimitWait(const TargetPtr& target, const std::shared_ptr<Waiting>& waiting,
                 SharedGate::Ticket ticket) {
    waiting->limit.expires_after(waiting->call.timeout);
    waiting->limit.async_wait(
        [this, target, waiting, ticket](const boost::system::error_code& error) {
          if (error || closing_ || !target->gate->Withdraw(ticket)) {
            return;
          }
          engine::ReplyNotSent blocked = NotSent(
              "participant.blocked", "the call waited " + FormatDuration(waiting->call.timeout) +
                                         " for participant '" + target->participant->name +
                                         "', which is blocked by its " +
                                         std::string(target->gate->blocked_by(host_.Now())));
          blocked.blocked = true;
          waiting->done(std::move(blocked));
        });
    ScheduleRelease(*target->gate, target->gate->Release(host_.Now()));
  }

  // The gate has no clock: somebody has to come back when its cool-down or next token is due.
  void ScheduleRelease(SharedGate& gate, std::optional<Instant> at) {
    if (!at) {
      return;
    }
    auto& timer = release_timers_[&gate];
    if (timer == nullptr) {
      timer = std::make_unique<boost::asio::steady_timer>(io_);
    }
    timer->expires_after(std::max(*at - host_.Now(), Duration(100)));
    timer->async_wait([this, &gate](const boost::system::error_code& error) {
      if (!error && !closing_) {
        ScheduleRelease(gate, gate.Release(host_.Now()));
      }
    });
  }

  // Ends the call at its gate. Whoever else waits there may be told to come back later.
  void Finish(Target& target, const Permit& permit, bool transport_failure) {
    target.gate->Finish(permit, transport_failure, host_.Now());
    if (transport_failure) {
      ScheduleRelease(*target.gate, target.gate->Release(host_.Now()));
    }
  }

  static void AddOwnHeaders(const Target& target, transport::HttpHeaders& headers) {
    if (const auto* http = std::get_if<dsl::HttpAddress>(&target.participant->address)) {
      for (const auto& [name, value] : http->headers) {
        headers.Add(name, value);
      }
    }
  }

  void Send(const TargetPtr& target, const runtime::CallContext& context, engine::CallBranch call,
            const Permit& permit, runtime::ReplyCallback done) {
    std::string token = tokens_.Make(call.command);
    if (std::holds_alternative<engine::RenderedHttp>(call.request)) {
      SendHttp(target, context, call, std::move(token), permit, std::move(done));
    } else {
      SendGrpc(target, context, call, std::move(token), permit, std::move(done));
    }
  }

  void SendHttp(const TargetPtr& target, const runtime::CallContext& context,
                engine::CallBranch& call, std::string token, const Permit& permit,
                runtime::ReplyCallback done) {
    auto& rendered = std::get<engine::RenderedHttp>(call.request);
    transport::HttpRequest request;
    request.method = std::move(rendered.method);
    request.url.origin = target->origin;
    request.url.target = target->base_path + rendered.target;
    AddOwnHeaders(*target, request.headers);
    for (const auto& [name, value] : rendered.headers) {
      request.headers.Add(name, value);
    }
    AddFacts(context, call, token, false,
             [&request](std::string_view name, std::string_view value) {
               request.headers.Add(name, value);
             });
    if (rendered.body) {
      request.headers.Add("Content-Type", "application/json");
      request.body = std::move(*rendered.body);
    }
    request.headers.Add("Accept", "application/json");
    http_.Call(
        std::move(request), call.timeout,
        [this, target, permit, role = call.command.role, rules = call.answers, plan = context.plan,
         token = std::move(token), done = std::move(done)](transport::HttpOutcome outcome) {
          if (closing_) {
            return;
          }
          Finish(*target, permit, IsTransportFailure(outcome));
          if (auto* response = std::get_if<transport::HttpResponse>(&outcome)) {
            done(ClassifyHttp(std::move(*response),
                              AnswerContext{role, rules, token, &target->origin, host_.Now()}));
          } else {
            done(ClassifyError(std::get<transport::CallError>(outcome)));
          }
        });
  }

  void SendGrpc(const TargetPtr& target, const runtime::CallContext& context,
                engine::CallBranch& call, std::string token, const Permit& permit,
                runtime::ReplyCallback done) {
    auto& rendered = std::get<engine::RenderedGrpc>(call.request);
    const auto& address = std::get<dsl::GrpcAddress>(target->participant->address);
    if (!address.descriptor_set.empty() && !target->descriptors_registered) {
      // Checked when the definition was compiled; here it can only repeat what is registered.
      const Status registered = grpc_.RegisterDescriptorSet(address.descriptor_set);
      if (!registered.ok()) {
        Finish(*target, permit, false);
        engine::ReplyRefused refused{{registered.reason(), registered.message()}};
        host_.Post([done = std::move(done), refused = std::move(refused)] { done(refused); });
        return;
      }
      target->descriptors_registered = true;
    }
    transport::GrpcRequest request;
    request.target = target->origin;
    request.method = "/" + address.service + "/" + rendered.method;
    request.body = std::move(rendered.body);
    for (const auto& [name, value] : address.metadata) {
      request.metadata.Add(name, value);
    }
    AddFacts(context, call, token, true, [&request](std::string_view name, std::string_view value) {
      request.metadata.Add(name, value);
    });
    grpc_.Call(
        std::move(request), call.timeout,
        [this, target, permit, role = call.command.role, rules = call.answers, plan = context.plan,
         token = std::move(token), done = std::move(done)](transport::GrpcOutcome outcome) {
          if (closing_) {
            return;
          }
          Finish(*target, permit, IsTransportFailure(outcome));
          if (auto* response = std::get_if<transport::GrpcResponse>(&outcome)) {
            done(ClassifyGrpc(std::move(*response),
                              AnswerContext{role, rules, token, nullptr, host_.Now()}));
          } else {
            done(ClassifyError(std::get<transport::CallError>(outcome)));
          }
        });
  }

  boost::asio::io_context& io_;
  runtime::Host& host_;
  Gates& gates_;
  const runtime::CompletionTokens& tokens_;
  bool closing_ = false;
  std::unordered_map<const dsl::Participant*, TargetPtr> targets_;
  std::unordered_map<std::string, TargetPtr> client_targets_;  // By IdentityOf.
  std::unordered_map<SharedGate*, std::unique_ptr<boost::asio::steady_timer>> release_timers_;
  transport::HttpClient http_;
  transport::GrpcClient grpc_;
};

Caller::Caller(boost::asio::io_context& io, runtime::Host& host, CallerOptions options,
               Gates& gates, const runtime::CompletionTokens& tokens)
    : impl_(std::make_unique<Impl>(io, host, std::move(options), gates, tokens)) {}

Caller::~Caller() = default;

void Caller::Call(const runtime::CallContext& context, engine::CallBranch call,
                  runtime::ReplyCallback done) {
  impl_->Call(context, std::move(call), std::move(done));
}

void Caller::Poll(const runtime::CallContext& context, engine::PollBranch poll,
                  runtime::ReplyCallback done) {
  impl_->Poll(context, std::move(poll), std::move(done));
}

}  // namespace entente::participants
