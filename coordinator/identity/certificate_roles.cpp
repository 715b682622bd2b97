#include "coordinator/identity/certificate_roles.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "base/json.h"
#include "base/limits.h"

namespace entente::identity {
namespace {

constexpr JsonLimits kRolesJson{size_t{1} << 20, 8};

Status BadRoles(const std::string& why) {
  return InvalidArgument("certificate_roles.invalid", why);
}

// A kind, and something of it before the '*': "*" alone would be for whoever has any certificate.
bool IsPattern(std::string_view text) {
  const auto star = text.find('*');
  const bool whole = star == std::string_view::npos || star == text.size() - 1;
  constexpr std::array<std::string_view, 3> kKinds = {"URI:", "DNS:", "EMAIL:"};
  return whole && IsPrintableName(text) && text.size() <= limits::kMaxNameBytes &&
         std::any_of(kKinds.begin(), kKinds.end(), [text, star](std::string_view kind) {
           return text.starts_with(kind) && std::min(star, text.size()) > kind.size();
         });
}

}  // namespace

Result<CertificateRoles> CertificateRoles::Parse(std::string_view text) {
  ENTENTE_ASSIGN_OR_RETURN(const Json document, ParseJson(text, kRolesJson));
  if (!document.is_array() || document.size() > kMaxCertificateRoles) {
    return BadRoles("the roles of certificates are an array of at most " +
                    std::to_string(kMaxCertificateRoles) + " objects");
  }
  CertificateRoles roles;
  for (const Json& given : document) {
    const std::string where = "entry " + std::to_string(roles.entries_.size()) + ": ";
    if (!given.is_object()) {
      return BadRoles(where + "is no object");
    }
    Entry entry;
    Json scope = Json::object();
    for (const auto& [name, value] : given.items()) {
      if (name == "san" && value.is_string()) {
        entry.pattern = value.get<std::string>();
      } else if (name == "role" && value.is_string() && RoleFrom(value.get<std::string>())) {
        entry.role = *RoleFrom(value.get<std::string>());
      } else if (name == "payloads" && value.is_boolean()) {
        entry.payloads = value.get<bool>();
      } else if (name == "definitions" || name == "labels") {
        scope[name] = value;
      } else {
        return BadRoles(where + "'" + name +
                        "' is not one of san, role, definitions, labels and "
                        "payloads, or its value is none of that");
      }
    }
    auto read = ScopeFrom(scope);
    if (!IsPattern(entry.pattern) || !given.contains("role")) {
      return BadRoles(where +
                      "needs a role and a san, such as URI:spiffe://example.org/ci/* or "
                      "DNS:ci.example.org");
    }
    if (!read.ok() || !CheckScope(*read).ok()) {
      return BadRoles(where + "definitions or labels are not as those of a token");
    }
    entry.scope = std::move(*read);
    roles.entries_.push_back(std::move(entry));
  }
  return roles;
}

PrincipalPtr CertificateRoles::Find(const std::vector<std::string>& names) const {
  for (const Entry& entry : entries_) {
    const auto name = std::find_if(names.begin(), names.end(), [&entry](const std::string& one) {
      return MatchesPattern(entry.pattern, one);
    });
    if (name != names.end()) {
      auto principal = std::make_shared<Principal>();
      principal->name = *name;
      principal->role = entry.role;
      principal->payloads = entry.role != Role::kViewer || entry.payloads;
      principal->scope = entry.scope;
      principal->token_id = "certificate";
      return principal;
    }
  }
  return nullptr;
}

}  // namespace entente::identity
