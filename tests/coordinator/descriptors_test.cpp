#include "coordinator/process/descriptors.h"

#include <catch2/catch.hpp>

#include "base/limits.h"

namespace entente::coordinator {

TEST_CASE("clients and participants share what the process may open, and a reserve stays") {
  for (const size_t limit : {0, 16, 64, 100, 256, 1'024, 4'096, 1'048'576}) {
    for (const size_t workers : {1, 2, 16}) {
      const DescriptorShares shares = ShareDescriptors(limit, workers);
      CAPTURE(limit, workers, shares.clients, shares.participants);
      CHECK(shares.clients >= 4);
      CHECK(shares.grpc_clients >= 4);
      CHECK(shares.grpc_clients <= limits::kMaxGrpcConnections);
      CHECK(shares.participants >= 4);
      CHECK(shares.clients <= limits::kMaxConnections);
      if (limit >= 128) {
        CHECK(shares.clients + 3 * shares.grpc_clients + shares.participants + 30 <= limit);
      }
    }
  }
  CHECK(ShareDescriptors(1'024, 2).clients > 350);
}

}  // namespace entente::coordinator
