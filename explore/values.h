// Values: the data that a definition is explored with.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "dsl/plan.h"

namespace entente::explore {

// At most so many of each are tried.
inline constexpr size_t kMaxInputs = 24;
inline constexpr size_t kMaxOutputs = 8;

struct Values {
  std::vector<Json> inputs;  // At least one; each fits the schema.
  // What the step may answer (a signal: bring); at least one for each step that calls or waits, but
  // for a signal whose schema nothing was found to fit.
  std::map<std::string, std::vector<Json>> outputs;
  std::vector<std::string> left_out;  // Sentences.
};

// What is known and need not be made up.
struct GivenValues {
  std::optional<Json> input;
  std::map<std::string, std::vector<Json>> outputs;  // By step.
};

// What the answers of a dry run (engine/dry_run/dry_run.h, an object) say of steps whose call is
// done, and of those whose signal is among its events.
[[nodiscard]] std::map<std::string, std::vector<Json>> OutputsOf(const dsl::Plan& plan,
                                                                 const Json& answers);

// Values under which the expressions of `definition` (which `plan` was compiled from) can be
// evaluated, as far as such are found, and more of them so that every condition goes both ways.
// They come from the input's schema, the names that expressions read, and the constants in them.
// Fails with kInvalidArgument explore.input_needed if no input that the schema takes was found, and
// input.invalid if the one that is given does not fit.
[[nodiscard]] Result<Values> MakeValues(const dsl::Plan& plan, const Json& definition,
                                        const GivenValues& given);

}  // namespace entente::explore
