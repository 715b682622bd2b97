// The gRPC side of the hotels.
#pragma once

#include <memory>
#include <string>

#include <grpcpp/server.h>

#include "examples/travel/common/host.h"

namespace travel {

// Serves travel.v1.Hotels with server reflection, and the HTTP control endpoint beside it.
// Thread-safe once made.
class HotelsServer {
 public:
  // Serves from its construction on. Throws what Host throws, and std::runtime_error when the gRPC
  // address cannot be had. `business` must outlive it.
  HotelsServer(const Business& business, const Options& options);
  ~HotelsServer();  // Stops.

  void Stop();  // Answers what is under way, then ends. Blocks.

  std::string grpc_address() const { return grpc_address_; }
  std::string control_address() const { return host_.http_address(); }

 private:
  class Service;

  Host host_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<grpc::Server> server_;
  std::string grpc_address_;
};

}  // namespace travel
