// What /metrics tells of the coordinator, its participants and its HTTP server.
#pragma once

#include <vector>

#include "coordinator/api/commands.h"
#include "coordinator/api/grpc_stats.h"
#include "net/http/server_load.h"
#include "observe/exposition.h"

namespace entente::api {

void WriteMetrics(const runtime::Metrics& metrics, const HealthReport& report,
                  const std::vector<runtime::ParticipantStats>& participants,
                  const std::vector<NodeInfo>& nodes, const net::ServerLoad::Stats& http,
                  const GrpcStats& grpc, observe::Exposition& out);

}  // namespace entente::api
