#include "coordinator/cluster/cluster_coordinator.h"

#include <algorithm>
#include <future>
#include <optional>
#include <thread>
#include <utility>

#include "base/limits.h"
#include "runtime/digest.h"
#include "runtime/node/worker.h"
#include "runtime/wall_clock.h"

namespace entente::cluster {
namespace {

using runtime::Callback;
using runtime::SubmitReply;
using runtime::TxnView;

// How long a request that does not wait for an end is kept while its shard is on the move: a
// hand-over is over by then; a node that died is not replaced, and the client is told to come back.
constexpr Duration kPatience = std::chrono::seconds(1);
// A wait at another node is asked for in pieces: whoever asks notices within one that the node is
// gone.
constexpr Duration kWaitPiece = std::chrono::seconds(1);
constexpr Duration kFollowPiece = std::chrono::seconds(5);
// Between two looks at a transaction that is not waited for where it is on the move.
constexpr Duration kBetweenLooks = std::chrono::milliseconds(25);
// How long others have to hear that a definition was stored; then they notice by themselves.
constexpr Duration kTellTime = std::chrono::milliseconds(500);

Instant SoonEnough() {
  return runtime::WallNow() + kPatience;
}

// Where a result is kept until its errand is told to be done.
template <class T>
struct Outcome {
  Result<T> result = Unavailable("shard.lost", "not tried");
};

}  // namespace

struct ClusterCoordinator::Waiting {
  Instant until;
  std::shared_ptr<runtime::Hangup> client;  // May be null.
  std::mutex mutex;
  bool hung_up = false;
  std::shared_ptr<runtime::Hangup> leg;  // Of the wait that is under way here.

