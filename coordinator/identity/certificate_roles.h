// CertificateRoles: who somebody is by the certificate of its TLS connection.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "coordinator/identity/principal.h"

namespace entente::identity {

inline constexpr size_t kMaxCertificateRoles = 1'000;

// A table of names and roles. Immutable; thread-safe.
class CertificateRoles {
 public:
  // Reads a JSON array of objects: "san", a subject alternative name with its kind
  // ("URI:spiffe://example.org/ci", "DNS:ci.example.org", "EMAIL:ann@example.org") or the beginning
  // of such names and a '*'; "role"; and, as tokens have them, "definitions", "labels" and
  // "payloads". kInvalidArgument, reason certificate_roles.invalid, naming the entry.
  [[nodiscard]] static Result<CertificateRoles> Parse(std::string_view text);

  // What the first entry that fits one of `names` makes of its bearer, whom that name names and
  // whose token_id is "certificate"; null: none fits.
  [[nodiscard]] PrincipalPtr Find(const std::vector<std::string>& names) const;

 private:
  struct Entry {
    std::string pattern;
    Role role = Role::kViewer;
    bool payloads = false;
    Scope scope;
  };

  std::vector<Entry> entries_;
};

}  // namespace entente::identity
