// The compiler: the text of a definition -> a Plan, or everything that is wrong with it.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "dsl/plan.h"

namespace entente::dsl {

// One mistake in a definition.
struct Problem {
  std::string pointer;     // JSON Pointer of the value or member meant: "/steps/0/participant".
  size_t line = 0;         // From 1. In a string, the line and column are those of the very
  size_t column = 0;       // character meant; counted in characters (code points), from 1.
  std::string code;        // Stable: "definition.unknown_field".
  std::string message;     // What is wrong.
  std::string suggestion;  // What to do about it ("did you mean 'compensate'?"), or empty.
  bool warning = false;    // It is no mistake, but likely not what was meant.

  friend bool operator==(const Problem&, const Problem&) = default;
};

// The name of a variable -> its value, or nothing if it is not set.
using EnvLookup = std::function<std::optional<std::string>(const std::string& name)>;

// A Json object of strings (a Plan's `env`) as a lookup: the environment a version was registered
// with. Keeps a copy.
[[nodiscard]] EnvLookup EnvFrom(Json env);

// A serialized google.protobuf.FileDescriptorSet -> the methods in it that can be called, each as
// "package.Service/Method", or what is wrong with the set.
using DescriptorReader =
    std::function<Result<std::vector<std::string>>(std::string_view descriptor_set)>;

// Whether a participant may have this address: an http or https URL, or for gRPC "host:port". The
// status's message says why not.
using AddressCheck = std::function<Status(std::string_view address, bool grpc)>;

struct CompileOptions {
  // The names that `env` may use; "*" in one stands for any characters ("TRAVEL_*", "*_URL").
  std::vector<std::string> allowed_env;
  // How they are looked up; may be empty: nothing is set. Called during Compile only.
  EnvLookup lookup_env;
  // Without an environment (`entente validate`, `graph`): any name is allowed, and one that is not
  // set stands for itself ("${env.NAME}"). Such a plan can be shown but not run.
  bool offline = false;
  // How `descriptorSet` is looked into, and the methods named checked against it; may be empty:
  // then it is only checked to be base64. Called during Compile only.
  DescriptorReader read_descriptors;
  // May be empty: then any address is taken, and only the call is checked. Called during Compile
  // only, for addresses that are well-formed.
  AddressCheck check_address;
  // What is wrong with a pattern of addresses that calls may compute; may be empty: then any text
  // is taken. Called during Compile only.
  std::function<Status(const std::string& pattern)> check_pattern;
  // The document was accepted before, by this version or an earlier one: rules that came later do
  // not hold for it, since transactions run by it.
  bool stored = false;
  // Receives what is no mistake, but likely not what was meant; may be empty. Called during Compile
  // only, and only if there is no mistake.
  std::function<void(Problem warning)> warn;
  // Whether a definition is registered that a child transaction runs; without a version, any. May
  // be empty: then nothing is warned of. Called during Compile only.
  std::function<bool(const std::string& name, std::optional<uint32_t> version)> has_definition;
  // What this program can run. Another mode is refused with definition.mode_not_supported.
  std::set<Mode> modes = {Mode::kSaga, Mode::kTcc, Mode::kTwoPhaseCommit};
};

using Problems = std::vector<Problem>;
using CompileResult = std::variant<std::shared_ptr<const Plan>, Problems>;

// Compiles the text of one definition. Reports every mistake found, in the order of the text, at
// most kMaxProblems of them; text that is not JSON yields only what is wrong with it as JSON.
// The Plan refers to nothing of `source` or `options`; its version is 0.
// Pure, bounded (by limits::kMaxDefinitionBytes and the limits it names) and safe from any thread.
[[nodiscard]] CompileResult Compile(std::string_view source, const CompileOptions& options);

inline constexpr size_t kMaxProblems = 200;

// "12:7: /steps/0/particpant: unknown field 'particpant' in a step; did you mean 'participant'?"
[[nodiscard]] std::string FormatProblem(const Problem& problem);

// The members of a Problem under the same names; `suggestion` only if there is one, `warning` only
// of one.
[[nodiscard]] Json ProblemToJson(const Problem& problem);

// "<subject> has 3 problems, the first at ...". There is at least one.
[[nodiscard]] std::string SummaryOf(const Problems& problems, std::string_view subject);

// kInvalidArgument "definition.invalid": how many problems, and the first of them.
[[nodiscard]] Status ProblemsToStatus(const Problems& problems);

}  // namespace entente::dsl
