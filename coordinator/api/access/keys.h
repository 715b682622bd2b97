// The methods about the keys that sign calls.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "coordinator/api/access/audit_trail.h"
#include "coordinator/api/problem.h"
#include "coordinator/identity/principal.h"
#include "runtime/coordinator.h"

namespace entente::api {

// A public key of Ed25519.
struct KeyInfo {
  std::string id;  // Its thumbprint (RFC 7638).
  std::string x;   // Its bytes, in base64url.
  Instant signs_from;
  bool signing = false;
};
using KeyList = std::vector<KeyInfo>;

struct RotateKeysCommand {
  std::optional<std::string> notice;  // A duration.
  bool revoke = false;
  identity::PrincipalPtr by = identity::Anonymous();
};

// Where the keys are. Both may be called from any thread; `rotate` blocks.
struct KeyStore {
  std::function<KeyList()> list;
  std::function<Status(std::optional<Duration> notice, bool revoke)> rotate;
};

// As Service: thread-safe, never blocks, `done` runs once. `store` may be null, where calls are not
// signed: then there are no keys, and to rotate them is kFailedPrecondition, reason keys.off.
class Keys {
 public:
  Keys(runtime::Coordinator& coordinator, const KeyStore* store, audit::AuditBook* audit)
      : coordinator_(coordinator), store_(store), audit_(coordinator, audit) {}

  // Those that calls may be verified with, the one that signs first.
  [[nodiscard]] KeyList List() const;
  // Answers with what List says then.
  void Rotate(const RotateKeysCommand& command, Done<KeyList> done) const;

 private:
  runtime::Coordinator& coordinator_;
  const KeyStore* store_;
  AuditTrail audit_;
};

}  // namespace entente::api
