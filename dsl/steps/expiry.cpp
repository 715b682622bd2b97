// How long a participant holds what was tried for a step, and who may decide alone: the parts of
// StepCompiler that only one mode has.
#include "dsl/steps/expiry.h"
#include "base/time.h"
#include "dsl/steps/steps.h"

namespace entente::dsl {
namespace {

constexpr Duration kMinExpiry = std::chrono::milliseconds(1);

}  // namespace

std::optional<Expiry> ReadExpiry(const ObjectReader& reader, const Scope& scope, Duration timeout,
                                 ExpressionCompiler& expressions, ProblemList& problems) {
  const Json* json = reader.Find("expires");
  if (json == nullptr) {
    return std::nullopt;
  }
  std::string pointer = reader.PointerTo("expires");
  // There and back again, each way at its slowest.
  Duration margin = 2 * timeout;
  if (json->is_object()) {
    const ObjectReader expires(*json, pointer, fields::kExpires, problems);
    expires.RefuseUnknownFields();
    margin = expires.DurationIn("margin", kMinExpiry, kMaxDuration).value_or(margin);
    pointer = expires.PointerTo("at");
    json = expires.Require("at", "say when: a duration such as \"15m\", or an expression");
    if (json == nullptr) {
      return std::nullopt;
    }
  }
  std::optional<std::string> literal;
  auto at = expressions.Text(*json, pointer, scope, &literal);
  if (literal && !ParseInstant(*literal).ok()) {
    const auto span = ParseDuration(*literal);
    if (!span.ok()) {
      problems.AtValue(
          pointer, "bad_duration",
          "'expires' is neither a duration nor an RFC 3339 instant: " + span.status().message());
    } else if (*span <= margin) {
      problems.AtValue(pointer, "expires_too_soon",
                       "what is held for " + FormatDuration(*span) +
                           " could never be confirmed: a commit is no longer decided " +
                           FormatDuration(margin) + " before it expires",
                       "hold it for longer, or write {\"at\": ..., \"margin\": ...} with a shorter "
                       "margin (twice the step's timeout if left out)");
    }
  }
  if (!at) {
    return std::nullopt;
  }
  return Expiry{*std::move(at), margin};
}

std::optional<Expiry> StepCompiler::Expires(size_t index, const ObjectReader& reader,
                                            const Policies& policies) {
  const Json* expires = reader.Find("expires");
  if (expires != nullptr && policies.computed_timeout &&
      !(expires->is_object() && expires->contains("margin"))) {
    problems_.AtValue(reader.PointerTo("expires"), "missing_field",
                      "the margin before it expires is twice the step's 'timeout' unless stated, "
                      "and that is computed",
                      R"(state it: {"at": ..., "margin": "20s"})");
    return std::nullopt;
  }
  Scope scope = ScopeOf(index, "'expires'");
  scope.key = true;
  scope.element = reader.Has("forEach");
  scope.own_output = true;
  return ReadExpiry(reader, scope, policies.timeout, expressions_, problems_);
}

bool StepCompiler::OnePhase(const ObjectReader& reader) {
  const bool one_phase = reader.Bool("onePhase").value_or(false);
  if (one_phase && reader.Has("alternatives")) {
    problems_.AtKey(reader.PointerTo("onePhase"), "one_phase_with_alternatives",
                    "a step with alternatives can not be committed in one phase: only 'prepare' "
                    "has them",
                    "remove 'onePhase' or 'alternatives'");
  }
  const Json* prepare = reader.Find(OperationName(mode_, Role::kForward));
  for (const std::string_view asked : {"refuseWhen", "repeat"}) {
    if (one_phase && prepare != nullptr && prepare->is_object() && prepare->contains(asked)) {
      problems_.AtKey(reader.PointerTo("onePhase"), "one_phase_refuses",
                      "'prepare' is not called when the step is committed in one phase, so its " +
                          Quote(asked) + " would not be asked",
                      "remove 'onePhase' or " + Quote(asked));
    }
  }
  return one_phase;
}

}  // namespace entente::dsl
