#include "dsl/retry.h"

#include <algorithm>

#include "base/limits.h"

namespace entente::dsl {

RetryPolicy RetryOverrides::ApplyTo(RetryPolicy base) const {
  base.initial = initial.value_or(base.initial);
  base.factor = factor.value_or(base.factor);
  base.max = max.value_or(base.max);
  base.attempts = attempts.value_or(base.attempts);
  base.jitter = jitter.value_or(base.jitter);
  if (base.initial > base.max) {
    (initial ? base.max : base.initial) = initial ? base.initial : base.max;
  }
  return base;
}

RetryOverrides ReadRetry(const ObjectReader& reader, std::string_view field,
                         ProblemList& problems) {
  RetryOverrides overrides;
  const Json* json = reader.Object(field);
  if (json == nullptr) {
    return overrides;
  }
  const ObjectReader policy(*json, reader.PointerTo(field), fields::kRetry, problems);
  policy.RefuseUnknownFields();
  overrides.initial = policy.DurationIn("initial", limits::kMinRetryDelay, limits::kMaxRetryDelay);
  overrides.max = policy.DurationIn("max", limits::kMinRetryDelay, limits::kMaxRetryDelay);
  overrides.factor = policy.Number("factor", 1.0, limits::kMaxRetryFactor);
  overrides.jitter = policy.Number("jitter", 0.0, 1.0);
  if (const auto attempts = policy.Integer("attempts", 1, limits::kMaxAttempts)) {
    overrides.attempts = static_cast<uint32_t>(*attempts);
  }
  if (overrides.initial && overrides.max && *overrides.initial > *overrides.max) {
    problems.AtValue(policy.PointerTo("max"), "out_of_range",
                     "'max' is shorter than 'initial': the first delay would exceed it");
  }
  return overrides;
}

}  // namespace entente::dsl
