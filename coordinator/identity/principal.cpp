#include "coordinator/identity/principal.h"

#include <algorithm>
#include <array>

namespace entente::identity {
namespace {

constexpr std::array<std::string_view, kRoleCount> kNames = {
    "viewer", "submitter", "deployer", "operator", "admin", "participant"};

}  // namespace

bool IsPrintableName(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return c > ' ' && c < '\x7f' && c != '"' && c != '\\'; });
}

std::string_view RoleName(Role role) {
  return kNames[static_cast<size_t>(role)];
}

std::optional<Role> RoleFrom(std::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) {
      return static_cast<Role>(i);
    }
  }
  return std::nullopt;
}

const PrincipalPtr& Anonymous() {
  static const PrincipalPtr kAnonymous = [] {
    Principal principal;
    principal.name = "anonymous";
    principal.role = Role::kAdmin;
    principal.authenticated = false;
    return std::make_shared<const Principal>(std::move(principal));
  }();
  return kAnonymous;
}

}  // namespace entente::identity