  [[nodiscard]] bool is_over() {
    const std::lock_guard lock(mutex);
    return hung_up || runtime::WallNow() >= until;
  }
  [[nodiscard]] Duration left() const { return std::max(until - runtime::WallNow(), Duration(0)); }
  void OnHungUp() {
    std::shared_ptr<runtime::Hangup> waits;
    {
      const std::lock_guard lock(mutex);
      hung_up = true;
      waits = leg;
    }
    if (waits != nullptr) {
      waits->Happen();
    }
  }
  // The next piece of the wait, which the client's hanging up ends too.
  [[nodiscard]] runtime::Wait NextLeg() {
    auto next = std::make_shared<runtime::Hangup>();
    bool ended = false;
    {
      const std::lock_guard lock(mutex);
      leg = next;
      ended = hung_up;
    }
    if (ended) {
      next->Happen();
    }
    return {left(), std::move(next)};
  }
};

ClusterCoordinator::ClusterCoordinator(runtime::LocalCoordinator& local, Members& members,
                                       PeerSeals& seals)
    : local_(local), members_(members) {
  desks_.resize(local_.workers().size());
  OnEachWorker([this, &seals](size_t i) {
    desks_[i].reset(new Desk{PeerClient(local_.workers()[i]->io(), seals), members_,
                             [this](ShardId shard) { return local_.Serves(shard); }});
  });
  gatherer_ = NewGatherer();
}

ClusterCoordinator::~ClusterCoordinator() = default;

void ClusterCoordinator::OnEachWorker(const std::function<void(size_t)>& work) {
  for (size_t i = 0; i < local_.workers().size(); ++i) {
    // Shared: whoever waits may be gone before set_value returns.
    const auto done = std::make_shared<std::promise<void>>();
    local_.workers()[i]->Post([i, &work, done] {
      work(i);
      done->set_value();
    });
    done->get_future().wait();
  }
}

void ClusterCoordinator::Stop() {
  OnEachWorker([this](size_t i) { desks_[i]->client.Stop(); });
}

void ClusterCoordinator::Leave(Duration grace) {
  leaving_ = true;
  local_.BeginLeaving();
  members_.BeginLeaving();
  std::unique_lock lock(released_mutex_);
  released_.wait_for(lock, grace, [this] { return local_.Held().none(); });
}

void ClusterCoordinator::OnReleased() {
  {
    const std::lock_guard lock(released_mutex_);  // Not between the look and the wait for it.
  }
  released_.notify_all();
  pb::Ask ask;
  ask.mutable_look();
  Tell(ask, kTellTime, [] {});
}

void ClusterCoordinator::OnNodesChanged() {
  local_.workers()[0]->Post([gatherer = gatherer_] { gatherer->OnNodes(); });
}

void ClusterCoordinator::OnDesk(const Gid& gid, std::function<void(Desk&)> work) {
  const auto& workers = local_.workers();
  if (const runtime::Worker* current = runtime::Worker::Current()) {
    work(*desks_[current->index()]);
    return;
  }
  const size_t index = runtime::Ownership::WorkerOf(ShardOf(gid), workers.size());
  workers[index]->Post([this, index, work = std::move(work)] { work(*desks_[index]); });
}

ClusterCoordinator::WaitingPtr ClusterCoordinator::Begin(std::optional<runtime::Wait> wait) {
  if (!wait) {
    return nullptr;
  }
  auto waiting = std::make_shared<Waiting>();
  waiting->until = runtime::WallNow() + std::min(wait->at_most, limits::kMaxWait);
  waiting->client = std::move(wait->hangup);
  if (waiting->client != nullptr) {
    waiting->client->OnHappened([weak = std::weak_ptr(waiting)] {
      if (const WaitingPtr still = weak.lock()) {
        still->OnHungUp();
      }
    });
  }
  return waiting;
}

void ClusterCoordinator::DoForView(const Gid& gid, Repeatable repeatable, Instant until,
                                   std::function<void(Callback<TxnView>)> here,
                                   std::function<pb::Ask(Duration)> ask, Callback<TxnView> done,
                                   std::function<void(const pb::Answer&)> heard) {
  OnDesk(gid, [this, gid, repeatable, until, here = std::move(here), ask = std::move(ask),
               done = std::move(done), heard = std::move(heard)](Desk& desk) {
    const auto kept = std::make_shared<Outcome<TxnView>>();
    ErrandSteps steps;
    steps.here = [kept, here](const std::function<void(Status)>& ended) {
      here([kept, ended](Result<TxnView> view) {
        kept->result = std::move(view);
        ended(kept->result.status());
      });
    };
    steps.ask = ask;
    steps.take = [this, gid, kept, heard](const pb::Answer& answer,
                                          const std::function<void(Status)>& ended) {
      if (heard) {
        heard(answer);
      }
      local_.ReadStored(gid, Sequence(answer.revision()), answer.quarantined(),
                        [kept, ended](Result<TxnView> view) {
                          kept->result = std::move(view);
                          ended(kept->result.status());
                        });
    };
    steps.done = [kept, done](const Status& status) {
      status.ok() ? done(std::move(kept->result)) : done(status);
    };
    RunErrand(desk, ShardOf(gid), repeatable, until, std::move(steps));
  });
}

void ClusterCoordinator::DoForReply(const Gid& gid, Instant until,
                                    std::function<void(Callback<SubmitReply>)> here, pb::Ask ask,
                                    Callback<SubmitReply> done) {
  const auto created = std::make_shared<bool>(false);
  DoForView(
      gid, Repeatable::kYes, until,
      [here = std::move(here), created](const Callback<TxnView>& answer) {
        here([answer, created](Result<SubmitReply> reply) {
          if (!reply.ok()) {
            answer(reply.status());
            return;
          }
          *created = *created || reply->created;
          answer(std::move(reply->view));
        });
      },
      [ask = std::move(ask)](Duration) { return ask; },
      [created, done = std::move(done)](Result<TxnView> view) {
        view.ok() ? done(SubmitReply{std::move(view).value(), *created}) : done(view.status());
      },
      // What was created at a try whose view could not be read yet, the next one finds there.
      [created](const pb::Answer& answer) { *created = *created || answer.created(); });
}

// A wait that was answered before its time, because the shard is on its way to another node, is
// asked for again where the transaction is by then.
void ClusterCoordinator::AwaitEnd(const Gid& gid, const WaitingPtr& waiting, Result<TxnView> view,
                                  Callback<TxnView> done) {
  const bool has_ended = !view.ok() || view->state->finished() || !view->quarantine.empty();
  if (waiting == nullptr || has_ended || leaving_ || waiting->is_over()) {
    done(std::move(view));
    return;
  }
  OnDesk(gid, [this, gid, waiting, view = std::move(view), done = std::move(done)](Desk& desk) {
    // Not in a circle without a pause: a shard that drains answers at once.
    desk.client.After(kBetweenLooks, [this, gid, waiting, view, done] {
      GetOnce(gid, waiting, [this, gid, waiting, view, done](Result<TxnView> next) {
        // It was accepted, and how far it was is known: that is not forgotten for a failure now.
        AwaitEnd(gid, waiting, !next.ok() && waiting->is_over() ? view : std::move(next), done);
      });
    });
  });
}

// For at most one piece of the wait, if there is one.
void ClusterCoordinator::GetOnce(const Gid& gid, const WaitingPtr& waiting,
                                 Callback<TxnView> done) {
  const Instant until = waiting == nullptr ? SoonEnough() : std::max(waiting->until, SoonEnough());
  DoForView(
      gid, Repeatable::kReads, until,
      [this, gid, waiting](Callback<TxnView> answer) {
        local_.Get(gid, waiting == nullptr ? std::nullopt : std::optional(waiting->NextLeg()),
                   std::move(answer));
      },
      [gid, waiting](Duration) {
        pb::Ask ask;
        ask.set_gid(gid.str());
        ask.mutable_get();
        if (waiting != nullptr && !waiting->is_over()) {
          ask.set_wait_micros(static_cast<uint64_t>(std::min(waiting->left(), kWaitPiece).count()));
        }
        return ask;
      },
      std::move(done));
}

// In a shard that this node does not drive, as another one does.
Gid ClusterCoordinator::NewGid() const {
  const auto number = [](std::string_view bytes) {
    uint64_t value = 0;
    for (const char c : bytes) {
      value = (value << 8) | static_cast<unsigned char>(c);
    }
    return value;
  };
  const std::string bytes = runtime::RandomBytes(16);
  return Gid(FormatUuidV7(static_cast<uint64_t>(ToMicros(runtime::WallNow()) / 1000),
                          number(std::string_view(bytes).substr(0, 8)),
                          number(std::string_view(bytes).substr(8))));
}

void ClusterCoordinator::Submit(runtime::SubmitRequest request, Callback<SubmitReply> done) {
  const WaitingPtr waiting = Begin(std::exchange(request.wait, std::nullopt));
  const auto kept = std::make_shared<runtime::SubmitRequest>(std::move(request));
  // The end is waited for by whoever drives it, once it is accepted.
  const auto accepted = [this, waiting, done](Result<SubmitReply> reply) {
    if (!reply.ok()) {
      done(reply.status());
      return;
    }
    const bool is_new = reply->created;
    const Gid gid = reply->view.state->gid;
    AwaitEnd(gid, waiting, std::move(reply->view), [is_new, done](Result<TxnView> view) {
      view.ok() ? done(SubmitReply{std::move(view).value(), is_new}) : done(view.status());
    });
  };
  const auto forward = [this, kept, waiting, accepted] {
    const Instant until =
        waiting == nullptr ? SoonEnough() : std::max(waiting->until, SoonEnough());
    if (!kept->gid) {
      kept->gid = NewGid();
    }
    DoForReply(
        *kept->gid, until,
        [this, kept, waiting](Callback<SubmitReply> answer) {
          runtime::SubmitRequest again = *kept;
          if (waiting != nullptr) {
            again.wait = waiting->NextLeg();
          }
          local_.Submit(std::move(again), std::move(answer));
        },
        AskOf(*kept), accepted);
  };
  if (kept->gid && ValidateGid(kept->gid->str()).ok()) {
    forward();
    return;
  }
  // Any shard of this node's will do; if it has none just now, any other node's.
  runtime::SubmitRequest first = *kept;
  if (waiting != nullptr) {
    first.wait = waiting->NextLeg();
  }
  local_.Submit(std::move(first), [accepted, forward](Result<SubmitReply> reply) {
    if (!reply.ok() && IsOnTheMove(reply.status())) {
      forward();
    } else {
      accepted(std::move(reply));
    }
  });
}

void ClusterCoordinator::Begin(runtime::BeginRequest request, Callback<SubmitReply> done) {
  const auto kept = std::make_shared<runtime::BeginRequest>(std::move(request));
  const auto forward = [this, kept, done] {
    if (!kept->gid) {
      kept->gid = NewGid();
    }
    DoForReply(
        *kept->gid, SoonEnough(),
        [this, kept](Callback<SubmitReply> answer) { local_.Begin(*kept, std::move(answer)); },
        AskOf(*kept), done);
  };
  if (kept->gid && ValidateGid(kept->gid->str()).ok()) {
    forward();
    return;
  }
  local_.Begin(*kept, [done, forward](Result<SubmitReply> reply) {
    if (!reply.ok() && IsOnTheMove(reply.status())) {
      forward();
    } else {
      done(std::move(reply));
    }
  });
}

void ClusterCoordinator::Enlist(
    const Gid& gid, std::string branch,
    std::function<void(Result<runtime::EnlistReply>, std::vector<dsl::Problem>)> done) {
  OnDesk(gid, [this, gid, branch = std::move(branch), done = std::move(done)](Desk& desk) {
    struct Kept {
      Result<runtime::EnlistReply> reply = Unavailable("shard.lost", "not tried");
      std::vector<dsl::Problem> problems;
      bool created = false;  // At any try: the next one finds it there.
    };
    const auto kept = std::make_shared<Kept>();
    ErrandSteps steps;
    steps.here = [this, gid, branch, kept](const std::function<void(Status)>& ended) {
      local_.Enlist(
          gid, branch,
          [kept, ended](Result<runtime::EnlistReply> reply, std::vector<dsl::Problem> problems) {
            kept->reply = std::move(reply);
            kept->problems = std::move(problems);
            ended(kept->reply.status());
          });
    };
    steps.ask = [gid, branch](Duration) {
      pb::Ask ask;
      ask.set_gid(gid.str());
      ask.mutable_enlist()->set_branch(branch);
      return ask;
    };
    steps.take = [this, gid, kept](const pb::Answer& answer,
                                   const std::function<void(Status)>& ended) {
      kept->created = kept->created || answer.created();
      local_.ReadStored(
          gid, Sequence(answer.revision()), answer.quarantined(),
          [kept, ended](Result<TxnView> view) {
            kept->reply = view.ok() ? Result(runtime::EnlistReply{std::move(*view), kept->created})
                                    : view.status();
            ended(kept->reply.status());
          });
    };
    steps.refused = [kept](const pb::Answer& answer) { kept->problems = ProblemsOf(answer); };
    steps.done = [kept, done](const Status& status) {
      done(status.ok() ? std::move(kept->reply) : Result<runtime::EnlistReply>(status),
           std::move(kept->problems));
    };
    RunErrand(desk, ShardOf(gid), Repeatable::kYes, SoonEnough(), std::move(steps));
  });
}

void ClusterCoordinator::Commit(const Gid& gid, std::optional<runtime::Wait> wait,
                                Callback<TxnView> done) {
  const WaitingPtr waiting = Begin(std::move(wait));
  DoForView(
      gid, Repeatable::kYes, SoonEnough(),
      [this, gid](Callback<TxnView> answer) {
        local_.Commit(gid, std::nullopt, std::move(answer));
      },
      [gid](Duration) {
        pb::Ask ask;
        ask.set_gid(gid.str());
        ask.mutable_commit();
        return ask;
      },
      [this, gid, waiting, done = std::move(done)](Result<TxnView> view) {
        AwaitEnd(gid, waiting, std::move(view), done);
      });
}

void ClusterCoordinator::Abort(const Gid& gid, engine::Actor actor,
                               std::optional<runtime::Wait> wait, Callback<TxnView> done) {
  const WaitingPtr waiting = Begin(std::move(wait));
  DoForView(
      gid, Repeatable::kYes, SoonEnough(),
      [this, gid, actor](Callback<TxnView> answer) {
        local_.Abort(gid, actor, std::nullopt, std::move(answer));
      },
      [gid, actor](Duration) {
        pb::Ask ask;
        ask.set_gid(gid.str());
        ask.mutable_abort()->set_name(actor.name);
        ask.mutable_abort()->set_reason(actor.reason);
        return ask;
      },
      [this, gid, waiting, done = std::move(done)](Result<TxnView> view) {
        AwaitEnd(gid, waiting, std::move(view), done);
      });
}

void ClusterCoordinator::Get(const Gid& gid, std::optional<runtime::Wait> wait,
                             Callback<TxnView> done) {
  const WaitingPtr waiting = Begin(std::move(wait));
  GetOnce(gid, waiting, [this, gid, waiting, done = std::move(done)](Result<TxnView> view) {
    AwaitEnd(gid, waiting, std::move(view), done);
  });
}

// How far it is durable only the node that drives it knows.
void ClusterCoordinator::GetHistory(const Gid& gid, Callback<runtime::History> done) {
  AfterFirstLooks(gid, [this, gid, done = std::move(done)] {
    if (!local_.Serves(ShardOf(gid))) {
      GetHistoryElsewhere(gid, done);
      return;
    }
    local_.GetHistory(gid, [this, gid, done](Result<runtime::History> history) {
      if (!history.ok() && IsOnTheMove(history.status())) {
        GetHistoryElsewhere(gid, done);
      } else {
        done(std::move(history));
      }
    });
  });
}

void ClusterCoordinator::GetHistoryElsewhere(const Gid& gid, Callback<runtime::History> done) {
  GetOnce(gid, nullptr, [this, gid, done = std::move(done)](const Result<TxnView>& view) {
    if (!view.ok()) {
      done(view.status());
    } else {
      local_.ReadStoredHistory(gid, view->state->revision, done);
    }
  });
}

void ClusterCoordinator::List(storage::Filter filter, storage::Page page,
                              Callback<storage::SummaryPage> done) {
  local_.List(std::move(filter), std::move(page), std::move(done));
}

void ClusterCoordinator::Operate(runtime::OperatorRequest request, Callback<TxnView> done) {
  using Verb = runtime::OperatorRequest::Verb;
  // What decides names the revision it was decided upon: done twice it is refused, which would hide
  // that it was done.
  const bool repeatable = request.verb == Verb::kCancel || request.verb == Verb::kPause ||
                          request.verb == Verb::kResume;
  const Gid gid = request.gid;
  pb::Ask ask = AskOf(request);
  DoForView(
      gid, repeatable && !request.expected_revision ? Repeatable::kYes : Repeatable::kNo,
      SoonEnough(),
      [this, request = std::move(request)](Callback<TxnView> answer) {
        local_.Operate(request, std::move(answer));
      },
      [ask = std::move(ask)](Duration) { return ask; }, std::move(done));
}

void ClusterCoordinator::Signal(const Gid& gid, runtime::SignalRequest request,
                                Callback<TxnView> done) {
  pb::Ask ask = AskOf(gid, request);
  DoForView(
      gid, request.id.empty() ? Repeatable::kNo : Repeatable::kYes, SoonEnough(),
      [this, gid, request = std::move(request)](Callback<TxnView> answer) {
        local_.Signal(gid, request, std::move(answer));
      },
      [ask = std::move(ask)](Duration) { return ask; }, std::move(done));
}

void ClusterCoordinator::Complete(std::string token,
                                  std::variant<engine::ReplyDone, engine::ReplyRefused> outcome,
                                  Callback<TxnView> done) {
  const std::optional<Gid> gid = local_.GidOf(token);
  if (!gid) {
    local_.Complete(std::move(token), std::move(outcome), std::move(done));  // Refuses it.
    return;
  }
  pb::Ask ask = AskOf(token, outcome);
  ask.set_gid(gid->str());
  DoForView(
      *gid, Repeatable::kYes, SoonEnough(),
      [this, token, outcome](Callback<TxnView> answer) {
        local_.Complete(token, outcome, std::move(answer));
      },
      [ask = std::move(ask)](Duration) { return ask; }, std::move(done));
}

// Asks all others at once, and waits for their answers, but no longer than `at_most`.
void ClusterCoordinator::Tell(const pb::Ask& ask, Duration at_most, std::function<void()> done) {
  OnDesk(Gid(), [this, ask, at_most, done = std::move(done)](Desk& desk) {
    const auto left = std::make_shared<size_t>(1);
    const auto one_less = [left, done] {
      if (--*left == 0) {
        done();
      }
    };
    for (const Peer& peer : members_.Others()) {
      ++*left;
      desk.client.Ask(peer, ask, at_most, [one_less](const Result<pb::Answer>&) { one_less(); });
    }
    one_less();
  });
}

// Whoever is told that it is stored may use it at any node.
void ClusterCoordinator::PutDefinition(
    std::string name, std::string source,
    std::function<void(Result<storage::DefinitionRow>, std::vector<dsl::Problem>)> done) {
  local_.PutDefinition(
      std::move(name), std::move(source),
      [this, done = std::move(done)](Result<storage::DefinitionRow> row,
                                     std::vector<dsl::Problem> problems) {
        if (!row.ok()) {
          done(std::move(row), std::move(problems));
          return;
        }
        pb::Ask ask;
        ask.mutable_definition_stored();
        Tell(ask, kTellTime,
             [done, row = std::move(row), problems = std::move(problems)] { done(row, problems); });
      });
}

void ClusterCoordinator::ValidateDefinition(std::string source,
                                            std::function<void(std::vector<dsl::Problem>)> done) {
  local_.ValidateDefinition(std::move(source), std::move(done));
}

void ClusterCoordinator::GetDefinition(std::string name, std::optional<uint32_t> version,
                                       Callback<storage::DefinitionRow> done) {
  local_.GetDefinition(std::move(name), version, std::move(done));
}

void ClusterCoordinator::ListDefinitions(std::optional<std::string> name,
                                         Callback<std::vector<storage::DefinitionRow>> done) {
  local_.ListDefinitions(std::move(name), std::move(done));
}

void ClusterCoordinator::AskOwner(ShardId shard, pb::Ask ask,
                                  std::function<void(std::function<void(pb::Answer)>)> here,
                                  std::function<void(Result<pb::Answer>)> done) {
  OnDesk(Gid(),
         [shard, ask = std::move(ask), here = std::move(here), done = std::move(done)](Desk& desk) {
           const auto kept = std::make_shared<pb::Answer>();
           const auto worker = runtime::Worker::Current();
           ErrandSteps steps;
           steps.here = [kept, here, worker](const std::function<void(Status)>& ended) {
             here([kept, ended, worker](const pb::Answer& answer) {
               worker->Post([kept, ended, answer] {
                 *kept = answer;
                 ended(StatusOf(answer));
               });
             });
           };
           steps.ask = [ask](Duration) { return ask; };
           steps.take = [kept](const pb::Answer& answer, const std::function<void(Status)>& ended) {
             *kept = answer;
             ended(Status());
           };
           steps.done = [kept, done](const Status& status) {
             status.ok() ? done(std::move(*kept)) : done(status);
           };
           RunErrand(desk, shard, Repeatable::kNo, SoonEnough(), std::move(steps));
         });
}

namespace {

class Following final : public runtime::Subscription {
 public:
  Following(std::shared_ptr<Follower> follower, std::unique_ptr<runtime::Subscription> live)
      : follower_(std::move(follower)), live_(std::move(live)) {}
  ~Following() override { follower_->Stop(); }
  Following(const Following&) = delete;
  Following& operator=(const Following&) = delete;

