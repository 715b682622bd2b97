// Opens the journal a URL names.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/time.h"
#include "storage/journal.h"

namespace entente::storage {

class KeyRing;  // storage/sealed/key_ring.h

struct OpenOptions {
  CopiedStore copied = CopiedStore::kAsk;
  // Told, before OpenJournal returns, that the store is a copy and what that led to.
  std::function<void(const std::string&)> on_copy = {};

  // Of a store that many coordinators share: how long a shard stays one's that is not heard of, and
  // whether tables that are missing, or an earlier release's, are created or changed.
  Duration lease = std::chrono::seconds(5);
  bool migrate = true;

  // What the store is encrypted with; null: it is not, unless it says that it was. Shared with all
  // who read and write.
  std::shared_ptr<const KeyRing> keys = nullptr;
};

// "sqlite:<path>" opens or creates that file (one coordinator at a time; see
// storage/sqlite/sqlite_journal.h for what can fail); "memory:" keeps everything in memory and
// loses it at the end; "postgres://..." is a database that any number of coordinators may share
// (storage/postgres/postgres_journal.h). kInvalidArgument, store.unknown_scheme or store.bad_url,
// for anything else; kFailedPrecondition, encryption.key_missing, for a key that the store needs
// and `keys` does not have. Blocks on the disk or the network.
[[nodiscard]] Result<std::unique_ptr<Journal>> OpenJournal(std::string_view url,
                                                           const OpenOptions& options = {});

// `url` for logs and messages: without the password that it may have.
[[nodiscard]] std::string ShownUrl(std::string_view url);

}  // namespace entente::storage
