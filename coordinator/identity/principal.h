// Principal: who sends a command, and how far that reaches.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "coordinator/identity/scope.h"

namespace entente::identity {

// What somebody is there for. Written to the store by name; never rename one.
enum class Role : uint8_t {
  kViewer,       // Looks: no payloads unless they are granted.
  kSubmitter,    // Submits registered definitions, and follows what comes of it.
  kDeployer,     // Also decides what is called: definitions, inline definitions, enlisted branches.
  kOperator,     // Looks, and acts on transactions that are under way.
  kAdmin,        // Everything, tokens included.
  kParticipant,  // Asks for decisions and completes operations, nothing else.
};
inline constexpr int kRoleCount = 6;

// "viewer", "submitter", ...
[[nodiscard]] std::string_view RoleName(Role role);
[[nodiscard]] std::optional<Role> RoleFrom(std::string_view name);

// Whether `text` can name a principal, in logs and headers too: printable ASCII without blanks,
// quotes and backslashes.
[[nodiscard]] bool IsPrintableName(std::string_view text);

// Immutable once it is shared.
struct Principal {
  std::string name;  // As histories show it: "ci-deploy".
  Role role = Role::kViewer;
  bool payloads = true;       // Whether inputs, outputs and raw answers are shown.
  bool authenticated = true;  // False: nobody was asked to prove anything.
  Scope scope;                // What it can reach; empty: everything.
  std::string token_id;       // Of the token that proved it; empty if none did.
  std::string peer;           // Where the request came from, of what is recorded in the audit.
};
using PrincipalPtr = std::shared_ptr<const Principal>;

// Whoever sends a command while authentication is off: may do everything, under no name.
[[nodiscard]] const PrincipalPtr& Anonymous();

}  // namespace entente::identity
