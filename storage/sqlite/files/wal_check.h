// Finds damage in a write-ahead log that SQLite would pass over in silence.
#pragma once

#include <string>

#include "base/status.h"

namespace entente::storage::sqlite {

// SQLite takes the log to end at its first bad frame, which is right for the torn tail of a commit
// that power loss interrupted, and wrong for damage before commits that were acknowledged. The two
// differ: a commit is synced before the next one begins, so if an intact commit *and* the begin of
// another follow the bad frame, the frame belonged to a finished commit.
//
// Reads `path`, which may be absent. Fails with kDataLoss, store.corrupt, for such damage and for
// a header that is neither absent nor intact. A log cut off between two commits can not be told
// from a shorter one. Call before SQLite opens the database; blocks on the disk.
[[nodiscard]] Status CheckWal(const std::string& path);

}  // namespace entente::storage::sqlite
