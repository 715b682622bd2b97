// How the process shares out its file descriptors.
#pragma once

#include <cstddef>

namespace entente::coordinator {

struct DescriptorShares {
  size_t clients = 0;       // Connections of clients, over HTTP...
  size_t grpc_clients = 0;  // ... and over gRPC.
  size_t participants = 0;  // Connections to participants, over HTTP.
};

// Raises the limit of this process to the most it may have, and returns that. A shell's limit is
// made for people; connections are many.
[[nodiscard]] size_t RaiseDescriptorLimit();

// What is left beside the store, the threads' own and a reserve goes half to clients, a quarter of
// that for gRPC, and half to participants: neither who calls in without end nor what goes out can
// take the last one, so what was accepted can always be driven on. Never less than a few of each,
// however low the limit.
[[nodiscard]] DescriptorShares ShareDescriptors(size_t limit, size_t workers);

}  // namespace entente::coordinator
