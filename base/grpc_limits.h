// The bounds of gRPC, beside those of limits.h: few files need them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/limits.h"

namespace entente::limits {

// Clients.
// Over gRPC an answer about transactions stays below the 4 MiB that clients take if they are not
// told otherwise; a page holds no more of the largest summaries than fit.
inline constexpr size_t kMaxGrpcAnswerBytes = 4'000'000;
inline constexpr uint32_t kMaxGrpcPageSize = 300;
// What gRPC clients may make the coordinator hold before it has a whole message, all together. gRPC
// ends calls when it is passed, so that somewhat more is held at times.
inline constexpr size_t kMaxGrpcMemoryBytes = size_t{128} << 20;

// Participants.
// A message of a gRPC participant as objects in memory: a repeated element of two bytes can stand
// for an object of hundreds.
inline constexpr size_t kMaxMessageMemoryBytes = 64 * kMaxPayloadBytes;
inline constexpr size_t kMaxMessageFieldsRead = 10'000'000;  // While it is turned into JSON.
// What a descriptor set, or a server's reflection, may describe. A prototype is made by recursion
// into the types of its fields, 420 bytes of stack each.
inline constexpr size_t kMaxDescriptorFiles = 2'000;
inline constexpr size_t kMaxDescriptorMessages = 4'000;
inline constexpr size_t kMaxDescriptorFields = 100'000;  // Enum values too.
inline constexpr size_t kMaxMessageFields = 4'096;

}  // namespace entente::limits
