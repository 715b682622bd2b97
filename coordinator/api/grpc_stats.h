// What the gRPC server counts, for the metrics that REST shows.
#pragma once

#include <cstdint>

namespace entente::api {

struct GrpcStats {
  uint64_t connections = 0;
  uint64_t connections_refused = 0;
  uint64_t connections_cut_off = 0;  // For a header block without end.
};

}  // namespace entente::api
