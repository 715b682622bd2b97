// Whether clients have to show who they are, and the first token.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/status.h"
#include "coordinator/audit/audit_book.h"
#include "coordinator/config.h"
#include "coordinator/identity/token_book.h"
#include "coordinator/process/every.h"
#include "coordinator/provider_keys.h"
#include "storage/journal.h"

namespace entente::coordinator {

// The tokens of a coordinator that asks for them, and what other nodes of the same store make and
// revoke, taken in every other second. A thread of its own; Open says on the log how it stands.
class Authentication {
 public:
  // The first start writes an administrator's token to a file of mode 0600; so does one whose
  // config names a file for it that is not there, which is how one who lost every token gets in
  // again. Takes the tokens of an identity provider and certificates of clients too, if the config
  // names files for them. Fails as the store does, as ProviderKeys::Open and
  // CertificateRoles::Parse do, and with config.file.
  [[nodiscard]] static Result<std::unique_ptr<Authentication>> Open(const Config& config,
                                                                    storage::Journal& journal,
                                                                    audit::AuditBook& audit);
  Authentication(const Authentication&) = delete;
  Authentication& operator=(const Authentication&) = delete;

  // Null: whoever reaches the coordinator may do everything. Lives as long as this does.
  [[nodiscard]] identity::TokenBook* tokens() const { return tokens_.get(); }

 private:
  Authentication(std::unique_ptr<identity::TokenBook> tokens,
                 std::unique_ptr<ProviderKeys> provider, std::string client_roles_file,
                 std::string client_roles);
  void Refresh();
  void RefreshCertificates();

  const std::string client_roles_file_;  // Empty: certificates say nothing.
  std::string client_roles_;             // What it held. Used by refresh_ alone, once there is one.
  bool client_roles_failing_ = false;    // The same.
  const std::unique_ptr<identity::TokenBook> tokens_;
  const std::unique_ptr<ProviderKeys> provider_;  // Null: none.
  bool failing_ = false;                          // Used by refresh_ alone.
  std::optional<Every> refresh_;                  // After what it uses.
};

}  // namespace entente::coordinator
