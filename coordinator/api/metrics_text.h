// What /metrics tells of the coordinator, its participants and its HTTP server.
#pragma once

#include <vector>

#include "coordinator/api/commands.h"
#include "coordinator/api/grpc_server.h"
#include "coordinator/observe/exposition.h"
#include "net/http/server_load.h"

namespace entente::api {

void WriteMetrics(const runtime::Metrics& metrics, const HealthReport& report,
                  const std::vector<runtime::ParticipantStats>& participants,
                  const std::vector<NodeInfo>& nodes, const net::ServerLoad::Stats& http,
                  const GrpcServer::Stats& grpc, observe::Exposition& out);

}  // namespace entente::api
