// The addresses of a participant: how they are shown, and told from others.
#pragma once

#include <cstddef>
#include <string>
#include <variant>

#include "dsl/plan.h"

namespace entente::runtime {

// How many addresses the service is reached at; at least one.
[[nodiscard]] inline size_t EndpointCount(const dsl::Participant& participant) {
  return std::visit([](const auto& address) { return 1 + address.others.size(); },
                    participant.address);
}

// What ParticipantStats::address says of one of them, or ParticipantStats::service of one that is
// looked up: "http://host", "grpc://host:port/package.Service",
// "grpcs+srv://name/package.Service".
[[nodiscard]] inline std::string AddressOf(const dsl::Participant& participant,
                                           size_t endpoint = 0) {
  if (const auto* http = std::get_if<dsl::HttpAddress>(&participant.address)) {
    return endpoint == 0 ? http->base_url : http->others[endpoint - 1];
  }
  const auto& grpc = std::get<dsl::GrpcAddress>(participant.address);
  const std::string& target = endpoint == 0 ? grpc.target : grpc.others[endpoint - 1];
  const std::string scheme = grpc.tls ? "grpcs" : "grpc";
  const size_t looked_up = target.find("+srv://");
  return scheme + (looked_up == std::string::npos ? "://" + target : target.substr(looked_up)) +
         "/" + grpc.service;
}

}  // namespace entente::runtime
