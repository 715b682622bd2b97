// Who may do what: one table for both transports.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "coordinator/api/access/action.h"
#include "coordinator/identity/principal.h"

namespace entente::api {

// How far a method reaches, whoever may call it.
enum class Reach : uint8_t {
  kOpen,    // Whoever asks, no token needed.
  kScoped,  // What the principal's scope covers.
  kWhole,   // Something of all transactions together: not for who has a scope.
};

struct AccessRule {
  Action action;
  std::string_view name;  // For people and the audit: "submit".
  std::string_view rpc;   // The method of entente.v1.Coordinator; empty: REST alone has it.
  Reach reach;
  uint8_t roles;  // Bit n: identity::Role n may.
  // Whether each call is in the audit. The others are many, and stand in their transaction's
  // history if they change something; of them, refusals are in the audit, as of all.
  bool recorded = false;
};

// One for each action and each method of the contract, in the order of Action.
[[nodiscard]] std::span<const AccessRule> AccessRules();
[[nodiscard]] const AccessRule& RuleOf(Action action);

// kPermissionDenied: reason access.denied, naming the roles that may; access.scope, for who has a
// scope where kWhole is needed.
[[nodiscard]] Status CheckAccess(const AccessRule& rule, const identity::Principal& principal);

// The names of all that CheckAccess lets the principal do; what is outside its scope it still does
// not reach.
[[nodiscard]] std::vector<std::string_view> MethodsFor(const identity::Principal& principal);

// Whoever submits an inline definition chooses what is called, as one who registers it does.
[[nodiscard]] Status CheckInline(const identity::Principal& principal);

// For what is nothing but payloads.
[[nodiscard]] Status CheckPayloads(const identity::Principal& principal);

// That what is to be called `definition`, with `labels`, would be within reach: kPermissionDenied,
// reason access.scope.
[[nodiscard]] Status CheckNewName(const identity::Principal& principal,
                                  std::string_view definition);
[[nodiscard]] Status CheckNewLabels(const identity::Principal& principal,
                                    const std::vector<std::pair<std::string, std::string>>& labels);

}  // namespace entente::api
