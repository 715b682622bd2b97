#include "examples/travel/common/desk.h"

#include <chrono>
#include <utility>

#include <boost/asio/post.hpp>

namespace travel {
namespace {

int64_t NowMs() {
  return std::chrono::duration_cast<Millis>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

Answer Spoiled(int status, const char* error, const char* message) {
  return {status, ErrorJson(error, message), error};
}

}  // namespace

// Shared by the io thread and the writer in turn, never at the same time.
struct Desk::Visit {
  Call call;
  ReplyFn reply;
  Fate fate;
  Answer answer;
};

Desk::Desk(boost::asio::io_context& io, Writer& writer, Switches& switches)
    : io_(io), writer_(writer), switches_(switches) {}

void Desk::Handle(Call call, ReplyFn reply) {
  auto visit = std::make_shared<Visit>();
  visit->fate = switches_.Draw(call.direction);
  visit->call = std::move(call);
  visit->reply = std::move(reply);
  boost::asio::post(io_,
                    [this, visit] { Wait(visit->fate.delay, [this, visit] { Perform(visit); }); });
}

void Desk::Perform(const std::shared_ptr<Visit>& visit) {
  const auto work = [this, visit](Book& book) {
    Terms terms;
    terms.now_ms = NowMs();
    terms.capacity = [this](const std::string& pool) { return switches_.CapacityOf(pool); };
    const Fault fault = visit->fate.fault;
    if (fault == Fault::kPending) {
      terms.pending_ms = visit->fate.pending_for.count();
    }
    if (fault == Fault::kFail) {
      visit->answer = Spoiled(503, "unavailable", "told to fail before doing anything");
    } else if (fault == Fault::kRefuse) {
      visit->answer = Spoiled(422, "refused", "told to refuse");
    } else {
      visit->answer = book.Apply(visit->call, terms);
    }
    book.Log(visit->call, visit->answer, FaultName(fault), terms.now_ms);
  };
  const auto done = [this, visit](bool committed) {
    if (!committed) {
      visit->answer = Spoiled(503, "not_written", "the service could not write its file");
      visit->fate.fault = Fault::kNone;
    }
    boost::asio::post(io_, [this, visit] { Deliver(visit); });
  };
  if (!writer_.Submit({work, done})) {
    visit->reply({503, ErrorJson("busy", "the service is stopping or has too much to do"), {}, {}});
  }
}

void Desk::Deliver(const std::shared_ptr<Visit>& visit) {
  Reply reply{visit->answer.status, visit->answer.body, {}, {}};
  if (reply.status == 202) {
    reply.location = OperationLocation(visit->call.direction, visit->call.key);
  }
  switch (visit->fate.fault) {
    case Fault::kFailAfter:
      reply = {503, ErrorJson("unavailable", "told to fail after doing it"), {}, {}};
      break;
    case Fault::kGarbage: reply = {200, {}, "<html>this is { no JSON", {}}; break;
    case Fault::kHang: Wait(visit->fate.hold_for, [visit, reply] { visit->reply(reply); }); return;
    case Fault::kNone:
    case Fault::kFail:
    case Fault::kRefuse:
    case Fault::kPending: break;
  }
  visit->reply(std::move(reply));
}

void Desk::Wait(Millis duration, std::function<void()> then) {
  if (duration.count() == 0 || !waiting_allowed_) {
    then();
    return;
  }
  auto timer = std::make_shared<boost::asio::steady_timer>(io_, duration);
  waits_.insert(timer);
  timer->async_wait([this, timer, then = std::move(then)](boost::system::error_code) {
    waits_.erase(timer);
    then();  // Also when cancelled: whoever waits gets an answer.
  });
}

void Desk::StopWaiting() {
  boost::asio::post(io_, [this] {
    waiting_allowed_ = false;
    for (const auto& timer : waits_) {
      timer->cancel();
    }
  });
}

}  // namespace travel
