// Opens the journal a URL names.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "storage/journal.h"

namespace entente::storage {

struct OpenOptions {
  CopiedStore copied = CopiedStore::kAsk;
  // Told, before OpenJournal returns, that the store is a copy and what that led to.
  std::function<void(const std::string&)> on_copy = {};
};

// "sqlite:<path>" opens or creates that file (one coordinator at a time; see
// storage/sqlite/sqlite_journal.h for what can fail); "memory:" keeps everything in memory and
// loses it at the end. kInvalidArgument, store.unknown_scheme or store.bad_url, for anything else.
// Blocks on the disk.
[[nodiscard]] Result<std::unique_ptr<Journal>> OpenJournal(std::string_view url,
                                                           const OpenOptions& options = {});

}  // namespace entente::storage
