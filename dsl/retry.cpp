#include "dsl/retry.h"

#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "dsl/read/json_problem.h"
#include "dsl/source_map.h"

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

namespace {

RetryOverrides ReadFields(const ObjectReader& policy, ProblemList& problems) {
  policy.RefuseUnknownFields();
  RetryOverrides overrides;
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

}  // namespace

RetryOverrides ReadRetry(const ObjectReader& reader, std::string_view field,
                         ProblemList& problems) {
  const Json* json = reader.Object(field);
  return json == nullptr
             ? RetryOverrides()
             : ReadFields(ObjectReader(*json, reader.PointerTo(field), fields::kRetry, problems),
                          problems);
}

std::variant<RetryOverrides, Problems> ReadRetryPolicy(std::string_view json) {
  const Result<Json> policy = ParseExactJson(json, limits::kDefinitionJson);
  if (!policy.ok()) {
    return Problems{JsonProblem(policy.status())};
  }
  const SourceMap map(json);
  ProblemList problems(map);
  RetryOverrides overrides;
  if (ObjectReader::IsObject(*policy, "", "a retry policy", problems)) {
    overrides = ReadFields(ObjectReader(*policy, "", fields::kRetry, problems), problems);
  }
  if (!problems.empty()) {
    return std::move(problems).Take();
  }
  return overrides;
}

}  // namespace entente::dsl
