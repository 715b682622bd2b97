// How a participant's address is shown, and told from others.
#pragma once

#include <string>
#include <variant>

#include "dsl/plan.h"

namespace entente::runtime {

// What ParticipantStats::address says: "http://host", "grpc://host:port/package.Service".
[[nodiscard]] inline std::string AddressOf(const dsl::Participant& participant) {
  if (const auto* http = std::get_if<dsl::HttpAddress>(&participant.address)) {
    return http->base_url;
  }
  const auto& grpc = std::get<dsl::GrpcAddress>(participant.address);
  return (grpc.tls ? "grpcs://" : "grpc://") + grpc.target + "/" + grpc.service;
}

}  // namespace entente::runtime
