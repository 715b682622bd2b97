// What a failure of PostgreSQL means to whoever sent the statement.
#pragma once

#include <string_view>

namespace entente::pg {

enum class Failure {
  kRetry,      // The same transaction may well succeed another time, on this connection or another.
  kReadOnly,   // The server is a standby, or was told to write nothing: look for another one.
  kDuplicate,  // A key is taken.
  kNoTable,    // A table or a column is not there.
  kCorrupt,    // The server found its own data damaged.
  kLost,       // The server did not say: the connection broke.
  kOther,
};

// `sqlstate` has five characters, or none.
[[nodiscard]] Failure Classify(std::string_view sqlstate);

// Whether a COMMIT that was answered with this error certainly did not commit. The server's own end
// (a session that is terminated, a shutdown) may come after the commit is on its disk, while it
// waits for its standbys; distributed databases say of some that they do not know.
[[nodiscard]] bool CertainlyNotCommitted(std::string_view severity, std::string_view sqlstate);

}  // namespace entente::pg