 private:
  std::shared_ptr<Follower> follower_;
  std::unique_ptr<runtime::Subscription> live_;
};

}  // namespace

// Calls back on the worker that asked, if one did: as everything of a Coordinator.
void ClusterCoordinator::AfterFirstLooks(const Gid& gid, std::function<void()> work) {
  {
    const std::lock_guard lock(looks_mutex_);
    if (const auto found = looks_.find(gid); found != looks_.end()) {
      runtime::Worker* origin = runtime::Worker::Current();
      found->second.after.push_back([origin, work = std::move(work)] {
        origin == nullptr || origin == runtime::Worker::Current() ? work() : origin->Post(work);
      });
      return;
    }
  }
  work();
}

void ClusterCoordinator::OnFirstLook(const Gid& gid) {
  std::vector<std::function<void()>> after;
  {
    const std::lock_guard lock(looks_mutex_);
    const auto found = looks_.find(gid);
    if (--found->second.under_way > 0) {
      return;
    }
    after = std::move(found->second.after);
    looks_.erase(found);
  }
  for (const auto& work : after) {
    work();
  }
}

std::shared_ptr<Follower> ClusterCoordinator::NewFollower(const Gid& gid, runtime::EventSink sink) {
  FollowerSteps steps;
  steps.look = [this, gid](Callback<TxnView> done) { GetOnce(gid, nullptr, std::move(done)); };
  steps.await = [this, gid](Sequence seen, Callback<TxnView> done) {
    DoForView(
        gid, Repeatable::kReads, SoonEnough(),
        // Here the hub tells; the end is waited for only to notice that the transaction moves.
        [this, gid](Callback<TxnView> answer) {
          local_.Get(gid, runtime::Wait(kFollowPiece), std::move(answer));
        },
        [gid, seen](Duration) {
          pb::Ask ask;
          ask.set_gid(gid.str());
          ask.mutable_follow()->set_revision(seen.value());
          ask.set_wait_micros(static_cast<uint64_t>(kFollowPiece.count()));
          return ask;
        },
        std::move(done));
  };
  steps.read = [this, gid](Sequence revision, Callback<runtime::History> done) {
    local_.ReadStoredHistory(gid, revision, std::move(done));
  };
  steps.later = [this, gid](std::function<void()> task) {
    OnDesk(gid, [task = std::move(task)](Desk& desk) { desk.client.After(kBetweenLooks, task); });
  };
  return std::make_shared<Follower>(std::move(steps), std::move(sink));
}

std::unique_ptr<runtime::Subscription> ClusterCoordinator::Subscribe(std::optional<Gid> gid,
                                                                     runtime::EventSink sink) {
  if (!gid) {
    return local_.Subscribe(std::nullopt, std::move(sink));
  }
  const std::shared_ptr<Follower> follower = NewFollower(*gid, std::move(sink));
  auto live = local_.Subscribe(
      *gid, [weak = std::weak_ptr(follower)](const runtime::SharedEventPtr& event) {
        if (const auto self = weak.lock()) {
          self->OnLive(event);
        }
      });
  {
    const std::lock_guard lock(looks_mutex_);
    ++looks_[*gid].under_way;
  }
  follower->Begin([this, gid = *gid] { OnFirstLook(gid); });
  return std::make_unique<Following>(follower, std::move(live));
}

std::shared_ptr<EventGatherer> ClusterCoordinator::NewGatherer() {
  PeerClient& client = desks_[0]->client;
  GathererSteps steps;
  steps.self = members_.id();
  steps.others = [this] { return members_.Others(); };
  steps.ask = [&client](const Peer& peer, const pb::Ask& ask, Duration timeout,
                        std::function<void(Result<pb::Answer>)> done) {
    client.Ask(peer, ask, timeout, std::move(done));
  };
  steps.after = [&client](Duration pause, std::function<void()> task) {
    client.After(pause, std::move(task));
  };
  steps.watched = [this] { return elsewhere_.has_subscribers(); };
  steps.tell = [this](runtime::TxnEvent event) { elsewhere_.Publish(std::move(event)); };
  steps.lose = [this] { elsewhere_.Lose(); };
  return std::make_shared<EventGatherer>(std::move(steps));
}

namespace {

// Of what happens here and elsewhere, which two threads tell: the sink is called by one at a time.
class Everywhere final : public runtime::Subscription {
 public:
  Everywhere(std::unique_ptr<runtime::Subscription> here,
             std::unique_ptr<runtime::Subscription> elsewhere)
      : here_(std::move(here)), elsewhere_(std::move(elsewhere)) {}

