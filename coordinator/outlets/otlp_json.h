// OTLP in its JSON encoding (OpenTelemetry Protocol 1.3, "JSON Protobuf Encoding").
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/outlets/spans.h"

namespace entente::outlets {

// An ExportTraceServiceRequest of one resource: this coordinator.
[[nodiscard]] std::string EncodeSpans(const std::vector<Span>& spans,
                                      const std::string& coordinator_id);

// How many spans the collector says that it refused, of an answer with status 200.
[[nodiscard]] uint64_t RejectedSpans(std::string_view answer);

}  // namespace entente::outlets
