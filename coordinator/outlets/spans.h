// Spans: a transaction's history as a trace.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "runtime/coordinator.h"

namespace entente::outlets {

using Attributes = std::vector<std::pair<std::string, std::variant<std::string, int64_t>>>;

struct SpanEvent {
  Instant at;
  std::string name;
  Attributes attributes;
};

// As OpenTelemetry defines it; ids are hexadecimal.
struct Span {
  enum class Kind : uint8_t { kInternal = 1, kServer = 2, kClient = 3 };
  std::string trace_id;
  std::string span_id;
  std::string parent_span_id;  // Empty: none.
  std::string name;
  Kind kind = Kind::kInternal;
  Instant start;
  Instant end;
  Attributes attributes;
  std::vector<SpanEvent> events;
  std::vector<std::string> links;  // Span ids, of the same trace.
  bool failed = false;
  std::string message;  // Of a failed one.
};

// One span for the transaction, one for each branch that was worked on, below it, and one for each
// attempt, below its branch. A child transaction hangs below the branch that started it, and is
// linked to its parent. The first is the transaction's.
//
// Depends on nothing but the history, which has to begin with its first record: so the same spans,
// under the same ids, come of it in another process. What is still going on ends at the last
// record. kDataLoss: it is no history of one transaction.
[[nodiscard]] Result<std::vector<Span>> SpansOf(const runtime::History& history);

// A record without the documents that spans do not show.
[[nodiscard]] engine::Record WithoutPayloads(const engine::Record& record);

}  // namespace entente::outlets
