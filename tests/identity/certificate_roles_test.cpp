#include "coordinator/identity/certificate_roles.h"

#include <string>

#include <catch2/catch.hpp>

namespace entente::identity {
namespace {

CertificateRoles RolesOf(const std::string& text) {
  return CertificateRoles::Parse(text).value();
}

}  // namespace

TEST_CASE("the first entry that fits a name of a certificate says who it is") {
  const CertificateRoles roles = RolesOf(R"([
      {"san": "URI:spiffe://example.org/ci/*", "role": "deployer", "definitions": ["trip*"]},
      {"san": "DNS:ops.example.org", "role": "operator"},
      {"san": "EMAIL:ann@*", "role": "viewer", "payloads": true},
      {"san": "DNS:ops.*", "role": "viewer"}])");
  const PrincipalPtr ci = roles.Find({"DNS:other", "URI:spiffe://example.org/ci/7"});
  CHECK(ci->name == "URI:spiffe://example.org/ci/7");
  CHECK(ci->role == Role::kDeployer);
  CHECK(ci->scope == Scope{{"trip*"}, {}});
  CHECK(ci->token_id == "certificate");
  CHECK(ci->authenticated);
  CHECK(roles.Find({"DNS:ops.example.org"})->role == Role::kOperator);
  CHECK(roles.Find({"DNS:ops.example.org"})->scope.Everything());
  CHECK(roles.Find({"EMAIL:ann@example.org"})->payloads);
  CHECK_FALSE(roles.Find({"DNS:ops.example.org.evil"})->payloads);
  CHECK(roles.Find({"DNS:ops.example.org.evil"})->role == Role::kViewer);
}

TEST_CASE("who has no name that fits is nobody") {
  const CertificateRoles roles = RolesOf(R"([{"san": "DNS:ci.example.org", "role": "admin"}])");
  for (const char* name : {"DNS:ci.example.org.", "DNS:CI.example.org", "URI:ci.example.org",
                           "DNS:xci.example.org", "ci.example.org", ""}) {
    CHECK(roles.Find({name}) == nullptr);
  }
  CHECK(roles.Find({}) == nullptr);
  CHECK(RolesOf("[]").Find({"DNS:ci.example.org"}) == nullptr);
}

TEST_CASE("a table that is not right is refused as a whole") {
  for (const char* text :
       {"", "{}", "[1]", R"([{"role": "admin"}])", R"([{"san": "DNS:a"}])",
        R"([{"san": "*", "role": "admin"}])", R"([{"san": "DNS:*", "role": "admin"}])",
        R"([{"san": "a.example.org", "role": "admin"}])", R"([{"san": "DNS:", "role": "admin"}])",
        R"([{"san": "DNS:*.a", "role": "admin"}])", R"([{"san": "DNS:a", "role": "root"}])",
        R"([{"san": "DNS:a", "role": 1}])",
        R"([{"san": "DNS:a", "role": "admin", "rolle": "viewer"}])",
        R"([{"san": "DNS:a", "role": "admin", "payloads": 1}])",
        R"([{"san": "DNS:a", "role": "viewer", "definitions": ["*a"]}])",
        R"([{"san": "DNS:a", "role": "viewer", "definitions": "a"}])"}) {
    CAPTURE(text);
    CHECK_FALSE(CertificateRoles::Parse(text).ok());
  }
}

}  // namespace entente::identity
