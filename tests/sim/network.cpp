#include "tests/sim/network.h"

#include <algorithm>
#include <utility>

namespace entente::sim {
namespace {

using std::chrono::milliseconds;

Sent::Answer KindOf(const engine::Reply& reply) {
  struct Kinds {
    Sent::Answer operator()(const engine::ReplyDone&) const { return Sent::Answer::kDone; }
    Sent::Answer operator()(const engine::ReplyRefused&) const { return Sent::Answer::kRefused; }
    Sent::Answer operator()(const engine::ReplyUnknown&) const { return Sent::Answer::kUnknown; }
    Sent::Answer operator()(const engine::ReplyNotSent&) const { return Sent::Answer::kNotSent; }
    Sent::Answer operator()(const engine::ReplyPending&) const { return Sent::Answer::kPending; }
    Sent::Answer operator()(const engine::ReplyHeuristic&) const {
      return Sent::Answer::kHeuristic;
    }
  };
  return std::visit(Kinds{}, reply);
}

// How the caller reads an answer by what the definition says.
struct Reading {
  bool keeps_headers = false;
  bool asks_again = false;

  static Reading Of(const dsl::AnswerRules* rules) {
    return {
        rules != nullptr && !rules->headers.empty(),
        rules != nullptr && std::count(rules->retry_on.begin(), rules->retry_on.end(), 423) > 0};
  }
  void Apply(engine::Reply& reply) const {
    if (auto* done = std::get_if<engine::ReplyDone>(&reply); done && !keeps_headers) {
      done->answer = JsonText();
    }
    if (auto* refused = std::get_if<engine::ReplyRefused>(&reply)) {
      refused->again = asks_again && refused->failure.code == "http.423";
    }
  }
};

std::string TagIn(const engine::RenderedHttp& http) {
  const auto found = std::find_if(http.headers.begin(), http.headers.end(),
                                  [](const auto& header) { return header.first == "If-Match"; });
  return found == http.headers.end() ? "" : found->second;
}

// What is on the wire says what a call is for.
Verb VerbOf(const std::string& target) {
  const auto parsed = ParseTarget(target);
  return parsed ? parsed->verb : Verb::kDo;
}

}  // namespace

void Network::Note(size_t sent, const engine::Reply& reply) {
  Sent& call = history_.sent[sent];
  call.answer = KindOf(reply);
  call.answered = scheduler_.now();
  if (const auto* refused = std::get_if<engine::ReplyRefused>(&reply); refused && refused->again) {
    history_.Probe("who is busy is to be asked again");
  }
  if (const auto* unknown = std::get_if<engine::ReplyUnknown>(&reply)) {
    call.retry_after = unknown->retry_after;
    if (unknown->failure.code == "timeout") {
      history_.Probe("no answer in time");
    }
  }
}

void Network::Call(const Post& post, const runtime::CallContext& context,
                   const engine::CallBranch& call, runtime::ReplyCallback done) {
  const auto* http = std::get_if<engine::RenderedHttp>(&call.request);
  const std::string target = http == nullptr ? std::string() : http->target;
  const engine::CommandId& command = call.command;
  const size_t sent = history_.sent.size();
  history_.sent.push_back({command.gid.str(), command.branch.str(), VerbOf(target), target,
                           command.alternative, call.attempt, call.one_phase, context.epoch.value(),
                           scheduler_.now(), call.timeout});
  history_.sent.back().tag = http == nullptr ? "" : TagIn(*http);
  on_sent_(history_.sent.back());
  auto answered = std::make_shared<bool>(false);
  const Answer answer = [this, sent, answered, done = std::move(done), post,
                         reading = Reading::Of(call.answers)](engine::Reply reply) {
    if (!std::exchange(*answered, true)) {
      reading.Apply(reply);
      post([this, sent, done, reply] {
        Note(sent, reply);
        done(reply);
      });
    }
  };
  if (dice_.Chance(faults_.not_sent)) {
    scheduler_.After(Duration(0), [answer] {
      answer(engine::ReplyNotSent{{"connect.refused", "nobody there"}, std::nullopt});
    });
    return;
  }
  scheduler_.After(call.timeout, [answer] {
    answer(engine::ReplyUnknown{{"timeout", "no answer in time"}, std::nullopt});
  });
  const Flight flight{{target, command.gid.str(), command.branch.str(), call.attempt,
                       call.one_phase, context.epoch.value()},
                      command,
                      call.run,
                      command.role == dsl::Role::kForward,
                      call.timeout};
  const int copies = dice_.Chance(faults_.duplicate) ? 2 : 1;
  for (int copy = 0; copy < copies; ++copy) {
    if (!dice_.Chance(faults_.lose_request)) {
      scheduler_.After(Delay(call.timeout), [this, flight, answer] { Arrive(flight, answer); });
    }
  }
}

// A poll knows how it stands, but is answered as badly as anything else.
void Network::Poll(const Post& post, const engine::PollBranch& poll, runtime::ReplyCallback done) {
  engine::Reply reply = engine::ReplyPending{poll.poll_url, std::nullopt};
  if (dice_.Chance(faults_.fail_before)) {
    reply = engine::ReplyUnknown{{"http.503", "ask again"}, std::nullopt};
  } else if (!dice_.Chance(300)) {
    const Request request{
        poll.poll_url, poll.command.gid.str(), poll.command.branch.str(), poll.attempt, false, 0};
    reply = services_.Status(request, scheduler_.now());
    Reading::Of(poll.answers).Apply(reply);
    if (std::holds_alternative<engine::ReplyPending>(reply)) {
      reply = engine::ReplyPending{poll.poll_url, std::nullopt};
    } else {
      history_.Probe("a poll found out");
    }
  }
  scheduler_.After(milliseconds(1),
                   [post, done = std::move(done), reply] { post([done, reply] { done(reply); }); });
}

Duration Network::Delay(Duration limit) {
  return dice_.Chance(faults_.slow) ? dice_.Between(limit / 2, 4 * limit)
                                    : dice_.Between(Duration(100), milliseconds(5));
}

void Network::Arrive(const Flight& flight, const Answer& answer) {
  engine::Reply reply;
  if (flight.forward && dice_.Chance(faults_.pending)) {
    // With an address to ask at, or with a completion as the only word of it.
    reply = engine::ReplyPending{dice_.Chance(400) ? flight.request.target : std::string(),
                                 std::nullopt};
    scheduler_.After(dice_.Between(Duration(100), 2 * flight.limit),
                     [this, flight] { Complete(flight); });
  } else {
    reply = services_.Handle(flight.request, scheduler_.now(), faults_, dice_);
  }
  if (!dice_.Chance(faults_.lose_reply)) {
    scheduler_.After(dice_.Between(Duration(100), milliseconds(5)),
                     [answer, reply] { answer(reply); });
  }
}

// The service carries out a pending operation and says so, until somebody takes it in.
void Network::Complete(const Flight& flight) {
  engine::Reply reply = services_.Forward(flight.request, scheduler_.now(), Faults{}, dice_);
  std::variant<engine::ReplyDone, engine::ReplyRefused> outcome;
  if (auto* done = std::get_if<engine::ReplyDone>(&reply)) {
    done->answer = JsonText();  // A completion is no answer, and has no headers.
    outcome = std::move(*done);
  } else {
    outcome = std::get<engine::ReplyRefused>(reply);
  }
  history_.completions.push_back({flight.request.gid, flight.request.branch, scheduler_.now()});
  auto taken = std::make_shared<bool>(false);
  complete_(flight.command, flight.run, std::move(outcome),
            [taken](bool is_taken) { *taken = is_taken; });
  // And now and then once more: who was told may be asked by somebody else.
  const bool again = dice_.Chance(200);
  scheduler_.After(again ? dice_.Between(milliseconds(5), milliseconds(300)) : milliseconds(100),
                   [this, flight, taken, again] {
                     if (!*taken || again) {
                       Complete(flight);
                     }
                   });
}

}  // namespace entente::sim
