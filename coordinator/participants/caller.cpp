#include "coordinator/participants/caller.h"

#include <algorithm>
#include <iterator>
#include <list>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/check.h"
#include "base/limits.h"
#include "coordinator/participants/call_end.h"
#include "coordinator/participants/classify.h"
#include "coordinator/participants/completion_places.h"
#include "coordinator/participants/endpoints.h"
#include "engine/sensitive.h"
#include "marks/crash_marks.h"
#include "net/signing/call_signature.h"
#include "observe/trace_ids.h"
#include "runtime/exceptions.h"

namespace entente::participants {
namespace {

using Admission = ParticipantGate::Admission;
using Permit = ParticipantGate::Permit;

// How long a call rests that this machine could not make.
constexpr Duration kExhaustionPause = std::chrono::milliseconds(250);

// What of these headers nobody is shown, which is nothing unless the participant names some.
std::vector<std::string> NamedIn(const net::HttpHeaders& headers,
                                 const dsl::Participant& participant) {
  std::vector<std::string> values;
  for (const std::string& name : participant.sensitive_headers) {
    for (size_t i = 0; i < headers.size(); ++i) {
      if (net::EqualsIgnoringCase(headers.name(i), name)) {
        values.emplace_back(headers.value(i));
      }
    }
  }
  return values;
}

// What of a call nobody is shown: of the headers that were sent, `values`, and of the answer's.
template <class Outcome>
engine::Sensitive SensitiveOf(std::vector<std::string> values, const Outcome& outcome,
                              const dsl::Participant& participant) {
  if (participant.sensitive_headers.empty()) {
    return {};
  }
  std::vector<std::string> came;
  if constexpr (std::is_same_v<Outcome, net::HttpOutcome>) {
    if (const auto* response = std::get_if<net::HttpResponse>(&outcome)) {
      came = NamedIn(response->headers, participant);
    }
  } else if (const auto* response = std::get_if<net::GrpcResponse>(&outcome)) {
    came = NamedIn(response->metadata, participant);
  }
  std::move(came.begin(), came.end(), std::back_inserter(values));
  return engine::Sensitive::OfHeaders(values);
}

// Takes it out of what went wrong. What came of what went well is data that later calls need.
engine::Reply Hiding(const engine::Sensitive& sensitive, engine::Reply reply) {
  std::visit(
      [&sensitive](auto& body) {
        if constexpr (requires { body.failure.message; }) {
          sensitive.Hide(body.failure.message);
        }
      },
      reply);
  return reply;
}

// The facts that travel with every call and every poll; gRPC metadata has the same names in lower
// case. `deadline` is when nobody waits for the answer any more.
template <class Add>
void AddCommand(const runtime::CallContext& context, const engine::CommandId& command,
                uint32_t attempt, Instant deadline, bool lower_case, const Add& add) {
  const auto name = [lower_case](std::string_view http, std::string_view grpc) {
    return lower_case ? grpc : http;
  };
  const dsl::Mode mode = context.plan->mode;
  add(name("Entente-Gid", "entente-gid"), command.gid.str());
  add(name("Entente-Branch", "entente-branch"), command.branch.str());
  add(name("Entente-Operation", "entente-operation"), dsl::OperationName(mode, command.role));
  add(name("Entente-Attempt", "entente-attempt"), std::to_string(attempt));
  add(name("Entente-Epoch", "entente-epoch"), std::to_string(context.epoch.value()));
  add(name("Entente-Coordinator", "entente-coordinator"), context.coordinator);
  add(name("Entente-Deadline", "entente-deadline"), std::to_string(ToMicros(deadline) / 1000));
}

// Where the participant's spans hang: below the attempt's own, where that is told to a collector.
template <class Add>
void AddTrace(const runtime::CallContext& context, const engine::CommandId& command,
              uint32_t attempt, bool trace, const Add& add) {
  if (!trace) {
    if (!context.traceparent.empty()) {
      add("traceparent", context.traceparent);
    }
    return;
  }
  add("traceparent",
      observe::TraceparentOf(
          observe::TraceIdOf(command.gid, context.traceparent),
          observe::AttemptSpanId(command.gid, command.branch,
                                 dsl::OperationName(context.plan->mode, command.role),
                                 command.alternative, attempt),
          observe::IsSampled(context.traceparent)));
}

// And those of a call. A poll has no key: to a service that keeps its answers by it, a poll with
// the key of the call would be a repeat of that call, and be answered 202 for ever.
template <class Add>
void AddFacts(const runtime::CallContext& context, const engine::CallBranch& call,
              const std::string& token, Instant now, bool lower_case, const Add& add) {
  AddCommand(context, call.command, call.attempt, now + call.timeout, lower_case, add);
  std::string key = engine::IdempotencyKey(call.command, context.plan->mode);
  if (call.round > 0) {
    // Another question: to one that keeps its answers by the key it would be the same for ever.
    key += ":round" + std::to_string(call.round + 1);
  }
  add(lower_case ? "idempotency-key" : "Idempotency-Key", key);
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

// What goes through a gate.
using Errand = std::variant<engine::CallBranch, engine::PollBranch>;

const engine::CommandId& CommandOf(const Errand& errand) {
  return std::visit([](const auto& one) -> const engine::CommandId& { return one.command; },
                    errand);
}

Duration TimeoutOf(const Errand& errand) {
  return std::visit([](const auto& one) { return one.timeout; }, errand);
}

Lane LaneOf(const Errand& errand) {
  return CommandOf(errand).role == dsl::Role::kForward ? Lane::kForward : Lane::kSettle;
}

// The answer to one that was not made: a call was none, and a poll is made later.
engine::Reply HeldBack(const Errand& errand, std::string message) {
  if (const auto* poll = std::get_if<engine::PollBranch>(&errand)) {
    return engine::ReplyPending{poll->poll_url, std::nullopt};
  }
  return Blocked(std::move(message));
}

// What this machine could not do, in which case nothing was sent.
template <class Outcome>
const net::CallError* LocalFault(const Outcome& outcome) {
  const auto* error = std::get_if<net::CallError>(&outcome);
  return error != nullptr && error->fault == net::CallFault::kLocal ? error : nullptr;
}

// The end of a call that was let go and not made after all, which tells nothing of its participant.
CallEnd NotMade() {
  return EndOf(
      net::HttpOutcome(net::CallError{net::CallFailure::kNotSent, "", "", net::CallFault::kLocal}),
      {});
}

// What a participant answered may be what the coordinator fails at: that is an answer which nobody
// understands.
template <class Classify>
engine::Reply Understood(const Classify& classify) {
  try {
    return classify();
  } catch (...) {
    const Status failed = runtime::DescribeException();
    return engine::ReplyUnknown{{failed.reason(), failed.message()}, std::nullopt};
  }
}

// Of a call of `target`. An address that is not called, if records named it, may be put right
// there: nothing is wrong with the call.
engine::Reply ErrorOf(const Target& target, net::CallError error) {
  if (target.place && error.failure == net::CallFailure::kInvalidRequest &&
      error.reason.starts_with("address.")) {
    error.failure = net::CallFailure::kNotSent;
  }
  return ClassifyError(error);
}

// For what the request does not say already.
void AddDefault(std::string_view name, std::string_view value, net::HttpHeaders& headers) {
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
        recorder_(options.recorder),
        trace_(options.trace),
        secrets_(options.secrets != nullptr ? std::move(options.secrets)
                                            : std::make_shared<const Secrets>("")),
        signing_key_(std::move(options.signing_key)),
        public_url_(std::move(options.public_url)),
        dns_(io, std::move(options.dns)),
        endpoints_(gates, services_, options.http.policy),
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
    const auto* http = std::get_if<engine::RenderedHttp>(&call.request);
    static const std::string kItsOwn;
    const auto found = endpoints_.Find(context.plan, call.participant,
                                       http != nullptr ? http->base_url : kItsOwn, host_.Now());
    if (found && found->ok() && (**found)->size() == 1) {
      GoTo((**found)->at(0), context, std::move(call), std::move(done));
      return;
    }
    const Instant until = host_.Now() + call.timeout;
    const auto journey = std::make_shared<Journey>(
        Journey{context, std::move(call), std::move(done), until, nullptr, {}});
    journey->place = journeys_.emplace(journey->call.command.gid, journey);
    Depart(journey, found);
  }

  void WithdrawWaiting(const Gid& gid, runtime::Withdrawal which) {
    const auto [first, last] = journeys_.equal_range(gid);
    for (auto next = first; next != last; ++next) {
      Journey& journey = *next->second;
      journey.ends_here |= which != runtime::Withdrawal::kForwardCalls ||
                           journey.call.command.role == dsl::Role::kForward;
    }
    const auto [begin, end] = waiting_.equal_range(gid);
    for (auto next = begin; next != end;) {
      const std::shared_ptr<Waiting> waiting = (next++)->second;
      const bool wanted =
          which == runtime::Withdrawal::kForwardCalls && LaneOf(waiting->errand) != Lane::kForward;
      if (wanted || !waiting->target->gate->Withdraw(waiting->ticket)) {
        continue;
      }
      waiting_.erase(waiting->place);
      waiting->limit.cancel();
      host_.Post([waiting] {
        waiting->done(
            HeldBack(waiting->errand, "the call still waited for participant '" +
                                          waiting->target->participant.name +
                                          "' when its transaction was paused, aborted or ended"));
      });
    }
  }

  void Poll(const runtime::CallContext& context, engine::PollBranch poll,
            runtime::ReplyCallback done) {
    const auto url = net::ParseUrl(poll.poll_url);
    const TargetPtr target = url.ok() ? TargetAt(url->origin, context, poll.participant) : nullptr;
    if (target == nullptr) {
      engine::ReplyPending pending{poll.poll_url, std::nullopt};
      host_.Post([done = std::move(done), pending = std::move(pending)] { done(pending); });
      return;
    }
    Go(target, context, std::move(poll), std::move(done));
  }

 private:
  // A call to a participant with several endpoints, or whose endpoints are looked up first: on its
  // way to one after the other, as long as none of them can have heard of it.
  struct Journey;
  using Journeys = std::multimap<Gid, std::shared_ptr<Journey>>;
  struct Journey {  // Shared with the calls that it makes.
    runtime::CallContext context;
    engine::CallBranch call;
    runtime::ReplyCallback done;
    Instant until;            // The call's time is over then, wherever it is.
    EndpointsPtr endpoints;   // Null until they are known.
    std::vector<bool> tried;  // By endpoint.
    bool ends_here = false;   // Its transaction was paused, aborted or ended meanwhile.
    Journeys::iterator place = {};
  };

  // As before every call: nobody has decided for this one since its last endpoint was tried, or
  // they were looked up.
  [[nodiscard]] bool MayGoOn(const Journey& journey) const {
    const auto& lease = journey.context.lease;
    return !journey.ends_here && (lease == nullptr || lease->HoldsAt(host_.Now()));
  }

  [[nodiscard]] bool MayTryAnother(const Journey& journey) const {
    return MayGoOn(journey) && host_.Now() < journey.until &&
           std::find(journey.tried.begin(), journey.tried.end(), false) != journey.tried.end();
  }

  // To the first endpoint, once it is known which there are.
  void Depart(const std::shared_ptr<Journey>& journey,
              const std::optional<Result<EndpointsPtr>>& found) {
    const engine::CallBranch& call = journey->call;
    if (!found) {
      endpoints_.WhenKnown(journey->context.plan, call.participant, [this, journey] {
        const marks::WorkScope scope(journey->call.command.gid.str());
        Depart(journey,
               endpoints_.Find(journey->context.plan, journey->call.participant, {}, host_.Now()));
      });
      return;
    }
    if (!MayGoOn(*journey)) {
      End(journey, Blocked("the call still waited for the address of its participant when its "
                           "transaction was paused, aborted or ended"));
    } else if (!found->ok()) {
      EndUnknown(journey, found->status());
    } else if (host_.Now() >= journey->until) {
      End(journey, NotSent("call.timeout", "its participant's address was not known in time"));
    } else {
      journey->endpoints = **found;
      journey->tried = journey->endpoints->TriedAtFirst();
      GoAnywhere(journey);
    }
  }

  // Of one whose endpoints can not be known.
  void EndUnknown(const std::shared_ptr<Journey>& journey, const Status& why) {
    if (why.code() != StatusCode::kResourceExhausted) {
      End(journey, NotSent(why.reason(), why.message()));
      return;
    }
    journeys_.erase(journey->place);
    Rest({net::CallFailure::kNotSent, why.reason(), why.message(), net::CallFault::kLocal},
         Blocked(why.message()), std::move(journey->done));
  }

  // Before it was sent anywhere; may be inside Call.
  void End(const std::shared_ptr<Journey>& journey, engine::Reply reply) {
    journeys_.erase(journey->place);
    host_.Post([journey, reply = std::move(reply)] { journey->done(reply); });
  }

  void GoTo(const TargetPtr& target, const runtime::CallContext& context, engine::CallBranch call,
            runtime::ReplyCallback done) {
    if (!target->unusable.ok()) {
      const Status& why = target->unusable;
      engine::Reply reply = NotSent(why.reason(), why.message());
      if (!target->place) {
        reply = engine::ReplyRefused{{why.reason(), why.message()}};
      }
      host_.Post([done = std::move(done), reply = std::move(reply)] { done(reply); });
      return;
    }
    Go(target, context, std::move(call), std::move(done));
  }

  // A call that was held back at a gate has used up its time there.
  void GoAnywhere(const std::shared_ptr<Journey>& journey) {
    const size_t chosen = journey->endpoints->Choose(journey->tried, host_.Now());
    journey->tried[chosen] = true;
    engine::CallBranch call = journey->call;
    call.timeout = journey->until - host_.Now();
    GoTo(journey->endpoints->at(chosen), journey->context, std::move(call),
         [this, journey, alive = std::weak_ptr<bool>(alive_)](engine::Reply reply) {
           if (alive.expired()) {
             journey->done(std::move(reply));
             return;
           }
           const auto* not_sent = std::get_if<engine::ReplyNotSent>(&reply);
           if (not_sent != nullptr && !not_sent->blocked && MayTryAnother(*journey)) {
             GoAnywhere(journey);
             return;
           }
           journeys_.erase(journey->place);
           journey->done(std::move(reply));
         });
  }

  struct Waiting;
  using WaitingCalls = std::multimap<Gid, std::shared_ptr<Waiting>>;
  struct Waiting {  // Shared with its gate and its timer.
    TargetPtr target;
    runtime::CallContext context;
    Errand errand;
    runtime::ReplyCallback done;
    boost::asio::steady_timer limit;
    SharedGate::Ticket ticket = 0;
    WaitingCalls::iterator place = {};
    Instant since = {};
  };

  // Where something of that participant is asked after; null: it is nowhere there, or not known
  // yet. Of one whose address is computed that was the origin of the call when it was answered.
  // Which endpoints records name changes: any of them knows what one that is gone has accepted.
  TargetPtr TargetAt(const net::Origin& origin, const runtime::CallContext& context, size_t index) {
    const auto* http = std::get_if<dsl::HttpAddress>(&context.plan->participants.at(index).address);
    const bool computed = http != nullptr && http->base_url.empty();
    const auto found = endpoints_.Find(context.plan, index,
                                       computed ? origin.ToString() : std::string(), host_.Now());
    if (!found || !found->ok()) {
      return nullptr;
    }
    Endpoints& endpoints = ***found;
    TargetPtr target = endpoints.At(origin);
    if (target == nullptr && endpoints.at(0)->place) {
      target = endpoints.at(endpoints.Choose(endpoints.TriedAtFirst(), host_.Now()));
    }
    return target;
  }

  // Through the gate: at once, or when it lets it.
  void Go(const TargetPtr& target, const runtime::CallContext& context, Errand errand,
          runtime::ReplyCallback done) {
    const Instant now = host_.Now();
    const Lane lane = LaneOf(errand);
    // Only what has to wait is kept; the others go on from here without a copy.
    std::shared_ptr<Waiting> waiting;
    const auto entry = Enter(*target, lane, now, [&] {
      waiting = std::make_shared<Waiting>(Waiting{target, context, std::move(errand),
                                                  std::move(done), boost::asio::steady_timer(io_)});
      return Park(waiting);
    });
    switch (entry.admission) {
      case Admission::kAdmitted:
        Send(target, context, errand, entry.permit, std::move(done));
        return;
      case Admission::kParked:
        waiting->ticket = entry.ticket;
        waiting->since = now;
        waiting->place = waiting_.emplace(CommandOf(waiting->errand).gid, waiting);
        LimitWait(waiting);
        return;
      case Admission::kRefused: break;
    }
    engine::Reply reply =
        NotSent("participant.queue_full",
                "too many calls already wait for participant '" + target->participant.name + "'");
    if (std::holds_alternative<engine::PollBranch>(errand)) {
      reply = HeldBack(errand, {});
    }
    host_.Post([done = std::move(done), reply = std::move(reply)] { done(reply); });
  }

  // A gate that nobody used for long may have been retired since its target was made.
  SharedGate::Entry Enter(Target& target, Lane lane, Instant now,
                          const std::function<ParkedCall()>& make_parked) {
    while (true) {
      if (const auto entry = target.gate->Acquire(lane, now, make_parked, this)) {
        return *entry;
      }
      endpoints_.RenewGate(target, now);
    }
  }

  ParkedCall Park(const std::shared_ptr<Waiting>& waiting) {
    return {CommandOf(waiting->errand).gid,
            [&io = io_](std::function<void()> task) { boost::asio::post(io, std::move(task)); },
            [this, waiting](Permit permit) {
              const marks::WorkScope scope(CommandOf(waiting->errand).gid.str());
              waiting_.erase(waiting->place);
              waiting->limit.cancel();
              if (const auto& lease = waiting->context.lease;
                  lease != nullptr && !lease->HoldsAt(host_.Now())) {
                // The shard may be another node's, and this process was stopped for so long that it
                // has not heard of it. Nobody waits for the answer.
                Finish(*waiting->target, permit, NotMade());
                waiting->done(HeldBack(waiting->errand, "its shard's lease has ended"));
                return;
              }
              MeasureWait(*waiting, permit);
              Send(waiting->target, waiting->context, waiting->errand, permit,
                   std::move(waiting->done));
            }};
  }

  void LimitWait(const std::shared_ptr<Waiting>& waiting) {
    const Duration limit = std::max(TimeoutOf(waiting->errand), limits::kMinGateWait);
    waiting->limit.expires_after(limit);
    waiting->limit.async_wait([this, waiting, limit](const boost::system::error_code& error) {
      const Target& target = *waiting->target;
      if (error || closing_ || !target.gate->Withdraw(waiting->ticket)) {
        return;
      }
      waiting_.erase(waiting->place);
      waiting->done(HeldBack(waiting->errand,
                             "the call waited " + FormatDuration(limit) + " for participant '" +
                                 target.participant.name + "', which is blocked by its " +
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
  void Finish(Target& target, const Permit& permit, const CallEnd& end) {
    if (const auto next = target.gate->Finish(permit, end, host_.Now())) {
      ScheduleRelease(target.gate, next);
    }
  }

  // The call was not made, and not for anything of its participant's: it costs no attempt. After a
  // rest its transaction is asked whether it still wants it.
  void Rest(const net::CallError& error, engine::Reply held_back, runtime::ReplyCallback done) {
    gates_.OnLocalExhaustion(error.message, host_.Now());
    const auto timer = resting_.emplace(resting_.end(), io_, kExhaustionPause);
    timer->async_wait([this, timer, held_back = std::move(held_back),
                       done = std::move(done)](const boost::system::error_code& cancelled) {
      if (!cancelled && !closing_) {
        resting_.erase(timer);
        done(held_back);
      }
    });
  }

  void MeasureWait(const Waiting& waiting, const Permit& permit) {
    if (recorder_ != nullptr) {
      recorder_->Find(observe::Family::kCallWait, waiting.target->participant.name)
          .Record(observe::Micros(permit.admitted_at - waiting.since));
    }
  }

  // What is known of a call that is out, for when it ends.
  struct Sent {
    Gid gid;
    std::string traceparent;
    dsl::Mode mode;
    dsl::Role role;
    Permit permit;
    Duration allowed;
    const dsl::AnswerRules* rules;  // The plan's.
  };

  static Sent SentOf(const runtime::CallContext& context, const engine::CallBranch& call,
                     const Permit& permit) {
    return {call.command.gid, context.traceparent, context.plan->mode, call.command.role,
            permit,           call.timeout,        call.answers};
  }

  void MeasureCall(Target& target, const Sent& sent, Instant now) {
    if (recorder_ == nullptr) {
      return;
    }
    observe::Histogram*& duration =
        target.durations.at(static_cast<size_t>(sent.mode)).at(static_cast<size_t>(sent.role));
    if (duration == nullptr) {
      duration = &recorder_->Find(observe::Family::kCall, target.participant.name,
                                  dsl::OperationName(sent.mode, sent.role));
    }
    duration->Record(observe::Micros(now - sent.permit.admitted_at),
                     {sent.gid, sent.traceparent, now});
  }

  // Last of all. What is added to the headers afterwards is not covered.
  void Sign(net::HttpRequest& request) {
    if (signing_key_) {
      request.headers.Add("Entente-Audience", request.url.origin.HostField());
      net::SignCall(*signing_key_(),
                    {net::CallProtocol::kHttp, request.method, request.url.target, request.body},
                    host_.Now(), request.headers);
    }
  }

  void Sign(net::GrpcRequest& request) {
    if (signing_key_) {
      request.metadata.Add("entente-audience", request.target.HostField());
      request.seal = [this, method = request.method](std::string_view message,
                                                     net::HttpHeaders& metadata) {
        net::SignCall(*signing_key_(), {net::CallProtocol::kGrpc, "POST", method, message},
                      host_.Now(), metadata);
      };
    }
  }

  // The participant's, where the step does not say otherwise.
  static void AddOwnHeaders(const Target& target, net::HttpHeaders& headers) {
    if (const auto* http = std::get_if<dsl::HttpAddress>(&target.participant.address)) {
      for (const auto& [name, value] : http->headers) {
        AddDefault(name, value, headers);
      }
    }
  }

  // The participant's secrets, as headers or metadata; what of them must not come back.
  Result<std::vector<std::string>> AddSecrets(const Target& target,
                                              net::HttpHeaders& headers) const {
    using Protocol = net::AddressPolicy::Protocol;
    const auto* http = std::get_if<dsl::HttpAddress>(&target.participant.address);
    const auto& named =
        http != nullptr ? http->secret_headers
                        : std::get<dsl::GrpcAddress>(target.participant.address).secret_metadata;
    std::vector<std::string> values;
    for (const auto& [name, text] : named) {
      ENTENTE_ASSIGN_OR_RETURN(
          Secrets::Rendered rendered,
          secrets_->Render(text, target.origin,
                           http != nullptr ? Protocol::kHttp : Protocol::kGrpc));
      AddDefault(name, rendered.text, headers);
      std::move(rendered.values.begin(), rendered.values.end(), std::back_inserter(values));
    }
    return values;
  }

  // Ends a call that was let go and lacks a secret.
  void EndUnsent(Target& target, const Permit& permit, engine::Reply reply,
                 runtime::ReplyCallback done) {
    Finish(target, permit, NotMade());
    host_.Post([done = std::move(done), reply = std::move(reply)] { done(reply); });
  }

  void Send(const TargetPtr& target, const runtime::CallContext& context, Errand& errand,
            const Permit& permit, runtime::ReplyCallback done) {
    if (auto* poll = std::get_if<engine::PollBranch>(&errand)) {
      SendPoll(target, context, *poll, permit, std::move(done));
      return;
    }
    auto& call = std::get<engine::CallBranch>(errand);
    // In a body it is the same for every attempt: a repeat must be the call that it repeats.
    std::string token = tokens_.Make(call.command, call.sends_token ? 0 : call.run);
    if (call.sends_token && public_url_.empty() && NamesUrl(call)) {
      EndUnsent(*target, permit,
                NotSent("completion.no_url",
                        "the call hands on ${completionUrl}, but this coordinator was not told by "
                        "--public-url where it is reached"),
                std::move(done));
      return;
    }
    if (std::holds_alternative<engine::RenderedHttp>(call.request)) {
      SendHttp(target, context, call, std::move(token), permit, std::move(done));
    } else {
      SendGrpc(target, context, call, std::move(token), permit, std::move(done));
    }
  }

  void SendPoll(const TargetPtr& target, const runtime::CallContext& context,
                engine::PollBranch& poll, const Permit& permit, runtime::ReplyCallback done) {
    net::HttpRequest request;
    request.method = "GET";
    request.url = net::ParseUrl(poll.poll_url).value();
    if (target->place) {
      request.url.origin = target->origin;
      request.connect_to = target->place;
    }
    request.quota = target->gate->connections();
    request.allowed = target->allowed;
    AddOwnHeaders(*target, request.headers);
    auto secrets = AddSecrets(*target, request.headers);
    if (!secrets.ok()) {  // It is asked again later.
      EndUnsent(*target, permit, engine::ReplyPending{std::move(poll.poll_url), std::nullopt},
                std::move(done));
      return;
    }
    AddCommand(context, poll.command, poll.attempt, host_.Now() + poll.timeout, false,
               [&request](std::string_view name, std::string_view value) {
                 request.headers.Add(name, value);
               });
    AddTrace(context, poll.command, poll.attempt, trace_,
             [&request](std::string_view name, std::string_view value) {
               request.headers.Add(name, value);
             });
    Sign(request);
    auto named = NamedIn(request.headers, target->participant);
    http_.Call(
        std::move(request), poll.timeout,
        [this, poll_url = std::move(poll.poll_url), target, permit, gid = poll.command.gid,
         plan = context.plan, rules = poll.answers, role = poll.command.role,
         allowed = poll.timeout, secrets = std::move(*secrets), named = std::move(named),
         done = std::move(done)](net::HttpOutcome outcome) mutable {
          if (closing_) {
            return;
          }
          const marks::WorkScope scope(gid.str());
          const auto sensitive = SensitiveOf(std::move(named), outcome, target->participant);
          Redact(secrets, outcome);
          Finish(*target, permit, EndOf(outcome, {allowed, nullptr, host_.Now()}));
          if (const auto* error = LocalFault(outcome)) {
            Rest(*error, engine::ReplyPending{std::move(poll_url), std::nullopt}, std::move(done));
            return;
          }
          auto* response = std::get_if<net::HttpResponse>(&outcome);
          if (response != nullptr) {
            NoteUnverified(*target, response->headers, response->body, sensitive);
          }
          AnswerContext asked{plan->mode, role, rules, {}, &target->address(), host_.Now()};
          asked.called = target->called();
          done(Hiding(sensitive, response == nullptr
                                     ? ClassifyPollError(std::get<net::CallError>(outcome))
                                     : Understood([&] {
                                         return ClassifyPoll(std::move(*response), poll_url, asked);
                                       })));
        });
  }

  void SendHttp(const TargetPtr& target, const runtime::CallContext& context,
                engine::CallBranch& call, std::string token, const Permit& permit,
                runtime::ReplyCallback done) {
    auto& rendered = std::get<engine::RenderedHttp>(call.request);
    if (call.sends_token) {
      PutPlaces({token, CompletionUrl(public_url_, token)}, target->participant, rendered);
    }
    net::HttpRequest request;
    request.method = std::move(rendered.method);
    request.url.origin = target->origin;
    request.connect_to = target->place;
    // What was computed may be all there is of it.
    const bool whole = target->allowed != nullptr && rendered.target == "/";
    request.url.target = !whole                      ? target->base_path + rendered.target
                         : target->base_path.empty() ? "/"
                                                     : target->base_path;
    request.quota = target->gate->connections();
    request.allowed = target->allowed;
    for (const auto& [name, value] : rendered.headers) {
      request.headers.Add(name, value);
    }
    AddOwnHeaders(*target, request.headers);
    auto secrets = AddSecrets(*target, request.headers);
    if (!secrets.ok()) {
      EndUnsent(*target, permit, NotSent(secrets.status().reason(), secrets.status().message()),
                std::move(done));
      return;
    }
    const auto add = [&request](std::string_view name, std::string_view value) {
      request.headers.Add(name, value);
    };
    AddFacts(context, call, token, host_.Now(), false, add);
    AddTrace(context, call.command, call.attempt, trace_, add);
    if (rendered.body) {
      AddDefault("Content-Type", "application/json", request.headers);
      request.body = std::move(*rendered.body);
    }
    AddDefault("Accept", "application/json", request.headers);
    Sign(request);
    std::string asked = request.url.target;
    auto named = NamedIn(request.headers, target->participant);
    http_.Call(
        std::move(request), call.timeout,
        [this, target, sent = SentOf(context, call, permit), plan = context.plan,
         token = std::move(token), asked = std::move(asked), secrets = std::move(*secrets),
         named = std::move(named), done = std::move(done)](net::HttpOutcome outcome) mutable {
          const marks::WorkScope scope(sent.gid.str());
          const auto sensitive = SensitiveOf(std::move(named), outcome, target->participant);
          Redact(secrets, outcome);
          if (closing_ || !Ended(*target, sent, outcome, done)) {
            return;
          }
          if (auto* response = std::get_if<net::HttpResponse>(&outcome)) {
            NoteUnverified(*target, response->headers, response->body, sensitive);
            done(Hiding(sensitive, Understood([&] {
                          return ClassifyHttp(std::move(*response),
                                              AnswerContext{sent.mode, sent.role, sent.rules, token,
                                                            &target->address(), host_.Now(), asked,
                                                            target->called()});
                        })));
          } else {
            done(Hiding(sensitive, ErrorOf(*target, std::get<net::CallError>(outcome))));
          }
        });
  }

  void SendGrpc(const TargetPtr& target, const runtime::CallContext& context,
                engine::CallBranch& call, std::string token, const Permit& permit,
                runtime::ReplyCallback done) {
    auto& rendered = std::get<engine::RenderedGrpc>(call.request);
    const auto& address = std::get<dsl::GrpcAddress>(target->participant.address);
    net::GrpcRequest request;
    request.target = target->origin;
    request.connect_to = target->place;
    request.method = "/" + address.service + "/" + rendered.method;
    request.body = rendered.body.Read();
    if (call.sends_token) {
      PutPlaces({token, CompletionUrl(public_url_, token)}, request.body);
    }
    request.descriptors = DescriptorsFor(*target, context, call.participant);
    request.subject = call.command.gid.str();
    for (const auto& [name, value] : address.metadata) {
      request.metadata.Add(name, value);
    }
    auto secrets = AddSecrets(*target, request.metadata);
    if (!secrets.ok()) {
      EndUnsent(*target, permit, NotSent(secrets.status().reason(), secrets.status().message()),
                std::move(done));
      return;
    }
    const auto add = [&request](std::string_view name, std::string_view value) {
      request.metadata.Add(name, value);
    };
    AddFacts(context, call, token, host_.Now(), true, add);
    AddTrace(context, call.command, call.attempt, trace_, add);
    Sign(request);
    auto named = NamedIn(request.metadata, target->participant);
    grpc_.Call(std::move(request), call.timeout,
               [this, target, sent = SentOf(context, call, permit), plan = context.plan,
                token = std::move(token), secrets = std::move(*secrets), named = std::move(named),
                done = std::move(done)](net::GrpcOutcome outcome) mutable {
                 const marks::WorkScope scope(sent.gid.str());
                 const auto sensitive = SensitiveOf(std::move(named), outcome, target->participant);
                 Redact(secrets, outcome);
                 if (closing_ || !Ended(*target, sent, outcome, done)) {
                   return;
                 }
                 if (auto* response = std::get_if<net::GrpcResponse>(&outcome)) {
                   NoteUnverified(*target, response->metadata, response->message, sensitive);
                   done(Hiding(sensitive, Understood([&] {
                                 return ClassifyGrpc(std::move(*response),
                                                     AnswerContext{sent.mode, sent.role, sent.rules,
                                                                   token, nullptr, host_.Now()});
                               })));
                 } else {
                   done(Hiding(sensitive, ErrorOf(*target, std::get<net::CallError>(outcome))));
                 }
               });
  }

  static std::shared_ptr<const net::GivenDescriptors> DescriptorsFor(
      const Target& target, const runtime::CallContext& context, size_t participant) {
    if (target.descriptors_digest.empty()) {
      return nullptr;
    }
    // The bytes are the plan's, which lives as long as the request.
    const auto& address =
        std::get<dsl::GrpcAddress>(context.plan->participants[participant].address);
    return std::make_shared<const net::GivenDescriptors>(
        net::GivenDescriptors{target.descriptors_digest, {context.plan, &address.descriptor_set}});
  }

  void NoteUnverified(const Target& target, const net::HttpHeaders& headers, std::string detail,
                      const engine::Sensitive& sensitive) {
    if (IsUnverified(headers)) {
      sensitive.Hide(detail);
      gates_.OnUnverified(target.participant.name, target.address().HostField(), detail);
    }
  }

  // Tells the gate how a call ended. False if that was for want of something on this machine and
  // nothing was sent: then it rests, and `done` is taken.
  template <class Outcome>
  bool Ended(Target& target, const Sent& sent, const Outcome& outcome,
             runtime::ReplyCallback& done) {
    const Instant now = host_.Now();
    Finish(target, sent.permit, EndOf(outcome, {sent.allowed, sent.rules, now}));
    const auto* error = LocalFault(outcome);
    if (error == nullptr || error->failure != net::CallFailure::kNotSent) {
      MeasureCall(target, sent, now);
    }
    if (error == nullptr) {
      return true;
    }
    if (error->failure != net::CallFailure::kNotSent) {
      gates_.OnLocalExhaustion(error->message, host_.Now());
      return true;
    }
    Rest(*error, Blocked(error->message), std::move(done));
    return false;
  }

  boost::asio::io_context& io_;
  runtime::Host& host_;
  Gates& gates_;
  const runtime::CompletionTokens& tokens_;
  observe::Recorder* const recorder_;
  const bool trace_;
  const std::shared_ptr<const Secrets> secrets_;  // Shared by all workers.
  const std::function<std::shared_ptr<const net::SigningKey>()> signing_key_;  // May be null.
  const std::string public_url_;
  bool closing_ = false;
  // Gone with this object: tasks that were posted may outlive it.
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  net::SrvClient dns_;
  net::SrvBook services_{
      [this](const std::string& name, auto done) { dns_.Lookup(name, std::move(done)); },
      [this] { return host_.Now(); }};
  EndpointBook endpoints_;
  WaitingCalls waiting_;                          // Of this worker, at any gate.
  Journeys journeys_;                             // Under way to one of several endpoints.
  std::list<boost::asio::steady_timer> resting_;  // Calls that could not be made.
  // Of the gates where somebody waits for an instant.
  std::unordered_map<std::shared_ptr<SharedGate>, std::unique_ptr<boost::asio::steady_timer>>
      release_timers_;
  net::HttpClient http_;
  net::GrpcClient grpc_;
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
