// Copies of a store, and the store itself made as small as it can be.
#pragma once

#include <string>

#include "base/status.h"
#include "storage/maintain.h"

namespace entente::storage::sqlite {

// As BackUpStore and CompactStore of storage/maintain.h, for the store in the file `path`.
[[nodiscard]] Result<BackupReport> BackUp(const std::string& path, const std::string& target);
[[nodiscard]] Result<CompactReport> Compact(const std::string& path);

}  // namespace entente::storage::sqlite
