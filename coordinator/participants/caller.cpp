#include "coordinator/participants/caller.h"

#include <map>
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
  std::string definition;            // Where it is named.
  std::shared_ptr<SharedGate> gate;  // Shared with Gates, which may retire it.
  Status unusable;  // Address or descriptors can not be read: every call is refused with this.
  transport::Origin origin;
  std::string base_path;                          // Of an HTTP address: no slash at the end.
  std::shared_ptr<transport::GrpcShapes> shapes;  // Shared with requests; null: reflection.
};
using TargetPtr = std::shared_ptr<Target>;

Status ReadAddress(const dsl::HttpAddress& http, Target& target) {
  ENTENTE_ASSIGN_OR_RETURN(const transport::Url url, transport::ParseUrl(http.base_url));
  target.origin = url.origin;
  target.base_path = url.target == "/" ? std::string() : url.target;
  return Status();
}

// Nothing looks into a descriptor set before it is used for the first time.
Status ReadAddress(const dsl::GrpcAddress& grpc, Target& target) {
  ENTENTE_ASSIGN_OR_RETURN(target.origin, transport::ParseAuthority(grpc.target, grpc.tls, 0));
  if (!grpc.descriptor_set.empty()) {
    ENTENTE_ASSIGN_OR_RETURN(target.shapes, transport::ReadDescriptorSet(grpc.descriptor_set));
  }
  return Status();
}

