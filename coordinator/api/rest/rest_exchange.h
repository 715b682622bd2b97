// One HTTP request on its way to its answer. Internal to api.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "coordinator/api/access.h"
#include "coordinator/api/rest/rest.h"
#include "coordinator/api/rest/routes.h"
#include "coordinator/api/rest/sse_stream.h"
#include "coordinator/api/tokens.h"

namespace entente::api {

// What all workers' handlers have in common. Thread-safe.
struct RestApi::Shared {
  Shared(runtime::Coordinator& coordinator, RestOptions given)
      : options(std::move(given)),
        service(coordinator, options.service),
        tokens(coordinator, options.tokens, options.service.audit),
        audit(coordinator, options.service.audit),
        keys(coordinator, options.service.keys, options.service.audit) {}

  RestOptions options;
  Service service;
  Tokens tokens;
  AuditTrail audit;
  Keys keys;
  std::atomic<size_t> event_streams{0};
};

// The event streams of one worker. Single-threaded.
class StreamSet {
 public:
  StreamSet(boost::asio::io_context& io, Duration heartbeat, size_t limit,
            std::atomic<size_t>& open)
      : io_(io), heartbeat_(heartbeat), limit_(limit), open_(open) {}
  ~StreamSet();
  StreamSet(const StreamSet&) = delete;
  StreamSet& operator=(const StreamSet&) = delete;

  // A stream that is not started yet, or null: there are as many as there may be.
  [[nodiscard]] std::shared_ptr<SseStream> Add();
  // Stops it.
  void Remove(const std::shared_ptr<SseStream>& stream);
  // Runs what it is given on the streams' thread, at once if that is the caller's. Any thread, for
  // as long as there is the thread's loop.
  [[nodiscard]] std::function<void(std::function<void()>)> here() const;

 private:
  boost::asio::io_context& io_;
  const Duration heartbeat_;
  const size_t limit_;
  std::atomic<size_t>& open_;  // Of all workers.
  std::set<std::shared_ptr<SseStream>> streams_;
};

// A request with its duty to be answered. Held by shared_ptr, because the Coordinator's callbacks
// are copyable. Single-threaded.
class Exchange {
 public:
  Exchange(net::HttpServerRequest request, net::Responder responder, RestApi::Shared& shared,
           std::weak_ptr<StreamSet> streams);

  [[nodiscard]] const net::HttpServerRequest& request() const { return request_; }
  [[nodiscard]] std::string_view path() const { return path_; }
  [[nodiscard]] std::string_view query() const { return query_; }
  [[nodiscard]] const Service& service() const { return shared_.service; }
  [[nodiscard]] const Tokens& tokens() const { return shared_.tokens; }
  [[nodiscard]] const AuditTrail& audit() const { return shared_.audit; }
  [[nodiscard]] const Keys& keys() const { return shared_.keys; }

  // Finds out who sends this, and whether he may. What fails was not done.
  [[nodiscard]] Status Admit(const AccessRule& rule);
  // Who sends it: anonymous before Admit, and where anybody may.
  [[nodiscard]] const identity::PrincipalPtr& by() const { return by_; }
  [[nodiscard]] std::shared_ptr<StreamSet> streams() const { return streams_.lock(); }

  [[nodiscard]] std::string& parameter(size_t index) { return parameters_[index]; }
  void set_parameters(std::vector<std::string> parameters) { parameters_ = std::move(parameters); }
  // Nothing is left of it here, where it would lie for as long as the answer is waited for.
  [[nodiscard]] std::string TakeBody() { return std::exchange(request_.body, {}); }
  [[nodiscard]] net::ServerLoad::Stats HttpStats() const;
  [[nodiscard]] GrpcStats grpc_stats() const;
  // What RestOptions adds to /metrics.
  void WriteMeasurements(observe::Exposition& out) const;

  // Tells a wait that the client has sent its end. One that closed only its sending half is there
  // to read what is answered then; one that is gone has its connection freed by it.
  [[nodiscard]] std::shared_ptr<runtime::Hangup> ClientHangup();

  // Each answers, once.
  void Answer(int status, std::string body);
  void AnswerText(std::string_view content_type, std::string body);
  void AnswerWith(int status, net::HttpHeaders headers, std::string body);
  void Fail(const Error& error, std::string_view allow = "");
  [[nodiscard]] net::ResponseStream Stream();

  // Lets another server's handler answer: see net::Responder.
  void MoveTo(std::shared_ptr<net::HttpEntrance> to);

 private:
  net::HttpServerRequest request_;
  net::Responder responder_;
  RestApi::Shared& shared_;           // Only while streams_ has not expired.
  std::weak_ptr<StreamSet> streams_;  // Gone once the worker has stopped serving.
  identity::PrincipalPtr by_ = identity::Anonymous();
  bool known_ = false;      // Whether by_ is who sends it.
  std::string_view asked_;  // The name of what is asked, once Admit was called.
  std::string_view path_;   // Of request_.target.
  std::string_view query_;
  std::vector<std::string> parameters_;
};
using ExchangePtr = std::shared_ptr<Exchange>;

// Does what the route is there for.
void Perform(Action action, const ExchangePtr& exchange);

}  // namespace entente::api
