#include "entente/global_transaction.h"

#include "participant-sdk/src/client/client_impl.h"

namespace entente::sdk {

Result<GlobalTransaction> GlobalTransaction::Begin(Client& client, BeginRequest request) {
  ENTENTE_ASSIGN_OR_RETURN(const SubmitResult begun, client.Begin(std::move(request)));
  std::string gid = begun.transaction.gid();
  if (gid.empty()) {
    return Internal("client.bad_answer", "the coordinator began a transaction without a name");
  }
  GlobalTransaction transaction(client, std::move(gid));
  if (std::string coordinator = CoordinatorOf(begun.transaction.json());
      IsCoordinatorId(coordinator)) {
    transaction.coordinator_ = std::move(coordinator);
  }
  return transaction;
}

Status GlobalTransaction::Enlist(const Json& branch) {
  return client_->Enlist(gid_, DumpJson(branch)).status();
}

std::vector<std::pair<std::string, std::string>> GlobalTransaction::HeadersFor(
    std::string_view branch, Operation operation) const {
  const std::string name(branch);
  const std::string word(OperationName(operation));
  // As the coordinator forms keys.
  const std::string step_key = gid_ + ":" + name;
  const bool forward = PurposeOf(operation) == Purpose::kForward;
  std::vector<std::pair<std::string, std::string>> headers{
      {"Idempotency-Key", forward ? step_key : step_key + ":" + word},
      {"Entente-Gid", gid_},
      {"Entente-Branch", name},
      {"Entente-Operation", word}};
  if (!coordinator_.empty()) {
    headers.emplace_back("Entente-Coordinator", coordinator_);
  }
  return headers;
}

Result<Transaction> GlobalTransaction::Commit(std::optional<Duration> wait) {
  return client_->Commit(gid_, wait);
}

Result<Transaction> GlobalTransaction::Abort(std::string_view reason,
                                             std::optional<Duration> wait) {
  return client_->Abort(gid_, reason, wait);
}

Result<Decision> GlobalTransaction::AskDecision() {
  ENTENTE_ASSIGN_OR_RETURN(const Document document, client_->Decision(gid_));
  return ReadDecision(document);
}

}  // namespace entente::sdk