// `definition` is where the participant is named.
Target MakeTarget(std::shared_ptr<const void> owner, const dsl::Participant& participant,
                  const std::string& definition, Gates& gates, Instant now) {
  Target target;
  target.participant = &participant;
  target.definition = definition;
  target.gate = gates.Find(participant, definition, now);
  target.owner = std::move(owner);
  target.unusable = std::visit(
      [&target](const auto& address) { return ReadAddress(address, target); }, participant.address);
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

engine::ReplyNotSent Blocked(std::string message) {
  engine::ReplyNotSent blocked = NotSent("participant.blocked", std::move(message));
  blocked.blocked = true;
  return blocked;
}

// For what the request does not say already.
void AddDefault(std::string_view name, std::string_view value, transport::HttpHeaders& headers) {
  if (!headers.Has(name)) {
    headers.Add(name, value);
  }
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
    const auto entry = Enter(*target, now, [&] {
      waiting = std::make_shared<Waiting>(Waiting{target, context, std::move(call), std::move(done),
                                                  boost::asio::steady_timer(io_)});
      return Park(waiting);
    });
    switch (entry.admission) {
      case Admission::kAdmitted:
        Send(target, context, std::move(call), entry.permit, std::move(done));
        return;
      case Admission::kParked:
        waiting->ticket = entry.ticket;
        waiting->place = waiting_.emplace(waiting->call.command.gid, waiting);
        LimitWait(waiting);
        return;
      case Admission::kRefused: break;
    }
    auto reply = NotSent("participant.queue_full", "too many calls already wait for participant '" +
                                                       target->participant->name + "'");
    host_.Post([done = std::move(done), reply = std::move(reply)] { done(reply); });
  }

  void WithdrawWaiting(const Gid& gid, runtime::Withdrawal which) {
    const auto [begin, end] = waiting_.equal_range(gid);
    for (auto next = begin; next != end;) {
      const std::shared_ptr<Waiting> waiting = (next++)->second;
      const bool wanted = which == runtime::Withdrawal::kForwardCalls &&
                          waiting->call.command.role != dsl::Role::kForward;
      if (wanted || !waiting->target->gate->Withdraw(waiting->ticket)) {
        continue;
      }
      waiting_.erase(waiting->place);
      waiting->limit.cancel();
      host_.Post([waiting] {
        waiting->done(Blocked("the call still waited for participant '" +
                              waiting->target->participant->name +
                              "' when its transaction was paused, aborted or ended"));
      });
    }
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
  struct Waiting;
  using WaitingCalls = std::multimap<Gid, std::shared_ptr<Waiting>>;
  struct Waiting {  // Shared with its gate and its timer.
    TargetPtr target;
    runtime::CallContext context;
    engine::CallBranch call;
    runtime::ReplyCallback done;
    boost::asio::steady_timer limit;
    SharedGate::Ticket ticket = 0;
    WaitingCalls::iterator place = {};
  };

  TargetPtr TargetOf(const runtime::CallContext& context, size_t index) {
    const dsl::Participant* participant = &context.plan->participants.at(index);
    if (context.plan->client_driven) {
      // Each such transaction has a plan of its own, which must not be kept.
      return Keep(client_targets_, IdentityOf(*participant), [&] {
        const auto copy = std::make_shared<const dsl::Participant>(*participant);
        return MakeTarget(copy, *copy, {}, gates_, host_.Now());
      });
    }
    return Keep(targets_, participant, [&] {
      return MakeTarget(context.plan, *participant, context.plan->name, gates_, host_.Now());
    });
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

  // A gate that nobody used for long may have been retired since its target was made.
  SharedGate::Entry Enter(Target& target, Instant now,
                          const std::function<ParkedCall()>& make_parked) {
    while (true) {
      if (const auto entry = target.gate->Acquire(now, make_parked)) {
        return *entry;
      }
      target.gate = gates_.Find(*target.participant, target.definition, now);
    }
  }

  ParkedCall Park(const std::shared_ptr<Waiting>& waiting) {
    return {[&io = io_](std::function<void()> task) { boost::asio::post(io, std::move(task)); },
            [this, waiting](Permit permit) {
              waiting_.erase(waiting->place);
              waiting->limit.cancel();
              Send(waiting->target, waiting->context, std::move(waiting->call), permit,
                   std::move(waiting->done));
            }};
  }

  void LimitWait(const std::shared_ptr<Waiting>& waiting) {
    waiting->limit.expires_after(waiting->call.timeout);
    waiting->limit.async_wait([this, waiting](const boost::system::error_code& error) {
      const Target& target = *waiting->target;
      if (error || closing_ || !target.gate->Withdraw(waiting->ticket)) {
        return;
      }
      waiting_.erase(waiting->place);
      waiting->done(Blocked("the call waited " + FormatDuration(waiting->call.timeout) +
                            " for participant '" + target.participant->name +
                            "', which is blocked by its " +
                            std::string(target.gate->blocked_by(host_.Now()))));
    });
    const auto& gate = waiting->target->gate;
    ScheduleRelease(gate, gate->Release(host_.Now()));
  }

  // The gate has no clock: somebody has to come back when its cool-down or next token is due.
  // Nothing: a call's end will, or nobody waits.
  void ScheduleRelease(const std::shared_ptr<SharedGate>& gate, std::optional<Instant> at) {
    if (!at) {
      release_timers_.erase(gate);
      return;
    }
    auto& timer = release_timers_[gate];
    if (timer == nullptr) {
      timer = std::make_unique<boost::asio::steady_timer>(io_);
    }
    timer->expires_after(std::max(*at - host_.Now(), Duration(100)));
    timer->async_wait([this, gate](const boost::system::error_code& error) {
      if (!error && !closing_) {
        ScheduleRelease(gate, gate->Release(host_.Now()));
      }
    });
  }

  // Ends the call at its gate. Whoever else waits there may wait for the next token now, or for the
  // end of a cool-down.
  void Finish(Target& target, const Permit& permit, SharedGate::CallResult result) {
    if (const auto next = target.gate->Finish(permit, result, host_.Now())) {
      ScheduleRelease(target.gate, next);
    }
  }

  // The participant's, where the step does not say otherwise.
  static void AddOwnHeaders(const Target& target, transport::HttpHeaders& headers) {
    if (const auto* http = std::get_if<dsl::HttpAddress>(&target.participant->address)) {
      for (const auto& [name, value] : http->headers) {
        AddDefault(name, value, headers);
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
    for (const auto& [name, value] : rendered.headers) {
      request.headers.Add(name, value);
    }
    AddOwnHeaders(*target, request.headers);
    AddFacts(context, call, token, false,
             [&request](std::string_view name, std::string_view value) {
               request.headers.Add(name, value);
             });
    if (rendered.body) {
      AddDefault("Content-Type", "application/json", request.headers);
      request.body = std::move(*rendered.body);
    }
    AddDefault("Accept", "application/json", request.headers);
    std::string asked = request.url.target;
    http_.Call(std::move(request), call.timeout,
               [this, target, permit, role = call.command.role, rules = call.answers,
                plan = context.plan, token = std::move(token), asked = std::move(asked),
                done = std::move(done)](transport::HttpOutcome outcome) {
                 if (closing_) {
                   return;
                 }
                 Finish(*target, permit, ResultOf(outcome));
                 if (auto* response = std::get_if<transport::HttpResponse>(&outcome)) {
                   done(ClassifyHttp(
                       std::move(*response),
                       AnswerContext{role, rules, token, &target->origin, host_.Now(), asked}));
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
    transport::GrpcRequest request;
    request.target = target->origin;
    request.method = "/" + address.service + "/" + rendered.method;
    request.body = rendered.body.Read();
    request.shapes = target->shapes;
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
          Finish(*target, permit, ResultOf(outcome));
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
  WaitingCalls waiting_;                                       // Of this worker, at any gate.
  // Of the gates where somebody waits for an instant.
  std::unordered_map<std::shared_ptr<SharedGate>, std::unique_ptr<boost::asio::steady_timer>>
      release_timers_;
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

void Caller::WithdrawWaiting(const Gid& gid, runtime::Withdrawal which) {
  impl_->WithdrawWaiting(gid, which);
}

void Caller::Poll(const runtime::CallContext& context, engine::PollBranch poll,
                  runtime::ReplyCallback done) {
  impl_->Poll(context, std::move(poll), std::move(done));
}

}  // namespace entente::participants
