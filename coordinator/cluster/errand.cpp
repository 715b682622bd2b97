#include "coordinator/cluster/errand.h"

#include <algorithm>

#include "runtime/shard/shard.h"
#include "runtime/wall_clock.h"

namespace entente::cluster {
namespace {

constexpr Duration kFirstBreak = std::chrono::milliseconds(10);
constexpr Duration kLongestBreak = std::chrono::milliseconds(50);
// A node that does not answer for this long is asked again, or whoever has the shard by then.
// Beside what it was asked to wait.
constexpr Duration kAnswerTime = std::chrono::seconds(1);

class Errand : public std::enable_shared_from_this<Errand> {
 public:
  Errand(Desk& desk, ShardId shard, Repeatable repeatable, Instant until, ErrandSteps steps)
      : desk_(desk),
        shard_(shard),
        repeatable_(repeatable),
        until_(until),
        steps_(std::move(steps)) {}

  void Try() {
    const auto self = shared_from_this();
    const auto ended = [self](const Status& status) { self->OnEnded(status); };
    if (desk_.serves(shard_)) {
      steps_.here(ended);
      return;
    }
    const std::optional<Peer> owner = desk_.members.OwnerOf(shard_);
    if (!owner) {
      OnEnded(runtime::ShardLost(shard_));
    } else if (owner->id == desk_.members.id()) {
      steps_.here(ended);  // On its way in or out: it may be able to tell something all the same.
    } else {
      Ask(*owner, ended);
    }
  }

 private:
  void Ask(const Peer& owner, const std::function<void(Status)>& ended) {
    const Duration left = std::max(until_ - runtime::WallNow(), Duration(0));
    const pb::Ask ask = steps_.ask(left);
    const Duration time = kAnswerTime + Duration(static_cast<int64_t>(ask.wait_micros()));
    desk_.client.Ask(owner, ask, time,
                     [self = shared_from_this(), ended](const Result<pb::Answer>& answer) {
                       const Status status = answer.ok() ? StatusOf(*answer) : answer.status();
                       if (status.ok()) {
                         self->steps_.take(*answer, ended);
                         return;
                       }
                       if (answer.ok() && self->steps_.refused) {
                         self->steps_.refused(*answer);
                       }
                       ended(status);
                     });
  }

  void OnEnded(const Status& status) {
    const bool may_be_repeated =
        IsOnTheMove(status) ||
        (repeatable_ != Repeatable::kNo && status.code() == StatusCode::kUnknownOutcome);
    if (status.code() == StatusCode::kUnknownOutcome) {
      doubt_ = repeatable_ == Repeatable::kReads ? Unavailable(status.reason(), status.message())
                                                 : status;
    }
    const bool in_time = runtime::WallNow() + pause_ < until_;
    if (status.ok() || !may_be_repeated || !in_time) {
      // That nothing was done at the last try says nothing of the ones before.
      steps_.done(may_be_repeated && !doubt_.ok() ? doubt_ : status);
      return;
    }
    desk_.members.Look();
    desk_.client.After(pause_, [self = shared_from_this()] { self->Try(); });
    pause_ = std::min(2 * pause_, kLongestBreak);
  }

  Desk& desk_;
  const ShardId shard_;
  const Repeatable repeatable_;
  const Instant until_;
  const ErrandSteps steps_;
  Duration pause_ = kFirstBreak;
  Status doubt_;  // Of a try that may have done it, if there was one.
};

}  // namespace

bool IsOnTheMove(const Status& failure) {
  if (failure.code() != StatusCode::kUnavailable) {
    return false;
  }
  const std::string& reason = failure.reason();
  return reason == "shard.lost" || reason == "coordinator.recovering" ||
         reason == "coordinator.draining" || reason == "cluster.unreachable" ||
         reason == "store.behind";
}

void RunErrand(Desk& desk, ShardId shard, Repeatable repeatable, Instant until, ErrandSteps steps) {
  std::make_shared<Errand>(desk, shard, repeatable, until, std::move(steps))->Try();
}

}  // namespace entente::cluster
