// The parts of an HTTP request that data may not bend: its path, and a body that is not JSON.
// Internal to the engine.
#pragma once

#include <string>

#include "base/json.h"
#include "base/json_text.h"
#include "base/status.h"
#include "dsl/plan.h"

namespace entente::engine {

// Path and query. Values are percent-encoded; what they make of a segment of the path has to name
// one thing below the segment before it, also for a server or a proxy that decodes more often than
// it should: a DELETE of an empty one would reach the whole collection.
[[nodiscard]] Result<std::string> RenderPath(const dsl::cel::Template& path,
                                             const dsl::cel::Activation& activation);

// What is sent as the body, with the Content-Type of `rendered`, else of `participant`, else JSON.
// A string that goes out as something other than JSON is the body itself; the values spliced into a
// form are percent-encoded, so that none can add a field, and an object of scalars becomes a form.
// Fails for other lists and objects that are not sent as JSON.
[[nodiscard]] Result<std::string> RenderBody(
    const dsl::cel::Template& body, const dsl::cel::Activation& activation,
    const std::vector<std::pair<std::string, std::string>>& rendered,
    const dsl::Participant& participant, const JsonLimits& bounds);

// The same of a body that an operator wrote.
[[nodiscard]] Result<std::string> EditedBody(
    const JsonText& body, const std::vector<std::pair<std::string, std::string>>& rendered,
    const dsl::Participant& participant);

// The computed address of a call whose path and query are `target`.
[[nodiscard]] Result<std::string> RenderBaseUrl(const dsl::cel::Template& url,
                                                const dsl::cel::Activation& activation,
                                                std::string_view target);

}  // namespace entente::engine
