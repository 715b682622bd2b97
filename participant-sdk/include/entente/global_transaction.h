// A transaction that a client drives itself, step by step:
//
//   auto transaction = entente::sdk::GlobalTransaction::Begin(client, {.mode = "tcc"});
//   transaction->Enlist({{"id", "flight"},
//                        {"participant", {{"http", "http://flights:8081"}}},
//                        {"confirm", {{"post", "/flight/confirm"}}},
//                        {"cancel", {{"post", "/flight/cancel"}}}});
//   ... POST http://flights:8081/flight/try with transaction->HeadersFor("flight", Operation::kTry)
//   transaction->Commit(std::chrono::seconds(10));
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "entente/call.h"
#include "entente/client.h"

namespace entente::sdk {

// Names a transaction and the client to drive it with, which must outlive it. A value type; as
// thread-compatible as its client, and blocking as it.
//
// Its end does nothing: a destructor that calls over the network would block where nobody expects
// it, and could not say that it failed. Call Abort on every way out that does not commit. What is
// forgotten, also by a client that dies, the time limit undoes.
class GlobalTransaction {
 public:
  // Durable when it returns; errors are those of Client::Begin.
  [[nodiscard]] static Result<GlobalTransaction> Begin(Client& client, BeginRequest request);
  // One that was begun before, here or elsewhere.
  GlobalTransaction(Client& client, std::string gid) : client_(&client), gid_(std::move(gid)) {}

  [[nodiscard]] const std::string& gid() const { return gid_; }

  // Before the participant is called for the first time: what is not enlisted is not undone.
  [[nodiscard]] Status Enlist(const Json& branch);

  // What the client sends along when it calls a branch's participant itself, the same for every
  // attempt, so that the participant's barrier knows the call: Idempotency-Key, Entente-Gid,
  // Entente-Branch and Entente-Operation, and Entente-Coordinator if Begin was told it.
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> HeadersFor(
      std::string_view branch, Operation operation) const;

  // As Client's. Ok may mean that the transaction was aborted: ask the answer's committed().
  [[nodiscard]] Result<Transaction> Commit(std::optional<Duration> wait = std::nullopt);
  [[nodiscard]] Result<Transaction> Abort(std::string_view reason = {},
                                          std::optional<Duration> wait = std::nullopt);
  [[nodiscard]] Result<Decision> AskDecision();

 private:
  Client* client_;
  std::string gid_;
  std::string coordinator_ = {};
};

}  // namespace entente::sdk
