// The table of nodes.
#pragma once

#include <mutex>
#include <string>

#include "base/status.h"
#include "net/postgres/session.h"
#include "storage/membership.h"
#include "storage/postgres/options.h"

namespace entente::storage::postgres {

// Thread-safe; blocks. Has a session of its own: a beat waits for no lock that appends hold.
class Nodes {
 public:
  Nodes(const PostgresOptions& options, std::string id);

  // As the methods of Membership.
  [[nodiscard]] Result<ClusterView> Beat(const NodeFacts& facts);
  [[nodiscard]] Status Leave();

 private:
  [[nodiscard]] Result<pg::PgResult> Run(std::string_view sql, const pg::Params& params,
                                         std::string_view doing);

  const PostgresOptions options_;
  const std::string id_;
  std::mutex mutex_;
  pg::Session session_;
};

}  // namespace entente::storage::postgres
