#include "entente/participant_server.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <list>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_set>
#include <utility>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include "net/core/tls_files.h"
#include "net/http/http_server.h"
#include "net/http/server_load.h"
#include "participant-sdk/src/participant/await.h"

namespace entente::sdk {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using SteadyInstant = std::chrono::steady_clock::time_point;

HttpRequest FromNet(net::HttpServerRequest request) {
  HttpRequest result{
      std::move(request.method), std::move(request.target), {}, std::move(request.body)};
  for (size_t i = 0; i < request.headers.size(); ++i) {
    result.headers.emplace_back(request.headers.name(i), request.headers.value(i));
  }
  return result;
}

net::HttpServerResponse ToNet(HttpResponse response) {
  net::HttpServerResponse result{response.status, {}, std::move(response.body)};
  for (const auto& [name, value] : response.headers) {
    result.headers.Add(name, value);
  }
  return result;
}

net::HttpServerResponse Document(int status, const char* type, const Json& body) {
  return {status, {{"Content-Type", type}}, DumpJson(body)};
}

net::HttpServerResponse Refusal(int status, const char* code, const char* detail) {
  return Document(status, "application/problem+json",
                  Json{{"status", status}, {"code", code}, {"detail", detail}});
}

std::string_view PathOf(std::string_view target) {
  return target.substr(0, target.find('?'));
}

// Whether a request finishes or undoes what others may be waiting for.
bool Settles(std::string_view target) {
  const std::string_view path = PathOf(target);
  const auto operation = ParseOperation(path.substr(path.rfind('/') + 1));
  return operation && PurposeOf(*operation) != Purpose::kForward;
}

// A deadline that can not be read is for the participant to refuse.
std::optional<SteadyInstant> GiveUpAt(const net::HttpServerRequest& request) {
  const auto deadline =
      ParseDeadline(std::string(request.headers.Find("Entente-Deadline").value_or("")));
  return sdk::GiveUpAt(deadline.ok() ? *deadline : std::nullopt);
}

}  // namespace

class HttpServer::Impl final : private net::HttpHandler {
 public:
  Impl(const Participant& participant, const ServerOptions& options)
      : participant_(participant),
        options_(options),
        threads_(std::max<size_t>(1, options.threads)),
        max_forward_(threads_ - std::min(threads_ - 1, options.reserved_threads)),
        keep_running_(io_.get_executor()),
        workers_(threads_) {
    link_->impl = this;
  }

  Status Listen() {
    error_code error;
    asio::ip::make_address(options_.address, error);
    if (error) {
      return InvalidArgument("server.bad_address",
                             "'" + options_.address + "' is not an IP address to listen on");
    }
    ENTENTE_RETURN_IF_ERROR(OpenTls());
    server_.emplace(io_, static_cast<net::HttpHandler&>(*this), NetOptions());
    const Result<uint16_t> port = server_->Listen(options_.address, options_.port, false);
    if (!port.ok()) {
      return Unavailable("server.cannot_listen", port.status().message());
    }
    port_ = *port;
    thread_ = std::thread([this] { io_.run(); });
    return Status();
  }

  uint16_t port() const { return port_; }

  std::string url() const {
    const bool v6 = options_.address.find(':') != std::string::npos;
    const std::string host = v6 ? "[" + options_.address + "]" : options_.address;
    return (tls_ == nullptr ? "http://" : "https://") + host + ":" + std::to_string(port_);
  }

  Status tls_status() const {
    const std::lock_guard lock(tls_mutex_);
    return tls_status_;
  }

  void Stop(Duration grace) {
    const std::lock_guard lock(stopping_mutex_);
    if (!thread_.joinable()) {
      return;
    }
    asio::post(io_, [this] { server_->Drain([this] { Drained(); }); });
    {
      std::unique_lock drained_lock(drained_mutex_);
      drained_changed_.wait_for(drained_lock, grace, [this] { return drained_; });
    }
    asio::post(io_, [this] { CloseAll(); });
    workers_.join();
    {
      const std::lock_guard link_lock(link_->mutex);
      link_->impl = nullptr;
    }
    keep_running_.reset();
    io_.stop();
    thread_.join();
    for (const std::shared_ptr<Job>& job : jobs_) {
      Release(*job);
    }
    jobs_.clear();
  }

