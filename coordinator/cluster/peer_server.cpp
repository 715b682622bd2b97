#include "coordinator/cluster/peer_server.h"

#include <algorithm>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "coordinator/cluster/peer_client.h"
#include "runtime/digest.h"
#include "runtime/node/worker.h"

namespace entente::cluster {
namespace {

using runtime::TxnView;

// The duty to answer one message. Shared by whatever may come to do so.
class Reply {
 public:
  Reply(net::Responder responder, PeerSeals& seals, std::string seal)
      : responder_(std::move(responder)), seals_(seals), seal_(std::move(seal)) {}

  void Answer(const pb::Answer& answer) {
    if (std::exchange(answered_, true)) {
      return;
    }
    net::HttpServerResponse response;
    response.body = answer.SerializeAsString();
    response.headers.Add("Content-Type", "application/x-protobuf");
    response.headers.Add(kSealField, seals_.SealAnswer(seal_, response.body));
    std::move(responder_).Respond(std::move(response));
  }
  void Answer(const Status& status) {
    pb::Answer answer;
    SetStatus(status, answer);
    Answer(answer);
  }
  void OnPeerGone(const std::shared_ptr<runtime::Hangup>& hangup) {
    if (responder_.peer_gone()) {
      hangup->Happen();
    } else {
      responder_.OnPeerGone([hangup] { hangup->Happen(); });
    }
  }

 private:
  net::Responder responder_;
  PeerSeals& seals_;
  const std::string seal_;
  bool answered_ = false;
};
using ReplyPtr = std::shared_ptr<Reply>;

runtime::Callback<TxnView> ViewTo(const ReplyPtr& reply) {
  return [reply](const Result<TxnView>& view) {
    pb::Answer answer;
    if (view.ok()) {
      SetView(*view, answer);
    } else {
      SetStatus(view.status(), answer);
    }
    reply->Answer(answer);
  };
}

template <class Created>
pb::Answer CreatedAnswer(const Result<Created>& result) {
  pb::Answer answer;
  if (result.ok()) {
    SetView(result->view, answer);
    answer.set_created(result->created);
  } else {
    SetStatus(result.status(), answer);
  }
  return answer;
}

runtime::Callback<runtime::SubmitReply> CreatedTo(const ReplyPtr& reply) {
  return
      [reply](const Result<runtime::SubmitReply>& result) { reply->Answer(CreatedAnswer(result)); };
}

// Waits until a transaction has more revisions than were seen. On one worker's thread but for what
// the hub calls.
class NewsWaiter : public std::enable_shared_from_this<NewsWaiter> {
 public:
  NewsWaiter(runtime::LocalCoordinator& coordinator, runtime::Worker& worker, Gid gid,
             Sequence seen, ReplyPtr reply)
      : coordinator_(coordinator),
        worker_(worker),
        gid_(std::move(gid)),
        seen_(seen),
        reply_(std::move(reply)) {}

  // Subscribed before it looks: what happens between the two is heard of.
  void Begin(Duration at_most) {
    subscription_ = coordinator_.Subscribe(
        gid_, [weak = weak_from_this(), &worker = worker_](const runtime::SharedEventPtr&) {
          worker.Post([weak] {
            if (const auto self = weak.lock()) {
              self->Look(/*last=*/false);
            }
          });
        });
    Look(/*last=*/false);
    // The coordinator's own clock for waits: it answers when the transaction has ended, or then.
    coordinator_.Get(gid_, runtime::Wait(at_most),
                     [self = shared_from_this()](const Result<TxnView>&) { self->Look(true); });
  }

 private:
  void Look(bool last) {
    coordinator_.Get(gid_, std::nullopt,
                     [self = shared_from_this(), last](const Result<TxnView>& view) {
                       const bool more = view.ok() && view->state->revision > self->seen_;
                       if (more || last || !view.ok()) {
                         ViewTo(self->reply_)(view);
                         self->subscription_.reset();
                       }
                     });
  }

  runtime::LocalCoordinator& coordinator_;
  runtime::Worker& worker_;
  const Gid gid_;
  const Sequence seen_;
  const ReplyPtr reply_;
  std::unique_ptr<runtime::Subscription> subscription_;
};

std::shared_ptr<EventLog> NewEventLog(runtime::LocalCoordinator& coordinator) {
  runtime::Worker& worker = *coordinator.workers().front();
  EventLogSteps steps;
  steps.subscribe = [&coordinator](runtime::EventSink sink) {
    return coordinator.Subscribe(std::nullopt, std::move(sink));
  };
  steps.post = [&worker](std::function<void()> task) { worker.Post(std::move(task)); };
  steps.after = [&worker](Duration pause, std::function<void()> task) {
    auto timer = std::make_shared<boost::asio::steady_timer>(worker.io(), pause);
    timer->async_wait([timer, task = std::move(task)](const boost::system::error_code& error) {
      if (!error) {
        task();
      }
    });
  };
  // Another number than an earlier process's, which cannot be mixed up with 0.
  uint64_t first = 1;
  for (const char c : runtime::RandomBytes(7)) {
    first = (first << 8) | static_cast<unsigned char>(c);
  }
  return std::make_shared<EventLog>(std::move(steps), first);
}

}  // namespace

class PeerServer::Handler final : public net::HttpHandler {
 public:
  explicit Handler(PeerServer& server) : server_(server), coordinator_(server.coordinator_) {}

  void Handle(net::HttpServerRequest request, net::Responder responder) override {
    const std::string seal(request.headers.Find(kSealField).value_or(""));
    if (request.method != "POST" || request.target != kPeerPath) {
      std::move(responder).Respond({404, {}, ""});
      return;
    }
    if (!server_.seals_.Open(seal, request.body).ok()) {
      std::move(responder).Respond({401, {}, ""});
      return;
    }
    const auto reply = std::make_shared<Reply>(std::move(responder), server_.seals_, seal);
    pb::Ask ask;
    if (!ask.ParseFromString(request.body)) {
      reply->Answer(InvalidArgument("cluster.bad_message", "the message can not be read"));
      return;
    }
    Do(ask, reply);
  }

