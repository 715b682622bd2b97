// The table of REST routes, and how a request finds its own.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/api/access/action.h"

namespace entente::api {

enum class Method : uint8_t { kGet, kPut, kPost };

enum class Body : uint8_t {
  kNone,
  kOptional,
  kRequired,
};

struct Route {
  Method method;
  // Segments are literal or "{name}"; either may end in a verb, ":cancel".
  std::string_view pattern;
  Action action;
  Body body;
};

[[nodiscard]] std::span<const Route> Routes();
[[nodiscard]] std::string_view MethodName(Method method);

struct RouteMatch {
  const Route* route = nullptr;         // Null: no route, or not with this method.
  std::vector<std::string> parameters;  // In the pattern's order, percent-decoded.
  std::string allow;                    // For a path that exists with other methods: which.
};

// The verbs (":cancel") that may stand where `path` has one of its own, or nothing if it has none
// or there are none: "/v1/transactions/t1:frobnicate" -> ":commit, :abort, ...".
[[nodiscard]] std::string VerbsAt(std::string_view path);

// `path` is still percent-encoded. HEAD finds the route of GET.
[[nodiscard]] RouteMatch FindRoute(std::string_view method, std::string_view path);

}  // namespace entente::api