 private:
  // One request, from its arrival to its answer or the end of its handler, whichever is later.
  // Shared with the thread that handles it, and with the Completion of an asynchronous handler,
  // which may outlive the server. On the io thread, but for what does not change and `wanted`.
  struct Job {
    Job(asio::io_context& io, HttpRequest its_request, net::Responder its_responder, bool forward,
        std::optional<SteadyInstant> deadline)
        : request(std::move(its_request)),
          is_forward(forward),
          give_up_at(deadline),
          responder(std::move(its_responder)),
          timer(std::in_place, io) {}

    // On any thread. Also while the io thread has not come to the deadline yet.
    [[nodiscard]] bool IsWanted() const {
      return wanted && (!give_up_at || std::chrono::steady_clock::now() < *give_up_at);
    }

    const HttpRequest request;
    const bool is_forward;
    const std::optional<SteadyInstant> give_up_at;
    std::optional<net::Responder> responder;  // Absent: it was answered.
    std::optional<asio::steady_timer> timer;  // Runs if the request has a deadline.
    std::atomic<bool> wanted{true};
    bool holds_thread = false;
    std::optional<std::list<std::shared_ptr<Job>>::iterator> waits_at;  // In its queue.
  };
  using JobPtr = std::shared_ptr<Job>;

  // By which answers find the server, as long as there is one.
  struct Link {
    std::mutex mutex;
    Impl* impl = nullptr;
  };

  Status OpenTls() {
    const ServerTlsOptions& tls = options_.tls;
    if (tls.certificate_file.empty() && tls.key_file.empty() && tls.client_ca_file.empty()) {
      return Status();
    }
    auto files = net::TlsFiles::ForServers(
        {tls.certificate_file, tls.key_file, tls.client_ca_file, net::TlsProtocol::kHttp11});
    if (!files.ok()) {
      return InvalidArgument("server.bad_tls", files.status().message());
    }
    tls_ = std::move(files).value();
    return Status();
  }

  // For a connection that has come, on the io thread. A handshake costs far more than looking at
  // three local files.
  std::shared_ptr<const net::TlsContext> CurrentTls() {
    const Status looked = tls_->Refresh().status();
    {
      const std::lock_guard lock(tls_mutex_);
      tls_status_ = looked.ok() ? Status() : InvalidArgument("server.bad_tls", looked.message());
    }
    return tls_->current();
  }

  net::HttpServerOptions NetOptions() {
    net::HttpServerOptions options;
    if (tls_ != nullptr) {
      options.tls = [this] { return CurrentTls(); };
    }
    options.max_body_bytes = options_.max_body_bytes;
    options.idle_timeout = options_.idle_timeout;
    options.read_timeout = options_.read_timeout;
    options.write_timeout = options_.read_timeout;
    options.close_idlest = true;
    net::ServerLoad::Limits limits;
    limits.max_connections = options_.max_connections;
    limits.max_request_bytes = std::max(limits.max_request_bytes, options_.max_body_bytes);
    options.load = std::make_shared<net::ServerLoad>(limits);
    return options;
  }

  void Handle(net::HttpServerRequest request, net::Responder responder) override {
    const bool asks = request.method == "GET" || request.method == "HEAD";
    if (asks && !options_.health_path.empty() && PathOf(request.target) == options_.health_path) {
      return std::move(responder).Respond(
          Document(200, "application/json", Json{{"status", "ok"}}));
    }
    if (jobs_.size() >= threads_ + options_.max_waiting) {
      net::HttpServerResponse full =
          Refusal(503, "server.busy", "too many requests wait for a handler");
      full.headers.Add("Retry-After", "1");
      return std::move(responder).Respond(std::move(full));
    }
    const bool forward = !Settles(request.target);
    const auto give_up_at = GiveUpAt(request);
    const auto job = std::make_shared<Job>(io_, FromNet(std::move(request)), std::move(responder),
                                           forward, give_up_at);
    jobs_.insert(job);
    std::list<JobPtr>& queue = forward ? forward_ : settling_;
    job->waits_at = queue.insert(queue.end(), job);
    if (give_up_at) {
      job->timer->expires_at(*give_up_at);
      job->timer->async_wait([this, watched = std::weak_ptr(job)](const error_code& cancelled) {
        const JobPtr late = cancelled ? nullptr : watched.lock();
        if (late != nullptr && !late->holds_thread) {
          GiveUp(late);
        }
      });
    }
    if (job->responder->peer_gone()) {
      return GiveUp(job);
    }
    // It may have closed only the half that it sends by: what has begun is still answered.
    job->responder->OnPeerGone([this, watched = std::weak_ptr(job)] {
      if (const JobPtr left = watched.lock()) {
        left->wanted = false;
        if (left->waits_at) {
          GiveUp(left);
        }
      }
    });
    StartWaiting();
  }

