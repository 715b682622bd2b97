#include "net/postgres/session.h"

namespace entente::pg {

Result<Connection*> Session::Get() {
  if (connection_ != nullptr) {
    connection_->Look();
    if (!connection_->broken() && !connection_->in_transaction()) {
      return connection_.get();
    }
    connection_.reset();
  }
  if (!backoff_.IsDue(std::chrono::steady_clock::now())) {
    return latest_;
  }
  Result<std::unique_ptr<Connection>> opened = Connection::Open(options_);
  if (!opened.ok()) {
    latest_ = opened.status();
    backoff_.Failed(std::chrono::steady_clock::now());
    return latest_;
  }
  backoff_.Succeeded();
  connection_ = std::move(*opened);
  return connection_.get();
}

}  // namespace entente::pg
