// What the outbox's tests need of a database, so that they are the same on each.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "entente/outbox.h"

namespace entente::sdk::test {

// A fresh outbox, with a clock of its own.
class OutboxWorld {
 public:
  virtual ~OutboxWorld() = default;
  // Runs `work` in a transaction of the writing connection.
  virtual void Transact(const std::function<void()>& work, bool commit) = 0;
  // On the writing connection.
  virtual Result<std::string> Put(const SubmitRequest& request) = 0;
  // On a connection of its own, that lives as long as this world.
  virtual std::unique_ptr<OutboxStore> Open() = 0;
  // Ends the connections of all that Open made, from the server's side. False: there is no server.
  virtual bool CutOff() { return false; }

  Instant now = InstantFromMicros(1'700'000'000'000'000);
};

std::unique_ptr<OutboxWorld> MakeOutboxWorld();

}  // namespace entente::sdk::test