  // Nobody waits for the answer any more.
  void GiveUp(const JobPtr& job) {
    if (job->waits_at) {
      (job->is_forward ? forward_ : settling_).erase(*job->waits_at);
      job->waits_at.reset();
    }
    Respond(job, Refusal(425, "call.too_late",
                         "the call was not answered while its caller waited for it"));
  }

  void StartWaiting() {
    while (running_ < threads_ && !settling_.empty()) {
      Start(settling_);
    }
    while (running_ < threads_ && running_forward_ < max_forward_ && !forward_.empty()) {
      Start(forward_);
    }
  }

  void Start(std::list<JobPtr>& queue) {
    const JobPtr job = queue.front();
    if (!job->IsWanted()) {
      return GiveUp(job);
    }
    queue.pop_front();
    job->waits_at.reset();
    job->holds_thread = true;
    ++running_;
    running_forward_ += job->is_forward ? 1 : 0;
    asio::post(workers_, [this, job] {
      const auto link = link_;
      participant_.HandleAsync(job->request, {[link, job](HttpResponse response) {
                                                Deliver(*link, job, std::move(response));
                                              },
                                              [job] { return job->IsWanted(); }});
      asio::post(io_, [this, job] { Returned(job); });
    });
  }

  // On any thread.
  static void Deliver(Link& link, const JobPtr& job, HttpResponse response) {
    const std::lock_guard lock(link.mutex);
    if (link.impl != nullptr) {
      asio::post(link.impl->io_,
                 [impl = link.impl, job, answer = ToNet(std::move(response))]() mutable {
                   impl->Respond(job, std::move(answer));
                 });
    }
  }

  void Respond(const JobPtr& job, net::HttpServerResponse response) {
    if (job->responder) {
      std::move(*job->responder).Respond(std::move(response));
    }
    Release(*job);
    EraseIfOver(job);
  }

  void Returned(const JobPtr& job) {
    job->holds_thread = false;
    --running_;
    running_forward_ -= job->is_forward ? 1 : 0;
    EraseIfOver(job);
    StartWaiting();
  }

  // Nothing more is done for it on the io thread.
  static void Release(Job& job) {
    job.wanted = false;
    job.responder.reset();
    job.timer.reset();
  }

  void EraseIfOver(const JobPtr& job) {
    if (!job->holds_thread && !job->responder) {
      jobs_.erase(job);
    }
  }

  void Drained() {
    const std::lock_guard lock(drained_mutex_);
    drained_ = true;
    drained_changed_.notify_all();
  }

  // What waits is not begun any more; what runs is waited for.
  void CloseAll() {
    settling_.clear();
    forward_.clear();
    server_.reset();
  }

  const Participant& participant_;
  const ServerOptions options_;
  const size_t threads_;
  const size_t max_forward_;  // Forward calls that are handled at once.
  uint16_t port_ = 0;
  std::shared_ptr<net::TlsFiles> tls_;  // Null: plain text.
  mutable std::mutex tls_mutex_;
  Status tls_status_;  // Under tls_mutex_.
  const std::shared_ptr<Link> link_ = std::make_shared<Link>();

  asio::io_context io_;
  asio::executor_work_guard<asio::io_context::executor_type> keep_running_;
  std::optional<net::HttpServer> server_;
  std::unordered_set<JobPtr> jobs_;
  std::list<JobPtr> settling_;  // Wait for a thread, as forward_ does.
  std::list<JobPtr> forward_;
  size_t running_ = 0;          // Threads that are taken...
  size_t running_forward_ = 0;  // ... by forward calls.

  asio::thread_pool workers_;
  std::thread thread_;
  std::mutex stopping_mutex_;
  std::mutex drained_mutex_;
  std::condition_variable drained_changed_;
  bool drained_ = false;
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<HttpServer>> HttpServer::Start(const Participant& participant,
                                                      const ServerOptions& options) {
  auto impl = std::make_unique<Impl>(participant, options);
  ENTENTE_RETURN_IF_ERROR(impl->Listen());
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::~HttpServer() {
  impl_->Stop(std::chrono::seconds(5));
}

uint16_t HttpServer::port() const {
  return impl_->port();
}
std::string HttpServer::url() const {
  return impl_->url();
}
Status HttpServer::tls_status() const {
  return impl_->tls_status();
}
void HttpServer::Stop(Duration grace) {
  impl_->Stop(grace);
}

}  // namespace entente::sdk
