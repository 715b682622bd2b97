#include "coordinator/process/descriptors.h"

#include <sys/resource.h>

#include <algorithm>
#include <utility>

#include "base/limits.h"

namespace entente::coordinator {
namespace {

// Standard streams, the store with its readers, listeners, gRPC's, and room for a resolver, a file
// that is read, and connections that are only accepted to be refused.
constexpr size_t kOwn = 34;
constexpr size_t kPerWorker = 4;  // The reactor's own.
constexpr size_t kLeastShare = 4;
// The client's, and the two ends of what carries it to gRPC.
constexpr size_t kPerGrpcConnection = 3;

}  // namespace

size_t RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return limits::kMaxConnections;
  }
  if (limit.rlim_cur < limit.rlim_max) {
    const rlim_t before = std::exchange(limit.rlim_cur, limit.rlim_max);
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
      limit.rlim_cur = before;
    }
  }
  return static_cast<size_t>(limit.rlim_cur);
}

DescriptorShares ShareDescriptors(size_t limit, size_t workers) {
  const size_t own = kOwn + kPerWorker * workers;
  const size_t half = std::max(kLeastShare, limit > own ? (limit - own) / 2 : 0);
  const size_t over_grpc = std::max(kLeastShare, half / 4 / kPerGrpcConnection);
  return {std::min(std::max(kLeastShare, half - half / 4), limits::kMaxConnections),
          std::min(over_grpc, limits::kMaxGrpcConnections), half};
}

}  // namespace entente::coordinator
