// The names that traces go by (W3C Trace Context). All are derived from what a transaction is known
// by, so nothing is stored for them, and they are the same after a restart and on another node.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/ids.h"

namespace entente::observe {

// 32 hexadecimal digits: the trace of `traceparent`, or where there is none the transaction's own,
// which is that of its whole family. That one is the gid itself, without its dashes, if it is a
// UUID.
[[nodiscard]] std::string TraceIdOf(const Gid& gid, std::string_view traceparent);

// 16 hexadecimal digits.
[[nodiscard]] std::string TransactionSpanId(const Gid& gid);
[[nodiscard]] std::string BranchSpanId(const Gid& gid, const BranchId& branch);
// Of one attempt. `operation` is the name of the branch's operation.
[[nodiscard]] std::string AttemptSpanId(const Gid& gid, const BranchId& branch,
                                        std::string_view operation, uint32_t alternative,
                                        uint32_t attempt);

// Whether the submitter wants its trace to be recorded; also without a traceparent.
[[nodiscard]] bool IsSampled(std::string_view traceparent);

// What a call carries, so that its participant's spans hang below `span_id`.
[[nodiscard]] std::string TraceparentOf(std::string_view trace_id, std::string_view span_id,
                                        bool sampled);

// The span that a submitter's traceparent names, or nothing.
[[nodiscard]] std::string_view ParentSpanOf(std::string_view traceparent);

}  // namespace entente::observe
