// One gRPC target: its connection and what is known of its services. Internal to net.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include <grpcpp/generic/generic_stub.h>
#include <boost/asio/ip/tcp.hpp>
#include <boost/intrusive/list.hpp>

#include "base/status.h"
#include "net/grpc/grpc_call.h"
#include "net/grpc/grpc_reflection.h"
#include "net/grpc/type_cache.h"

namespace entente::net {

using WaitingCalls = boost::intrusive::list<GrpcCall, boost::intrusive::base_hook<WaitingHook>,
                                            boost::intrusive::constant_time_size<false>>;

// What reflection told of one service. Asking again is spaced out: at first a second apart, then
// longer while it does not help.
struct GrpcService {
  TypeCache::Handle types;           // Null: not asked yet, or it could not tell.
  std::string reason;                // Why it could not: the stable word...
  std::string problem;               // ... and for people.
  ReflectionQuery* query = nullptr;  // Under way.
  WaitingCalls waiting;
  Deadline::Clock::time_point ask_again_at;
  Duration pause{};
};

struct GrpcChannel {
  GrpcChannel(Origin its_target, Origin its_place)
      : target(std::move(its_target)), place(std::move(its_place)) {}

  Origin target;                            // As the authority and the certificate say.
  Origin place;                             // Where its connection goes: mostly the same.
  std::unique_ptr<grpc::GenericStub> stub;  // Null: not resolved yet.
  bool resolving = false;
  bool resolve_again = false;    // Before the next call; those that wait use the stub there is.
  bool prefer_version6 = false;  // Changes sides after a failure to connect.
  Deadline::Clock::time_point resolved_at;
  std::shared_ptr<const TlsContext> tls;  // What GrpcClientOptions::tls_changes gave for the stub.
  WaitingCalls waiting;                   // For the address.
  std::unordered_map<std::string, GrpcService> services;
};

// A channel to `target` at these addresses and `port`, and no others: gRPC resolves nothing itself,
// so no later resolution can lead elsewhere. Fails with kInvalidArgument if the TLS files can not
// be read.
[[nodiscard]] Result<std::unique_ptr<grpc::GenericStub>> ConnectGrpc(
    const Origin& target, const std::vector<boost::asio::ip::address>& addresses, uint16_t port,
    bool prefer_version6, const GrpcClientOptions& options);

}  // namespace entente::net
