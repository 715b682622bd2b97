// RestApi: the HTTP side of the API.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/limits.h"
#include "coordinator/api/grpc_stats.h"
#include "coordinator/api/request_guard.h"
#include "coordinator/api/service.h"
#include "coordinator/identity/token_book.h"
#include "net/http/http_server.h"
#include "observe/exposition.h"
#include "runtime/coordinator.h"

namespace boost::asio {
class io_context;
}

namespace entente::api {

struct RestOptions {
  GuardOptions guard;
  // Who may send requests. Null: nobody is asked who he is. Outlives the RestApi.
  identity::TokenBook* tokens = nullptr;
  ServiceOptions service;
  // An event stream that has nothing to say sends a comment this often, so that neither side takes
  // the other for gone.
  Duration heartbeat = std::chrono::seconds(15);
  size_t max_event_streams = limits::kMaxEventStreams;
  // Of the servers that use the handlers; told in /metrics. May be null.
  std::shared_ptr<const net::ServerLoad> http_load;
  // Of the gRPC server beside it, as that. May be empty.
  std::function<GrpcStats()> grpc_stats;
  // What else /metrics tells; called on any worker's thread. May be empty.
  std::function<void(observe::Exposition&)> measurements;
  // Told about every answer that hides its cause from the client (kInternal, kDataLoss). May be
  // empty; called on any worker's thread, must not block.
  std::function<void(const Status& status, const std::string& target)> on_defect;
  // Told about every request of somebody who is not known (401) or may not (403). May be empty;
  // called as on_defect.
  std::function<void(const Refusal& refusal)> on_refused;
};

// Purpose: answers every request of the routes in routes.h, for all workers together.
//
// Ownership: `coordinator` must outlive the RestApi, and the RestApi its handlers.
// Thread-safety: HandlerFor may be called from any thread.
class RestApi {
 public:
  RestApi(runtime::Coordinator& coordinator, RestOptions options);
  ~RestApi();
  RestApi(const RestApi&) = delete;
  RestApi& operator=(const RestApi&) = delete;

  // The handler for the HttpServer that runs on `io`, which must outlive it and whatever the
  // coordinator still answers. To be used, and destroyed, on that server's thread, after the
  // server: event streams end with it. One per worker. With `for_streams`, those who ask for an
  // event stream are sent there, so that following, encoding and sending costs this thread nothing;
  // behind it is a handler without.
  [[nodiscard]] std::unique_ptr<net::HttpHandler> HandlerFor(
      boost::asio::io_context& io, std::shared_ptr<net::HttpEntrance> for_streams = nullptr);

  // Event streams that are open, over all workers.
  [[nodiscard]] size_t event_streams() const;

  struct Shared;  // Internal.

 private:
  std::unique_ptr<Shared> shared_;
};

}  // namespace entente::api
