// Counters in the text format that Prometheus reads.
#pragma once

#include <string>
#include <vector>

#include "coordinator/api/commands.h"
#include "coordinator/api/grpc_server.h"
#include "net/http/server_load.h"

namespace entente::api {

inline constexpr std::string_view kMetricsContentType = "text/plain; version=0.0.4; charset=utf-8";

[[nodiscard]] std::string MetricsText(const runtime::Metrics& metrics, const HealthReport& report,
                                      const std::vector<runtime::ParticipantStats>& participants,
                                      const std::vector<NodeInfo>& nodes,
                                      const net::ServerLoad::Stats& http = {},
                                      const GrpcServer::Stats& grpc = {});

}  // namespace entente::api
