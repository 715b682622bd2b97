// A participant over gRPC, inside a service's own server:
//
//   const auto service = entente::sdk::MakeGrpcService(participant);
//   grpc::ServerBuilder builder;
//   builder.RegisterService(service.get());
//
// The coordinator learns the messages' shapes by server reflection, which the service turns on, or
// from a descriptor set in the definition. The schema is
// proto/entente/participant/v1/participant.proto.
//
// Numbers travel as doubles (google.protobuf.Value): an integer beyond 2^53 and nesting deeper than
// kMaxGrpcDepth can not be answered; the call ends as UNKNOWN and says so.
#pragma once

#include <cstddef>
#include <memory>

#include "entente/participant.h"

namespace grpc {
class Service;
}

namespace entente::sdk {

// In levels of JSON. Each is up to three messages, of which Protobuf reads a hundred inside each
// other, and two of the 64 that the coordinator reads.
inline constexpr int kMaxGrpcDepth = 30;

// `participant` must outlive the service, and the service its server. Blocks the server's threads
// as long as the handlers do. `max_forward`: an action, try or prepare more than so many at once is
// told to come again (server.busy); keep it below the server's number of threads, so that calls
// which wait for a lock do not keep out the confirm, commit or undo that would free it. 0: no
// limit.
[[nodiscard]] std::shared_ptr<grpc::Service> MakeGrpcService(const Participant& participant,
                                                             size_t max_forward = 0);

}  // namespace entente::sdk
