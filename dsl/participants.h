// The `participants` of a definition: who is called, and where.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "dsl/compiler.h"
#include "dsl/environment.h"
#include "dsl/plan.h"
#include "dsl/read/object_reader.h"
#include "dsl/read/problem_list.h"

namespace entente::dsl {

// Of one service, that calls are spread over.
inline constexpr size_t kMaxEndpoints = 16;

// Patterns of addresses that one participant's calls may compute.
inline constexpr size_t kMaxAllowed = 64;

// What the rest of the compiler needs to know of a participant, also of one with mistakes in it.
struct KnownParticipant {
  enum class Kind { kUnknown, kHttp, kGrpc };  // kUnknown: neither is said, or both are.

  std::string name;
  Kind kind = Kind::kUnknown;
  std::optional<Duration> timeout = std::nullopt;  // Its own.
  std::string content_type = {};                   // Of its bodies, if it says so.
  // Its address, as it is written, if each call computes it.
  std::optional<std::string> computed_url = std::nullopt;
  std::string pointer = {};  // Where that stands.
  // The methods of its service that can be called; nothing: only the service itself knows.
  std::optional<std::vector<std::string>> methods = std::nullopt;
};

struct Participants {
  std::vector<KnownParticipant> known;
  std::vector<Participant> compiled;  // In the same order, when nothing was reported.
};

// Compiles the object at `pointer` and reports what is wrong. Addresses, headers and metadata may
// read `env` and nothing else; they are fixed here. Of `options`, those that look into a
// participant count.
[[nodiscard]] Participants CompileParticipants(const Json& participants, const std::string& pointer,
                                               const CompileOptions& options,
                                               Environment& environment, ProblemList& problems);

// One participant, written where it is used; its address is its name. Its descriptors are not
// looked into.
[[nodiscard]] Participants CompileParticipant(const Json& participant, const std::string& pointer,
                                              Environment& environment, ProblemList& problems);

// The participant that the field `participant` of `reader` names; reports one that is not known.
[[nodiscard]] std::optional<size_t> ReadParticipant(const ObjectReader& reader,
                                                    const std::vector<KnownParticipant>& known,
                                                    ProblemList& problems);

}  // namespace entente::dsl