 private:
  std::unique_ptr<runtime::Subscription> here_;
  std::unique_ptr<runtime::Subscription> elsewhere_;
};

}  // namespace

std::unique_ptr<runtime::Subscription> ClusterCoordinator::SubscribeEverywhere(
    runtime::EventSink sink, std::function<void()> begun) {
  const auto mutex = std::make_shared<std::mutex>();
  const runtime::EventSink one_at_a_time =
      [mutex, sink = std::move(sink)](const runtime::SharedEventPtr& event) {
        const std::lock_guard lock(*mutex);
        sink(event);
      };
  auto subscription =
      std::make_unique<Everywhere>(local_.Subscribe(std::nullopt, one_at_a_time),
                                   elsewhere_.Subscribe(std::nullopt, one_at_a_time));
  runtime::Worker* origin = runtime::Worker::Current();
  local_.workers()[0]->Post([gatherer = gatherer_, origin, begun = std::move(begun)] {
    gatherer->Watch([origin, begun] {
      origin == nullptr || origin == runtime::Worker::Current() ? begun() : origin->Post(begun);
    });
  });
  return subscription;
}

std::vector<runtime::ParticipantStats> ClusterCoordinator::Participants() {
  return local_.Participants();
}

runtime::Health ClusterCoordinator::GetHealth() {
  runtime::Health health = local_.GetHealth();
  if (!health.ready) {
    return health;
  }
  const ViewPtr view = members_.view();
  const runtime::ShardSet missing = view->share & ~local_.Served();
  if (missing.any()) {
    health.ready = false;
    health.reason = "taking over: " + std::to_string(missing.count()) + " of " +
                    std::to_string(view->share.count()) + " shards are not served yet";
  }
  return health;
}

runtime::Metrics ClusterCoordinator::GetMetrics() {
  return local_.GetMetrics();
}

}  // namespace entente::cluster
