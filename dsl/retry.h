// Retry policies as a definition states them: in part, over a default.
#pragma once

#include <optional>
#include <string>

#include "dsl/object_reader.h"
#include "dsl/plan.h"

namespace entente::dsl {

// The fields that a policy names; the others are inherited.
struct RetryOverrides {
  std::optional<Duration> initial;
  std::optional<double> factor;
  std::optional<Duration> max;
  std::optional<uint32_t> attempts;
  std::optional<double> jitter;

  // `base` with these fields replaced. Where only one of `initial` and `max` is named and they
  // would cross, the other one follows it.
  [[nodiscard]] RetryPolicy ApplyTo(RetryPolicy base) const;
};

// The policy under `field` of `reader`, empty if there is none. Reports what is wrong.
[[nodiscard]] RetryOverrides ReadRetry(const ObjectReader& reader, std::string_view field,
                                       ProblemList& problems);

}  // namespace entente::dsl
