#include "coordinator/descriptors.h"

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
  return {std::min(half, limits::kMaxConnections), half};
}

}  // namespace entente::coordinator
