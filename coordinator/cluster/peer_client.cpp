#include "coordinator/cluster/peer_client.h"

#include <utility>
#include <variant>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "net/http/http_client.h"

namespace entente::cluster {
namespace {

net::HttpClientOptions ClientOptions() {
  net::HttpClientOptions options;
  options.connect_timeout = std::chrono::seconds(1);
  options.max_body_bytes = size_t{16} << 20;  // A list of bulk actions with all their refusals.
  // One connection carries one call at a time.
  options.max_idle_per_origin = 64;
  return options;
}

Status Unreachable(const Peer& peer, const std::string& why) {
  return Unavailable("cluster.unreachable", "node " + peer.id + " at " + peer.address +
                                                " can not be asked: " + why +
                                                "; try again shortly");
}

Status NoAnswer(const Peer& peer, const std::string& why) {
  return UnknownOutcome("cluster.no_answer",
                        "node " + peer.id + " was asked and has not answered: " + why +
                            "; it may have done it or not, so look, or ask for the same again");
}

}  // namespace

struct PeerClient::Impl {
  Impl(boost::asio::io_context& on, PeerSeals& with)
      : io(on), seals(with), http(on, ClientOptions()) {}

  // What an answer of the peer's server comes to.
  Result<pb::Answer> Read(const Peer& peer, const std::string& seal,
                          const net::HttpOutcome& outcome) const {
    if (const auto* error = std::get_if<net::CallError>(&outcome)) {
      return error->failure == net::CallFailure::kNotSent ||
                     error->failure == net::CallFailure::kInvalidRequest
                 ? Unreachable(peer, error->message)
                 : NoAnswer(peer, error->message);
    }
    const auto& response = std::get<net::HttpResponse>(outcome);
    const auto answer_seal = response.headers.Find(kSealField);
    if (!answer_seal || !seals.IsAnswerTo(seal, *answer_seal, response.body)) {
      // What is not a node of ours has done nothing.
      return Unreachable(peer,
                         "what is there does not know this cluster's secret, or is another "
                         "process (HTTP status " +
                             std::to_string(response.status) + ")");
    }
    pb::Answer answer;
    if (!answer.ParseFromString(response.body)) {
      return NoAnswer(peer, "its answer can not be read");
    }
    return answer;
  }

  boost::asio::io_context& io;
  PeerSeals& seals;
  net::HttpClient http;
};

PeerClient::PeerClient(boost::asio::io_context& io, PeerSeals& seals)
    : impl_(std::make_shared<Impl>(io, seals)) {}

PeerClient::~PeerClient() = default;

void PeerClient::Stop() {
  impl_.reset();
}

void PeerClient::Ask(const Peer& peer, const pb::Ask& ask, Duration timeout,
                     std::function<void(Result<pb::Answer>)> done) {
  if (impl_ == nullptr) {
    return;
  }
  auto url = net::ParseUrl("http://" + peer.address + kPeerPath);
  if (!url.ok()) {
    After(Duration(0), [done = std::move(done),
                        failed = Unreachable(peer, url.status().message())] { done(failed); });
    return;
  }
  net::HttpRequest request;
  request.url = std::move(*url);
  request.body = ask.SerializeAsString();
  std::string seal = impl_->seals.Seal(peer.id, request.body);
  request.headers.Add("Content-Type", "application/x-protobuf");
  request.headers.Add(kSealField, seal);
  impl_->http.Call(std::move(request), timeout,
                   [weak = std::weak_ptr(impl_), peer, seal = std::move(seal),
                    done = std::move(done)](const net::HttpOutcome& outcome) {
                     if (const auto impl = weak.lock()) {
                       done(impl->Read(peer, seal, outcome));
                     }
                   });
}

void PeerClient::After(Duration pause, std::function<void()> task) {
  if (impl_ == nullptr) {
    return;
  }
  auto timer = std::make_shared<boost::asio::steady_timer>(impl_->io, pause);
  timer->async_wait([weak = std::weak_ptr(impl_), timer,
                     task = std::move(task)](const boost::system::error_code& error) {
    if (!error && weak.lock() != nullptr) {
      task();
    }
  });
}

}  // namespace entente::cluster