 private:
  template <class T>
  static bool Refused(const Result<T>& request, const ReplyPtr& reply) {
    if (!request.ok()) {
      reply->Answer(request.status());
    }
    return !request.ok();
  }

  void Do(const pb::Ask& ask, const ReplyPtr& reply) {
    const Gid gid(ask.gid());
    switch (ask.what_case()) {
      case pb::Ask::kSubmit: return Submit(ask, reply);
      case pb::Ask::kBegin: return Begin(ask, reply);
      case pb::Ask::kEnlist: return Enlist(gid, ask, reply);
      case pb::Ask::kCommit: return coordinator_.Commit(gid, std::nullopt, ViewTo(reply));
      case pb::Ask::kAbort:
        return coordinator_.Abort(gid, ActorOf(ask.abort()), std::nullopt, ViewTo(reply));
      case pb::Ask::kGet: return Get(gid, ask, reply);
      case pb::Ask::kOperate: return Operate(ask, reply);
      case pb::Ask::kSignal: return Signal(gid, ask, reply);
      case pb::Ask::kComplete: return Complete(ask, reply);
      case pb::Ask::kFollow: return Follow(gid, ask, reply);
      case pb::Ask::kBulk: return server_.hooks_.bulk(ask.bulk(), BackToWorker(reply));
      case pb::Ask::kLook: server_.hooks_.look(); return reply->Answer(Status());
      case pb::Ask::kDefinitionStored:
        server_.hooks_.definition_stored();
        return reply->Answer(Status());
      case pb::Ask::kEvents:
        return server_.events_->Ask(ask.events(), Duration(static_cast<int64_t>(ask.wait_micros())),
                                    BackToWorker(reply));
      case pb::Ask::WHAT_NOT_SET: break;
    }
    reply->Answer(FailedPrecondition(
        "cluster.unknown_message",
        "the node that was asked is of a release that does not know what was asked for"));
  }

  static std::function<void(pb::Answer)> BackToWorker(const ReplyPtr& reply) {
    return [reply, worker = runtime::Worker::Current()](const pb::Answer& answer) {
      worker->Post([reply, answer] { reply->Answer(answer); });
    };
  }

  void Submit(const pb::Ask& ask, const ReplyPtr& reply) {
    if (auto request = SubmitOf(ask); !Refused(request, reply)) {
      coordinator_.Submit(std::move(*request), CreatedTo(reply));
    }
  }
  void Begin(const pb::Ask& ask, const ReplyPtr& reply) {
    if (auto request = BeginOf(ask); !Refused(request, reply)) {
      coordinator_.Begin(std::move(*request), CreatedTo(reply));
    }
  }
  void Enlist(const Gid& gid, const pb::Ask& ask, const ReplyPtr& reply) {
    coordinator_.Enlist(gid, ask.enlist().branch(),
                        [reply](const Result<runtime::EnlistReply>& result,
                                const std::vector<dsl::Problem>& problems) {
                          pb::Answer answer = CreatedAnswer(result);
                          SetProblems(problems, answer);
                          reply->Answer(answer);
                        });
  }
  void Get(const Gid& gid, const pb::Ask& ask, const ReplyPtr& reply) {
    std::optional<runtime::Wait> wait;
    if (ask.wait_micros() > 0) {
      auto hangup = std::make_shared<runtime::Hangup>();
      reply->OnPeerGone(hangup);
      wait.emplace(Duration(static_cast<int64_t>(ask.wait_micros())), std::move(hangup));
    }
    coordinator_.Get(gid, std::move(wait), ViewTo(reply));
  }
  void Operate(const pb::Ask& ask, const ReplyPtr& reply) {
    if (auto request = OperateOf(ask); !Refused(request, reply)) {
      coordinator_.Operate(std::move(*request), ViewTo(reply));
    }
  }
  void Signal(const Gid& gid, const pb::Ask& ask, const ReplyPtr& reply) {
    if (auto request = SignalOf(ask); !Refused(request, reply)) {
      coordinator_.Signal(gid, std::move(*request), ViewTo(reply));
    }
  }
  void Complete(const pb::Ask& ask, const ReplyPtr& reply) {
    if (auto outcome = OutcomeOf(ask); !Refused(outcome, reply)) {
      coordinator_.Complete(ask.complete().token(), std::move(*outcome), ViewTo(reply));
    }
  }
  void Follow(const Gid& gid, const pb::Ask& ask, const ReplyPtr& reply) {
    std::make_shared<NewsWaiter>(coordinator_, *runtime::Worker::Current(), gid,
                                 Sequence(ask.follow().revision()), reply)
        ->Begin(Duration(static_cast<int64_t>(ask.wait_micros())));
  }

  PeerServer& server_;
  runtime::LocalCoordinator& coordinator_;
};

PeerServer::PeerServer(runtime::LocalCoordinator& coordinator, PeerSeals& seals,
                       PeerServerHooks hooks)
    : coordinator_(coordinator),
      seals_(seals),
      hooks_(std::move(hooks)),
      events_(NewEventLog(coordinator)) {}

PeerServer::~PeerServer() = default;

void PeerServer::BeginEvents() {
  events_->Begin();
}

void PeerServer::EndEvents(Duration grace) {
  events_->End(grace);
  events_->Stop();
}

std::unique_ptr<net::HttpHandler> PeerServer::NewHandler() {
  return std::make_unique<Handler>(*this);
}

}  // namespace entente::cluster
