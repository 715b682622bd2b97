// SigningKeys: the keys that sign the coordinator's calls, and when each does.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "coordinator/config.h"
#include "coordinator/process/every.h"
#include "net/signing/ed25519.h"
#include "storage/journal.h"

namespace entente::coordinator {

// What may be told of a key.
struct SigningKeyInfo {
  net::VerifyingKey key;
  Instant signs_from;  // In the future: it is published, and signs nothing so far.
  bool is_signing = false;
};

// Purpose: whoever verifies must know a key before it signs, and still know it when what it signed
// arrives. So each key is published for a while before it signs, and kKeptAfter beyond the next
// one's beginning.
//
// Where the keys are. In the store, unless `--signing-key` names files: then every node of a
// cluster, a restart, a stand-by and a restored backup sign by the same keys, and nothing has to be
// handed on to them. The first is a setting, which two nodes that start at once can not both make;
// each further one is a note, "signing-key/<id>", so that two rotations at once are two keys. Each
// node takes in what another wrote within kRefreshEvery. Files are read again as often: the first
// signs, the others are published only.
//
// Ownership: `journal` outlives the object. Thread-safe. Current and Published never block on I/O.
class SigningKeys {
 public:
  static constexpr Duration kRefreshEvery = std::chrono::seconds(2);
  static constexpr Duration kKeptAfter = std::chrono::hours(1);
  // Between a rotation and the first signature: twice what the SDK keeps fetched keys for.
  static constexpr Duration kUsualNotice = std::chrono::minutes(10);
  using Now = Instant (*)();

  // Makes the first key if there is none. Fails with kInvalidArgument, config.invalid, for a file
  // that holds no key, and as the journal does. Blocks.
  [[nodiscard]] static Result<std::unique_ptr<SigningKeys>> Open(const Config& config,
                                                                 storage::Journal& journal,
                                                                 Now now);

  // The key that signs at this moment.
  [[nodiscard]] std::shared_ptr<const net::SigningKey> Current() const;

  // Those that calls may be verified with, the one that signs first.
  [[nodiscard]] std::vector<SigningKeyInfo> Published() const;

  // Makes a key that signs after `notice`; with `revoke` the others are published no more, at once.
  // Durable when it returns. kFailedPrecondition, reason keys.in_files, if they are files. Blocks.
  [[nodiscard]] Result<SigningKeyInfo> Rotate(Duration notice, bool revoke);

  // What the thread of this object does every kRefreshEvery. After a failure what was known stays.
  [[nodiscard]] Status Refresh();

 private:
  struct Entry {
    std::shared_ptr<const net::SigningKey> key;  // Shared with the calls that it is signing.
    Instant signs_from;
    bool revoked = false;
  };
  using Ring = std::vector<Entry>;  // By signs_from.

  SigningKeys(const Config& config, storage::Journal& journal, Now now)
      : files_(config.signing_key_files), journal_(journal), now_(now) {}

  [[nodiscard]] Result<Ring> Read();
  [[nodiscard]] Result<Ring> ReadFiles() const;
  [[nodiscard]] Result<Ring> ReadStore();
  [[nodiscard]] static const Entry* SignerOf(const Ring& ring, Instant now);
  [[nodiscard]] static bool IsPublished(const Ring& ring, size_t place, Instant now);
  [[nodiscard]] Status Keep(const Entry& entry);
  [[nodiscard]] Status Forget(const Ring& ring, Instant now);

  const std::vector<std::string> files_;
  storage::Journal& journal_;
  const Now now_;
  std::mutex writing_;  // Held while the store is read or written.
  mutable std::mutex mutex_;
  Ring ring_;  // Guarded by mutex_; never without a key that signs.
  bool failing_ = false;
  std::optional<Every> refresh_;  // Last: it uses the others.
};

}  // namespace entente::coordinator
